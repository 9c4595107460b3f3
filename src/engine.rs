//! The engine: three doors in, one value out, and the pipeline in `step`.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::admission::{self, Levels};
use crate::config::{Config, ConfigErrors, Pace};
use crate::handover::{self, Reckoner};
use crate::math::fingerprint::fingerprint;
use crate::model::ids::{Epoch, TaskId, WorkerId};
use crate::model::time::Timestamp;
use crate::outcome::{
    Admission, Balance, Command, Ended, Fingerprints, Outcome, Rejection, Reply, Tally, Verdict,
};
use crate::snapshot::{Report, Snapshot, Stance};
use crate::speed;
use crate::stage::record::Pass;
use crate::stage::score::{self, Scorer};
use crate::stage::{
    adapt, advise, believe, candidate, detect, observe, predict, record, select, settle,
};
use crate::state::{State, Stats};
use crate::view::{Adapted, Advised, Burden, Errand, Place, Scored, Seat, Seek, View};

/// Decides which running task should move to which worker, when, and why.
///
/// The engine is a plain value: it does no I/O and reads no clock. The host drives it and owes it, in
/// this order:
///
/// 1. Build a [`Snapshot`] of all workers and tasks, later than the last, and call [`tick`](Self::tick).
/// 2. Carry out [`Outcome::commands`] in their order. Each names its migration; a repeated one is the
///    same order, not a second one.
/// 3. Call [`report`](Self::report) as soon as something happens to a migration, and carry out the
///    commands of the [`Reply`]: a released task runs nowhere until its target is told.
/// 4. Save [`state`](Self::state) after every tick and every report, before commands leave the host.
/// 5. After a restart, [`resume`](Self::resume) in a higher [`Epoch`] than any before; without a saved
///    state, [`in_epoch`](Self::in_epoch). Two lives in one epoch could issue one id for two moves.
/// 6. Honour the fence: once a command of a later migration for a task has been seen, ignore those of
///    earlier ones. One fence for the whole host, not one per worker: a worker that has not heard of
///    the later migration would still obey the earlier one.
/// 7. After a restart, tick once and then repeat [`outstanding`](Self::outstanding).
///
/// Three methods take input: `tick`, `report`, and [`reconfigure`](Self::reconfigure), which changes
/// settings. Their sequence is the whole log ([`Input`]); replaying it gives the same outputs, bit by
/// bit. Everything else takes `&self` and answers questions.
///
/// ```
/// use evenkeel::{Config, Engine, Event, Report, ResourceId, Snapshot, Task, TaskId, Timestamp};
/// use evenkeel::{Worker, WorkerId};
///
/// let worker = |id| Worker::new(WorkerId::new(id)).with_capacity(ResourceId::CPU, 8.0);
/// let task = |id| Task::new(TaskId::new(id)).on(WorkerId::new(1)).with_demand(ResourceId::CPU, 3.0);
/// let snapshot = Snapshot::builder(Timestamp::from_secs(30))
///     .workers([worker(1).with_used(ResourceId::CPU, 7.5), worker(2).with_used(ResourceId::CPU, 0.0)])
///     .tasks([task(1), task(2)])
///     .build();
/// let mut engine = Engine::new(Config::default())?;
/// let command = engine.tick(&snapshot)?.commands[0];
/// assert_eq!(engine.outstanding(), [command]); // what a restarted host would repeat
/// let released = Event::Released { migration: command.migration };
/// let reply = engine.report(&Report::new(Timestamp::from_secs(31), released));
/// assert_eq!(reply.commands.len(), 1); // the target is told now, not in the next round
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Engine {
    config: Config,
    /// The configuration's fingerprint, worked out once.
    config_print: u64,
    state: State,
}

/// One input: one line of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[expect(clippy::large_enum_variant, reason = "nearly every input is a snapshot")]
pub enum Input {
    /// For [`Engine::tick`].
    Tick(Snapshot),
    /// For [`Engine::report`].
    Report(Report),
    /// For [`Engine::reconfigure`].
    Reconfigure(alloc::boxed::Box<Config>),
}

/// What came of one [`Input`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[must_use]
#[non_exhaustive]
pub enum Output {
    /// Of a round.
    Outcome(alloc::boxed::Box<Outcome>),
    /// Of a report.
    Reply(Reply),
    /// Of a round that came too late.
    Stale(Stale),
    /// Of new settings that are in force now.
    Reconfigured,
    /// Of new settings that are impossible; the old ones stay in force.
    Refused(Vec<String>),
}

