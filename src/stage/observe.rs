//! How loaded is every worker, and how loaded will it be once everything in flight has arrived?
//!
//! `projected = reported + arriving tasks - departing tasks`, for moves that measurements cannot have seen
//! yet. Example: w1 reports 0.90 and is releasing a task of 0.30, which will go to w2 at 0.10; the projected
//! loads are 0.60 for w1 and 0.40 for w2. Ten seconds after the task has arrived, a measurement of w2 that
//! is five seconds old contains the task, so nothing is added. Tasks that a scheduler has placed since the
//! measurement are added too: they are in the list of tasks and in no measurement.

mod claims;
mod current_use;

use alloc::borrow::Cow;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::rc::Rc;
use alloc::vec::Vec;

use crate::config::Config;
use crate::math::summary::Summary;
use crate::model::ids::{MigrationId, TaskId, WorkerId};
use crate::model::rows::{Column, Row, TaskRow, WorkerRow};
use crate::outcome::{Action, Fragmentation, SystemLoad};
use crate::snapshot::{
    Coverage, Freeze, FreezeScope, GroupRule, Placement, Snapshot, Stance, Task, Topology,
};
use crate::state::{EndedMigration, Migration, RECENT, State};
use crate::view::{
    self, DeviceCell, Domains, FrozenUntil, GroupIndexes, Ledger, Place, UnderWay, View,
    WorkerView, variants,
};

/// The noise is measured from at least this many changes between samples.
const LEAST_CHANGES: usize = 8;

/// Reads the snapshot together with the migrations in flight. Returns the view, which does not change in this round,
/// and the ledger as the round begins.
pub(crate) fn observe<'a>(
    config: &Config,
    state: &State,
    cow: Cow<'a, Snapshot>,
) -> (View<'a>, Ledger) {
    let snapshot = &*cow;
    let mut ledger = Ledger::new(config.load, config.stability.is_some(), snapshot);
    let under_way = view::under_way(&state.in_flight, snapshot);
    places(config, &mut ledger, state, snapshot, &under_way);
    count_unavailable(&mut ledger, state, snapshot);
    let workers = WorkerRow::first(snapshot.workers().len());
    let mut workers: Column<WorkerRow, WorkerView> =
        workers.map(|row| worker(config, state, snapshot, &ledger, row)).collect();
    let variants = variants(snapshot);
    claims::claims(&mut ledger, snapshot, &under_way, (&workers, &variants));
    if let Some(stability) = &config.stability {
        if !broken!("in_flight_use") {
            let lag = stability.telemetry_lag;
            current_use::project(&mut ledger, state, snapshot, (&under_way, lag));
        }
        if !broken!("rank_counts_new_placements") {
            current_use::add_begun(&mut ledger, state, snapshot, &workers, &variants);
        }
    }
    for (row, worker) in WorkerRow::first(workers.len()).zip(workers.iter_mut()) {
        worker.projected = worker.reported.and_then(|_| ledger.load(row));
    }
    let at = snapshot.at();
    let view = View {
        soon: config.soon(at),
        horizon: at.after(config.horizon()),
        names_devices: snapshot.tasks().iter().any(|task| task.device.is_some()),
        load: system(snapshot, &workers),
        noise: noise(state, snapshot, &workers),
        memberships: memberships(snapshot),
        freezes: freezes(snapshot),
        called_off: called_off(state, snapshot),
        unknown_members: unknown_members(&ledger, state, snapshot),
        domains: domains(snapshot, &workers),
        variants,
        workers,
        snapshot: cow,
    };
    ledger.groups = GroupIndexes::new(state, &view, &ledger.places);
    (view, ledger)
}

