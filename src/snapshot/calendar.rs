//! What a host says of the time to come: when workers leave, and when no move is to begin.

use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Mobility, Stance, Task, Worker};
use crate::model::ids::{GroupId, KindId, WorkerId, ZoneId};
use crate::model::setters::setters;
use crate::model::time::{Timestamp, seconds};

/// A span of time in which a worker is out of service: it is to be empty by its beginning, and takes
/// tasks again after its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Maintenance {
    /// When it begins.
    pub from: Timestamp,
    /// When it is over; later than `from`.
    pub until: Timestamp,
}

impl Maintenance {
    /// Out of service from one moment to another.
    pub const fn new(from: Timestamp, until: Timestamp) -> Self {
        Self { from, until }
    }
}

/// A time in which no move begins that nothing forces. What is under way goes on; workers are emptied
/// and orphans placed all the same, unless it is [`strict`](Self::strict).
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
    /// From this moment on it is over.
    pub until: Timestamp,
    /// Whether emptying workers and placing orphans waits too.
    #[serde(default)]
    pub strict: bool,
}

impl Freeze {
    /// Nothing that is not forced begins in `scope` before `until`.
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

impl Worker {
    /// When it leaves, as seen from `now`: for good, or for its next maintenance. In the midst of one
    /// it has left already. Nothing: it stays.
    ///
    /// ```
    /// use evenkeel::{Timestamp, Worker, WorkerId};
    /// use evenkeel::snapshot::Maintenance;
    /// let secs = Timestamp::from_secs;
    /// let worker = Worker::new(WorkerId::new(1))
    ///     .with_maintenance([Maintenance::new(secs(100), secs(200))])
    ///     .with_available_until(secs(900));
    /// assert_eq!(worker.leaves(secs(30)), Some(secs(100)));
    /// assert_eq!(worker.leaves(secs(150)), Some(secs(100)));
    /// assert_eq!(worker.leaves(secs(200)), Some(secs(900)));
    /// ```
    pub fn leaves(&self, now: Timestamp) -> Option<Timestamp> {
        let ahead = self.maintenance.iter().filter(|span| span.until > now);
        ahead.map(|span| span.from).chain(self.available_until).min()
    }

    /// Its stance, with what leaves before `soon` draining already.
    pub(crate) fn stance_by(&self, now: Timestamp, soon: Timestamp) -> Stance {
        match self.stance {
            Stance::Accept | Stance::Hold if self.leaves(now).is_some_and(|at| at < soon) => {
                Stance::Drain
            }
            stance => stance,
        }
    }
}

impl Task {
    /// When it is done or has taken its next checkpoint, if it begins anew somewhere now, where it runs so
    /// many times as fast: whichever comes first, as far as either is known. What is moved has been saved,
    /// so that the next checkpoint is a full [interval](Task::checkpoint_every) away; what saves nothing
    /// does all its work again.
    pub(crate) fn settles(&self, now: Timestamp, times: f64) -> Option<Timestamp> {
        let saves = self.mobility != Mobility::Restart;
        let again = if saves { Duration::ZERO } else { self.running };
        let takes = |rest: Duration| {
            let secs = seconds(rest.saturating_add(again)) / times;
            Duration::try_from_secs_f64(secs).unwrap_or(Duration::MAX)
        };
        let done = self.expected_remaining().map(|rest| now.after(takes(rest)));
        let saved = self.checkpoint_every.filter(|_| saves).map(|every| now.after(every));
        done.into_iter().chain(saved).min()
    }

    /// Whether it is done by then.
    pub(crate) fn ends_by(&self, now: Timestamp, then: Timestamp) -> bool {
        self.expected_remaining().is_some_and(|rest| now.after(rest) <= then)
    }
}
