//! Which commands and reports are on their way?
//!
//! Moments are counted in turns of the driver's loop. The driver decides when a message arrives: a message that it
//! never sends is lost, and one that it sends twice arrives twice.

use alloc::vec::Vec;

use super::addressee;
use crate::model::ids::{MigrationId, WorkerId};
use crate::model::time::Timestamp;
use crate::outcome::{Action, Command};
use crate::snapshot::Report;

/// A command on its way to a worker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order<M> {
    /// The command.
    pub(crate) command: Command,
    /// When the engine gave the command.
    pub(crate) given: Timestamp,
    /// The turn in which it is carried out.
    pub(crate) due: usize,
    /// How the driver has the command carried out.
    pub(crate) manner: M,
}

/// Commands on their way to workers, and reports on their way back, each in the order they were sent.
#[derive(Clone, Debug)]
pub(crate) struct Mail<M> {
    /// Commands that are not carried out yet.
    pub(crate) orders: Vec<Order<M>>,
    reports: Vec<(usize, Report)>,
}

impl<M> Mail<M> {
    pub(crate) const fn new() -> Self {
        Self { orders: Vec::new(), reports: Vec::new() }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.orders.is_empty() && self.reports.is_empty()
    }

    /// Takes out the orders that are due by this turn.
    pub(crate) fn orders_due(&mut self, turn: usize) -> Vec<Order<M>> {
        self.orders.extract_if(.., |order| order.due <= turn).collect()
    }

    /// Sends a report, which the snapshot of that turn or of the next one contains.
    pub(crate) fn send(&mut self, due: usize, report: Report) {
        self.reports.push((due, report));
    }

    /// Takes out the reports that are due by this turn.
    pub(crate) fn reports_due(&mut self, turn: usize) -> impl Iterator<Item = Report> {
        self.reports.extract_if(.., move |(due, _)| *due <= turn).map(|(_, report)| report)
    }

    /// Drops the earlier commands of a migration, except those that cannot be overtaken: the latest one counts.
    pub(crate) fn strike(&mut self, migration: MigrationId) {
        let stays = |action| matches!(action, Action::Abort { .. } | Action::Requeue);
        self.orders.retain(|it| it.command.migration != migration || stays(it.command.action));
    }

    /// Drops the commands of a worker that has died.
    pub(crate) fn lose(&mut self, worker: WorkerId) {
        self.orders.retain(|order| addressee(order.command.action) != Some(worker));
    }
}
