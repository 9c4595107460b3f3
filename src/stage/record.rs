//! What is remembered of the round, and what is said of it.
//!
//! The other writer of State, and the last stage: nothing before it has changed anything but the
//! migrations that had come to their end.

mod late;

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use crate::config::{Config, Mode};
use crate::model::ids::{MigrationId, WorkerId};
use crate::model::ratio::Utilization;
use crate::model::time::Timestamp;
use crate::outcome::{
    Balance, Command, Counts, Ended, Forecast, Held, Imbalance, Outcome, Purpose, Reason, Sight,
    WorkerLoad,
};
use crate::round::{Adapted, Advised, Fit, Plan, PlannedMove, Survey};
use crate::snapshot::{Coverage, Placement, Snapshot, Stance};
use crate::state::{
    Course, FORECASTS, Migration, Pending, SAMPLES, Sample, Spending, State, Target, Terms, Track,
    Transport,
};
use crate::view::{self, View};

/// Everything the stages before have found.
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    /// With the ledger as the plan leaves it.
    pub(crate) survey: Survey<'a>,
    pub(crate) plan: Plan,
    pub(crate) advised: Advised,
    pub(crate) commands: Vec<Command>,
    pub(crate) ended: Vec<Ended>,
    pub(crate) held: Option<Held>,
    pub(crate) doubted_since: Option<Timestamp>,
}

/// Writes the round down and says what came of it.
pub(crate) fn record(config: &Config, state: &mut State, pass: Pass<'_>) -> Outcome {
    let Pass { survey, plan, mut commands, .. } = pass;
    let Survey { view, ledger, adapted, forecast, calibration, balance, fragmentation, .. } =
        survey;
    let at = view.snapshot.at();
    let mut proposed = Vec::new();
    charge(config, state, &view);
    let why = |planned: &PlannedMove| reason(&view, &adapted, &balance, forecast.as_ref(), planned);
    for planned in &plan.moves {
        let reason = why(planned);
        let under_way = state.in_flight.contains_key(&view.task(planned.row).id);
        if config.mode == Mode::Advise && !under_way {
            let id = state.migration(proposed.len() as u64);
            proposed.extend(migration(config, &view, id, reason, planned).command());
        } else {
            commands.extend(begin(config, state, &view, reason, planned));
        }
    }
    spend(config, state, &view);
    // For who will be late, what is only proposed counts as if it were begun.
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
    let evens = |planned: &PlannedMove| planned.purpose == Purpose::Rebalance;
    state.evening = config.mode.is_act() && plan.moves.iter().any(evens);
    forget(config, state, &view.snapshot, &commands);
    (state.last, state.ticks) = (Some(at), state.ticks + 1);
    state.doubted_since = pass.doubted_since;
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
        held: pass.held,
        mode: config.mode,
        proposed,
        fragmentation,
    }
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

/// Begins a planned migration, or gives a stranded one another target; the command that follows.
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
        let target = Target { to, device, alternative, claim, load };
        return state.in_flight.retarget(task.id, target, at);
    }
    let id = state.migration(0);
    state.issued += 1;
    state.forget_release(task.id);
    state.counters.add(at, Counts { initiated: 1, ..Counts::default() });
    let mut migration = migration(config, view, id, reason, planned);
    let command = migration.command();
    if let Some(limits) = config.migration.as_ref().filter(|limits| !limits.budgets.is_empty()) {
        migration.set_charge(view::charge_of(config, view, &migration));
        migration.charge().into_iter().for_each(|charge| state.spending.enter(limits, at, charge));
    }
    let fairness = config.migration.as_ref().and_then(|limits| Some((limits, limits.fairness?)));
    let fairness = fairness.filter(|_| migration.transport() != Transport::Requeue);
    if let (Some((limits, fairness)), Some(tenant)) = (fairness, task.tenant) {
        let room = Spending::room(limits, view.workers.len());
        state.spending.interrupt(&fairness, at, tenant, room);
    }
    state.in_flight.insert(migration);
    command
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
    let transport = Transport::of(config.migration.as_ref(), task);
    let course = planned.from.map_or(Course::Placing, |seat| transport.first(view.worker_id(seat)));
    let source = planned.from.filter(|_| alternative.is_some());
    let freed_at_source =
        source.map(|seat| view::loads(view.task_here(planned.row), view.workers[seat].kinds));
    let terms = Terms {
        id,
        task: task.id,
        kind: task.kind,
        reason,
        to,
        device,
        alternative,
        claim: view::claims(as_there, kinds),
        load: view::loads(as_there, kinds),
        freed_at_source,
        scorecard: planned.scorecard,
        handover: planned.handover,
    };
    Migration::begin(terms, course, at)
}

/// Writes down what the budgets ask for of migrations that began without them, before any of them is
/// given another target.
fn charge(config: &Config, state: &mut State, view: &View<'_>) {
    if config.migration.as_ref().is_some_and(|limits| !limits.budgets.is_empty()) {
        state.in_flight.charge(|migration| view::charge_of(config, view, migration));
    }
}

/// Forgets what the budgets do not ask for any more.
fn spend(config: &Config, state: &mut State, view: &View<'_>) {
    let limits = config.migration.as_ref();
    state.spending.forget(limits, view.snapshot.at());
    let moving = state.in_flight.values().filter(|flight| flight.interrupts()).count();
    if let Some(concurrency) = &mut state.concurrency {
        concurrency.full = moving >= concurrency.now as usize;
    }
}

