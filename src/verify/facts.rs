//! What was true when the round made its plan? Computed from the snapshot and the states before and after the round.

use alloc::borrow::Cow;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use super::Round;
use crate::config::LoadRule;
use crate::model::hardware::{Hardware, HardwareSet};
use crate::model::ids::{MigrationId, TaskId, WorkerId};
use crate::model::resource::ResourceId;
use crate::model::time::Timestamp;
use crate::outcome::{Action, Balance, Cause, Command, Purpose, Reason, Scorecard, Sight};
use crate::snapshot::{
    Coverage, Device, Event, GroupRule, Phase, Placement, Snapshot, Stance, Task, Worker,
};
use crate::state::{Migration, RecentArrival, Transport};

/// Where a task counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stay {
    On(WorkerId),
    Between(Option<WorkerId>, WorkerId),
    Nowhere,
}

impl Stay {
    /// The workers that the task counts on.
    pub(super) fn ends(self) -> impl Iterator<Item = WorkerId> {
        let ends = match self {
            Self::On(worker) => [Some(worker), None],
            Self::Between(from, to) => [from.filter(|from| *from != to), Some(to)],
            Self::Nowhere => [None, None],
        };
        ends.into_iter().flatten()
    }

    /// The worker that the task will be on; `None` if that is unknown.
    pub(super) const fn destination(self) -> Option<WorkerId> {
        match self {
            Self::On(worker) | Self::Between(_, worker) => Some(worker),
            Self::Nowhere => None,
        }
    }
}

/// One decision of the plan.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step<'a> {
    pub(super) command: &'a Command,
    pub(super) task: &'a Task,
    pub(super) from: Option<WorkerId>,
    pub(super) to: WorkerId,
    pub(super) device: Option<u16>,
    pub(super) purpose: Purpose,
    pub(super) scorecard: Option<Scorecard>,
}

impl Step<'_> {
    /// Whether nothing forces the move: the verifier's own reading, not the engine's.
    pub(super) const fn is_chosen(&self) -> bool {
        matches!(self.purpose, Purpose::Rebalance | Purpose::Upgrade)
    }

    /// Whether the step takes a task from a worker.
    pub(super) fn interrupts(&self) -> bool {
        self.from.is_some() && !matches!(self.command.action, Action::RequeueFor { .. })
    }
}

/// The steps of a round in order, and what was in flight when they were planned.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) round: &'a Round<'a>,
    pub(super) steps: Vec<Step<'a>>,
    /// Commands of the plan whose task is in no record.
    pub(super) strays: Vec<&'a Command>,
    /// Migrations under way before the plan, by task.
    pub(super) flights: BTreeMap<TaskId, &'a Migration>,
    /// Those of them whose task no worker had and to which the plan gave another target.
    pub(super) retargeted: BTreeSet<MigrationId>,
}

impl<'a> Facts<'a> {
    pub(super) fn new(round: &'a Round<'a>) -> Self {
        let mut facts = Self {
            round,
            steps: Vec::new(),
            strays: Vec::new(),
            flights: BTreeMap::new(),
            retargeted: BTreeSet::new(),
        };
        let mut answered = BTreeSet::new();
        for command in &round.outcome.commands {
            if let Some(step) = facts.step(command, &mut answered) {
                match step {
                    Ok(step) => facts.steps.push(step),
                    Err(stray) => facts.strays.push(stray),
                }
            }
        }
        let begun = |flight: &Migration| is_new(round, flight.id());
        let flights = round.after.in_flight.values().filter(|flight| {
            !begun(flight) || !round.outcome.begun().any(|command| command.migration == flight.id())
        });
        facts.flights = flights.map(|flight| (flight.task(), flight)).collect();
        facts
    }

