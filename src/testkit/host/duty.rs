//! Which duty does a host neglect, and in which sequence?

use core::fmt;
use std::string::String;
use std::vec::Vec;

use serde::{Deserialize, Serialize};

use super::plan::HostPlan;

/// A duty of the host, as the documentation of [`Engine`](crate::Engine) lists it.
///
/// Duties 4, 5 and 7 concern the caller of the engine, which is the test kit itself here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Duty {
    /// Duty 1: each snapshot is later than the last one, and lists every worker and every task.
    Snapshots,
    /// Duty 2: commands are carried out, a command that is repeated asks for nothing new, and no task is lost or runs
    /// twice.
    Commands,
    /// Duty 3: what happens to a migration is reported, and is true.
    Reports,
    /// Duty 6: a command of a migration that a later one has overtaken is ignored.
    Fence,
    /// Duty 8: snapshots show where a task really is, and show a task on its way as moving.
    Placements,
    /// Duty 9: a command that could not be passed on for as long as a step may take is dropped, and one that was called
    /// off is not carried out later.
    Order,
    /// Duty 10: a worker that is known to be gone is not listed as present.
    Gone,
}

impl Duty {
    /// The number of the duty in the documentation of [`Engine`](crate::Engine).
    pub const fn number(self) -> u8 {
        match self {
            Self::Snapshots => 1,
            Self::Commands => 2,
            Self::Reports => 3,
            Self::Fence => 6,
            Self::Placements => 8,
            Self::Order => 9,
            Self::Gone => 10,
        }
    }
}

impl fmt::Display for Duty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let says = match self {
            Self::Snapshots => "list every worker and task in snapshots that go forward in time",
            Self::Commands => "carry out each command once",
            Self::Reports => "report what happened, and nothing else",
            Self::Fence => "ignore commands of earlier migrations",
            Self::Placements => "show where each task is, and that it moves",
            Self::Order => "carry out commands in their order and in time",
            Self::Gone => "list no worker that is gone as present",
        };
        write!(f, "duty {} ({says})", self.number())
    }
}

/// What is wrong, before it is known in which sequence.
#[derive(Clone, Debug)]
pub(super) struct Breach {
    pub(super) duty: Duty,
    pub(super) says: String,
}

pub(super) fn breach(duty: Duty, says: String) -> Breach {
    Breach { duty, says }
}

/// A host neglects a duty. Prints as a sentence, followed by the sequence of operations that shows it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub struct HostFault {
    /// The duty.
    pub duty: Duty,
    /// What the host did, or did not do.
    pub says: String,
    /// The cluster and the operations: [`HostPlan::check`] repeats them.
    pub plan: HostPlan,
    /// What happened, a line each: the operations, the commands, and the reports that the engine was told.
    pub story: Vec<String>,
}

impl fmt::Display for HostFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { duty, says, story, .. } = self;
        writeln!(f, "the host neglects {duty}:")?;
        write!(f, "  {says}")?;
        story.iter().try_for_each(|line| write!(f, "\n    {line}"))
    }
}
