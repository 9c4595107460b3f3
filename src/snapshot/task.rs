//! What does the host report about a task?

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::hardware::{ComputeCapability, Hardware, HardwareSet};
use crate::model::ids::{
    ClassId, KindId, LabelId, MigrationId, TaskId, TenantId, WorkerId, ZoneId,
};
use crate::model::ratio::Ratio;
use crate::model::resource::{Amounts, ResourceId};
use crate::model::setters::setters;
use crate::model::time::Timestamp;

/// One task as the host sees it now.
///
/// ```
/// use evenkeel::{ResourceId, Task, TaskId, WorkerId};
/// use evenkeel::snapshot::Placement;
/// let task = Task::new(TaskId::new(7))
///     .on(WorkerId::new(1))
///     .with_demand(ResourceId::CPU, 2.0);
/// assert_eq!(task.placement, Placement::On(WorkerId::new(1)));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Task {
    /// The id of the task.
    pub id: TaskId,
    /// The kind of the task. Tasks of one kind should behave alike: the engine learns per kind what moves cost.
    #[serde(default = "Task::no_kind")]
    pub kind: KindId,
    /// The tenant that owns the task, for [budgets](crate::config::Budget); `None` if it belongs to none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantId>,
    /// The labels of the task, by which [`TaskScope::labels`](crate::config::TaskScope::labels) picks tasks; at most
    /// 256.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<LabelId>,
    /// Where the task is.
    #[serde(default)]
    pub placement: Placement,
    /// The device that the task uses: an index into [`Worker::devices`](crate::Worker::devices) of its worker. `None`
    /// if it uses none, or the host does not say. If the host names the device of any task, then a task without a
    /// device that needs device memory but can also run on a CPU counts as running on the CPU, and may move to where
    /// it runs faster. (If the host evicts, its scheduler assigns devices, and no task is evicted to get one.)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<u16>,
    /// The alternative by which the task runs: an index into [`alternatives`](Self::alternatives). `None` stands for
    /// the fastest one that its worker has the hardware for. The measured [use](Self::used) is that of this
    /// alternative; under another one, the engine assumes that one's demand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alternative: Option<u16>,
    /// The amounts that the task asks for and has reserved (units: [`ResourceId`]). It asks for none of a resource
    /// that is left out. At most 64 resources; and at most 256 different ones in all records of a snapshot, of which
    /// those count that most records name.
    #[serde(default)]
    pub demand: Amounts,
    /// The amounts that the task is measured to use. For a resource that is left out, the demand counts. At most 64
    /// resources.
    #[serde(default, skip_serializing_if = "Amounts::is_empty")]
    pub used: Amounts,
    /// The requirements that a worker must meet.
    #[serde(default)]
    pub requirements: Requirements,
    /// The alternative ways in which the task can run (on CUDA or on a CPU, say); empty if there is only one way. On
    /// each worker the task takes the fastest alternative for which there is room, and reserves that one's demand. A
    /// task with alternatives must not name hardware or device memory itself. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Alternative>,
    /// The [class](crate::snapshot::TargetClass) of workers that the task may go to; `None` if it may go to any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<ClassId>,
    /// Whether and how it can move.
    #[serde(default)]
    pub mobility: Mobility,
    /// Whether two copies of the task may run at once. If so, and if the host supports it
    /// ([`HostAbility::Overlap`](crate::config::HostAbility::Overlap)), the task starts on its target before
    /// it stops at its source. If not, the engine never runs the task in two places.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub overlaps: bool,
    /// The task is not moved before this moment; `None` if it may be moved at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// From 0 to 10: a task of higher priority is more important, and costs more to interrupt.
    #[serde(default)]
    pub priority: u8,
    /// The extra cost of a move as the host judges it, in points of the cost scale (0 to 10).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra_cost: Option<f64>,
    /// How long the task has been running; zero if it has not begun or the time is unknown. Under
    /// [`Config::stability`](crate::Config::stability), the use of a task that began after its worker was measured
    /// ([`Worker::metric_age`](crate::Worker::metric_age)) is added to the measured use.
    #[serde(default, with = "crate::model::time::as_seconds")]
    pub running: Duration,
    /// How much longer the task is expected to run; `None` if unknown.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::model::time::as_optional_seconds"
    )]
    pub remaining: Option<Duration>,
    /// How much of the task is done; `None` if unknown. If `remaining` is unknown, it is computed from this and
    /// `running`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Ratio>,
    /// How long ago the last checkpoint was taken: the work that a crash would lose.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::model::time::as_optional_seconds"
    )]
    pub checkpoint_age: Option<Duration>,
    /// How often the task takes a checkpoint, in seconds; `None` if unknown. A worker that is about to leave may take
    /// the task if it stays for at least this long.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::model::time::as_optional_seconds"
    )]
    pub checkpoint_every: Option<Duration>,
    /// The size of the state to hand over, in bytes; `None` if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_bytes: Option<u64>,
    /// Where the state is stored; `None` if it is on the task's worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_at: Option<StateAt>,
}

