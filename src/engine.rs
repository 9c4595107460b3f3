//! How does a snapshot become decisions? The methods of the engine, and the pipeline in `step`.

mod look;
mod survey;
mod whole;

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::config::{Config, ConfigErrors};
use crate::lifecycle::{Lifecycle, Settled};
use crate::math::fingerprint::fingerprint;
use crate::model::bounds::MOST_ISSUED;
use crate::model::ids::Epoch;
use crate::model::time::Timestamp;
use crate::outcome::{Command, Ended, Fingerprints, Outcome, Reply, Tally};
use crate::round::{Advised, Context, Plan, Survey};
use crate::snapshot::{Report, Snapshot};
use crate::stage::record::{self, Pass};
use crate::stage::trust;
use crate::state::{BadEntry, EndedMigration, Migration, State, Stats};
use crate::{advice, plan, state};

pub use look::Look;

/// Decides which running task should move to which worker, when, and why.
///
/// The engine is a plain value: it does no I/O and reads no clock. The host drives it and owes it, in
/// this order:
///
/// 1. Build a [`Snapshot`] of all workers and tasks, later than the last one, and call [`tick`](Self::tick) with it
///    before the next one is begun: only the first snapshot after an order may be older than the order.
/// 2. Carry out [`Outcome::commands`] in their order. Each names its migration; a command that is repeated for a
///    worker that has not answered asks for nothing new, even if it says `Assign` where it said `Place` before, or the
///    other way round.
/// 3. Call [`report`](Self::report) as soon as something happens to a migration, and carry out the
///    commands of the [`Reply`]: a released task runs nowhere until its target is told. A snapshot is the truth of
///    its moment: a report of an earlier moment that it contradicts is ignored.
/// 4. Save [`state`](Self::state) after every tick and every report, before commands leave the host.
/// 5. After a restart, [`resume`](Self::resume) in a higher [`Epoch`] than any before; without a saved
///    state, [`in_epoch`](Self::in_epoch). Two lives in one epoch could issue one id for two moves.
/// 6. Honour the fence: once the host has seen a command of a later migration for a task, it ignores
///    commands of earlier ones. Keep one fence for the whole host, not one per worker: a worker that
///    has not heard of the later migration would still obey the earlier one.
/// 7. After a restart, tick once, then report, and repeat [`outstanding`](Self::outstanding); if the first snapshot
///    was partial, repeat what is new in it after the next ones, until one was complete. What happened to a task before
///    the first snapshot that tells of it is read from that snapshot, and not from reports.
/// 8. Show a task that is on its way as [`Placement::Moving`](crate::snapshot::Placement::Moving), in the phase that
///    the host knows of: what the engine was not told, it learns from there. An
///    [orphaned](crate::snapshot::Placement::Orphaned) task is one that no worker runs or was told to run.
/// 9. Pass the commands for one task on in their order. Drop one that could not be passed on for as long as a step may
///    take ([`timeout`](crate::config::MigrationLimits::timeout), counted from the snapshot or report that led to it):
///    the engine has given it up. Drop it sooner if its worker is gone, or if a later command of the same migration
///    asks another worker to run the task: a worker that comes back must not be asked too.
/// 10. List a worker that is known to be gone as [`Offline`](crate::snapshot::Stance::Offline): one that is only left
///     out is waited for ([`Config::grace`]). One that comes back is gone until a snapshot lists it: start nothing
///     there before.
/// 11. Tell what a worker has lost that came back under its name before a snapshot could miss it: it looks as if it had
///     never been away. Its tasks are [orphaned](crate::snapshot::Placement::Orphaned), and what it was told to run has
///     [failed](crate::Event::Failed).
///
/// Three methods take input: `tick`, `report`, and [`reconfigure`](Self::reconfigure), which changes
/// settings. Their sequence is the whole log ([`Input`]); replaying it gives the same outputs, bit by
/// bit. Everything else takes `&self` and answers questions.
///
/// ```
/// use evenkeel::{
///     Config, Engine, Event, Report, ResourceId, Snapshot, Task, TaskId, Timestamp, Worker,
///     WorkerId,
/// };
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
    state: State,
    set_aside: Vec<BadEntry>,
}

