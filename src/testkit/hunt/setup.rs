//! What cluster does a schedule begin with?

use core::num::NonZeroU32;
use core::time::Duration;
use std::vec::Vec;

use serde::{Deserialize, Serialize};

use super::dice::Dice;
use crate::config::{Config, Eviction, HostAbility};
use crate::model::hardware::{Hardware, HardwareSet};
use crate::model::ids::{GroupId, LabelId, TaskId, WorkerId, ZoneId};
use crate::model::resource::ResourceId;
use crate::snapshot::{Group, GroupRule, Mobility, Stance, Task, Topology, Worker};

/// The cluster before the first step, and what its host can do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Setup {
    /// The settings of the engine.
    pub settings: Settings,
    /// The workers, as their records say; nothing is measured yet.
    pub workers: Vec<Worker>,
    /// The tasks, where they run at first.
    pub tasks: Vec<Task>,
    /// The groups of the tasks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Group>,
}

/// What workers carry, and tasks require or forbid.
const LABELS: [LabelId; 2] = [LabelId::new(1), LabelId::new(2)];

/// Between two rounds of a host whose engine looks at the present only.
const INTERVAL: Duration = Duration::from_secs(5);

/// The settings that differ from schedule to schedule; everything else is as in [`Config::default`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "every combination makes sense")]
pub struct Settings {
    /// How long a step of a migration may take, in seconds.
    pub timeout: u64,
    /// Whether copies may run on two workers.
    pub overlap: bool,
    /// Whether a dead worker is listed as out of reach instead of left out.
    pub dead_are_listed: bool,
    /// Whether a task that could not be placed is shown as released, and not as orphaned.
    pub keeps_moving: bool,
    /// Whether the host's scheduler chooses where a task goes: the engine only evicts it.
    pub evicts: bool,
    /// The most migrations under way at once; 0 if the limit grows with the cluster, as in [`Config::default`].
    pub at_once: u32,
    /// The most migrations under way at once from one worker, and to one; 0 if as in [`Config::default`].
    pub per_worker: u32,
    /// How long a task stays that has moved, in seconds; 0 if as in [`Config::default`].
    pub cooldown: u64,
    /// Whether the calm at the end lasts until nothing may begin any more.
    pub falls_silent: bool,
    /// Whether only the present decides, as in [`Config::fixed`]: no forecast, no cooldown, and nothing is learned.
    pub only_the_present: bool,
}

impl Settings {
    /// As the engine reads them.
    pub fn config(&self) -> Config {
        let mut config = if self.only_the_present {
            Config { performance_window: INTERVAL, check_interval: INTERVAL, ..Config::fixed() }
        } else {
            Config::default()
        };
        if let Some(stability) = config.stability.as_mut().filter(|_| self.cooldown > 0) {
            stability.cooldown = Duration::from_secs(self.cooldown);
        }
        if let Some(limits) = &mut config.migration {
            limits.timeout = Duration::from_secs(self.timeout);
            if let Some(at_once) = NonZeroU32::new(self.at_once) {
                limits.max_simultaneous = at_once;
                (limits.share_of_workers, limits.per_giver) = (None, None);
            }
            if let Some(per_worker) = NonZeroU32::new(self.per_worker) {
                (limits.per_source, limits.per_target) = (Some(per_worker), Some(per_worker));
            }
            if self.overlap {
                limits.host = HostAbility::Overlap;
            }
            if self.evicts {
                let eviction = Eviction::default().with_back_off(limits.timeout);
                limits.host = HostAbility::Evict(eviction.with_back_off_most(limits.timeout));
            }
        }
        config
    }
}

impl Setup {
    /// A cluster of 2 to 6 workers and 1 to 10 tasks; most of these on the first worker.
    pub(super) fn random(dice: &mut Dice) -> Self {
        let count = 2 + dice.below(5);
        let workers: Vec<Worker> = (1..=count as u64).map(|id| worker(id, dice)).collect();
        let mut setup =
            Self { settings: settings(dice), workers, tasks: Vec::new(), groups: Vec::new() };
        for id in 1..=1 + dice.below(10) as u64 {
            let task = task(id, dice);
            setup.tasks.push(task);
            setup.place_last(dice);
        }
        if dice.chance(40) {
            setup.group(dice);
        }
        if dice.chance(40) {
            setup.require(dice);
        }
        setup
    }

    /// So many equal workers, and so many equal tasks on the first of them, which is draining.
    pub fn to_drain(tasks: usize, workers: usize, settings: Settings) -> Self {
        let worker = |id| {
            Worker::new(WorkerId::new(id))
                .with_capacity(ResourceId::CPU, 8.0)
                .with_capacity(ResourceId::MEMORY, 8.0)
                .with_stance(if id == 1 { Stance::Drain } else { Stance::Accept })
        };
        let task = |id| {
            Task::new(TaskId::new(id))
                .on(WorkerId::new(1))
                .with_demand(ResourceId::CPU, 1.0)
                .with_demand(ResourceId::MEMORY, 1.0)
                .with_overlaps(settings.overlap)
        };
        let workers = (1..=workers as u64).map(worker).collect();
        let tasks = (1..=tasks as u64).map(task).collect();
        Self { settings, workers, tasks, groups: Vec::new() }
    }

