//! Where is a task, and how does a command change that?
//!
//! | command | the task must be | it is then | answer |
//! |---|---|---|---|
//! | `Release` | on `from` | saved, on its way to `to` | released |
//! | `Evict`, `RequeueFor` | on `from` | queued, or on the worker that the driver names | released, or running, or diverted |
//! | `Assign`, `Place` | on no other worker | on `to` | running |
//! | `Start` | on `from`, with no copy elsewhere | on `from`, with a copy on `to` | running |
//! | `Stop` | on `from` | on the worker of its copy; orphaned if the copy died | released |
//! | `Requeue` | on no worker | queued | none |
//! | `Abort` | anywhere | without the copy that the migration started; on its source if that was still saving it | none |
//!
//! A command that finds the task elsewhere changes nothing ([`Objection`]).

use core::fmt;

use crate::model::ids::{MigrationId, WorkerId};
use crate::model::resource::{Amounts, ResourceId};
use crate::model::time::Timestamp;
use crate::outcome::{Action, Command};
use crate::snapshot::{Event, Phase, Placement, Task, Worker};
use crate::view;

/// A task as its host has it. The placement, the device and the alternative of the record are the truth.
#[derive(Clone, Debug)]
pub(crate) struct HostedTask {
    /// The record.
    pub(crate) task: Task,
    /// A second copy that runs beside the first.
    pub(crate) copy: Option<SecondCopy>,
}

/// A copy that a migration has started while the source still runs the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SecondCopy {
    /// The migration that started the copy.
    pub(crate) migration: MigrationId,
    /// Where the copy runs.
    pub(crate) worker: WorkerId,
    device: Option<u16>,
    /// The alternative that the copy was told to run by.
    alternative: Option<u16>,
}

/// Why a command is not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Objection {
    /// The task is not where the command says.
    NotThere,
    /// The task runs on another worker, which has not released it.
    RunsOn(WorkerId),
    /// A copy of the task runs on another worker.
    CopiedOn(WorkerId),
    /// The task does not declare that two copies of it may run.
    Single,
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotThere => f.write_str("the task is not there"),
            Self::RunsOn(worker) => write!(f, "the task runs on {worker}"),
            Self::CopiedOn(worker) => write!(f, "a copy of the task runs on {worker}"),
            Self::Single => f.write_str("the task does not declare that two copies may run"),
        }
    }
}

/// The worker that carries out a command; `None` if the scheduler does.
pub(crate) const fn addressee(action: Action) -> Option<WorkerId> {
    match action {
        Action::Release { from, .. }
        | Action::Evict { from, .. }
        | Action::RequeueFor { from, .. }
        | Action::Stop { from } => Some(from),
        Action::Assign { to, .. } | Action::Place { to, .. } | Action::Start { to, .. } => Some(to),
        Action::Abort { worker } => Some(worker),
        Action::Requeue => None,
    }
}

impl HostedTask {
    pub(crate) const fn new(task: Task) -> Self {
        Self { task, copy: None }
    }

    /// The worker that has the first copy: it runs the task, or still saves its state.
    pub(crate) const fn holder(&self) -> Option<WorkerId> {
        match self.task.placement {
            Placement::On(worker) => Some(worker),
            Placement::Moving { from, phase: Phase::Releasing, .. } => from,
            _ => None,
        }
    }

    /// The migration of the task, if the migration is past its first step; `None` otherwise.
    pub(crate) fn migration(&self) -> Option<MigrationId> {
        match self.task.placement {
            Placement::Moving { migration, .. } => Some(migration),
            _ => self.copy.map(|copy| copy.migration),
        }
    }

    /// The worker of the second copy.
    pub(crate) fn copied_on(&self) -> Option<WorkerId> {
        self.copy.map(|copy| copy.worker)
    }

    /// Whether a worker has a copy of the task.
    pub(crate) fn is_on(&self, worker: WorkerId) -> bool {
        self.holder() == Some(worker) || self.copied_on() == Some(worker)
    }

    /// The use of the task on a worker; `None` if no copy runs there, or the use is unknown.
    pub(crate) fn load_on(&self, worker: &Worker, resource: ResourceId) -> Option<f64> {
        let copy = self.copy.filter(|copy| copy.worker == worker.id);
        if copy.is_none() && self.holder() != Some(worker.id) {
            return None;
        }
        let told = copy.and_then(|copy| copy.alternative);
        let runs_by = told.or_else(|| view::alternative(&self.task, worker.kinds()));
        view::by(&self.task, runs_by, runs_by).load(resource)
    }

