//! What does a scenario describe? Everything that a run needs except its size, its policy and its seed. It is
//! plain data, meant to be written by hand as a file.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::curve::Curve;
use crate::model::hardware::{ComputeCapability, Hardware};

/// A cluster, what runs on it, what happens to it, and what is measured. Times are in seconds.
///
/// The bundled `examples/scenarios/my_cluster.toml` explains every field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Scenario {
    /// What happens, in one sentence.
    pub title: String,
    /// How long it lasts, in seconds; at most this long if it ends by itself.
    pub duration: f64,
    /// Whether it ends when nothing is left to do.
    #[serde(default)]
    pub ends_when_done: bool,
    /// Seconds from one balancing round to the next.
    pub round: f64,
    /// How many workers and tasks there are at the start, per size.
    pub sizes: BTreeMap<String, Size>,
    /// What the workers are, per cluster.
    pub clusters: BTreeMap<String, Vec<Class>>,
    /// What the tasks are.
    pub tasks: Tasks,
    /// How many there are.
    pub load: Load,
    /// Where they start.
    pub placement: Placing,
    /// What happens.
    #[serde(default)]
    pub events: Vec<Happening>,
    /// How a task gets from one worker to another.
    pub migration: Moves,
    /// What the host sees, and when.
    pub telemetry: Telemetry,
    /// What heat and overcommitted memory do.
    pub physics: Physics,
    /// What is measured.
    pub measure: Measure,
}

/// A number of workers and a number of tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Size {
    /// Workers.
    pub workers: u32,
    /// Tasks at the start.
    pub tasks: u32,
}

/// A class of workers. Each worker of a cluster is drawn from its classes by weight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Class {
    /// How often it is drawn, relative to the others.
    pub weight: f64,
    /// CPU cores.
    pub cores: f64,
    /// Main memory in GiB.
    pub memory_gib: f64,
    /// Network link in Gbit/s.
    pub network_gbit: f64,
    /// Kinds of hardware beside its devices.
    pub hardware: Vec<Hardware>,
    /// Accelerators.
    #[serde(default)]
    pub devices: Vec<Accelerator>,
    /// How fast a task runs there without a device, relative to one CPU worker.
    pub speed: f64,
    /// Watts from idle to full, at equal steps of CPU use: two figures for a straight line, eleven
    /// for a measured table. Devices come on top.
    pub watts: Vec<f64>,
}

/// A device of a [`Class`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Accelerator {
    /// Its kind.
    pub hardware: Hardware,
    /// Its memory in GiB.
    pub memory_gib: f64,
    /// Its compute capability, for CUDA.
    #[serde(default)]
    pub compute: Option<ComputeCapability>,
    /// How fast a task runs there, relative to one CPU worker.
    pub speed: f64,
    /// Watts when idle, and when its tasks want as much as all cores of the worker: a device is as busy as
    /// its tasks would keep the cores.
    pub watts: [f64; 2],
}

/// A log-normal distribution, cut off at the top.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Spread {
    /// Half of all draws are smaller.
    pub median: f64,
    /// Deviation of the logarithm.
    pub sigma: f64,
    /// No draw is larger.
    #[serde(default)]
    pub most: Option<f64>,
    /// Whether it is exponential with this median's mean instead, and `sigma` is not used.
    #[serde(default)]
    pub exponential: bool,
}

/// What tasks are drawn from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Tasks {
    /// CPU demand in cores.
    pub cores: Spread,
    /// Memory demand in GiB.
    pub memory_gib: Spread,
    /// State to save and carry, as a share of memory: from, to.
    pub state_share: [f64; 2],
    /// Priority: from, to.
    pub priority: [u8; 2],
    /// Minutes of work at full demand on a CPU worker.
    pub minutes: Spread,
    /// Share that can use a GPU, over time, in clusters that have any.
    #[serde(default)]
    pub gpu: Option<Gpu>,
    /// Share that asks for power efficiency.
    #[serde(default)]
    pub power_efficient: f64,
    /// Share that never moves.
    #[serde(default)]
    pub pinned: f64,
    /// Share that starts from scratch when moved.
    #[serde(default)]
    pub restart: f64,
    /// Use follows demand with relative noise of this deviation...
    #[serde(default)]
    pub noise: f64,
    /// ... that fades with this time constant in seconds: AR(1).
    pub noise_seconds: f64,
    /// Demand over a task's age in seconds, relative to what was drawn.
    #[serde(default)]
    pub demand: Curve,
    /// Seconds between the checkpoints that a crash goes back to.
    pub checkpoint_seconds: f64,
    /// Whether a worker runs what fits by demand and lets the rest wait in order. Otherwise all run
    /// and share.
    #[serde(default)]
    pub wait: bool,
}

/// Tasks that can use a GPU.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Gpu {
    /// Share of all tasks that can, over time.
    pub share: Curve,
    /// Share of those that can run nowhere else.
    pub only: f64,
    /// Device memory in GiB: from, to.
    pub memory_gib: [f64; 2],
}

