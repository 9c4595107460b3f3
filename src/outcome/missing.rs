//! Which workers are missing, and how long do their tasks wait for them?

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::model::ids::WorkerId;
use crate::model::time::Timestamp;

/// A worker that a complete snapshot does not list, and that is not taken for gone yet
/// ([`Config::grace`](crate::Config::grace)): it is no target, its tasks are not placed elsewhere, and moves under way
/// from it or to it wait.
///
/// ```
/// # use evenkeel::*;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut engine = Engine::new(Config::default())?;
/// let worker = |id| Worker::new(WorkerId::new(id));
/// let both = Snapshot::builder(Timestamp::from_secs(30)).workers([worker(1), worker(2)]);
/// let _ = engine.tick(&both.build())?;
/// let one = Snapshot::builder(Timestamp::from_secs(60)).worker(worker(1));
/// let missing = engine.tick(&one.build())?.missing[0];
/// assert_eq!(missing.to_string(), "w2 since 60.000s; its tasks wait until 120.000s, and for 2 more snapshots");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Missing {
    /// The worker.
    pub worker: WorkerId,
    /// The first complete snapshot that did not list it.
    pub since: Timestamp,
    /// It is gone no earlier than at this moment.
    pub until: Timestamp,
    /// It is gone no earlier than with this complete snapshot from now, if that does not list it either: 1 is the next
    /// one.
    pub snapshots: u32,
}

impl Missing {
    pub(crate) const fn new(
        worker: WorkerId,
        since: Timestamp,
        until: Timestamp,
        snapshots: u32,
    ) -> Self {
        Self { worker, since, until, snapshots }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { worker, since, until, snapshots } = self;
        write!(f, "{worker} since {since}; its tasks wait until {until}")?;
        if *snapshots > 1 {
            write!(f, ", and for {snapshots} more snapshots")?;
        }
        Ok(())
    }
}