impl Task {
    /// A task that is on no worker yet, asks for nothing, and can save its state.
    pub const fn new(id: TaskId) -> Self {
        Self {
            id,
            kind: Self::no_kind(),
            placement: Placement::Unplaced,
            demand: Amounts::new(),
            used: Amounts::new(),
            priority: 0,
            running: Duration::ZERO,
            remaining: None,
            progress: None,
            checkpoint_age: None,
            checkpoint_every: None,
            state_bytes: None,
            requirements: Requirements::NONE,
            mobility: Mobility::Checkpoint,
            not_before: None,
            extra_cost: None,
            device: None,
            tenant: None,
            class: None,
            alternatives: Vec::new(),
            alternative: None,
            labels: Vec::new(),
            overlaps: false,
            state_at: None,
        }
    }

    /// The task, running on `worker`.
    #[must_use]
    pub fn on(mut self, worker: WorkerId) -> Self {
        self.placement = Placement::On(worker);
        self
    }

    /// How much longer the task is expected to run, as stated or as its progress implies: a task that took 60 s for a
    /// quarter needs 180 s more. `None` if neither is known.
    pub fn expected_remaining(&self) -> Option<Duration> {
        let implied = || {
            let done = self.progress?.get();
            let rest = self.running.as_secs_f64() * (1.0 - done) / done;
            Duration::try_from_secs_f64(rest).ok()
        };
        self.remaining.or_else(implied)
    }

    /// What the task uses of a resource: the measured use, or else the demand.
    pub(crate) fn load(&self, resource: ResourceId) -> Option<f64> {
        self.used.known(resource).or_else(|| self.demand.known(resource))
    }

    const fn no_kind() -> KindId {
        KindId::new(0)
    }

    /// The work that is lost if the task is moved or fails during the move: all since its last checkpoint, or since it
    /// began if no checkpoint is known or the task starts again from the beginning. `None` if that time is unknown.
    pub(crate) fn lost_work(&self) -> Option<Duration> {
        let run = Some(self.running).filter(|running| !running.is_zero());
        match self.mobility {
            Mobility::Queued => Some(Duration::ZERO),
            Mobility::Restart if broken!("restart_loses_all") => self.checkpoint_age,
            Mobility::Restart => run,
            _ if broken!("age_of_the_checkpoint") && self.checkpoint_age.is_some() => {
                Some(Duration::ZERO)
            }
            _ if broken!("budget_line_of_lost_work") => self.checkpoint_age,
            _ if broken!("unknown_loss") => self.checkpoint_age.or(Some(Duration::ZERO)),
            Mobility::Checkpoint | Mobility::Pinned => self.checkpoint_age.or(run),
        }
    }