    /// Some tasks become a group whose rule they keep as they are placed.
    fn group(&mut self, dice: &mut Dice) {
        let over = dice.pick(&[Topology::Zone, Topology::Worker]).unwrap_or_default();
        let rules = [
            GroupRule::AntiAffinity,
            GroupRule::Affinity,
            GroupRule::Gang,
            GroupRule::Spread { max_skew: NonZeroU32::MIN, over },
            GroupRule::Disruption { max_unavailable: 1 },
        ];
        let rule = dice.pick(&rules).unwrap_or(GroupRule::Gang);
        let mut members: Vec<&Task> = Vec::new();
        for task in &self.tasks {
            let fits = |member: &&Task| match rule {
                GroupRule::AntiAffinity => member.placement != task.placement,
                GroupRule::Affinity => member.placement == task.placement,
                _ => true,
            };
            if members.len() < 3 && members.iter().all(fits) {
                members.push(task);
            }
        }
        let members = members.iter().map(|task| task.id).collect();
        self.groups.push(Group::new(GroupId::new(1), rule, members));
    }

    /// Workers differ, and some tasks do not go everywhere, or nowhere at all. What was started on a worker that does
    /// not suit it stays there until it moves.
    fn require(&mut self, dice: &mut Dice) {
        for worker in &mut self.workers {
            worker.labels.extend(LABELS.iter().copied().filter(|_| dice.chance(50)));
            if dice.chance(50) {
                worker.hardware = worker.hardware.with(Hardware::Cuda);
            }
        }
        let label = |dice: &mut Dice| dice.pick(&LABELS).into_iter();
        for task in &mut self.tasks {
            let needs = &mut task.requirements;
            match dice.below(10) {
                0 => needs.labels.extend(label(dice)),
                1 => needs.forbidden_labels.extend(label(dice)),
                2 => needs.all_of = HardwareSet::of(Hardware::Cuda),
                3 => needs.any_of = HardwareSet::of(Hardware::Cuda).with(Hardware::Rocm),
                4 => task.mobility = Mobility::Pinned,
                _ => {}
            }
        }
    }

    /// Puts the last task on a worker that has room for it, the first if possible; or leaves it to the scheduler.
    fn place_last(&mut self, dice: &mut Dice) {
        let first = if dice.chance(60) { 0 } else { dice.below(self.workers.len()) };
        let Some((task, others)) = self.tasks.split_last_mut() else { return };
        let turned = self.workers.iter().cycle().skip(first).take(self.workers.len());
        let fits = |worker: &&Worker| {
            [ResourceId::CPU, ResourceId::MEMORY].iter().all(|&resource| {
                let here = others.iter().filter(|other| other.placement == on(worker.id));
                let taken: f64 = here.filter_map(|other| other.demand.get(resource)).sum();
                let needs = task.demand.get(resource).unwrap_or(0.0);
                worker.capacity.get(resource).is_some_and(|has| taken + needs <= has)
            })
        };
        if let Some(worker) = turned.into_iter().find(fits) {
            task.placement = on(worker.id);
        }
    }
}

const fn on(worker: WorkerId) -> crate::snapshot::Placement {
    crate::snapshot::Placement::On(worker)
}

fn settings(dice: &mut Dice) -> Settings {
    let evicts = dice.chance(15);
    Settings {
        evicts,
        timeout: if dice.chance(50) { 60 } else { 120 },
        overlap: dice.chance(25) && !evicts,
        dead_are_listed: dice.chance(50),
        keeps_moving: dice.chance(30),
        at_once: dice.pick(&[0, 1, 2, 3]).unwrap_or(0),
        per_worker: dice.pick(&[0, 0, 1, 2]).unwrap_or(0),
        cooldown: dice.pick(&[0, 60, 60, 120]).unwrap_or(0),
        falls_silent: dice.chance(15),
        ..Settings::default()
    }
}

fn worker(id: u64, dice: &mut Dice) -> Worker {
    let cores = [8.0, 8.0, 8.0, 16.0, 4.0];
    Worker::new(WorkerId::new(id))
        .with_zone(ZoneId::new(id % 3))
        .with_capacity(ResourceId::CPU, dice.pick(&cores).unwrap_or(8.0))
        .with_capacity(ResourceId::MEMORY, 8.0)
}

fn task(id: u64, dice: &mut Dice) -> Task {
    let sizes = [1.0, 2.0, 2.0, 3.0, 0.5];
    Task::new(TaskId::new(id))
        .with_demand(ResourceId::CPU, dice.pick(&sizes).unwrap_or(1.0))
        .with_demand(ResourceId::MEMORY, dice.pick(&[0.5, 1.0, 2.0]).unwrap_or(1.0))
        .with_overlaps(dice.chance(20))
}
