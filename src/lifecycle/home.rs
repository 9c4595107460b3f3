//! Does the source of a task that is about to be sent home still take it?
//!
//! The engine keeps the room there while the task is away. What it cannot prevent: the host's scheduler has started
//! another task on the source, or the source has reserved more for itself. Then the task goes to another worker.

use alloc::vec::Vec;

use super::apart;
use super::apply::Lifecycle;
use super::event::Event;
use super::observed::Observation;
use super::room::{Sent, lacking, rooms, take};
use crate::model::ids::MigrationId;
use crate::model::rows::Row;
use crate::outcome::{Action, Cause};
use crate::snapshot::{Placement, Snapshot};
use crate::view::UnderWay;

impl Lifecycle<'_> {
    /// The orders of this input that would send a task home to a source that has no room for it, or that runs a task
    /// from which it is kept apart.
    pub(super) fn unfit_homes(
        &self,
        snapshot: &Snapshot,
        all: &[UnderWay<'_>],
    ) -> Vec<Observation> {
        let sent = self.just_sent_home();
        if sent.is_empty() || broken!("home_is_not_asked") {
            return Vec::new();
        }
        let is_sent = |own: &UnderWay<'_>| sent.contains(&(own.migration.id(), own.migration.to()));
        let is_there = |own: &UnderWay<'_>| {
            let record = own.task.map(|row| &snapshot.tasks()[row.position()]);
            record.is_some_and(|task| task.placement == Placement::On(own.migration.to()))
        };
        let bound = all.iter().filter(|own| own.is_bound() && !is_there(own));
        let (mut home, others): (Vec<&UnderWay<'_>>, Vec<_>) = bound.partition(|own| is_sent(own));
        home.sort_unstable_by_key(|own| own.migration.id());
        let mut rooms = rooms(all, &sent, snapshot);
        others.into_iter().for_each(|own| take(&mut rooms, own));
        let met = apart::meetings(self.state, snapshot, (all, &sent));
        let unfit = home.into_iter().filter_map(|own| {
            let (id, worker) = (own.migration.id(), own.migration.to());
            let met = met.get(&own.migration.task());
            let holds = met.map(|task| Cause::TargetHolds { worker, task: *task });
            let unfit = holds.or_else(|| lacking(snapshot, &rooms, own));
            if unfit.is_none() {
                take(&mut rooms, own);
            }
            let event = Event::TargetUnfit { unfit: unfit?, just_assigned: true };
            Some((id, event, snapshot.at()))
        });
        unfit.collect()
    }

    /// The migrations that this input has sent home.
    fn just_sent_home(&self) -> Sent {
        let orders = self.out.commands.iter().filter_map(|command| match command.action {
            Action::Assign { to, .. } => Some((command.migration, to)),
            _ => None,
        });
        let is_homeward = |(id, to): &(MigrationId, _)| {
            let migration = self.state.in_flight.by_id(*id);
            migration.is_some_and(|it| it.is_returning() && it.to() == *to)
        };
        orders.filter(is_homeward).collect()
    }
}
