//! How far does an exploration look?

use serde::{Deserialize, Serialize};

use super::super::setup::Setup;

/// How far to look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Scope {
    /// The cluster at first.
    pub setup: Setup,
    /// How many steps a schedule has at most.
    pub depth: usize,
    /// How many of them may be faults: whatever is lost, doubled, refused or overtaken, fails, dies, or is not shown.
    pub faults: usize,
    /// How many of the faults may be restarts of the engine.
    pub restarts: usize,
    /// The engine may go on from each of so many last saved states, or from nothing.
    pub saves: usize,
    /// The search ends early, in the middle of a depth, when it has found so many states.
    pub states: usize,
}

impl Scope {
    /// All steps up to this depth: every one may be a fault, one of them a restart from one of the last three states.
    pub const fn new(setup: Setup, depth: usize) -> Self {
        Self { setup, depth, faults: usize::MAX, restarts: 1, saves: 3, states: usize::MAX }
    }
}

/// How much may still go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) faults: usize,
    pub(super) restarts: usize,
}
