//! How much may be interrupted, of what, of whom, and how often?

use core::fmt;
use core::num::NonZeroU32;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::setters::setters;
use crate::model::time::{Span, as_optional_seconds, as_seconds};

/// One line of the table of budgets: at most `limit` of `unit` per `scope`, under way at once or begun
/// within a window of time.
///
/// A budget counts interruptions: every migration that takes a task from a worker, beginning with its
/// first command. A migration that gets another target or returns to its source is still the same
/// interruption. Placing a task that has lost its worker interrupts nothing.
///
/// A window is divided into sixteenths: an interruption counts until the sixteenth in which it began
/// is one window ago. A line with a new scope counts from the first round in which it is in force; a
/// line with only a new window counts what is remembered for the longest window of its scope. While
/// migration is off, interruptions are remembered as long as usual.
///
/// Budgets hold across restarts, whether the engine resumes from an old state or from none. A
/// migration that an earlier life began counts as long as snapshots show it under way
/// ([`Placement::Moving`](crate::snapshot::Placement::Moving), which the host must show from the first
/// command on): against the target that it has then, and against every reason if the state does not
/// know the reason. Migrations that an earlier life began and that have ended are not shown, so under
/// a line with a window nothing moves until one window has passed since the first snapshot after the
/// restart. A host that does not show migrations under way must save the state after every round and
/// every report, and resume from that.
///
/// ```
/// use core::time::Duration;
/// use evenkeel::Config;
/// use evenkeel::config::{Budget, Scope, Unit};
///
/// let mut config = Config::default();
/// if let Some(limits) = &mut config.migration {
///     // Two interruptions an hour for every tenant, 40 GiB at once between any two zones.
///     let hour = Duration::from_secs(3_600);
///     limits.budgets.push(Budget::new(Scope::Tenant, Unit::Moves, 2).with_per(hour));
///     limits.budgets.push(Budget::new(Scope::ZonePair, Unit::Bytes, 40 << 30));
/// }
/// assert!(config.check().is_ok());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Budget {
    /// What has a budget of its own.
    pub scope: Scope,
    /// What is counted.
    pub unit: Unit,
    /// At most this many moves, bytes, or whole seconds. A larger value lets more move. The trap: at 0
    /// nothing moves under this line, not even from a worker that is to be emptied.
    pub limit: u64,
    /// The window in which the limit counts what begins, in seconds. A longer window spreads the same
    /// number of moves over more time. `None` if the limit counts what is under way at once.
    #[serde(default, with = "as_optional_seconds", skip_serializing_if = "Option::is_none")]
    pub per: Option<Duration>,
}

impl Budget {
    /// At most `limit` of `unit` at once, per `scope`.
    pub const fn new(scope: Scope, unit: Unit, limit: u64) -> Self {
        Self { scope, unit, limit, per: None }
    }
}

setters! {
    Budget {
        some with_per(per: Duration);
    }
}

/// No tenant is interrupted more than its share.
///
/// Within the window, the interruptions of a tenant may exceed its share by at most `slack`. Its share
/// is its part of the running tasks times the interruptions of all tenants; both counts include the
/// interruption that is asked for.
///
/// If tenant n1 owns 2 of 10 running tasks, its share of 15 interruptions is `0.2 x 15 = 3`; with a
/// slack of 2 it may have 5. The window is divided into sixteenths, like that of a [`Budget`]. Emptying a
/// worker and placing a task that has lost its worker count too, and are never refused for fairness.
/// Tasks without a tenant neither count nor are refused. At least one tenant is always at or below its
/// share, so there is always one whose tasks may move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Fairness {
    /// How long an interruption counts, in seconds. A longer window is fair over more moves; a shorter
    /// one forgets sooner.
    #[serde(with = "as_seconds")]
    pub window: Duration,
    /// How many interruptions a tenant may have beyond its share; at least 1, so that the first one is
    /// possible. A larger value is less fair and refuses fewer moves.
    pub slack: NonZeroU32,
}

