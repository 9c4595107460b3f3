//! What can happen to a migration, and which facts decide what follows?

use crate::model::ids::{TaskId, WorkerId};
use crate::model::time::Timestamp;
use crate::outcome::{Cause, Fate};
use crate::snapshot::Phase;
use crate::state::{Course, Migration, State};

/// How many releases and assignments are tried before the task goes back to the scheduler, and how often a source is
/// told to stop before it keeps the task.
const ATTEMPTS: u32 = 4;

/// Something that happened to a migration, or was found out about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Event {
    // ------------------------------------------------------------------- what a report says
    /// The source has released the task.
    Released,
    /// The target runs the task.
    Running,
    /// The worker responsible for the current step failed or refused it.
    Failed(Fate),
    /// An operator called the migration off.
    CalledOff,
    /// The task is on `worker`, under the id `task`.
    Diverted { worker: WorkerId, task: TaskId },
    // ------------------------------------------------------- what a snapshot shows of the task
    /// The task runs on its source.
    ShownAtSource,
    /// The task runs on its target.
    ShownAtTarget,
    /// The task runs on a worker that is neither.
    ShownElsewhere { worker: WorkerId },
    /// The host carries the migration out, and is in this phase.
    ShownInPhase(Phase),
    /// The source has released the task because an earlier migration asked for it.
    LetGoBefore,
    /// The task is in a queue.
    ShownQueued,
    /// The task has lost its worker. `unfit` is why the target would not take it.
    ShownOrphaned { unfit: Cause },
    /// A complete snapshot does not list the task.
    Missing,
    // ----------------------------------------------------- what a snapshot shows of the workers
    /// The source is gone. `unfit` is why the target would not take the task.
    SourceGone { on_target: bool, unfit: Cause },
    /// The target is gone.
    TargetGone { unfit: Cause },
    /// The target may no longer have the task; `just_assigned` if the command that sends the task there
    /// has not left the engine yet.
    TargetUnfit { unfit: Cause, just_assigned: bool },
    // ------------------------------------------------------------------ what time and others do
    /// The course has taken too long; `shown` is where the snapshot shows the task.
    Overdue { shown: Shown, late: Cause },
    /// A migration of the same gang or affinity group was called off before its source released the task.
    GroupStays { along: Cause },
    /// The host has asked `to` to run the task, and the engine did not know: it is a later life, or its order reached
    /// the host late.
    AssignedTo { to: WorkerId },
    // --------------------------------------- what the first snapshot of a later life shows to it
    /// Another migration of the task has followed, or the scheduler has the task.
    Superseded,
    /// The task runs on its source again.
    HomeAgain,
}

impl Event {
    /// Whether this event can become known of a migration in this course. An event that cannot has no row in the table.
    ///
    /// | impossible | because |
    /// |---|---|
    /// | on its source, source gone, in a course without a source | no worker is its source |
    /// | overdue, on its source, while no worker is asked to run the task | to run there has ended the course |
    /// | on its target, returning to its source | its target is its source |
    /// | source gone, in a course that does not wait for its source | the source is not observed |
    /// | source gone, on its target, unless the copy there is to go on | the task has arrived first |
    /// | released for an earlier migration, unless the source has yet to answer this one | it is a release like any other |
    /// | target unfit, order not yet sent, before the source has released the task | that order begins another course |
    /// | target unfit, order not yet sent, of a copy that is called off | that order follows a release |
    /// | overdue without a worker, before the source has released the task, or with the scheduler | losing the worker has ended the course |
    /// | overdue, leaving its source, while the copy starts | a task that is leaving shows that its copy runs |
    pub(super) fn is_possible(self, course: Course) -> bool {
        let is_copying = matches!(course, Course::Copying { .. });
        let is_stopping = matches!(course, Course::Stopping { .. });
        let waits_for_source = is_copying || course.phase() == Phase::Releasing;
        let is_with_scheduler = matches!(course, Course::WithScheduler { .. });
        let is_copy_called_off = matches!(course, Course::CallingOff { released: None, .. });
        let has_let_go = !waits_for_source && !is_copy_called_off;
        match self {
            Self::ShownAtSource | Self::HomeAgain => course.from().is_some(),
            Self::Overdue { shown: Shown::AtSource, .. } => {
                course.from().is_some() && !matches!(course, Course::Unassigned { .. })
            }
            Self::ShownAtTarget => !matches!(course, Course::Returning { .. }),
            Self::LetGoBefore => is_copying || matches!(course, Course::Releasing { .. }),
            Self::SourceGone { on_target: false, .. } => waits_for_source,
            Self::SourceGone { on_target: true, .. } => is_stopping,
            Self::TargetUnfit { just_assigned: true, .. } => has_let_go,
            Self::Overdue { shown: Shown::Orphaned, .. } => !waits_for_source && !is_with_scheduler,
            Self::Overdue { shown: Shown::LeavingSource, .. } => !is_copying,
            _ => true,
        }
    }
}

