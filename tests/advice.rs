//! Advice, checked by doing what it says: through the engine's own doors, or by a search of the test's own.
//!
//! The verifier judges advice in every other property test too, mixed with everything else; here it is carried out.
//! Each property runs 2,000 cases.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use evenkeel::config::AdviceRules;
use evenkeel::hardware::Hardware;
use evenkeel::id::GroupId;
use evenkeel::outcome::Advice;
use evenkeel::snapshot::{Group, GroupRule, Mobility, Placement};
use evenkeel::{
    Config, Engine, Event, Report, ResourceId, Snapshot, Task, TaskId, Timestamp, Worker, WorkerId,
    verify,
};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

fn cases() -> ProptestConfig {
    ProptestConfig { cases: 2_000, max_shrink_iters: 5_000, ..ProptestConfig::default() }
}

const AT: Timestamp = Timestamp::from_secs(30);

/// Advice at once, and nothing else: no forecast, no adaptation, no move.
fn advising() -> Config {
    let mut config = Config::default();
    (config.prediction, config.adaptation, config.migration) = (None, None, None);
    let mut rules = AdviceRules::default();
    (rules.patience, rules.patience_down) = (Duration::ZERO, Duration::ZERO);
    config.advice = Some(rules);
    config
}

/// Workers of up to three sizes, tasks on them, tasks that wait, and replicas that are kept apart. All numbers are
/// multiples of a half, so that sums are the same in any order.
#[derive(Clone, Debug)]
struct Cluster {
    workers: Vec<Worker>,
    tasks: Vec<Task>,
    groups: Vec<Group>,
}

fn worker(id: u64, cores: f64) -> Worker {
    let worker = Worker::new(WorkerId::new(id));
    let worker = if cores > 8.0 { worker.with_hardware(Hardware::Cuda) } else { worker };
    worker
        .with_capacity(ResourceId::CPU, cores)
        .with_capacity(ResourceId::MEMORY, 32.0)
        .with_used(ResourceId::CPU, 0.0)
        .with_used(ResourceId::MEMORY, 0.0)
}

fn clusters(most_cores: u32, waiting: std::ops::Range<usize>) -> impl Strategy<Value = Cluster> {
    let sizes = vec(select(vec![8.0, 16.0, 32.0]), 1..5);
    let halves = move |most: u32| (1..=most).prop_map(|halves| f64::from(halves) / 2.0);
    let task = (halves(most_cores * 2), halves(16), any::<(bool, bool, bool)>());
    let running = vec((task.clone(), 0..5_usize), 0..9);
    let waiting = vec(task, waiting);
    (sizes, running, waiting, any::<bool>()).prop_map(|(sizes, running, waiting, apart)| {
        let workers: Vec<Worker> = (1..).zip(sizes).map(|(id, cores)| worker(id, cores)).collect();
        let places = running.iter().map(|(_, on)| Some(workers[on % workers.len()].id));
        let places: Vec<_> = places.chain(waiting.iter().map(|_| None)).collect();
        let all = running.iter().map(|(task, _)| task).chain(&waiting);
        let mut replicas = Vec::new();
        let tasks = (1..).zip(all.zip(places)).map(|(id, ((cores, memory, more), on))| {
            let (needs_cuda, pinned, replica) = *more;
            let mut task = Task::new(TaskId::new(id))
                .with_demand(ResourceId::CPU, *cores)
                .with_demand(ResourceId::MEMORY, *memory);
            if needs_cuda && on.is_none() {
                task.requirements.all_of = [Hardware::Cuda].into_iter().collect();
            }
            if pinned && id % 4 == 0 {
                task.mobility = Mobility::Pinned;
            }
            if replica && apart && id % 2 == 0 {
                replicas.push(task.id);
            }
            task.placement = on.map_or(Placement::Unplaced, Placement::On);
            task
        });
        let tasks = tasks.collect();
        let groups = if replicas.len() > 1 {
            vec![Group::new(GroupId::new(1), GroupRule::AntiAffinity, replicas)]
        } else {
            Vec::new()
        };
        Cluster { workers, tasks, groups }
    })
}

