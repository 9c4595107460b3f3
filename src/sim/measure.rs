//! Which figures describe a run?

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::cluster::Cluster;
use super::machine::{Job, Machine};
use super::plan::{Micros, Units, UsesGpu, micros};
use super::scenario::{Metric, Scenario};
use super::scheduler;
use crate::model::resource::GIB;
use crate::snapshot::{Mobility, Stance};

/// A worker above this share of its cores counts as overloaded in the time to rebalance.
const HIGH: f64 = 0.85;
/// The time to rebalance ends when no worker has been overloaded for this long.
const CALM: Micros = 120_000_000;
/// A task that comes back within this time was moved for nothing.
const UNDONE: Micros = 300_000_000;

/// The figures of one run; `None` if a figure does not apply.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Metrics {
    /// Seconds until no worker that could be under 0.85 was above it, for two minutes on end; the length of
    /// the run if that never happened.
    pub seconds_to_rebalance: Option<f64>,
    /// Deviation of worker utilization over the workers, averaged over time.
    pub load_stddev: f64,
    /// Work done and not lost, as a share of what could have been done with every task on its best
    /// free hardware.
    pub useful_utilization: f64,
    /// Joules per core-second of work done and not lost.
    pub energy_per_work: Option<f64>,
    /// Mean seconds from arrival to completion. What was not complete at the end counts with the
    /// time it would have taken at full speed from there.
    pub completion_mean: f64,
    /// Seconds within which 95 % of the tasks were complete; unfinished tasks count as above.
    pub completion_p95: f64,
    /// Seconds until everything was done, if the run ends then.
    pub makespan: Option<f64>,
    /// Moves that completed.
    pub migrations: u64,
    /// Of these, moves back to a worker that the task had left within five minutes.
    pub migrations_undone: u64,
    /// Moves that failed at some step.
    pub migrations_failed: u64,
    /// Worker-seconds with more CPU demanded than there was; what waits at a worker demands too.
    pub overload_seconds: f64,
    /// Worker-seconds with more memory in use than there was.
    pub memory_overload_seconds: f64,
    /// Worker-seconds at reduced speed for heat.
    pub throttled_seconds: f64,
    /// Core-seconds done twice, or not done while a task was under way, because of moves.
    pub work_lost: f64,
    /// The total variation of all worker loads from round to round.
    pub variation: f64,
    /// The variation relative to that without balancing under the same seed. A program that runs both sets it;
    /// a single run has none.
    pub thrash: Option<f64>,
    /// The round in which a move began last, in seconds.
    pub last_move: Option<f64>,
    /// Tasks that were complete at the end.
    pub tasks_finished: u64,
    /// The longest time, in seconds, for which a task was with no worker and not with the scheduler, as of the rounds.
    pub longest_adrift: f64,
    /// The same, from the last command about the task on: for so long nothing was done about it.
    pub longest_forgotten: f64,
    /// The same, but while no worker had room for the task the time does not count: a worker that takes tasks, on which
    /// the task and all that wants to run there would want at most 0.85 of the cores, and at most all memory.
    pub longest_passed_over: f64,
}

impl Metrics {
    /// One figure by name.
    pub fn get(&self, metric: Metric) -> Option<f64> {
        match metric {
            Metric::SecondsToRebalance => self.seconds_to_rebalance,
            Metric::LoadStddev => Some(self.load_stddev),
            Metric::UsefulUtilization => Some(self.useful_utilization),
            Metric::EnergyPerWork => self.energy_per_work,
            Metric::CompletionMean => Some(self.completion_mean),
            Metric::CompletionP95 => Some(self.completion_p95),
            Metric::Makespan => self.makespan,
            Metric::OverloadSeconds => Some(self.overload_seconds),
            Metric::Thrash => self.thrash,
        }
    }
}

