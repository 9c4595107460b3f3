//! How does an event change the course of a migration?
//!
//! One pure function, [`next`], answers: from the course, the event, and the few [`Facts`] that matter,
//! it returns the next course, or the end, and the effects to carry out. It carries out nothing itself.
//! An event that it does not name changes nothing; a report of such an event counts as ignored.
//!
#![doc = include_str!("table.md")]

use crate::model::ids::{TaskId, WorkerId};
use crate::model::time::Timestamp;
use crate::outcome::{Cause, Fate};
use crate::snapshot::Phase;
use crate::state::Course::{
    self, Assigned, CallingOff, CallingOffPlacing, Copying, Leaving, Placing, Releasing, Returning,
    Stopping, Unassigned, Unplaced, WithScheduler,
};

use super::event::{Event, Facts, Shown, Source, Target};
use super::step::Effect::{
    Abort, Arrive, BackOff, CoolDown, ForgetBackOff, NoteMove, Order, RecordFailure, Rename,
    Requeue, Stop, TakeOrderBack,
};
use super::step::{Next, Step, end, enter, stay};

/// The transition table: its rows are the events that [are possible](Event::is_possible).
pub(super) fn next(course: Course, event: Event, facts: &Facts) -> Step {
    debug_assert!(event.is_possible(course), "{event:?} cannot become known of {course:?}");
    match event {
        Event::Released => released(course, facts),
        Event::Running => match course {
            CallingOff { released: None, .. } if !broken!("copy_runs_until_it_is_called_off") => {
                stay()
            }
            _ => running(course, facts),
        },
        Event::Failed(fate) => failed(course, fate, facts),
        Event::CalledOff => called_off(course, facts),
        Event::Diverted { worker, task } => diverted(course, worker, task, facts),
        Event::ShownAtSource => shown_at_source(course, facts),
        Event::ShownAtTarget => match course {
            Stopping { .. } => stay(),
            _ => running(course, facts),
        },
        Event::ShownElsewhere { worker } => shown_elsewhere(course, worker, facts),
        Event::ShownInPhase(phase) => shown_in_phase(course, phase, facts),
        Event::LetGoBefore => let_go_before(course, facts),
        Event::ShownQueued => match course {
            Leaving { .. } => released(course, facts),
            _ => stay(),
        },
        Event::ShownOrphaned { unfit } => shown_orphaned(course, unfit, facts),
        Event::Missing => missing(course, facts),
        Event::SourceGone { on_target, unfit } => source_gone(course, on_target, unfit, facts),
        Event::TargetGone { unfit } => target_gone(course, unfit, facts),
        Event::TargetUnfit { unfit, just_assigned } => {
            target_unfit(course, unfit, just_assigned, facts)
        }
        Event::Overdue { shown, late } => overdue(course, shown, late, facts),
        Event::GroupStays { along } => match course {
            Releasing { from } => end(Fate::Aborted).and(Abort(from, along)),
            _ => stay(),
        },
        Event::Superseded => end(Fate::Diverted),
        Event::HomeAgain => match course {
            Assigned { .. } | CallingOff { .. } => end(Fate::Failed),
            Returning { fate, .. } => end(fate),
            _ => stay(),
        },
        Event::AssignedTo { to } => assigned_to(course, to, facts),
    }
}

// ------------------------------------------------------------------------------- what reports say

fn released(course: Course, facts: &Facts) -> Step {
    let released = Some(facts.at);
    let noted = !broken!("step_of_the_source_is_no_trend");
    let is_assumed = facts.is_copy_assumed && !broken!("copy_that_no_target_was_asked_for");
    let knows_no_target = facts.is_inherited && !broken!("target_that_an_old_state_took_for_gone");
    match (course, facts.target) {
        (Releasing { from }, Target::Open) | (Copying { from }, _) => {
            enter(Assigned { from, released }).and_if(noted, NoteMove(from)).and(Order)
        }
        // Perhaps no copy runs. If one does, its target says so once more.
        (Stopping { from }, Target::Open | Target::Closed) if is_assumed => {
            enter(Assigned { from, released }).and(NoteMove(from)).and(Order)
        }
        (Assigned { from, .. }, _) if broken!("released_once") => {
            enter(Assigned { from, released }).and(Order)
        }
        // What an old state says of a target is not what has become of it: its copy runs, or it will answer.
        (Stopping { from }, Target::Gone) if knows_no_target && is_assumed => {
            enter(Assigned { from, released }).and(NoteMove(from))
        }
        (Stopping { .. }, Target::Gone) if knows_no_target => {
            end(Fate::Completed).and(Arrive(facts.to, facts.task))
        }
        (Releasing { from }, _) | (Stopping { from }, Target::Gone) => {
            turn_back(from, released, Fate::Failed, facts).after(NoteMove(from))
        }
        (Stopping { .. }, _) => end(Fate::Completed).and(Arrive(facts.to, facts.task)),
        (Leaving { from, by }, _) => {
            enter(WithScheduler { from, by, released: facts.at }).and(NoteMove(from))
        }
        // The engine assumed that the task was still on its source, or could not tell.
        (
            Assigned { from, released: None }
            | CallingOff { from, released: None, .. }
            | Returning { from, released: None, .. }
            | Unassigned { from, released: None },
            _,
        ) => stay().and(NoteMove(from)),
        _ => stay(),
    }
}

