//! Which budgets does an interruption count to, and how much does it spend?
//!
//! A task of tenant 7 with a state of 2 GiB moves from w1 in zone 1 to w2 in zone 2: 1 move, 2 GiB, counted to the
//! global account, out of w1, into w2, between zones 1 and 2, to tenant 7, to its kind and to its reason. To a worker
//! in zone 1 it counts to no pair of zones. If the state lies on w2 already, it spends 1 move and 0 bytes.

use core::time::Duration;

use super::View;
use crate::config::Config;
use crate::model::ids::{KindId, WorkerId};
use crate::model::rows::TaskRow;
use crate::outcome::{Purpose, Reason};
use crate::snapshot::Task;
use crate::state::{Charge, Key, Migration, Spent};

/// What budgets need to know of an interruption.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interruption {
    /// The task's row; `None` if the snapshot does not list it.
    pub(crate) row: Option<TaskRow>,
    pub(crate) kind: KindId,
    pub(crate) from: WorkerId,
    pub(crate) to: WorkerId,
    /// `None` if an earlier life began it: its purpose is unknown.
    pub(crate) purpose: Option<Purpose>,
}

/// Which budgets an interruption counts to, and what it spends; `unstated_bytes` is the size assumed for a state of
/// unstated size.
pub(crate) fn charge(
    unstated_bytes: Option<u64>,
    view: &View<'_>,
    interruption: &Interruption,
) -> Charge {
    let Interruption { row, kind, from, to, purpose } = *interruption;
    let task = row.map(|row| view.task(row));
    let mut keys = alloc::vec![Key::Global, Key::Out(from), Key::In(to)];
    let zone = |worker| view.snapshot.worker(worker).and_then(|worker| worker.zone);
    if let (Some(a), Some(b)) = (zone(from), zone(to))
        && (a != b || broken!("budget_line_within_a_zone"))
    {
        keys.push(Key::Zones(a.min(b), a.max(b)));
    }
    let groups = row.map_or(&[][..], |row| view.groups_of(row)).iter();
    let groups = groups.skip(usize::from(broken!("budget_line_of_every_group")));
    keys.extend(groups.map(|index| Key::Group(view.snapshot.groups()[*index as usize].id)));
    if !broken!("budget_line_of_tenants") {
        keys.extend(task.and_then(|task| task.tenant).map(Key::Tenant));
    }
    if !broken!("budget_line_of_a_kind") {
        keys.push(Key::Kind(kind));
    }
    let counts_to = |reason: &Purpose| {
        let is_own = purpose.is_none_or(|purpose| purpose == *reason);
        is_own || broken!("budget_line_of_a_reason")
    };
    keys.extend(Purpose::BUDGETED.into_iter().filter(counts_to).map(Key::Reason));
    let unsized_move = Spent { moves: 1, unsized_moves: 1, ..NOTHING };
    Charge { keys, spent: task.map_or(unsized_move, |task| spent(unstated_bytes, view, task, to)) }
}

const NOTHING: Spent = Spent { moves: 0, bytes: 0, unsized_moves: 0, lost_millis: 0 };

/// What sending a task to a worker spends.
fn spent(unstated_bytes: Option<u64>, view: &View<'_>, task: &Task, to: WorkerId) -> Spent {
    let millis = |span: Duration| u64::try_from(span.as_micros().div_ceil(1_000));
    let lost = task.lost_work().unwrap_or_default();
    let zone = view.snapshot.worker(to).and_then(|worker| worker.zone);
    let unstated = if broken!("bytes_as_settings_say") { None } else { unstated_bytes };
    let is_there = task.is_reached(to, zone) && !broken!("bytes_that_lie_there");
    let bytes = if is_there { Some(0) } else { task.state_bytes.or(unstated) };
    Spent {
        moves: 1,
        bytes: bytes.unwrap_or(0),
        unsized_moves: u64::from(bytes.is_none()),
        lost_millis: millis(lost).unwrap_or(u64::MAX),
    }
}

/// Which budgets a migration under way counts to: the charge recorded when it began, or a charge computed now if none
/// was recorded. `None` if it interrupts nothing: an orphan is placed, or a task is queued again.
pub(crate) fn charge_of(config: &Config, view: &View<'_>, migration: &Migration) -> Option<Charge> {
    let is_inherited = migration.reason() == Reason::TakenOver;
    if migration.charge().is_some() || (is_inherited && broken!("budget_line_taken_over")) {
        return migration.charge().cloned();
    }
    let purpose = match migration.reason() {
        Reason::TakenOver if broken!("budget_line_taken_over_by_reason") => {
            Some(Purpose::Rebalance)
        }
        Reason::Recover | Reason::TakenOver => None,
        Reason::Drain { .. } | Reason::Leaves { .. } | Reason::Along { .. } => {
            Some(Purpose::Evacuate)
        }
        Reason::Faster { .. } => Some(Purpose::Upgrade),
        _ => Some(Purpose::Rebalance),
    };
    if !migration.interrupts() {
        return None;
    }
    let (kind, from, to) = (migration.kind(), migration.from()?, migration.to());
    let row = view.snapshot.task_row(migration.task());
    let interruption = Interruption { row, kind, from, to, purpose };
    Some(charge(config.unstated_bytes(), view, &interruption))
}
