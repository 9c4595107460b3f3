//! Who will not be gone in time from a worker that leaves?
//!
//! As things stand: what is under way goes on; what nothing stops, or what will be over by itself,
//! has its turn in the rounds to come, by deadline, as many in each as began in this one (one at
//! least). What our own moves under way stop, these will be over; what a budget over time has
//! spent, it has back after its whole time.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::config::{Config, Mode};
use crate::handover;
use crate::model::ids::GroupId;
use crate::model::time::Timestamp;
use crate::outcome::{Late, Rejection, Remedy};
use crate::snapshot::Stance;
use crate::state::State;
use crate::view::{Errand, Place, Planned, Seat, View};

pub(super) fn late(
    config: &Config,
    state: &State,
    view: &View<'_>,
    plan: &[Planned],
    stuck: &[(usize, Option<Rejection>)],
) -> Vec<Late> {
    let leaves = |seat: Seat| {
        view.workers[seat].leaves.filter(|_| view.workers[seat].stance == Stance::Drain)
    };
    if !(0..view.workers.len()).any(|seat| leaves(seat).is_some()) {
        return Vec::new();
    }
    let at = view.snapshot.at();
    let advised = plan.iter().filter(|_| config.mode == Mode::Advise);
    let proposed: BTreeSet<usize> = advised.map(|planned| planned.row).collect();
    let stuck: BTreeMap<usize, Option<Rejection>> = stuck.iter().copied().collect();
    let (mut late, mut waiting): (Vec<Late>, Vec<(Timestamp, Late)>) = (Vec::new(), Vec::new());
    for row in 0..view.snapshot.tasks().len() {
        let (Place::On(seat) | Place::Moving { from: Some(seat), .. }) = view.ledger.places[row]
        else {
            continue;
        };
        let Some(deadline) = leaves(seat) else { continue };
        let task = view.task(row);
        if task.ends_by(at, deadline) {
            continue;
        }
        let section = config.transfer.as_ref();
        let needs_secs = section.and_then(|it| handover::leaving_secs(it, view, task, seat));
        let new = Late { needs_secs, ..Late::new(task.id, view.worker_id(seat), deadline) };
        match view.ledger.places[row] {
            Place::Moving { .. } => {
                // What is proposed counts as if it were done.
                let leaving = match state.flights.get(&task.id) {
                    Some(flight) => flight.is_at_its_source().then_some(flight.started),
                    None => proposed.contains(&row).then_some(at),
                };
                late.extend(leaving.map(|began| new.begun(began, at)));
            }
            _ => match stuck.get(&row) {
                None => waiting.push((at, new)),
                Some(no) => match no.as_ref().and_then(|no| over(state, view, no)) {
                    Some(over) if over < deadline => waiting.push((over, new)),
                    _ => late.push(Late { stopped: *no, ..new }),
                },
            },
        }
    }
    waiting.sort_by_key(|(_, it)| (it.deadline, it.task));
    let begun = plan.iter().filter(|planned| planned.errand == Errand::Drain).count();
    let begun = u32::try_from(begun.max(1)).unwrap_or(u32::MAX);
    for (nth, (over, it)) in (0_u32..).zip(waiting) {
        let turn = at.after(config.check_interval.saturating_mul(1 + nth / begun));
        late.push(it.begun(turn.max(over), at));
    }
    late.retain(|it| it.gone.is_none_or(|gone| gone > it.deadline));
    late.sort_by_key(|it| (it.deadline, it.task));
    late
}

/// When what stops it is over, if it will be by itself.
fn over(state: &State, view: &View<'_>, no: &Rejection) -> Option<Timestamp> {
    let at = view.snapshot.at();
    let ours = |id: GroupId| {
        let group = view.snapshot.groups().iter().filter(|group| group.id == id);
        let members = group.flat_map(|group| &group.members);
        members.filter(|member| state.flights.contains_key(member)).count()
    };
    match *no {
        Rejection::Disruption { group, unavailable, most } => {
            (unavailable as usize <= most as usize + ours(group)).then_some(at)
        }
        Rejection::Companion { task, .. } => state.flights.contains_key(&task).then_some(at),
        Rejection::BudgetSpent { .. }
        | Rejection::SourceBusy { .. }
        | Rejection::TargetBusy { .. } => Some(at),
        // What is more than the whole budget never has its turn.
        Rejection::BudgetLine { per, spent, over, .. } => {
            (over <= spent).then(|| at.after(per.unwrap_or_default()))
        }
        _ => match no.remedy() {
            Remedy::WaitUntil(until) => Some(until),
            _ => None,
        },
    }
}
