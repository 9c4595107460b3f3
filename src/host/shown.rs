//! What does a truthful snapshot show of a task?
//!
//! A host that remembers its commands shows a task as moving from the first command on, before the source has released
//! it. An engine that has lost its state needs this.

use super::task::moving;
use super::{Fences, HostedTask, Mail, Order};
use crate::model::time::Timestamp;
use crate::outcome::Action;
use crate::snapshot::{Phase, Placement};

impl HostedTask {
    /// The command that is still pending for a task that has not left its place; `None` if there is none.
    pub(crate) fn pending<'a, M>(
        &self,
        mail: &'a Mail<M>,
        fences: &Fences,
    ) -> Option<&'a Order<M>> {
        let is_on = |worker| self.task.placement == Placement::On(worker);
        mail.orders.iter().filter(|order| order.command.task == self.task.id).find(|order| {
            let at = match order.command.action {
                Action::Release { from, .. }
                | Action::Evict { from, .. }
                | Action::RequeueFor { from, .. }
                | Action::Stop { from } => is_on(from).then_some(from),
                Action::Start { from, to, .. } => {
                    (is_on(from) && self.copy.is_none()).then_some(to)
                }
                Action::Place { to, .. } | Action::Assign { to, .. } => {
                    (self.task.placement == Placement::Orphaned).then_some(to)
                }
                Action::Requeue | Action::Abort { .. } => None,
            };
            at.is_some_and(|at| !fences.refuse(&order.command, at))
        })
    }

    /// Where the task is, to a host that remembers its copy and the command that is pending.
    pub(crate) fn shown<M>(&self, pending: Option<&Order<M>>, now: Timestamp) -> Placement {
        match (self.task.placement, self.copy) {
            (Placement::On(from), Some(copy)) => {
                let since = pending.map_or(now, |order| order.given);
                moving(copy.migration, Some(from), copy.worker, Phase::Releasing, since)
            }
            (Placement::On(_) | Placement::Orphaned, _) => {
                pending.map_or(self.task.placement, about_to_move)
            }
            (truth, _) => truth,
        }
    }
}

/// The placement of a task that has not left its place yet and has been told to.
fn about_to_move<M>(order: &Order<M>) -> Placement {
    let (from, to, phase) = match order.command.action {
        Action::Release { from, to }
        | Action::RequeueFor { from, to }
        | Action::Evict { from, hint: to } => (Some(from), to, Phase::Releasing),
        Action::Start { from, to, .. } => (Some(from), to, Phase::Assigned),
        Action::Place { to, .. } | Action::Assign { to, .. } => (None, to, Phase::Assigned),
        Action::Stop { .. } | Action::Requeue | Action::Abort { .. } => return Placement::Unplaced,
    };
    moving(order.command.migration, from, to, phase, order.given)
}