/// The snapshot is not newer than the last one: no round was run. For the integrator.
///
/// The reports that rode in it have been settled all the same; what follows from them is here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("the snapshot of {given} is not newer than the last one, of {last}")]
#[non_exhaustive]
pub struct Stale {
    /// The moment of the last snapshot.
    pub last: Timestamp,
    /// The moment of this one.
    pub given: Timestamp,
    /// What the host is to do.
    pub commands: Vec<Command>,
    /// The migrations that came to their end.
    pub ended: Vec<Ended>,
}

/// Why an engine cannot go on from a state. The state is as it was.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ResumeError {
    /// The configuration is impossible.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// The state was written by a newer release.
    #[error("the state has format {found}; this release reads formats up to {known}")]
    NewerState {
        /// Its format.
        found: u32,
        /// The newest format that this release reads.
        known: u32,
    },
    /// The epoch is lower than the state's: a later life has run already.
    #[error("{given} is over: the state is of {last}")]
    EpochOver {
        /// The state's epoch.
        last: Epoch,
        /// The given one.
        given: Epoch,
    },
}

impl Engine {
    /// An engine that remembers nothing, in its first epoch.
    ///
    /// # Errors
    ///
    /// [`ConfigErrors`] if the configuration is impossible or contradicts itself: all faults at
    /// once.
    pub fn new(config: Config) -> Result<Self, ConfigErrors> {
        Self::in_epoch(config, Epoch::FIRST)
    }

    /// An engine that remembers nothing, in a later epoch: after a restart that lost the state.
    ///
    /// Migrations that are still under way are taken over from the snapshots that show them
    /// ([`Placement::Moving`](crate::snapshot::Placement::Moving)).
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn in_epoch(config: Config, epoch: Epoch) -> Result<Self, ConfigErrors> {
        config.check()?;
        let config_print = fingerprint(&config);
        let mut state = State::new(epoch);
        if epoch > Epoch::FIRST {
            state.spending.take_over(config.migration.as_ref());
        }
        Ok(Self { config, config_print, state })
    }

    /// Goes on from a saved state.
    ///
    /// Raise the epoch at every resume or fail-over: two lives in one epoch could issue one
    /// migration id for two migrations. The state's own epoch continues the same life and changes
    /// nothing; use it only where that life is known to be over (a replay, a copy for a shadow
    /// run).
    ///
    /// # Errors
    ///
    /// [`ResumeError`] if the configuration is impossible, the state is of a newer format, or
    /// `epoch` is lower than the state's.
    pub fn resume(config: Config, state: State, epoch: Epoch) -> Result<Self, ResumeError> {
        let (found, known) = (state.schema, State::SCHEMA);
        if found > known {
            return Err(ResumeError::NewerState { found, known });
        }
        let last = state.epoch;
        if epoch < last {
            return Err(ResumeError::EpochOver { last, given: epoch });
        }
        let mut engine = Self::new(config)?;
        engine.state = state;
        if epoch > last {
            (engine.state.epoch, engine.state.ticks, engine.state.issued) = (epoch, 0, 0);
            // A later life takes its time from its own first snapshot, even if a clock had run ahead.
            engine.state.last = None;
            engine.state.spending.take_over(engine.config.migration.as_ref());
        }
        Ok(engine)
    }

    /// Runs a balancing round.
    ///
    /// # Errors
    ///
    /// [`Stale`] if the snapshot is not newer than the last one. Its reports are settled even then.
    pub fn tick(&mut self, snapshot: &Snapshot) -> Result<Outcome, Stale> {
        step(&self.config, self.config_print, &mut self.state, snapshot)
    }

    /// Settles what happened to a migration, and says what follows at once: a released task need
    /// not wait for the next round.
    ///
    /// This is the specification's `handle_task_cancelled_for_migration`
    /// ([`Event::Released`](crate::Event::Released)) and its `update_worker_performance`
    /// ([`Event::Performance`](crate::Event::Performance)).
    pub fn report(&mut self, report: &Report) -> Reply {
        settle::report(&self.config, &mut self.state, report)
    }

    /// Changes settings at run time: numbers, sections, mode, scope, hardware profiles. State stays,
    /// and nothing in flight is dropped; only thresholds that are configured anew begin where they
    /// are configured, not where the old ones had got to.
    ///
    /// # Errors
    ///
    /// [`ConfigErrors`] if the new configuration is impossible; the old one stays in force.
    pub fn reconfigure(&mut self, config: Config) -> Result<(), ConfigErrors> {
        config.check()?;
        if config.thresholds != self.config.thresholds {
            self.state.thresholds = None;
        }
        let limits = [&self.config, &config].map(|config| config.migration.as_ref());
        self.state.spending.reconfigure(limits, self.state.last.unwrap_or_default());
        self.config_print = fingerprint(&config);
        self.config = config;
        Ok(())
    }

