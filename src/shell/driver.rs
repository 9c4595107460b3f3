//! One turn of a synchronous host's loop.

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
/// What cannot be started the driver reports to the engine itself. A host that logs inputs for
/// replay therefore has them from the sink ([`MetricsSink::input`]), which is handed every input
/// before the engine gets it, whoever it comes from. What the host gives [`engine`](Self::engine)
/// past the driver it logs itself.
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
    /// Says what is.
    pub source: S,
    /// Does what is to be done.
    pub executor: X,
    /// Keeps what is to be kept.
    pub sink: M,
}

/// What one turn did.
#[derive(Clone, Debug)]
#[must_use]
#[non_exhaustive]
pub struct Turn<E> {
    /// What the round decided.
    pub outcome: Outcome,
    /// Commands that the executor could not start, each with its error. The engine knows.
    pub failures: Vec<(Command, E)>,
}

/// Why a turn ran no round.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TurnError<E> {
    /// The source failed. The engine has seen nothing.
    #[error("telemetry: {0}")]
    Source(E),
    /// The snapshot is not newer than the last one. Its reports are settled, and what followed is
    /// carried out.
    #[error(transparent)]
    Stale(Stale),
}

impl<S: TelemetrySource, X: MigrationExecutor, M: MetricsSink> Driver<S, X, M> {
    /// Puts the four together.
    pub const fn new(engine: Engine, source: S, executor: X, sink: M) -> Self {
        Self { engine, source, executor, sink }
    }

    /// Collects a snapshot, runs a round, takes note of it, and carries out what follows. `None`
    /// when the source has come to its end.
    ///
    /// # Errors
    ///
    /// [`TurnError`] if there was no snapshot, or none newer than the last. An executor's errors
    /// are not among them: the engine is told, what follows is carried out too, and the turn lists
    /// them.
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
                // What could not be started the engine knows; there is no turn to list it.
                let _failures = self.carry_out(snapshot.at(), stale.commands.clone());
                Err(TurnError::Stale(stale))
            }
        }
    }

    /// Tells the engine what happened, and carries out what follows: the engine's reply, and the
    /// commands that could not be started, which the engine knows.
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

    /// Starts commands; what cannot be started has failed, and the engine's answer to that is
    /// started too.
    fn carry_out(&mut self, at: Timestamp, commands: Vec<Command>) -> Vec<(Command, X::Error)> {
        let mut failures = Vec::new();
        let mut queue = commands;
        let mut at = at;
        // Ends: a migration is tried a bounded number of times.
        while !queue.is_empty() {
            // Each answer is a moment after its question, or the engine would take it for an echo.
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