/// One input: one line of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[expect(clippy::large_enum_variant, reason = "nearly every input is a snapshot")]
pub enum Input {
    /// The snapshot of an [`Engine::tick`].
    Tick(Snapshot),
    /// The report of an [`Engine::report`].
    Report(Report),
    /// The settings of an [`Engine::reconfigure`].
    Reconfigure(alloc::boxed::Box<Config>),
}

/// The result of one [`Input`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[must_use]
#[non_exhaustive]
pub enum Output {
    /// The result of a round.
    Outcome(alloc::boxed::Box<Outcome>),
    /// The result of a report.
    Reply(Reply),
    /// The snapshot was not newer than the last one.
    Stale(Stale),
    /// The new settings are in force.
    Reconfigured,
    /// The new settings are impossible, one sentence per fault; the old ones stay in force.
    Refused(Vec<String>),
}

/// The snapshot is not newer than the last one: no round was run. For the integrator.
///
/// The reports in the snapshot have been settled all the same; this is what follows from them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("the snapshot of {given} is not newer than the last one, of {last}")]
#[non_exhaustive]
pub struct Stale {
    /// The moment of the last snapshot.
    pub last: Timestamp,
    /// The moment of this snapshot.
    pub given: Timestamp,
    /// What the host must do, in this order.
    pub commands: Vec<Command>,
    /// The migrations that ended.
    pub ended: Vec<Ended>,
}

/// Why an engine cannot resume from a state. The state is unchanged.
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
    /// The epoch has no ids left, so that an id would be issued twice. Resume in a higher epoch, which has ids of its
    /// own.
    #[error("{epoch} has issued {issued} migrations and has no ids left; resume in a higher epoch")]
    NoIdsLeft {
        /// The epoch.
        epoch: Epoch,
        /// The number of migrations that it has issued.
        issued: u64,
    },
}

impl Engine {
    /// An engine that remembers nothing, in its first epoch.
    ///
    /// # Errors
    ///
    /// [`ConfigErrors`], with all faults at once, if the configuration is impossible or contradicts
    /// itself.
    pub fn new(config: Config) -> Result<Self, ConfigErrors> {
        Self::in_epoch(config, Epoch::FIRST)
    }

    /// An engine that remembers nothing, in a later epoch. Use it after a restart that lost the state.
    ///
    /// Migrations that are still under way are taken over from the snapshots that show them
    /// ([`Placement::Moving`](crate::snapshot::Placement::Moving)).
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn in_epoch(config: Config, epoch: Epoch) -> Result<Self, ConfigErrors> {
        config.check()?;
        let own = if broken!("blank_life_has_its_own_ids") { Epoch::FIRST } else { epoch };
        let mut state = State::new(own);
        if epoch > Epoch::FIRST {
            state.spending.take_over(config.migration.as_ref());
        }
        Ok(Self { config, state, set_aside: Vec::new() })
    }

