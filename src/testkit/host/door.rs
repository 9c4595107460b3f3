//! What must a host offer to be tested?

use core::fmt::Debug;
use std::vec::Vec;

use crate::model::ids::{TaskId, WorkerId};
use crate::model::time::Timestamp;
use crate::outcome::Ended;
use crate::shell::{MigrationExecutor, TelemetrySource};
use crate::snapshot::Report;

/// A host that the test kit can drive: the two traits that a host implements anyway, the events that a test decides on,
/// and the truth about who runs what.
///
/// The test kit is the only caller. It sets the clock, passes commands to [`execute`](MigrationExecutor::execute), and
/// decides when workers act. Between a command and the [`work`](Self::work) of its worker the command is on its way. A
/// host that obeys at once, inside `execute`, is tested as well.
///
/// An error of `execute` means that the command could not be started; the test kit reports it as
/// [`Failed`](crate::Event::Failed), as [`Driver`](crate::shell::Driver) does.
pub trait HostUnderTest: TelemetrySource<Error: Debug> + MigrationExecutor<Error: Debug> {
    /// The clock shows `now` from now on: snapshots and reports carry this moment. It never goes back.
    fn set_time(&mut self, now: Timestamp);

    /// Takes out the reports that the engine has not been told of, oldest first.
    fn take_reports(&mut self) -> Vec<Report>;

    /// Everything that is on its way to a worker arrives there, the worker does it, and its answers arrive at the host.
    /// A worker that has crashed does nothing.
    fn work(&mut self, worker: WorkerId);

    /// As [`work`](Self::work), but the worker fails at everything that it is told to do. By default nothing happens: a
    /// host whose workers cannot be made to fail is not tested for it.
    fn fail(&mut self, worker: WorkerId) {
        let _ = worker;
    }

    /// A worker crashes, and every task on it stops. The host notices at once.
    fn crash(&mut self, worker: WorkerId);

    /// A worker that has crashed is back, and runs nothing. One that has not crashed is left alone.
    fn revive(&mut self, worker: WorkerId);

    /// These migrations are over for the engine, as [`Outcome::ended`](crate::Outcome::ended) and
    /// [`Reply::ended`](crate::outcome::Reply::ended) say; called before the commands of the same round or reply are
    /// passed on. By default nothing happens.
    fn ended(&mut self, ended: &[Ended]) {
        let _ = ended;
    }

    /// The process that embeds the engine starts again: the host forgets what it keeps in memory only. Its workers run
    /// on. By default it forgets nothing.
    fn restart(&mut self) {}

    /// The scheduler of the host starts the tasks that were given back to it, where it likes. By default it does not
    /// run during the test.
    fn schedule(&mut self) {}

    /// The workers that really run the task now, whatever the host believes: once for each copy that runs.
    fn copies(&self, task: TaskId) -> Vec<WorkerId>;
}
