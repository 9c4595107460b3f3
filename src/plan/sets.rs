//! Which tasks may move, and for what purpose?
//!
//! The purposes, most pressing first: to place tasks without a worker, to empty workers (and let gangs follow), to even
//! out loads, to run tasks faster. A set holds tasks that move together: one task, or the members of an affinity group
//! that share a worker.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::faster::Faster;
use super::gang::Gangs;
use crate::config::Config;
use crate::model::rows::{Column, TaskRow, WorkerRow};
use crate::outcome::{GroupRefusal, Purpose, Rejection, Tally, TaskRefusal};
use crate::round::{MoveSet, Round, Stuck};
use crate::rules::{self, TaskRules};
use crate::snapshot::Stance;
use crate::view::Place;

/// The sets of a round.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    pub(crate) faster: Faster<'a>,
    pub(crate) sets: Vec<MoveSet>,
    /// The leaders of sets that had a purpose and may not move, and why not.
    pub(crate) refused: BTreeMap<TaskRow, Rejection>,
    /// Tasks on workers to be emptied that can go to no worker, and what stops them.
    pub(crate) stuck: Stuck,
}

/// Finds the sets that may move, and their purposes.
pub(crate) fn sets<'a>(config: &'a Config, round: &Round<'_>, tally: &mut Tally) -> Found<'a> {
    let mut purposes = Purposes::new(config, round);
    let (mut sets, mut stuck, mut refused) = (Vec::new(), Stuck::new(), BTreeMap::new());
    let mut refuse = |row: TaskRow, rejection: Rejection| {
        tally.refuse(round.task_id(row), None, rejection);
        refused.insert(row, rejection);
    };
    for row in round.view.task_rows() {
        let (purpose, from) = match purposes.of(round, row) {
            Ok(Some(next)) => next,
            Ok(None) => continue,
            Err(rejection) => {
                if matches!(rejection, Rejection::Task(TaskRefusal::DoubtfulSource { .. })) {
                    stuck.insert(row, Some(rejection));
                }
                refuse(row, rejection);
                continue;
            }
        };
        if round.companions.leader(row) != row {
            continue;
        }
        match rules::task(round, row, purpose, TaskRules::All) {
            Ok(()) => sets.push(purposes.set(round, row, purpose, from)),
            Err(rejection) => {
                if purpose == Purpose::Evacuate {
                    note_stuck(round, row, rejection, &mut stuck);
                }
                refuse(row, rejection);
            }
        }
    }
    purposes.gangs.keep_whole(round, (&mut sets, &mut stuck), refuse);
    Found { faster: purposes.faster, sets, refused, stuck }
}

/// Notes that a task and its companions cannot leave their worker.
fn note_stuck(round: &Round<'_>, row: TaskRow, rejection: Rejection, stuck: &mut Stuck) {
    stuck.insert(row, Some(rejection));
    for (other, group) in round.companions.of(row) {
        let own = rules::task(round, other, Purpose::Evacuate, TaskRules::AloneInScope);
        let bound = Rejection::Group(GroupRefusal::Companion { group, task: round.task_id(row) });
        stuck.insert(other, Some(own.err().unwrap_or(bound)));
    }
}

/// The purpose for which each worker's tasks should move, and the gangs of a round.
struct Purposes<'a> {
    /// The purpose of each worker's tasks; `None` if they need not move.
    of_workers: Column<WorkerRow, Option<Purpose>>,
    gangs: Gangs,
    faster: Faster<'a>,
}

impl<'a> Purposes<'a> {
    fn new(config: &'a Config, round: &Round<'_>) -> Self {
        let is_usable = |worker| {
            !broken!("drain_with_a_broken_sensor") || round.view.snapshot.is_usable(worker)
        };
        let of_workers = round.view.worker_rows().map(|worker| {
            // To empty a worker no figure of it is needed, only its stance.
            match round.view.workers[worker].stance {
                Stance::Drain if is_usable(worker) => Some(Purpose::Evacuate),
                _ if round.donates(worker) => Some(Purpose::Rebalance),
                _ => None,
            }
        });
        let of_workers = of_workers.collect();
        Self { of_workers, gangs: Gangs::new(round), faster: Faster::new(config, round) }
    }

    /// The purpose for which a task should move, and its source; `None` if it need not move.
    ///
    /// # Errors
    ///
    /// The task should move, but its place is unknown.
    fn of(
        &mut self,
        round: &Round<'_>,
        row: TaskRow,
    ) -> Result<Option<(Purpose, Option<WorkerRow>)>, Rejection> {
        let worker = match round.ledger.places[row] {
            Place::On(worker) => worker,
            Place::Orphaned | Place::Stranded { .. } => return Ok(Some((Purpose::Recover, None))),
            Place::Unknown(worker) => return Err(TaskRefusal::UnknownPlace { worker }.into()),
            Place::Moving { .. } | Place::Unplaced => return Ok(None),
        };
        let asked = self.of_workers[worker];
        let purpose = match asked {
            Some(Purpose::Evacuate) if !Self::is_done_in_time(round, row, worker) => asked,
            _ if self.gangs.must_leave(row) => Some(Purpose::FollowGang),
            // A task that is done before its worker departs stays.
            Some(Purpose::Evacuate) => None,
            Some(_) => asked,
            None => self.upgrade(round, row, worker),
        };
        if matches!(purpose, Some(Purpose::Evacuate | Purpose::FollowGang)) {
            rules::source_is_certain(round, row)?;
        }
        Ok(purpose.map(|purpose| (purpose, Some(worker))))
    }

    fn upgrade(&mut self, round: &Round<'_>, row: TaskRow, from: WorkerRow) -> Option<Purpose> {
        let asks =
            round.view.workers[from].balanced && self.faster.is_worth_asking(round, row, from);
        asks.then_some(Purpose::Upgrade)
    }

    /// Whether a task and all its companions are done before their worker departs.
    fn is_done_in_time(round: &Round<'_>, row: TaskRow, worker: WorkerRow) -> bool {
        let is_done = |row| round.view.is_done_in_time(row, worker);
        let mut companions = round.companions.of(row);
        let waits_for_none = broken!("done_with_its_companions");
        is_done(row) && (waits_for_none || companions.all(|(other, _)| is_done(other)))
    }

    /// The set that a task leads.
    fn set(
        &self,
        round: &Round<'_>,
        lead: TaskRow,
        purpose: Purpose,
        from: Option<WorkerRow>,
    ) -> MoveSet {
        let mut rows = alloc::vec![lead];
        rows.extend(round.companions.of(lead).map(|(other, _)| other));
        MoveSet { rows, from, purpose, gang: self.gangs.member(lead) }
    }
}