    /// What the plan decided by this command; `None` if the command only follows from a report.
    fn step(
        &mut self,
        command: &'a Command,
        answered: &mut BTreeSet<TaskId>,
    ) -> Option<Result<Step<'a>, &'a Command>> {
        let round = self.round;
        let new = is_new(round, command.migration);
        let (from, to, device) = match command.action {
            Action::Release { from, to }
            | Action::RequeueFor { from, to }
            | Action::Evict { from, hint: to }
                if new =>
            {
                let begun = round.after.in_flight.get(&command.task);
                (Some(from), to, begun.and_then(Migration::device))
            }
            Action::Start { from, to, device } if new => (Some(from), to, device),
            Action::Place { to, device } if new => (None, to, device),
            Action::Place { to, device } | Action::Assign { to, device } => {
                if !self.is_retarget(command, answered) {
                    return None;
                }
                self.retargeted.insert(command.migration);
                (None, to, device)
            }
            _ => return None,
        };
        let purpose = match (command.reason(), from) {
            (_, None) => Purpose::Recover,
            (Some(Reason::Drain { .. } | Reason::Leaves { .. }), _) => Purpose::Evacuate,
            (Some(Reason::Along { .. }), _) => Purpose::FollowGang,
            (Some(Reason::Faster { .. }), _) => Purpose::Upgrade,
            _ => Purpose::Rebalance,
        };
        let Some(task) = round.snapshot.task(command.task) else { return Some(Err(command)) };
        let scorecard = command.scorecard;
        Some(Ok(Step { command, task, from, to, device, purpose, scorecard }))
    }

    /// Whether an assignment was the plan's choice, and not the answer to a release by its source.
    fn is_retarget(&self, command: &Command, answered: &mut BTreeSet<TaskId>) -> bool {
        if command.cause() == Some(Cause::Return) {
            return false;
        }
        let before = self.round.before.in_flight.get(&command.task);
        // Nor the answer to the loss of its source while its copy was started.
        let releasing = before.is_some_and(|flight| {
            let overlaps = flight.transport() == Transport::StartThenStop;
            flight.id() == command.migration && (flight.phase() == Phase::Releasing || overlaps)
        });
        let first = answered.insert(command.task);
        let chosen = before.map(Migration::to);
        let same = matches!(command.action, Action::Assign { to, .. } | Action::Place { to, .. }
            if chosen == Some(to));
        !(releasing && first && same)
    }

    /// Where every task of the snapshot counted before the plan.
    pub(super) fn stays(&self) -> BTreeMap<TaskId, Stay> {
        let tasks = self.round.snapshot.tasks().iter();
        tasks.map(|task| (task.id, self.stay(task))).collect()
    }

    fn stay(&self, task: &Task) -> Stay {
        let snapshot = self.round.snapshot;
        if let Some(flight) = self.flights.get(&task.id) {
            let adrift =
                flight.phase() == Phase::Released || self.retargeted.contains(&flight.id());
            return if adrift { Stay::Nowhere } else { Stay::Between(flight.from(), flight.to()) };
        }
        match task.placement {
            Placement::On(worker) if is_live(snapshot, worker) => Stay::On(worker),
            Placement::Moving { from, to, .. } => Stay::Between(from, to),
            _ => Stay::Nowhere,
        }
    }

    /// Whether the snapshot shows a task without a worker.
    pub(super) fn is_orphaned(&self, task: &Task) -> bool {
        let Round { snapshot, before, .. } = *self.round;
        match task.placement {
            Placement::Orphaned => true,
            Placement::On(worker) => match snapshot.worker(worker) {
                Some(record) => record.stance == Stance::Offline,
                None => {
                    snapshot.coverage() == Coverage::Complete && before.tracks.contains_key(&worker)
                }
            },
            _ => false,
        }
    }

    /// The steps in units: a unit is one task, or tasks that stay together and share both ends.
    pub(super) fn units(&self) -> Vec<&[Step<'a>]> {
        let mut units = Vec::new();
        let mut rest = self.steps.as_slice();
        while let Some(first) = rest.first() {
            let bound = self.bound_to(first.task.id);
            let together = rest.iter().take_while(|step| {
                (step.from, step.to) == (first.from, first.to) && bound.contains(&step.task.id)
            });
            let (unit, others) = rest.split_at(together.count());
            units.push(unit);
            rest = others;
        }
        units
    }

