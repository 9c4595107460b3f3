//! What no move can mend, and what would.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::model::hardware::Hardware;
use crate::model::ids::{TaskId, WorkerId};

/// What the operator, the scheduler or an autoscaler could do where no move helps, with the
/// evidence. Given by rounds under [`Config::advice`](crate::Config::advice); it commands nothing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Advice {
    /// Split or replicate this task: by itself it overloads every worker that could have it.
    Split {
        /// The task.
        task: TaskId,
        /// The worker on which it would take the smallest share; of several the first.
        worker: WorkerId,
        /// The load that it alone makes there, 0 and up.
        load: f64,
        /// Above this a worker is overloaded.
        high: f64,
        /// So many equal parts would each stay below it there.
        parts: u32,
    },
    /// More workers: there are tasks that fit nowhere, or more load than there is room for.
    ScaleUp {
        /// An existing worker: the others are to have its capacities, hardware, devices and labels.
        like: WorkerId,
        /// How many; one fewer would not hold as much.
        workers: u32,
        /// Tasks that wait and fit nowhere, beside those that must stay together.
        waiting: u32,
        /// Tasks that have to leave workers above the high threshold, where the mean load is above
        /// it.
        crowded: u32,
        /// How many of these would then have a place.
        placed: u32,
        /// The mean load of the workers that take tasks, projected.
        mean: f64,
        /// Above this a worker is overloaded.
        high: f64,
    },
    /// Fewer workers: some could be emptied, and every task would still have a place.
    ScaleDown {
        /// One of their class: workers with the same capacities, hardware, devices and labels.
        like: WorkerId,
        /// How many of them, the idlest first.
        workers: u32,
        /// How many of them take tasks now.
        of: u32,
        /// The highest load that a worker which takes over their tasks would come to.
        load: f64,
        /// What it was to stay below.
        most: f64,
    },
    /// A worker's hardware is suspected of being slow: a fault, heat, or a noisy neighbour.
    SlowWorker {
        /// The worker.
        worker: WorkerId,
        /// Which hardware of it.
        hardware: Hardware,
        /// Its observed speed, relative to one CPU worker.
        speed: f64,
        /// The speed that it would have if it kept up with the median of its peers: workers with the
        /// same hardware, each measured by what its row of the table promises.
        expected: f64,
        /// How many peers there are.
        peers: u32,
        /// The reports that its speed rests on.
        reports: u32,
    },
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Split { task, worker, load, high, parts } => {
                write!(f, "split {task} into {parts} or more, or replicate it: ")?;
                write!(f, "alone it loads {worker} to {load:.3}, above {high:.3}")?;
                f.write_str(", and no other worker less")
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
                write!(f, "their tasks fit on others, none of them above {load:.3} ")?;
                write!(f, "({most:.3} at most)")
            }
            Self::SlowWorker { worker, hardware, speed, expected, peers, reports } => {
                write!(f, "look at {worker}: {hardware} runs at {speed:.2} times a CPU worker ")?;
                write!(f, "where {peers} peers would have it at {expected:.2} ({reports} reports)")
            }
        }
    }
}
