//! The table of budgets and its like: how much may be interrupted, of what, of whom, and how often.

use core::fmt;
use core::num::NonZeroU32;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::setters::setters;
use crate::model::time::{Span, as_optional_seconds, as_seconds};

/// One line of the table of budgets: never more than `limit` of `unit` per `scope`, at once or
/// within a window of time.
///
/// What counts is interruptions: every migration that takes a task from a worker, from the command
/// that begins it on. Another target on the way, and the way back, are the same interruption;
/// placing a task that has lost its worker interrupts nothing. A window is reckoned in sixteenths:
/// what was begun counts until the sixteenth in which it began is a window ago. A line whose scope is
/// new counts from the round on in which it is first in force; one whose window alone is new, what is
/// remembered for the longest window of its scope. While migration is off nothing is forgotten before
/// its time.
///
/// A later life, which goes on from an old state or from none, keeps every line too. What an earlier
/// one began counts as long as snapshots show it under way
/// ([`Placement::Moving`](crate::snapshot::Placement::Moving), from the command on): to where it is bound then,
/// and to every reason, where the state does not know. What it began that is over is not shown:
/// nothing moves under a line with a window until that has passed since the first snapshot of the
/// life. A host that does not show what it carries out has to save the state after every round and
/// report, and go on from that.
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
    /// At most this many moves, bytes, or whole seconds. At 0 nothing moves under this line.
    pub limit: u64,
    /// The window of time in which the limit counts what begins, in seconds. `None` if the limit
    /// counts what is under way at once.
    #[serde(default, with = "as_optional_seconds", skip_serializing_if = "Option::is_none")]
    pub per: Option<Duration>,
}

impl Budget {
    /// At most so much at once.
    pub const fn new(scope: Scope, unit: Unit, limit: u64) -> Self {
        Self { scope, unit, limit, per: None }
    }
}

setters! {
    Budget {
        some with_per(per: Duration);
    }
}

/// No tenant bears more than its part of the disturbance.
///
/// Within the window a tenant's interruptions, this one included, may not exceed its share of the
/// running tasks times the interruptions of all tenants, this one included, by more than `slack`.
///
/// Of 10 running tasks n1 owns 2: of 15 interruptions it may have had `0.2 x 15 = 3`, with a slack of 2
/// five. The window is reckoned in sixteenths, as that of a [`Budget`]. Emptying a worker and placing a
/// task that has lost its worker count, and are never refused for it. Tasks without a tenant neither
/// count nor are refused. Somebody is always at his share or below, so that somebody may always move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Fairness {
    /// How long an interruption counts, in seconds. A longer window evens out over more moves and
    /// forgets later.
    #[serde(with = "as_seconds")]
    pub window: Duration,
    /// How many interruptions a tenant may have beyond its share. At least 1, so that the first one
    /// is possible; a larger value is less fair and holds back fewer moves.
    pub slack: NonZeroU32,
}

impl Fairness {
    /// At most so many more than its share within so long.
    pub const fn new(window: Duration, slack: NonZeroU32) -> Self {
        Self { window, slack }
    }
}

/// The number of migrations under way at once finds its own level: one more after a round in which
/// some have completed and as many as allowed were under way, half as many after one in which any has
/// failed, was refused, or took too long. What is queued again interrupts nothing, and says nothing.
///
/// It takes the place of [`share_of_workers`](super::MigrationLimits::share_of_workers) and
/// [`per_giver`](super::MigrationLimits::per_giver), and begins at
/// [`max_simultaneous`](super::MigrationLimits::max_simultaneous), as far as that lies between the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AdaptiveConcurrency {
    /// The limit never falls below this.
    pub least: NonZeroU32,
    /// The limit never rises above this.
    pub most: NonZeroU32,
}

impl AdaptiveConcurrency {
    /// Between so many and so many.
    pub const fn new(least: NonZeroU32, most: NonZeroU32) -> Self {
        Self { least, most }
    }
}

/// What has a budget of its own: each worker, each tenant and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Scope {
    /// All together.
    Global,
    /// Each worker that tasks leave.
    WorkerOut,
    /// Each worker that tasks are first sent to.
    WorkerIn,
    /// Each two zones that tasks move between, in either direction. Moves within a zone, and those
    /// from or to a worker without one, are in no pair.
    ZonePair,
    /// Each group; a task in several counts in each.
    Group,
    /// Each tenant; tasks without one are in no such budget.
    Tenant,
    /// Each kind of task.
    Kind,
    /// Each purpose: to empty a worker, to even out loads, to run faster. What was taken over from an
    /// earlier life, and nobody knows what for, counts to each.
    Reason,
}

impl Scope {
    /// Its name in print.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Global => "all together",
            Self::WorkerOut => "a worker that tasks leave",
            Self::WorkerIn => "a worker that tasks go to",
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
    /// State that is handed over ([`Task::state_bytes`](crate::Task::state_bytes), or what
    /// [`Config::transfer`](crate::Config::transfer) takes it for). A task that hands over none (it is
    /// queued, starts again from the beginning, or its state [lies](crate::Task::state_at) where its
    /// target reaches it) counts nothing. One that hands over some and does not say how much does not
    /// move under such a budget; on its way already, it counts as the whole limit.
    Bytes,
    /// Seconds of work that a failure on the way would lose: the age of the last checkpoint, or all
    /// since the task began where that is not known, or where it starts again from the beginning. A
    /// task that [overlaps](crate::Task::overlaps) counts all the same: its copy begins with the state
    /// that was saved.
    LostSeconds,
}

impl Unit {
    /// So much of it, in print.
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