impl Cluster {
    /// As it stands, every worker using what its tasks use.
    fn snapshot(&self) -> Snapshot {
        let workers = self.workers.iter().map(|worker| {
            let here = self.tasks.iter().filter(|task| task.placement == Placement::On(worker.id));
            let mut worker = worker.clone();
            for resource in [ResourceId::CPU, ResourceId::MEMORY] {
                let used = here.clone().filter_map(|task| task.demand.get(resource)).sum::<f64>();
                worker.used.set(resource, used + 0.0);
            }
            worker
        });
        let builder = Snapshot::builder(AT).workers(workers).tasks(self.tasks.iter().cloned());
        self.groups.iter().cloned().fold(builder, evenkeel::SnapshotBuilder::group).build()
    }

    fn advice(&self) -> Result<Vec<Advice>, TestCaseError> {
        let mut engine = Engine::new(advising()).unwrap();
        let (outcome, violations) = verify::tick(&mut engine, &self.snapshot()).unwrap();
        prop_assert_eq!(violations, vec![]);
        Ok(outcome.advice)
    }

    /// What a scheduler does that asks [`Look::rank`]: largest first, each on the first worker by id that may have
    /// it. How many tasks are left.
    fn schedule(mut self) -> usize {
        let engine = Engine::new(advising()).unwrap();
        let most = |resource| {
            let all = self.workers.iter().filter_map(|worker| worker.capacity.get(resource));
            all.fold(0.0, f64::max)
        };
        let (cores, memory) = (most(ResourceId::CPU), most(ResourceId::MEMORY));
        let size = |task: &Task| {
            let asks = |resource| task.demand.get(resource).unwrap_or(0.0);
            f64::max(asks(ResourceId::CPU) / cores, asks(ResourceId::MEMORY) / memory)
        };
        let waits = |task: &&Task| task.placement == Placement::Unplaced;
        let mut queue: Vec<Task> = self.tasks.iter().filter(waits).cloned().collect();
        queue.sort_by(|a, b| size(b).total_cmp(&size(a)).then(a.id.cmp(&b.id)));
        let mut left = 0;
        for task in queue {
            let verdicts = engine.look(&self.snapshot()).rank(task.id).unwrap();
            let open = verdicts.iter().filter(|verdict| verdict.admission.is_accepted());
            match open.map(|verdict| verdict.worker).min() {
                Some(worker) => {
                    let record = self.tasks.iter_mut().find(|it| it.id == task.id).unwrap();
                    record.placement = Placement::On(worker);
                }
                None => left += 1,
            }
        }
        left
    }

    /// The same with so many more workers like this one.
    fn with_more(&self, like: WorkerId, count: u32) -> Self {
        let mut cluster = self.clone();
        let like = self.workers.iter().find(|worker| worker.id == like).unwrap().clone();
        for _ in 0..count {
            let id = WorkerId::new(101 + cluster.workers.len() as u64);
            let mut copy = like.clone();
            copy.id = id;
            cluster.workers.push(copy);
        }
        cluster
    }

    /// The tasks of these workers find a place on the others: searched for until found.
    fn can_spare(&self, gone: &[WorkerId], most: f64) -> bool {
        let mut kept: Vec<Room> = self
            .workers
            .iter()
            .filter(|it| !gone.contains(&it.id))
            .map(|it| {
                let on = |task: &&Task| task.placement == Placement::On(it.id);
                let mut room = Room::of(it, most);
                self.tasks.iter().filter(on).for_each(|task| room.take(task));
                room
            })
            .collect();
        let homeless =
            |task: &&Task| matches!(task.placement, Placement::On(it) if gone.contains(&it));
        let homeless: Vec<&Task> = self.tasks.iter().filter(homeless).collect();
        let free = homeless.iter().all(|task| task.mobility != Mobility::Pinned);
        let apart = self.groups.first().map_or(&[][..], |group| group.members.as_slice());
        free && spread(&homeless, &mut kept, apart)
    }
}

/// What a worker has left, and who is there.
#[derive(Clone, Debug)]
struct Room {
    /// Use up to where it may still be given something, and capacity: of cores and of memory.
    left: [[f64; 2]; 2],
    tasks: Vec<TaskId>,
}

const RESOURCES: [ResourceId; 2] = [ResourceId::CPU, ResourceId::MEMORY];

