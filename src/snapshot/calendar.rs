//! When do workers leave, and when may no move begin?
//!
//! A worker with maintenance from 100 s to 200 s that leaves for good at 900 s leaves at 100 s as seen from 30 s and
//! from 150 s, and at 900 s as seen from 200 s.

use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Mobility, Task};
use crate::model::ids::{GroupId, KindId, WorkerId, ZoneId};
use crate::model::setters::setters;
use crate::model::time::{Timestamp, seconds};

/// A span of time in which a worker is out of service. The worker is emptied before it begins, and takes tasks again
/// after it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Maintenance {
    /// When the maintenance begins.
    pub from: Timestamp,
    /// When the maintenance is over; later than `from`.
    pub until: Timestamp,
}

impl Maintenance {
    /// Out of service from one moment to another.
    pub const fn new(from: Timestamp, until: Timestamp) -> Self {
        Self { from, until }
    }
}

/// A time in which no voluntary move begins. Migrations under way go on; workers are emptied and orphans placed all
/// the same, unless the freeze is [`strict`](Self::strict).
///
/// ```
/// use evenkeel::{Snapshot, Timestamp};
/// use evenkeel::snapshot::{Freeze, FreezeScope};
/// let freeze = Freeze::new(FreezeScope::All, Timestamp::from_secs(600));
/// assert_eq!(freeze.to_string(), "everything frozen until 600.000s");
/// let snapshot = Snapshot::builder(Timestamp::from_secs(30)).freeze(freeze).build();
/// assert_eq!(snapshot.freezes(), [freeze]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Freeze {
    /// What is frozen.
    pub scope: FreezeScope,
    /// When the freeze is over.
    pub until: Timestamp,
    /// Whether evacuations and the placing of orphans wait too.
    #[serde(default)]
    pub strict: bool,
}

impl Freeze {
    /// No voluntary move begins in `scope` before `until`.
    pub const fn new(scope: FreezeScope, until: Timestamp) -> Self {
        Self { scope, until, strict: false }
    }
}

setters! {
    Freeze {
        value with_strict(strict: bool);
    }
}

/// What a [`Freeze`] holds back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FreezeScope {
    /// Every move.
    All,
    /// Moves from this worker and to it.
    Worker(WorkerId),
    /// Moves from workers of this zone and to them.
    Zone(ZoneId),
    /// Moves of members of this group.
    Group(GroupId),
    /// Moves of tasks of this kind.
    Kind(KindId),
}

impl fmt::Display for FreezeScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("everything"),
            Self::Worker(id) => id.fmt(f),
            Self::Zone(id) => id.fmt(f),
            Self::Group(id) => id.fmt(f),
            Self::Kind(id) => id.fmt(f),
        }
    }
}

impl fmt::Display for Freeze {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let strictly = if self.strict { "strictly " } else { "" };
        write!(f, "{} {strictly}frozen until {}", self.scope, self.until)
    }
}

impl Task {
    /// When the task is done or has taken its next checkpoint, whichever comes first, if it begins now on a worker that
    /// runs it `times` as fast; `None` if neither is known. A move saves the task's state, so the next checkpoint is a
    /// full [interval](Task::checkpoint_every) away; a task that saves nothing does all its work again.
    pub(crate) fn settles(&self, now: Timestamp, times: f64) -> Option<Timestamp> {
        let saves = self.mobility != Mobility::Restart || broken!("restart_saves_nothing");
        let again =
            if saves || broken!("restart_needs_all_again") { Duration::ZERO } else { self.running };
        let takes = |rest: Duration| {
            let secs = seconds(rest.saturating_add(again)) / times;
            Duration::try_from_secs_f64(secs).unwrap_or(Duration::MAX)
        };
        let done = self.expected_remaining().map(|rest| now.after(takes(rest)));
        let saved = self.checkpoint_every.filter(|_| saves).map(|every| now.after(every));
        if broken!("checkpoint_before_leaving") {
            return done.or(saved);
        }
        done.into_iter().chain(saved).min()
    }

    /// Whether the task is known to be done by `then`.
    pub(crate) fn ends_by(&self, now: Timestamp, then: Timestamp) -> bool {
        self.expected_remaining().is_some_and(|rest| now.after(rest) <= then)
    }
}