    /// Carries out a command, which must be about this task. `lands` is where the scheduler places an evicted task;
    /// `None` if the task stays queued. Returns the event to report.
    pub(crate) fn perform(
        &mut self,
        command: &Command,
        lands: Option<WorkerId>,
        now: Timestamp,
    ) -> Result<Option<Event>, Objection> {
        let migration = command.migration;
        match command.action {
            Action::Release { from, to } => {
                self.must_be_on(from)?;
                self.put(moving(migration, Some(from), to, Phase::Released, now), None);
                Ok(Some(Event::Released { migration }))
            }
            Action::Evict { from, hint: to } | Action::RequeueFor { from, to } => {
                self.must_be_on(from)?;
                self.put(lands.map_or(Placement::Unplaced, Placement::On), None);
                Ok(Some(match lands {
                    None => Event::Released { migration },
                    Some(worker) if worker == to => Event::Running { migration },
                    Some(worker) => Event::Diverted { migration, worker, task: self.task.id },
                }))
            }
            Action::Assign { to, device } | Action::Place { to, device } => {
                if let Some(other) = self.holder().filter(|holder| *holder != to) {
                    return Err(Objection::RunsOn(other));
                }
                self.must_not_be_copied_beside(to)?;
                self.copy = None;
                self.put(Placement::On(to), device);
                self.run_by(command.alternative);
                Ok(Some(Event::Running { migration }))
            }
            Action::Start { from, to, device } => {
                self.must_be_on(from)?;
                self.must_not_be_copied_beside(to)?;
                if !self.task.overlaps {
                    return Err(Objection::Single);
                }
                let alternative = command.alternative;
                self.copy = Some(SecondCopy { migration, worker: to, device, alternative });
                Ok(Some(Event::Running { migration }))
            }
            Action::Stop { from } => {
                self.must_be_on(from)?;
                self.go_on_as_copy();
                Ok(Some(Event::Released { migration }))
            }
            Action::Requeue => {
                self.requeue();
                Ok(None)
            }
            Action::Abort { worker } => {
                self.abort(migration, worker);
                Ok(None)
            }
        }
    }

    /// Lets the worker of the task begin to save its state; it does not run the task meanwhile.
    pub(crate) fn begin_release(
        &mut self,
        migration: MigrationId,
        from: WorkerId,
        to: WorkerId,
        now: Timestamp,
    ) -> Result<(), Objection> {
        if self.task.placement != Placement::On(from) {
            return Err(Objection::NotThere);
        }
        self.task.placement = moving(migration, Some(from), to, Phase::Releasing, now);
        Ok(())
    }

    /// Lets the worker of the task, which has saved its state, release the task.
    pub(crate) const fn release(&mut self, now: Timestamp) {
        if let Placement::Moving { migration, from, to, .. } = self.task.placement {
            self.put(moving(migration, from, to, Phase::Released, now), None);
        }
    }

    /// Fails the step under way: a source keeps the task, a target has not started it.
    pub(crate) const fn fail_step(&mut self, now: Timestamp) {
        let Placement::Moving { migration, from, to, phase, .. } = self.task.placement else {
            return;
        };
        self.task.placement = match (phase, from) {
            (Phase::Releasing, Some(from)) => Placement::On(from),
            _ => moving(migration, from, to, Phase::Released, now),
        };
    }

    /// A target has been asked to run an orphaned task from its last checkpoint, which is on its way.
    pub(crate) fn begin_placement(&mut self, migration: MigrationId, to: WorkerId, now: Timestamp) {
        if self.task.placement == Placement::Orphaned {
            self.task.placement = moving(migration, None, to, Phase::Assigned, now);
        }
    }

    /// A target has been asked to run the task, whose state is on its way.
    pub(crate) const fn head_for(&mut self, migration: MigrationId, to: WorkerId, now: Timestamp) {
        if let Placement::Moving { from, .. } = self.task.placement {
            self.task.placement = moving(migration, from, to, Phase::Assigned, now);
        }
    }

    /// Lets the task run on a worker that the scheduler has chosen.
    pub(crate) const fn run_on(&mut self, worker: WorkerId) {
        self.put(Placement::On(worker), None);
    }

    /// Completes the task: no worker has it any more.
    pub(crate) const fn end(&mut self) {
        self.put(Placement::Unplaced, None);
    }

    /// Gives the task to the scheduler, unless a worker has it.
    pub(crate) const fn requeue(&mut self) {
        if self.holder().is_none() {
            self.put(Placement::Unplaced, None);
        }
    }

    /// Lets a worker forget a migration, and every earlier one: a source keeps the task; a target does not start it, or
    /// stops its copy.
    pub(crate) fn abort(&mut self, migration: MigrationId, worker: WorkerId) {
        let is_forgotten = |it: MigrationId| it <= migration;
        self.copy = self.copy.filter(|it| it.worker != worker || !is_forgotten(it.migration));
        let Placement::Moving { migration: current, from, to, phase, since } = self.task.placement
        else {
            return;
        };
        if !is_forgotten(current) {
            return;
        }
        if phase == Phase::Releasing && from == Some(worker) {
            self.task.placement = Placement::On(worker);
        } else if phase == Phase::Assigned && to == worker {
            self.task.placement = moving(current, from, to, Phase::Released, since);
        }
    }

