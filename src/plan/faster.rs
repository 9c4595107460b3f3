//! Where would a task run faster? Asked about tasks whose workers are neither emptied nor donate.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::order::Order;
use crate::config::{Config, HardwareStrategy};
use crate::model::hardware::HardwareSet;
use crate::model::ids::ClassId;
use crate::model::rows::{TaskRow, WorkerRow};
use crate::round::Round;
use crate::rules;
use crate::rules::speed::{self, Wish};
use crate::snapshot::Task;

/// Workers, each with its speed, the fastest first.
type Ranked = Vec<(f64, WorkerRow)>;

/// Workers by speed, per hardware that tasks name, and per class.
#[derive(Clone, Debug)]
pub(crate) struct Faster<'a> {
    /// The section, and how many times as fast a task must run elsewhere; `None` if upgrades are off.
    upgrades: Option<(&'a HardwareStrategy, f64)>,
    /// Workers that may accept, coldest first.
    open: Order,
    by_wish: BTreeMap<(Wish, Option<ClassId>), Ranked>,
}

impl<'a> Faster<'a> {
    pub(super) fn new(config: &'a Config, round: &Round<'_>) -> Self {
        let unasked = if broken!("upgrade_unless_null") { Some(2.0) } else { None };
        // The configuration has no `upgrade` without cost and benefit, which decide whether an upgrade is worth it.
        let section = config.hardware.as_ref();
        let upgrades = section.and_then(|section| Some((section, section.upgrade.or(unasked)?)));
        let mut open = Vec::new();
        if upgrades.is_some() {
            let level = |worker: WorkerRow| round.level(worker).unwrap_or(f64::INFINITY);
            let accepts = |worker: &WorkerRow| {
                round.view.workers[*worker].balanced
                    && rules::target(round, *worker).is_ok()
                    && level(*worker) < round.bands.ceiling
            };
            open.extend(round.view.worker_rows().filter(accepts));
            open.sort_by(|a, b| level(*a).total_cmp(&level(*b)).then(a.cmp(b)));
        }
        Self { upgrades, open: Order::new(round.view, open), by_wish: BTreeMap::new() }
    }

    /// Whether a task on this worker would run so much faster on some other worker that it may move there.
    pub(super) fn is_worth_asking(
        &mut self,
        round: &Round<'_>,
        row: TaskRow,
        from: WorkerRow,
    ) -> bool {
        let Some(mut least) = self.least(round, row, from) else { return false };
        if broken!("upgrade_at_all") {
            least *= 9.0;
        }
        let ranked = self.ranked(round, round.view.task(row));
        ranked.first().is_some_and(|(speed, _)| *speed >= least)
    }

    /// Whether a task would run so much faster on this worker that it may move there.
    pub(crate) fn is_faster(
        &self,
        round: &Round<'_>,
        row: TaskRow,
        [from, to]: [WorkerRow; 2],
    ) -> bool {
        let (Some(least), Some((section, _))) = (self.least(round, row, from), self.upgrades)
        else {
            return false;
        };
        speed::best(round, section, round.view.task(row), to) >= least
    }

    /// Workers where a task would run enough faster, fastest first, each with how many times as fast.
    pub(super) fn targets(
        &mut self,
        round: &Round<'_>,
        row: TaskRow,
        from: WorkerRow,
    ) -> Vec<(f64, WorkerRow)> {
        let (Some(least), Some(here)) = (self.least(round, row, from), self.here(round, row, from))
        else {
            return Vec::new();
        };
        let ranked = self.ranked(round, round.view.task(row)).iter();
        let faster = ranked.take_while(|(speed, _)| *speed >= least);
        let elsewhere = faster.filter(|(_, worker)| *worker != from);
        elsewhere.map(|(speed, worker)| (speed / here, *worker)).collect()
    }

    /// The least speed that is worth a move.
    pub(crate) fn least(&self, round: &Round<'_>, row: TaskRow, from: WorkerRow) -> Option<f64> {
        let (_, times) = self.upgrades?;
        let times = if broken!("upgrade_threshold") { times.min(1.5) } else { times };
        Some(times * self.here(round, row, from)?)
    }

    /// How many times as fast a task runs by one of its alternatives, if it has any.
    pub(super) fn speedup(
        &self,
        round: &Round<'_>,
        row: TaskRow,
        from: WorkerRow,
        alternative: Option<u16>,
    ) -> Option<f64> {
        let variant = round.view.variants(row)?.nth(alternative)?;
        Some(variant.alternatives.first()?.speed / self.here(round, row, from)?)
    }

    /// The present speed of a task, which an upgrade must beat.
    fn here(&self, round: &Round<'_>, row: TaskRow, from: WorkerRow) -> Option<f64> {
        let (section, _) = self.upgrades?;
        Some(speed::to_beat(round, section, row, from))
    }

    /// The open workers that have the hardware a task names, fastest first, the coldest of equals
    /// first.
    fn ranked(&mut self, round: &Round<'_>, task: &Task) -> &[(f64, WorkerRow)] {
        let (open, upgrades) = (&self.open, self.upgrades);
        self.by_wish.entry((speed::wish(task), task.class)).or_insert_with(|| {
            let (all, any, alternatives) = speed::wish(task);
            let has_hardware = |kinds: HardwareSet| {
                let able = |(needs, _): &(HardwareSet, u64)| needs.without(kinds).is_empty();
                let one = alternatives.is_empty() || alternatives.iter().any(able);
                one && all.without(kinds).is_empty() && (any.is_empty() || any.intersects(kinds))
            };
            let workers = match task.class {
                Some(class) => open.of_class(round.view, class, usize::MAX),
                None => open.workers.clone(),
            };
            let speed = |worker| match upgrades {
                Some((section, _)) => speed::best(round, section, task, worker),
                None => 1.0,
            };
            let able = workers
                .into_iter()
                .filter(|worker| has_hardware(round.view.workers[*worker].kinds));
            let mut ranked: Ranked = able.map(|worker| (speed(worker), worker)).collect();
            // Stable: the coldest stay first among equals.
            ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
            ranked
        })
    }
}
