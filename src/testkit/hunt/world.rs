//! What is true at this moment, and what does a host show of it?

use core::time::Duration;
use std::vec::Vec;

use super::job::{Job, Passing};
use super::schedule::Sight;
use super::setup::Setup;
use crate::model::ids::{TaskId, WorkerId};
use crate::model::resource::ResourceId;
use crate::model::time::Timestamp;
use crate::snapshot::{Group, Placement, Snapshot, Stance, Worker};

/// The resources that tasks ask for.
pub(super) const RESOURCES: [ResourceId; 2] = [ResourceId::CPU, ResourceId::MEMORY];

/// A worker: the truth.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    pub(super) worker: Worker,
    pub(super) is_alive: bool,
    /// Whether the engine was shown it alive the last time.
    pub(super) was_shown: bool,
}

/// The cluster and its clock.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) now: Timestamp,
    pub(super) machines: Vec<Machine>,
    pub(super) jobs: Vec<Job>,
    pub(super) groups: Vec<Group>,
    dead_are_listed: bool,
}

/// Whether a snapshot leaves this one out.
const fn is_hidden(mask: u16, id: u64) -> bool {
    id > 0 && id <= 16 && mask & (1 << (id - 1)) != 0
}

impl World {
    pub(super) fn new(setup: &Setup) -> Self {
        let machine =
            |worker: &Worker| Machine { worker: worker.clone(), is_alive: true, was_shown: false };
        let job = |task| Job::new(task, setup.settings.keeps_moving);
        Self {
            now: Timestamp::from_secs(1_000),
            machines: setup.workers.iter().map(machine).collect(),
            jobs: setup.tasks.iter().cloned().map(job).collect(),
            groups: setup.groups.clone(),
            dead_are_listed: setup.settings.dead_are_listed,
        }
    }

    pub(super) fn wait(&mut self, millis: u64) {
        self.now = self.now.after(Duration::from_millis(millis));
    }

    pub(super) fn job(&mut self, id: TaskId) -> Option<&mut Job> {
        self.jobs.iter_mut().find(|job| job.task.id == id)
    }

    pub(super) fn machine(&mut self, id: WorkerId) -> Option<&mut Machine> {
        self.machines.iter_mut().find(|machine| machine.worker.id == id)
    }

