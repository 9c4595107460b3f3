//! What does the verifier judge? One round: its inputs and its results.

use crate::config::Config;
use crate::model::ids::WorkerId;
use crate::outcome::Outcome;
use crate::snapshot::Snapshot;
use crate::state::State;

/// One round: what went in and what came out.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Round<'a> {
    /// The settings in force.
    pub config: &'a Config,
    /// The state before the round.
    pub before: &'a State,
    /// The snapshot that the round read.
    pub snapshot: &'a Snapshot,
    /// The outcome of the round.
    pub outcome: &'a Outcome,
    /// The state after the round.
    pub after: &'a State,
}

impl<'a> Round<'a> {
    /// A round with these inputs and results.
    pub const fn new(
        config: &'a Config,
        before: &'a State,
        snapshot: &'a Snapshot,
        outcome: &'a Outcome,
        after: &'a State,
    ) -> Self {
        Self { config, before, snapshot, outcome, after }
    }

    /// Whether the round says of a worker that it is missing and not gone yet. (Whether that is true is judged by
    /// itself.)
    pub(super) fn is_missing(&self, worker: WorkerId) -> bool {
        self.outcome.missing.iter().any(|missing| missing.worker == worker)
    }
}