    /// Takes one input of whichever kind: replay is a loop over this.
    pub fn apply(&mut self, input: &Input) -> Output {
        match input {
            Input::Tick(snapshot) => match self.tick(snapshot) {
                Ok(outcome) => Output::Outcome(outcome.into()),
                Err(stale) => Output::Stale(stale),
            },
            Input::Report(report) => Output::Reply(self.report(report)),
            Input::Reconfigure(config) => match self.reconfigure((**config).clone()) {
                Ok(()) => Output::Reconfigured,
                Err(errors) => {
                    let lines = errors.faults().iter().map(alloc::string::ToString::to_string);
                    Output::Refused(lines.collect())
                }
            },
        }
    }

    /// What would become of `task` on `worker`: yes or no, with the reasons. Nothing if either is
    /// not in the snapshot.
    ///
    /// Judged as a move to even out the load, whether or not the cluster is uneven, and where that is
    /// refused as a move for speed; of a task on a worker that is to be emptied, as one of those (and
    /// under [`Config::stability`] by the ceiling too, above which rounds go rather than nowhere).
    /// Budgets are not asked, since they depend on what else a round would choose.
    pub fn consider(&self, snapshot: &Snapshot, task: TaskId, worker: WorkerId) -> Option<Verdict> {
        let doubted = believe::believe(&self.config, &self.state, snapshot).snapshot;
        let doubted = doubted.as_ref().filter(|it| it.worker_row(worker).is_some());
        let snapshot = doubted.unwrap_or(snapshot);
        let (row, to) = (snapshot.task_row(task)?, snapshot.worker_row(worker)?);
        let view = observe::observe(&self.config, &self.state, snapshot);
        let drains = |seat: usize| view.workers[seat].stance == Stance::Drain;
        if matches!(view.ledger.places[row], Place::On(from) if drains(from)) {
            return Some(self.verdict(&view, row, to, Errand::Drain));
        }
        let verdict = self.verdict(&view, row, to, Errand::Balance);
        if verdict.admission.rejection().is_some() && self.is_faster(&view, row, to) {
            let faster = self.verdict(&view, row, to, Errand::Upgrade);
            if faster.admission.rejection().is_none() {
                return Some(faster);
            }
        }
        Some(verdict)
    }

    /// Where `task` would go if it had to be placed now, best first; then the workers that cannot
    /// take it, by id, each with its reason. Nothing if the task is not in the snapshot.
    ///
    /// For new and queued tasks: the hard rules and the score of rounds (of a task that stays with
    /// others that have no worker either, for all of them together), and under [`Config::stability`]
    /// the ceiling too (rounds put an orphan above it rather than nowhere). Budgets are not asked.
    /// Tasks out of [scope](Config::scope) too: who asks is who places them.
    pub fn rank(&self, snapshot: &Snapshot, task: TaskId) -> Option<Vec<Verdict>> {
        let doubted = believe::believe(&self.config, &self.state, snapshot).snapshot;
        let snapshot = doubted.as_ref().unwrap_or(snapshot);
        let row = snapshot.task_row(task)?;
        let mut view = observe::observe(&self.config, &self.state, snapshot);
        let seats = 0..view.workers.len();
        let mut verdicts: Vec<Verdict> =
            seats.map(|to| self.verdict(&view, row, to, Errand::Recover)).collect();
        self.with_companions(&mut view, row, &mut verdicts);
        let net =
            |verdict: &Verdict| verdict.scorecard.map_or(f64::NEG_INFINITY, |card| card.net());
        let load = |verdict: &Verdict| {
            let seat = view.snapshot.worker_row(verdict.worker);
            seat.and_then(|seat| view.ledger.load(seat)).unwrap_or(f64::INFINITY)
        };
        verdicts.sort_by(|a, b| {
            let refused = |verdict: &Verdict| verdict.admission.rejection().is_some();
            refused(a)
                .cmp(&refused(b))
                .then(net(b).total_cmp(&net(a)))
                .then(load(a).total_cmp(&load(b)))
                .then(a.worker.cmp(&b.worker))
        });
        Some(verdicts)
    }

    /// The commands that the host should be carrying out now: to be repeated after a restart of the
    /// host. Of an engine that goes on from an older state ask after its first round: some of what the
    /// state has under way may be over by now.
    pub fn outstanding(&self) -> Vec<Command> {
        self.state.flights.values().filter_map(crate::state::Flight::command).collect()
    }

