//! What follows when something happens to a migration: the next course, or the end, and what else must be done.

use alloc::vec::Vec;

use crate::model::ids::{TaskId, WorkerId};
use crate::outcome::{Cause, Fate};
use crate::state::Course;

/// What follows from an event.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    pub(super) next: Next,
    /// The effects, in this order, after the next course has begun or the migration has ended.
    pub(super) effects: Vec<Effect>,
}

/// How the course changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Next {
    /// The course goes on.
    Stay,
    /// Another course begins.
    Enter(Course),
    /// Another course is found to be under way, with this target.
    Resume(Course, WorkerId),
    /// The migration is over. It may have gone `well` without reaching its target, if the host's scheduler
    /// chose another one.
    End { fate: Fate, well: bool },
}

/// What else must be done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Effect {
    /// The host is given the command of the course that has begun.
    Order,
    /// The last order has not left the engine, and does not: it was no attempt.
    TakeOrderBack,
    /// A worker is told to forget the migration.
    Abort(WorkerId, Cause),
    /// A source is told to stop the task.
    Stop(WorkerId, Cause),
    /// The task is given back to the scheduler.
    Requeue(Cause),
    /// Our own move changes this worker's load at this moment.
    NoteMove(WorkerId),
    /// The target failed with a task of this kind.
    RecordFailure,
    /// The task has arrived on this worker, under this id.
    Arrive(WorkerId, TaskId),
    /// Everything remembered of the task is now remembered under this id.
    Rename(TaskId),
    /// A task with this id came back to the worker that it was evicted from.
    BackOff(TaskId),
    /// The task, under this id, did not come back to the worker that it was evicted from.
    ForgetBackOff(TaskId),
    /// The task does not move to this worker for a while.
    CoolDown(WorkerId),
}

pub(super) const fn stay() -> Step {
    Step::of(Next::Stay)
}

pub(super) const fn enter(course: Course) -> Step {
    Step::of(Next::Enter(course))
}

pub(super) fn end(fate: Fate) -> Step {
    Step::of(Next::End { fate, well: fate == Fate::Completed })
}

impl Step {
    /// Nothing but this.
    pub(super) const fn of(next: Next) -> Self {
        Self { next, effects: Vec::new() }
    }

    pub(super) fn and(mut self, effect: Effect) -> Self {
        self.effects.push(effect);
        self
    }

    pub(super) fn and_if(self, condition: bool, effect: Effect) -> Self {
        if condition { self.and(effect) } else { self }
    }

    pub(super) fn after(mut self, effect: Effect) -> Self {
        self.effects.insert(0, effect);
        self
    }
}