    /// Does something with a task and what the host knows of its workers.
    pub(super) fn with_job<T>(
        &mut self,
        id: TaskId,
        is_lost: bool,
        act: impl FnOnce(&mut Job, &Passing<'_>) -> T,
    ) -> Option<T> {
        let machines = &self.machines;
        let is_alive = |id: WorkerId| {
            machines.iter().any(|machine| machine.worker.id == id && machine.is_alive)
        };
        let passing = Passing { at: self.now, is_lost, is_alive: &is_alive };
        self.jobs.iter_mut().find(|job| job.task.id == id).map(|job| act(job, &passing))
    }

    pub(super) fn crash(&mut self, id: WorkerId) {
        let Some(machine) = self.machine(id) else { return };
        machine.is_alive = false;
        let at = self.now;
        self.jobs.iter_mut().for_each(|job| job.crash(id, at));
    }

    pub(super) fn revive(&mut self, id: WorkerId) {
        if let Some(machine) = self.machine(id).filter(|machine| !machine.is_alive) {
            machine.is_alive = true;
            self.jobs.iter_mut().for_each(|job| job.void(id));
        }
    }

    pub(super) fn start(&mut self, task: TaskId, worker: WorkerId) {
        let at = self.now;
        let is_alive = self.machine(worker).is_some_and(|machine| machine.is_alive);
        if let Some(job) = self.job(task).filter(|_| is_alive) {
            job.start(worker, at);
        }
    }

    /// An engine that goes on from an earlier state may not have been shown what was shown last.
    pub(super) fn show_nothing(&mut self) {
        self.machines.iter_mut().for_each(|machine| machine.was_shown = false);
    }

    /// What the host shows to the engine now, with the mistakes of its monitoring.
    pub(super) fn show(&mut self, sight: Sight) -> Snapshot {
        let missed = |machine: &Machine| {
            let id = machine.worker.id.raw();
            machine.is_alive && machine.was_shown && is_hidden(sight.misses, id)
        };
        let missed: Vec<bool> = self.machines.iter().map(missed).collect();
        let snapshot = self.list(sight, |at| !sight.partial && missed[at]);
        for machine in &mut self.machines {
            let is_listed = snapshot.worker(machine.worker.id).is_some();
            machine.was_shown = machine.is_alive && is_listed;
        }
        snapshot
    }

    /// What the host sees now. Reports that ride in it are on their way no more.
    pub(super) fn snapshot(&mut self, sight: Sight) -> Snapshot {
        self.list(sight, |_| false)
    }

    fn list(&mut self, sight: Sight, is_missed: impl Fn(usize) -> bool) -> Snapshot {
        let mut builder = Snapshot::builder(self.now).groups(self.present());
        let Sight { partial, hides_workers, hides_tasks, riding, .. } = sight;
        if partial {
            builder = builder.partial();
        }
        for (at, machine) in self.machines.iter().enumerate() {
            let id = machine.worker.id.raw();
            let is_listed = (machine.is_alive || self.dead_are_listed) && !is_missed(at);
            if is_listed && !(partial && is_hidden(hides_workers, id)) {
                builder = builder.worker(self.measured(machine, partial));
            }
        }
        for job in &mut self.jobs {
            let is_out_of_sight = partial && is_hidden(hides_tasks, job.task.id.raw());
            if !job.has_ended && !is_out_of_sight {
                builder = builder.task(job.task.clone());
            }
            if riding {
                builder = builder.reports(job.mail.drain(..));
            }
        }
        builder.build()
    }

    /// The groups without the tasks that are over.
    fn present(&self) -> Vec<Group> {
        let mut groups = self.groups.clone();
        let over = |id: TaskId| self.jobs.iter().any(|job| job.task.id == id && job.has_ended);
        groups.iter_mut().for_each(|group| group.members.retain(|&member| !over(member)));
        groups
    }

    /// A worker's record, with what is really used there; and what is reserved, where tasks may be left out.
    fn measured(&self, machine: &Machine, is_partial: bool) -> Worker {
        let mut worker = machine.worker.clone();
        if !machine.is_alive {
            return worker.with_stance(Stance::Offline);
        }
        for resource in RESOURCES {
            let running = self.jobs.iter().filter(|job| job.is_on(worker.id));
            let used = running.map(|job| {
                let demand = job.task.demand.get(resource).unwrap_or(0.0);
                demand * f64::from(job.use_permille) / 1_000.0
            });
            let used: f64 = used.sum();
            worker = worker.with_used(resource, used);
            if is_partial {
                let there = self.jobs.iter().filter(|job| job.is_reserved_on(worker.id));
                let reserved = there.filter_map(|job| job.task.demand.get(resource)).sum();
                worker = worker.with_reserved(resource, reserved);
            }
        }
        worker
    }

    /// Everybody is back, and takes tasks; the scheduler has started what was given back to it.
    pub(super) fn calm(&mut self) {
        for id in self.machines.iter().map(|machine| machine.worker.id).collect::<Vec<_>>() {
            self.revive(id);
        }
        for machine in &mut self.machines {
            machine.worker.stance = Stance::Accept;
        }
        self.schedule();
    }

    /// The scheduler starts each task of its own on the worker that has most cores left.
    pub(super) fn schedule(&mut self) {
        for at in 0..self.jobs.len() {
            if self.jobs[at].task.placement != Placement::Unplaced {
                continue;
            }
            let left = |machine: &Machine| {
                let here = self.jobs.iter().filter(|job| job.is_on(machine.worker.id));
                let taken: f64 = here.filter_map(|job| job.task.demand.get(ResourceId::CPU)).sum();
                machine.worker.capacity.get(ResourceId::CPU).unwrap_or(0.0) - taken
            };
            let alive = self.machines.iter().filter(|machine| machine.is_alive);
            let best = alive.max_by(|a, b| left(a).total_cmp(&left(b)));
            if let Some(worker) = best.map(|machine| machine.worker.id) {
                self.jobs[at].start(worker, self.now);
            }
        }
    }
}
