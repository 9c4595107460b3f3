//! What an interruption counts to, and how much it is: for budgets.

use core::time::Duration;

use super::View;
use crate::config::Config;
use crate::model::ids::{KindId, WorkerId};
use crate::model::rows::TaskRow;
use crate::outcome::{Purpose, Reason};
use crate::snapshot::Task;
use crate::state::{Charge, Key, Migration, Spent};

/// Who interrupts what, as far as budgets care.
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

/// What an interruption counts to, and how much it is; `unstated_bytes` is the size of a state that nobody
/// states.
pub(crate) fn charge(
    unstated_bytes: Option<u64>,
    view: &View<'_>,
    interruption: &Interruption,
) -> Charge {
    let Interruption { row, kind, from, to, purpose } = *interruption;
    let task = row.map(|row| view.task(row));
    let mut keys = alloc::vec![Key::Global, Key::Out(from), Key::In(to)];
    let zone = |worker| view.snapshot.worker(worker).and_then(|worker| worker.zone);
    if let Some((a, b)) = zone(from).zip(zone(to)).filter(|(a, b)| a != b) {
        keys.push(Key::Zones(a.min(b), a.max(b)));
    }
    let groups = row.map_or(&[][..], |row| view.groups_of(row));
    keys.extend(groups.iter().map(|index| Key::Group(view.snapshot.groups()[*index as usize].id)));
    keys.extend(task.and_then(|task| task.tenant).map(Key::Tenant));
    keys.push(Key::Kind(kind));
    let purposes = Purpose::BUDGETED.into_iter();
    let purposes = purposes.filter(|any| purpose.is_none_or(|purpose| purpose == *any));
    keys.extend(purposes.map(Key::Reason));
    let unsized_move = Spent { moves: 1, unsized_moves: 1, ..NOTHING };
    Charge { keys, spent: task.map_or(unsized_move, |task| spent(unstated_bytes, view, task, to)) }
}

const NOTHING: Spent = Spent { moves: 0, bytes: 0, unsized_moves: 0, lost_millis: 0 };

/// What sending a task somewhere is.
fn spent(unstated_bytes: Option<u64>, view: &View<'_>, task: &Task, to: WorkerId) -> Spent {
    let millis = |span: Duration| u64::try_from(span.as_micros().div_ceil(1_000));
    let lost = task.lost_work().unwrap_or_default();
    let zone = view.snapshot.worker(to).and_then(|worker| worker.zone);
    let stated = || task.state_bytes.or(unstated_bytes);
    let bytes = if task.is_reached(to, zone) { Some(0) } else { stated() };
    Spent {
        moves: 1,
        bytes: bytes.unwrap_or(0),
        unsized_moves: u64::from(bytes.is_none()),
        lost_millis: millis(lost).unwrap_or(u64::MAX),
    }
}

/// What a migration under way counts to: as it was written down when it began, or, where no budget was in
/// force then, as it looks now. Nothing for the placement of an orphan, nor for what is queued again.
pub(crate) fn charge_of(config: &Config, view: &View<'_>, flight: &Migration) -> Option<Charge> {
    if flight.charge().is_some() {
        return flight.charge().cloned();
    }
    let purpose = match flight.reason() {
        Reason::Recover | Reason::TakenOver => None,
        Reason::Drain { .. } | Reason::Leaves { .. } | Reason::Along { .. } => {
            Some(Purpose::Evacuate)
        }
        Reason::Faster { .. } => Some(Purpose::Upgrade),
        _ => Some(Purpose::Rebalance),
    };
    let (kind, to) = (flight.kind(), flight.to());
    let row = view.snapshot.task_row(flight.task());
    let from = flight.from().filter(|_| flight.interrupts())?;
    let interruption = Interruption { row, kind, from, to, purpose };
    Some(charge(config.unstated_bytes(), view, &interruption))
}
