//! What a run is made of, drawn from its seed before it begins: the same under every policy.

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;

use super::dice::{Dice, Stream};
use super::scenario::{Arrivals, Class, Match, Scenario, What};
use crate::model::hardware::{Hardware, HardwareSet};
use crate::model::resource::GIB;
use crate::snapshot::Mobility;

/// A moment of a run, in microseconds since its start.
pub(super) type Micros = u64;

/// Seconds as a moment, not before the start.
pub(super) fn micros(seconds: f64) -> Micros {
    (seconds.max(0.0) * 1e6) as Micros
}

/// Millionths of a core-second: whole, so that no work is lost to rounding.
pub(super) type Units = u64;

/// Where a task can use a GPU.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum UsesGpu {
    No,
    /// Faster with one, with so much memory.
    Maybe(f64),
    /// Only with one.
    Only(f64),
}

/// A task as it was drawn.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    pub(super) arrives: Micros,
    pub(super) cores: f64,
    pub(super) memory: f64,
    pub(super) state: f64,
    pub(super) work: Units,
    /// What it has done already when the run starts.
    pub(super) done: Units,
    pub(super) gpu: UsesGpu,
    pub(super) priority: u8,
    pub(super) efficient: bool,
    pub(super) mobility: Mobility,
    /// What a scheduler that rolls dice would have rolled for it.
    pub(super) luck: f64,
}

/// Something that happens, with the workers that it happens to.
#[derive(Clone, Debug)]
pub(super) struct Incident {
    pub(super) at: Micros,
    pub(super) until: Option<Micros>,
    pub(super) seats: Vec<usize>,
    pub(super) what: What,
}

/// A run before it begins.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The class of each worker; those that join come last.
    pub(super) classes: Vec<Class>,
    /// How many are there from the start.
    pub(super) present: usize,
    /// By arrival; those that are there at the start first.
    pub(super) specs: Vec<Spec>,
    pub(super) initial: usize,
    pub(super) incidents: Vec<Incident>,
    /// Each worker's place in an order drawn once.
    pub(super) rank: Vec<usize>,
}

/// Draws a run.
pub(super) fn plan(scenario: &Scenario, classes: &[Class], size: super::Size, seed: u64) -> Plan {
    let workers = size.workers as usize;
    let mut dice = Dice::new(seed, Stream::Cluster);
    let weights: Vec<f64> = classes.iter().map(|class| class.weight).collect();
    let mut drawn: Vec<Class> =
        (0..workers).map(|_| classes[dice.weighted(&weights)].clone()).collect();
    let rank = dice.some(workers, workers);
    let mut dice = Dice::new(seed, Stream::Events);
    let mut incidents = Vec::new();
    for event in &scenario.events {
        let many = if event.workers > 0.0 {
            libm::round(event.workers * workers as f64).max(1.0) as usize
        } else {
            0
        };
        let seats = match event.what {
            What::Join => {
                let first = drawn.len();
                drawn.extend((0..many).map(|_| classes[dice.weighted(&weights)].clone()));
                (first..drawn.len()).collect()
            }
            _ => dice.some(workers, many),
        };
        incidents.push(Incident {
            at: micros(event.at),
            until: event.until.map(micros),
            seats,
            what: event.what.clone(),
        });
    }
    let mut draw = Draw {
        scenario,
        dice: Dice::new(seed, Stream::Tasks),
        device: largest_device(&drawn[..workers]),
        scale: 1.0,
        cores: drawn[..workers].iter().map(|class| class.cores).sum(),
        speed: Speeds::of(&drawn[..workers]),
    };
    let mut specs = draw.initial(size.tasks as usize);
    let initial = specs.len();
    draw.arrivals(seed, &mut specs);
    Plan { classes: drawn, present: workers, specs, initial, incidents, rank }
}

/// The memory of the largest device in bytes.
fn largest_device(classes: &[Class]) -> Option<f64> {
    let devices = classes.iter().flat_map(|class| &class.devices);
    devices.map(|device| device.memory_gib * GIB).reduce(f64::max)
}

/// Mean speeds of a cluster, by cores: without a device, and with one where there is one.
#[derive(Clone, Copy, Debug)]
struct Speeds {
    plain: f64,
    either: f64,
    device: f64,
}

impl Speeds {
    fn of(classes: &[Class]) -> Self {
        let fastest = |class: &Class| class.devices.iter().map(|it| it.speed).reduce(f64::max);
        let mean = |speed: &dyn Fn(&Class) -> Option<f64>| {
            let known = classes.iter().filter_map(|class| Some((class.cores, speed(class)?)));
            let (cores, sum) = known
                .fold((0.0, 0.0), |(cores, sum), (more, speed)| (cores + more, sum + more * speed));
            if cores > 0.0 { sum / cores } else { 1.0 }
        };
        Self {
            plain: mean(&|class| Some(class.speed)),
            either: mean(&|class| fastest(class).or(Some(class.speed))),
            device: mean(&fastest),
        }
    }
}

/// Draws tasks.
struct Draw<'a> {
    scenario: &'a Scenario,
    dice: Dice,
    /// Memory of the cluster's largest device in bytes, if it has any.
    device: Option<f64>,
    scale: f64,
    cores: f64,
    speed: Speeds,
}

