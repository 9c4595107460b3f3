//! What would even out the whole cluster, and how good is that?

use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use super::Purpose;
use super::remedy::Gib;
use crate::model::ids::{TaskId, WorkerId};
use crate::model::resource::ResourceId;

/// A plan for the whole cluster, as [`Engine::plan`](crate::Engine::plan) returns it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[must_use]
#[non_exhaustive]
pub struct Plan {
    /// The moves. The moves of one batch may all be under way at once, begun in their order: every hard rule holds with
    /// any first part of the batch, each task counted on both of its workers. A batch may begin when every move of the
    /// one before has arrived.
    pub batches: Vec<Batch>,
    /// The cluster as the snapshot shows it, with all moves under way as if they had arrived.
    pub before: Evenness,
    /// The cluster once every batch has arrived.
    pub after: Evenness,
    /// What no plan can beat.
    pub bounds: Bounds,
    /// How many moves there are in all batches.
    pub moves: u64,
    /// The bytes of state that the moves take along; tasks of unknown size add none.
    pub bytes: u64,
    /// How many pairs of a task and a worker were weighed.
    pub evaluations: u64,
    /// Why there are no more moves.
    pub stop: Stop,
}

impl Plan {
    /// All moves, in the order of their batches.
    pub fn moves(&self) -> impl Iterator<Item = &PlanMove> {
        self.batches.iter().flat_map(|batch| &batch.moves)
    }
}

/// Moves that may all be under way at once, begun in their order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Batch {
    /// The moves, in the order in which they were judged.
    pub moves: Vec<PlanMove>,
}

/// One move of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PlanMove {
    /// The task.
    pub task: TaskId,
    /// Its worker; `None` if it has lost it.
    pub from: Option<WorkerId>,
    /// The worker that it goes to.
    pub to: WorkerId,
    /// Why it moves.
    pub purpose: Purpose,
    /// The alternative by which it would run there, as an index into [`Task::alternatives`](crate::Task::alternatives);
    /// `None` if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alternative: Option<u16>,
    /// By how much the move lowers the [unevenness](Evenness::unevenness), with all moves before it as if they had
    /// arrived. It may be negative: for a task that must move, and for the half of an exchange. Tasks that move
    /// together share the gain evenly.
    pub gain: f64,
}

/// How evenly a cluster is loaded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Evenness {
    /// The measure that a plan lowers: over all workers that tasks may move to or from, the mean square of the distance
    /// of their loads from the even load, relative to the even load, with workers counted by their capacity, and added
    /// up over the resources. 0 is even; 0.01 in one resource is a deviation of 10 % of the even load.
    pub unevenness: f64,
    /// The fullest worker of each resource that is evened out, by resource.
    pub highest: Vec<Highest>,
    /// How many workers are above the ceiling, beyond which no plan pushes a worker.
    pub above_ceiling: u32,
    /// How many tasks, or sets of tasks that move together, have lost their worker or must leave it.
    pub pending: u32,
}

/// The fullest worker in one resource.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Highest {
    /// The resource.
    pub resource: ResourceId,
    /// The worker.
    pub worker: WorkerId,
    /// Its use over its capacity: 1 is full.
    pub load: f64,
}

/// What no plan can beat.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Bounds {
    /// How low the fullest worker can be at best in each resource that is evened out, by resource.
    pub highest: Vec<LevelBound>,
    /// The least number of moves that leave no worker above the ceiling, if they can.
    pub relieving_moves: u64,
}

/// How low the fullest worker can be at best in one resource. Where tasks can go is not asked, so the true optimum may
/// be higher.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LevelBound {
    /// The resource.
    pub resource: ResourceId,
    /// With any number of moves: the even load of the fullest pool.
    pub any_plan: f64,
    /// With as many moves as the plan has, if those were all spent on this resource.
    pub as_many_moves: f64,
}

/// Why a plan has no more moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stop {
    /// No move or exchange gains enough: more than 0.0003 of what an average worker would add to the unevenness if it
    /// stood idle, for each task that moves.
    #[default]
    NothingImproves,
    /// [`Effort::evaluations`](crate::config::Effort::evaluations) were spent.
    Evaluations,
    /// A further move would have gained, and [`Effort::moves`](crate::config::Effort::moves) allows no more.
    Moves,
    /// A further move would have gained, and [`Effort::bytes`](crate::config::Effort::bytes) allows no more.
    Bytes,
    /// So many workers vanished at once that nothing may begin: see [`Safeguard`](crate::config::Safeguard).
    HeldBack,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NothingImproves => "no further move gains enough",
            Self::Evaluations => "all evaluations are spent",
            Self::Moves => "no more moves are allowed",
            Self::Bytes => "no more bytes may be moved",
            Self::HeldBack => "too many workers are missing",
        })
    }
}

/// What the plan achieves, its bounds, and its moves, batch by batch.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { batches, before, after, bounds, moves, bytes, evaluations, stop } = self;
        let (count, bytes) = (batches.len(), Gib(*bytes));
        writeln!(f, "plan       {moves} moves in {count} batches, {bytes}: {stop}")?;
        writeln!(f, "           {evaluations} pairs of a task and a worker were weighed")?;
        writeln!(f, "before     {before}")?;
        writeln!(f, "after      {after}")?;
        write!(f, "bounds     {bounds}")?;
        for (nth, batch) in (1..).zip(batches) {
            write!(f, "\nbatch {nth}")?;
            for one in &batch.moves {
                write!(f, "\n           {one}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for LevelBound { resource, any_plan, as_many_moves } in &self.highest {
            write!(f, "{resource} at least {any_plan:.3}, by as many moves {as_many_moves:.3}; ")?;
        }
        write!(f, "{} moves for the ceiling", self.relieving_moves)
    }
}

impl fmt::Display for PlanMove {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { task, from, to, purpose, gain, .. } = self;
        write!(f, "{task} ")?;
        if let Some(from) = from {
            write!(f, "{from} ")?;
        }
        // What rounds to nothing has no sign.
        let change = if gain.abs() < 5e-7 { 0.0 } else { -gain };
        write!(f, "-> {to}: {purpose}, unevenness {change:+.6}")
    }
}

impl fmt::Display for Evenness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { unevenness, highest, above_ceiling, pending } = self;
        write!(f, "unevenness {unevenness:.6}")?;
        for Highest { resource, worker, load } in highest {
            write!(f, ", {resource} at most {:.3} ({worker})", load.max(0.0))?;
        }
        write!(f, ", {above_ceiling} above the ceiling, {pending} pending")
    }
}
