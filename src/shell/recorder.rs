//! How do inputs and outcomes become the [run log](super::run_log)?

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

use super::run_log::{
    CandidateLine, Energy, HardwareLoad, Judged, Line, LoadLine, MigrationLine, RefusedLine,
    RoundLine, RunLine, StayLine, Thermal, WorkerLine,
};
use super::{MetricsSink, WallClock};
use crate::config::{Config, Thresholds};
use crate::engine::Input;
use crate::math::summary::Summary;
use crate::math::window::Window;
use crate::model::hardware::{Hardware, HardwareSet};
use crate::model::ids::{MigrationId, TaskId, WorkerId};
use crate::model::time::{Timestamp, seconds};
use crate::outcome::{Command, Ended, Fate, Outcome, Refusals, WorkerForecast, WorkerLoad};
use crate::snapshot::{Coverage, Event, Phase, Placement, Report, Snapshot, Stance};
use crate::state::FORECASTS;

/// A task or worker that only partial snapshots have named is forgotten after this long.
const SILENT: Duration = Duration::from_secs(3_600);
/// By default, at most this many candidates are kept per round.
const CANDIDATES: usize = 1_000;

/// A sink that hands every [`Line`] of the [run log](super::run_log) to a closure, which writes it
/// where the host wants it.
///
/// A [`Driver`](super::Driver) passes everything to it. A host that calls the engine itself must pass on
/// every [`input`](MetricsSink::input), [`record`](MetricsSink::record) every outcome, and pass on the
/// migrations that [`ended`](MetricsSink::ended) in the reply to a report.
///
/// It remembers the tasks and workers of the last complete snapshot and those that partial ones have
/// named within the last hour, migrations under way, and at most 16 forecasts that are not due.
///
/// ```
/// use evenkeel::{Config, Engine, ResourceId, Snapshot, Task, TaskId, Timestamp, Worker, WorkerId};
/// use evenkeel::shell::{Driver, Recorder, WallClock};
///
/// let (hot, idle) = (WorkerId::new(1), WorkerId::new(2));
/// let worker = |id, used| {
///     Worker::new(id).with_capacity(ResourceId::CPU, 10.0).with_used(ResourceId::CPU, used)
/// };
/// let snapshot = |secs, place, used: [f64; 2]| {
///     Snapshot::builder(Timestamp::from_secs(secs))
///         .workers([worker(hot, used[0]), worker(idle, used[1])])
///         .task(Task::new(TaskId::new(1)).on(place).with_demand(ResourceId::CPU, 3.0))
///         .build()
/// };
/// let source = vec![snapshot(30, hot, [9.5, 1.0]), snapshot(60, idle, [6.5, 4.0])];
///
/// let mut log = Vec::new();
/// let keep = |line: &_| log.push(serde_json::to_string(line).unwrap());
/// let config = Config::default();
/// let recorder = Recorder::new("two workers", &config, WallClock::default(), keep);
/// let mut driver = Driver::new(Engine::new(config)?, source, (), recorder);
/// while driver.turn().unwrap().is_some() {}
/// driver.sink.finish();
///
/// assert!(log[0].starts_with(r#"{"line":"run","version":1,"title":"two workers","#));
/// assert!(log[1].starts_with(r#"{"line":"round","epoch":0,"tick":1,"at":30.0,"load":{"mean":0.525,"#));
/// assert_eq!(log[2], r#"{"line":"stay","task":1,"worker":1,"from":30.0,"until":60.0}"#);
/// assert!(log[4].starts_with(
///     r#"{"line":"migration","migration":"m0.1","task":1,"from":1,"to":2,"begun":30.0,"ended":60.0,"#
/// ));
/// # Ok::<(), evenkeel::config::ConfigErrors>(())
/// ```
#[derive(Clone, Debug)]
pub struct Recorder<F> {
    keep: F,
    /// The newest snapshot's moment.
    shown: Option<Timestamp>,
    thresholds: Option<Thresholds>,
    machines: BTreeMap<WorkerId, Machine>,
    places: BTreeMap<TaskId, Place>,
    moving: BTreeMap<MigrationId, Begun>,
    forecasts: Window<Pending, FORECASTS>,
    joules: Option<f64>,
    candidates: usize,
}

/// What a snapshot reported about a worker beside its load.
#[derive(Clone, Copy, Debug)]
struct Machine {
    seen: Timestamp,
    watts: Option<f64>,
    celsius: Option<f64>,
    stance: Stance,
    kinds: HardwareSet,
}

