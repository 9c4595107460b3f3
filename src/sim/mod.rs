//! Feature `sim`: how would a configuration behave on a cluster? Simulated in virtual time.
//!
//! The simulator is a discrete-event closed loop around the same [`Engine`] and the same three traits
//! ([`shell`](crate::shell)) that a real host implements. Nothing reaches the engine in any other way.
//!
//! | what | how |
//! |---|---|
//! | speed | tasks share the cores in proportion to demand if they want more than there are |
//! | moves | checkpoint, transfer over shared links, restart; no progress meanwhile; any step can fail |
//! | telemetry | measured at intervals, with noise, seen late |
//! | power | a table over CPU use, and devices by what their tasks want; temperature follows |
//! | chance | one seed, a stream of its own per use: same seed, same bytes |
//!
//! A task's use is what it *wants* of a worker's cores, running or waiting, as a run queue shows it:
//! a worker's load can exceed 1.
//!
//! ```
//! use evenkeel::Config;
//! use evenkeel::sim::{simulate, Policy, Scenario};
//!
//! let file = include_str!("../../examples/scenarios/my_cluster.toml");
//! let scenario: Scenario = toml::from_str(file)?;
//! let none = simulate(&scenario, "small", "office", &Policy::None, 1)?;
//! let ours = simulate(&scenario, "small", "office", &Policy::engine(Config::default()), 1)?;
//! assert!(ours.metrics.overload_seconds < none.metrics.overload_seconds);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "moments, bytes and work are whole, and never below 0"
)]

mod agenda;
mod check;
mod cluster;
mod curve;
mod dice;
mod host;
mod machine;
mod measure;
mod plan;
mod policy;
mod probe;
mod scenario;
mod scheduler;
mod transfer;
mod world;

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;

use serde::{Deserialize, Serialize};

pub use check::BadScenario;
pub use curve::{Curve, Shape};
pub use measure::{Books, Metrics};
pub use policy::{Policy, Setting};
pub use scenario::{
    Accelerator, Arrivals, Class, Gpu, Happening, Load, Match, Measure, Metric, Moves, Overcommit,
    Physics, Placer, Placing, Scenario, Size, Spread, Tasks, Telemetry, What,
};

use self::agenda::Due;
use self::host::Host;
use self::plan::micros;
use self::world::World;
use crate::engine::{Engine, Input};
use crate::model::ids::TaskId;
use crate::outcome::{Ended, Outcome};
use crate::shell::{Driver, MetricsSink};

/// The result of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Run {
    /// Its figures.
    pub metrics: Metrics,
    /// What happened to all work.
    pub books: Books,
    /// The tasks that were complete at the end, by id. Under the same seed the same tasks arrive, whoever balances and
    /// whatever fails.
    pub finished: Vec<TaskId>,
}