    /// A task and all that groups bind to it, over any number of groups.
    pub(super) fn bound_to(&self, task: TaskId) -> BTreeSet<TaskId> {
        let groups = self.round.snapshot.groups().iter();
        let groups: Vec<_> = groups.filter(|group| group.rule == GroupRule::Affinity).collect();
        let mut bound = BTreeSet::from([task]);
        loop {
            let before = bound.len();
            for group in &groups {
                if group.members.iter().any(|member| bound.contains(member)) {
                    bound.extend(&group.members);
                }
            }
            if bound.len() == before {
                return bound;
            }
        }
    }

    /// Tasks that a report of this snapshot names on another worker, each with the old id and the new one.
    pub(super) fn renamed(&self) -> Vec<(TaskId, TaskId)> {
        let Round { snapshot, before, .. } = *self.round;
        let flown = |id: MigrationId| before.in_flight.by_id(id);
        let turned_up = snapshot.reports().iter().filter_map(|report| match report.event {
            Event::Diverted { migration, worker, task } => Some((flown(migration)?, worker, task)),
            _ => None,
        });
        let elsewhere = turned_up.filter(|(flight, worker, _)| flight.from() != Some(*worker));
        elsewhere.map(|(flight, _, task)| (flight.task(), task)).collect()
    }

    /// Arrivals that measurements may not show yet: those remembered, and those of this round.
    pub(super) fn landed(&self) -> Vec<&'a RecentArrival> {
        let Round { before, after, .. } = *self.round;
        let fresh = after.arrivals.iter().filter(|landed| !before.arrivals.contains(landed));
        before.arrivals.iter().chain(fresh).collect()
    }

    /// What the forecast adds to a worker's load, if the plan acts on the forecast.
    pub(super) fn shift(&self, worker: WorkerId) -> f64 {
        let outcome = self.round.outcome;
        let Balance::Uneven(found) = &outcome.balance else { return 0.0 };
        let (Sight::Predicted { .. }, Some(forecast)) = (found.sight, &outcome.forecast) else {
            return 0.0;
        };
        let foreseen = forecast.workers.iter().find(|row| row.worker == worker);
        let now = self
            .round
            .snapshot
            .worker(worker)
            .and_then(|row| load(self.round.config.load, row, |resource| used(row, resource)));
        foreseen.zip(now).map_or(0.0, |(foreseen, now)| foreseen.load - now)
    }
}

/// Whether the round itself issued this id.
pub(super) fn is_new(round: &Round<'_>, migration: MigrationId) -> bool {
    let issued = round.before.issued + 1..=round.after.issued;
    migration.epoch() == round.before.epoch && issued.contains(&migration.number())
}

/// Whether the snapshot lists a worker and the worker is not out of reach.
pub(super) fn is_live(snapshot: &Snapshot, worker: WorkerId) -> bool {
    snapshot.worker(worker).is_some_and(|worker| worker.stance != Stance::Offline)
}

/// Whether a worker's record can be relied on.
pub(super) fn is_sound_worker(snapshot: &Snapshot, worker: WorkerId) -> bool {
    let record = crate::snapshot::Record::Worker(worker);
    snapshot.bad_records().iter().all(|bad| bad.record != record)
}

/// Whether a worker's record can be relied on as the source of a step. To empty the worker no figure of it is needed
/// (capacity, use, reservations, temperature, power, bandwidth).
pub(super) fn is_sound_source(snapshot: &Snapshot, worker: WorkerId, purpose: Purpose) -> bool {
    let record = crate::snapshot::Record::Worker(worker);
    let mut bad = snapshot.bad_records().iter().filter(|bad| bad.record == record);
    bad.all(|bad| {
        let figure = match bad.field.split_once('.') {
            Some((amounts, _)) => matches!(amounts, "capacity" | "reserved" | "used"),
            None => matches!(
                bad.field.as_str(),
                "temperature_celsius" | "power_watts" | "bandwidth_bytes_per_second"
            ),
        };
        matches!(purpose, Purpose::Evacuate | Purpose::FollowGang) && figure
    })
}

/// Whether a task's record can be relied on.
pub(super) fn is_sound_task(snapshot: &Snapshot, task: TaskId) -> bool {
    let record = crate::snapshot::Record::Task(task);
    snapshot.bad_records().iter().all(|bad| bad.record != record)
}

