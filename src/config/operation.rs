//! How far the engine may go: what becomes of its decisions, and which tasks they are about.

use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::model::ids::{LabelId, TaskId};
use crate::model::ratio::Ratio;
use crate::model::setters::setters;

/// What becomes of the engine's decisions. History, forecasts and thresholds go on in every mode,
/// and so does what is under way: a migration that has begun is carried to its end, to another
/// target if need be.
///
/// An engine that looks on beside another one (a shadow) finds that one's migrations under way in the
/// snapshots and follows them: drop its `commands` and what it answers to reports, and read
/// [`Outcome::proposed`](crate::Outcome::proposed). One that may be told to act some day begins in an
/// [epoch](crate::Engine::in_epoch) above the other's, so that no id is issued twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Mode {
    /// Nothing new is chosen: the engine watches, forecasts, scores and explains. (With
    /// [`migration`](super::Config::migration) off it does so too, but then there are no limits
    /// either: a migration whose target has failed waits for its time-out and goes back to the
    /// scheduler.)
    Observe,
    /// What would be begun is told as [`Outcome::proposed`](crate::Outcome::proposed) and leaves no
    /// trace in the state: nothing under way, no cooldown, no id taken, nothing learned.
    Advise,
    /// What is chosen is commanded.
    #[default]
    Act,
}

impl Mode {
    /// Whether it commands what it chooses.
    pub const fn is_act(&self) -> bool {
        matches!(self, Self::Act)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Observe => "observe",
            Self::Advise => "advise",
            Self::Act => "act",
        })
    }
}

/// Which tasks the engine may begin something with: for a rollout step by step.
///
/// Who is out of scope counts as load and takes up room like everybody, and is never touched: not
/// moved, not placed if it loses its worker, not taken from a worker that is to be emptied; that is
/// left to whoever did it before. What is under way when the scope narrows goes on to its end.
/// Workers are not in scope or out of it: one that is to be left alone has
/// [`Stance::Hold`](crate::snapshot::Stance::Hold).
///
/// ```
/// use evenkeel::TaskId;
/// use evenkeel::config::TaskScope;
/// use evenkeel::ratio::Ratio;
/// let mut scope = TaskScope::default();
/// scope.share = Ratio::new(0.25)?;
/// let inside = |scope: &TaskScope| (0..1_000).filter(|id| scope.takes(TaskId::new(*id), &[])).count();
/// assert!((220..280).contains(&inside(&scope)));
/// // One task in four; a larger share has the same tasks, and more.
/// scope.share = Ratio::new(0.5)?;
/// assert!((460..540).contains(&inside(&scope)));
/// # Ok::<(), evenkeel::ratio::OutOfRange>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct TaskScope {
    /// Only tasks with one of these [labels](crate::Task::labels) are in scope. Empty if labels do
    /// not count.
    pub labels: Vec<LabelId>,
    /// Of these tasks, the share that is in scope, from 0 to 1: 1. Their ids decide which, once and
    /// for all: a larger share only adds tasks.
    pub share: Ratio,
}

setters! {
    TaskScope {
        each with_labels(labels: LabelId);
        value with_share(share: Ratio);
    }
}

impl Default for TaskScope {
    /// Every task.
    fn default() -> Self {
        Self { labels: Vec::new(), share: Ratio::ONE }
    }
}

impl TaskScope {
    /// Whether a task with these labels is in scope.
    pub fn takes(&self, task: TaskId, labels: &[LabelId]) -> bool {
        self.lacks(labels).is_none() && Self::place(task) < self.share.get()
    }

    /// Where a task stands among all tasks, from 0 to less than 1: shares above this have it. The
    /// same for ever, on every platform: Steele, Lea and Flood's `SplitMix64` of its id, as a
    /// fraction of 2^64.
    pub fn place(task: TaskId) -> f64 {
        let mut mixed = task.raw().wrapping_add(0x9E37_79B9_7F4A_7C15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        // 53 bits are what a fraction holds without rounding.
        (mixed >> 11) as f64 / 9_007_199_254_740_992.0
    }

    /// The first of the labels asked for, if a task carries none of them.
    pub(crate) fn lacks(&self, labels: &[LabelId]) -> Option<LabelId> {
        let carried = self.labels.iter().any(|label| labels.contains(label));
        self.labels.first().copied().filter(|_| !carried)
    }
}
