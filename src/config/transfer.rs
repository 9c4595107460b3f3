//! How long does moving a task's state take, and must a move repay it?

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::setters::setters;
use crate::model::time::{as_optional_seconds, as_seconds};

/// A move must repay its downtime and the work it loses before the task ends, and within the horizon.
/// Moves that empty a worker or place an orphan need not. Every move states what it costs
/// ([`Command::handover`](crate::Command::handover)).
///
/// An unknown cost does not count as zero: the move is refused. If the host cannot state the size of a
/// task's state or the speed of a link, set the figures to assume here.
///
/// ```
/// use core::time::Duration;
/// use evenkeel::{Engine, ResourceId, Snapshot, Task, TaskId, Timestamp, Worker, WorkerId};
/// use evenkeel::config::{Config, Transfer};
///
/// let mut config = Config::default();
/// config.transfer = Some(Transfer::default());
/// let worker = |id, used, link| {
///     Worker::new(WorkerId::new(id))
///         .with_capacity(ResourceId::CPU, 10.0)
///         .with_used(ResourceId::CPU, used)
///         .with_bandwidth_bytes_per_second(link)
/// };
/// let task = Task::new(TaskId::new(1))
///     .on(WorkerId::new(1))
///     .with_demand(ResourceId::CPU, 3.0)
///     .with_state_bytes(10_000_000_000)
///     .with_checkpoint_age(Duration::from_secs(20));
/// let snapshot = Snapshot::builder(Timestamp::from_secs(30))
///     .workers([worker(1, 9.0, 1e9), worker(2, 1.0, 1e9), worker(3, 1.0, 1e7)])
///     .task(task)
///     .build();
/// let engine = Engine::new(config)?;
/// let to = |id| engine.look(&snapshot).consider(TaskId::new(1), WorkerId::new(id)).expect("both are there");
/// let price = to(2).handover.and_then(|handover| handover.price());
/// assert_eq!(price, Some(Duration::from_secs(5 + 10 + 5 + 20)));
/// assert!(to(2).admission.is_accepted());
/// assert_eq!(
///     to(3).admission.rejection().map(|no| no.to_string()).as_deref(),
///     Some("gains 0.50s a second, 1m30s within the horizon of 3m; downtime and lost work cost 17m10s"),
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Transfer {
    /// The bandwidth assumed for a link whose bandwidth is not stated, in bytes per second, above 0. A
    /// smaller value refuses more moves. The trap: too large a value makes every move look cheap. `None`
    /// if it is unknown; moves over such links are then refused.
    pub bandwidth_bytes_per_second: Option<f64>,
    /// The size assumed for a state whose size is not stated, in bytes. A larger value refuses more
    /// moves. `None` if it is unknown; tasks of unknown size then do not move.
    pub state_bytes: Option<u64>,
    /// How long saving a state takes, in seconds: 5. A larger value refuses more moves.
    #[serde(with = "as_seconds")]
    pub checkpoint: Duration,
    /// How long restarting a task takes, in seconds: 5. A larger value refuses more moves.
    #[serde(with = "as_seconds")]
    pub restart: Duration,
    /// The longest time for which a gain counts, in seconds. A larger value accepts moves that repay
    /// late; a smaller one refuses them. `None` for
    /// [`Prediction::window`](super::Prediction::window), or the performance window if nothing is
    /// forecast.
    #[serde(with = "as_optional_seconds")]
    pub horizon: Option<Duration>,
}

setters! {
    Transfer {
        some with_bandwidth_bytes_per_second(bandwidth_bytes_per_second: f64);
        some with_state_bytes(state_bytes: u64);
        value with_checkpoint(checkpoint: Duration);
        value with_restart(restart: Duration);
        some with_horizon(horizon: Duration);
    }
}

impl Default for Transfer {
    fn default() -> Self {
        Self {
            bandwidth_bytes_per_second: None,
            state_bytes: None,
            checkpoint: Duration::from_secs(5),
            restart: Duration::from_secs(5),
            horizon: None,
        }
    }
}