/// What happened to all work, to the last millionth of a core-second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Books {
    /// Tasks that arrived, there at the start or later.
    pub tasks_arrived: u64,
    /// Tasks that were complete at the end.
    pub tasks_finished: u64,
    /// Tasks that were somewhere: in the hands of a worker, with the scheduler, or shown to the engine as on
    /// their way or without a worker. One that is in two places counts twice.
    pub tasks_left: u64,
    /// Work of all tasks that arrived, in millionths of a core-second.
    pub work_arrived: u64,
    /// What tasks of the start had done before.
    pub work_before: u64,
    /// Work of finished tasks.
    pub work_finished: u64,
    /// What unfinished tasks had done.
    pub work_in_progress: u64,
    /// What unfinished tasks had still to do.
    pub work_left: u64,
    /// What had to be done again.
    pub work_redone: u64,
    /// What the workers did.
    pub work_done: u64,
}

impl Books {
    /// Whether no task and no work was lost, and none was counted twice.
    pub const fn balance(&self) -> bool {
        let tasks = self.tasks_finished + self.tasks_left;
        let did = self.work_finished + self.work_in_progress + self.work_redone;
        let has_to_do = self.work_finished + self.work_in_progress + self.work_left;
        self.tasks_arrived == tasks
            && self.work_before + self.work_done == did
            && self.work_arrived == has_to_do
    }
}

/// Adds up while a run goes on.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter {
    from: Micros,
    rebalance_from: Option<Micros>,
    step: f64,
    pub(super) worked: Units,
    pub(super) redone: Units,
    pub(super) lost_to_moves: Units,
    stalled: f64,
    migrations: u64,
    undone: u64,
    pub(super) failed: u64,
    deviation: f64,
    samples: f64,
    pace: f64,
    possible: f64,
    calm: Option<Micros>,
    rebalanced: Option<f64>,
    loads: Vec<f64>,
    variation: f64,
    /// Joules, lasting work, throttling and work redone before the window.
    before: (f64, f64, f64, Units),
    over_before: [f64; 2],
    opened: bool,
    pub(super) last_move: Option<Micros>,
    /// Since when each task has been with nobody, in order of number.
    adrift: BTreeMap<usize, Micros>,
    longest_adrift: Micros,
    /// Since when there has been no command about each of them.
    forgotten: BTreeMap<usize, Micros>,
    longest_forgotten: Micros,
    /// For how long each of them has been passed over.
    passed_over: BTreeMap<usize, Micros>,
    longest_passed_over: Micros,
    last_round: Micros,
}

