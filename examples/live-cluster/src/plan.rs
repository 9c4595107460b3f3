//! What a run consists of: which workers there are, which tasks, and where the tasks begin.
//!
//! Everything here follows from the options and the seed, before a single process is started. The plan makes a hot
//! spot: one or two small workers get nearly all the tasks, more than they can serve, while the others idle. All
//! demands together fill about 60 % of the budgets, so an even load is possible.

use evenkeel::hardware::{Hardware, HardwareSet};

use crate::number;
use crate::options::Options;
use crate::work::Mixer;

/// Processor time that all workers together may use, in cores. It leaves room on a machine with two cores for the
/// coordinator and for busy neighbours.
const TOTAL_BUDGET: f64 = 0.9;
/// The largest budget of one worker, in cores.
const MAX_BUDGET: f64 = 0.45;
/// Sizes of the workers relative to each other, in turn. The first two become the hot spot: small ones, because a
/// small budget is there even when neighbours are busy.
const SIZES: [f64; 5] = [4.0, 5.0, 7.0, 6.0, 8.0];
/// One mebibyte, in bytes.
const MIB: f64 = 1_048_576.0;
/// Main memory that every worker counts as having, in bytes, ...
const LEAST_MEMORY: f64 = 20.0 * MIB;
/// ... and what it has more for each core of its budget.
const MEMORY_PER_CORE: f64 = 128.0 * MIB;
/// What a worker process occupies without any task, in bytes.
const IDLE_MEMORY: f64 = 3.0 * MIB;
/// The tasks of a hot worker fill its memory up to here, so that it is hot in both resources.
const HOT_MEMORY: f64 = 0.85;
/// Workspace of the small task on an idle worker, in bytes.
const IDLE_WORKSPACE: usize = 1 << 20;
/// Hardware labels of the workers, in turn; every worker also has a CPU.
const HARDWARE: [Hardware; 8] = [
    Hardware::Cuda,
    Hardware::OpenVino,
    Hardware::Cuda,
    Hardware::OpenVino,
    Hardware::Qnn,
    Hardware::Rocm,
    Hardware::WebGpu,
    Hardware::WebNn,
];
/// All demands together, as a share of all budgets (of those that join later, too).
const DEMAND: f64 = 0.6;
/// All demands together never exceed this share of the budgets that are there at the start.
const MAX_DEMAND_AT_START: f64 = 0.85;
/// Demand of the one small task on a worker outside the hot spot, as a share of its budget.
const IDLE_DEMAND: f64 = 0.06;
/// The largest demand of one task, as a share of the largest budget; a larger one would fit nowhere.
const MAX_TASK: f64 = 0.35;
/// The endless tasks alone keep each hot worker at this multiple of its budget, so that it stays hot without help.
const OVERLOAD: f64 = 1.15;
/// When the finite tasks would end without any waiting, as shares of the run.
const ENDS: [f64; 3] = [0.35, 0.5, 0.65];

/// The kinds of tasks: they differ by the size of their state.
pub(crate) const KINDS: [Kind; 4] = [
    Kind { id: 1, name: "tiny", state_words: 1 << 10 },
    Kind { id: 2, name: "small", state_words: 1 << 13 },
    Kind { id: 3, name: "medium", state_words: 1 << 15 },
    Kind { id: 4, name: "large", state_words: 1 << 17 },
];

/// A kind of task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    /// Its number, for the engine.
    pub(crate) id: u64,
    /// Its name, for people.
    pub(crate) name: &'static str,
    /// Words in the table of its chain, 8 bytes each.
    pub(crate) state_words: usize,
}

/// A worker as it is planned.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WorkerPlan {
    /// Its number, from 1.
    pub(crate) id: u64,
    /// Processor time it may use, in cores.
    pub(crate) budget: f64,
    /// Main memory it counts as having, in bytes. A label: nothing stops a process that exceeds it.
    pub(crate) memory_bytes: f64,
    /// Hardware it counts as having. Labels too: the work is the same everywhere.
    pub(crate) hardware: HardwareSet,
    /// The second at which it starts; 0 is before the first round.
    pub(crate) starts_at: u64,
}

