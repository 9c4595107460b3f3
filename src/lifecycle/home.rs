//! Does the source of a task that is to go home still take it?
//!
//! The engine keeps the room there while the task is away. What it cannot prevent: the host's scheduler has started
//! another task on the source, or the source has reserved more for itself. Then the task goes to another worker.
//! A task that goes home comes before those that have yet to leave for the same worker, since no worker has it.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::apart::{Going, meetings};
use super::apply::Lifecycle;
use super::event::Event;
use super::room::{Rooms, Sent, is_told, lacking, rooms_on, take};
use super::unfit::{closure, outside, unsuited};
use crate::model::ids::{MigrationId, TaskId, WorkerId};
use crate::model::rows::Row;
use crate::outcome::Cause;
use crate::snapshot::{Placement, Snapshot};
use crate::state::{Migration, Track};
use crate::view::UnderWay;

/// What the sources of the tasks that may go home can take.
#[derive(Debug)]
pub(super) struct Homes {
    /// What is claimed there: by the tasks there, by those that were told to come, and by those that go home.
    rooms: Rooms,
    /// Who would meet a task from which it is kept apart.
    met: BTreeMap<TaskId, TaskId>,
    /// The tasks that this input has sent home already, in the order in which they began to move.
    pub(super) sent: Vec<TaskId>,
}

impl Lifecycle<'_> {
    /// The homes of the tasks for which `may_return` says so, and of those that this input has sent home already.
    pub(super) fn homes(
        &self,
        snapshot: &Snapshot,
        (all, sent): (&[UnderWay<'_>], &Sent),
        may_return: impl Fn(&Migration) -> bool,
    ) -> Homes {
        let ordered: BTreeSet<(MigrationId, WorkerId)> = self
            .out
            .commands
            .iter()
            .filter_map(|command| Some((command.migration, command.action.asks()?)))
            .collect();
        let is_sent = |own: &UnderWay<'_>| {
            let order = (own.migration.id(), own.migration.to());
            own.migration.is_returning() && ordered.contains(&order)
        };
        let may_go = |own: &&UnderWay<'_>| {
            let is_away = own.from.is_some() && !own.is_at_its_source;
            is_away && (is_sent(own) || may_return(own.migration))
        };
        let away: Vec<&UnderWay<'_>> = all.iter().filter(may_go).collect();
        if away.is_empty() {
            let rooms = rooms_on([].into_iter(), self.state, snapshot, all);
            return Homes { rooms, met: BTreeMap::new(), sent: Vec::new() };
        }
        // What has yet to leave its source is in nobody's way elsewhere: it can stay.
        let going = || -> Going {
            let at_home = all.iter().filter(|own| own.is_at_its_source);
            let going = away.iter().copied().chain(at_home).map(|own| own.migration);
            going.filter_map(|it| Some((it.task(), (it.id(), it.from()?)))).collect()
        };
        let met = meetings(self.state, snapshot, going);
        let mut rooms = rooms_on(away.iter().filter_map(|own| own.from), self.state, snapshot, all);
        // An order that has not left the engine is asked after what goes home.
        let is_told = |own: &&UnderWay<'_>| {
            let order = (own.migration.id(), own.migration.to());
            let has_left = !sent.contains(&order) || broken!("unsent_order_has_its_room");
            is_told(own.migration) && has_left && !is_sent(own) && !is_there(snapshot, own)
        };
        all.iter().filter(is_told).for_each(|own| take(&mut rooms, own));
        let mut home: Vec<&UnderWay<'_>> = away.into_iter().filter(|own| is_sent(own)).collect();
        home.sort_unstable_by_key(|own| own.migration.id());
        let sent = home.into_iter().map(|own| own.migration.task()).collect();
        Homes { rooms, met, sent }
    }

    /// Takes room at home for a task that has just been sent there. A source that is closed to it, has no room, or
    /// runs a task from which it is kept apart does not get it.
    pub(super) fn ask_home(&mut self, snapshot: &Snapshot, homes: &mut Homes, task: TaskId) {
        let Some(migration) = self.state.in_flight.get(&task) else { return };
        let (id, worker) = (migration.id(), migration.to());
        let own = UnderWay::of(migration, snapshot.task_row(task), snapshot);
        if !migration.is_returning() || is_there(snapshot, &own) || broken!("home_is_not_asked") {
            return;
        }
        let met = homes.met.get(&task);
        let holds = || met.map(|task| Cause::TargetHolds { worker, task: *task });
        let full = || lacking(snapshot, &homes.rooms, &own);
        match self.closed_home(snapshot, &own).or_else(holds).or_else(full) {
            Some(unfit) => {
                let event = Event::TargetUnfit { unfit, just_assigned: true };
                self.apply(id, event, snapshot.at());
            }
            None => take(&mut homes.rooms, &own),
        }
    }

    /// Why a source does not take a task back, whatever else is there. A report that rides in the snapshot is answered
    /// by what the last one showed.
    fn closed_home(&self, snapshot: &Snapshot, own: &UnderWay<'_>) -> Option<Cause> {
        let worker = own.migration.to();
        let takes_back = self.state.tracks.get(&worker).is_some_and(Track::takes_back);
        if !takes_back && !broken!("home_that_closes_with_the_word") {
            return Some(closure(snapshot, worker));
        }
        outside(snapshot, own).or_else(|| unsuited(snapshot, own))
    }
}

/// Whether the snapshot shows the task on the worker that it is on its way to.
fn is_there(snapshot: &Snapshot, own: &UnderWay<'_>) -> bool {
    let record = own.task.map(|row| &snapshot.tasks()[row.position()]);
    record.is_some_and(|task| task.placement == Placement::On(own.migration.to()))
}
