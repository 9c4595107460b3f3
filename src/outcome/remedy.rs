//! What would lift a refusal? For each one, the smallest change that would.
//!
//! The change makes the rule that refused accept, with everything else as it was; another rule may
//! then refuse. The stated amount is always enough: one part in 10^12 of the compared figures is
//! added, so that rounding cannot undo the change.

use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::Unit;
use crate::model::hardware::{ComputeCapability, HardwareSet};
use crate::model::ids::{ClassId, GroupId, LabelId, MigrationId, TaskId, WorkerId};
use crate::model::resource::{GIB, Quantity, ResourceId};
use crate::model::time::{Span, Timestamp, as_seconds, from_seconds};

/// The smallest change that would lift a [`Rejection`](super::Rejection): an amount, or a fact that would have to
/// change.
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
    /// The task would have to be on another worker: it is on this one already.
    BeElsewhere,
    /// Let the task move.
    Unpin,
    /// Wait until then.
    WaitUntil(Timestamp),
    /// Let the worker stay until then.
    StayUntil(Timestamp),
    /// Let this migration end.
    LetEnd(MigrationId),
    /// Allow this many migrations more, or let as many end.
    AllowMigrations(u32),
    /// Raise the limit of a line of the table of budgets by this much, or wait until as much is free.
    RaiseBudget {
        /// What the line counts.
        unit: Unit,
        /// By how many moves, bytes, or seconds.
        by: u64,
    },
    /// Raise [`Fairness::slack`](crate::config::Fairness::slack) by this many interruptions.
    AllowSlack(u32),
    /// Say how much state the task, and every task that moves with it, hands over.
    ReportSize,
    /// Wait until this many entries of the memory for recent moves are forgotten.
    ForgetMoves(u32),
    /// Raise [`CostBenefit::max_running`](crate::config::CostBenefit::max_running) by this much.
    AllowRunning(#[serde(with = "as_seconds")] Duration),
    /// The task would have to run this much longer.
    RunLonger(#[serde(with = "as_seconds")] Duration),
    /// Correct the task's record.
    CorrectRecord,
    /// Let the scheduler place the task.
    Place,
    /// Report this worker, or report that it is gone.
    Report(WorkerId),
    /// Report this worker once, and readably.
    ReportOnce(WorkerId),
    /// Report the target's load and capacity, in figures that make sense.
    ReportLoad,
    /// Let this companion move, or take it out of the group.
    FreeCompanion {
        /// The group that the task and the companion are in.
        group: GroupId,
        /// The companion that may not move, or may not move there.
        task: TaskId,
    },
    /// Show where this member is, or take it out of the group.
    ShowMember {
        /// The group.
        group: GroupId,
        /// The member of which it is unknown where it is.
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
    /// Add this many bytes of main memory to the worker.
    AddMemory(u64),
    /// Free this much memory on one device of the worker, or add as much to it.
    FreeDevice {
        /// The device, by its place in the worker's list.
        device: u16,
        /// How many bytes.
        bytes: u64,
    },
    /// Add a suitable device with this many bytes of memory to the worker.
    AddDevice(u64),
    /// Add a device of this compute capability to the worker.
    AddCompute(ComputeCapability),
    /// Put this label on the worker.
    AddLabel(LabelId),
    /// Take this label from the worker.
    RemoveLabel(LabelId),
    /// Free this much of a resource on the worker, or add as much (unit: [`ResourceId`]).
    Free(ResourceId, f64),
    /// Take the task out of this group.
    LeaveGroup(GroupId),
    /// This task of its group would have to be on another worker.
    MoveAway(TaskId),
    /// Let the group be spread more unevenly over its domains.
    AllowSkew {
        /// The group.
        group: GroupId,
        /// By how many tasks.
        by: u32,
    },
    /// Let more of the group be unavailable at once.
    AllowUnavailable {
        /// The group.
        group: GroupId,
        /// How many tasks more.
        by: u32,
    },
    /// State how much of a resource the task uses: it may be less than is feared.
    StateUse(ResourceId),
    /// Lower the use of a resource on the target by this share of its capacity.
    LowerUse(ResourceId, f64),
    /// The target would have to have this many times as much of a resource: the task alone is too
    /// large for it.
    Enlarge(ResourceId, f64),
    /// The task would have to use the resource that its worker is short of.
    CarryFullest,
    /// The source's load would have to be this much higher, or the target's this much lower.
    WidenGap(f64),
    /// The spread after the move would have to be this much smaller, or the spread before it this
    /// much larger.
    NarrowSpread(f64),
    /// The spread of the loads would have to be this much larger.
    WidenSpread(f64),
    /// The source's load would have to be this much higher, to be above the level at which it gives tasks.
    RaiseSource(f64),
    /// The target's load would have to be this much lower, to be below the level at which it takes tasks.
    LowerTarget(f64),
    /// Put this label on the task.
    LabelTask(LabelId),
    /// Raise [`TaskScope::share`](crate::config::TaskScope::share) by this much.
    WidenShare(f64),
    /// The move would need this many points more benefit, or this many less cost.
    Gain {
        /// Points of benefit.
        benefit: f64,
        /// Points of cost; `None` if the move would not be worth it even at no cost.
        cost: Option<f64>,
    },
    /// Report the size of the task's state, when it took its last checkpoint, how long it has run,
    /// and the bandwidth of the links.
    StateTransfer,
}

/// A little more than `gap`: enough for a strict bound too, whatever rounding the next calculation adds.
pub(super) fn enough<const N: usize>(gap: f64, figures: [f64; N]) -> f64 {
    let largest = figures.into_iter().map(f64::abs).fold(0.0, f64::max);
    gap + (largest * 1e-12).max(f64::MIN_POSITIVE)
}

/// Like [`enough`], for seconds that come from whole nanoseconds.
pub(super) fn whole_nanos(gap: f64, secs: f64) -> Duration {
    from_seconds(enough(gap, [secs]) + 1e-9)
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::BeElsewhere => f.write_str("it would have to be on another worker"),
            Self::Unpin => f.write_str("let it move"),
            Self::WaitUntil(until) => write!(f, "wait until {until}"),
            Self::StateTransfer => f.write_str(
                "report the size of its state, its last checkpoint, and the links' bandwidth",
            ),
            Self::StayUntil(until) => write!(f, "let the target stay until {until}"),
            Self::LetEnd(migration) => write!(f, "let {migration} end"),
            Self::AllowMigrations(count) => {
                write!(f, "allow {count} more of these migrations, or let as many end")
            }
            Self::RaiseBudget { unit, by } => write!(f, "raise the budget by {}", unit.of(by)),
            Self::AddToClass(class) => write!(f, "add the target to class {class}"),
            Self::AllowSlack(count) => write!(f, "raise the slack of fairness by {count}"),
            Self::ReportSize => f.write_str("report its state_bytes, and its companions'"),
            Self::ForgetMoves(by) => write!(f, "wait until {by} of its entries are forgotten"),
            Self::AllowRunning(by) => write!(f, "let tasks move that have run {} more", Span(by)),
            Self::RunLonger(by) => write!(f, "it would have to run {} longer", Span(by)),
            Self::CorrectRecord => f.write_str("correct its record"),
            Self::Place => f.write_str("let the scheduler place it"),
            Self::Report(worker) => write!(f, "report {worker}, or report that it is gone"),
            Self::ReportOnce(worker) => write!(f, "report {worker} once, and readably"),
            Self::ReportLoad => f.write_str("report the target's load and capacity"),
            Self::FreeCompanion { group, task } => {
                write!(f, "let {task} move, or take it out of {group}")
            }
            Self::ShowMember { group, task } => write!(f, "show {task}, or take it out of {group}"),
            Self::LabelTask(label) => write!(f, "put label {label} on it"),
            Self::WidenShare(by) => write!(f, "raise the share of tasks in scope by {by:.3}"),
            Self::Accept => f.write_str("let the target accept tasks"),
            Self::LeaveGroup(group) => write!(f, "take it out of {group}"),
            Self::MoveAway(task) => write!(f, "{task} would have to be on another worker"),
            Self::AllowSkew { group, by } => write!(f, "raise the allowed skew of {group} by {by}"),
            Self::AllowUnavailable { group, by } => {
                write!(f, "raise the allowed number of unavailable tasks of {group} by {by}")
            }
            Self::AddHardware(kinds) => write!(f, "add {kinds} to the target"),
            Self::AddAnyHardware(kinds) => write!(f, "add one of {kinds} to the target"),
            Self::AddMemory(bytes) => write!(f, "add {} of memory to the target", Gib(bytes)),
            Self::FreeDevice { device, bytes } => {
                write!(f, "free {} on device {device} of the target", Gib(bytes))
            }
            Self::AddDevice(bytes) => write!(f, "add a suitable device of {}", Gib(bytes)),
            Self::AddCompute(compute) => write!(f, "add a device of compute capability {compute}"),
            Self::AddLabel(label) => write!(f, "put label {label} on the target"),
            Self::RemoveLabel(label) => write!(f, "take label {label} from the target"),
            Self::Free(resource, amount) => {
                write!(f, "free {} of {resource}, or add as much", Quantity(resource, amount))
            }
            Self::StateUse(resource) => write!(f, "report how much {resource} it uses"),
            Self::LowerUse(resource, by) => write!(f, "lower the target's {resource} by {by:.3}"),
            Self::Enlarge(resource, times) => {
                write!(f, "choose a target with {times:.2} times as much {resource}")
            }
            Self::WidenGap(by) => {
                write!(f, "it needs a source load {by:.3} higher, or a target load {by:.3} lower")
            }
            Self::NarrowSpread(by) => write!(f, "it needs a spread {by:.3} smaller after the move"),
            Self::WidenSpread(by) => write!(f, "it needs a spread {by:.3} larger"),
            Self::RaiseSource(by) => write!(f, "it needs a source load {by:.3} higher"),
            Self::LowerTarget(by) => write!(f, "it needs a target load {by:.3} lower"),
            Self::Gain { benefit, cost: Some(cost) } => {
                write!(f, "it needs {benefit:.2} points more benefit, or {cost:.2} less cost")
            }
            Self::Gain { benefit, .. } => write!(f, "it needs {benefit:.2} points more benefit"),
            Self::CarryFullest => f.write_str("it would have to use what its worker is short of"),
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
