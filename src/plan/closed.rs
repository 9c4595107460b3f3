//! Which targets are closed to a task by its groups when the round begins?
//!
//! A group that keeps apart may close hundreds of workers to each of its members, and a group that is spread over zones
//! may close a zone. The rules would refuse such targets anyway; recognising them here is cheaper than asking the rules
//! about each.

use alloc::rc::Rc;
use alloc::vec::Vec;

use crate::model::ids::TaskId;
use crate::model::rows::{Row, WorkerRow};
use crate::outcome::{Rejection, Tally};
use crate::round::{MoveSet, Round};
use crate::snapshot::{GroupRule, Topology};
use crate::view::{Domains, Place};

/// The targets that the groups of the task that leads a set close.
#[derive(Debug)]
pub(super) struct Closed {
    own: TaskId,
    place: Place,
    /// Groups that keep apart.
    apart: Vec<u32>,
    spread: Vec<Spread>,
    /// For how many closed targets of each kind the rules were asked.
    asked: [usize; 2],
    /// How many closed targets of each kind were only recognised, and the first of them.
    recognised: [Option<(u32, WorkerRow)>; 2],
}

/// A group that is spread over domains of several workers.
#[derive(Debug)]
struct Spread {
    group: u32,
    most: u32,
    domains: Rc<Domains>,
    /// The domains that were asked, and whether each is closed.
    known: Vec<(Option<u64>, bool)>,
}

/// Why a target is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Apart,
    Spread,
}

impl Closed {
    pub(super) fn new(round: &Round<'_>, set: &MoveSet) -> Self {
        let lead = set.lead();
        let (mut apart, mut spread) = (Vec::new(), Vec::new());
        for index in round.view.groups_of(lead).iter().copied() {
            match round.view.snapshot.groups()[index as usize].rule {
                GroupRule::AntiAffinity => apart.push(index),
                // For a spread over single workers no answer can be reused.
                GroupRule::Spread { over, max_skew }
                    if over != Topology::Worker && set.purpose.is_voluntary() =>
                {
                    let domains = round.view.domains.get(&over).cloned().unwrap_or_default();
                    let most = max_skew.get();
                    spread.push(Spread { group: index, most, domains, known: Vec::new() });
                }
                _ => {}
            }
        }
        let (own, place) = (round.task_id(lead), round.ledger.places[lead]);
        let (asked, recognised) = ([0; 2], [None; 2]);
        Self { own, place, apart, spread, asked, recognised }
    }

    /// Whether a target is closed and the rules were asked about enough targets of its kind; counts it then.
    pub(super) fn recognises(&mut self, round: &Round<'_>, to: WorkerRow) -> bool {
        let Some(kind) = self.kind(round, to) else { return false };
        let kind = kind as usize;
        if self.asked[kind] < Tally::EXAMPLES {
            self.asked[kind] += 1;
            return false;
        }
        let (count, _) = self.recognised[kind].get_or_insert((0, to));
        *count += 1;
        true
    }

    /// Notes the targets that were only recognised: the refusal of the first of each kind stands for all of them.
    pub(super) fn note(
        &self,
        round: &Round<'_>,
        mut ask: impl FnMut(WorkerRow) -> Option<Rejection>,
        tally: &mut Tally,
    ) {
        for (count, first) in self.recognised.into_iter().flatten() {
            if let Some(no) = ask(first) {
                tally.refuse_many(count, self.own, Some(round.worker_id(first)), no);
            }
        }
    }

    fn kind(&mut self, round: &Round<'_>, to: WorkerRow) -> Option<Kind> {
        let (groups, own) = (&round.ledger.groups, self.own);
        if self.apart.iter().any(|group| groups.occupant(*group, own, to).is_some()) {
            return Some(Kind::Apart);
        }
        for spread in &mut self.spread {
            let domain = spread.domains.of.get(to.position()).copied().flatten();
            let known = spread.known.iter().find(|(known, _)| *known == domain);
            let closed = if let Some((_, closed)) = known {
                *closed
            } else {
                let skew = groups.broken_skew(spread.group, self.place, to, spread.most);
                spread.known.push((domain, skew.is_some()));
                skew.is_some()
            };
            if closed {
                return Some(Kind::Spread);
            }
        }
        None
    }
}
