//! How far may the engine go: does it act on its decisions, and for which tasks?

use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::model::ids::{LabelId, TaskId};
use crate::model::ratio::Ratio;
use crate::model::setters::setters;

/// Whether the engine acts on its decisions. In every mode it keeps its history, forecasts and
/// thresholds, and carries migrations that have begun to their end, to another target if need be.
///
/// A shadow (an engine that runs beside the one that acts) finds the other's migrations in the
/// snapshots and follows them: drop its `commands` and its replies to reports, and read
/// [`Outcome::proposed`](crate::Outcome::proposed). If the shadow may act later, start it in a higher
/// [epoch](crate::Engine::in_epoch) than the other's, so that no id is issued twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Mode {
    /// The engine observes, forecasts, scores and explains, and begins no move. (So it does with
    /// [`migration`](super::Config::migration) off; but then a migration whose target has failed gets no
    /// other target: it times out, and its task goes back to the scheduler.)
    Observe,
    /// The engine proposes the moves that it would begin
    /// ([`Outcome::proposed`](crate::Outcome::proposed)). They leave no trace in the state: no migration,
    /// no cooldown, no id, nothing learned.
    Advise,
    /// The engine commands the moves that it chooses.
    #[default]
    Act,
}

impl Mode {
    /// Whether the engine commands the moves that it chooses.
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

/// Which tasks the engine may move, for a step-by-step rollout.
///
/// A task that is out of scope counts as load and takes up room like any other, and the engine never
/// touches it: the task is not moved, not placed if it loses its worker, and not taken from a worker
/// that is to be emptied. That is left to whatever did it before. If the scope narrows, migrations
/// under way go on to their end. The scope is about tasks only; to leave a worker alone, give it
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
    /// Only tasks with one of these [labels](crate::Task::labels) are in scope; at most 64. Empty if labels do
    /// not count.
    pub labels: Vec<LabelId>,
    /// The share of these tasks that is in scope, from 0 to 1: 1. A task's id alone decides whether it is
    /// in, so a larger share only adds tasks.
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

    /// The place of a task among all tasks, from 0 to less than 1: the task is in every share above it.
    /// The place never changes and is the same on every platform: Steele, Lea and Flood's `SplitMix64`
    /// of the task's id, as a fraction of 2^64.
    pub fn place(task: TaskId) -> f64 {
        let mut mixed = task.raw().wrapping_add(0x9E37_79B9_7F4A_7C15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        // 53 bits are what a fraction holds without rounding.
        (mixed >> 11) as f64 / 9_007_199_254_740_992.0
    }

    /// The first label of the scope, if a task carries none of its labels; `None` otherwise.
    pub(crate) fn lacks(&self, labels: &[LabelId]) -> Option<LabelId> {
        let carried = self.labels.iter().any(|label| labels.contains(label));
        self.labels.first().copied().filter(|_| !carried)
    }
}
