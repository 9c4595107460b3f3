//! What does the engine remember of a round, and what does the outcome report?
//!
//! This is the last stage, and the second one that writes State: before it, only the [`lifecycle`](crate::lifecycle)
//! has changed migrations.

mod late;

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use crate::config::{Config, Mode};
use crate::model::ids::{MigrationId, WorkerId};
use crate::model::ratio::Utilization;
use crate::model::rows::Row;
use crate::model::time::Timestamp;
use crate::outcome::{
    Balance, Command, Counts, Ended, Forecast, Held, Imbalance, Missing, Outcome, Purpose, Reason,
    Sight, WorkerLoad,
};
use crate::round::{Adapted, Advised, Fit, Plan, PlannedMove, Survey, Unstated};
use crate::rules;
use crate::snapshot::{Coverage, Placement, Snapshot, Stance};
use crate::state::{
    AtSource, Course, EndedMigration, FORECASTS, Migration, Pending, SAMPLES, Sample, Spending,
    State, Target, Terms, Track, Transport,
};
use crate::view::{self, View, WorkerView};

/// The results of the earlier stages.
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    /// The survey, with the chosen moves in its ledger.
    pub(crate) survey: Survey<'a>,
    pub(crate) plan: Plan,
    pub(crate) advised: Advised,
    pub(crate) commands: Vec<Command>,
    pub(crate) ended: Vec<Ended>,
    pub(crate) held: Option<Held>,
    pub(crate) doubted_since: Option<Timestamp>,
}

/// Writes the round into State and returns its outcome.
pub(crate) fn record(config: &Config, state: &mut State, pass: Pass<'_>) -> Outcome {
    let Pass { survey, plan, mut commands, .. } = pass;
    note_spread(state, &survey);
    let (unstated, fragmentation) = (survey.bands.unstated, survey.fragmentation);
    let Survey { view, ledger, adapted, forecast, calibration, balance, .. } = survey;
    let (at, mut proposed) = (view.snapshot.at(), Vec::new());
    charge(config, state, &view);
    let why = |planned: &PlannedMove| reason(&view, &adapted, &balance, forecast.as_ref(), planned);
    for planned in &plan.moves {
        let reason = why(planned);
        let under_way = state.in_flight.contains_key(&view.task(planned.row).id);
        let is_command = config.mode != Mode::Advise || broken!("advice_leaves_no_trace");
        let goes_on = under_way && !broken!("advice_goes_on");
        if !is_command && !goes_on {
            let id = state.migration(proposed.len() as u64);
            state.issued += u64::from(broken!("advice_takes_no_ids"));
            proposed.extend(migration(config, &view, id, reason, planned).command());
        } else {
            commands.extend(begin(config, state, &view, reason, planned));
        }
    }
    spend(config, state, &view);
    state.closed_homes = rules::closed_homes(state, &view, &ledger);
    // Proposed moves count as begun when the late tasks are computed.
    let imagined = (config.mode == Mode::Advise && late::is_asked(&view)).then(|| {
        let mut imagined = state.clone();
        let begins =
            |planned: &&PlannedMove| !state.in_flight.contains_key(&view.task(planned.row).id);
        for planned in plan.moves.iter().filter(begins) {
            begin(config, &mut imagined, &view, why(planned), planned);
        }
        imagined
    });
    let late = late::late(config, imagined.as_ref().unwrap_or(state), (&view, &ledger), &plan);
    history(config, state, &view, &adapted, forecast.as_ref());
    (state.accuracy, state.factor) = (calibration.accuracy, calibration.factor);
    state.advised = pass.advised.standing;
    state.rebalancing = config.mode.is_act() && plan.moves.iter().any(evens);
    forget(config, state, &view.snapshot, (&commands, &unstated));
    (state.last, state.doubted_since) = (Some(at), pass.doubted_since);
    state.ticks = state.ticks.saturating_add(1);
    let bad_records = view.snapshot.bad_records().iter().take(Outcome::BAD_RECORDS).cloned();
    Outcome {
        version: Outcome::VERSION,
        epoch: state.epoch,
        tick: state.ticks,
        at,
        commands,
        ended: pass.ended,
        counts: core::mem::take(&mut state.counters.round),
        workers: loads(&view),
        load: view.load,
        trend: adapted.trend,
        thresholds: adapted.thresholds,
        band: adapted.band,
        forecast,
        balance,
        candidates: plan.considered,
        advice: pass.advised.told,
        tally: plan.tally,
        late,
        in_flight: u32::try_from(state.in_flight.len()).unwrap_or(u32::MAX),
        bad_records: bad_records.collect(),
        missing: if pass.held.is_some() { Vec::new() } else { missing(config, state, at) },
        held: pass.held,
        mode: config.mode,
        proposed,
        fragmentation,
    }
}

