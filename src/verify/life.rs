//! How far has a migration come, by the inputs and outputs that a watch has seen?

use alloc::collections::{BTreeMap, BTreeSet};

use crate::model::ids::{MigrationId, TaskId, WorkerId};
use crate::model::time::Timestamp;
use crate::outcome::Fate;
use crate::snapshot::Phase;

/// A migration that has not ended.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub(super) task: TaskId,
    pub(super) from: Option<WorkerId>,
    /// Its last target; `None` for a migration of an earlier life.
    pub(super) to: Option<WorkerId>,
    /// Whether its source is known to have released the task.
    pub(super) released: bool,
    /// The worker that was told to run the task and has not reported a failure.
    pub(super) told: Option<WorkerId>,
    /// Since when records have shown that it was told, `None` if none has.
    pub(super) asked: Option<Timestamp>,
    /// Whether the task was evicted or queued again, so that the host's scheduler has it.
    pub(super) evicted: bool,
    /// Whether the copy is known to run, if one was started before the source stops; `None` otherwise.
    pub(super) copy: Option<bool>,
}

impl Life {
    /// A migration of an earlier life of the engine.
    pub(super) const fn adopted(task: TaskId, from: Option<WorkerId>, released: bool) -> Self {
        let (to, told, copy) = (None, None, None);
        Self { task, from, to, released, told, asked: None, evicted: false, copy }
    }

    /// Notes that the task runs on its target.
    pub(super) fn runs(&mut self) {
        self.copy = self.copy.map(|_| true);
    }

    /// Whether a record shows that the worker which was told to run the task has given it up since.
    pub(super) fn gives_up(&mut self, to: WorkerId, phase: Phase, since: Timestamp) -> bool {
        if phase == Phase::Assigned && self.told == Some(to) {
            self.asked = self.asked.or(Some(since));
        }
        phase == Phase::Released && self.asked.is_some_and(|asked| asked < since)
    }

    /// Notes the phase that a record shows.
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
    /// Whether the host's scheduler has the task once its source has released it.
    pub(super) evicted: bool,
    pub(super) fate: Fate,
}

/// What one input shows.
#[derive(Debug, Default)]
pub(super) struct Shown {
    pub(super) at: Timestamp,
    /// Reported failures, by migration.
    pub(super) failures: BTreeMap<MigrationId, u32>,
    pub(super) running: BTreeSet<MigrationId>,
    /// Migrations whose source released the task after they had ended.
    pub(super) late: BTreeSet<MigrationId>,
    /// The workers in reach on which records show tasks.
    pub(super) held: BTreeMap<TaskId, WorkerId>,
    /// Tasks shown without a worker.
    pub(super) orphaned: BTreeSet<TaskId>,
    pub(super) gone: BTreeSet<WorkerId>,
    /// The present id and worker of diverted tasks, by migration.
    pub(super) diverted: BTreeMap<MigrationId, (TaskId, WorkerId)>,
    /// The migrations that records show under way, and their sources, by task.
    pub(super) moving: BTreeMap<TaskId, (MigrationId, Phase, Option<WorkerId>)>,
    /// Tasks that may run twice at once.
    pub(super) overlapping: BTreeSet<TaskId>,
}