/// The tasks that a worker was told to forget or to stop while another one has them, or while no worker has them and it
/// may have a copy, as far as no snapshot shows that it was done.
fn called_off(state: &State, snapshot: &Snapshot) -> BTreeMap<TaskId, MigrationId> {
    let is_told = |ended: &EndedMigration, here: WorkerId| {
        ended.last_orders.iter().any(|(action, _)| match *action {
            Action::Abort { worker } | Action::Stop { from: worker } => {
                worker != here && !snapshot.is_gone(worker)
            }
            _ => false,
        })
    };
    let is_called_off =
        |ended: &&EndedMigration| match snapshot.task(ended.task).map(|task| task.placement) {
            Some(Placement::On(here)) if !snapshot.is_gone(here) => is_told(ended, here),
            Some(Placement::On(_) | Placement::Orphaned) => {
                ended.at < snapshot.at() && ended.may_have_copy(snapshot)
            }
            _ => false,
        };
    let ended = state.ended.iter().filter(is_called_off);
    ended.map(|ended| (ended.task, ended.id)).collect()
}

/// How free device memory is cut up; `None` if the configuration does not ask.
pub(crate) fn fragmentation(
    config: &Config,
    view: &View<'_>,
    ledger: &Ledger,
) -> Option<Fragmentation> {
    config.efficiency.filter(|section| section.fragmentation)?;
    let holes = |worker| ledger.devices_of(worker).iter().filter_map(DeviceCell::free_bytes);
    let workers = view.worker_rows();
    Fragmentation::of(workers.map(|worker| (view.worker_id(worker), holes(worker).collect())))
}