/// A task as it is planned.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TaskPlan {
    /// Its number, from 1.
    pub(crate) id: u64,
    /// Begins its chain.
    pub(crate) seed: u64,
    /// What it is like.
    pub(crate) kind: Kind,
    /// Processor time it wants, in cores.
    pub(crate) demand: f64,
    /// Memory it works in beside its state, in bytes.
    pub(crate) workspace_bytes: usize,
    /// Seconds of work, if it is finite and gets all it wants; the calibration turns them into steps.
    pub(crate) seconds: Option<f64>,
    /// Importance, 1 to 5.
    pub(crate) priority: u8,
    /// Hardware a worker must have, all of it.
    pub(crate) all_of: HardwareSet,
    /// Hardware of which a worker must have at least one kind, unless empty.
    pub(crate) any_of: HardwareSet,
    /// Whether it would rather run on power-efficient hardware.
    pub(crate) power_efficient: bool,
    /// The worker it begins on.
    pub(crate) home: u64,
}

impl TaskPlan {
    /// Size of its state, in bytes: the words of its table and the count of its steps.
    pub(crate) fn state_bytes(&self) -> u64 {
        8 * (self.kind.state_words as u64 + 1)
    }

    /// Memory it occupies on its worker, in bytes.
    pub(crate) fn memory_bytes(&self) -> f64 {
        number(self.state_bytes()) + number(self.workspace_bytes as u64)
    }
}

/// Workers and tasks of a run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    /// All workers, those that join later included.
    pub(crate) workers: Vec<WorkerPlan>,
    /// All tasks.
    pub(crate) tasks: Vec<TaskPlan>,
}

impl Plan {
    /// The plan that these options and their seed describe.
    pub(crate) fn new(options: &Options) -> Self {
        let workers = workers(options);
        let tasks = Draw::new(options, &workers).tasks();
        Self { workers, tasks }
    }
}

/// Budgets in proportion to [`SIZES`], scaled to the total and to the largest one allowed.
fn workers(options: &Options) -> Vec<WorkerPlan> {
    let mut starts = vec![0; index(options.workers)];
    let mut joins = options.joins.clone();
    joins.sort_by_key(|join| join.second);
    for join in joins {
        starts.resize(starts.len() + index(join.count), join.second);
    }
    let size = |nth: usize| SIZES[nth % SIZES.len()];
    let sum: f64 = (0..starts.len()).map(size).sum();
    let largest = (0..starts.len()).map(size).fold(0.0, f64::max);
    let core_per_size = (TOTAL_BUDGET / sum).min(MAX_BUDGET / largest);
    let plan = |(nth, starts_at)| WorkerPlan {
        id: nth as u64 + 1,
        budget: size(nth) * core_per_size,
        memory_bytes: LEAST_MEMORY + size(nth) * core_per_size * MEMORY_PER_CORE,
        hardware: HardwareSet::of(Hardware::Cpu).with(HARDWARE[nth % HARDWARE.len()]),
        starts_at,
    };
    starts.into_iter().enumerate().map(plan).collect()
}

/// Draws the tasks.
struct Draw<'a> {
    mixer: Mixer,
    options: &'a Options,
    /// Workers that are there at the start, the hot ones first.
    initial: Vec<&'a WorkerPlan>,
    hot: usize,
    total_demand: f64,
    largest_demand: f64,
}

impl<'a> Draw<'a> {
    fn new(options: &'a Options, workers: &'a [WorkerPlan]) -> Self {
        let initial: Vec<_> = workers.iter().filter(|worker| worker.starts_at == 0).collect();
        let ever: f64 = workers.iter().map(|worker| worker.budget).sum();
        let at_start: f64 = initial.iter().map(|worker| worker.budget).sum();
        let largest = workers.iter().map(|worker| worker.budget).fold(0.0, f64::max);
        Self {
            mixer: Mixer::new(options.seed),
            options,
            hot: (initial.len() * 2 / 5).clamp(1, 2),
            initial,
            total_demand: (ever * DEMAND).min(at_start * MAX_DEMAND_AT_START),
            largest_demand: largest * MAX_TASK,
        }
    }

    /// One small task for each idle worker, then the rest for the hot ones.
    fn tasks(mut self) -> Vec<TaskPlan> {
        let mut tasks = Vec::new();
        for nth in self.hot..self.initial.len() {
            let worker = self.initial[nth];
            tasks.push(self.task(tasks.len(), worker.budget * IDLE_DEMAND, worker.id));
        }
        let left = self.total_demand - tasks.iter().map(|task| task.demand).sum::<f64>();
        let weights: Vec<f64> = (tasks.len()..index(self.options.tasks()))
            .map(|_| self.mixer.between(1.0, 5.0))
            .collect();
        let sum: f64 = weights.iter().sum();
        for weight in weights {
            let demand = (left * weight / sum).min(self.largest_demand);
            let home = self.least_loaded_hot(&tasks);
            let task = self.task(tasks.len(), demand, home);
            tasks.push(self.with_requirements(task));
        }
        self.fill_memory(&mut tasks);
        self.make_some_finite(&mut tasks);
        tasks
    }