/// How many tasks there are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Load {
    /// CPU demand as a share of the cluster's cores, over time.
    pub level: Curve,
    /// What makes the size's number of tasks come to the level at the start.
    pub by: Match,
    /// How tasks arrive after that.
    pub arrivals: Arrivals,
}

/// What makes tasks and level agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Match {
    /// All amounts of all tasks are multiplied by one factor.
    Scaling,
    /// There are as many tasks as it takes, whatever the size says.
    Counting,
}

/// How tasks arrive.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Arrivals {
    /// None do.
    None,
    /// As many as keep the level if every task ran at the mean speed of the workers it could run
    /// on: the same tasks at the same moments under every policy.
    Keep,
    /// At random, this many a second.
    Poisson(f64),
}

/// Where tasks start.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Placing {
    /// Those that are there at the start.
    pub initial: Placer,
    /// Those that arrive.
    pub arrivals: Placer,
}

/// How a scheduler chooses a worker. All of them look at what a task must have; what fits nowhere
/// waits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Placer {
    /// The least loaded worker that fits by demand.
    LeastLoaded,
    /// At random, in proportion to cores.
    Proportional,
    /// At random, with weight `rank ^ -exponent` over all workers in an order drawn once.
    Skewed(f64),
    /// One after the other, whatever the size or speed.
    RoundRobin,
}

/// Something that happens to some of the workers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Happening {
    /// When, in seconds.
    pub at: f64,
    /// When it is over, if ever.
    #[serde(default)]
    pub until: Option<f64>,
    /// To which share of the workers, drawn at random.
    pub workers: f64,
    /// What.
    pub what: What,
}

impl Happening {
    /// Something that happens at a moment, in seconds, to a share of the workers, for good.
    pub const fn new(at: f64, workers: f64, what: What) -> Self {
        Self { at, until: None, workers, what }
    }
}

/// What happens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum What {
    /// The demand of every task there now is multiplied, until `until` or for good.
    Demand(f64),
    /// Something else uses the cores: a share of them, over the seconds since.
    Background(Curve),
    /// The workers die; their tasks are orphans (under no policy the scheduler's).
    Crash,
    /// The workers are to be emptied.
    Drain,
    /// This many more workers, empty, of the cluster's classes; after `until` they are gone as if they
    /// had crashed.
    Join,
    /// The air around them gets warmer by this many degrees.
    Ambient(f64),
}

/// How a task moves: it saves its state, the state crosses the network, the target starts it. It makes
/// no progress meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Moves {
    /// State saved per second, in GiB.
    pub checkpoint_gib: f64,
    /// The share of a link that transfers may use together.
    pub link_share: f64,
    /// Seconds to start again.
    pub restart: f64,
    /// Share of moves that fail, at a step drawn at random.
    pub failures: f64,
}

/// What the host sees.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Telemetry {
    /// Seconds between measurements.
    pub interval: f64,
    /// Seconds until one is seen: from, to.
    pub delay: [f64; 2],
    /// Relative deviation of each figure.
    pub noise: f64,
    /// Weight of the last measurement in what is reported, 0 to 1: 1 smooths nothing.
    pub smoothing: f64,
    /// Share of the reports on migrations that never arrive.
    #[serde(default)]
    pub reports_lost: f64,
    /// Share of the reports on migrations that arrive once more, half a minute later.
    #[serde(default)]
    pub reports_repeated: f64,
}

/// What heat and overcommitted memory do.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Physics {
    /// Temperature follows power with this time constant in seconds.
    pub heat_seconds: f64,
    /// Degrees Celsius when idle and at peak.
    pub celsius: [f64; 2],
    /// Above this many degrees ...
    pub throttle_celsius: f64,
    /// ... everything runs at this share of its speed.
    pub throttle_speed: f64,
    /// What memory over capacity does.
    pub memory: Overcommit,
}

/// What memory over capacity does to a worker.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Overcommit {
    /// Everything there runs at this share of its speed.
    Slows(f64),
    /// The largest task is killed, and starts from its last checkpoint where the scheduler puts it.
    Kills,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Measure {
    /// From when on, in seconds.
    pub from: f64,
    /// From when on a rebalancing is timed, if at all.
    #[serde(default)]
    pub rebalance_from: Option<f64>,
    /// The metric that this scenario is about.
    pub own: Metric,
}

/// A figure of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Metric {
    /// Seconds until no worker that could be under 0.85 is above it, for two minutes on end.
    SecondsToRebalance,
    /// Deviation of worker utilization over the workers, averaged over time.
    LoadStddev,
    /// Work done and not lost, as a share of what the cluster could do with every task on its best free
    /// hardware.
    UsefulUtilization,
    /// Joules per core-second of work done and not lost.
    EnergyPerWork,
    /// Mean seconds from arrival to completion.
    CompletionMean,
    /// The time that 95 % of tasks are complete within.
    CompletionP95,
    /// Seconds until everything was done.
    Makespan,
    /// Worker-seconds with more CPU demanded than there is.
    OverloadSeconds,
    /// How much the loads went up and down, relative to no balancing.
    Thrash,
}