impl Meter {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self {
            from: micros(scenario.measure.from),
            rebalance_from: scenario.measure.rebalance_from.map(micros),
            step: scenario.telemetry.interval,
            ..Self::default()
        }
    }

    /// There is a command about the task.
    pub(super) fn told(&mut self, job: usize) {
        self.forgotten.remove(&job);
        self.passed_over.remove(&job);
    }

    /// A task has come to its new worker.
    pub(super) fn arrived(&mut self, job: &mut Job, from: Option<usize>, to: usize, now: Micros) {
        self.resumed(job, now);
        // A task that is back after a failure, or that had lost its worker, was not moved.
        if from.is_none_or(|from| from == to) {
            return;
        }
        self.migrations += 1;
        if job.left.is_some_and(|(seat, at)| seat == to && now - at < UNDONE) {
            self.undone += 1;
        }
        job.left = from.map(|from| (from, now));
    }

    /// A move keeps a task from running no longer.
    pub(super) fn resumed(&mut self, job: &mut Job, now: Micros) {
        if let Some(since) = job.stalled.take() {
            self.stalled += job.spec.cores * (now - since) as f64 / 1e6;
        }
    }

    /// Work done that was not to be done again.
    fn net(&self) -> f64 {
        (self.worked as f64 - self.redone as f64) / 1e6
    }

    /// Looks at the cluster once per measurement.
    pub(super) fn refresh(&mut self, cluster: &Cluster<'_>) {
        self.rebalancing(cluster);
        if cluster.now < self.from {
            return;
        }
        if !self.opened {
            self.opened = true;
            self.before = (cluster.joules(), self.net(), cluster.throttled(), self.redone);
            self.over_before = cluster.overload();
        }
        let loads = cluster.machines.iter().filter(|machine| machine.present);
        let loads: Vec<f64> = loads.map(Machine::utilization).collect();
        self.deviation += deviation(&loads);
        self.samples += 1.0;
        let pace = cluster.machines.iter().map(|machine| machine.now.pace).sum::<f64>();
        self.pace += pace;
        // The largest tasks first is not always best: what was done could be done.
        self.possible += possible(cluster).max(pace);
    }

    /// Notes how the loads changed since the last round, and which tasks are with nobody.
    pub(super) fn round(&mut self, cluster: &Cluster<'_>) {
        let since_last = cluster.now - self.last_round;
        self.last_round = cluster.now;
        for index in cluster.live {
            if !cluster.jobs[*index].is_adrift() {
                self.adrift.remove(index);
                self.told(*index);
                continue;
            }
            let since = *self.adrift.entry(*index).or_insert(cluster.now);
            self.longest_adrift = self.longest_adrift.max(cluster.now - since);
            let forgotten = *self.forgotten.entry(*index).or_insert(cluster.now);
            self.longest_forgotten = self.longest_forgotten.max(cluster.now - forgotten);
            if since < cluster.now && scheduler::has_room(cluster, *index, HIGH) {
                let span = self.passed_over.entry(*index).or_default();
                *span += since_last;
                self.longest_passed_over = self.longest_passed_over.max(*span);
            }
        }
        let loads: Vec<f64> = cluster.machines.iter().map(Machine::utilization).collect();
        if cluster.now >= self.from && !self.loads.is_empty() {
            let changes = self.loads.iter().zip(&loads).map(|(was, is)| (is - was).abs());
            self.variation += changes.sum::<f64>();
        }
        self.loads = loads;
    }

    fn rebalancing(&mut self, cluster: &Cluster<'_>) {
        let Some(from) = self.rebalance_from.filter(|from| *from <= cluster.now) else { return };
        if self.rebalanced.is_some() {
            return;
        }
        let seconds = |at: Micros| (at - from) as f64 / 1e6;
        if (0..cluster.machines.len()).any(|seat| is_needlessly_hot(cluster, seat)) {
            self.calm = None;
            return;
        }
        let since = *self.calm.get_or_insert(cluster.now);
        if cluster.now - since >= CALM {
            self.rebalanced = Some(seconds(since));
        }
    }

    pub(super) fn metrics(&self, cluster: &Cluster<'_>) -> Metrics {
        let (joules, net, throttled, redone) = self.before;
        let work = self.net() - net;
        // Work that was lost was not useful.
        let useful = self.pace - (self.redone - redone) as f64 / 1e6 / self.step;
        let over = cluster.overload();
        let ratio = |a: f64, b: f64| if b > 0.0 { a / b } else { 0.0 };
        let times = completion_times(cluster);
        let end = cluster.now as f64 / 1e6;
        let timed = self.rebalance_from.map(|from| end - from as f64 / 1e6);
        Metrics {
            seconds_to_rebalance: self.rebalanced.or(timed),
            load_stddev: ratio(self.deviation, self.samples),
            useful_utilization: ratio(useful.max(0.0), self.possible),
            energy_per_work: (work > 0.0).then(|| (cluster.joules() - joules) / work),
            completion_mean: ratio(times.iter().sum(), times.len() as f64),
            completion_p95: quantile(&times, 0.95),
            makespan: cluster.scenario.ends_when_done.then_some(end),
            migrations: self.migrations,
            migrations_undone: self.undone,
            migrations_failed: self.failed,
            overload_seconds: over[0] - self.over_before[0],
            memory_overload_seconds: over[1] - self.over_before[1],
            throttled_seconds: cluster.throttled() - throttled,
            work_lost: self.lost_to_moves as f64 / 1e6 + self.stalled,
            variation: self.variation,
            thrash: None,
            last_move: self.last_move.map(|at| at as f64 / 1e6),
            tasks_finished: cluster.jobs.iter().filter(|job| job.finished.is_some()).count() as u64,
            longest_adrift: self.longest_adrift as f64 / 1e6,
            longest_forgotten: self.longest_forgotten as f64 / 1e6,
            longest_passed_over: self.longest_passed_over as f64 / 1e6,
        }
    }

    /// What became of all work.
    pub(super) fn close(&self, cluster: &Cluster<'_>) -> Books {
        let (work_redone, work_done) = (self.redone, self.worked);
        let tasks_left = cluster.tasks_somewhere();
        let mut books = Books { tasks_left, work_redone, work_done, ..Books::default() };
        for job in cluster.jobs.iter().filter(|job| job.spec.arrives <= cluster.now) {
            books.tasks_arrived += 1;
            books.work_arrived += job.spec.work;
            books.work_before += job.spec.done;
            if job.finished.is_some() {
                books.tasks_finished += 1;
                books.work_finished += job.done;
            } else {
                books.work_in_progress += job.done;
                books.work_left += job.spec.work - job.done;
            }
        }
        books
    }
}

