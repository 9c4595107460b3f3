//! The engine at work, by way of the crate's driver: telemetry in, commands out, every input logged.
//!
//! Source and executor are two sides of one [`Host`], so they share it. A round is one turn of the [`Driver`]; what happens
//! between rounds is reported to the engine at once, and its answer is carried out at once.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;

use evenkeel::engine::{Input, Output};
use evenkeel::outcome::Ended;
use evenkeel::shell::{Driver, MetricsSink, MigrationExecutor, TelemetrySource, TurnError};
use evenkeel::{Command, Config, Engine, Outcome, Report, Snapshot};

use crate::host::Host;
use crate::log::Log;
use crate::record::Record;

/// The host, shared by the source and the executor.
pub(crate) type Shared = Rc<RefCell<Host>>;

/// Says what is: snapshots of the cluster.
pub(crate) struct Telemetry {
    host: Shared,
}

impl TelemetrySource for Telemetry {
    type Error = Infallible;

    fn snapshot(&mut self) -> Result<Option<Snapshot>, Infallible> {
        Ok(Some(self.host.borrow_mut().snapshot()))
    }
}

/// Does what the engine says.
///
/// A command that cannot be started is not returned as an error: the driver would report that to the engine itself, and
/// the log would miss the answer. It becomes a report like any other.
pub(crate) struct Hands {
    host: Shared,
}

impl MigrationExecutor for Hands {
    type Error = Infallible;

    fn execute(&mut self, command: &Command) -> Result<(), Infallible> {
        self.host.borrow_mut().carry_out(command);
        Ok(())
    }
}

/// Keeps what goes in and what comes out: for replay, and for the run log.
pub(crate) struct Books {
    log: Log,
    record: Record,
}

impl MetricsSink for Books {
    fn record(&mut self, outcome: &Outcome) {
        self.log.answer(&Output::Outcome(Box::new(outcome.clone())));
        self.record.record(outcome);
    }

    fn input(&mut self, input: &Input) {
        self.log.input(input);
        self.record.input(input);
    }

    fn ended(&mut self, ended: &[Ended]) {
        self.record.ended(ended);
    }
}

/// What the engine decided since the last time somebody looked.
#[derive(Debug, Default)]
pub(crate) struct Decided {
    /// Commands, already carried out.
    pub(crate) commands: Vec<Command>,
    /// Migrations that are over.
    pub(crate) ended: Vec<Ended>,
}

/// The engine with its driver and its logs.
pub(crate) struct Helm {
    driver: Driver<Telemetry, Hands, Books>,
    host: Shared,
}

impl Helm {
    /// An engine with these settings. They are the first line of the log, so that the log stands for itself.
    pub(crate) fn new(
        config: &Config,
        host: Shared,
        log: Log,
        record: Record,
    ) -> Result<Self, String> {
        let engine = Engine::new(config.clone()).map_err(|faults| faults.to_string())?;
        let source = Telemetry { host: Rc::clone(&host) };
        let executor = Hands { host: Rc::clone(&host) };
        let driver = Driver::new(engine, source, executor, Books { log, record });
        let mut helm = Self { driver, host };
        helm.reconfigure(config)?;
        Ok(helm)
    }

    /// The engine, for questions that change nothing.
    pub(crate) fn engine(&self) -> &Engine {
        &self.driver.engine
    }

    /// Ends the record of the run; the sentences say where it is.
    pub(crate) fn finish_record(&mut self) -> Result<Vec<String>, String> {
        self.driver.sink.record.finish()
    }

    /// Changes the settings.
    pub(crate) fn reconfigure(&mut self, config: &Config) -> Result<(), String> {
        let input = Input::Reconfigure(Box::new(config.clone()));
        self.driver.sink.input(&input);
        let output = self.driver.engine.apply(&input);
        self.driver.sink.log.answer(&output);
        match output {
            Output::Reconfigured => Ok(()),
            other => Err(format!("the settings are not taken: {other:?}")),
        }
    }

    /// Runs a balancing round and carries out what it decided.
    pub(crate) fn turn(&mut self) -> Result<(Outcome, Decided), String> {
        let outcome = match self.driver.turn() {
            Ok(Some(turn)) => turn.outcome,
            Ok(None) => return Err("the cluster has no more snapshots".to_owned()),
            Err(TurnError::Stale(stale)) => return Err(stale.to_string()),
            Err(fault) => return Err(fault.to_string()),
        };
        self.host.borrow_mut().close(&outcome.ended);
        let mut decided =
            Decided { commands: outcome.commands.clone(), ended: outcome.ended.clone() };
        self.hand_in(&mut decided);
        Ok((outcome, decided))
    }

    /// Gives the engine the reports that have come in, and carries out what it answers, until there are none.
    pub(crate) fn settle(&mut self) -> Decided {
        let mut decided = Decided::default();
        self.hand_in(&mut decided);
        decided
    }

    fn hand_in(&mut self, decided: &mut Decided) {
        loop {
            let reports = self.host.borrow_mut().take_reports();
            if reports.is_empty() {
                return;
            }
            for report in reports {
                self.report(report, decided);
            }
        }
    }

    fn report(&mut self, report: Report, decided: &mut Decided) {
        let Driver { engine, sink, .. } = &mut self.driver;
        sink.input(&Input::Report(report));
        let reply = engine.report(&report);
        sink.log.answer(&Output::Reply(reply.clone()));
        sink.ended(&reply.ended);
        let mut host = self.host.borrow_mut();
        host.close(&reply.ended);
        reply.commands.iter().for_each(|command| host.carry_out(command));
        decided.commands.extend(reply.commands);
        decided.ended.extend(reply.ended);
    }
}