    /// An engine that goes on from a saved state.
    ///
    /// Raise the epoch at every resume or fail-over: two lives in one epoch could issue one
    /// migration id for two migrations. With the state's own epoch the same life continues; pass it
    /// only if that life is known to be over (a replay, a copy for a shadow run).
    ///
    /// A state is checked like a snapshot, since a file may be damaged or changed by hand. Entries that are
    /// impossible are set aside, and the rest is used: ask [`set_aside`](Self::set_aside) what that was. A migration
    /// that was set aside is taken over from the snapshots that show it, in a higher epoch; in the state's own epoch
    /// its task is left alone for as long as the host shows it on its way.
    ///
    /// ```
    /// use evenkeel::{Config, Engine, id::Epoch, state::State};
    /// let engine = Engine::new(Config::default())?;
    /// let mut file = serde_json::to_value(engine.state())?;
    /// file["factor"] = 0.25.into();
    /// let state: State = serde_json::from_value(file)?;
    /// let engine = Engine::resume(Config::default(), state, Epoch::new(1))?;
    /// let line = "state: factor is 0.25; it must be a number from 1 to 16";
    /// assert_eq!(engine.set_aside()[0].to_string(), line);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ResumeError`] if the configuration is impossible, the state is of a newer format, `epoch` is lower than the
    /// state's, or `epoch` is the state's and has no ids left.
    pub fn resume(config: Config, state: State, epoch: Epoch) -> Result<Self, ResumeError> {
        let (found, known) = (state.schema, State::SCHEMA);
        if found > known && !broken!("newer_state") {
            return Err(ResumeError::NewerState { found, known });
        }
        let last = state.epoch;
        if epoch < last {
            return Err(ResumeError::EpochOver { last, given: epoch });
        }
        let mut engine = Self::new(config)?;
        engine.state = state;
        engine.set_aside = state::check(&mut engine.state);
        if epoch > last {
            let epoch = if broken!("epoch_fences") { last } else { epoch };
            let issued = engine.state.last_number(epoch);
            (engine.state.epoch, engine.state.ticks, engine.state.issued) = (epoch, 0, issued);
            // A later life takes its time from its own first snapshot: the earlier clock may have been ahead.
            engine.state.last = None;
            // Nor has it missed any worker yet.
            engine.state.missing.clear();
            engine.state.in_flight.inherit();
            engine.state.spending.take_over(engine.config.migration.as_ref());
        }
        let State { epoch, issued, .. } = engine.state;
        if issued > MOST_ISSUED {
            return Err(ResumeError::NoIdsLeft { epoch, issued });
        }
        Ok(engine)
    }

    /// Runs a round: a snapshot in, an outcome out.
    ///
    /// # Errors
    ///
    /// [`Stale`] if the snapshot is not newer than the last one. Its reports are settled even then.
    pub fn tick(&mut self, snapshot: &Snapshot) -> Result<Outcome, Stale> {
        step(&self.config, &mut self.state, snapshot)
    }

    /// Settles a report on a migration, and returns at once the commands that follow: a released task
    /// need not wait for the next round.
    ///
    /// This is the specification's `handle_task_cancelled_for_migration`
    /// ([`Event::Released`](crate::Event::Released)) and its `update_worker_performance`
    /// ([`Event::Performance`](crate::Event::Performance)).
    pub fn report(&mut self, report: &Report) -> Reply {
        Lifecycle::new(&self.config, &mut self.state).on_report(report)
    }

    /// Changes settings at run time: numbers, sections, mode, scope, hardware profiles. The state stays,
    /// and no migration under way is dropped; only thresholds whose configuration changed start again
    /// from their configured values.
    ///
    /// # Errors
    ///
    /// [`ConfigErrors`] if the new configuration is impossible; the old one stays in force.
    pub fn reconfigure(&mut self, config: Config) -> Result<(), ConfigErrors> {
        if !broken!("reconfigure_refuses_nonsense") {
            config.check()?;
        }
        if config.thresholds != self.config.thresholds {
            self.state.thresholds = None;
        }
        let even =
            |config: &Config| (config.load, config.thresholds, config.detection, config.stability);
        if even(&config) != even(&self.config) {
            self.state.forget_moved();
        }
        let limits = [&self.config, &config].map(|config| config.migration.as_ref());
        self.state.spending.reconfigure(limits, self.state.last.unwrap_or_default());
        if broken!("profiles_keep_what_was_learned") {
            self.state.learned.speed.clear();
        }
        if broken!("reconfigure_keeps_flights") && config.migration.is_none() {
            self.state.in_flight = state::InFlight::default();
        }
        let before = core::mem::replace(&mut self.config, config);
        if broken!("profiles_reload") {
            self.config.hardware = before.hardware;
        }
        Ok(())
    }

    /// Takes one input of any kind. A replay is a loop over this.
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

    /// Looks at a snapshot as a round would, without running one: for questions about single tasks and
    /// workers.
    pub fn look<'a>(&'a self, snapshot: &'a Snapshot) -> Look<'a> {
        Look::new(&self.config, &self.state, snapshot)
    }

