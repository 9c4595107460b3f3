//! Where would a task run faster? Asked when nothing presses: loads are even, and hardware is not.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::order::Order;
use crate::admission::{self, Levels};
use crate::config::{Config, HardwareStrategy};
use crate::model::hardware::HardwareSet;
use crate::model::ids::ClassId;
use crate::snapshot::Task;
use crate::speed::{self, Wish};
use crate::state::State;
use crate::view::{Seat, View};

/// Workers, each with its speed, the fastest first.
type Ranked = Vec<(f64, Seat)>;

/// Workers by speed, per hardware that tasks name, and per class.
pub(super) struct Faster<'a> {
    config: &'a Config,
    section: Option<(&'a HardwareStrategy, f64)>,
    state: &'a State,
    view: &'a View<'a>,
    /// Workers that may take, coldest first.
    open: Order,
    by_wish: BTreeMap<(Wish, Option<ClassId>), Ranked>,
}

impl<'a> Faster<'a> {
    pub(super) fn new(
        config: &'a Config,
        state: &'a State,
        view: &'a View<'a>,
        levels: &Levels,
    ) -> Self {
        let section = config.hardware.as_ref();
        let section = section.and_then(|section| Some((section, section.upgrade?)));
        // Points say whether it is worth it; without them every task would run after every device.
        let section = section.filter(|_| config.cost_benefit.is_some());
        let mut open = Vec::new();
        if section.is_some() {
            let takes = |seat: &Seat| {
                view.workers[*seat].balanced && admission::target(view, *seat).is_ok()
            };
            let level = |seat: &Seat| levels.of(view, *seat).unwrap_or(f64::INFINITY);
            open.extend((0..view.workers.len()).filter(takes));
            open.retain(|seat| level(seat) < levels.ceiling);
            open.sort_by(|a, b| level(a).total_cmp(&level(b)).then(a.cmp(b)));
        }
        let open = Order::new(view, open);
        Self { config, section, state, view, open, by_wish: BTreeMap::new() }
    }

    /// Whether a task on this worker would run so much faster somewhere that it may move for it.
    pub(super) fn is_worth_asking(&mut self, row: usize, from: Seat) -> bool {
        let Some(least) = self.least(row, from) else { return false };
        self.ranked(self.view.task(row)).first().is_some_and(|(speed, _)| *speed >= least)
    }

    /// Workers where it would, fastest first, each with how many times as fast.
    pub(super) fn targets(&mut self, row: usize, from: Seat) -> Vec<(f64, Seat)> {
        let (Some(least), Some(here)) = (self.least(row, from), self.here(row, from)) else {
            return Vec::new();
        };
        let faster =
            self.ranked(self.view.task(row)).iter().take_while(|(speed, _)| *speed >= least);
        faster
            .filter(|(_, seat)| *seat != from)
            .map(|(speed, seat)| (speed / here, *seat))
            .collect()
    }

    /// The least speed that is worth a move.
    pub(super) fn least(&self, row: usize, from: Seat) -> Option<f64> {
        Some(self.section?.1 * self.here(row, from)?)
    }

    /// How many times as fast a task runs by one of its alternatives, if it has any.
    pub(super) fn times(&self, row: usize, from: Seat, alternative: Option<u16>) -> Option<f64> {
        let form = self.view.forms(row)?.nth(alternative)?;
        Some(form.alternatives.first()?.speed / self.here(row, from)?)
    }

    /// The speed of a task where it is, which is to be beaten.
    fn here(&self, row: usize, from: Seat) -> Option<f64> {
        let (section, _) = self.section?;
        Some(speed::to_beat(self.config, section, self.state, self.view, (row, from)))
    }

    /// The open workers that have the hardware a task names, fastest first, the coldest of equals
    /// first.
    fn ranked(&mut self, task: &Task) -> &[(f64, Seat)] {
        let (open, state, view) = (&self.open, self.state, self.view);
        let section = self.section;
        self.by_wish.entry((speed::wish(task), task.class)).or_insert_with(|| {
            let (all, any, alternatives) = speed::wish(task);
            let has = |kinds: HardwareSet| {
                let able = |(needs, _): &(HardwareSet, u64)| needs.without(kinds).is_empty();
                let one = alternatives.is_empty() || alternatives.iter().any(able);
                one && all.without(kinds).is_empty() && (any.is_empty() || any.intersects(kinds))
            };
            let able = match task.class {
                Some(class) => open.of_class(view, class, usize::MAX),
                None => open.seats.clone(),
            };
            let able = able.into_iter().filter(|seat| has(view.workers[*seat].kinds));
            let speed = |seat| {
                section.map_or(1.0, |(section, _)| speed::best(section, state, view, task, seat))
            };
            let mut ranked: Vec<(f64, Seat)> = able.map(|seat| (speed(seat), seat)).collect();
            // Stable: the coldest stay first among equals.
            ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
            ranked
        })
    }
}