impl Fairness {
    /// Within `window`, at most `slack` interruptions beyond a tenant's share.
    pub const fn new(window: Duration, slack: NonZeroU32) -> Self {
        Self { window, slack }
    }
}

/// The limit on migrations under way at once adapts to their success. It rises by one after a round in
/// which as many as allowed were under way and some completed; it is halved after a round in which any
/// failed, was refused, or took too long. Tasks that are queued again interrupt nothing and do not
/// change the limit.
///
/// This replaces [`share_of_workers`](super::MigrationLimits::share_of_workers) and
/// [`per_giver`](super::MigrationLimits::per_giver). The limit starts at
/// [`max_simultaneous`](super::MigrationLimits::max_simultaneous), brought between `least` and `most`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AdaptiveConcurrency {
    /// The limit never falls below this. A larger value keeps moving although migrations fail.
    pub least: NonZeroU32,
    /// The limit never rises above this. The trap: a large value lets one bad round hit many tasks.
    pub most: NonZeroU32,
}

impl AdaptiveConcurrency {
    /// A limit between `least` and `most`.
    pub const fn new(least: NonZeroU32, most: NonZeroU32) -> Self {
        Self { least, most }
    }
}

/// What has a budget of its own: each worker, each tenant and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Scope {
    /// One budget for all moves together.
    Global,
    /// Each source worker.
    WorkerOut,
    /// Each target worker: the first target of a move, even if it gets another one later.
    WorkerIn,
    /// Each pair of zones that tasks move between, in either direction. Moves within a zone, and moves
    /// from or to a worker without a zone, count in no pair.
    ZonePair,
    /// Each group; a task in several groups counts in each.
    Group,
    /// Each tenant; tasks without a tenant count in no such budget.
    Tenant,
    /// Each kind of task.
    Kind,
    /// Each purpose: to empty a worker, to even out loads, to run faster. A migration that an earlier
    /// life began for an unknown reason counts in each.
    Reason,
}

impl Scope {
    /// Its name in print.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Global => "all together",
            Self::WorkerOut => "a source worker",
            Self::WorkerIn => "a target worker",
            Self::ZonePair => "a pair of zones",
            Self::Group => "a group",
            Self::Tenant => "a tenant",
            Self::Kind => "a kind",
            Self::Reason => "a reason",
        }
    }
}

/// What a budget counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unit {
    /// Interruptions.
    Moves,
    /// Bytes of state that are handed over ([`Task::state_bytes`](crate::Task::state_bytes), or
    /// [`Transfer::state_bytes`](super::Transfer::state_bytes) if the task does not state them). A task
    /// that hands over no state counts 0: it is queued, starts again from the beginning, or its state
    /// [is](crate::Task::state_at) where the target reaches it. A task with a state of unknown size does
    /// not move under such a budget; if it is already moving, it counts as the whole limit.
    Bytes,
    /// Seconds of work that a failure during the move would lose: the age of the last checkpoint, or
    /// the time since the task began if that age is unknown or the task starts again from the
    /// beginning. A task that [overlaps](crate::Task::overlaps) counts too: its copy starts from the
    /// saved state.
    LostSeconds,
}

impl Unit {
    /// An amount of this unit, for print.
    pub(crate) const fn of(self, amount: u64) -> Measure {
        Measure { unit: self, amount }
    }
}

/// An amount that a budget counts: moves, bytes, or seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measure {
    unit: Unit,
    amount: u64,
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let amount = self.amount;
        match self.unit {
            Unit::Moves if amount == 1 => f.write_str("1 move"),
            Unit::Moves => write!(f, "{amount} moves"),
            Unit::Bytes => write!(f, "{:.2} GiB", amount as f64 / crate::model::resource::GIB),
            Unit::LostSeconds => {
                write!(f, "{} of lost work", Span(Duration::from_secs(amount)))
            }
        }
    }
}