/// Enters where every task is: by the state if a migration of the engine moves it, else by the snapshot.
fn places(
    config: &Config,
    ledger: &mut Ledger,
    state: &State,
    snapshot: &Snapshot,
    under_way: &[UnderWay<'_>],
) {
    let given_back: BTreeSet<TaskId> = state.given_back(snapshot.at(), config.timeout()).collect();
    // What was reported after the moment of the snapshot is newer than what it shows.
    let at = snapshot.at();
    let home = state.ended.iter().filter_map(|ended| {
        let shown = ended.shown_at_rest?;
        Some((ended.task, shown.at, shown.on?))
    });
    let there = state.arrivals.iter().map(|it| (it.task, it.running, it.to));
    let mut later: Vec<_> = home.chain(there).filter(|(_, since, _)| *since > at).collect();
    later.sort_unstable_by_key(|(_, since, _)| *since);
    let arrived: BTreeMap<TaskId, WorkerId> =
        later.into_iter().map(|(task, _, worker)| (task, worker)).collect();
    let mut moved = under_way.iter().filter(|own| own.task.is_some()).peekable();
    for (row, task) in TaskRow::first(snapshot.tasks().len()).zip(snapshot.tasks()) {
        ledger.places[row] = match moved.next_if(|own| own.task == Some(row)) {
            Some(own) => own.place(),
            None => match (place(state, snapshot, task), arrived.get(&task.id)) {
                (Place::Orphaned, Some(to)) if !broken!("older_than_its_arrival") => {
                    on(state, snapshot, *to)
                }
                // It has arrived since: its room is taken there.
                (Place::Moving { migration, from, .. }, Some(to))
                    if !broken!("shown_on_its_way") =>
                {
                    Place::Moving { migration, from, to: snapshot.worker_row(*to) }
                }
                // The snapshot shows the task where it was before it moved.
                (shown @ (Place::On(_) | Place::Unknown(_)), Some(to))
                    if !broken!("shown_where_it_was") =>
                {
                    let arrived = on(state, snapshot, *to);
                    if matches!(arrived, Place::On(_)) { arrived } else { shown }
                }
                // The scheduler has it, or will have it soon.
                (Place::Orphaned, _)
                    if given_back.contains(&task.id) && !broken!("given_back_is_not_placed") =>
                {
                    Place::Unplaced
                }
                (place, _) => place,
            },
        };
    }
}

/// Where a task is by the snapshot.
fn place(state: &State, snapshot: &Snapshot, task: &Task) -> Place {
    match task.placement {
        Placement::On(worker) => on(state, snapshot, worker),
        Placement::Orphaned => Place::Orphaned,
        Placement::Unplaced => Place::Unplaced,
        // The migration is over, though the host does not know it yet: the task is left alone until it does.
        Placement::Moving { migration, from, to, .. } => {
            let from = from.and_then(|from| snapshot.worker_row(from));
            Place::Moving { migration, from, to: snapshot.worker_row(to) }
        }
    }
}

/// A task on this worker, which may be gone.
fn on(state: &State, snapshot: &Snapshot, worker: WorkerId) -> Place {
    let is_offline = |row: WorkerRow| {
        let stance = snapshot.workers()[row.position()].stance;
        stance == Stance::Offline && !broken!("offline_orphans")
    };
    let is_lost = snapshot.is_gone(worker) || broken!("partial_is_not_gone");
    match snapshot.worker_row(worker) {
        Some(row) if is_offline(row) => Place::Orphaned,
        Some(row) => Place::On(row),
        // A known worker is gone: its tasks have lost it.
        None if is_lost && state.tracks.contains_key(&worker) => Place::Orphaned,
        None => Place::Unknown(worker),
    }
}

fn worker(
    config: &Config,
    state: &State,
    snapshot: &Snapshot,
    ledger: &Ledger,
    row: WorkerRow,
) -> WorkerView {
    let record = &snapshot.workers()[row.position()];
    let reported = ledger.load(row).filter(|_| record.stance != Stance::Offline);
    let samples = state.tracks.get(&record.id).map(|track| &track.recent);
    let recent = reported.map(|latest| {
        let now = record.measured(snapshot.at());
        let oldest = now.before(config.performance_window);
        let before = samples.into_iter().flat_map(|samples| samples.last(RECENT));
        let before = before.filter(|sample| sample.at < now && sample.at >= oldest);
        let count = before.clone().count().min(RECENT - 1);
        let skipped = before.clone().count() - count;
        let sum: f64 = before.skip(skipped).map(|sample| sample.load).sum();
        (sum + latest) / (count + 1) as f64
    });
    let at = snapshot.at();
    let departs_at = record.leaves(at);
    let stance = record.stance_by(at, config.soon(at));
    let balanced = reported.is_some() && matches!(stance, Stance::Accept | Stance::Hold);
    let (projected, kinds) = (reported, record.kinds());
    WorkerView { reported, projected, recent, balanced, kinds, stance, departs_at }
}

/// How much loads change from one sample to the next for no reason: the lower quartile of the changes of all workers
/// over their last samples, as a standard deviation. Real changes, such as those by moves of the engine, do not matter
/// as long as a quarter of the samples show none.
///
/// A quarter of all differences of two normal variables are below 0.3186 x sqrt(2) of their deviation.
fn noise(
    state: &State,
    snapshot: &Snapshot,
    workers: &Column<WorkerRow, WorkerView>,
) -> Option<f64> {
    let mut changes = Vec::new();
    for (record, worker) in snapshot.workers().iter().zip(workers.iter()) {
        let (Some(latest), Some(track)) = (worker.reported, state.tracks.get(&record.id)) else {
            continue;
        };
        let now = record.measured(snapshot.at());
        let before = track.recent.iter().filter(|sample| sample.at < now);
        let loads = before.map(|sample| sample.load).chain([latest]);
        changes.extend(loads.clone().zip(loads.skip(1)).map(|(a, b)| (b - a).abs()));
    }
    if changes.len() < LEAST_CHANGES {
        return None;
    }
    let quarter = changes.len() / 4;
    let (_, quartile, _) = changes.select_nth_unstable_by(quarter, f64::total_cmp);
    Some(*quartile / (0.3186 * core::f64::consts::SQRT_2))
}

/// One record of the system load history.
fn system(snapshot: &Snapshot, workers: &Column<WorkerRow, WorkerView>) -> Option<SystemLoad> {
    let balanced = workers.iter().filter(|worker| worker.balanced);
    let summary = Summary::of(balanced.filter_map(|worker| worker.reported))?;
    let Summary { count, mean, min, max, deviation } = summary;
    Some(SystemLoad { at: snapshot.at(), workers: count, mean, min, max, deviation })
}

fn memberships(snapshot: &Snapshot) -> BTreeMap<TaskRow, Vec<u32>> {
    let mut memberships: BTreeMap<TaskRow, Vec<u32>> = BTreeMap::new();
    for (index, group) in (0_u32..).zip(snapshot.groups()) {
        for row in group.members.iter().filter_map(|member| snapshot.task_row(*member)) {
            memberships.entry(row).or_default().push(index);
        }
    }
    memberships
}

/// The freezes in force, by what they hold back.
fn freezes(snapshot: &Snapshot) -> BTreeMap<FreezeScope, FrozenUntil> {
    let mut by_scope: BTreeMap<FreezeScope, FrozenUntil> = BTreeMap::new();
    for Freeze { scope, until, strict } in snapshot.freezes().iter().copied() {
        if until > snapshot.at() {
            let first = FrozenUntil { voluntary: until, strict: None };
            let own = by_scope.entry(scope).or_insert(first);
            own.voluntary = own.voluntary.max(until);
            own.strict = if strict { own.strict.max(Some(until)) } else { own.strict };
        }
    }
    by_scope
}

/// The first member of each affinity group and gang of which it is not known where it is: a partial snapshot does not
/// list it, or the host still shows it on its way though the migration is over, or on its worker though an earlier life
/// moved it and what came of that is not known yet.
fn unknown_members(ledger: &Ledger, state: &State, snapshot: &Snapshot) -> BTreeMap<u32, TaskId> {
    let is_unknown = |id: &TaskId| {
        let Some(row) = snapshot.task_row(*id) else { return true };
        let own = state.in_flight.get(id);
        match snapshot.tasks()[row.position()].placement {
            Placement::On(worker) if own.is_some_and(|own| own.from() == Some(worker)) => {
                own.is_some_and(Migration::is_inherited) && !broken!("member_of_an_earlier_life")
            }
            _ => {
                let is_over = own.is_none() && !broken!("member_whose_migration_is_over");
                is_over && matches!(ledger.places[row], Place::Moving { .. })
            }
        }
    };
    let groups = (0_u32..).zip(snapshot.groups());
    let whole = groups.filter(|(_, group)| group.rule.keeps_whole());
    let unknown = whole.filter_map(|(index, group)| {
        let member = group.members.iter().find(|id| is_unknown(id))?;
        Some((index, *member))
    });
    unknown.collect()
}

/// The domains of every topology that a group is spread over.
fn domains(
    snapshot: &Snapshot,
    views: &Column<WorkerRow, WorkerView>,
) -> BTreeMap<Topology, Rc<Domains>> {
    let mut domains = BTreeMap::new();
    for group in snapshot.groups() {
        let GroupRule::Spread { over, .. } = group.rule else { continue };
        domains.entry(over).or_insert_with(|| {
            let of: Vec<_> = snapshot.workers().iter().map(|worker| over.domain(worker)).collect();
            let workers = of.iter().zip(views.iter());
            let is_open = |view: &WorkerView| {
                view.stance == Stance::Accept && !broken!("spread_over_racks_repaired")
            };
            let open = workers.filter(|(_, view)| is_open(view));
            let open = open.filter_map(|(domain, _)| *domain).collect();
            Rc::new(Domains { of, open })
        });
    }
    domains
}

/// How many members of each group with a disruption budget are unavailable, whatever the cause.
fn count_unavailable(ledger: &mut Ledger, state: &State, snapshot: &Snapshot) {
    let known = snapshot.coverage() == Coverage::Complete;
    for (index, group) in snapshot.groups().iter().enumerate() {
        let GroupRule::Disruption { .. } = group.rule else { continue };
        let away = |id: &&TaskId| match snapshot.task_row(**id).map(|row| ledger.places[row]) {
            Some(Place::On(_)) => false,
            // A worker that a partial snapshot does not list is unknown, never gone.
            Some(Place::Unknown(_)) => known,
            Some(Place::Moving { .. }) => true,
            Some(_) => !broken!("disruption_counts_outages"),
            None if broken!("disruption_counts_the_unlisted") => false,
            None if broken!("disruption_unknown_is_not_gone") => true,
            None => state.in_flight.contains_key(id),
        };
        let count = group.members.iter().filter(away).count();
        ledger.unavailable[index] = u32::try_from(count).unwrap_or(u32::MAX);
    }
}