    /// How the engine has fared: what the specification's `get_load_balancer_stats` returns.
    pub fn stats(&self) -> Stats {
        let (state, now) = (&self.state, self.state.last.unwrap_or_default());
        Stats {
            load: state.system.newest().copied(),
            thresholds: state.thresholds(self.config.thresholds),
            in_flight: u32::try_from(state.flights.len()).unwrap_or(u32::MAX),
            last_hour: state.counters.last_hour(now),
            last_day: state.counters.last_day(now),
            total: state.counters.total,
            accuracy: state.accuracy.map(crate::math::average::Average::mean),
        }
    }

    /// The settings in force.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// All that the engine remembers: save it, and [resume](Self::resume) from it.
    pub const fn state(&self) -> &State {
        &self.state
    }

    fn verdict(&self, view: &View<'_>, row: usize, to: Seat, errand: Errand) -> Verdict {
        let levels = self.levels(view);
        let worker = view.worker_id(to);
        let from = match view.ledger.places[row] {
            Place::On(seat) if errand != Errand::Recover => Some(seat),
            _ => None,
        };
        let mut burden = Burden::default();
        let seek = match (errand, from) {
            (Errand::Upgrade, Some(from)) => Seek::AtLeast(self.least_speed(view, row, from)),
            _ => Seek::Any,
        };
        // Where a task could go is no question of who may send it there.
        let scope = match errand {
            Errand::Recover => Ok(()),
            _ => admission::scope(&self.config, view, row),
        };
        let hard = scope
            .and_then(|()| admission::task(&self.config, &self.state, view, row, errand))
            .and_then(|()| admission::target(view, to))
            .and_then(|()| admission::pair(&self.state, view, row, to, errand, seek, &mut burden));
        let berth = match hard {
            Ok(berth) => berth,
            Err(no) => return Verdict::no(worker, no),
        };
        if let Err(no) =
            candidate::companions_may(&self.config, &self.state, view, row, from, errand)
        {
            return Verdict::no(worker, no);
        }
        let section = self.config.cost_benefit.as_ref();
        let scorecard = section.map(|section| {
            let (config, state) = (&self.config, &self.state);
            let scorer = Scorer { config, section, state, view, levels: &levels };
            scorer.scorecard(&[row], from, to, berth, errand)
        });
        let guarded = || match (&self.config.stability, errand) {
            (Some(_), Errand::Balance) => admission::guards(&levels, view, from, to, &burden),
            (_, Errand::Upgrade) => {
                let from = from.unwrap_or(to);
                admission::ceiling(&levels, view, to, &burden)
                    .and_then(|()| admission::even_enough(&levels, view, from, to, &burden))
            }
            (Some(_), _) => admission::ceiling(&levels, view, to, &burden),
            (None, _) => Ok(()),
        };
        let worth = |()| match (&scorecard, errand) {
            (Some(card), Errand::Balance | Errand::Upgrade) => score::worth(card, Pace::default()),
            _ => Ok(()),
        };
        let reckoner = Reckoner::new(&self.config, &self.state, view, &levels);
        let handover =
            reckoner.zip(from).map(|(it, from)| it.handover(row, [from, to], berth, &burden));
        let repaid = |()| match errand {
            Errand::Balance | Errand::Upgrade => handover.as_ref().map_or(Ok(()), handover::repaid),
            Errand::Recover | Errand::Drain | Errand::Along(_) => Ok(()),
        };
        let soft: Result<(), Rejection> = guarded().and_then(repaid).and_then(worth);
        let alternative = berth.alternative;
        Verdict { worker, admission: soft.into(), scorecard, alternative, handover }
    }

    /// Refuses the workers where the tasks that have to be placed with it do not fit too.
    fn with_companions(&self, view: &mut View<'_>, row: usize, verdicts: &mut [Verdict]) {
        let companions = candidate::companions(view, row, None);
        if companions.is_empty() {
            return;
        }
        let mut rows: Vec<usize> = companions.into_iter().map(|(other, _)| other).collect();
        rows.push(row);
        rows.sort_unstable();
        // Above the ceiling rounds would place an orphan rather than nowhere.
        let open = |verdict: &Verdict| {
            matches!(verdict.admission.rejection(), None | Some(Rejection::WouldOverload { .. }))
        };
        for (to, verdict) in verdicts.iter_mut().enumerate().filter(|(_, it)| open(it)) {
            if let Err(no) = candidate::together(&self.state, view, &rows, to) {
                *verdict = Verdict::no(verdict.worker, no);
            }
        }
    }