/// Where a snapshot shows a task whose migration is overdue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// On its source.
    AtSource,
    /// Moving, and not yet released or stopped by its source.
    LeavingSource,
    /// On another worker.
    Elsewhere,
    /// Without a worker.
    Orphaned,
    /// Not listed.
    Nowhere,
}

/// What is known of a migration's target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The target accepts tasks.
    Open,
    /// The target accepts no more tasks, leaves soon, or is missing.
    Closed,
    /// The target is gone.
    Gone,
}

/// What a source answers if a task is to go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    TakesBack,
    /// It takes nothing, or nothing is sent there: it may run the task still.
    Closed,
    /// It runs no task.
    Gone,
}

/// The facts that a transition depends on, beside the course and the event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Facts {
    /// When the event happened.
    pub(super) at: Timestamp,
    pub(super) task: TaskId,
    pub(super) to: WorkerId,
    pub(super) target: Target,
    pub(super) source: Source,
    /// Whether no further attempt is made.
    pub(super) is_exhausted: bool,
    /// Whether an earlier life of the engine began the migration: this one may have missed that the
    /// source released the task.
    pub(super) is_inherited: bool,
    /// Whether the copy is only assumed to run: an earlier life began the migration, the host shows that the source
    /// stops the task, and no report has told of the copy.
    pub(super) is_copy_assumed: bool,
}

impl Facts {
    /// The facts that `state` holds about a migration to which something happened `at` this moment.
    pub(super) fn of(state: &State, migration: &Migration, at: Timestamp) -> Self {
        let missing = |worker: WorkerId| {
            state.missing.contains_key(&worker) && !broken!("grace_sends_nothing_there")
        };
        let source = migration.from().filter(|from| !missing(*from));
        let source = source.and_then(|from| state.tracks.get(&from));
        // A missing target that may run a copy already is waited for.
        let runs_nothing = matches!(migration.course(), Course::Releasing { .. });
        let target = match state.tracks.get(&migration.to()) {
            Some(track) if track.is_gone() => Target::Gone,
            _ if runs_nothing && missing(migration.to()) => Target::Closed,
            Some(track) if !track.takes_tasks() => Target::Closed,
            _ => Target::Open,
        };
        Self {
            at,
            task: migration.task(),
            to: migration.to(),
            target,
            source: match source {
                Some(track) if track.takes_back() => Source::TakesBack,
                Some(track) if track.is_gone() && !broken!("gone_source_is_not_asked") => {
                    Source::Gone
                }
                _ => Source::Closed,
            },
            is_exhausted: migration.attempts().max(migration.stops_repeated.saturating_add(1))
                >= ATTEMPTS,
            is_inherited: migration.id().epoch() != state.epoch(),
            is_copy_assumed: migration.is_copy_assumed(),
        }
    }

    /// The same facts, if the source takes nothing back.
    pub(super) fn with_closed_source(self) -> Self {
        let takes_back = self.source == Source::TakesBack;
        Self { source: if takes_back { Source::Closed } else { self.source }, ..self }
    }

    /// The same facts, as a snapshot tells of the target: a later life may never have seen it.
    pub(super) fn as_shown_by(self, event: Event) -> Self {
        match event {
            Event::SourceGone { unfit: Cause::TargetGone { .. }, .. }
                if !broken!("target_that_no_snapshot_has_shown") =>
            {
                Self { target: Target::Gone, ..self }
            }
            _ => self,
        }
    }
}