impl Room {
    fn of(worker: &Worker, most: f64) -> Self {
        let capacity = RESOURCES.map(|resource| worker.capacity.get(resource).unwrap());
        Self { left: [capacity.map(|it| it * most + 1e-9), capacity], tasks: Vec::new() }
    }

    fn take(&mut self, task: &Task) {
        for (index, resource) in RESOURCES.into_iter().enumerate() {
            let amount = task.demand.get(resource).unwrap();
            self.left.iter_mut().for_each(|left| left[index] -= amount);
        }
        self.tasks.push(task.id);
    }

    fn is_overdrawn(&self) -> bool {
        self.left.iter().flatten().any(|left| *left < 0.0)
    }
}

/// Whether all these tasks can be taken in, whichever goes where.
fn spread(tasks: &[&Task], rooms: &mut [Room], apart: &[TaskId]) -> bool {
    let Some((first, rest)) = tasks.split_first() else { return true };
    (0..rooms.len()).any(|index| {
        let clash = |id: &TaskId| apart.contains(id) && apart.contains(&first.id);
        if rooms[index].tasks.iter().any(clash) {
            return false;
        }
        let before = rooms[index].clone();
        rooms[index].take(first);
        let fits = !rooms[index].is_overdrawn() && spread(rest, rooms, apart);
        if !fits {
            rooms[index] = before;
        }
        fits
    })
}

/// Every choice of `count` out of these.
fn choices(all: &[WorkerId], count: usize) -> Vec<Vec<WorkerId>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let Some((first, rest)) = all.split_first() else { return Vec::new() };
    let mut with = choices(rest, count - 1);
    with.iter_mut().for_each(|choice| choice.push(*first));
    with.extend(choices(rest, count));
    with
}