    /// Whether a task would run so much faster there that it may move for it.
    fn is_faster(&self, view: &View<'_>, row: usize, to: Seat) -> bool {
        let Place::On(from) = view.ledger.places[row] else { return false };
        // A group moves for its loads, not for the wishes of one member.
        if !candidate::companions(view, row, Some(from)).is_empty() {
            return false;
        }
        let Some(section) = self.config.hardware.as_ref() else { return false };
        let there = speed::best(section, &self.state, view, view.task(row), to);
        let asked = section.upgrade.is_some() && self.config.cost_benefit.is_some();
        asked && there >= self.least_speed(view, row, from)
    }

    /// The least speed that is worth a move for it.
    fn least_speed(&self, view: &View<'_>, row: usize, from: Seat) -> f64 {
        let Some(section) = self.config.hardware.as_ref() else { return 0.0 };
        let here = speed::to_beat(&self.config, section, &self.state, view, (row, from));
        section.upgrade.unwrap_or(0.0) * here
    }

    /// The levels by which a single question is judged: the present, under the thresholds in force.
    fn levels(&self, view: &View<'_>) -> Levels {
        let adapted = Adapted::fixed(self.state.thresholds(self.config.thresholds));
        detect::detect(&self.config, self.state.evening, view, &adapted, None).levels
    }
}

/// The pipeline.
fn step(
    config: &Config,
    config_print: u64,
    state: &mut State,
    snapshot: &Snapshot,
) -> Result<Outcome, Stale> {
    admit(config, state, snapshot)?;
    let fingerprints = Fingerprints {
        config: config_print,
        state: fingerprint(state),
        snapshot: fingerprint(snapshot),
    };
    let believe::Belief { snapshot: doubted, held, since } =
        believe::believe(config, state, snapshot);
    let snapshot = doubted.as_ref().unwrap_or(snapshot);
    let settled = settle::snapshot(config, state, snapshot, held.is_some());
    let mut tally = Tally { ignored_reports: settled.ignored, ..Tally::default() };
    let mut view = observe::observe(config, state, snapshot);
    let fragmentation = observe::fragmentation(config, &view);
    let adapted = match &config.adaptation {
        Some(section) => adapt::adapt(section, config.thresholds, state, &view),
        None => Adapted::fixed(config.thresholds),
    };
    let judged = config.prediction.as_ref().map(|it| predict::judged(it, state, &view));
    let judged = judged.unwrap_or_default();
    let prediction = config.prediction.as_ref();
    let forecast = prediction.and_then(|it| predict::predict(it, state, &view, judged));
    let detect::Detected { balance, levels } =
        detect::detect(config, state.evening, &view, &adapted, forecast.as_ref());
    let found = match held {
        Some(_) => candidate::Candidates::default(),
        None => candidate::candidates(config, state, &view, &balance, &levels, &mut tally),
    };
    let candidate::Candidates { units, pairs, mut stuck } = found;
    let mut scored = match &config.cost_benefit {
        Some(section) => {
            let scorer = Scorer { config, section, state, view: &view, levels: &levels };
            score::score(&scorer, adapted.pace, &units, pairs, &mut tally)
        }
        None => Scored { pairs, ..Scored::default() },
    };
    let (plan, stopped) =
        select::select(config, state, &mut view, &levels, &units, &mut scored, &mut tally);
    stuck.extend(select::out_of_budget(&units, &stopped));
    let advised = config.advice.as_ref().map_or_else(Advised::default, |section| {
        advise::advise(section, config, state, &view, &levels)
    });
    let settle::Settled { commands, ended, .. } = settled;
    let pass = Pass {
        view,
        adapted,
        forecast,
        judged,
        balance,
        plan,
        stuck,
        advised,
        candidates: scored.considered,
        commands,
        ended,
        tally,
        fingerprints,
        held,
        doubted_since: since,
        fragmentation,
    };
    Ok(record::record(config, state, pass))
}

/// Is this snapshot newer than the last? If not, its reports are settled, and that is all.
fn admit(config: &Config, state: &mut State, snapshot: &Snapshot) -> Result<(), Stale> {
    let given = snapshot.at();
    let Some(last) = state.last.filter(|last| *last >= given) else { return Ok(()) };
    let (mut commands, mut ended) = (Vec::new(), Vec::new());
    for report in snapshot.reports() {
        let reply = settle::report(config, state, report);
        commands.extend(reply.commands);
        ended.extend(reply.ended);
    }
    Err(Stale { last, given, commands, ended })
}

impl Balance {
    /// Whether something is to be done about it.
    pub const fn is_uneven(&self) -> bool {
        matches!(self, Self::Uneven(_))
    }
}

impl Admission {
    /// Whether it is a yes.
    pub const fn is_accepted(&self) -> bool {
        matches!(self, Self::Accept)
    }
}
