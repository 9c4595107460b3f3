//! What does every worker carry? Capacity, use and device memory, with tasks in flight counted on both their workers.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use super::facts::{Facts, Stay, Step};
use super::footprint::{
    accelerated, added_use, asked, claim, could_run_by, run, run_now, runs_by, runs_now,
};
use super::records::{has_seen, is_sound_worker, load, resources, used};
use super::round::Round;
use crate::model::ids::{TaskId, WorkerId};
use crate::model::resource::{Amounts, ResourceId};
use crate::outcome::{Ended, Fate};
use crate::snapshot::{Phase, Placement, Task, Worker};
use crate::state::{MEMORY_PER_WORKER, Migration, Transport};

/// What every worker carries, after each step of the plan.
pub(super) struct Account<'a> {
    pub(super) facts: &'a Facts<'a>,
    pub(super) stays: BTreeMap<TaskId, Stay>,
    /// Where a report newer than the snapshot shows a task, if the snapshot does not show it there.
    pub(super) told_since: BTreeMap<TaskId, WorkerId>,
    /// The workers that keep room for tasks which may have to go back there and which no worker has.
    pub(super) kept: BTreeMap<TaskId, WorkerId>,
    claimed: BTreeMap<(WorkerId, ResourceId), f64>,
    used: BTreeMap<(WorkerId, ResourceId), f64>,
    devices: BTreeMap<(WorkerId, u16), f64>,
    /// How many moves are under way in all; next, from each worker and to each worker.
    pub(super) moving: usize,
    pub(super) outgoing: BTreeMap<WorkerId, usize>,
    pub(super) incoming: BTreeMap<WorkerId, usize>,
    /// Tasks without a worker on their way to each worker.
    pub(super) placed: BTreeMap<WorkerId, usize>,
}

impl<'a> Account<'a> {
    /// The account when the plan was made.
    pub(super) fn open(facts: &'a Facts<'a>) -> Self {
        let mut account = Self {
            facts,
            stays: facts.stays(),
            told_since: BTreeMap::new(),
            kept: facts.kept(),
            claimed: BTreeMap::new(),
            used: BTreeMap::new(),
            devices: BTreeMap::new(),
            moving: 0,
            outgoing: BTreeMap::new(),
            incoming: BTreeMap::new(),
            placed: BTreeMap::new(),
        };
        account.note_told();
        account.count_moves();
        for worker in facts.round.snapshot.workers() {
            account.count_claims(worker);
            account.count_devices(worker);
        }
        account.count_use();
        account
    }

    fn note_told(&mut self) {
        for task in self.facts.round.snapshot.tasks() {
            let told = match (self.stays[&task.id], task.placement) {
                (Stay::On(worker), shown) if shown != Placement::On(worker) => worker,
                (Stay::Between(_, told), Placement::Moving { to, .. }) if told != to => told,
                _ => continue,
            };
            self.told_since.insert(task.id, told);
        }
    }

