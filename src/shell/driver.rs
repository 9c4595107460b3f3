//! What does one turn of a synchronous host's loop do?

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use super::{MetricsSink, MigrationExecutor, TelemetrySource};
use crate::config::{Config, ConfigErrors};
use crate::engine::{Engine, Input, Stale};
use crate::model::time::Timestamp;
use crate::outcome::{Action, Command, Outcome, Reply};
use crate::snapshot::{Event, Report};

/// An engine with its three traits: source, executor, sink.
///
/// ```
/// use evenkeel::{Config, Engine, ResourceId, Snapshot, Task, TaskId, Timestamp, Worker, WorkerId};
/// use evenkeel::shell::Driver;
///
/// let (hot, idle) = (WorkerId::new(1), WorkerId::new(2));
/// let worker = |id, used| {
///     Worker::new(id).with_capacity(ResourceId::CPU, 10.0).with_used(ResourceId::CPU, used)
/// };
/// let snapshot = Snapshot::builder(Timestamp::from_secs(30))
///     .workers([worker(hot, 9.5), worker(idle, 1.0)])
///     .task(Task::new(TaskId::new(1)).on(hot).with_demand(ResourceId::CPU, 3.0))
///     .build();
///
/// // A source of one snapshot, an executor that collects commands, no metrics.
/// let mut driver = Driver::new(Engine::new(Config::default())?, vec![snapshot], Vec::new(), ());
/// let turn = driver.turn().unwrap();
/// assert!(turn.is_some());
/// assert_eq!(driver.executor[0].to_string(), "m0.1 t1 w1 -> w2: w1 at 0.950 above 0.850");
/// assert!(driver.turn().unwrap().is_none()); // the source has come to its end
/// # Ok::<(), evenkeel::config::ConfigErrors>(())
/// ```
///
/// # The log
///
/// If a command cannot be started, the driver itself reports that to the engine. A host that logs
/// inputs for replay should therefore take them from the sink ([`MetricsSink::input`]), which gets every
/// input before the engine does. Inputs that the host passes to [`engine`](Self::engine) directly it must
/// log itself.
///
/// ```
/// # use evenkeel::shell::{Driver, MigrationExecutor};
/// # use evenkeel::engine::Input;
/// # use evenkeel::{Command, Config, Engine, ResourceId, Snapshot, Task, TaskId};
/// # use evenkeel::{Timestamp, Worker, WorkerId};
/// # let (hot, idle) = (WorkerId::new(1), WorkerId::new(2));
/// # let worker = |id, used| {
/// #     Worker::new(id).with_capacity(ResourceId::CPU, 10.0).with_used(ResourceId::CPU, used)
/// # };
/// # let snapshot = Snapshot::builder(Timestamp::from_secs(30))
/// #     .workers([worker(hot, 9.5), worker(idle, 1.0)])
/// #     .task(Task::new(TaskId::new(1)).on(hot).with_demand(ResourceId::CPU, 3.0))
/// #     .build();
/// /// The network is down.
/// struct Down;
///
/// impl MigrationExecutor for Down {
///     type Error = &'static str;
///     fn execute(&mut self, _: &Command) -> Result<(), &'static str> {
///         Err("no route to host")
///     }
/// }
///
/// let log: Vec<Input> = Vec::new();
/// let mut driver = Driver::new(Engine::new(Config::default())?, vec![snapshot], Down, log);
/// let turn = driver.turn().unwrap().unwrap();
/// assert_eq!(turn.failures[0].1, "no route to host");
/// assert_eq!(driver.sink.len(), 2); // the snapshot, and the driver's report of the failure
///
/// let mut replay = Engine::new(Config::default())?;
/// for input in &driver.sink {
///     let _output = replay.apply(input);
/// }
/// assert_eq!(replay.state(), driver.engine.state());
/// # Ok::<(), evenkeel::config::ConfigErrors>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Driver<S, X, M> {
    /// The engine.
    pub engine: Engine,
    /// Collects snapshots.
    pub source: S,
    /// Carries out commands.
    pub executor: X,
    /// Keeps metrics and logs.
    pub sink: M,
}