    /// Whether this worker, in this zone, needs no copy of the state: the task has no state, or the worker reaches it
    /// where it is stored.
    pub(crate) fn is_reached(&self, to: WorkerId, zone: Option<ZoneId>) -> bool {
        match (self.mobility, self.state_at) {
            (Mobility::Queued | Mobility::Restart, _) | (_, Some(StateAt::Shared)) => true,
            (_, Some(StateAt::Worker(worker))) => worker == to && !broken!("state_on_the_target"),
            (_, Some(StateAt::Zone(its))) => zone == Some(its) && !broken!("state_in_the_zone"),
            (_, None) => false,
        }
    }
}

setters! {
    Task {
        value with_kind(kind: KindId);
        value with_placement(placement: Placement);
        amount with_demand(demand: ResourceId);
        amount with_used(used: ResourceId);
        value with_priority(priority: u8);
        value with_running(running: Duration);
        some with_remaining(remaining: Duration);
        some with_progress(progress: Ratio);
        some with_checkpoint_age(checkpoint_age: Duration);
        some with_checkpoint_every(checkpoint_every: Duration);
        some with_state_bytes(state_bytes: u64);
        some with_state_at(state_at: StateAt);
        value with_requirements(requirements: Requirements);
        value with_mobility(mobility: Mobility);
        some with_not_before(not_before: Timestamp);
        some with_extra_cost(extra_cost: f64);
        some with_device(device: u16);
        some with_tenant(tenant: TenantId);
        some with_class(class: ClassId);
        one with_alternative(alternatives: Alternative);
        each with_alternatives(alternatives: Alternative);
        some with_current_alternative(alternative: u16);
        each with_labels(labels: LabelId);
        value with_overlaps(overlaps: bool);
    }
}

/// One of the ways a task can run: the hardware and resources it needs, and its speed.
///
/// ```
/// use evenkeel::{ResourceId, Task, TaskId};
/// use evenkeel::hardware::Hardware;
/// use evenkeel::snapshot::Alternative;
/// let task = Task::new(TaskId::new(1))
///     .with_alternative(
///         Alternative::new(6.0)
///             .with_hardware(Hardware::Cuda)
///             .with_gpu_memory_bytes(8 << 30)
///             .with_demand(ResourceId::CPU, 1.0),
///     )
///     .with_alternative(Alternative::new(1.0).with_demand(ResourceId::CPU, 8.0));
/// assert_eq!(task.alternatives.len(), 2);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Alternative {
    /// The worker must have every one of these kinds of hardware; empty if any worker will do.
    #[serde(default)]
    pub hardware: HardwareSet,
    /// The amounts that the alternative asks for (units: [`ResourceId`]). For a resource that is left out, the task's
    /// own [`demand`](Task::demand) holds.
    #[serde(default)]
    pub demand: Amounts,
    /// So much free memory on one single device, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_memory_bytes: Option<u64>,
    /// A CUDA device of at least this compute capability.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_cuda_compute: Option<ComputeCapability>,
    /// How fast the task runs by this alternative, relative to one CPU worker, from 10^-6 to 10^6. It replaces
    /// the speed that the hardware table gives.
    pub speed: f64,
}

impl Alternative {
    /// A way to run at `speed` times the speed of one CPU worker that asks for nothing yet.
    pub const fn new(speed: f64) -> Self {
        Self {
            hardware: HardwareSet::EMPTY,
            demand: Amounts::new(),
            gpu_memory_bytes: None,
            min_cuda_compute: None,
            speed,
        }
    }
}

setters! {
    Alternative {
        kind with_hardware(hardware: HardwareSet);
        amount with_demand(demand: ResourceId);
        some with_gpu_memory_bytes(gpu_memory_bytes: u64);
        some with_min_cuda_compute(min_cuda_compute: ComputeCapability);
        value with_speed(speed: f64);
    }
}