/// Why a run could not begin.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The scenario contradicts itself.
    #[error(transparent)]
    Scenario(#[from] BadScenario),
    /// The scenario has no such size.
    #[error("no size {0}")]
    NoSize(String),
    /// The scenario has no such cluster.
    #[error("no cluster {0}")]
    NoCluster(String),
    /// The configuration is impossible.
    #[error(transparent)]
    Config(#[from] crate::config::ConfigErrors),
}

/// Runs a scenario from its start to its end.
///
/// # Errors
///
/// [`RunError`] if the scenario or the configuration is impossible; nothing has run then.
pub fn simulate(
    scenario: &Scenario,
    size: &str,
    cluster: &str,
    policy: &Policy,
    seed: u64,
) -> Result<Run, RunError> {
    simulate_with(scenario, size, cluster, policy, seed, ())
}

/// Like [`simulate`]; every input and every outcome also goes to a sink: the whole log, to be replayed
/// or judged ([`verify`](crate::verify)).
///
/// # Errors
///
/// As [`simulate`].
pub fn simulate_with(
    scenario: &Scenario,
    size: &str,
    cluster: &str,
    policy: &Policy,
    seed: u64,
    sink: impl MetricsSink,
) -> Result<Run, RunError> {
    let (host, mut driver) = prepare(scenario, size, cluster, policy, seed, sink)?;
    while step(&host, &mut driver) {}
    finish(&host);
    let world = host.0.borrow();
    let (meter, cluster) = (&world.meter, &world.cluster());
    let finished = world.jobs.iter().filter(|job| job.finished.is_some());
    let finished = finished.map(|job| job.hosted.task.id).collect();
    Ok(Run { metrics: meter.metrics(cluster), books: meter.close(cluster), finished })
}

/// A host and its engine.
type Loop<M> = (Host, Driver<Host, Host, Both<Host, M>>);

fn prepare<M: MetricsSink>(
    scenario: &Scenario,
    size: &str,
    cluster: &str,
    policy: &Policy,
    seed: u64,
    sink: M,
) -> Result<Loop<M>, RunError> {
    scenario.check()?;
    let none = || RunError::NoCluster(cluster.into());
    let classes = scenario.clusters.get(cluster).ok_or_else(none)?;
    let size = *scenario.sizes.get(size).ok_or_else(|| RunError::NoSize(size.into()))?;
    let config = policy.config();
    let balanced = config.migration.is_some();
    let engine = Engine::new(config)?;
    let plan = plan::plan(scenario, classes, size, seed);
    let mut world = World::new(Rc::new(scenario.clone()), plan, seed, balanced);
    world.oracle = matches!(policy, Policy::Oracle(_));
    let host = Host(Rc::new(RefCell::new(world)));
    let driver = Driver::new(engine, host.clone(), host.clone(), Both(host.clone(), sink));
    Ok((host, driver))
}

/// Carries out the next event and reports it to the engine; whether there are more.
fn step<M: MetricsSink>(host: &Host, driver: &mut Driver<Host, Host, M>) -> bool {
    let due = {
        let mut world = host.0.borrow_mut();
        if world.is_done() { None } else { world.next() }
    };
    match due {
        None => return false,
        Some(Due::Round) => round(host, driver),
        Some(due) => host.0.borrow_mut().handle(due),
    }
    loop {
        let report = host.0.borrow_mut().outbox.pop_front();
        let Some(report) = report else { return true };
        let _ = driver.report(&report);
    }
}

fn round<M: MetricsSink>(host: &Host, driver: &mut Driver<Host, Host, M>) {
    // A source that cannot fail, at moments that only grow: there is always a turn.
    let turn = driver.turn();
    debug_assert!(turn.is_ok());
    let mut world = host.0.borrow_mut();
    let mut meter = core::mem::take(&mut world.meter);
    meter.round(&world.cluster());
    world.meter = meter;
    let next = world.now + micros(world.scenario.round);
    world.at(next, Due::Round);
}

/// Accounts for what is left at the end.
fn finish(host: &Host) {
    let mut world = host.0.borrow_mut();
    for seat in 0..world.machines.len() {
        world.catch_up(seat);
    }
    let now = world.now;
    let World { jobs, meter, .. } = &mut *world;
    jobs.iter_mut().for_each(|job| meter.resumed(job, now));
}

/// Two sinks, one after the other.
struct Both<A, B>(A, B);

impl<A: MetricsSink, B: MetricsSink> MetricsSink for Both<A, B> {
    fn record(&mut self, outcome: &Outcome) {
        self.0.record(outcome);
        self.1.record(outcome);
    }

    fn input(&mut self, input: &Input) {
        self.1.input(input);
    }

    fn ended(&mut self, ended: &[Ended]) {
        self.1.ended(ended);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::model::resource::GIB;
    use crate::snapshot::Placement;

    /// The office, with GPUs, failures, a crash, a drain and memory that runs out.
    fn rough(ends: bool) -> Scenario {
        let file = include_str!("../../examples/scenarios/my_cluster.toml");
        let mut table: toml::Table = file.parse().unwrap();
        let more = r#"
            migration = { checkpoint_gib = 0.2, link_share = 0.25, restart = 3.0, failures = 0.3 }
            telemetry = { interval = 10.0, delay = [0.0, 30.0], noise = 0.1, smoothing = 0.5 }
            tasks.gpu = { share = 0.6, only = 0.3, memory_gib = [2.0, 20.0] }
            [[clusters.office]]
            weight = 2.0
            cores = 8.0
            memory_gib = 12.0
            network_gbit = 1.0
            hardware = ["cpu"]
            speed = 1.0
            watts = [40.0, 120.0]
            devices = [
                { hardware = "cuda", memory_gib = 24.0, speed = 4.0, watts = [50.0, 300.0] },
                { hardware = "cuda", memory_gib = 16.0, speed = 3.0, watts = [50.0, 300.0] },
            ]
            [[events]]
            at = 300.0
            until = 900.0
            workers = 0.3
            what = "crash"
            [[events]]
            at = 500.0
            until = 1000.0
            workers = 0.3
            what = "drain"
            [[events]]
            at = 600.0
            until = 800.0
            workers = 0.5
            what = { demand = 2.0 }
        "#;
        for (key, value) in more.parse::<toml::Table>().unwrap() {
            match (table.get_mut(&key), value) {
                (Some(toml::Value::Table(old)), toml::Value::Table(new)) => old.extend(new),
                (_, value) => drop(table.insert(key, value)),
            }
        }
        let mut scenario: Scenario = toml::Value::Table(table).try_into().unwrap();
        scenario.physics.memory = Overcommit::Kills;
        if ends {
            scenario.load.arrivals = Arrivals::None;
            (scenario.ends_when_done, scenario.duration) = (true, 1e6);
        }
        scenario
    }

    fn audit(world: &World) {
        for (index, job) in world.jobs.iter().enumerate() {
            let on = |machine: &&machine::Machine| machine.jobs.contains(&index);
            let holders: Vec<usize> = world
                .machines
                .iter()
                .filter(on)
                .map(|machine| machine.id.raw() as usize - 1)
                .collect();
            let expected = job.hosted.holder().map(machine::index_of);
            assert_eq!(holders, Vec::from_iter(expected), "{job:?} at {}", world.now);
            assert!(job.runs() || job.rate <= 0.0, "{job:?} works where it does not run");
            assert!(job.done <= job.spec.work && job.saved <= job.done, "{job:?}");
            let live = world.live.contains(&index);
            let waits = world.queue.iter().filter(|other| **other == index).count();
            assert_eq!(waits, usize::from(live && job.is_queued()), "{job:?}");
            if let Placement::Moving { since, .. } = job.hosted.task.placement {
                let long = machine::stamp(world.now).since(since);
                let moves = long.is_none_or(|it| it < core::time::Duration::from_secs(600));
                assert!(moves, "stuck at {}: {job:?}", world.now);
            }
        }
        for machine in &world.machines {
            for (device, promised) in machine.promised.iter().enumerate() {
                let here = machine.jobs.iter().map(|job| &world.jobs[*job]);
                let here = here.filter(|job| job.device == Some(device));
                let sum: f64 = here.filter_map(|job| job.spec.device_bytes()).sum();
                assert!((sum - promised).abs() < 1.0, "{sum} is not {promised}: {machine:?}");
                assert!(*promised <= machine.class.devices[device].memory_gib * GIB + 1.0);
            }
        }
    }

    #[test]
    fn every_task_is_in_one_place_at_every_moment_and_devices_are_given_back() {
        let policies = [Config::fixed(), Config::default(), Config::reference()];
        for config in policies {
            for seed in 1..=4 {
                let scenario = rough(seed % 2 == 0);
                let policy = Policy::engine(config.clone());
                let made = prepare(&scenario, "small", "office", &policy, seed, ());
                let (host, mut driver) = made.unwrap();
                while step(&host, &mut driver) {
                    audit(&host.0.borrow());
                }
                let world = host.0.borrow();
                assert!(world.jobs.iter().any(|job| job.finished.is_some()), "seed {seed}");
                if scenario.ends_when_done {
                    let books = world.meter.close(&world.cluster());
                    assert_eq!(books.tasks_left, 0, "seed {seed}: {books:?}");
                }
            }
        }
    }

    #[test]
    fn memory_that_runs_out_kills_the_largest_which_goes_back_to_its_checkpoint() {
        let mut scenario = rough(true);
        scenario.events.clear();
        let policy = Policy::None;
        let (host, _) = prepare(&scenario, "small", "office", &policy, 1, ()).unwrap();
        let mut world = host.0.borrow_mut();
        let world = &mut *world;
        while world.now < 450_000_000 {
            let due = world.next().unwrap();
            world.handle(due);
        }
        let long = |job: &usize| {
            let job = &world.jobs[*job];
            job.runs() && job.spec.mobility != crate::snapshot::Mobility::Restart && job.saved > 0
        };
        let victim = world.live.iter().copied().find(long).unwrap();
        let seat = machine::index_of(world.jobs[victim].hosted.holder().unwrap());
        world.catch_up(seat);
        let (saved, done, redone) =
            (world.jobs[victim].saved, world.jobs[victim].done, world.meter.redone);
        assert!(saved < done);
        world.jobs[victim].spec.memory = 100.0 * GIB;
        world.settle(seat);
        assert!(world.jobs[victim].is_queued());
        assert_eq!(world.jobs[victim].done, saved);
        assert_eq!(world.meter.redone - redone, done - saved);
        assert!(world.machines[seat].jobs.iter().all(|job| world.jobs[*job].runs()));
        audit(world);
    }
}
