//! Which entry of a saved state is impossible, and why?

use alloc::string::{String, ToString};
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::model::ids::{KindId, MigrationId, TaskId, WorkerId};

/// An impossible entry of a saved state: which entry, which field, its value, and what the field must be.
///
/// This is for the integrator: a file that was damaged, or changed by hand.
/// [`Engine::resume`](crate::Engine::resume) sets the entry aside and uses the rest of the state;
/// [`Engine::set_aside`](crate::Engine::set_aside) lists what it has set aside.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, thiserror::Error,
)]
#[error("{entry}: {field} is {value}; it must be {must}")]
#[non_exhaustive]
pub struct BadEntry {
    /// The entry.
    pub entry: Entry,
    /// The field.
    pub field: String,
    /// Its value, as printed.
    pub value: String,
    /// What the field must be.
    pub must: String,
}

impl BadEntry {
    pub(super) fn new(entry: Entry, field: &str, value: &dyn fmt::Display, must: &str) -> Self {
        let (field, value, must) = (field.to_string(), value.to_string(), must.to_string());
        Self { entry, field, value, must }
    }
}

/// Which entry of a state a [`BadEntry`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Entry {
    /// A migration, under way or over.
    Migration(MigrationId),
    /// What is remembered of a worker.
    Worker(WorkerId),
    /// What is remembered of a task.
    Task(TaskId),
    /// What was learned of a kind of task.
    Kind(KindId),
    /// What belongs to no single worker, task or migration.
    State,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Migration(id) => write!(f, "migration {id}"),
            Self::Worker(id) => write!(f, "worker {id}"),
            Self::Task(id) => write!(f, "task {id}"),
            Self::Kind(id) => write!(f, "kind {id}"),
            Self::State => f.write_str("state"),
        }
    }
}