/// Where a task is.
#[derive(Clone, Copy, Debug)]
struct Place {
    on: Option<WorkerId>,
    since: Timestamp,
    seen: Timestamp,
}

/// A migration under way.
#[derive(Clone, Copy, Debug)]
struct Begun {
    command: Command,
    from: Option<WorkerId>,
    to: WorkerId,
    at: Timestamp,
}

/// A forecast that is not due yet.
#[derive(Clone, Debug)]
struct Pending {
    made: Timestamp,
    due: Timestamp,
    workers: Vec<WorkerForecast>,
}

impl<F: FnMut(&Line)> Recorder<F> {
    /// A recorder that passes the first line of the log to `keep` at once.
    pub fn new(title: &str, config: &Config, clock: WallClock, mut keep: F) -> Self {
        keep(&Line::Run(Box::new(RunLine {
            version: RunLine::VERSION,
            title: title.into(),
            epoch_unix_millis: clock.epoch_unix_millis,
            config: config.clone(),
        })));
        Self {
            keep,
            shown: None,
            thresholds: None,
            machines: BTreeMap::new(),
            places: BTreeMap::new(),
            moving: BTreeMap::new(),
            forecasts: Window::default(),
            joules: None,
            candidates: CANDIDATES,
        }
    }

    /// Keeps at most `most` [candidates](super::run_log::RoundLine::candidates) per round, and all that were
    /// chosen. The default is 1,000, since a large uneven cluster scores tens of thousands.
    #[must_use]
    pub const fn with_candidates(mut self, most: usize) -> Self {
        self.candidates = most;
        self
    }

    /// Ends the log with the migrations under way and the present place of every task.
    pub fn finish(mut self) {
        for (id, begun) in core::mem::take(&mut self.moving) {
            (self.keep)(&unfinished(id, &begun));
        }
        let tasks: Vec<TaskId> = self.places.keys().copied().collect();
        tasks.into_iter().for_each(|task| self.put(task, None, self.shown.unwrap_or_default()));
    }

    /// Notes where a task is from this moment on.
    fn put(&mut self, task: TaskId, on: Option<WorkerId>, at: Timestamp) {
        let place = self.places.entry(task).or_insert(Place { on: None, since: at, seen: at });
        place.seen = place.seen.max(at);
        if place.on == on {
            return;
        }
        // A late note does not reach back before what is noted already.
        let since = at.max(place.since);
        let before = core::mem::replace(place, Place { on, since, ..*place });
        if let Some(worker) = before.on
            && before.since < since
        {
            let (from, until) = (before.since, since);
            (self.keep)(&Line::Stay(StayLine { task, worker, from, until }));
        }
    }

    fn forget(&mut self, task: TaskId, at: Timestamp) {
        self.put(task, None, at);
        self.places.remove(&task);
    }

    fn report(&mut self, report: &Report) {
        let begun = report.event.migration().and_then(|id| self.moving.get(&id));
        let Some(task) = begun.map(|begun| begun.command.task) else { return };
        match report.event {
            Event::Released { .. } => self.put(task, None, report.at),
            Event::Diverted { worker, task: name, .. } => {
                if name != task {
                    self.forget(task, report.at);
                }
                self.put(name, Some(worker), report.at);
            }
            _ => {}
        }
    }

    fn snapshot(&mut self, snapshot: &Snapshot) {
        snapshot.reports().iter().for_each(|report| self.report(report));
        let at = snapshot.at();
        if self.shown.is_some_and(|shown| shown >= at) {
            return;
        }
        self.shown = Some(at);
        for task in snapshot.tasks() {
            let on = match task.placement {
                Placement::On(worker) => Some(worker),
                Placement::Moving { from, phase: Phase::Releasing, .. } => from,
                _ => None,
            };
            self.put(task.id, on, at);
        }
        self.machines(snapshot);
        let complete = snapshot.coverage() == Coverage::Complete;
        // A host need not list tasks that are on their way.
        let moving: BTreeSet<TaskId> = self.moving.values().map(|it| it.command.task).collect();
        let places = self.places.iter().filter(|(task, place)| {
            let listed = place.seen >= at || moving.contains(task);
            !listed && (complete || is_silent(place.seen, at))
        });
        let gone: Vec<(TaskId, Timestamp)> = places.map(|(task, it)| (*task, it.seen)).collect();
        for (task, seen) in gone {
            self.forget(task, if complete { at } else { seen });
        }
        self.machines.retain(|_, it| it.seen == at || !complete && !is_silent(it.seen, at));
    }

