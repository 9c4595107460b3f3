//! What is the name of a transition, in the printed table and in the test that breaks one?
//!
//! `Releasing x reported released` is the transition of a migration in the course `Releasing` when its
//! source reports that it has released the task.

use crate::model::ids::WorkerId;
use crate::snapshot::Phase;
use crate::state::Course;

use super::event::{Event, Shown};

/// The name of a course, whatever its fields.
pub(super) const fn course(course: Course) -> &'static str {
    match course {
        Course::Releasing { .. } => "Releasing",
        Course::Assigned { .. } => "Assigned",
        Course::CallingOff { .. } => "CallingOff",
        Course::Returning { .. } => "Returning",
        Course::Unassigned { .. } => "Unassigned",
        Course::Placing => "Placing",
        Course::CallingOffPlacing => "CallingOffPlacing",
        Course::Unplaced => "Unplaced",
        Course::Copying { .. } => "Copying",
        Course::Stopping { .. } => "Stopping",
        Course::Leaving { .. } => "Leaving",
        Course::WithScheduler { .. } => "WithScheduler",
    }
}

/// The name of a variant of a course whose transitions may differ from the course's; `None` otherwise.
pub(super) const fn variant(course: Course) -> Option<&'static str> {
    match course {
        Course::Returning { called_off: true, .. } => Some("Returning, called off"),
        Course::Assigned { released: None, .. } => Some("Assigned, release unknown"),
        Course::CallingOff { released: None, .. } => Some("CallingOff, release unknown"),
        Course::Returning { released: None, .. } => Some("Returning, release unknown"),
        Course::Unassigned { released: None, .. } => Some("Unassigned, release unknown"),
        _ => None,
    }
}

/// The name of an event of a migration in this course that goes to `to`.
pub(super) fn event(event: Event, course: Course, to: WorkerId) -> &'static str {
    let is_source = |worker| course.from() == Some(worker);
    match event {
        Event::Released => "reported released",
        Event::Running => "reported running",
        Event::Failed(_) => "reported failed or refused",
        Event::CalledOff => "called off by an operator",
        Event::Diverted { worker, .. } if is_source(worker) => "reported on its source",
        Event::Diverted { worker, .. } if worker == to => "reported on its target",
        Event::Diverted { .. } => "reported elsewhere",
        Event::ShownAtSource => "shown on its source",
        Event::ShownAtTarget => "shown on its target",
        Event::ShownElsewhere { .. } => "shown elsewhere",
        Event::ShownInPhase(Phase::Releasing) => "shown as releasing",
        Event::ShownInPhase(Phase::Released) => "shown as released",
        Event::ShownInPhase(Phase::Assigned) => "shown as assigned",
        Event::LetGoBefore => "shown as released for an earlier migration",
        Event::ShownQueued => "shown in a queue",
        Event::ShownOrphaned { .. } => "shown without a worker",
        Event::Missing => "missing",
        Event::SourceGone { on_target: false, .. } => "source gone",
        Event::SourceGone { on_target: true, .. } => "source gone, shown on its target",
        Event::TargetGone { .. } => "target gone",
        Event::TargetUnfit { just_assigned: false, .. } => "target unfit",
        Event::TargetUnfit { just_assigned: true, .. } => "target unfit, order not yet sent",
        Event::GroupStays { .. } => "group stays",
        Event::Superseded => "later life: another migration followed",
        Event::HomeAgain => "later life: on its source again",
        Event::AssignedTo { to: now } if now == to => "found assigned to the same worker",
        Event::AssignedTo { to: now } if is_source(now) => "found assigned to its source",
        Event::AssignedTo { .. } => "found assigned elsewhere",
        Event::Overdue { shown, .. } => match shown {
            Shown::AtSource => "overdue, shown on its source",
            Shown::LeavingSource => "overdue, shown leaving its source",
            Shown::Elsewhere => "overdue, shown elsewhere",
            Shown::Orphaned => "overdue, shown without a worker",
            Shown::Nowhere => "overdue, shown nowhere",
        },
    }
}

/// Whether a test has broken the transition of this event in this course, or in this variant of the course.
#[cfg(feature = "mutants")]
pub(super) fn is_broken(of: Course, what: Event, to: WorkerId) -> bool {
    let what = event(what, of, to);
    let mut courses = core::iter::once(course(of)).chain(variant(of));
    courses.any(|course| broken!(&[course, what].join(" x ")))
}