    /// Gives the tasks of each hot worker workspaces in proportion to their demands, until its memory is as full as
    /// it should be.
    fn fill_memory(&self, tasks: &mut [TaskPlan]) {
        for worker in &self.initial[..self.hot] {
            let demand = demand_on(worker.id, tasks);
            let here = tasks.iter_mut().filter(|task| task.home == worker.id);
            let here: Vec<&mut TaskPlan> = here.collect();
            let states: f64 = here.iter().map(|task| number(task.state_bytes())).sum();
            let room = (worker.memory_bytes * HOT_MEMORY - IDLE_MEMORY - states).max(0.0);
            for task in here {
                task.workspace_bytes = bytes(room * task.demand / demand);
            }
        }
    }

    /// A task without requirements, with everything else drawn.
    fn task(&mut self, before: usize, demand: f64, home: u64) -> TaskPlan {
        TaskPlan {
            id: before as u64 + 1,
            seed: self.mixer.next(),
            kind: KINDS[before % KINDS.len()],
            demand,
            workspace_bytes: IDLE_WORKSPACE,
            seconds: None,
            priority: 1 + u8::try_from(self.mixer.next() % 5).expect("less than five"),
            all_of: HardwareSet::EMPTY,
            any_of: HardwareSet::EMPTY,
            power_efficient: self.mixer.next().is_multiple_of(4),
            home,
        }
    }

    /// The hot worker whose tasks ask for least, relative to its budget.
    fn least_loaded_hot(&self, tasks: &[TaskPlan]) -> u64 {
        let load = |worker: &&&WorkerPlan| demand_on(worker.id, tasks) / worker.budget;
        let hot = self.initial[..self.hot].iter();
        hot.min_by(|a, b| load(a).total_cmp(&load(b))).map_or(1, |worker| worker.id)
    }

    /// Lets every fifth task require its home's accelerator, and every fifth any of several kinds.
    ///
    /// Only if two workers that are never killed could serve it: with one alone, the task would have nowhere to go
    /// whenever that one is full, which would be the plan's fault and not the engine's.
    fn with_requirements(&self, task: TaskPlan) -> TaskPlan {
        let cpu = HardwareSet::of(Hardware::Cpu);
        let home = self.initial.iter().find(|worker| worker.id == task.home);
        let own = home.map_or(HardwareSet::EMPTY, |worker| worker.hardware.without(cpu));
        let set = match task.id % 5 {
            1 => own,
            3 => own.with(Hardware::Qnn),
            _ => HardwareSet::EMPTY,
        };
        let killed = |id| self.options.kills.iter().any(|kill| kill.worker == id);
        let survivors = self.initial.iter().filter(|worker| !killed(worker.id));
        match survivors.filter(|worker| worker.hardware.intersects(set)).count() {
            0 | 1 => task,
            _ if task.id % 5 == 1 => TaskPlan { all_of: set, ..task },
            _ => TaskPlan { any_of: set, ..task },
        }
    }

    /// Makes up to three tasks finite, as long as the endless ones keep their worker overloaded.
    fn make_some_finite(&self, tasks: &mut [TaskPlan]) {
        let mut ends = ENDS.iter().map(|share| share * number(self.options.seconds));
        for nth in (0..tasks.len()).rev() {
            let (home, demand) = (tasks[nth].home, tasks[nth].demand);
            let Some(worker) = self.initial[..self.hot].iter().find(|worker| worker.id == home)
            else {
                continue;
            };
            let endless = tasks.iter().filter(|task| task.seconds.is_none() && task.home == home);
            let left = endless.map(|task| task.demand).sum::<f64>() - demand;
            if left > OVERLOAD * worker.budget {
                tasks[nth].seconds = ends.next();
            }
        }
    }
}

/// What the tasks that begin on a worker ask for, in cores.
fn demand_on(worker: u64, tasks: &[TaskPlan]) -> f64 {
    tasks.iter().filter(|task| task.home == worker).map(|task| task.demand).sum()
}

/// A size in whole bytes.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "at least 0, and a few MiB"
)]
fn bytes(size: f64) -> usize {
    size.max(0.0) as usize
}

