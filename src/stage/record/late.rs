//! Who will not be gone in time from a worker that leaves?
//!
//! As things stand, and at the earliest: what is under way goes on; what nothing stops, or only a
//! disruption budget that our own moves have taken up, has its turn in the rounds to come, by
//! deadline, as many in each as began in this one (one at least); what waits for a moment, or for
//! a budget over time, has it then.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::config::{Budget, Config};
use crate::model::ids::GroupId;
use crate::model::rows::{TaskRow, WorkerRow};
use crate::model::time::Timestamp;
use crate::outcome::{Late, Purpose, Rejection, Remedy};
use crate::round::{Plan, PlannedMove};
use crate::rules;
use crate::snapshot::{Group, GroupRule, Stance};
use crate::state::{Migration, State};
use crate::view::{Interruption, Ledger, Place, View, charge};

/// Whether any worker leaves and is to be emptied.
pub(super) fn is_asked(view: &View<'_>) -> bool {
    view.worker_rows().any(|worker| leaves(view, worker).is_some())
}

/// When a worker leaves that is to be emptied.
fn leaves(view: &View<'_>, worker: WorkerRow) -> Option<Timestamp> {
    let worker = &view.workers[worker];
    worker.departs_at.filter(|_| worker.stance == Stance::Drain)
}

pub(super) fn late(
    config: &Config,
    state: &State,
    (view, ledger): (&View<'_>, &Ledger),
    plan: &Plan,
) -> Vec<Late> {
    if !is_asked(view) {
        return Vec::new();
    }
    let at = view.snapshot.at();
    let stuck = &plan.stuck;
    let stops = Stops { config, state, view, ledger, stuck, ours: ours(state, view) };
    let (mut late, mut waiting): (Vec<Late>, Vec<(Timestamp, Late)>) = (Vec::new(), Vec::new());
    for row in view.task_rows() {
        let (Place::On(seat) | Place::Moving { from: Some(seat), .. }) = ledger.places[row] else {
            continue;
        };
        let Some(deadline) = leaves(view, seat) else { continue };
        let task = view.task(row);
        if task.ends_by(at, deadline) {
            continue;
        }
        let section = config.transfer.as_ref();
        let needs_secs = section.and_then(|it| rules::leaving_secs(it, view, task, seat));
        let new = Late { needs_secs, ..Late::new(task.id, view.worker_id(seat), deadline) };
        match ledger.places[row] {
            Place::Moving { .. } => {
                let flight = state.in_flight.get(&task.id).filter(|it| it.is_at_its_source());
                let leaving = flight.map(Migration::started);
                late.extend(leaving.map(|began| new.begun(began, at)));
            }
            _ => match stuck.get(&row) {
                None => waiting.push((at, new)),
                Some(no) => match no.as_ref().and_then(|no| stops.over(row, no, true)) {
                    Some(over) if over < deadline => waiting.push((over, new)),
                    _ => late.push(Late { stopped: *no, ..new }),
                },
            },
        }
    }
    late.extend(turns(config, at, &plan.moves, waiting));
    late.retain(|it| it.gone.is_none_or(|gone| gone > it.deadline));
    late.sort_by_key(|it| (it.deadline, it.task));
    late
}

/// Whose turn is when, if nothing else happens.
fn turns(
    config: &Config,
    at: Timestamp,
    plan: &[PlannedMove],
    mut waiting: Vec<(Timestamp, Late)>,
) -> impl Iterator<Item = Late> {
    waiting.sort_by_key(|(_, it)| (it.deadline, it.task));
    let begun = plan.iter().filter(|planned| planned.purpose == Purpose::Evacuate).count();
    let begun = u32::try_from(begun.max(1)).unwrap_or(u32::MAX);
    let round = move |nth| at.after(config.check_interval.saturating_mul(1 + nth));
    let mut nth = 0;
    waiting.into_iter().map(move |(over, it)| {
        let turn = if over > at { over.max(round(0)) } else { round(nth / begun) };
        nth += u32::from(over <= at);
        it.begun(turn, at)
    })
}

/// What is under way of every group with a disruption budget.
fn ours(state: &State, view: &View<'_>) -> BTreeMap<GroupId, usize> {
    let limited = |group: &&Group| matches!(group.rule, GroupRule::Disruption { .. });
    let groups = view.snapshot.groups().iter().filter(limited);
    let away = |group: &Group| {
        group.members.iter().filter(|member| state.in_flight.contains_key(member)).count()
    };
    groups.map(|group| (group.id, away(group))).collect()
}

/// What stops whom.
struct Stops<'a> {
    config: &'a Config,
    state: &'a State,
    view: &'a View<'a>,
    ledger: &'a Ledger,
    stuck: &'a BTreeMap<TaskRow, Option<Rejection>>,
    ours: BTreeMap<GroupId, usize>,
}

impl Stops<'_> {
    /// When what stops it is over, if it will be by itself; what waits for its `companions` waits for what stops
    /// these.
    fn over(&self, row: TaskRow, no: &Rejection, companions: bool) -> Option<Timestamp> {
        let at = self.view.snapshot.at();
        match *no {
            Rejection::Disruption { group, unavailable, most } => {
                let ours = self.ours.get(&group).copied().unwrap_or(0);
                (unavailable as usize <= most as usize + ours).then_some(at)
            }
            Rejection::Companion { task, .. } if self.state.in_flight.contains_key(&task) => {
                Some(at)
            }
            Rejection::Companion { task, .. } if companions => {
                let row = self.view.snapshot.task_row(task)?;
                self.over(row, self.stuck.get(&row)?.as_ref()?, false)
            }
            Rejection::BudgetLine { scope, unit, limit, per, spent, over } => {
                let more = limit.saturating_add(over).saturating_sub(spent);
                let budget = Budget { scope, unit, limit, per };
                // What is more than the whole budget never has its turn.
                (more <= limit).then(|| self.has_room(row, &budget, more).unwrap_or(at))
            }
            _ => match no.remedy() {
                Remedy::WaitUntil(until) => Some(until),
                _ => None,
            },
        }
    }

    /// When a budget has room for it again.
    fn has_room(&self, row: TaskRow, budget: &Budget, more: u64) -> Option<Timestamp> {
        let Self { state, view, ledger, .. } = *self;
        let Place::On(seat) = ledger.places[row] else { return None };
        let (kind, from) = (view.task(row).kind, view.worker_id(seat));
        // Where it would go does not matter: a line that does is not what stops it everywhere.
        let (to, purpose) = (from, Some(Purpose::Evacuate));
        let charge = charge(
            self.config.unstated_bytes(),
            view,
            &Interruption { row: Some(row), kind, from, to, purpose },
        );
        state.spending.free_at(budget, &charge, more, view.snapshot.at())
    }
}
