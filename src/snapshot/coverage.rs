//! Does a snapshot list all workers and tasks?

use core::fmt;

use serde::{Deserialize, Serialize};

/// Whether a snapshot lists everything there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Coverage {
    /// A task that is missing is over, and a worker that is missing is gone when its
    /// [grace period](crate::Config::grace) is over.
    #[default]
    Complete,
    /// A worker or task that is missing is unknown, never gone.
    Partial,
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Complete => "complete snapshot",
            Self::Partial => "partial snapshot",
        })
    }
}