/// A checked option as a length.
fn index(value: u64) -> usize {
    usize::try_from(value).expect("options are checked to be small")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The plans of many command lines and seeds, each with a name for messages.
    fn plans() -> Vec<(String, Plan)> {
        let lines = [
            "",
            "--workers 2",
            "--workers 3 --tasks 8",
            "--workers 12",
            "--tasks 96",
            "--tasks 96 --workers 12",
            "--tasks 10",
            "--kill 1@15 --kill 2@9",
            "--join 2@10",
            "--workers 4 --join 8@10 --kill 3@12",
        ];
        let read = |line: &str, seed: u64| {
            let words = format!("live-cluster --seed {seed} {line}");
            Options::read(words.split_whitespace().map(str::to_owned)).expect("valid options")
        };
        let all = lines.iter().flat_map(|line| (0..20).map(move |seed| (*line, seed)));
        all.map(|(line, seed)| (format!("{line} seed {seed}"), Plan::new(&read(line, seed))))
            .collect()
    }

    fn load(plan: &Plan, worker: &WorkerPlan) -> f64 {
        demand_on(worker.id, &plan.tasks) / worker.budget
    }

    #[test]
    fn budgets_differ_and_stay_below_their_limits() {
        for (name, plan) in plans() {
            let sum: f64 = plan.workers.iter().map(|worker| worker.budget).sum();
            assert!(sum <= TOTAL_BUDGET + 1e-9, "{name}: {sum}");
            assert!(plan.workers.iter().all(|worker| worker.budget <= MAX_BUDGET + 1e-9), "{name}");
        }
    }

    #[test]
    fn the_hot_spot_is_overloaded_and_the_rest_idle() {
        for (name, plan) in plans() {
            let initial = plan.workers.iter().filter(|worker| worker.starts_at == 0);
            let loads: Vec<f64> = initial.map(|worker| load(&plan, worker)).collect();
            let hot = loads.iter().filter(|load| **load > OVERLOAD).count();
            let idle = loads.iter().filter(|load| **load < 0.1).count();
            assert!((1..=2).contains(&hot), "{name}: {loads:?}");
            assert_eq!(hot + idle, loads.len(), "{name}: {loads:?}");
        }
    }

    #[test]
    fn the_hot_spot_is_full_in_memory_too_and_the_rest_has_room() {
        for (name, plan) in plans() {
            for worker in plan.workers.iter().filter(|worker| worker.starts_at == 0) {
                let here = plan.tasks.iter().filter(|task| task.home == worker.id);
                let used = IDLE_MEMORY + here.map(TaskPlan::memory_bytes).sum::<f64>();
                let share = used / worker.memory_bytes;
                let expected = if load(&plan, worker) > 1.0 { 0.8..0.9 } else { 0.0..0.5 };
                assert!(expected.contains(&share), "{name}: w{} {share:.2}", worker.id);
            }
        }
    }

    #[test]
    fn all_demands_together_leave_room() {
        for (name, plan) in plans() {
            let budget: f64 = plan.workers.iter().map(|worker| worker.budget).sum();
            let demand: f64 = plan.tasks.iter().map(|task| task.demand).sum();
            let least = if name.contains("--join 8") { 0.25 } else { 0.5 };
            assert!((least..0.601).contains(&(demand / budget)), "{name}: {}", demand / budget);
        }
    }

    #[test]
    fn some_tasks_are_finite_and_the_hot_spot_outlasts_them() {
        for (name, plan) in plans() {
            let finite = plan.tasks.iter().filter(|task| task.seconds.is_some()).count();
            assert!((1..=3).contains(&finite), "{name}: {finite} finite tasks");
            let endless: Vec<TaskPlan> =
                plan.tasks.iter().filter(|task| task.seconds.is_none()).cloned().collect();
            let hottest = plan.workers.iter().map(|w| demand_on(w.id, &endless) / w.budget);
            assert!(hottest.fold(0.0, f64::max) > OVERLOAD, "{name}");
        }
    }

    #[test]
    fn every_task_begins_where_it_may_run_and_could_run_elsewhere() {
        for (name, plan) in plans() {
            for task in &plan.tasks {
                let fits = |worker: &&WorkerPlan| {
                    let hardware = worker.hardware;
                    task.all_of.without(hardware).is_empty()
                        && (task.any_of.is_empty() || hardware.intersects(task.any_of))
                };
                let places: Vec<u64> =
                    plan.workers.iter().filter(fits).map(|worker| worker.id).collect();
                assert!(places.contains(&task.home) && places.len() > 1, "{name}: {task:?}");
            }
        }
    }

    #[test]
    fn the_seed_decides_everything() {
        let first = plans();
        assert_eq!(first, plans());
        assert_ne!(first[0].1, first[1].1);
    }
}