/// A finite amount from 0 up.
fn possible(amount: Option<f64>) -> Option<f64> {
    amount.filter(|amount| amount.is_finite() && *amount >= 0.0)
}

fn device_sum(worker: &Worker, bytes: impl Fn(&Device) -> Option<u64>) -> Option<f64> {
    if worker.devices.is_empty() {
        return None;
    }
    let mut sum = 0.0;
    for device in &worker.devices {
        sum += bytes(device)? as f64;
    }
    Some(sum)
}

/// A worker's capacity of a resource.
pub(super) fn capacity(worker: &Worker, resource: ResourceId) -> Option<f64> {
    let devices = || device_sum(worker, |device| device.memory_bytes);
    let stated = possible(worker.capacity.get(resource));
    stated.or_else(|| (resource == ResourceId::GPU_MEMORY).then(devices).flatten())
}

/// The measured use of a resource.
pub(super) fn used(worker: &Worker, resource: ResourceId) -> Option<f64> {
    let devices = || device_sum(worker, |device| device.used_bytes);
    let stated = possible(worker.used.get(resource));
    stated.or_else(|| (resource == ResourceId::GPU_MEMORY).then(devices).flatten())
}

/// The resources a worker can be loaded in.
pub(super) fn resources(worker: &Worker) -> Vec<ResourceId> {
    let mut resources: Vec<ResourceId> = worker.capacity.iter().map(|(id, _)| id).collect();
    if !worker.devices.is_empty() && !resources.contains(&ResourceId::GPU_MEMORY) {
        resources.push(ResourceId::GPU_MEMORY);
    }
    resources
}

/// A worker's load, given the use of each resource; at most 1,000.
pub(super) fn load(
    rule: LoadRule,
    worker: &Worker,
    used: impl Fn(ResourceId) -> Option<f64>,
) -> Option<f64> {
    let mut shares = Vec::new();
    for resource in resources(worker) {
        let counts = match rule {
            LoadRule::Dominant => resource != ResourceId::GPU_MEMORY,
            LoadRule::Mean => {
                resource == ResourceId::CPU
                    || resource == ResourceId::MEMORY
                    || resource == ResourceId::GPU_MEMORY
            }
        };
        let room = capacity(worker, resource).filter(|room| *room > 0.0);
        if let (true, Some(room), Some(used)) = (counts, room, used(resource)) {
            shares.push((used / room).min(1_000.0));
        }
    }
    let sum: f64 = shares.iter().sum();
    match rule {
        LoadRule::Dominant => shares.iter().copied().reduce(f64::max),
        LoadRule::Mean => (!shares.is_empty()).then(|| sum / shares.len() as f64),
    }
}

/// The alternative by which a task runs on a worker: as its record states, or the fastest that the worker has the
/// hardware for, or the first; `None` if it has no alternatives.
pub(super) fn runs_by(task: &Task, worker: Option<&Worker>) -> Option<usize> {
    let said = task.alternative.map(usize::from).filter(|nth| *nth < task.alternatives.len());
    said.or_else(|| could_run_by(task, worker))
}

/// Like [`runs_by`], for a worker that the record says nothing about.
pub(super) fn could_run_by(task: &Task, worker: Option<&Worker>) -> Option<usize> {
    let equipped = |nth: &usize| {
        let has = |kind| worker.is_some_and(|worker| worker.kinds().contains(kind));
        task.alternatives[*nth].hardware.iter().all(has)
    };
    let speed = |nth: usize| task.alternatives[nth].speed;
    let faster = |best, next| if speed(next) > speed(best) { next } else { best };
    let able = (0..task.alternatives.len()).filter(equipped).reduce(faster);
    able.or((!task.alternatives.is_empty()).then_some(0))
}

/// The alternative by which a task runs now; `None` if it has none.
pub(super) fn runs_now(snapshot: &Snapshot, task: &Task) -> Option<usize> {
    let home = match task.placement {
        Placement::On(worker) => Some(worker),
        Placement::Moving { from, .. } => from,
        _ => None,
    };
    runs_by(task, home.and_then(|home| snapshot.worker(home)))
}

