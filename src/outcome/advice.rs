//! What can no move mend, and what would mend it?

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::model::hardware::Hardware;
use crate::model::ids::{TaskId, WorkerId};

/// What the operator, the scheduler or an autoscaler could do where no move helps, with the
/// evidence. Rounds give advice if [`Config::advice`](crate::Config::advice) is on; advice is not a
/// command.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Advice {
    /// Split or replicate this task: alone it would overload every worker that it may run on.
    Split {
        /// The task.
        task: TaskId,
        /// The worker on which the task would make the smallest load; the first, if several tie.
        worker: WorkerId,
        /// The load that the task alone makes there, from 0 up.
        load: f64,
        /// The high threshold: a worker above it is overloaded.
        high: f64,
        /// Into how many equal parts to split the task, so that each stays below the threshold there.
        parts: u32,
    },
    /// More workers: there are tasks that fit nowhere, or more load than there is room for.
    ScaleUp {
        /// An existing worker: the new ones should have its capacities, hardware, devices and labels.
        like: WorkerId,
        /// How many workers to add; one fewer would not hold as many tasks.
        workers: u32,
        /// Tasks that wait and fit nowhere, without those that must stay together.
        waiting: u32,
        /// Tasks that have to leave overloaded workers; 0 if the mean load is not above the high
        /// threshold.
        crowded: u32,
        /// How many of these tasks would then have a place.
        placed: u32,
        /// The mean projected load of the workers that take tasks.
        mean: f64,
        /// The high threshold: a worker above it is overloaded.
        high: f64,
    },
    /// Fewer workers: some could be emptied, and every task would still have a place.
    ScaleDown {
        /// One of the workers with the same capacities, hardware, devices and labels.
        like: WorkerId,
        /// How many of these workers to remove, the idlest first.
        workers: u32,
        /// How many of these workers take tasks now.
        of: u32,
        /// The highest load of any worker that would take over their tasks.
        load: f64,
        /// The limit of that load ([`AdviceRules::keep_below`](crate::config::AdviceRules::keep_below)).
        most: f64,
    },
    /// A worker's hardware is suspected of being slow: a fault, heat, or a noisy neighbour.
    SlowWorker {
        /// The worker.
        worker: WorkerId,
        /// Its hardware that is suspected.
        hardware: Hardware,
        /// Its observed speed, relative to one CPU worker.
        speed: f64,
        /// The speed it would have if it kept up with the median of its peers: workers with the same
        /// hardware, each compared with the speed that its row of the hardware table states.
        expected: f64,
        /// How many peers there are.
        peers: u32,
        /// How many reports its observed speed rests on.
        reports: u32,
    },
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Split { task, worker, load, high, parts } => {
                write!(f, "split {task} into {parts} or more, or replicate it: ")?;
                write!(f, "alone it loads even {worker} to {load:.3}, above {high:.3}")
            }
            Self::ScaleUp { like, workers, waiting, crowded, placed, mean, high } => {
                let s = if workers == 1 { "" } else { "s" };
                write!(f, "add {workers} worker{s} like {like}: ")?;
                if waiting > 0 {
                    write!(f, "{waiting} tasks wait and fit nowhere")?;
                }
                if waiting > 0 && crowded > 0 {
                    f.write_str(", ")?;
                }
                if crowded > 0 {
                    write!(f, "the mean load is {mean:.3}, above {high:.3}, and {crowded} tasks ")?;
                    f.write_str("have to leave overloaded workers")?;
                }
                write!(f, "; {placed} would then have a place")
            }
            Self::ScaleDown { like, workers, of, load, most } => {
                let s = if of == 1 { "" } else { "s" };
                write!(f, "remove {workers} of {of} worker{s} like {like}: ")?;
                write!(f, "their tasks fit on other workers, the fullest then at {load:.3} ")?;
                write!(f, "(limit {most:.3})")
            }
            Self::SlowWorker { worker, hardware, speed, expected, peers, reports } => {
                write!(
                    f,
                    "look at {worker}: its {hardware} runs at {speed:.2} times a CPU worker's "
                )?;
                write!(f, "speed; by {peers} peers it should be {expected:.2} ({reports} reports)")
            }
        }
    }
}