/// Whether a move is to even out the loads.
fn evens(planned: &PlannedMove) -> bool {
    planned.purpose == Purpose::Rebalance
}

fn loads(view: &View<'_>) -> Vec<WorkerLoad> {
    let workers = view.snapshot.workers().iter().zip(view.workers.iter());
    let loads = workers.map(|(record, worker)| WorkerLoad {
        worker: record.id,
        reported: worker.reported.map(Utilization::saturating),
        projected: worker.projected.map(Utilization::saturating),
    });
    loads.collect()
}

/// Begins a planned migration, or gives a stranded one another target; returns the command that follows.
fn begin(
    config: &Config,
    state: &mut State,
    view: &View<'_>,
    reason: Reason,
    planned: &PlannedMove,
) -> Option<Command> {
    let (at, task) = (view.snapshot.at(), view.task(planned.row));
    let (to, Fit { alternative, device }) = (view.worker_id(planned.to), planned.fit);
    let kinds = view.workers[planned.to].kinds;
    let as_there = view.task_by(planned.row, alternative);
    if state.in_flight.contains_key(&task.id) {
        let (claim, load) = (view::claims(as_there, kinds), view::loads(as_there, kinds));
        let scorecard = planned.scorecard;
        let target = Target { to, device, alternative, claim, load, scorecard };
        return state.in_flight.retarget(task.id, target, at);
    }
    let id = state.migration(0);
    state.issued += 1;
    if !broken!("moved_again_forgets_release") {
        state.forget_release(task.id);
    }
    state.counters.add(at, Counts { initiated: 1, ..Counts::default() });
    let mut migration = migration(config, view, id, reason, planned);
    let command = migration.command();
    if let Some(limits) = config.migration.as_ref().filter(|limits| !limits.budgets.is_empty()) {
        migration.set_charge(view::charge_of(config, view, &migration));
        migration.charge().into_iter().for_each(|charge| state.spending.enter(limits, at, charge));
    }
    if migration.transport() != Transport::Requeue {
        count_for_fairness(config, state, view, planned);
    }
    state.in_flight.insert(migration);
    command
}

/// Counts an interruption against its tenant's fair share, whatever its purpose.
fn count_for_fairness(config: &Config, state: &mut State, view: &View<'_>, planned: &PlannedMove) {
    let drains = planned.purpose == Purpose::Evacuate && broken!("fair_share_counts_drains");
    let places = planned.purpose == Purpose::Recover && broken!("fair_share_counts_orphans");
    if !drains
        && !places
        && let Some(limits) = &config.migration
        && let Some(fairness) = limits.fairness
        && let Some(tenant) = view.task(planned.row).tenant
    {
        let room = Spending::room(limits, view.workers.len());
        state.spending.interrupt(&fairness, view.snapshot.at(), tenant, room);
    }
}