/// What one turn did.
#[derive(Clone, Debug)]
#[must_use]
#[non_exhaustive]
pub struct Turn<E> {
    /// What the round decided.
    pub outcome: Outcome,
    /// Commands that the executor could not start, each with its error. They have been reported to the
    /// engine.
    pub failures: Vec<(Command, E)>,
}

/// Why a turn ran no round.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TurnError<E> {
    /// The source failed. The engine has seen nothing.
    #[error("telemetry: {0}")]
    Source(E),
    /// The snapshot is not newer than the last one. Its reports are settled, and the commands that
    /// followed are carried out.
    #[error(transparent)]
    Stale(Stale),
}

impl<S: TelemetrySource, X: MigrationExecutor, M: MetricsSink> Driver<S, X, M> {
    /// A driver of these four.
    pub const fn new(engine: Engine, source: S, executor: X, sink: M) -> Self {
        Self { engine, source, executor, sink }
    }

    /// Collects a snapshot, runs a round, records it, and carries out its commands. `None` if the source
    /// has ended.
    ///
    /// # Errors
    ///
    /// [`TurnError`] if there was no snapshot, or none newer than the last one. Errors of the executor are
    /// reported to the engine and listed in the turn; the commands that follow are carried out too.
    pub fn turn(&mut self) -> Result<Option<Turn<X::Error>>, TurnError<S::Error>> {
        let Some(snapshot) = self.source.snapshot().map_err(TurnError::Source)? else {
            return Ok(None);
        };
        // Lent to the sink as an input, and taken back: a snapshot is large.
        let input = Input::Tick(snapshot);
        self.sink.input(&input);
        let Input::Tick(snapshot) = input else { return Ok(None) };
        match self.engine.tick(&snapshot) {
            Ok(outcome) => {
                self.sink.record(&outcome);
                let failures = self.carry_out(snapshot.at(), outcome.commands.clone());
                Ok(Some(Turn { outcome, failures }))
            }
            Err(stale) => {
                self.sink.ended(&stale.ended);
                // Failures have been reported to the engine; there is no turn to list them in.
                let _failures = self.carry_out(snapshot.at(), stale.commands.clone());
                Err(TurnError::Stale(stale))
            }
        }
    }

    /// Passes a report to the engine and carries out the commands of the reply. Returns the reply, and the
    /// commands that could not be started, which have been reported to the engine.
    pub fn report(&mut self, report: &Report) -> (Reply, Vec<(Command, X::Error)>) {
        let reply = self.tell(*report);
        let failures = self.carry_out(report.at, reply.commands.clone());
        (reply, failures)
    }

    /// Changes settings, as [`Engine::reconfigure`] does.
    ///
    /// # Errors
    ///
    /// [`ConfigErrors`] if the new settings are impossible; the old ones stay in force.
    pub fn reconfigure(&mut self, config: Config) -> Result<(), ConfigErrors> {
        self.sink.input(&Input::Reconfigure(Box::new(config.clone())));
        self.engine.reconfigure(config)
    }

    fn tell(&mut self, report: Report) -> Reply {
        self.sink.input(&Input::Report(report));
        let reply = self.engine.report(&report);
        self.sink.ended(&reply.ended);
        reply
    }

    /// Starts commands. A command that cannot be started is reported as failed, and the engine's answer is
    /// started too.
    fn carry_out(&mut self, at: Timestamp, commands: Vec<Command>) -> Vec<(Command, X::Error)> {
        let mut failures = Vec::new();
        let mut queue = commands;
        let mut at = at;
        // This ends, since a migration has a bounded number of attempts.
        while !queue.is_empty() {
            // Each answer is later than its question; at the same moment the engine would ignore it as a repetition.
            at = at.after(Duration::from_millis(1));
            let mut follow_up = Vec::new();
            for command in queue {
                if let Err(error) = self.executor.execute(&command) {
                    follow_up.extend(self.failed(at, &command));
                    failures.push((command, error));
                }
            }
            queue = follow_up;
        }
        failures
    }

