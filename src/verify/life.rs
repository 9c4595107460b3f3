//! How far has a migration come, as far as a watch was shown?

use crate::model::ids::{TaskId, WorkerId};
use crate::outcome::Fate;
use crate::snapshot::Phase;

/// A migration that has not ended.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub(super) task: TaskId,
    pub(super) from: Option<WorkerId>,
    /// Where it was to go last; nothing for a migration of an earlier life.
    pub(super) to: Option<WorkerId>,
    /// Its source is known to have let go.
    pub(super) released: bool,
    /// Who was told to run it, and has not been heard to have failed.
    pub(super) told: Option<WorkerId>,
    /// It was evicted, or queued again: the host's scheduler has it.
    pub(super) evicted: bool,
    /// A copy of it was started before its source was to stop; whether it is known to run.
    pub(super) copy: Option<bool>,
}

impl Life {
    /// Of an earlier life of the engine.
    pub(super) const fn adopted(task: TaskId, released: bool) -> Self {
        let (from, to, told, copy) = (None, None, None, None);
        Self { task, from, to, released, told, evicted: false, copy }
    }

    /// It runs on its target.
    pub(super) fn runs(&mut self) {
        self.copy = self.copy.map(|_| true);
    }

    /// A record shows how far it has got.
    pub(super) fn shown(&mut self, phase: Phase) {
        match (self.copy, phase) {
            (Some(_), Phase::Releasing) => self.copy = Some(true),
            (Some(_), Phase::Assigned) | (None, Phase::Releasing) => {}
            _ => self.released = true,
        }
    }
}

/// A migration that has ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Past {
    pub(super) task: TaskId,
    pub(super) released: bool,
    /// The host's scheduler has it, whenever its source let it go.
    pub(super) evicted: bool,
    pub(super) fate: Fate,
}