    /// Notes what the snapshot reports about workers beside their load, and adds the energy since each one's last
    /// report.
    fn machines(&mut self, snapshot: &Snapshot) {
        let at = snapshot.at();
        for record in snapshot.workers() {
            let watts = record.power_watts.filter(|watts| watts.is_finite() && *watts >= 0.0);
            let machine = Machine {
                seen: at,
                watts,
                celsius: record.temperature_celsius.filter(|celsius| celsius.is_finite()),
                stance: record.stance,
                kinds: record.kinds(),
            };
            let before = self.machines.insert(record.id, machine);
            let known = before.and_then(|it| Some((at.since(it.seen)?, it.watts?, watts?)));
            if let Some((span, then, now)) = known {
                let joules = f64::midpoint(then, now) * seconds(span);
                self.joules = Some(self.joules.unwrap_or(0.0) + joules);
            }
        }
    }

    fn end(&mut self, ended: &Ended) {
        match ended.fate {
            Fate::Completed => self.put(ended.task, Some(ended.to), ended.at),
            Fate::Finished => self.forget(ended.task, ended.at),
            _ => {}
        }
        let begun = self.moving.remove(&ended.migration);
        let since = begun.map_or(ended.at.before(ended.took), |begun| begun.at);
        (self.keep)(&Line::Migration(Box::new(MigrationLine {
            migration: ended.migration,
            task: ended.task,
            from: ended.from,
            to: ended.to,
            begun: since,
            ended: Some(ended.at),
            outcome: Some(ended.fate),
            reason: begun.map(|begun| begun.command.why.to_string()),
            scorecard: begun.and_then(|begun| begun.command.scorecard),
        })));
    }

    fn begin(&mut self, command: &Command, at: Timestamp) {
        let Some((from, to)) = command.action.begins() else { return };
        // An orphan that is placed again is still in the same migration.
        self.moving.entry(command.migration).or_insert(Begun { command: *command, from, to, at });
    }

    /// The forecasts that are due, beside the loads that came; keeps the new forecast to judge it later.
    fn judge(&mut self, outcome: &Outcome) -> Vec<Judged> {
        let at = outcome.at;
        let mut judged = Vec::new();
        for pending in self.forecasts.iter().filter(|pending| pending.due <= at) {
            judged.extend(pending.workers.iter().filter_map(|it| judge(pending, it, outcome)));
        }
        self.forecasts.forget_while(|pending| pending.due <= at);
        if let Some(forecast) = &outcome.forecast {
            // The waiting forecasts are spaced so that they reach from now to the end of the horizon.
            let apart = forecast.horizon / u32::try_from(FORECASTS).unwrap_or(u32::MAX);
            let due = at.after(forecast.horizon);
            if self.forecasts.newest().is_none_or(|newest| newest.due.after(apart) <= due) {
                let workers = forecast.workers.clone();
                self.forecasts.push(Pending { made: at, due, workers });
            }
        }
        judged
    }

    fn round(&mut self, outcome: &Outcome) -> RoundLine {
        let judged = self.judge(outcome);
        let workers = self.workers(outcome);
        let watts = workers.iter().filter_map(|worker| worker.watts).reduce(|a, b| a + b);
        let celsius = Summary::of(workers.iter().filter_map(|worker| worker.celsius));
        let before = self.thresholds.replace(outcome.thresholds).unwrap_or(outcome.thresholds);
        let (now, counts) = (outcome.thresholds, outcome.counts);
        RoundLine {
            epoch: outcome.epoch,
            tick: outcome.tick,
            at: outcome.at,
            load: outcome.load.map(|load| LoadLine {
                mean: load.mean,
                min: load.min,
                max: load.max,
                deviation: load.deviation,
            }),
            spread: outcome.load.map(|load| load.spread()),
            thresholds: now,
            band: outcome.band,
            trend: outcome.trend,
            adaptation_rate: (now.high - before.high).abs() + (now.low - before.low).abs(),
            balance: outcome.balance.to_string(),
            uneven: outcome.balance.is_uneven(),
            forecast: outcome.forecast.clone(),
            judged,
            hardware: hardware(&workers),
            workers,
            energy: Energy { watts, joules: self.joules },
            thermal: celsius.map(|it| Thermal { mean: it.mean, max: it.max }),
            scored: u32::try_from(outcome.candidates.len()).unwrap_or(u32::MAX),
            candidates: candidates(outcome, self.candidates),
            refusals: outcome.tally.refusals.iter().map(refused).collect(),
            initiated: counts.initiated,
            completed: counts.completed,
            failed: counts.failed,
            in_flight: outcome.in_flight,
        }
    }

