//! Who will not be gone in time from a worker that leaves?
//!
//! As things stand: what is under way goes on, what nothing stops has its turn in the rounds to
//! come, by deadline, as many in each as began in this one (one at least).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::config::{Config, Mode};
use crate::handover;
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
    let (mut late, mut waiting): (Vec<Late>, Vec<Late>) = (Vec::new(), Vec::new());
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
                Some(Some(no)) if waits(no, deadline) => waiting.push(new),
                Some(stopped) => late.push(Late { stopped: *stopped, ..new }),
                None => waiting.push(new),
            },
        }
    }
    waiting.sort_by_key(|it| (it.deadline, it.task));
    let begun = plan.iter().filter(|planned| planned.errand == Errand::Drain).count();
    let begun = u32::try_from(begun.max(1)).unwrap_or(u32::MAX);
    for (nth, it) in (0_u32..).zip(waiting) {
        let turn = at.after(config.check_interval.saturating_mul(1 + nth / begun));
        late.push(it.begun(turn, at));
    }
    late.retain(|it| it.gone.is_none_or(|gone| gone > it.deadline));
    late.sort_by_key(|it| (it.deadline, it.task));
    late
}

/// Whether what stops it will be over in time by itself.
fn waits(no: &Rejection, deadline: Timestamp) -> bool {
    matches!(no.remedy(), Remedy::WaitUntil(until) if until < deadline)
}