/// Why this move: its errand, and for an imbalance the end of it that was out of bounds.
fn reason(
    view: &View<'_>,
    adapted: &Adapted,
    balance: &Balance,
    forecast: Option<&Forecast>,
    planned: &PlannedMove,
) -> Reason {
    let from = planned.from.map(|seat| (view.worker_id(seat), view.workers[seat]));
    let Some((worker, source)) = from else { return Reason::Recover };
    match planned.purpose {
        Purpose::Recover => return Reason::Recover,
        Purpose::Evacuate => {
            let draining = planned.from.is_some_and(|it| view.worker(it).stance == Stance::Drain);
            let leaves = source.departs_at.filter(|_| !draining);
            return leaves.map_or(Reason::Drain { worker }, |at| Reason::Leaves { worker, at });
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
            let predicted = foreseen.filter(|it| it.worker == worker).map(|it| it.load).next();
            let predicted = predicted.unwrap_or(load);
            let horizon = forecast.map_or(Duration::ZERO, |forecast| forecast.horizon);
            Reason::Forecast { worker, predicted, high, confidence: *confidence, horizon }
        }
        Balance::Uneven(Imbalance { over: false, under: true, coldest, min, .. }) => {
            Reason::Underload { worker: *coldest, load: *min, low }
        }
        // Who is almost over gives along with those that are.
        Balance::Uneven(Imbalance { over, spread, .. }) if !over || load <= high => {
            Reason::Spread { worker, load, spread: *spread }
        }
        _ => Reason::Overload { worker, load, high },
    }
}

/// Samples, the system's record, thresholds, and the forecast that is to be judged one day.
fn history(
    config: &Config,
    state: &mut State,
    view: &View<'_>,
    adapted: &Adapted,
    forecast: Option<&Forecast>,
) {
    let at = view.snapshot.at();
    let history = config.prediction.map_or(config.performance_window, |it| it.history);
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
        // Spaced so that those that are kept reach back as far as the line is fitted.
        let apart =
            (history / u32::try_from(SAMPLES).unwrap_or(u32::MAX)).max(Duration::from_millis(1));
        if samples.newest().is_none_or(|newest| newest.at.after(apart) <= sample.at) {
            track.keep(sample);
        }
    }
    if view.snapshot.coverage() == Coverage::Complete {
        view.load.into_iter().for_each(|load| state.system.push(load));
    }
    state.thresholds = config.adaptation.map(|_| adapted.thresholds);
    state.forecasts.forget_while(|pending| pending.due <= at);
    if let Some(forecast) = forecast {
        // Spaced so that those that wait reach from now to the end of the window.
        let (due, apart) = (
            at.after(forecast.horizon),
            forecast.horizon / u32::try_from(FORECASTS).unwrap_or(u32::MAX),
        );
        if state.forecasts.newest().is_none_or(|newest| newest.due.after(apart) <= due) {
            let loads = forecast.workers.iter().map(|it| (it.worker, it.load)).collect();
            let widens = config.prediction.is_some_and(|it| it.judged);
            let judged = forecast.workers.iter().filter(|_| widens);
            let margins = judged.map(|it| it.high - it.load).collect();
            state.forecasts.push(Pending { due, loads, margins });
        }
    }
}

/// How far back samples are looked at.
fn reach(config: &Config) -> Duration {
    let history = config.prediction.map_or(Duration::ZERO, |section| section.history);
    history.max(config.performance_window)
}

/// Forgets what is over: effects that telemetry shows, cooldowns, workers and tasks that are gone.
fn forget(config: &Config, state: &mut State, snapshot: &Snapshot, commands: &[Command]) {
    let at = snapshot.at();
    let complete = snapshot.coverage() == Coverage::Complete;
    let lag = config.stability.map(|stability| stability.telemetry_lag);
    state.arrivals.retain(|landed| {
        let unseen = |worker: WorkerId, event| match (snapshot.worker(worker), lag) {
            (Some(worker), Some(lag)) => worker.measured(at) < at.min(event).after(lag),
            (None, Some(_)) => !complete,
            (_, None) => false,
        };
        // A worker whose measurements stand still must not hold the memory for ever.
        let longest = config.performance_window.max(lag.unwrap_or_default().saturating_mul(2));
        let last = landed.running.max(landed.released);
        let young = at.since(last).is_none_or(|age| age <= longest);
        let left = landed.from.is_some_and(|from| unseen(from, landed.released));
        young && (left || unseen(landed.to, landed.running))
    });
    // A host that does not list tasks on their way has not lost them, nor those that it is told of now.
    let told: BTreeSet<_> = commands.iter().map(|command| command.task).collect();
    let on_its_way = |task| state.in_flight.contains_key(&task) || told.contains(&task);
    let known = |task| !complete || snapshot.task_row(task).is_some() || on_its_way(task);
    state.cooldowns.retain(|task, cooldown| cooldown.until > at && known(*task));
    state.back_offs.retain(|task, returned| returned.forget > at && known(*task));
    forget_workers(config, state, snapshot);
}

/// Forgets workers that are gone, or that only partial snapshots have named, and not for so long
/// that nobody looks at their samples any more.
fn forget_workers(config: &Config, state: &mut State, snapshot: &Snapshot) {
    let (at, reach) = (snapshot.at(), reach(config));
    // A worker that is gone is remembered as long as a task is still said to be on it.
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
        // One that is silent may still be asked to take a task back.
        let flights = state.in_flight.values();
        needed.extend(flights.flat_map(|flight| flight.from().into_iter().chain([flight.to()])));
    }
    state.tracks.retain(|worker, track| {
        // A later life may have begun with an earlier clock.
        track.passing = track.passing.map(|heard| heard.min(at));
        let silent = track.passing.and_then(|heard| at.since(heard));
        let over = if complete { track.gone } else { silent.is_some_and(|it| it > reach) };
        !over || needed.contains(worker)
    });
    let State { tracks, learned, .. } = state;
    learned.success.retain(|worker, _| tracks.contains_key(worker));
    learned.speed.retain(|worker, _| tracks.contains_key(worker));
}