    /// The commands that the host should be carrying out now; repeat them after a restart of the host. After a
    /// [resume](Self::resume), run one round first: migrations of the saved state may have ended since.
    ///
    /// After a restart the state may be older than what has happened since: a command of a migration that an earlier
    /// life began is among them only after a snapshot has told of its task.
    ///
    /// The last orders about a migration that has ended are among them (to forget a task, to stop it, to give it back
    /// to the scheduler) until a later snapshot shows the task at rest or by another migration.
    pub fn outstanding(&self) -> Vec<Command> {
        let known = |migration: &&Migration| !migration.is_unseen() || broken!("repeats_unseen");
        let under_way = self.state.in_flight.values().filter(known).filter_map(Migration::command);
        let over = self.state.ended.iter().flat_map(EndedMigration::commands);
        under_way.chain(over).collect()
    }

    /// Digests of everything that the round over this snapshot is decided from: the settings, the state
    /// before the round, and the snapshot. Two rounds with equal digests decide the same. If two rounds
    /// that should agree do not, the digest that differs shows where to look.
    ///
    /// Call it before [`tick`](Self::tick), which changes the state. It reads the settings, the whole
    /// state and the whole snapshot once, so it takes time in proportion to their size; `tick` does
    /// not call it.
    pub fn fingerprints(&self, snapshot: &Snapshot) -> Fingerprints {
        Fingerprints {
            config: fingerprint(&self.config),
            state: fingerprint(&self.state),
            snapshot: fingerprint(snapshot),
        }
    }

    /// Figures about the rounds so far: what the specification's `get_load_balancer_stats` returns.
    pub fn stats(&self) -> Stats {
        let (state, now) = (&self.state, self.state.last.unwrap_or_default());
        Stats {
            load: state.system.newest().copied(),
            thresholds: state.thresholds(self.config.thresholds),
            in_flight: u32::try_from(state.in_flight.len()).unwrap_or(u32::MAX),
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

    /// The entries of the saved state that were impossible, which [`resume`](Self::resume) has set aside; empty for a
    /// state that an engine has saved.
    pub fn set_aside(&self) -> &[BadEntry] {
        &self.set_aside
    }

    /// All that the engine remembers: save it, and [resume](Self::resume) from it.
    pub const fn state(&self) -> &State {
        &self.state
    }
}

/// The pipeline.
fn step(config: &Config, state: &mut State, snapshot: &Snapshot) -> Result<Outcome, Stale> {
    admit(config, state, snapshot)?;
    let trust::Trust { snapshot: read, held, since, missing } =
        trust::trust(config, state, snapshot);
    let snapshot = read.map_or(Cow::Borrowed(snapshot), Cow::Owned);
    let Settled { commands, ended, ignored } =
        Lifecycle::new(config, state).on_snapshot(&snapshot, held.is_some(), missing);
    let mut survey = survey::survey(config, state, snapshot, true);
    let tally = Tally { ignored_reports: ignored, ..Tally::default() };
    let Survey { view, bands, companions, adapted, ledger, .. } = &mut survey;
    let context = Context { config, state, view, bands, companions, pace: adapted.pace };
    let plan = match held {
        Some(_) if !broken!("mass_disappearance_begins_nothing") => {
            Plan { tally, ..Plan::default() }
        }
        _ => plan::plan(&context, ledger, tally),
    };
    let advised = match &config.advice {
        Some(section) => advice::advise(section, &context, ledger),
        None => Advised::default(),
    };
    let pass = Pass { survey, plan, advised, commands, ended, held, doubted_since: since };
    Ok(record::record(config, state, pass))
}

/// Is this snapshot newer than the last? If not, its reports are settled, and that is all.
fn admit(config: &Config, state: &mut State, snapshot: &Snapshot) -> Result<(), Stale> {
    let given = snapshot.at();
    let is_stale = |last: &Timestamp| *last > given || *last == given && !broken!("stale");
    let Some(last) = state.last.filter(is_stale) else { return Ok(()) };
    let (mut commands, mut ended) = (Vec::new(), Vec::new());
    for report in snapshot.reports() {
        let reply = Lifecycle::new(config, state).on_report(report);
        if !broken!("stale_reports") {
            commands.extend(reply.commands);
        }
        ended.extend(reply.ended);
    }
    Err(Stale { last, given, commands, ended })
}