fn deviation(loads: &[f64]) -> f64 {
    let count = loads.len().max(1) as f64;
    let mean = loads.iter().sum::<f64>() / count;
    let variance = loads.iter().map(|load| (load - mean) * (load - mean)).sum::<f64>() / count;
    libm::sqrt(variance)
}

/// A worker above the threshold that could be below it: what cannot move would leave it there.
fn is_needlessly_hot(cluster: &Cluster<'_>, seat: usize) -> bool {
    let machine = &cluster.machines[seat];
    if !machine.present || machine.stance != Stance::Accept || machine.utilization() <= HIGH {
        return false;
    }
    let pinned = machine.jobs.iter().map(|job| &cluster.jobs[*job]);
    let pinned = pinned.filter(|job| job.spec.mobility == Mobility::Pinned);
    let stays: f64 = pinned
        .map(|job| job.demand(cluster.scenario, cluster.now) * job.wobble(cluster.scenario))
        .sum();
    stays / machine.class.cores + machine.background <= HIGH
}

/// Core-seconds that could be done in a second with every live task on its best free hardware: devices
/// first, the fastest to the largest task that fits; then the fastest cores.
fn possible(cluster: &Cluster<'_>) -> f64 {
    let present = || cluster.machines.iter().filter(|machine| machine.present);
    let mut devices: Vec<(f64, f64)> = present()
        .flat_map(|machine| machine.class.devices.iter())
        .map(|device| (device.speed, device.memory_gib * GIB))
        .collect();
    devices.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut cores: Vec<(f64, f64)> =
        present().map(|machine| (machine.class.speed, machine.class.cores)).collect();
    cores.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut jobs: Vec<&Job> = cluster.live.iter().map(|job| &cluster.jobs[*job]).collect();
    jobs.sort_by(|a, b| {
        b.spec.cores.total_cmp(&a.spec.cores).then(a.hosted.task.id.cmp(&b.hosted.task.id))
    });
    let (mut sum, mut plain, mut room) = (0.0, 0.0, cores.iter().map(|it| it.1).sum::<f64>());
    for job in jobs {
        let fits = job.spec.device_bytes().and_then(|bytes| {
            devices.iter_mut().find(|(_, free)| *free >= bytes).map(|device| (device, bytes))
        });
        let wanted = job.spec.cores;
        match fits {
            Some(((speed, free), bytes)) if room >= wanted => {
                *free -= bytes;
                room -= wanted;
                sum += wanted * *speed;
            }
            _ if matches!(job.spec.gpu, UsesGpu::Only(_)) => {}
            _ => plain += wanted,
        }
    }
    // What devices' hosts need is taken from the slowest cores.
    let mut left = plain.min(room);
    for (speed, cores) in cores {
        let used = left.min(cores);
        sum += used * speed;
        left -= used;
    }
    sum
}

/// Seconds from arrival to completion, shortest first.
fn completion_times(cluster: &Cluster<'_>) -> Vec<f64> {
    let arrived = cluster.jobs.iter().filter(|job| job.spec.arrives <= cluster.now);
    let mut times: Vec<f64> = arrived
        .map(|job| {
            let here = |at: Micros| (at - job.spec.arrives) as f64 / 1e6;
            let left = (job.spec.work - job.done) as f64 / (job.spec.cores * 1e6);
            job.finished.map_or_else(|| here(cluster.now) + left, here)
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times
}

/// The value that this share of the sorted values does not exceed.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let rank = libm::ceil(share * sorted.len() as f64) as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}