fn running(course: Course, facts: &Facts) -> Step {
    let Facts { to, task, .. } = *facts;
    match course {
        Copying { from } => enter(Stopping { from }).and(NoteMove(to)).and(Order),
        Stopping { .. } => stay().and(NoteMove(to)),
        Leaving { from, .. } | WithScheduler { from, .. } => turned_up(from, to, task, facts),
        Returning { fate, .. } => end(fate).and(NoteMove(to)),
        _ => end(Fate::Completed).and(Arrive(to, task)),
    }
}

/// The worker responsible for the current step failed or refused it.
fn failed(course: Course, fate: Fate, facts: &Facts) -> Step {
    match course {
        Releasing { .. } | Leaving { .. } | WithScheduler { .. } => end(fate),
        Copying { from } if broken!("source_keeps_it") => turn_back(from, None, fate, facts),
        Copying { from } => not_started(from, fate, facts).and(RecordFailure),
        Stopping { from } => keep(fate, from, Cause::Kept, facts),
        Assigned { .. } if facts.is_exhausted => {
            end(fate).and(RecordFailure).and(Requeue(Cause::Exhausted))
        }
        Assigned { from, released } => turn_back(from, released, fate, facts).after(RecordFailure),
        Returning { called_off: false, .. } if facts.is_exhausted => {
            end(fate).and(Requeue(Cause::Exhausted))
        }
        Returning { from, released, .. } => enter(Unassigned { from, released }),
        CallingOff { .. } => turn_back_called_off(course, facts)
            .and_if(broken!("operator_charges_nobody"), RecordFailure),
        // The next round places the task again.
        Placing if facts.is_exhausted => end(fate).and(RecordFailure),
        Placing => enter(Unplaced).and(RecordFailure),
        CallingOffPlacing => {
            end(course.fate()).and_if(!broken!("operator_orphan_elsewhere"), CoolDown(facts.to))
        }
        Unassigned { .. } | Unplaced => stay(),
    }
}

/// An operator called the migration off. This is no failure: it counts neither against the task's kind nor the target.
fn called_off(course: Course, facts: &Facts) -> Step {
    let (to, cause) = (facts.to, Cause::Operator);
    match course {
        Releasing { from } | Leaving { from, .. } => end(Fate::Aborted).and(Abort(from, cause)),
        // The scheduler has the task already.
        WithScheduler { .. } => end(Fate::Aborted),
        Unassigned { .. } => end(Fate::Aborted).and(Requeue(cause)),
        // The target may have started the task: it is told to stop, and its answer decides.
        Assigned { from, released } => {
            enter(CallingOff { from, released, cause }).and(Abort(to, cause))
        }
        Placing => enter(CallingOffPlacing).and(Abort(to, cause)),
        Copying { from } => stop_copy(from, cause, facts),
        // Going on is the safest way to leave the task with some worker.
        Returning { .. } | Unplaced | Stopping { .. } | CallingOff { .. } | CallingOffPlacing => {
            stay()
        }
    }
}

fn diverted(course: Course, worker: WorkerId, task: TaskId, facts: &Facts) -> Step {
    if let Leaving { from, .. } | WithScheduler { from, .. } = course {
        return turned_up(from, worker, task, facts);
    }
    let mut step = end(Fate::Diverted);
    let asked = matches!(course, Stopping { .. }) || course.phase() == Phase::Assigned;
    if asked && worker != facts.to {
        step = step.and(Abort(facts.to, Cause::Elsewhere));
    }
    match course {
        Copying { from } | Stopping { from } if from != worker => {
            step = step.and(Stop(from, Cause::Elsewhere));
        }
        _ => {}
    }
    let arrives_as = if broken!("diverted_cooldown") { facts.task } else { task };
    step.and_if(!broken!("left_goes_with_the_name"), Rename(task)).and(Arrive(worker, arrives_as))
}

