//! What does the host report about migrations that it carries out?

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::model::hardware::Hardware;
use crate::model::ids::{MigrationId, TaskId, WorkerId};
use crate::model::time::Timestamp;

/// Something that happened to a migration, or was learned about a worker.
///
/// Pass it to [`Engine::report`](crate::Engine::report) at once, or put it into the next snapshot.
/// Reports may come late, twice, in any order or never.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// When it happened, by the host's clock: not later than when the host received the report, whatever the clock of
    /// the worker says.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
}

impl Report {
    /// `event` happened `at` this moment.
    pub const fn new(at: Timestamp, event: Event) -> Self {
        Self { at, event }
    }
}

/// What a [`Report`] says.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The source has saved the task's state and released the task: the specification's "task cancelled
    /// for migration". The engine answers with the command that assigns the task to its target. It
    /// answers with none if a copy is known to run on the target, which completes the migration, or if the
    /// task was evicted or queued again and is now with the host's scheduler.
    Released {
        /// The migration.
        migration: MigrationId,
    },
    /// The target runs the task: the migration is complete, or (if a copy was started first) the engine
    /// answers with the command that stops the task at its source.
    Running {
        /// The migration.
        migration: MigrationId,
    },
    /// The worker that was asked for the current step failed. The task is where it was before the step: on the source
    /// before the release, on no worker after it. In a move that overlaps, the task is on the source at every step, and
    /// a copy that runs is called off. A task that was evicted or queued again is on the source or with the host's
    /// scheduler, and the engine leaves it there.
    Failed {
        /// The migration.
        migration: MigrationId,
    },
    /// The worker that was asked for the current step refused before doing anything.
    Refused {
        /// The migration.
        migration: MigrationId,
    },
    /// The task turned up on a worker that the engine did not choose, perhaps under a new name. An evicted task may
    /// turn up on any worker, its source included. If the report comes after the engine has given up on the migration,
    /// the engine still leaves the task alone for a while, under its new id.
    Diverted {
        /// The migration.
        migration: MigrationId,
        /// Where the task is now.
        worker: WorkerId,
        /// The id of the task now.
        task: TaskId,
    },
    /// An operator called the migration off.
    Aborted {
        /// The migration.
        migration: MigrationId,
    },
    /// How fast a worker's hardware was measured to be, relative to one CPU worker. It refines the
    /// hardware table.
    Performance {
        /// The worker that was measured.
        worker: WorkerId,
        /// The hardware that did the work.
        hardware: Hardware,
        /// Work per second, relative to one CPU worker, from 10^-6 to 10^6.
        speed: f64,
    },
}

impl Event {
    /// The migration that the report is about; `None` if it is about a worker.
    pub const fn migration(&self) -> Option<MigrationId> {
        match *self {
            Self::Released { migration }
            | Self::Running { migration }
            | Self::Failed { migration }
            | Self::Refused { migration }
            | Self::Diverted { migration, .. }
            | Self::Aborted { migration } => Some(migration),
            Self::Performance { .. } => None,
        }
    }

    /// The order of reports of one moment: a release comes before a start, and success before failure.
    const fn rank(&self) -> u8 {
        match self {
            Self::Released { .. } => 0,
            Self::Running { .. } => 1,
            Self::Diverted { .. } => 2,
            Self::Refused { .. } => 3,
            Self::Failed { .. } => 4,
            Self::Aborted { .. } => 5,
            Self::Performance { .. } => 6,
        }
    }
}

/// The order in which the reports of one snapshot are read, whatever order they came in.
pub(crate) fn reading_order(a: &Report, b: &Report) -> core::cmp::Ordering {
    let key = |report: &Report| (report.at, report.event.migration(), report.event.rank());
    key(a).cmp(&key(b)).then_with(|| {
        crate::math::fingerprint::fingerprint(a).cmp(&crate::math::fingerprint::fingerprint(b))
    })
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Released { migration } => write!(f, "{migration} released by its source"),
            Self::Running { migration } => write!(f, "{migration} running on its target"),
            Self::Failed { migration } => write!(f, "{migration} failed"),
            Self::Refused { migration } => write!(f, "{migration} refused"),
            Self::Diverted { migration, worker, task } => {
                write!(f, "{migration} diverted: now {task} on {worker}")
            }
            Self::Aborted { migration } => write!(f, "{migration} aborted"),
            Self::Performance { worker, hardware, speed } => {
                write!(f, "{worker} runs {hardware} at {speed:.2} times a CPU worker")
            }
        }
    }
}