/// Where a task is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Placement {
    /// On no worker: new, or given back to the scheduler. The engine leaves it to the scheduler, which
    /// may ask [`Look::rank`](crate::engine::Look::rank) for a place.
    #[default]
    Unplaced,
    /// On a worker.
    On(WorkerId),
    /// Between two workers, in a migration that this engine or an earlier life of it began.
    Moving {
        /// The migration that moves it.
        migration: MigrationId,
        /// The source; `None` if the task had lost its worker.
        from: Option<WorkerId>,
        /// The target.
        to: WorkerId,
        /// The phase of the migration.
        phase: Phase,
        /// When that phase began.
        since: Timestamp,
    },
    /// Its worker is gone: the task must be resumed on another one, from its last checkpoint.
    Orphaned,
}

/// Where the state of a task is stored, if not on its worker. The state is transferred from there; a
/// worker that reaches it needs no transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StateAt {
    /// On storage that every worker reaches.
    Shared,
    /// On this worker.
    Worker(WorkerId),
    /// On storage that every worker of this zone reaches.
    Zone(ZoneId),
}

/// The phase of a migration.
///
/// ```text
/// Releasing -> Released -> Assigned -> (running on the target: completed)
///                 ^             |
///                 +-------------+  the target failed it: another target, or back to the source
/// ```
///
/// A task that starts on its target first ([`Task::overlaps`]) has the reverse order: `Assigned` while
/// its copy starts, then `Releasing` while its source stops it. A task that the host's scheduler places
/// is `Releasing` until it has left its source, and `Assigned` until it is found on a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Phase {
    /// The source has been asked to checkpoint and cancel.
    Releasing,
    /// The source has released the task; no target has been asked yet.
    Released,
    /// The target has been asked to run the task.
    Assigned,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Releasing => "releasing",
            Self::Released => "released",
            Self::Assigned => "assigned",
        })
    }
}

/// What a worker must have for a task to run there. These are hard rules: no feature switch and no
/// score overrides them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Requirements {
    /// Every one of these kinds of hardware.
    pub all_of: HardwareSet,
    /// At least one of these kinds, unless empty. The task is assumed to run on the fastest one that the
    /// worker has.
    pub any_of: HardwareSet,
    /// The least main memory of the worker as a whole, in bytes; `None` if any will do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_memory_bytes: Option<u64>,
    /// So much free memory on one single device, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu_memory_bytes: Option<u64>,
    /// A CUDA device of at least this compute capability.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_cuda_compute: Option<ComputeCapability>,
    /// Labels that the worker must carry; at most 64.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<LabelId>,
    /// Labels that the worker must not carry; at most 64.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub forbidden_labels: Vec<LabelId>,
    /// Whether the task prefers power-efficient hardware: a preference in the score, not a requirement.
    pub power_efficient: bool,
}

impl Requirements {
    /// Any worker will do.
    pub const NONE: Self = Self {
        all_of: HardwareSet::EMPTY,
        any_of: HardwareSet::EMPTY,
        min_memory_bytes: None,
        gpu_memory_bytes: None,
        min_cuda_compute: None,
        labels: Vec::new(),
        forbidden_labels: Vec::new(),
        power_efficient: false,
    };

    /// Every kind of hardware that is named.
    pub(crate) const fn hardware(&self) -> HardwareSet {
        self.all_of.union(self.any_of)
    }
}

setters! {
    Requirements {
        kinds with_all_of(all_of: Hardware);
        kinds with_any_of(any_of: Hardware);
        some with_min_memory_bytes(min_memory_bytes: u64);
        some with_gpu_memory_bytes(gpu_memory_bytes: u64);
        some with_min_cuda_compute(min_cuda_compute: ComputeCapability);
        each with_labels(labels: LabelId);
        each with_forbidden_labels(forbidden_labels: LabelId);
        value with_power_efficient(power_efficient: bool);
    }
}

/// Whether and how a task can move.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Mobility {
    /// The task saves its state and goes on from there.
    #[default]
    Checkpoint,
    /// The task starts again from the beginning: its work so far is lost.
    Restart,
    /// The task has not begun to run: to move it costs only a message.
    Queued,
    /// The task never moves.
    Pinned,
}