/// The migration that a planned move begins.
fn migration(
    config: &Config,
    view: &View<'_>,
    id: MigrationId,
    reason: Reason,
    planned: &PlannedMove,
) -> Migration {
    let (at, task) = (view.snapshot.at(), view.task(planned.row));
    let (to, Fit { alternative, device }) = (view.worker_id(planned.to), planned.fit);
    let kinds = view.workers[planned.to].kinds;
    let as_there = view.task_by(planned.row, alternative);
    let transport = match Transport::of(config.migration.as_ref(), task) {
        Transport::StartThenStop if broken!("copy_first") => Transport::StopThenStart,
        transport => transport,
    };
    let course = match planned.from {
        Some(source) => transport.first(view.worker_id(source)),
        None => Course::Placing,
    };
    let (claim, load) = (view::claims(as_there, kinds), view::loads(as_there, kinds));
    let at_source = planned.from.and_then(|source| {
        let (task, kinds) = (view.task_here(planned.row), view.workers[source].kinds);
        let here = AtSource { claim: view::claims(task, kinds), load: view::loads(task, kinds) };
        here.unless_same(&claim, &load)
    });
    let untold = broken!("every_move_says_its_price") && planned.purpose <= Purpose::Evacuate;
    let handover = if untold { None } else { planned.handover };
    let terms = Terms {
        id,
        task: task.id,
        kind: task.kind,
        reason,
        to,
        device,
        alternative,
        claim: if broken!("alternative_in_transit") { view::claims(task, kinds) } else { claim },
        load,
        at_source,
        scorecard: planned.scorecard,
        handover,
    };
    Migration::begin(terms, course, at)
}

/// Charges the budgets with migrations that began before there were any, before one of them gets another target.
fn charge(config: &Config, state: &mut State, view: &View<'_>) {
    let has_budgets = config.migration.as_ref().is_some_and(|limits| !limits.budgets.is_empty());
    if has_budgets && !broken!("budget_line_taken_over_where_bound") {
        state.in_flight.charge(|migration| view::charge_of(config, view, migration));
    }
}

/// Forgets spending that no budget counts any more, and notes whether as many migrations as allowed are under way.
fn spend(config: &Config, state: &mut State, view: &View<'_>) {
    let limits = config.migration.as_ref();
    state.spending.forget(limits, view.snapshot.at());
    let queued_fill = broken!("queued_fills_nothing");
    let moving =
        if queued_fill { state.in_flight.moving() } else { state.in_flight.interrupting() };
    if let Some(concurrency) = &mut state.concurrency {
        concurrency.full = moving >= concurrency.now as usize;
    }
}

/// The reason of a move: its purpose, and for an imbalance the load that was out of bounds.
fn reason(
    view: &View<'_>,
    adapted: &Adapted,
    balance: &Balance,
    forecast: Option<&Forecast>,
    planned: &PlannedMove,
) -> Reason {
    let Some(row) = planned.from else { return Reason::Recover };
    let (worker, source) = (view.worker_id(row), view.workers[row]);
    match planned.purpose {
        Purpose::Recover => return Reason::Recover,
        Purpose::Evacuate => {
            return match source.departs_at {
                Some(at) if view.worker(row).stance != Stance::Drain => {
                    Reason::Leaves { worker, at }
                }
                _ => Reason::Drain { worker },
            };
        }
        Purpose::FollowGang => {
            return planned.follows.map_or(Reason::Recover, |group| Reason::Along { group });
        }
        Purpose::Upgrade => return Reason::Faster { worker, times: planned.speedup },
        Purpose::Rebalance => {}
    }
    let (high, low) = (adapted.thresholds.high, adapted.thresholds.low);
    let load = source.projected.unwrap_or_default();
    match balance {
        Balance::Uneven(Imbalance { sight: Sight::Predicted { confidence }, .. }) => {
            let foreseen = forecast.into_iter().flat_map(|forecast| &forecast.workers);
            let mut loads = foreseen.filter(|row| row.worker == worker).map(|row| row.load);
            let predicted = loads.next().unwrap_or(load);
            let horizon = forecast.map_or(Duration::ZERO, |forecast| forecast.horizon);
            Reason::Forecast { worker, predicted, high, confidence: *confidence, horizon }
        }
        Balance::Uneven(Imbalance { over: false, under: true, coldest, min, .. }) => {
            Reason::Underload { worker: *coldest, load: *min, low }
        }
        // An almost overloaded worker gives tasks together with the overloaded ones.
        Balance::Uneven(Imbalance { over, spread, .. })
            if !over || (load <= high && !broken!("give_margin_is_no_overload")) =>
        {
            Reason::Spread { worker, load, spread: *spread }
        }
        _ => Reason::Overload { worker, load, high },
    }
}

