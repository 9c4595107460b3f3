//! The thin ring around the core: where a host plugs in its telemetry, its hands, and its metrics.
//!
//! The core does not know that this module exists. Three small traits, synchronous and without
//! threads:
//!
//! | trait | asks the host to | ready-made |
//! |---|---|---|
//! | [`TelemetrySource`] | say what is | `&mut T`; a `Vec` or [`VecDeque`] of snapshots; [`from_fn`] |
//! | [`MigrationExecutor`] | do something | `&mut T`; `()` (nothing is done); a `Vec` (commands are collected) |
//! | [`MetricsSink`] | keep something | `&mut T`; `()` (nothing is kept); a `Vec` of outcomes, or of inputs; a [`Recorder`] of the [run log](run_log) |
//!
//! [`Driver::turn`] is one turn of a synchronous host's loop. An asynchronous host calls the engine
//! directly: it is a plain value and never blocks.
//!
//! ```
//! use evenkeel::{Command, Config, Engine, Outcome, Snapshot, Timestamp};
//!
//! async fn turn(engine: &mut Engine, snapshot: Snapshot) -> Option<Outcome> {
//!     let outcome = engine.tick(&snapshot).ok()?; // no await in here
//!     for command in &outcome.commands {
//!         send(*command).await;
//!     }
//!     Some(outcome)
//! }
//! async fn send(_command: Command) {}
//!
//! let mut engine = Engine::new(Config::default())?;
//! let snapshot = Snapshot::builder(Timestamp::from_secs(30)).build();
//! let mut turn = Box::pin(turn(&mut engine, snapshot));
//! let mut context = std::task::Context::from_waker(std::task::Waker::noop());
//! assert!(turn.as_mut().poll(&mut context).is_ready());
//! # use std::future::Future;
//! # Ok::<(), evenkeel::config::ConfigErrors>(())
//! ```

mod driver;
mod names;
mod prometheus;
mod recorder;
mod row;
pub mod run_log;

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::convert::Infallible;

pub use driver::{Driver, Turn, TurnError};
pub use names::{Named, Names, NamesError};
pub use prometheus::prometheus;
pub use recorder::Recorder;
pub use row::{
    FeatureFlags, MetricsDocument, MetricsRow, MigrationMetrics, PredictionMetrics, RowError,
    ThresholdMetrics, WallClock,
};

use crate::engine::Input;
use crate::outcome::{Command, Ended, Outcome};
use crate::snapshot::Snapshot;

/// Says what is: collects a snapshot of the cluster.
pub trait TelemetrySource {
    /// What can go wrong while collecting.
    type Error;

    /// The cluster now. `None` when there is nothing more to balance: the host is shutting down, or
    /// a recorded log has come to its end.
    ///
    /// # Errors
    ///
    /// Whatever the host's collection fails with; the round is then left out.
    fn snapshot(&mut self) -> Result<Option<Snapshot>, Self::Error>;
}

/// Does something: carries out the engine's commands.
///
/// May start things and return; what becomes of them is reported later, through
/// [`Engine::report`](crate::Engine::report) or in the next snapshot.
pub trait MigrationExecutor {
    /// What can go wrong at the start.
    type Error;

    /// Starts to carry out one command.
    ///
    /// # Errors
    ///
    /// Whatever the host fails with. The driver tells the engine that the migration's step has
    /// failed.
    fn execute(&mut self, command: &Command) -> Result<(), Self::Error>;
}

/// Keeps something: metrics, logs, a database.
///
/// It may look at what was decided; it cannot change it.
pub trait MetricsSink {
    /// Takes note of one round.
    fn record(&mut self, outcome: &Outcome);

    /// Takes note of an input that the engine is about to get from the driver, its own reports of
    /// what could not be started among them: in this order they are the whole log, and replay is a
    /// loop over it ([`Engine::apply`](crate::Engine::apply)). Unless told otherwise, keeps nothing.
    fn input(&mut self, _input: &Input) {}

    /// Takes note of migrations that ended between two rounds, by a report. (Those that end in a
    /// round are in its outcome.) Unless told otherwise, keeps nothing.
    fn ended(&mut self, _ended: &[Ended]) {}
}

impl<T: TelemetrySource + ?Sized> TelemetrySource for &mut T {
    type Error = T::Error;

    fn snapshot(&mut self) -> Result<Option<Snapshot>, Self::Error> {
        (**self).snapshot()
    }
}

/// Recorded snapshots, first to last.
impl TelemetrySource for VecDeque<Snapshot> {
    type Error = Infallible;

    fn snapshot(&mut self) -> Result<Option<Snapshot>, Infallible> {
        Ok(self.pop_front())
    }
}

/// Recorded snapshots, first to last.
impl TelemetrySource for Vec<Snapshot> {
    type Error = Infallible;

    fn snapshot(&mut self) -> Result<Option<Snapshot>, Infallible> {
        Ok(if self.is_empty() { None } else { Some(self.remove(0)) })
    }
}

/// A source made of a closure.
///
/// ```
/// use evenkeel::{Snapshot, Timestamp};
/// use evenkeel::shell::{from_fn, TelemetrySource};
/// let mut now = 0;
/// let mut source = from_fn(|| {
///     now += 30;
///     Ok::<_, std::io::Error>(Some(Snapshot::builder(Timestamp::from_secs(now)).build()))
/// });
/// assert_eq!(source.snapshot()?.unwrap().at(), Timestamp::from_secs(30));
/// # Ok::<(), std::io::Error>(())
/// ```
pub const fn from_fn<E, F: FnMut() -> Result<Option<Snapshot>, E>>(collect: F) -> FromFn<F> {
    FromFn(collect)
}

/// A [`TelemetrySource`] made of a closure; see [`from_fn`].
#[derive(Clone, Copy, Debug)]
pub struct FromFn<F>(F);

impl<E, F: FnMut() -> Result<Option<Snapshot>, E>> TelemetrySource for FromFn<F> {
    type Error = E;

    fn snapshot(&mut self) -> Result<Option<Snapshot>, E> {
        (self.0)()
    }
}

impl<T: MigrationExecutor + ?Sized> MigrationExecutor for &mut T {
    type Error = T::Error;

    fn execute(&mut self, command: &Command) -> Result<(), Self::Error> {
        (**self).execute(command)
    }
}

/// Nothing is done.
impl MigrationExecutor for () {
    type Error = Infallible;

    fn execute(&mut self, _: &Command) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Commands are collected, to be carried out later.
impl MigrationExecutor for Vec<Command> {
    type Error = Infallible;

    fn execute(&mut self, command: &Command) -> Result<(), Infallible> {
        self.push(*command);
        Ok(())
    }
}

impl<T: MetricsSink + ?Sized> MetricsSink for &mut T {
    fn record(&mut self, outcome: &Outcome) {
        (**self).record(outcome);
    }

    fn input(&mut self, input: &Input) {
        (**self).input(input);
    }

    fn ended(&mut self, ended: &[Ended]) {
        (**self).ended(ended);
    }
}

/// Nothing is kept.
impl MetricsSink for () {
    fn record(&mut self, _: &Outcome) {}
}

/// Inputs are collected: a log, to be replayed.
impl MetricsSink for Vec<Input> {
    fn record(&mut self, _: &Outcome) {}

    fn input(&mut self, input: &Input) {
        self.push(input.clone());
    }
}

/// Outcomes are collected.
impl MetricsSink for Vec<Outcome> {
    fn record(&mut self, outcome: &Outcome) {
        self.push(outcome.clone());
    }
}