    /// Migrations whose task some worker has been asked to take.
    fn heading(&self) -> impl Iterator<Item = &'a Migration> + use<'a> {
        let facts = self.facts;
        let heading = move |flight: &&'a Migration| {
            flight.phase() != Phase::Released && !facts.retargeted.contains(&flight.id())
        };
        facts.flights.values().copied().filter(heading)
    }

    fn count_moves(&mut self) {
        // A task that is queued again is not interrupted.
        let interrupted =
            |flight: &Migration| flight.from().filter(|_| flight.transport() != Transport::Requeue);
        let flights = self.facts.flights.values();
        self.moving = flights.filter(|flight| interrupted(flight).is_some()).count();
        for flight in self.heading() {
            *self.incoming.entry(flight.to()).or_default() += 1;
            match interrupted(flight) {
                Some(from) => *self.outgoing.entry(from).or_default() += 1,
                None => *self.placed.entry(flight.to()).or_default() += 1,
            }
        }
        // A task that its host still shows on its way counts, though its migration is over.
        for task in self.facts.round.snapshot.tasks() {
            let Placement::Moving { from, to, .. } = task.placement else { continue };
            if self.facts.flights.contains_key(&task.id) {
                continue;
            }
            *self.incoming.entry(to).or_default() += 1;
            let counts = match from {
                Some(from) => self.outgoing.entry(from),
                None => self.placed.entry(to),
            };
            *counts.or_default() += 1;
        }
    }

    /// Counts what is reserved on a worker: its own statement and the tasks on their way there, or else every task
    /// that counts on it.
    fn count_claims(&mut self, worker: &Worker) {
        let snapshot = self.facts.round.snapshot;
        let mut sums: BTreeMap<ResourceId, f64> = BTreeMap::new();
        for task in snapshot.tasks() {
            let stay = self.stays[&task.id];
            // A report may say that it is elsewhere by now.
            let is_elsewhere = matches!(stay, Stay::On(other) if other != worker.id);
            let here = task.placement == Placement::On(worker.id) && !is_elsewhere;
            let kept = self.kept.get(&task.id) == Some(&worker.id);
            if !(here || kept || stay.ends().any(|end| end == worker.id)) {
                continue;
            }
            let way = self.way_there(task, worker);
            let task = run(snapshot, task, way);
            for resource in asked(&task) {
                *sums.entry(resource).or_default() += claim(&task, worker, resource);
            }
        }
        let hidden = self.heading().filter(|flight| snapshot.task(flight.task()).is_none());
        for flight in hidden {
            let ends = Stay::Between(flight.from(), flight.to()).ends();
            for _ in ends.filter(|end| *end == worker.id) {
                for (resource, amount) in flight.claim_of(worker.id).iter() {
                    *sums.entry(resource).or_default() += amount;
                }
            }
        }
        // A task that the snapshot does not list, and that no worker has.
        let kept = |flight: &&&Migration| self.kept.get(&flight.task()) == Some(&worker.id);
        let returning: Vec<&Migration> =
            self.facts.flights.values().filter(kept).copied().collect();
        let unlisted = returning.iter().filter(|it| snapshot.task(it.task()).is_none());
        for (resource, amount) in unlisted.flat_map(|flight| flight.claim_of(worker.id).iter()) {
            *sums.entry(resource).or_default() += amount;
        }
        for (resource, stated) in worker.reserved.iter().filter(|(_, amount)| *amount >= 0.0) {
            let shown = |flight: &Migration| match snapshot.task(flight.task())?.placement {
                Placement::On(worker) => Some(worker),
                _ => None,
            };
            // The task goes home if its target fails.
            let may_return = |flight: &Migration| {
                let left = !flight.is_at_its_source() && shown(flight) != Some(flight.to());
                left && flight.from() == Some(worker.id)
            };
            let coming = self.heading().filter(|flight| {
                let comes = flight.to() == worker.id && shown(flight) != Some(worker.id);
                comes || may_return(flight)
            });
            let stated_claim = |flight: &Migration| flight.claim_of(worker.id).get(resource);
            let coming: f64 = coming.filter_map(stated_claim).sum();
            // What is kept for a task is what it needs now.
            let kept = returning.iter().filter_map(|flight| match snapshot.task(flight.task()) {
                Some(task) => {
                    let task = run(snapshot, task, self.way_there(task, worker));
                    Some(claim(&task, worker, resource))
                }
                None => stated_claim(flight),
            });
            let coming = coming + kept.sum::<f64>();
            let unstated = self.unstated(worker, resource);
            sums.insert(resource, stated + coming + unstated);
        }
        let sums = sums.into_iter().map(|(resource, sum)| ((worker.id, resource), sum));
        self.claimed.extend(sums);
    }

    /// What tasks claim of a worker that are there by a report, or on their way there by no migration under way: its
    /// own statement is older.
    fn unstated(&self, worker: &Worker, resource: ResourceId) -> f64 {
        let snapshot = self.facts.round.snapshot;
        let comes = |task: &&Task| {
            let is_here = match self.stays[&task.id] {
                Stay::On(here) => here == worker.id,
                Stay::Between(_, to) => {
                    to == worker.id && !self.facts.flights.contains_key(&task.id)
                }
                Stay::Nowhere => false,
            };
            is_here && task.placement != Placement::On(worker.id)
        };
        let coming = snapshot.tasks().iter().filter(comes);
        let claims = coming.map(|task| {
            let task = run(snapshot, task, self.way_there(task, worker));
            claim(&task, worker, resource)
        });
        claims.sum()
    }

    /// The alternative by which a task counts on a worker.
    fn way_there(&self, task: &Task, worker: &Worker) -> Option<usize> {
        let here = task.placement == Placement::On(worker.id);
        match self.stays[&task.id] {
            Stay::Between(from, _) if !here && from != Some(worker.id) => {
                self.bound_by(task, worker)
            }
            // The task is shown where its copy runs, and must stop here.
            _ if !here && matches!(task.placement, Placement::On(_)) => {
                could_run_by(task, Some(worker))
            }
            _ => runs_now(self.facts.round.snapshot, task),
        }
    }

    /// The alternative by which a task is on its way to a worker.
    fn bound_by(&self, task: &Task, worker: &Worker) -> Option<usize> {
        let flight = self.facts.flights.get(&task.id);
        let ordered = flight.and_then(|flight| flight.alternative()).map(usize::from);
        ordered.or_else(|| runs_by(task, Some(worker)))
    }

    /// Counts what is free on each device that states its memory: its memory less the measured use, or the demand of
    /// the tasks there if that is more, less the demand of the tasks on their way there.
    fn count_devices(&mut self, worker: &Worker) {
        let snapshot = self.facts.round.snapshot;
        let asks = |task: &Task| task.requirements.gpu_memory_bytes.unwrap_or(0) as f64;
        let now: Vec<_> = snapshot.tasks().iter().map(|task| run_now(snapshot, task)).collect();
        for (index, device) in (0_u16..).zip(&worker.devices) {
            let Some(memory) = device.memory_bytes else { continue };
            let here = now.iter().filter(|task| {
                let counts = accelerated(task, worker) && task.device == Some(index);
                counts && task.placement == Placement::On(worker.id)
            });
            let asked: f64 = here.map(|task| asks(task)).sum();
            let mut taken = asked.max(device.used_bytes.unwrap_or(0) as f64);
            for flight in self.heading() {
                let coming = flight.to() == worker.id && !flight.is_returning();
                // A task that is shown there already has been counted.
                let counted = snapshot.task(flight.task()).is_some_and(|task| {
                    task.placement == Placement::On(worker.id) && task.device == Some(index)
                });
                if coming && !counted && flight.device() == Some(index) {
                    let hidden = flight.claim().get(ResourceId::GPU_MEMORY).unwrap_or(0.0);
                    let way = flight.alternative().map(usize::from);
                    let task = snapshot.task(flight.task()).map(|task| run(snapshot, task, way));
                    taken += task.map_or(hidden, |task| asks(&task));
                }
            }
            self.devices.insert((worker.id, index), memory as f64 - taken);
        }
    }

    pub(super) fn lag(&self) -> Duration {
        self.facts.round.config.stability.map_or(Duration::ZERO, |section| section.telemetry_lag)
    }

    /// Counts what is in use as if every move under way that measurements cannot show yet had arrived.
    fn count_use(&mut self) {
        let Round { snapshot, config, .. } = *self.facts.round;
        for worker in snapshot.workers() {
            let known = resources(worker).into_iter().chain(worker.used.iter().map(|(id, _)| id));
            for resource in known {
                if let Some(amount) = used(worker, resource) {
                    self.used.insert((worker.id, resource), amount);
                }
            }
        }
        if config.stability.is_none() {
            return;
        }
        let (at, lag) = (snapshot.at(), self.lag());
        let seen = |worker: WorkerId, event| {
            snapshot.worker(worker).is_some_and(|worker| has_seen(at, worker, event, lag))
        };
        for flight in self.facts.flights.values() {
            let left = flight
                .from()
                .filter(|from| !flight.released().is_some_and(|released| seen(*from, released)));
            let adrift =
                flight.phase() == Phase::Released || self.facts.retargeted.contains(&flight.id());
            // A task that returns to its source still counts there: it is subtracted and added again.
            let returns = flight.is_returning() && !adrift;
            if let Some(from) = left.filter(|_| !returns) {
                self.change_all(from, flight.freed_at_source().unwrap_or(flight.load()), -1.0);
            }
            // A copy that runs while the source stops the task is measured on its own worker.
            let stops = flight.transport() == Transport::StartThenStop
                && flight.phase() == Phase::Releasing;
            let shown = stops && seen(flight.to(), flight.since());
            // What is shown at home is measured there like any task.
            let record = snapshot.task(flight.task());
            let is_home = record.is_some_and(|it| it.placement == Placement::On(flight.to()));
            if !adrift && !shown && (!returns || left.is_none() && !is_home) {
                self.change_all(flight.to(), flight.load(), 1.0);
            }
        }
        for landed in self.facts.landed() {
            if let Some(from) = landed.from.filter(|from| !seen(*from, landed.released)) {
                self.change_all(
                    from,
                    landed.freed_at_source.as_ref().unwrap_or(&landed.load),
                    -1.0,
                );
            }
            if !seen(landed.to, landed.running) {
                self.change_all(landed.to, &landed.load, 1.0);
            }
        }
        self.count_new();
    }

    /// Adds the use of tasks that a scheduler has placed on a worker since it was measured.
    fn count_new(&mut self) {
        let snapshot = self.facts.round.snapshot;
        let mut landed: BTreeSet<TaskId> = self.facts.landed().iter().map(|it| it.task).collect();
        // A task that arrived in this round is not a new one, even if measurements show it already.
        let ended = self.facts.round.outcome.ended.iter();
        let ended = ended.filter(|ended| matches!(ended.fate, Fate::Completed | Fate::Diverted));
        // A task that came back to the worker that evicted it has begun there again.
        let there = |ended: &Ended| self.stays.get(&ended.task).copied();
        let arrived = ended.filter(|it| it.from.is_none() || there(it) != it.from.map(Stay::On));
        // A task that still has the old id is another task.
        let renamed = self.facts.renamed();
        let other = |task: TaskId| renamed.iter().any(|(was, is)| *was == task && is != was);
        landed.extend(arrived.map(|ended| ended.task).filter(|task| !other(*task)));
        landed.extend(renamed.iter().map(|(_, is)| *is));
        for task in snapshot.tasks().iter().filter(|task| !landed.contains(&task.id)) {
            let Stay::On(id) = self.stays[&task.id] else { continue };
            let Some(worker) = snapshot.worker(id) else { continue };
            if task.running > Duration::ZERO && task.running < worker.metric_age {
                let task = run_now(snapshot, task);
                for resource in asked(&task) {
                    self.change(id, resource, added_use(&task, worker, resource));
                }
            }
        }
    }

    fn change_all(&mut self, worker: WorkerId, load: &Amounts, sign: f64) {
        for (resource, amount) in load.iter() {
            self.change(worker, resource, sign * amount);
        }
    }

    /// Adds to the use of a resource, if that is known; it never falls below 0.
    fn change(&mut self, worker: WorkerId, resource: ResourceId, amount: f64) {
        if let Some(used) = self.used.get_mut(&(worker, resource)) {
            *used = (*used + amount).max(0.0);
        }
    }

    /// The use of a resource; `None` if unknown.
    pub(super) fn in_use(&self, worker: WorkerId, resource: ResourceId) -> Option<f64> {
        self.used.get(&(worker, resource)).copied()
    }

    /// A worker's load.
    pub(super) fn load(&self, worker: &Worker) -> Option<f64> {
        load(self.facts.round.config.load, worker, |resource| self.in_use(worker.id, resource))
    }

    /// A worker's load as the plan judges it: measured or predicted.
    pub(super) fn level(&self, worker: &Worker) -> Option<f64> {
        Some(self.load(worker)? + self.facts.shift(worker.id))
    }

    /// A worker's level with a change of its use; `None` if its record is bad.
    pub(super) fn level_with(
        &self,
        worker: &Worker,
        change: impl Fn(ResourceId) -> f64,
    ) -> Option<f64> {
        let round = self.facts.round;
        let sound = is_sound_worker(round.snapshot, worker.id);
        let load = load(round.config.load, worker, |resource| {
            let used = self.in_use(worker.id, resource).filter(|_| sound)?;
            Some((used + change(resource)).max(0.0))
        });
        Some(load? + self.facts.shift(worker.id))
    }

    /// The reserved amount of a resource.
    pub(super) fn claimed(&self, worker: WorkerId, resource: ResourceId) -> f64 {
        self.claimed.get(&(worker, resource)).copied().unwrap_or(0.0)
    }

    /// The free memory of a device; `None` if it does not state its memory.
    pub(super) fn device_free(&self, worker: WorkerId, device: u16) -> Option<f64> {
        self.devices.get(&(worker, device)).copied()
    }

    /// Enters one step of the plan: the claim on both ends, the use on the target only.
    pub(super) fn enter(&mut self, step: &Step<'_>) {
        let (snapshot, task) = (self.facts.round.snapshot, step.task);
        self.stays.insert(task.id, Stay::Between(step.from, step.to));
        *self.incoming.entry(step.to).or_default() += 1;
        match step.from.filter(|_| step.interrupts()) {
            Some(from) => {
                self.moving += 1;
                *self.outgoing.entry(from).or_default() += 1;
            }
            None => *self.placed.entry(step.to).or_default() += 1,
        }
        let Some(target) = snapshot.worker(step.to) else { return };
        let there = step.there(snapshot);
        let is_kept = self.kept.get(&task.id) == Some(&step.to);
        let needs = there.requirements.gpu_memory_bytes;
        let needs = needs.filter(|_| accelerated(&there, target) && !is_kept);
        if let (Some(device), Some(bytes)) = (step.device, needs)
            && let Some(free) = self.devices.get_mut(&(step.to, device))
        {
            *free -= bytes as f64;
        }
        for resource in asked(&there).into_iter().filter(|_| !is_kept) {
            let claim = claim(&there, target, resource);
            *self.claimed.entry((step.to, resource)).or_default() += claim;
        }
        if self.facts.round.config.stability.is_none() {
            return;
        }
        for resource in asked(&there) {
            self.change(step.to, resource, added_use(&there, target, resource));
        }
        let Some(from) = step.from else { return };
        // A task without alternatives frees at its source what it takes at its target.
        let source = snapshot.worker(from).filter(|_| !task.alternatives.is_empty());
        let here = run_now(snapshot, task);
        for resource in asked(&here) {
            let amount = added_use(&here, source.unwrap_or(target), resource);
            self.change(from, resource, -amount);
        }
    }
}

/// Whether the states show all effects of the round. They do not if an arrival was forgotten as soon as it was settled,
/// because it is in the future, too long ago, or beyond the bound of memory.
pub(super) fn is_clear(round: &Round<'_>) -> bool {
    let at = round.snapshot.at();
    let reports = round.snapshot.reports().iter().map(|report| report.at);
    let phases = round.snapshot.tasks().iter().filter_map(|task| match task.placement {
        Placement::Moving { since, .. } => Some(since),
        _ => None,
    });
    let released = round.before.in_flight.values().filter_map(Migration::released);
    let oldest = at.before(round.config.performance_window);
    let ended = &round.outcome.ended;
    let room = round.before.arrivals.len() + ended.len() <= MEMORY_PER_WORKER;
    let old = ended
        .iter()
        .any(|ended| matches!(ended.fate, Fate::Completed | Fate::Diverted) && ended.at < oldest);
    room && !old && reports.chain(phases).chain(released).all(|event| event <= at)
}