    fn failed(&mut self, at: Timestamp, command: &Command) -> Vec<Command> {
        match command.action {
            Action::Release { .. }
            | Action::Assign { .. }
            | Action::Place { .. }
            | Action::Evict { .. }
            | Action::RequeueFor { .. }
            | Action::Start { .. }
            | Action::Stop { .. } => {
                let event = Event::Failed { migration: command.migration };
                self.tell(Report::new(at, event)).commands
            }
            // The migration is over for the engine; the host sees the failure in its turn.
            Action::Requeue | Action::Abort { .. } => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::MigrationId;
    use crate::snapshot::Placement;
    use crate::state::State;
    use crate::{Outcome, ResourceId, Snapshot, Task, TaskId, Worker, WorkerId};

    /// Starts nothing but releases.
    struct NoRoute;

    impl MigrationExecutor for NoRoute {
        type Error = ();

        fn execute(&mut self, command: &Command) -> Result<(), ()> {
            if matches!(command.action, Action::Release { .. }) { Ok(()) } else { Err(()) }
        }
    }

    fn snapshot(secs: u64, riding: Option<Report>) -> Snapshot {
        let worker = |id, used| {
            Worker::new(WorkerId::new(id))
                .with_capacity(ResourceId::CPU, 10.0)
                .with_used(ResourceId::CPU, used)
        };
        let task = |id| Task::new(TaskId::new(id)).with_demand(ResourceId::CPU, 2.0);
        let orphan = task(9).with_placement(Placement::Orphaned);
        let builder = Snapshot::builder(Timestamp::from_secs(secs))
            .workers([worker(1, 9.5), worker(2, 1.0), worker(3, 2.0)])
            .tasks([task(1).on(WorkerId::new(1)), task(2).on(WorkerId::new(1)), orphan]);
        builder.reports(riding).build()
    }

    fn replayed(log: &[Input]) -> State {
        let mut engine = Engine::new(Config::default()).unwrap();
        for input in log {
            let _output = engine.apply(input);
        }
        engine.state().clone()
    }

    /// The log, and what the host itself put into it.
    fn driven(log: impl FnOnce(&mut Driver<Vec<Snapshot>, NoRoute, Vec<Input>>) -> usize) {
        let engine = Engine::new(Config::default()).unwrap();
        let mut driver = Driver::new(engine, Vec::new(), NoRoute, Vec::new());
        let own = log(&mut driver);
        assert!(driver.sink.len() > own, "the driver reported nothing: {}", driver.sink.len());
        assert_eq!(&replayed(&driver.sink), driver.engine.state());
    }

    fn released(outcome: &Outcome) -> (MigrationId, Event) {
        let begun = outcome.begun().find(|it| matches!(it.action, Action::Release { .. }));
        let migration = begun.map(|command| command.migration).unwrap();
        (migration, Event::Released { migration })
    }

    #[test]
    fn the_sink_has_every_input_of_rounds_reports_and_settings() {
        driven(|driver| {
            driver.source.push(snapshot(30, None));
            let turn = driver.turn().unwrap().unwrap();
            // Placed, and placed again, on a worker that cannot be reached.
            assert!(!turn.failures.is_empty());
            let (_, event) = released(&turn.outcome);
            let (_, failures) = driver.report(&Report::new(Timestamp::from_secs(31), event));
            assert!(!failures.is_empty());
            let mut config = Config::default();
            config.thresholds.high = 0.8;
            assert_eq!(driver.reconfigure(config), Ok(()));
            3
        });
    }

    #[test]
    fn the_sink_has_the_reports_that_follow_from_a_stale_snapshot_too() {
        driven(|driver| {
            driver.source.push(snapshot(30, None));
            let turn = driver.turn().unwrap().unwrap();
            let logged = driver.sink.len();
            let (_, event) = released(&turn.outcome);
            let riding = Report::new(Timestamp::from_secs(31), event);
            driver.source.push(snapshot(30, Some(riding)));
            assert!(matches!(driver.turn(), Err(TurnError::Stale(_))));
            logged + 1
        });
    }
}
