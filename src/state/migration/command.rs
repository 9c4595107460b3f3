//! What should the host be doing for a migration now?

use super::{Course, Migration, Terms};
use crate::outcome::{Action, Cause, Command, Why};
use crate::state::course::Handoff;

impl Migration {
    /// The command that the host should be carrying out for the migration now; `None` if there is none.
    pub(crate) fn command(&self) -> Option<Command> {
        let Terms { to, device, reason, .. } = self.terms;
        let begun = Why::Begun(reason);
        let (action, why) = match self.course {
            Course::Releasing { from } => (Action::Release { from, to }, begun),
            // Whether the target was told to run it is no matter: its answer decides.
            Course::CallingOff { cause, .. } if !broken!("called_off_stays_called_off") => {
                (Action::Abort { worker: to }, Why::Follows(cause))
            }
            Course::CallingOffPlacing if !broken!("called_off_stays_called_off") => {
                (Action::Abort { worker: to }, Why::Follows(Cause::Operator))
            }
            Course::Assigned { .. } | Course::CallingOff { .. } => {
                (Action::Assign { to, device }, Why::Follows(Cause::Released))
            }
            Course::Returning { .. } => {
                (Action::Assign { to, device }, Why::Follows(Cause::Return))
            }
            Course::Placing | Course::CallingOffPlacing if self.attempts <= 1 => {
                (Action::Place { to, device }, begun)
            }
            Course::Placing | Course::CallingOffPlacing => (Action::Assign { to, device }, begun),
            Course::Copying { from } => (Action::Start { from, to, device }, begun),
            Course::Stopping { from } if broken!("overlap_outstanding") => {
                (Action::Release { from, to }, begun)
            }
            Course::Stopping { from } => (Action::Stop { from }, Why::Follows(Cause::Copied)),
            Course::Leaving { from, by: Handoff::Evict } => {
                (Action::Evict { from, hint: to }, begun)
            }
            Course::WithScheduler { from, by: Handoff::Evict, .. }
                if broken!("evicted_is_the_schedulers") =>
            {
                (Action::Evict { from, hint: to }, begun)
            }
            Course::Leaving { from, by: Handoff::Requeue } => {
                (Action::RequeueFor { from, to }, begun)
            }
            Course::Unassigned { .. } | Course::Unplaced | Course::WithScheduler { .. } => {
                return None;
            }
        };
        // The price was computed for the way there, not for the way back.
        let is_reckoned =
            (!self.is_placement() && !self.is_returning()) || broken!("price_of_the_way_back");
        let handover = if is_reckoned { self.terms.handover } else { None };
        Some(Command {
            action,
            alternative: self.terms.alternative,
            handover,
            ..self.note(action, why)
        })
    }

    /// A command about this migration that is not one of its steps.
    pub(crate) const fn note(&self, action: Action, why: Why) -> Command {
        let Terms { id: migration, task, scorecard, .. } = self.terms;
        Command { migration, task, action, why, scorecard, alternative: None, handover: None }
    }
}
