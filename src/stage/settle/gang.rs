//! A gang of which one stays: as long as no source has let any of the others go, they stay too.

use alloc::vec::Vec;

use crate::config::Config;
use crate::model::ids::TaskId;
use crate::outcome::{Action, Fate, Reason};
use crate::snapshot::{Group, GroupRule, Phase, Snapshot};
use crate::state::{Flight, Remembered, State, Way};

use super::Settled;
use super::turn::end;

/// Calls off what is under way of every gang of which one has not been let go and will not be. Of what is called off
/// for one gang another may be torn.
pub(super) fn keep_whole(
    config: &Config,
    state: &mut State,
    snapshot: &Snapshot,
    settled: &mut Settled,
) {
    let gangs = snapshot.groups().iter().filter(|group| group.rule == GroupRule::Gang);
    let mut again = true;
    while core::mem::take(&mut again) {
        for group in gangs.clone() {
            for flight in left_behind(state, group) {
                let Some(worker) = flight.from else { continue };
                settled.command(
                    &flight,
                    Action::Abort { worker },
                    Reason::Along { group: group.id },
                );
                end(config, state, &flight, Fate::Aborted, snapshot.at(), settled);
                again = true;
            }
        }
    }
}

/// The migrations of a gang that is torn, if all of it is still where it was: once one is gone, the others
/// follow it.
fn left_behind(state: &State, group: &Group) -> Vec<Flight> {
    let flights = || group.members.iter().filter_map(|member| state.flights.get(member));
    // They were asked together: what was asked before is of another time.
    let Some(asked) = flights().map(|flight| flight.started).min() else { return Vec::new() };
    let stayed = |task: TaskId| {
        let of_then = |it: &Remembered| it.task == task && it.asked == Some(asked);
        state.ended.iter().any(of_then)
    };
    let is_here = |flight: &Flight| {
        let direct = flight.way == Way::Direct && flight.from.is_some();
        let here = flight.phase == Phase::Releasing && flight.released.is_none();
        direct && here && flight.started == asked
    };
    let resting = || group.members.iter().filter(|member| !state.flights.contains_key(*member));
    let torn = resting().next().is_some() && resting().all(|member| stayed(*member));
    if torn && flights().all(is_here) { flights().cloned().collect() } else { Vec::new() }
}
