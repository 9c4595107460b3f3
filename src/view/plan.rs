//! What a round considers and chooses: units, candidates, and the moves of the plan.

use alloc::vec::Vec;

use crate::model::ids::GroupId;
use crate::outcome::{Considered, Handover, Rejection, Scorecard};
use crate::state::Purpose;
use crate::view::Seat;

/// One task of several that go together, though to different workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Party {
    /// Which of the parties of this round.
    pub(crate) index: usize,
    /// The group that binds the task to it.
    pub(crate) group: GroupId,
}

/// What moves together: one task, or the members of an affinity group that share a worker.
#[derive(Clone, Debug)]
pub(crate) struct Unit {
    /// Task rows; the first leads.
    pub(crate) rows: Vec<usize>,
    pub(crate) from: Option<Seat>,
    pub(crate) errand: Errand,
    /// With whom it goes or stays, if it is in a gang.
    pub(crate) party: Option<Party>,
    /// So many targets are enough to choose from.
    pub(crate) targets: usize,
}

/// How a task would run on a worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Berth {
    /// By which of its alternatives, if it has any.
    pub(crate) alternative: Option<u16>,
    /// On which device, if it needs one.
    pub(crate) device: Option<u16>,
}

/// Which of a task's alternatives will do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Seek {
    /// The fastest for which there is room.
    Any,
    /// The same, if it is so fast.
    AtLeast(f64),
    /// This one.
    Only(Option<u16>),
}

/// A unit and a worker that could take it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    /// Index of the unit.
    pub(crate) unit: usize,
    pub(crate) to: Seat,
    /// Of the task that leads the unit.
    pub(crate) berth: Berth,
    /// How many times as fast the task runs there, where that is the errand.
    pub(crate) times: f64,
    /// None where moves are not scored.
    pub(crate) scorecard: Option<Scorecard>,
    /// Its place among what was scored.
    pub(crate) nth: usize,
}

impl Candidate {
    pub(crate) fn new(unit: usize, to: Seat, berth: Berth) -> Self {
        Self { unit, to, berth, times: 1.0, scorecard: None, nth: 0 }
    }

    /// Net benefit; 0 where moves are not scored.
    pub(crate) fn net(&self) -> f64 {
        self.scorecard.map_or(0.0, |scorecard| scorecard.net())
    }
}

/// What scoring leaves.
#[derive(Debug, Default)]
pub(crate) struct Scored {
    /// Worth their cost, or not scored.
    pub(crate) pairs: Vec<Candidate>,
    /// Everything that was scored.
    pub(crate) considered: Vec<Considered>,
}

impl Scored {
    /// Notes why a pair is not chosen, unless that is known; nothing where moves are not scored.
    pub(crate) fn refuse(&mut self, nth: usize, rejection: Option<Rejection>) {
        if let Some(considered) = self.considered.get_mut(nth) {
            considered.refused = considered.refused.or(rejection);
        }
    }

    /// Notes that a pair is chosen.
    pub(crate) fn take(&mut self, nth: usize) {
        if let Some(considered) = self.considered.get_mut(nth) {
            considered.taken = true;
        }
    }
}

/// A move that was chosen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planned {
    pub(crate) row: usize,
    pub(crate) from: Option<Seat>,
    pub(crate) to: Seat,
    pub(crate) berth: Berth,
    pub(crate) errand: Errand,
    /// How many times as fast it runs there, where that is the errand.
    pub(crate) times: f64,
    pub(crate) scorecard: Option<Scorecard>,
    pub(crate) handover: Option<Handover>,
}

/// Why a task is to go somewhere: what must not stop it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Errand {
    /// It has no worker: only hard rules count.
    Recover,
    /// Its worker is to be emptied: exempt from spread over zones, thresholds, and worth.
    Drain,
    /// One of its gang has to leave its worker: as if its own were to be emptied.
    Along(GroupId),
    /// To even out the load: every rule counts.
    Balance,
    /// To run faster: every rule counts, and nothing becomes uneven by it.
    Upgrade,
}

impl Errand {
    /// What it interrupts a task for; nothing where the task has no worker.
    pub(crate) const fn purpose(self) -> Option<Purpose> {
        match self {
            Self::Recover => None,
            Self::Drain | Self::Along(_) => Some(Purpose::Drain),
            Self::Balance => Some(Purpose::Balance),
            Self::Upgrade => Some(Purpose::Faster),
        }
    }
}
