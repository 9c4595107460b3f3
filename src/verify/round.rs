//! What does the verifier judge?

use crate::config::Config;
use crate::outcome::Outcome;
use crate::snapshot::Snapshot;
use crate::state::State;

/// One balancing round: what went in and what came out.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Round<'a> {
    /// The settings in force.
    pub config: &'a Config,
    /// The state before it.
    pub before: &'a State,
    /// What it read.
    pub snapshot: &'a Snapshot,
    /// What it said.
    pub outcome: &'a Outcome,
    /// The state after it.
    pub after: &'a State,
}

impl<'a> Round<'a> {
    /// One round, ready to be judged.
    pub const fn new(
        config: &'a Config,
        before: &'a State,
        snapshot: &'a Snapshot,
        outcome: &'a Outcome,
        after: &'a State,
    ) -> Self {
        Self { config, before, snapshot, outcome, after }
    }
}
