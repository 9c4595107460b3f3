//! Which tasks will still be on a worker when it leaves?
//!
//! The answer assumes that nothing else happens, and gives the earliest moment:
//!
//! * a migration under way goes on;
//! * a task that nothing stops, or only a disruption budget that the engine's own moves have used up, begins in one of
//!   the next rounds: in the order of the deadlines, as many per round as began in this one, and at least one;
//! * a task that waits for a moment, or for a budget with a window, begins then.
//!
//! With rounds every 30 s, two evacuations begun in this round and five tasks left, two begin after 30 s, two after
//! 60 s and one after 90 s; each is gone when its worker has handed it over.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::config::{Budget, Config};
use crate::model::ids::GroupId;
use crate::model::rows::{TaskRow, WorkerRow};
use crate::model::time::Timestamp;
use crate::outcome::{BudgetRefusal, GroupRefusal, Late, Purpose, Rejection, Remedy};
use crate::round::{Plan, PlannedMove};
use crate::rules;
use crate::snapshot::{Group, GroupRule, Stance};
use crate::state::State;
use crate::view::{Interruption, Ledger, Place, View, charge};

/// Whether any worker that leaves must be emptied.
pub(super) fn is_asked(view: &View<'_>) -> bool {
    view.worker_rows().any(|worker| leaves(view, worker).is_some())
}

/// When a worker that must be emptied leaves; `None` if it stays or need not be emptied.
fn leaves(view: &View<'_>, worker: WorkerRow) -> Option<Timestamp> {
    let worker = &view.workers[worker];
    if worker.stance == Stance::Drain { worker.departs_at } else { None }
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
        let (Place::On(source) | Place::Moving { from: Some(source), .. }) = ledger.places[row]
        else {
            continue;
        };
        let Some(deadline) = leaves(view, source) else { continue };
        let task = view.task(row);
        if task.ends_by(at, deadline) {
            continue;
        }
        let section = config.transfer.as_ref();
        let needs = section.and_then(|section| rules::leaving_time(section, view, task, source));
        let new = Late { needs, ..Late::new(task.id, view.worker_id(source), deadline) };
        match ledger.places[row] {
            Place::Moving { .. } => {
                let migration = state.in_flight.get(&task.id);
                let leaving = migration.filter(|migration| migration.is_at_its_source());
                late.extend(leaving.map(|migration| new.begun(migration.started(), at)));
            }
            _ => match stuck.get(&row) {
                None => waiting.push((at, new)),
                Some(no) => match no.as_ref().and_then(|no| stops.over(row, no, LINKS)) {
                    Some(over) if over < deadline => waiting.push((over, new)),
                    _ if broken!("late_are_listed") => {}
                    _ => late.push(Late { stopped: *no, ..new }),
                },
            },
        }
    }
    late.extend(turns(config, at, &plan.moves, waiting));
    late.retain(|late| late.gone.is_none_or(|gone| gone > late.deadline));
    late.sort_by_key(|late| (late.deadline, late.task));
    late
}

/// When each of the tasks that wait begins, if nothing else happens.
fn turns(
    config: &Config,
    at: Timestamp,
    plan: &[PlannedMove],
    mut waiting: Vec<(Timestamp, Late)>,
) -> impl Iterator<Item = Late> {
    waiting.sort_by_key(|(_, late)| (late.deadline, late.task));
    let begun = plan.iter().filter(|planned| planned.purpose == Purpose::Evacuate).count();
    let begun = u32::try_from(begun.max(1)).unwrap_or(u32::MAX);
    let next = u32::from(!broken!("late_by_turns"));
    let round = move |nth| at.after(config.check_interval.saturating_mul(next + nth));
    let mut nth = 0;
    waiting.into_iter().map(move |(over, late)| {
        let turn = if over > at { over.max(round(0)) } else { round(nth / begun) };
        nth += u32::from(over <= at);
        late.begun(turn, at)
    })
}

/// How many members of every group with a disruption budget are unavailable because of the engine's own migrations.
fn ours(state: &State, view: &View<'_>) -> BTreeMap<GroupId, usize> {
    let limited = |group: &&Group| matches!(group.rule, GroupRule::Disruption { .. });
    let groups = view.snapshot.groups().iter().filter(limited);
    let away = |group: &Group| {
        group.members.iter().filter(|member| state.in_flight.contains_key(member)).count()
    };
    groups.map(|group| (group.id, away(group))).collect()
}

/// A task may wait for a companion that waits for another one; chains of more than this many are not followed.
const LINKS: u32 = 8;

/// What stops the tasks that do not move, and for how long.
struct Stops<'a> {
    config: &'a Config,
    state: &'a State,
    view: &'a View<'a>,
    ledger: &'a Ledger,
    stuck: &'a BTreeMap<TaskRow, Option<Rejection>>,
    ours: BTreeMap<GroupId, usize>,
}

impl Stops<'_> {
    /// When the refusal of the task in `row` ends by itself; `None` if it does not. A task that waits for a
    /// companion waits for the end of the companion's refusal, and so on over at most `links` companions.
    fn over(&self, row: TaskRow, no: &Rejection, links: u32) -> Option<Timestamp> {
        let at = self.view.snapshot.at();
        match *no {
            Rejection::Group(GroupRefusal::Disruption { group, unavailable, most }) => {
                let known = !broken!("late_for_a_move_of_our_own");
                let ours = self.ours.get(&group).copied().unwrap_or(0) * usize::from(known);
                (unavailable as usize <= most as usize + ours).then_some(at)
            }
            Rejection::Group(
                GroupRefusal::Companion { task, .. } | GroupRefusal::UnknownMember { task, .. },
            ) if self.state.in_flight.contains_key(&task) => Some(at),
            Rejection::Group(GroupRefusal::Companion { task, .. })
                if links > 0 && !broken!("late_with_its_companions") =>
            {
                let row = self.view.snapshot.task_row(task)?;
                self.over(row, self.stuck.get(&row)?.as_ref()?, links - 1)
            }
            Rejection::Budget(BudgetRefusal::BudgetLine {
                scope,
                unit,
                limit,
                per,
                spent,
                over,
            }) => {
                let more = limit.saturating_add(over).saturating_sub(spent);
                let budget = Budget { scope, unit, limit, per };
                // A task that needs more than the whole budget never begins.
                (more <= limit).then(|| self.has_room(row, &budget, more).unwrap_or(at))
            }
            _ => match no.remedy() {
                Remedy::WaitUntil(until) => Some(until),
                _ => None,
            },
        }
    }

    /// When a budget has room again for the task in `row`.
    fn has_room(&self, row: TaskRow, budget: &Budget, more: u64) -> Option<Timestamp> {
        let Self { state, view, ledger, .. } = *self;
        let Place::On(source) = ledger.places[row] else { return None };
        let (kind, from) = (view.task(row).kind, view.worker_id(source));
        // The target does not matter: a line that depends on it does not stop the task everywhere.
        let (to, purpose) = (from, Some(Purpose::Evacuate));
        let charge = charge(
            self.config.unstated_bytes(),
            view,
            &Interruption { row: Some(row), kind, from, to, purpose },
        );
        let at = view.snapshot.at();
        if broken!("late_when_the_budget_has_room") {
            return budget.per.map(|window| at.after(window));
        }
        state.spending.free_at(budget, &charge, more, at)
    }
}