/// Keeps samples, the record of the system load, the thresholds, and the forecast that will be judged when it falls
/// due.
fn history(
    config: &Config,
    state: &mut State,
    view: &View<'_>,
    adapted: &Adapted,
    forecast: Option<&Forecast>,
) {
    let at = view.snapshot.at();
    let history = config.prediction.map_or(config.performance_window, |section| section.history);
    let oldest = at.before(reach(config));
    for (record, worker) in view.snapshot.workers().iter().zip(view.workers.iter()) {
        let Some(load) = worker.reported else { continue };
        let sample = Sample { at: record.measured(at), load, segment_start: false };
        let track = state.tracks.entry(record.id).or_default();
        let Track { recent, samples, .. } = &mut *track;
        if recent.newest().is_none_or(|newest| newest.at < sample.at) {
            recent.push(sample);
        }
        samples.forget_while(|sample| sample.at < oldest);
        // The samples are spaced so that those kept reach back as far as the line is fitted.
        let apart =
            (history / u32::try_from(SAMPLES).unwrap_or(u32::MAX)).max(Duration::from_millis(1));
        if samples.newest().is_none_or(|newest| newest.at.after(apart) <= sample.at) {
            track.keep(sample);
        }
    }
    if view.snapshot.is_whole() {
        view.load.into_iter().for_each(|load| state.system.push(load));
    }
    state.thresholds = config.adaptation.map(|_| adapted.thresholds);
    state.forecasts.forget_while(|pending| pending.due <= at);
    if let Some(forecast) = forecast {
        // The forecasts are spaced so that those kept reach from now to the end of the window.
        let (due, apart) = (
            at.after(forecast.horizon),
            forecast.horizon / u32::try_from(FORECASTS).unwrap_or(u32::MAX),
        );
        if state.forecasts.newest().is_none_or(|newest| newest.due.after(apart) <= due) {
            let loads = forecast.workers.iter().map(|row| (row.worker, row.load)).collect();
            let margins = if config.prediction.is_some_and(|section| section.judged) {
                forecast.workers.iter().map(|row| row.high - row.load).collect()
            } else {
                Vec::new()
            };
            state.forecasts.push(Pending { due, loads, margins });
        }
    }
}

/// Notes how far the loads are apart. Once they have parted, tasks that have moved may move again. A snapshot that does
/// not tell of all workers does not tell that the loads are closer than they were.
fn note_spread(state: &mut State, survey: &Survey<'_>) {
    let Survey { view, bands, .. } = survey;
    let Some(spread) = bands.spread else { return };
    let has_parted = bands.parting.is_some_and(|parting| !parting.is_over());
    if has_parted && !broken!("parted_loads_are_news") {
        state.forget_moved();
    }
    let is_told =
        |worker: &WorkerView| worker.stance != Stance::Accept || worker.reported.is_some();
    let tells_all = view.snapshot.is_whole() && view.workers.iter().all(is_told);
    if tells_all || broken!("gap_in_the_telemetry") {
        state.least_spread = Some(state.least_spread.map_or(spread, |least| least.min(spread)));
    }
}

/// How far back samples are read.
fn reach(config: &Config) -> Duration {
    let history = config.prediction.map_or(Duration::ZERO, |section| section.history);
    history.max(config.performance_window)
}

