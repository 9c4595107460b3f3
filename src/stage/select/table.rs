//! The table of budgets, as it stands while the plan grows.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::config::{Budget, MigrationLimits};
use crate::model::time::Timestamp;
use crate::outcome::Rejection;
use crate::state::{Charge, Key, Spending, Spent, State};
use crate::view::{View, charge_of};

/// What is spent of every line.
#[derive(Clone)]
pub(super) struct Table {
    lines: Vec<Line>,
    /// Accounts that the state keeps once the plan is recorded, and may keep.
    held: usize,
    room: usize,
}

/// What is spent of one line.
#[derive(Clone)]
struct Line {
    budget: Budget,
    spent: BTreeMap<Key, Spent>,
    /// Until when an earlier life may have spent it.
    closed: Option<Timestamp>,
}

impl Table {
    /// As it stands before the plan.
    pub(super) fn open(limits: &MigrationLimits, state: &State, view: &View<'_>) -> Self {
        let flights = state.in_flight.values().filter(|_| !limits.budgets.is_empty());
        let under_way: Vec<Charge> = flights.filter_map(|flight| charge_of(view, flight)).collect();
        let (now, spending) = (view.snapshot.at(), &state.spending);
        let line = |budget: &Budget| {
            let mut line = Line { budget: *budget, spent: BTreeMap::new(), closed: None };
            if let Some(per) = budget.per {
                line.closed = spending.closed(per, now);
                let begun = spending.within(per, now);
                line.spent.extend(begun.filter(|(key, _)| key.is_in(budget.scope)));
            } else {
                under_way.iter().for_each(|charge| line.enter(charge));
            }
            line
        };
        let lines = limits.budgets.iter().map(line).collect();
        Self { lines, held: spending.len(), room: Spending::room(limits, view.workers.len()) }
    }

    /// Whether there is nothing to be asked.
    pub(super) const fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Whether interruptions that go together fit in.
    pub(super) fn check(&self, charges: &[Charge]) -> Result<(), Rejection> {
        for line in &self.lines {
            line.check(charges)?;
        }
        let held = self.held + charges.iter().map(|charge| self.kept(charge)).sum::<usize>();
        if held > self.room && self.room > 0 {
            let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
            let (limit, over) = (count(self.room), count(held - self.room));
            return Err(Rejection::MemoryFull { limit, over });
        }
        Ok(())
    }

    /// Accounts that an interruption may add.
    fn kept(&self, charge: &Charge) -> usize {
        let windows = self.lines.iter().filter(|line| line.budget.per.is_some());
        windows.map(|line| line.keys(charge).count()).sum()
    }

    /// Enters an interruption that is chosen.
    pub(super) fn enter(&mut self, charge: &Charge) {
        self.held += self.kept(charge);
        self.lines.iter_mut().for_each(|line| line.enter(charge));
    }
}

impl Line {
    fn keys<'a>(&self, charge: &'a Charge) -> impl Iterator<Item = Key> + use<'a> {
        let scope = self.budget.scope;
        charge.keys.iter().copied().filter(move |key| key.is_in(scope))
    }

    fn enter(&mut self, charge: &Charge) {
        for key in self.keys(charge) {
            self.spent.entry(key).or_default().add(charge.spent);
        }
    }

    fn check(&self, charges: &[Charge]) -> Result<(), Rejection> {
        let Budget { scope, unit, limit, per } = self.budget;
        for key in charges.iter().flat_map(|charge| self.keys(charge)) {
            let mut more = Spent::default();
            let together = charges.iter().filter(|charge| charge.keys.contains(&key));
            together.for_each(|charge| more.add(charge.spent));
            if more.is_unsized(unit) {
                return Err(Rejection::UnknownSize);
            }
            // Nothing more is never too much.
            if more.of(&self.budget) == 0 {
                continue;
            }
            if let Some(until) = self.closed {
                return Err(Rejection::BudgetInDoubt { scope, unit, until });
            }
            let before = self.spent.get(&key).copied().unwrap_or_default();
            let mut after = before;
            after.add(more);
            let (spent, after) = (before.of(&self.budget), after.of(&self.budget));
            if after > limit {
                let over = after - limit;
                return Err(Rejection::BudgetLine { scope, unit, limit, per, spent, over });
            }
        }
        Ok(())
    }
}