proptest! {
    #![proptest_config(cases())]

    /// With the workers that were advised as much of the queue fits as was said, and with one fewer less of it does.
    /// Where nothing is advised, everything fits, or no worker of any class would help.
    #[test]
    fn the_workers_that_are_advised_are_enough_and_not_one_too_many(
        cluster in clusters(3, 1..10)
    ) {
        let advice = cluster.advice()?;
        let mut waiting = cluster.clone().schedule();
        let (mut grown, mut advised) = (cluster.clone(), 0);
        for advice in &advice {
            let Advice::ScaleUp { like, workers, waiting: said, crowded, placed, .. } = *advice else {
                continue;
            };
            prop_assume!(crowded == 0);
            advised += 1;
            prop_assert_eq!(said as usize, waiting);
            let fewer = grown.with_more(like, workers - 1).schedule();
            grown = grown.with_more(like, workers);
            let left = grown.clone().schedule();
            prop_assert_eq!(waiting - left, placed as usize);
            prop_assert!(fewer > left, "{} like {} would do", workers - 1, like);
            waiting = left;
        }
        if advised < 4 && waiting > 0 {
            for worker in &cluster.workers {
                prop_assert_eq!(grown.with_more(worker.id, 1).schedule(), waiting);
            }
        }
    }

    /// Among the workers of the class there are so many that could go: the tasks of some choice of them find a place
    /// on the others.
    #[test]
    fn the_workers_that_could_go_leave_room_for_all_their_tasks(cluster in clusters(3, 0..1)) {
        let mut of_class: BTreeMap<WorkerId, (usize, f64)> = BTreeMap::new();
        for advice in cluster.advice()? {
            if let Advice::ScaleDown { like, workers, most, .. } = advice {
                of_class.insert(like, (workers as usize, most));
            }
        }
        let mut ways = vec![Vec::new()];
        let mut limit = 1.0;
        for (like, (count, most)) in of_class {
            limit = most;
            let like = cluster.workers.iter().find(|worker| worker.id == like).unwrap();
            let same = cluster.workers.iter().filter(|worker| worker.capacity == like.capacity);
            let same: Vec<WorkerId> = same.map(|worker| worker.id).collect();
            let more = choices(&same, count);
            ways = ways.iter().flat_map(|way: &Vec<WorkerId>| {
                more.iter().map(move |choice| [way.as_slice(), choice].concat())
            }).collect();
        }
        let mut ways = ways.iter();
        prop_assert!(ways.any(|way| way.is_empty() || cluster.can_spare(way, limit)));
    }

    /// A task that is to be split has no worker on which it would leave room; one that has is never to be split.
    #[test]
    fn a_task_is_to_be_split_if_and_only_if_nobody_could_have_it(cluster in clusters(40, 0..4)) {
        let advice = cluster.advice()?;
        let told = |id: TaskId| {
            advice.iter().any(|it| matches!(it, Advice::Split { task, .. } if *task == id))
        };
        let huge = |task: &&Task| {
            let share = |worker: &Worker| {
                let of = |it| task.demand.get(it).unwrap() / worker.capacity.get(it).unwrap();
                f64::max(of(ResourceId::CPU), of(ResourceId::MEMORY))
            };
            let has = |worker: &&Worker| {
                task.requirements.all_of.iter().all(|kind| worker.hardware.contains(kind))
            };
            let mut fit = cluster.workers.iter().filter(has);
            fit.clone().next().is_some() && fit.all(|worker| share(worker) > 0.85)
        };
        let count = cluster.tasks.iter().filter(huge).count();
        for task in &cluster.tasks {
            // Of more than eight the gravest are told.
            prop_assert!(told(task.id) == huge(&task) || count > 8, "{}", task.id);
        }
    }

    /// Exactly those are suspected that were reported on often enough and stand below the share of the median of the
    /// others.
    #[test]
    fn those_are_suspected_that_lag_behind_their_peers(
        speeds in vec((select(vec![0.2, 1.0, 2.8, 3.0, 3.2]), 0..6_u32), 2..7),
        slow in select(vec![0.3, 0.6, 0.9]),
        wait in weighted(0.3, Just(60_u64)),
    ) {
        let mut config = advising();
        config.hardware.as_mut().unwrap().learning_rate = 0.5;
        let rules = config.advice.as_mut().unwrap();
        (rules.slow, rules.reports) = (slow, NonZeroU32::new(3).unwrap());
        rules.patience = Duration::from_secs(wait.unwrap_or(0));
        let mut engine = Engine::new(config).unwrap();
        let workers = (1..).zip(&speeds).map(|(id, _)| worker(id, 16.0));
        let builder = |at| Snapshot::builder(Timestamp::from_secs(at)).workers(workers.clone());
        let _ = engine.tick(&builder(30).build()).unwrap();
        let mut learned = Vec::new();
        for (id, (speed, times)) in (1..).zip(&speeds) {
            let mut mean = 3.0;
            for _ in 0..*times {
                let (worker, hardware, speed) = (WorkerId::new(id), Hardware::Cuda, *speed);
                let event = Event::Performance { worker, hardware, speed };
                let _ = engine.report(&Report::new(Timestamp::from_secs(31), event));
                mean += 0.5 * (speed - mean);
            }
            if *times >= 3 {
                learned.push((WorkerId::new(id), mean));
            }
        }
        let (first, violations) = verify::tick(&mut engine, &builder(60).build()).unwrap();
        prop_assert_eq!(violations, vec![]);
        let suspects = |advice: &Advice| matches!(advice, Advice::SlowWorker { .. });
        prop_assert!(wait.is_none() || !first.advice.iter().any(suspects));
        let (outcome, violations) = verify::tick(&mut engine, &builder(120).build()).unwrap();
        prop_assert_eq!(violations, vec![]);
        let told = outcome.advice.iter().filter_map(|advice| match advice {
            Advice::SlowWorker { worker, .. } => Some(*worker),
            _ => None,
        });
        let mut told: Vec<WorkerId> = told.collect();
        told.sort();
        let suspect = |(worker, mean): &(WorkerId, f64)| {
            let others = learned.iter().filter(|(other, _)| other != worker);
            let mut others: Vec<f64> = others.map(|(_, mean)| *mean).collect();
            others.sort_by(f64::total_cmp);
            let middle = others.len() / 2;
            let median = match others.len() {
                0 | 1 => return None,
                count if count % 2 == 0 => f64::midpoint(others[middle - 1], others[middle]),
                _ => others[middle],
            };
            // Right at the bound rounding decides.
            is_clear(*mean, slow * median).then_some((*worker, *mean < slow * median))
        };
        for (worker, suspected) in learned.iter().filter_map(suspect) {
            prop_assert_eq!(told.contains(&worker), suspected, "{}", worker);
        }
    }
}

fn is_clear(a: f64, b: f64) -> bool {
    (a - b).abs() > 1e-9
}
