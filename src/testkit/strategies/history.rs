//! Histories: generators of scripts, and how a script is played.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use proptest::collection::vec as list;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::calendar::timed;
use super::class::classed;
use super::cluster::{Cluster, accelerated, plain, skewed};
use super::group::{bound, grouped};
use super::host::Host;
use super::script::{Deed, Done, Happening, History, Told, Turn};
use super::settings::{any_config, budgeted, configs, with_means};
use super::transfer::linked;
use super::wish::{versatile, wishful};
use crate::engine::{Input, Output};
use crate::hardware::Hardware;
use crate::snapshot::{Placement, Stance};
use crate::{Config, Device, ResourceId, Task, TaskId, WorkerId};

impl History {
    /// Plays the script: every input goes through `door`, and its commands are carried out. Then the wind is fair until
    /// the engine is at rest; where it would never be, migration is switched off, and what is under way ends.
    pub fn play(&self, door: &mut dyn FnMut(Input) -> Output) -> Host {
        let mut host = Host::new(self);
        for turn in &self.turns {
            host.take(turn, self.measured_every, door);
        }
        if host.rests(30, 40, door) {
            return host;
        }
        let config = Config { migration: None, ..self.config.clone() };
        let output = door(Input::Reconfigure(Box::new(config)));
        host.obey(&output, &[]);
        host.rests(200, 20, door);
        host
    }
}

fn deed() -> impl Strategy<Value = Deed> {
    let result = prop_oneof![
        8 => Just(Some(Done::Well)),
        2 => Just(Some(Done::Failed)),
        1 => Just(Some(Done::Refused)),
        1 => any::<Index>().prop_map(|at| Some(Done::Elsewhere(at))),
        1 => Just(None),
    ];
    let told = select(vec![
        Told::AtOnce,
        Told::AtOnce,
        Told::WithSnapshot,
        Told::Twice,
        Told::Late,
        Told::Never,
    ]);
    (0..3_usize, result, told).prop_map(|(delay, result, told)| Deed { delay, result, told })
}

fn happening() -> impl Strategy<Value = Happening> {
    let at = any::<Index>;
    let stance = select(vec![Stance::Accept, Stance::Hold, Stance::Drain]);
    prop_oneof![
        2 => at().prop_map(Happening::Crash),
        2 => at().prop_map(Happening::Revive),
        2 => (at(), stance).prop_map(|(at, stance)| Happening::Stance(at, stance)),
        4 => (at(), 0.0..3.0_f64).prop_map(|(at, factor)| Happening::Load(at, factor)),
        2 => (at(), 0.5..8.0_f64).prop_map(|(at, cores)| Happening::Arrive(at, cores)),
        1 => at().prop_map(Happening::Finish),
        1 => Just(Happening::Abort),
        1 => at().prop_map(Happening::Nonsense),
        1 => Just(Happening::Partial),
        1 => Just(Happening::Again),
        1 => Just(Happening::Blackout),
        1 => (0..9_u8).prop_map(Happening::Switch),
    ]
}

/// Histories in which anything may happen.
pub fn histories() -> impl Strategy<Value = History> {
    histories_of(prop_oneof![
        3 => skewed(),
        1 => grouped(),
        1 => bound(),
        1 => accelerated(),
        2 => wishful(),
        2 => versatile(),
    ])
}

/// Histories in which anything may happen to tasks that share rules.
pub fn bound_histories() -> impl Strategy<Value = History> {
    histories_of(bound())
}

fn histories_of(cluster: impl Strategy<Value = Cluster>) -> impl Strategy<Value = History> {
    let turn = (5..60_u64, list(deed(), 1..4), weighted(0.4, happening()));
    let turn = turn.prop_map(|(seconds, deeds, happening)| Turn { seconds, deeds, happening });
    let plain = || prop_oneof![2 => configs(), 1 => any_config(), 2 => Just(Config::default())];
    let config = budgeted(prop_oneof![2 => plain(), 1 => with_means(plain())]);
    let cluster = linked(timed(classed(cluster)));
    let timeout = select(vec![60_u64, 200, 600]);
    let shape = (any::<bool>(), 1..3_usize, proptest::bool::weighted(0.3));
    (config, cluster, list(turn, 1..14), timeout, shape).prop_map(
        |(mut config, cluster, turns, timeout, (shows_moving, measured_every, shows_orders))| {
            if let Some(limits) = &mut config.migration {
                limits.timeout = Duration::from_secs(timeout);
            }
            let shows_orders = shows_moving && shows_orders;
            History { config, cluster, turns, shows_moving, measured_every, shows_orders }
        },
    )
}

/// Histories of an hour in which nothing happens but what the engine says: equal workers of 32 cores, tasks that always
/// use the same (a quarter of a core or more, and nothing else), and every command is carried out at once.
pub fn constant_histories() -> impl Strategy<Value = History> {
    let tasks = list((1..40_u64, any::<Index>()), 1..20);
    (2..7_u64, tasks, configs()).prop_map(|(count, tasks, config)| {
        let tasks = (1..).zip(tasks).map(|(id, (quarters, at))| {
            Task::new(TaskId::new(id))
                .on(WorkerId::new(1 + (at.index(count as usize * 2) as u64 % count)))
                .with_demand(ResourceId::CPU, quarters as f64 / 4.0)
        });
        let workers = (1..=count).map(|id| plain(id, 32.0, 1 << 36)).collect();
        let cluster = Cluster { workers, tasks: tasks.collect(), ..Cluster::default() };
        let turns = vec![Turn { seconds: 60, deeds: Vec::new(), happening: None }; 60];
        let shows_orders = false;
        History { config, cluster, turns, shows_moving: true, measured_every: 1, shows_orders }
    })
}

/// Histories like [`constant_histories`], in which some workers have a device and some tasks would rather run on one
/// than on a CPU.
pub fn constant_wishes() -> impl Strategy<Value = History> {
    let devices = list(weighted(0.4, select(vec![24_u64, 80])), 6);
    let wishes = list(weighted(0.6, (weighted(0.8, 1..12_u64), any::<bool>())), 19);
    (constant_histories(), devices, wishes).prop_map(|(mut history, devices, wishes)| {
        let Cluster { workers, tasks, .. } = &mut history.cluster;
        for (worker, gib) in workers.iter_mut().zip(devices) {
            let device = gib.map(|gib| Device::new(Hardware::Cuda).with_memory_bytes(gib << 30));
            worker.devices.extend(device);
        }
        for (task, wish) in tasks.iter_mut().zip(wishes) {
            let Some((gib, has_device)) = wish else { continue };
            task.requirements.any_of = [Hardware::Cpu, Hardware::Cuda].into_iter().collect();
            task.requirements.gpu_memory_bytes = gib.map(|gib| gib << 30);
            let here = workers.iter().find(|worker| task.placement == Placement::On(worker.id));
            let equipped = here.is_some_and(|worker| !worker.devices.is_empty());
            task.device = (has_device && equipped && gib.is_some()).then_some(0);
        }
        history
    })
}

/// A door that keeps a log of what went through it.
pub fn logged<'a>(
    log: &'a mut Vec<(Input, Output)>,
    mut door: impl FnMut(&Input) -> Output + 'a,
) -> Box<dyn FnMut(Input) -> Output + 'a> {
    Box::new(move |input| {
        let output = door(&input);
        log.push((input, output.clone()));
        output
    })
}
