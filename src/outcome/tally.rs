//! What did a round refuse, counted by reason, with a few examples of each?

use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use super::Rejection;
use crate::model::ids::{TaskId, WorkerId};

/// What a round considered and refused.
///
/// Tasks times workers is unbounded; counts by reason and a few examples per reason are not.
/// [`Look::consider`](crate::engine::Look::consider) answers for any single pair.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Tally {
    /// Pairs of task and worker that passed every hard rule.
    pub candidates: u32,
    /// Reports that said nothing new.
    pub ignored_reports: u32,
    /// Refusals, by the name of the reason.
    pub refusals: Vec<Refusals>,
}

/// The refusals for one reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Refusals {
    /// How many there were.
    pub count: u32,
    /// The first of them, at most [`Tally::EXAMPLES`].
    pub examples: Vec<Refused>,
}

/// One refusal.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Refused {
    /// The task.
    pub task: TaskId,
    /// The worker that was asked about; `None` if the refusal holds for every worker.
    pub to: Option<WorkerId>,
    /// Why it was refused.
    pub rejection: Rejection,
}

/// A pair of task and worker that was scored, and what became of it. If moves that were chosen before have changed one
/// of its workers, the cost and the benefit are those of the last time that it was scored.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Considered {
    /// The task; the first, if several move together.
    pub task: TaskId,
    /// The worker that the task is on; `None` if it has lost its worker.
    pub from: Option<WorkerId>,
    /// The worker that the task could move to.
    pub to: WorkerId,
    /// The cost of the move, in points.
    pub cost: f64,
    /// The benefit of the move, in points.
    pub benefit: f64,
    /// Whether the pair was chosen.
    pub taken: bool,
    /// Why the pair was refused; `None` if it was chosen, if another worker was chosen for the task,
    /// or if nothing is moved at all ([`Config::migration`](crate::Config::migration) is off, or the
    /// mode is [`Observe`](crate::config::Mode::Observe)).
    pub refused: Option<Rejection>,
}

impl fmt::Display for Considered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { task, to, cost, benefit, .. } = self;
        write!(f, "{task} -> {to}: benefit {benefit:.2} - cost {cost:.2}")?;
        match self.refused {
            Some(rejection) => write!(f, ", {rejection}"),
            None => f.write_str(if self.taken { ", chosen" } else { ", not chosen" }),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to {
            Some(to) => write!(f, "{} -> {to}: {}", self.task, self.rejection),
            None => write!(f, "{}: {}", self.task, self.rejection),
        }
    }
}

impl Tally {
    /// At most this many examples are kept per reason.
    pub const EXAMPLES: usize = 3;

    /// Whether nothing was refused and no report was ignored.
    pub fn is_empty(&self) -> bool {
        self.ignored_reports == 0 && self.refusals.is_empty()
    }

    /// How often a reason was given, by its [name](Rejection::name).
    pub fn count(&self, name: &str) -> u32 {
        let named = |refusals: &&Refusals| refusals.name() == name;
        self.refusals.iter().find(named).map_or(0, |refusals| refusals.count)
    }

    pub(crate) fn refuse(&mut self, task: TaskId, to: Option<WorkerId>, rejection: Rejection) {
        self.refuse_many(1, task, to, rejection);
    }

    /// Notes `count` refusals for one reason; the given one becomes an example.
    pub(crate) fn refuse_many(
        &mut self,
        count: u32,
        task: TaskId,
        to: Option<WorkerId>,
        rejection: Rejection,
    ) {
        let refused = Refused { task, to, rejection };
        match self.refusals.binary_search_by_key(&rejection.name(), Refusals::name) {
            Ok(at) => {
                let refusals = &mut self.refusals[at];
                refusals.count = refusals.count.saturating_add(count);
                if refusals.examples.len() < Self::EXAMPLES {
                    refusals.examples.push(refused);
                }
            }
            Err(at) => {
                self.refusals.insert(at, Refusals { count, examples: alloc::vec![refused] });
            }
        }
    }
}

impl Refusals {
    /// The name of the reason.
    pub fn name(&self) -> &'static str {
        self.examples.first().map_or("", |refused| refused.rejection.name())
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tally     ")?;
        let mut comma = "";
        for refusals in &self.refusals {
            write!(f, "{comma} {} {}", refusals.name(), refusals.count)?;
            comma = ",";
        }
        if self.ignored_reports > 0 {
            write!(f, "{comma} ignored reports {}", self.ignored_reports)?;
        }
        for refused in self.refusals.iter().flat_map(|refusals| &refusals.examples) {
            write!(f, "\nrefused    {refused}")?;
        }
        Ok(())
    }
}