impl Draw<'_> {
    /// The tasks of the start, each somewhere in its life.
    fn initial(&mut self, count: usize) -> Vec<Spec> {
        let level = self.scenario.load.level.at(0.0) * self.cores;
        let mut specs = Vec::new();
        let mut sum = 0.0;
        let enough = |specs: &[Spec], sum: f64| match self.scenario.load.by {
            Match::Scaling => specs.len() >= count,
            Match::Counting => sum >= level,
        };
        while !enough(&specs, sum) {
            let spec = Self::task(self.scenario, &mut self.dice, self.device, 0, 1.0);
            sum += spec.cores;
            specs.push(spec);
        }
        if self.scenario.load.by == Match::Scaling && sum > 0.0 {
            self.scale = level / sum;
            specs.iter_mut().for_each(|spec| spec.scale(self.scale));
        }
        if self.scenario.load.arrivals == Arrivals::Keep {
            for spec in &mut specs {
                spec.done = (spec.work as f64 * self.dice.unit()) as Units;
            }
        }
        specs
    }

    /// The tasks that arrive later.
    fn arrivals(&mut self, seed: u64, specs: &mut Vec<Spec>) {
        let mut dice = Dice::new(seed, Stream::Arrivals);
        let end = micros(self.scenario.duration);
        match self.scenario.load.arrivals {
            Arrivals::None => {}
            Arrivals::Poisson(rate) => {
                let mut at = micros(dice.exponential(1.0 / rate));
                while at < end {
                    specs.push(self.arrival(at));
                    at += micros(dice.exponential(1.0 / rate)).max(1);
                }
            }
            Arrivals::Keep => self.keep(&mut dice, end, specs),
        }
    }

    fn arrival(&mut self, at: Micros) -> Spec {
        Self::task(self.scenario, &mut self.dice, self.device, at, self.scale)
    }

    /// As many as keep the level if every task ran at the mean speed.
    fn keep(&mut self, dice: &mut Dice, end: Micros, specs: &mut Vec<Spec>) {
        const STEP: Micros = 5_000_000;
        let mut there = BinaryHeap::new();
        let mut cores = 0.0;
        let join = |spec: &Spec, speed: &Speeds, cores: &mut f64| {
            let speed = match spec.gpu {
                UsesGpu::No => speed.plain,
                UsesGpu::Maybe(_) => speed.either,
                UsesGpu::Only(_) => speed.device,
            };
            *cores += spec.cores;
            let left = (spec.work - spec.done) as f64 / (spec.cores * speed);
            (spec.arrives + left as Micros, spec.cores.to_bits())
        };
        for spec in specs.iter() {
            there.push(Reverse(join(spec, &self.speed, &mut cores)));
        }
        let mut at = 0;
        while at < end {
            while let Some(Reverse((_, bits))) = there.peek().copied().filter(|it| it.0.0 <= at) {
                cores -= f64::from_bits(bits);
                there.pop();
            }
            let level = self.scenario.load.level.at(at as f64 / 1e6) * self.cores;
            let first = specs.len();
            while cores < level {
                let spec = self.arrival(at + (dice.unit() * STEP as f64) as Micros);
                there.push(Reverse(join(&spec, &self.speed, &mut cores)));
                specs.push(spec);
            }
            specs[first..].sort_by_key(|spec| spec.arrives);
            at += STEP;
        }
    }

    fn task(
        scenario: &Scenario,
        dice: &mut Dice,
        device: Option<f64>,
        arrives: Micros,
        scale: f64,
    ) -> Spec {
        let tasks = &scenario.tasks;
        let cores = dice.spread(&tasks.cores).max(1e-3);
        let memory = dice.spread(&tasks.memory_gib) * GIB;
        let state = memory * dice.between(tasks.state_share);
        let [low, high] = tasks.priority;
        let priority = low + dice.one_of(usize::from(high.saturating_sub(low)) + 1) as u8;
        let seconds = dice.spread(&tasks.minutes) * 60.0;
        let (can, only, gib) = (dice.unit(), dice.unit(), dice.unit());
        let gpu = match &tasks.gpu {
            Some(gpu) if device.is_some() && can < gpu.share.at(arrives as f64 / 1e6) => {
                let [low, high] = gpu.memory_gib;
                let bytes = (low + (high - low) * gib) * GIB;
                // What can run nowhere would wait for ever.
                let most = device.unwrap_or(bytes);
                if only < gpu.only { UsesGpu::Only(bytes.min(most)) } else { UsesGpu::Maybe(bytes) }
            }
            _ => UsesGpu::No,
        };
        let efficient = dice.chance(tasks.power_efficient);
        let how = dice.unit();
        let mobility = if how < tasks.pinned {
            Mobility::Pinned
        } else if how < tasks.pinned + tasks.restart {
            Mobility::Restart
        } else {
            Mobility::Checkpoint
        };
        let work = ((seconds * cores * 1e6) as Units).max(1);
        let luck = dice.unit();
        let mut spec = Spec {
            arrives,
            cores,
            memory,
            state,
            work,
            done: 0,
            gpu,
            priority,
            efficient,
            mobility,
            luck,
        };
        spec.scale(scale);
        spec
    }
}

impl Spec {
    /// All its amounts by one factor; it takes as long as before. No device grows with its task.
    fn scale(&mut self, factor: f64) {
        self.cores *= factor;
        self.memory *= factor;
        self.state *= factor;
        self.work = ((self.work as f64 * factor) as Units).max(1);
        if let UsesGpu::Maybe(bytes) | UsesGpu::Only(bytes) = &mut self.gpu {
            *bytes *= factor.min(1.0);
        }
    }

    /// The hardware that it names.
    pub(super) const fn any_of(&self, devices: HardwareSet) -> HardwareSet {
        match self.gpu {
            UsesGpu::No => HardwareSet::EMPTY,
            UsesGpu::Maybe(_) => devices.with(Hardware::Cpu),
            UsesGpu::Only(_) => devices,
        }
    }

    /// Device memory that it needs to run on a device.
    pub(super) const fn device_bytes(&self) -> Option<f64> {
        match self.gpu {
            UsesGpu::No => None,
            UsesGpu::Maybe(bytes) | UsesGpu::Only(bytes) => Some(bytes),
        }
    }
}