/// Forgets what no longer matters: arrivals that telemetry shows, cooldowns that are over, workers and tasks that are
/// gone.
fn forget(
    config: &Config,
    state: &mut State,
    snapshot: &Snapshot,
    (commands, unstated): (&[Command], &Unstated),
) {
    let at = snapshot.at();
    let lag = config.stability.map(|stability| stability.telemetry_lag);
    // The next snapshot is later than all that has been told, whatever the clocks of the workers say.
    if !broken!("told_is_past") {
        for arrival in &mut state.arrivals {
            arrival.released = arrival.released.min(at);
            arrival.running = arrival.running.min(at);
        }
        let past = |ended: &mut EndedMigration| {
            ended.at = ended.at.min(at);
            ended.shown_at_rest = ended.shown_at_rest.map(|shown| shown.not_after(at));
        };
        let is_ahead = |ended: &EndedMigration| {
            ended.at > at || ended.shown_at_rest.is_some_and(|shown| shown.at > at)
        };
        state.ended.replace_where(is_ahead, past);
    }
    state.arrivals.retain(|landed| {
        let unseen = |id: WorkerId, event| match (snapshot.worker(id), lag) {
            (Some(worker), Some(lag)) => worker.measured(at) < at.min(event).after(lag),
            (None, Some(_)) => !snapshot.is_gone(id),
            (_, None) => false,
        };
        // A worker whose measurements never get newer must not keep the memory for ever.
        let longest = config.performance_window.max(lag.unwrap_or_default().saturating_mul(2));
        let last = landed.running.max(landed.released);
        let young = at.since(last).is_none_or(|age| age <= longest);
        let left = landed.from.is_some_and(|from| unseen(from, landed.released));
        young && (left || unseen(landed.to, landed.running))
    });
    // A task that is on its way, or that a command of this round names, may be missing without being gone.
    let told: BTreeSet<_> = commands.iter().map(|command| command.task).collect();
    let is_told = |task| told.contains(&task) && !broken!("given_back_keeps_its_cooldown");
    let on_its_way = |task| state.in_flight.contains_key(&task) || is_told(task);
    let known =
        |task| !snapshot.is_whole() || snapshot.task_row(task).is_some() || on_its_way(task);
    state.cooldowns.retain(|task, cooldown| cooldown.until > at && known(*task));
    // As long as a task that has moved is on an overloaded worker, it is known that it has moved.
    let overloads = |task| {
        let row = snapshot.task_row(task).filter(|_| !unstated.is_empty());
        row.is_some_and(|row| match snapshot.tasks()[row.position()].placement {
            Placement::On(worker) => {
                snapshot.worker_row(worker).is_some_and(|worker| unstated.contains_key(&worker))
            }
            _ => false,
        })
    };
    state.moved.retain(|task, until| (*until > at || overloads(*task)) && known(*task));
    state.back_offs.retain(|task, returned| returned.forget > at && known(*task));
    forget_workers(config, state, snapshot);
    state.forget_absences();
}

/// The workers that are missing and not gone yet.
fn missing(config: &Config, state: &State, at: Timestamp) -> Vec<Missing> {
    let Some(grace) = config.grace else { return Vec::new() };
    let lasting = state.missing.iter().filter(|(_, absence)| absence.lasts(grace, at));
    lasting.map(|(worker, absence)| absence.told(*worker, grace)).collect()
}

/// Forgets workers that are gone, and those that only partial snapshots have named and that no snapshot has named for
/// as long as samples are read.
fn forget_workers(config: &Config, state: &mut State, snapshot: &Snapshot) {
    let (at, reach) = (snapshot.at(), reach(config));
    // A worker that is gone is remembered as long as a snapshot still shows a task on it.
    let mut needed: BTreeSet<WorkerId> = snapshot
        .tasks()
        .iter()
        .filter_map(|task| match task.placement {
            Placement::On(worker) if snapshot.worker_row(worker).is_none() => Some(worker),
            _ => None,
        })
        .collect();
    let complete = snapshot.coverage() == Coverage::Complete;
    if !complete {
        // A silent worker may still be asked to take a task back.
        for migration in state.in_flight.values() {
            needed.extend(migration.from());
            needed.insert(migration.to());
        }
    }
    state.tracks.retain(|worker, track| {
        // After a restart the clock may be earlier.
        track.passing = track.passing.map(|heard| heard.min(at));
        let silent = track.passing.and_then(|heard| at.since(heard));
        let over = if complete { track.gone } else { silent.is_some_and(|span| span > reach) };
        !over || needed.contains(worker)
    });
    let State { tracks, learned, .. } = state;
    learned.success.retain(|worker, _| tracks.contains_key(worker));
    learned.speed.retain(|worker, _| tracks.contains_key(worker));
}
