//! What would change the answer: for every "no", the smallest change that would lift it.
//!
//! Each is the change that makes the rule which said no say yes, all else being as it is; another
//! rule may stand behind it. Amounts are enough as they are stated: where one more bit decides,
//! one part in 10^12 of the figures compared is on top, so that no rounding eats the change.

use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::Unit;
use crate::model::hardware::{ComputeCapability, HardwareSet};
use crate::model::ids::{ClassId, GroupId, LabelId, MigrationId, TaskId, WorkerId};
use crate::model::resource::{GIB, Quantity, ResourceId};
use crate::model::time::{Span, Timestamp, as_seconds, from_seconds};

/// The smallest change that would lift a [`Rejection`](super::Rejection): an amount, or a fact that would have to be
/// another.
///
/// ```
/// use evenkeel::ResourceId;
/// use evenkeel::outcome::{Rejection, Remedy};
/// let no: Rejection = serde_json::from_str(
///     r#"{"no_headroom": {"resource": "cpu", "needed": 4.0, "free": 2.5, "capacity": 16.0}}"#,
/// )?;
/// let Remedy::Free(resource, amount) = no.remedy() else { panic!("it lacks room") };
/// assert_eq!(resource, ResourceId::CPU);
/// assert!(amount >= 1.5 && amount < 1.500_001);
/// assert_eq!(no.remedy().to_string(), "free 1.50 cores of cpu, or add as much");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Remedy {
    /// The task would have to be somewhere else.
    BeElsewhere,
    /// Let the task move.
    Unpin,
    /// Wait until then.
    WaitUntil(Timestamp),
    /// Let the worker stay until then.
    StayUntil(Timestamp),
    /// Let this migration end.
    LetEnd(MigrationId),
    /// Allow so many migrations more, or let as many end.
    AllowMigrations(u32),
    /// Raise the limit of a line of the table of budgets by so much, or wait until as much is free.
    RaiseBudget {
        /// What the line counts.
        unit: Unit,
        /// So many moves, bytes, or seconds.
        by: u64,
    },
    /// Let a tenant be interrupted so many times more than its share.
    AllowSlack(u32),
    /// Say how much state the task hands over.
    ReportSize,
    /// Wait until so many recent moves are forgotten.
    ForgetMoves(u32),
    /// Let tasks move that have run for so much longer.
    AllowRunning(#[serde(with = "as_seconds")] Duration),
    /// It would have to go on for so much longer.
    RunLonger(#[serde(with = "as_seconds")] Duration),
    /// Correct the task's record.
    CorrectRecord,
    /// Let the scheduler place it.
    Place,
    /// Report this worker, or that it is gone.
    Report(WorkerId),
    /// Report this worker once, and readably.
    ReportOnce(WorkerId),
    /// Report the target's load and capacity, in figures that make sense.
    ReportLoad,
    /// Let this companion move, or take it out of the group.
    FreeCompanion {
        /// The group they form.
        group: GroupId,
        /// The companion that cannot move.
        task: TaskId,
    },
    /// Let the worker accept tasks.
    Accept,
    /// Take the worker into this class.
    AddToClass(ClassId),
    /// Add all of this hardware to the worker.
    AddHardware(HardwareSet),
    /// Add any one kind of this hardware to the worker.
    AddAnyHardware(HardwareSet),
    /// Add so many bytes of main memory.
    AddMemory(u64),
    /// Free so much memory on one device of the worker, or add as much to it.
    FreeDevice {
        /// The device, by its place in the worker's list.
        device: u16,
        /// So many bytes.
        bytes: u64,
    },
    /// Add a suitable device with so many bytes of memory.
    AddDevice(u64),
    /// Add a device of this compute capability.
    AddCompute(ComputeCapability),
    /// Put this label on the worker.
    AddLabel(LabelId),
    /// Take this label from the worker.
    RemoveLabel(LabelId),
    /// Free so much of a resource on the worker, or add as much (unit: [`ResourceId`]).
    Free(ResourceId, f64),
    /// Take the task out of this group.
    LeaveGroup(GroupId),
    /// This task of its group would have to be somewhere else.
    MoveAway(TaskId),
    /// Let the group be spread more unevenly over its domains.
    AllowSkew {
        /// The group.
        group: GroupId,
        /// By so many tasks.
        by: u32,
    },
    /// Let more of the group be unavailable at once.
    AllowUnavailable {
        /// The group.
        group: GroupId,
        /// By so many tasks.
        by: u32,
    },
    /// Lower the use of a resource on the target by this share of its capacity.
    LowerUse(ResourceId, f64),
    /// The target would have to have so many times as much of a resource: the task alone is too
    /// large for it.
    Enlarge(ResourceId, f64),
    /// It would have to use some of what its worker is full of.
    CarryFullest,
    /// Its worker would have to be loaded so much more, or the target so much less.
    WidenGap(f64),
    /// Loads would have to be apart by so much less after the move, or by so much more before it.
    NarrowSpread(f64),
    /// Its worker would have to be loaded so much more, against the level above which it gives.
    RaiseSource(f64),
    /// The target would have to be loaded so much less, against the level below which it takes.
    LowerTarget(f64),
    /// Put this label on the task.
    LabelTask(LabelId),
    /// Widen the share of tasks that is in scope by so much.
    WidenShare(f64),
    /// So many points more of benefit, or so many less of cost.
    Gain {
        /// Points of benefit.
        benefit: f64,
        /// Points of cost; none where the move would not be worth it even for nothing.
        cost: Option<f64>,
    },
    /// State the size of the task's state, when it took its last checkpoint and how long it has
    /// run, and the bandwidth of the links.
    StateTransfer,
}

/// A little more than `gap`, so that it is enough for a bound that must be exceeded too, however
/// the figures are rounded when they are reckoned with again.
pub(super) fn enough<const N: usize>(gap: f64, figures: [f64; N]) -> f64 {
    let largest = figures.into_iter().map(f64::abs).fold(0.0, f64::max);
    gap + (largest * 1e-12).max(f64::MIN_POSITIVE)
}

/// The same for seconds that come from whole nanoseconds.
pub(super) fn whole_nanos(gap: f64, secs: f64) -> Duration {
    from_seconds(enough(gap, [secs]) + 1e-9)
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::BeElsewhere => f.write_str("it would have to be elsewhere"),
            Self::Unpin => f.write_str("let it move"),
            Self::WaitUntil(until) => write!(f, "wait until {until}"),
            Self::StateTransfer => f.write_str(
                "state the size of its state, its last checkpoint, and the links' bandwidth",
            ),
            Self::StayUntil(until) => write!(f, "let the target stay until {until}"),
            Self::LetEnd(migration) => write!(f, "let {migration} end"),
            Self::AllowMigrations(count) => {
                write!(f, "allow {count} more of these migrations, or let as many end")
            }
            Self::RaiseBudget { unit, by } => write!(f, "a budget of {} more", unit.of(by)),
            Self::AddToClass(class) => write!(f, "take the target into {class}"),
            Self::AllowSlack(count) => write!(f, "a slack of {count} more"),
            Self::ReportSize => f.write_str("report its state_bytes"),
            Self::ForgetMoves(by) => write!(f, "wait until {by} of the recent moves are forgotten"),
            Self::AllowRunning(by) => write!(f, "let tasks move that have run {} more", Span(by)),
            Self::RunLonger(by) => write!(f, "it would have to go on for {} more", Span(by)),
            Self::CorrectRecord => f.write_str("correct its record"),
            Self::Place => f.write_str("let the scheduler place it"),
            Self::Report(worker) => write!(f, "report {worker}, or that it is gone"),
            Self::ReportOnce(worker) => write!(f, "report {worker} once, and readably"),
            Self::ReportLoad => f.write_str("report the target's load and capacity"),
            Self::FreeCompanion { group, task } => {
                write!(f, "let {task} move, or take it out of {group}")
            }
            Self::LabelTask(label) => write!(f, "label it {label}"),
            Self::WidenShare(by) => write!(f, "a share of tasks in scope that is {by:.3} larger"),
            Self::Accept => f.write_str("let the target accept tasks"),
            Self::LeaveGroup(group) => write!(f, "take it out of {group}"),
            Self::MoveAway(task) => write!(f, "{task} would have to be elsewhere"),
            Self::AllowSkew { group, by } => write!(f, "allow {group} a skew of {by} more"),
            Self::AllowUnavailable { group, by } => {
                write!(f, "let {by} more of {group} be unavailable")
            }
            Self::AddHardware(kinds) => write!(f, "add {kinds} to the target"),
            Self::AddAnyHardware(kinds) => write!(f, "add one of {kinds} to the target"),
            Self::AddMemory(bytes) => write!(f, "add {} of memory to the target", Gib(bytes)),
            Self::FreeDevice { device, bytes } => {
                write!(f, "free {} on device {device} of the target", Gib(bytes))
            }
            Self::AddDevice(bytes) => write!(f, "add a suitable device of {}", Gib(bytes)),
            Self::AddCompute(compute) => write!(f, "add a device of {compute}"),
            Self::AddLabel(label) => write!(f, "label the target {label}"),
            Self::RemoveLabel(label) => write!(f, "take label {label} from the target"),
            Self::Free(resource, amount) => {
                write!(f, "free {} of {resource}, or add as much", Quantity(resource, amount))
            }
            Self::LowerUse(resource, by) => write!(f, "lower the target's {resource} by {by:.3}"),
            Self::Enlarge(resource, times) => {
                write!(f, "a target with {times:.2} times as much {resource}")
            }
            Self::WidenGap(by) => write!(f, "source {by:.3} higher, or target {by:.3} lower"),
            Self::NarrowSpread(by) => write!(f, "a spread that is {by:.3} smaller after the move"),
            Self::RaiseSource(by) => write!(f, "source {by:.3} higher"),
            Self::LowerTarget(by) => write!(f, "target {by:.3} lower"),
            Self::Gain { benefit, cost: Some(cost) } => {
                write!(f, "{benefit:.2} points more of benefit, or {cost:.2} less of cost")
            }
            Self::Gain { benefit, cost: None } => write!(f, "{benefit:.2} points more of benefit"),
            Self::CarryFullest => f.write_str("it would have to use what its worker is full of"),
        }
    }
}

/// Prints bytes in GiB.
pub(super) struct Gib(pub(super) u64);

impl fmt::Display for Gib {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} GiB", self.0 as f64 / GIB)
    }
}