// ----------------------------------------------------------------- what snapshots show of the task

fn shown_at_source(course: Course, facts: &Facts) -> Step {
    match course {
        // The source released the task, and the scheduler put it back there.
        WithScheduler { from, .. } => turned_up(from, from, facts.task, facts),
        // Whatever was heard of its source, and of those that were asked since: it runs there.
        Unassigned { .. } if !broken!("home_that_fails_has_it") => end(Fate::Failed),
        CallingOff { released: None, cause, .. } if !broken!("called_off_at_home") => {
            end(course.fate()).and(Abort(facts.to, cause))
        }
        _ => stay(),
    }
}

fn shown_elsewhere(course: Course, worker: WorkerId, facts: &Facts) -> Step {
    let arrive = Arrive(worker, facts.task);
    match course {
        Leaving { from, .. } | WithScheduler { from, .. } => {
            turned_up(from, worker, facts.task, facts)
        }
        Releasing { .. } | Unassigned { .. } | Unplaced => end(Fate::Diverted).and(arrive),
        _ => end(Fate::Diverted).and(Abort(facts.to, Cause::Elsewhere)).and(arrive),
    }
}

/// The host may be further ahead than its reports say.
fn shown_in_phase(course: Course, phase: Phase, facts: &Facts) -> Step {
    match (course, phase) {
        (Copying { .. }, Phase::Releasing) => running(course, facts),
        (Copying { .. } | Stopping { .. }, Phase::Released)
        | (Releasing { .. } | Leaving { .. }, Phase::Released | Phase::Assigned) => {
            released(course, facts)
        }
        _ => stay(),
    }
}

/// No worker has the task, and its source has yet to answer this migration too: that answer would be taken for the
/// target's. So the task goes back to the scheduler.
fn let_go_before(course: Course, facts: &Facts) -> Step {
    let over = end(Fate::Failed);
    match course {
        Releasing { .. } => over.and(Requeue(Cause::Late)),
        Copying { .. } => over.and(Abort(facts.to, Cause::Over)).and(Requeue(Cause::Late)),
        _ => stay(),
    }
}

fn shown_orphaned(course: Course, unfit: Cause, facts: &Facts) -> Step {
    match course {
        // Its target has been told already: see `source_gone`.
        Copying { .. } => source_gone(course, false, unfit, facts),
        // Its copy does not run either. Its source has yet to answer, so another migration places the task.
        Stopping { .. } => end(Fate::Failed).and(Abort(facts.to, Cause::Over)),
        Releasing { .. } | Leaving { .. } | WithScheduler { .. } => end(Fate::Failed),
        _ => stay(),
    }
}

/// A task that no worker has may be missing for a while; a task that is missing on its source is done. (Whether a task
/// that was to be evicted is done is not known yet.)
fn missing(course: Course, facts: &Facts) -> Step {
    match course {
        Stopping { .. } if broken!("overlap_that_finished") => stay(),
        Releasing { .. } | Stopping { .. } => end(Fate::Finished),
        Copying { .. } => end(Fate::Finished).and(Abort(facts.to, Cause::Elsewhere)),
        Leaving { .. } => released(course, facts),
        _ => stay(),
    }
}

// -------------------------------------------------------------- what snapshots show of the workers

fn source_gone(course: Course, on_target: bool, unfit: Cause, facts: &Facts) -> Step {
    match course {
        Releasing { .. } | Leaving { .. } => end(Fate::Failed),
        Stopping { .. } if on_target => end(Fate::Completed).and(Arrive(facts.to, facts.task)),
        Stopping { .. } => source_lost(unfit, true, facts),
        // Its target has been told already. Told again, it could answer the first order, and carry out the second.
        Copying { .. } => source_lost(unfit, broken!("copy_is_ordered_twice"), facts),
        _ => stay(),
    }
}

fn target_gone(course: Course, unfit: Cause, facts: &Facts) -> Step {
    match course {
        Releasing { from } | Leaving { from, .. } => end(Fate::Aborted).and(Abort(from, unfit)),
        WithScheduler { .. } => stay(),
        _ => failed(course, Fate::Failed, facts),
    }
}