    /// Lets a worker die with every copy that it has.
    pub(crate) fn lose(&mut self, worker: WorkerId) {
        self.copy = self.copy.filter(|copy| copy.worker != worker);
        if self.holder() == Some(worker) {
            self.go_on_as_copy();
        }
    }

    /// Makes the second copy the task; without a second copy no worker has the task.
    fn go_on_as_copy(&mut self) {
        match self.copy.take() {
            Some(copy) => {
                self.put(Placement::On(copy.worker), copy.device);
                self.run_by(copy.alternative);
            }
            None => self.put(Placement::Orphaned, None),
        }
    }

    /// Lets the task run by this alternative from now on, if one is named; its use is not measured yet.
    fn run_by(&mut self, alternative: Option<u16>) {
        if alternative.is_some() && alternative != self.task.alternative {
            (self.task.alternative, self.task.used) = (alternative, Amounts::new());
        }
    }

    const fn put(&mut self, placement: Placement, device: Option<u16>) {
        (self.task.placement, self.task.device) = (placement, device);
    }

    fn must_be_on(&self, worker: WorkerId) -> Result<(), Objection> {
        if self.holder() == Some(worker) { Ok(()) } else { Err(Objection::NotThere) }
    }

    fn must_not_be_copied_beside(&self, worker: WorkerId) -> Result<(), Objection> {
        let other = self.copied_on().filter(|copied| *copied != worker);
        other.map_or(Ok(()), |other| Err(Objection::CopiedOn(other)))
    }
}

pub(crate) const fn moving(
    migration: MigrationId,
    from: Option<WorkerId>,
    to: WorkerId,
    phase: Phase,
    since: Timestamp,
) -> Placement {
    Placement::Moving { migration, from, to, phase, since }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::{Epoch, TaskId};
    use crate::outcome::{Cause, Why};

    const W1: WorkerId = WorkerId::new(1);
    const W2: WorkerId = WorkerId::new(2);
    const W3: WorkerId = WorkerId::new(3);
    const NOW: Timestamp = Timestamp::from_secs(30);

    fn on_w1() -> HostedTask {
        let mut task = Task::new(TaskId::new(1)).on(W1);
        task.overlaps = true;
        HostedTask::new(task)
    }

    fn id() -> MigrationId {
        MigrationId::new(Epoch::new(0), 1)
    }

    fn told(hosted: &mut HostedTask, action: Action) -> Result<Option<Event>, Objection> {
        let (migration, task, why) = (id(), hosted.task.id, Why::Follows(Cause::Late));
        let (scorecard, alternative, handover) = (None, None, None);
        let command = Command { migration, task, action, why, scorecard, alternative, handover };
        hosted.perform(&command, Some(W3), NOW)
    }

    #[test]
    fn a_move_stops_and_starts_and_only_where_the_task_is() {
        let mut hosted = on_w1();
        let release = Action::Release { from: W2, to: W3 };
        assert_eq!(told(&mut hosted, release), Err(Objection::NotThere));
        let assign = Action::Assign { to: W2, device: None };
        assert_eq!(told(&mut hosted, assign), Err(Objection::RunsOn(W1)));
        let released = Some(Event::Released { migration: id() });
        assert_eq!(told(&mut hosted, Action::Release { from: W1, to: W2 }), Ok(released));
        assert_eq!(hosted.holder(), None);
        assert_eq!(told(&mut hosted, assign), Ok(Some(Event::Running { migration: id() })));
        assert_eq!(hosted.holder(), Some(W2));
        assert_eq!(told(&mut hosted, Action::Requeue), Ok(None));
        assert_eq!(hosted.task.placement, Placement::On(W2), "a worker has the task");
    }

    #[test]
    fn a_copy_takes_over_when_its_source_stops_or_dies() {
        let start = Action::Start { from: W1, to: W2, device: Some(1) };
        let mut hosted = on_w1();
        assert!(told(&mut hosted, start).is_ok());
        assert!(hosted.is_on(W1) && hosted.is_on(W2));
        assert!(told(&mut hosted, Action::Stop { from: W1 }).is_ok());
        assert_eq!((hosted.task.placement, hosted.task.device), (Placement::On(W2), Some(1)));
        let mut hosted = on_w1();
        assert!(told(&mut hosted, start).is_ok());
        assert!(told(&mut hosted, Action::Abort { worker: W2 }).is_ok());
        hosted.lose(W1);
        assert_eq!(hosted.task.placement, Placement::Orphaned);
    }

    #[test]
    fn what_is_evicted_lands_where_the_driver_says() {
        let mut hosted = on_w1();
        let diverted = Event::Diverted { migration: id(), worker: W3, task: hosted.task.id };
        assert_eq!(told(&mut hosted, Action::Evict { from: W1, hint: W2 }), Ok(Some(diverted)));
        let running = Event::Running { migration: id() };
        assert_eq!(told(&mut hosted, Action::RequeueFor { from: W3, to: W3 }), Ok(Some(running)));
    }
}
