//! Do the groups of the task allow the move: affinity, anti-affinity, spread, gang and disruption budget?

use super::rule::{Answer, Pair};
use crate::model::ids::{GroupId, TaskId};
use crate::model::rows::{TaskRow, WorkerRow};
use crate::outcome::{GroupRefusal, Purpose};
use crate::round::{Fit, Round};
use crate::snapshot::{Group, GroupRule};
use crate::view::{Elsewhere, Ledger, Place, View};

/// The groups that a task is in, each with its index.
fn groups_of<'a>(
    round: &Round<'a>,
    row: TaskRow,
) -> impl Iterator<Item = (u32, &'a Group)> + use<'a> {
    let groups = round.view.groups_of(row).iter().copied();
    let view = round.view;
    groups.map(move |index| (index, &view.snapshot.groups()[index as usize]))
}

/// At most as many members are unavailable as the group allows, whatever the cause.
pub(super) fn disruption_budget(round: &Round<'_>, row: TaskRow, _: Purpose) -> Answer {
    // A task without a worker is unavailable already.
    let leaves = matches!(round.ledger.places[row], Place::On(_));
    if !leaves && !broken!("disruption_spares_recovery") {
        return Ok(());
    }
    // The task that leads a set is asked for the whole set; once the leader has gone, each task is asked for itself.
    let leads = round.companions.leader(row) == row;
    let others = |index: u32| {
        if !leads {
            return 0;
        }
        let go_along = round.companions.of(row).filter(|(other, _)| {
            round.is_interrupted(*other) && round.view.groups_of(*other).contains(&index)
        });
        u32::try_from(go_along.count()).unwrap_or(u32::MAX)
    };
    for (index, group) in groups_of(round, row) {
        let GroupRule::Disruption { max_unavailable: most } = group.rule else { continue };
        let unavailable =
            round.ledger.unavailable[index as usize].saturating_add(1 + others(index));
        if unavailable > most {
            return Err(GroupRefusal::Disruption { group: group.id, unavailable, most }.into());
        }
    }
    Ok(())
}

/// A gang is interrupted together, and only to empty a worker.
pub(super) fn gang_stays_whole(round: &Round<'_>, row: TaskRow, _: Purpose) -> Answer {
    if !matches!(round.ledger.places[row], Place::On(_)) {
        return Ok(());
    }
    match groups_of(round, row).find(|(_, group)| group.rule == GroupRule::Gang) {
        Some((_, group)) => Err(GroupRefusal::Gang { group: group.id }.into()),
        None => Ok(()),
    }
}

/// Where members move together, it is known of each where it is.
pub(super) fn members_are_known(round: &Round<'_>, row: TaskRow, _: Purpose) -> Answer {
    for index in round.view.groups_of(row) {
        if let Some(task) = round.view.unknown_members.get(index).copied() {
            let group = round.view.snapshot.groups()[*index as usize].id;
            return Err(GroupRefusal::UnknownMember { group, task }.into());
        }
    }
    Ok(())
}

/// A task of a group that stays together may go to a worker where a member is, or leave with all of them: companions
/// on the same worker move with the task, so they do not hold it back.
pub(super) fn affinity(round: &Round<'_>, pair: &Pair, _: Fit) -> Answer {
    let own = (round.task_id(pair.row), round.ledger.places[pair.row].ends()[0]);
    for (index, group) in groups_of(round, pair.row) {
        if group.rule != GroupRule::Affinity {
            continue;
        }
        if let Some(elsewhere) = round.ledger.groups.elsewhere(index, own, pair.to) {
            let worker = match elsewhere {
                Elsewhere::Listed(worker) => round.worker_id(worker),
                Elsewhere::Unlisted(worker) => worker,
            };
            return Err(GroupRefusal::Affinity { group: group.id, worker }.into());
        }
    }
    Ok(())
}

/// No other member is on the worker, on its way there, or on its way from there.
pub(super) fn anti_affinity(round: &Round<'_>, pair: &Pair, _: Fit) -> Answer {
    match kept_apart(round.view, round.ledger, pair.row, pair.to) {
        Some((group, task)) => Err(GroupRefusal::AntiAffinity { group, task }.into()),
        None => Ok(()),
    }
}

/// The first group that keeps a task apart from a task that counts on this worker, and that task.
pub(super) fn kept_apart(
    view: &View<'_>,
    ledger: &Ledger,
    row: TaskRow,
    to: WorkerRow,
) -> Option<(GroupId, TaskId)> {
    let own = view.task(row).id;
    view.groups_of(row).iter().find_map(|index| {
        let group = &view.snapshot.groups()[*index as usize];
        let keeps_apart = group.rule == GroupRule::AntiAffinity;
        let other = ledger.groups.occupant(*index, own, to).filter(|_| keeps_apart)?;
        Some((group.id, other))
    })
}

/// The group is spread at most as unevenly as it may be. A group that is too uneven already may be repaired, never
/// made worse.
pub(super) fn spread_over_domains(round: &Round<'_>, pair: &Pair, _: Fit) -> Answer {
    let place = round.ledger.places[pair.row];
    for (index, group) in groups_of(round, pair.row) {
        let GroupRule::Spread { max_skew, .. } = group.rule else { continue };
        let most = max_skew.get();
        let skew = round.ledger.groups.broken_skew(index, place, pair.to, most);
        if let Some(skew) = skew {
            return Err(GroupRefusal::Spread { group: group.id, skew, most }.into());
        }
    }
    Ok(())
}
