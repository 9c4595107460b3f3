//! How does a host connect its telemetry, its executor and its metrics to the engine?
//!
//! The core does not know that this module exists. There are three small traits, synchronous and
//! without threads:
//!
//! | trait | the host's part | ready-made |
//! |---|---|---|
//! | [`TelemetrySource`] | collect a snapshot | `&mut T`; a `Vec` or [`VecDeque`] of snapshots; [`from_fn`] |
//! | [`MigrationExecutor`] | carry out commands | `&mut T`; `()` (nothing is done); a `Vec` (commands are collected) |
//! | [`MetricsSink`] | keep metrics and logs | `&mut T`; `()` (nothing is kept); a `Vec` of outcomes, or of inputs; a [`Recorder`] of the [run log](run_log) |
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
mod json;
mod names;
mod prometheus;
mod recorder;
mod row;
pub mod run_log;

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::convert::Infallible;

pub use driver::{Driver, Turn, TurnError};
pub use json::{JsonError, read_json};
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

/// Collects snapshots of the cluster.
pub trait TelemetrySource {
    /// The error of a failed collection.
    type Error;

    /// A snapshot of the cluster now; `None` if there is nothing more to balance, because the host is
    /// shutting down or a recorded log has ended.
    ///
    /// # Errors
    ///
    /// The host's error, if the collection fails; no round is run then.
    fn snapshot(&mut self) -> Result<Option<Snapshot>, Self::Error>;
}

/// Carries out the engine's commands.
///
/// An executor may start a command and return at once. The result is reported later, through
/// [`Engine::report`](crate::Engine::report) or in the next snapshot.
pub trait MigrationExecutor {
    /// The error of a command that could not be started.
    type Error;

    /// Starts to carry out one command.
    ///
    /// # Errors
    ///
    /// The host's error, if the command cannot be started. The driver reports to the engine that the
    /// step has failed.
    fn execute(&mut self, command: &Command) -> Result<(), Self::Error>;
}

/// Keeps metrics, logs, or rows of a database. It sees every decision and cannot change any.
pub trait MetricsSink {
    /// Records one round.
    fn record(&mut self, outcome: &Outcome);

    /// Records an input just before the driver passes it to the engine. The driver's own reports of
    /// commands that could not be started are among them. In this order the inputs are the whole log; a
    /// replay is a loop over it ([`Engine::apply`](crate::Engine::apply)). The default does nothing.
    fn input(&mut self, _input: &Input) {}

    /// Records migrations that a report ended between two rounds. (Those that end in a round are in its
    /// outcome.) The default does nothing.
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
