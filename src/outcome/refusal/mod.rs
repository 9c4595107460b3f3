//! Why does a task not move? Every refusal with its numbers, reach, sentence and remedy.
//!
//! Refusals come in families, one file each. A family's file holds everything about its refusals; the rules that
//! return them are in the file of `rules` with about the same name.

mod budget;
mod fit;
mod group;
mod load;
mod reach;
mod target;
mod task;
mod worth;

use core::fmt;

use serde::{Deserialize, Serialize};

pub use budget::BudgetRefusal;
pub use fit::FitRefusal;
pub use group::GroupRefusal;
pub use load::LoadRefusal;
pub use reach::Reach;
pub use target::TargetRefusal;
pub use task::TaskRefusal;
pub use worth::WorthRefusal;

use super::Remedy;

/// Whether a task may go to a worker, and if not, how far the "no" reaches.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Admission {
    /// The task may go there.
    Accept,
    /// This task may not go to this worker.
    RejectPair(Rejection),
    /// No task may go to this worker.
    RejectTarget(Rejection),
    /// This task may go to no worker.
    RejectTask(Rejection),
}

impl Admission {
    /// Whether the task may go there.
    pub const fn is_accepted(&self) -> bool {
        matches!(self, Self::Accept)
    }

    /// The refusal; `None` if the task may go there.
    pub const fn rejection(&self) -> Option<&Rejection> {
        match self {
            Self::Accept => None,
            Self::RejectPair(no) | Self::RejectTarget(no) | Self::RejectTask(no) => Some(no),
        }
    }
}

impl From<Result<(), Rejection>> for Admission {
    fn from(verdict: Result<(), Rejection>) -> Self {
        match verdict {
            Ok(()) => Self::Accept,
            Err(no) => match no.reach() {
                Reach::Pair => Self::RejectPair(no),
                Reach::Target => Self::RejectTarget(no),
                Reach::Task => Self::RejectTask(no),
            },
        }
    }
}

impl fmt::Display for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rejection() {
            None => f.write_str("yes"),
            Some(no) => write!(f, "no: {no}"),
        }
    }
}

/// Declares the families of refusals, once.
macro_rules! families {
    ($($(#[$doc:meta])* $family:ident($refusal:ident)),+ $(,)?) => {
        /// Why a task does not move, with the numbers that decided it.
        ///
        /// The serialised form names the refusal and leaves out its family: `"pinned"`, or
        /// `{"gang": {"group": 3}}`.
        #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(untagged)]
        #[non_exhaustive]
        pub enum Rejection {
            $($(#[$doc])* $family($refusal)),+
        }

        impl Rejection {
            /// How far the refusal reaches.
            pub const fn reach(&self) -> Reach {
                match self {
                    $(Self::$family(no) => no.reach()),+
                }
            }

            /// The refusal's name in a tally.
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$family(no) => no.name()),+
                }
            }

            /// The smallest change that would lift the refusal. Another refusal may stand behind it.
            pub fn remedy(&self) -> Remedy {
                match self {
                    $(Self::$family(no) => no.remedy()),+
                }
            }
        }

        impl fmt::Display for Rejection {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$family(no) => no.fmt(f)),+
                }
            }
        }

        $(impl From<$refusal> for Rejection {
            fn from(no: $refusal) -> Self {
                Self::$family(no)
            }
        })+
    };
}

families! {
    /// The task itself does not move.
    Task(TaskRefusal),
    /// The worker does not take the task.
    Target(TargetRefusal),
    /// The worker lacks something that the task needs.
    Fit(FitRefusal),
    /// A group that the task belongs to forbids the move.
    Group(GroupRefusal),
    /// A budget is spent.
    Budget(BudgetRefusal),
    /// The loads of the workers would be no better after the move.
    Load(LoadRefusal),
    /// The move costs more than it gains.
    Worth(WorthRefusal),
}