    fn workers(&self, outcome: &Outcome) -> Vec<WorkerLine> {
        let mut tasks: BTreeMap<WorkerId, u32> = BTreeMap::new();
        for worker in self.places.values().filter_map(|place| place.on) {
            *tasks.entry(worker).or_default() += 1;
        }
        let line = |it: &WorkerLoad| {
            let machine = self.machines.get(&it.worker).filter(|it| it.seen == outcome.at);
            WorkerLine {
                worker: it.worker,
                load: it.reported.map(crate::ratio::Utilization::get),
                projected: it.projected.map(crate::ratio::Utilization::get),
                tasks: tasks.get(&it.worker).copied().unwrap_or(0),
                watts: machine.and_then(|it| it.watts),
                celsius: machine.and_then(|it| it.celsius),
                stance: machine.map(|it| it.stance),
                hardware: machine.map_or(HardwareSet::EMPTY, |it| it.kinds),
            }
        };
        outcome.workers.iter().map(line).collect()
    }
}

impl<F: FnMut(&Line)> MetricsSink for Recorder<F> {
    fn record(&mut self, outcome: &Outcome) {
        let round = self.round(outcome);
        (self.keep)(&Line::Round(Box::new(round)));
        self.ended(&outcome.ended);
        outcome.begun().for_each(|command| self.begin(command, outcome.at));
        // Some migrations ended without a report: most likely the oldest.
        while self.moving.len() > outcome.in_flight as usize {
            let Some((id, begun)) = self.moving.pop_first() else { break };
            (self.keep)(&unfinished(id, &begun));
        }
    }

    fn input(&mut self, input: &Input) {
        match input {
            Input::Tick(snapshot) => self.snapshot(snapshot),
            Input::Report(report) => self.report(report),
            Input::Reconfigure(_) => {}
        }
    }

    fn ended(&mut self, ended: &[Ended]) {
        ended.iter().for_each(|ended| self.end(ended));
    }
}

fn is_silent(seen: Timestamp, at: Timestamp) -> bool {
    at.since(seen).is_some_and(|silent| silent > SILENT)
}

fn unfinished(id: MigrationId, begun: &Begun) -> Line {
    Line::Migration(Box::new(MigrationLine {
        migration: id,
        task: begun.command.task,
        from: begun.from,
        to: begun.to,
        begun: begun.at,
        ended: None,
        outcome: None,
        reason: Some(begun.command.why.to_string()),
        scorecard: begun.command.scorecard,
    }))
}

fn judge(pending: &Pending, foreseen: &WorkerForecast, outcome: &Outcome) -> Option<Judged> {
    let WorkerForecast { worker, load, low, high, confidence } = *foreseen;
    let nth = outcome.workers.binary_search_by_key(&worker, |it| it.worker).ok()?;
    let came = outcome.workers[nth].reported?.get();
    let Pending { made, due, .. } = *pending;
    Some(Judged { worker, made, due, load, low, high, confidence, outcome: came })
}

fn hardware(workers: &[WorkerLine]) -> Vec<HardwareLoad> {
    let kinds = Hardware::ALL.into_iter().filter_map(|kind| {
        let have = || workers.iter().filter(|worker| worker.hardware.contains(kind));
        let count = u32::try_from(have().count()).unwrap_or(u32::MAX);
        let load = Summary::of(have().filter_map(|worker| worker.load)).map(|it| it.mean);
        (count > 0).then_some(HardwareLoad { hardware: kind, workers: count, load })
    });
    kinds.collect()
}

/// The candidates that were chosen, and at most `most` of the others, evenly picked from first to last.
fn candidates(outcome: &Outcome, most: usize) -> Vec<CandidateLine> {
    let step = outcome.candidates.len().div_ceil(most.max(1)).max(1);
    let pairs = outcome.candidates.iter().enumerate();
    let pairs = pairs.filter(|(nth, it)| it.taken || most > 0 && nth % step == 0);
    let lines = pairs.map(|(_, it)| CandidateLine {
        task: it.task,
        from: it.from,
        to: it.to,
        cost: it.cost,
        benefit: it.benefit,
        taken: it.taken,
        refused: it.refused.map(|rejection| Cow::Borrowed(rejection.name())),
    });
    lines.collect()
}

fn refused(refusals: &Refusals) -> RefusedLine {
    RefusedLine { reason: Cow::Borrowed(refusals.name()), count: refusals.count }
}