fn target_unfit(course: Course, unfit: Cause, just_assigned: bool, facts: &Facts) -> Step {
    match course {
        Releasing { from } | Leaving { from, .. } => end(Fate::Aborted).and(Abort(from, unfit)),
        Copying { from } if !broken!("overlap_is_called_off") => stop_copy(from, unfit, facts),
        Assigned { from, released } if just_assigned => {
            turn_back(from, released, Fate::Failed, facts).after(TakeOrderBack)
        }
        CallingOff { .. } if just_assigned => {
            turn_back_called_off(course, facts).after(TakeOrderBack)
        }
        // If its source may run the task still, to ask it is right, and another worker must not.
        Returning { from, released: Some(released), .. } if just_assigned => {
            enter(Unassigned { from, released: Some(released) }).and(TakeOrderBack)
        }
        _ => stay(),
    }
}

// ----------------------------------------------------------------------------- what time does to it

fn overdue(course: Course, shown: Shown, late: Cause, facts: &Facts) -> Step {
    let (to, fate) = (facts.to, Fate::TimedOut);
    // A task that is shown on its source stays there. An orphan, and a task that is shown on a lost worker, is
    // placed again in this round, and the scheduler must not start it too. A task that is missing may be with no
    // worker: the scheduler knows better.
    let may_be_there = course.from().is_some() && course.released().is_none();
    let is_leaving = shown == Shown::LeavingSource && may_be_there;
    let held = matches!(shown, Shown::AtSource | Shown::Elsewhere | Shown::Orphaned)
        || (is_leaving && !broken!("given_back_while_its_source_has_it"));
    let give_back = |step: Step| step.and_if(!held && !broken!("never_answered"), Requeue(late));
    match course {
        Releasing { from } | Leaving { from, .. } => end(fate).and(Abort(from, late)),
        WithScheduler { .. } => end(fate),
        Copying { from } => stop_copy(from, late, facts).after(RecordFailure),
        Stopping { from } if matches!(shown, Shown::AtSource | Shown::LeavingSource) => {
            keep(fate, from, late, facts)
        }
        // Nothing shows where it is, and perhaps no copy runs: its source is told again, and its answer decides. To ask
        // the target now could start the task while its source runs it. If no answer comes, the source keeps it.
        Stopping { from }
            if facts.is_copy_assumed
                && shown == Shown::Nowhere
                && !broken!("copy_assumed_for_ever") =>
        {
            if facts.is_exhausted && !broken!("stop_is_repeated_for_ever") {
                keep(fate, from, late, facts)
            } else {
                enter(Stopping { from }).and(Stop(from, late))
            }
        }
        // The copy runs, and nothing says that the source still runs the task; to stop it twice does no harm.
        Stopping { from } => end(Fate::Completed).and(Stop(from, late)).and(Arrive(to, facts.task)),
        // The task is back on its source, though no report said so.
        Returning { fate, .. } if shown == Shown::AtSource => end(fate),
        Returning { .. } | CallingOff { .. } | CallingOffPlacing => {
            let charged = broken!("operator_time_out");
            give_back(end(fate).and_if(charged, RecordFailure).and(Abort(to, late)))
        }
        Assigned { .. } | Placing => give_back(end(fate).and(RecordFailure).and(Abort(to, late))),
        Unassigned { .. } | Unplaced => give_back(end(fate)),
    }
}

// -------------------------------------------------------------------------- what a later life finds

/// After a restart the state may be old: the task is now on its way to `to`.
fn assigned_to(course: Course, to: WorkerId, facts: &Facts) -> Step {
    let moved = to != facts.to;
    let course = match (course, course.from()) {
        (Leaving { .. } | WithScheduler { .. }, _) => return stay(),
        (Copying { .. } | Stopping { .. }, _) if !moved => return stay(),
        (CallingOffPlacing, _) => CallingOffPlacing,
        (_, None) => Placing,
        (_, Some(from)) => {
            let released = course.released().or(Some(facts.at));
            let called_off = course.is_called_off();
            match course {
                Returning { fate, .. } if !moved => Returning { from, released, fate, called_off },
                // Only the engine sends a task back to its source.
                _ if moved && to == from => {
                    Returning { from, released, fate: Fate::Failed, called_off }
                }
                CallingOff { released, cause, .. } => CallingOff { from, released, cause },
                _ if called_off => {
                    CallingOff { from, released: course.released(), cause: Cause::Operator }
                }
                // Its copy was not to start: the host has not heard of that, and the source may still run it.
                Returning { released: None, .. } if !broken!("copy_called_off_unheard") => {
                    Copying { from }
                }
                _ => Assigned { from, released },
            }
        }
    };
    Step::of(Next::Resume(course, to))
}