/// A task as it runs by one of its alternatives. Its measured use is known only for the present one.
pub(super) fn run<'a>(snapshot: &Snapshot, task: &'a Task, nth: Option<usize>) -> Cow<'a, Task> {
    let Some(way) = nth.and_then(|nth| task.alternatives.get(nth)) else {
        return Cow::Borrowed(task);
    };
    let mut as_run = Task::new(task.id).with_mobility(task.mobility);
    let common = task.demand.iter().filter(|(resource, _)| way.demand.get(*resource).is_none());
    as_run.demand = common.chain(way.demand.iter()).collect();
    if runs_now(snapshot, task) == nth {
        as_run.used = task.used.clone();
    }
    as_run.requirements = task.requirements.clone();
    as_run.requirements.all_of = way.hardware;
    as_run.requirements.gpu_memory_bytes = way.gpu_memory_bytes;
    as_run.requirements.min_cuda_compute = way.min_cuda_compute;
    (as_run.device, as_run.placement) = (task.device, task.placement);
    Cow::Owned(as_run)
}

/// A task as it runs now.
pub(super) fn run_now<'a>(snapshot: &Snapshot, task: &'a Task) -> Cow<'a, Task> {
    run(snapshot, task, runs_now(snapshot, task))
}

impl Step<'_> {
    /// The task as it will run on the target.
    pub(super) fn there(&self, snapshot: &Snapshot) -> Cow<'_, Task> {
        run(snapshot, self.task, self.command.alternative.map(usize::from))
    }
}

/// Whether a task would run on an accelerator of this worker.
pub(super) fn accelerated(task: &Task, worker: &Worker) -> bool {
    let needs = &task.requirements;
    let accelerator = |kinds: HardwareSet| kinds.iter().any(|kind| kind != Hardware::Cpu);
    let runs_on_cpu_too = needs.any_of.contains(Hardware::Cpu) && !accelerator(needs.all_of);
    if runs_on_cpu_too {
        let has = worker.kinds();
        return needs.any_of.iter().any(|kind| kind != Hardware::Cpu && has.contains(kind));
    }
    accelerator(needs.all_of)
        || accelerator(needs.any_of)
        || needs.gpu_memory_bytes.is_some()
        || needs.min_cuda_compute.is_some()
}

/// Whether a task on this worker does not use a resource because the worker has no accelerator for the task.
fn spared(task: &Task, worker: &Worker, resource: ResourceId) -> bool {
    let needs = &task.requirements;
    let names_hardware = !needs.all_of.is_empty() || !needs.any_of.is_empty();
    let on_device = resource == ResourceId::GPU || resource == ResourceId::GPU_MEMORY;
    on_device && names_hardware && !accelerated(task, worker)
}

/// What a task claims of a worker's capacity.
pub(super) fn claim(task: &Task, worker: &Worker, resource: ResourceId) -> f64 {
    if spared(task, worker, resource) {
        return 0.0;
    }
    let device = task.requirements.gpu_memory_bytes.filter(|_| resource == ResourceId::GPU_MEMORY);
    let asked = possible(task.demand.get(resource)).or(device.map(|bytes| bytes as f64));
    asked.or(possible(task.used.get(resource))).unwrap_or(0.0)
}

/// The use that a task adds to a worker.
pub(super) fn added_use(task: &Task, worker: &Worker, resource: ResourceId) -> f64 {
    if spared(task, worker, resource) {
        return 0.0;
    }
    let measured = possible(task.used.get(resource));
    measured.or(possible(task.demand.get(resource))).unwrap_or(0.0)
}

/// The resources that a task asks for or uses.
pub(super) fn asked(task: &Task) -> BTreeSet<ResourceId> {
    let mut resources: BTreeSet<ResourceId> = task.demand.iter().map(|(id, _)| id).collect();
    resources.extend(task.used.iter().map(|(id, _)| id));
    resources.extend(task.requirements.gpu_memory_bytes.map(|_| ResourceId::GPU_MEMORY));
    resources
}

/// Whether measurements of a worker must show what happened at `event`.
pub(super) fn has_seen(at: Timestamp, worker: &Worker, event: Timestamp, lag: Duration) -> bool {
    at.before(worker.metric_age) >= event.after(lag)
}
