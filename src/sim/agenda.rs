//! What is due next, and when?

use alloc::collections::BTreeMap;

use super::plan::Micros;
use crate::snapshot::Report;

/// A report that is repeated arrives so much later.
pub(super) const AGAIN: Micros = 30_000_000;

/// Something that is due.
#[derive(Clone, Copy, Debug)]
pub(super) enum Due {
    /// A task of the plan arrives.
    Arrival(usize),
    /// Something of the plan happens, or is over.
    Incident(usize),
    Over(usize),
    /// Noise, heat and measurements move on.
    Refresh,
    /// A worker is measured.
    Measure(usize),
    /// A worker can start a task that came back to it.
    Ready(usize),
    /// A balancing round.
    Round,
    /// A report arrives once more.
    Repeat(Report),
    /// A task is complete, unless its worker has changed since.
    Completion {
        seat: usize,
        generation: u64,
    },
    /// State has arrived, unless transfers have changed since.
    Transfer {
        generation: u64,
    },
    /// A step of a migration is done, unless it was called off.
    Step {
        job: usize,
        token: u64,
    },
}

/// Everything that is due. Entries due at the same moment come in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    due: BTreeMap<(Micros, u64), Due>,
    entered: u64,
}

impl Agenda {
    pub(super) fn enter(&mut self, at: Micros, due: Due) {
        self.entered += 1;
        self.due.insert((at, self.entered), due);
    }

    pub(super) fn next(&mut self) -> Option<(Micros, Due)> {
        let ((at, _), due) = self.due.pop_first()?;
        Some((at, due))
    }
}