// ------------------------------------------------------------------------- what several events share

/// The target does not run the task: back to the source if that takes it, or else to another target.
fn turn_back(from: WorkerId, released: Option<Timestamp>, fate: Fate, facts: &Facts) -> Step {
    if facts.source == Source::TakesBack && !broken!("back_to_the_source") {
        enter(Returning { from, released, fate, called_off: false }).and(Order)
    } else {
        enter(Unassigned { from, released })
    }
}

/// Like [`turn_back`], for a migration that is called off. A source that may run the task still is asked, whatever else
/// it takes: another worker would run the task too. A source that is gone runs nothing.
fn turn_back_called_off(course: Course, facts: &Facts) -> Step {
    let may_run = course.released().is_none() && !broken!("source_may_have_it");
    let is_asked = match facts.source {
        Source::TakesBack => true,
        Source::Closed => may_run,
        Source::Gone => false,
    };
    match course.called_back() {
        Returning { from, released, .. } if !is_asked => enter(Unassigned { from, released }),
        back => enter(back).and(Order),
    }
}

/// The target is told to forget the copy, and the source runs the task as before. After a restart the engine cannot be
/// sure of that, since the source may have stopped the task before: then the answer of the target decides.
fn stop_copy(from: WorkerId, cause: Cause, facts: &Facts) -> Step {
    let course = CallingOff { from, released: None, cause };
    let is_in_doubt = facts.is_inherited && !broken!("copy_in_doubt_is_waited_for");
    let step = if is_in_doubt { enter(course) } else { end(course.fate()) };
    step.and(Abort(facts.to, cause))
}

/// Its target says that the copy does not start: the source runs the task as before. After a restart the engine cannot
/// be sure of that, since the source may have released the task before; so it tells the source to run it.
fn not_started(from: WorkerId, fate: Fate, facts: &Facts) -> Step {
    if facts.is_inherited && !broken!("not_started_goes_home") {
        enter(Returning { from, released: None, fate, called_off: false }).and(Order)
    } else {
        end(fate)
    }
}

/// The copy is stopped, and the source keeps the task.
fn keep(fate: Fate, from: WorkerId, cause: Cause, facts: &Facts) -> Step {
    end(fate).and_if(!broken!("copy_stops"), Abort(facts.to, cause)).and(Abort(from, cause))
}

/// The source is gone, or has lost the task: the move becomes a placement on the target, which is ordered if the copy
/// was not. A target that has been told, or runs the copy, keeps it though it accepts no more tasks: it may have
/// started it.
fn source_lost(unfit: Cause, asks: bool, facts: &Facts) -> Step {
    let is_lost = match facts.target {
        Target::Gone => !broken!("gone_target_of_an_overlap"),
        Target::Closed => broken!("closed_target_of_an_overlap"),
        Target::Open => false,
    };
    if is_lost {
        enter(Unplaced).and(Abort(facts.to, unfit))
    } else {
        enter(Placing).and_if(asks, Order)
    }
}

/// A task that the host's scheduler had is now on `worker`, under the id `task`. If it is back on its source, it is
/// left alone for a while, longer each time.
fn turned_up(from: WorkerId, worker: WorkerId, task: TaskId, facts: &Facts) -> Step {
    let as_hinted = worker == facts.to && !broken!("hint_is_no_diversion");
    let fate = if as_hinted { Fate::Completed } else { Fate::Diverted };
    let is_elsewhere = worker != from;
    let well = (is_elsewhere || broken!("evicted_and_back_is_not_well"))
        && (as_hinted || !broken!("evicted_elsewhere_is_well"));
    let over = Step::of(Next::End { fate, well });
    if is_elsewhere {
        let forgotten = if broken!("late_word_of_a_name") { task } else { facts.task };
        let arrives_as = if broken!("evicted_name") { facts.task } else { task };
        over.and(ForgetBackOff(forgotten)).and(Rename(task)).and(Arrive(worker, arrives_as))
    } else {
        over.and(Rename(task)).and(NoteMove(from)).and(BackOff(task))
    }
}
