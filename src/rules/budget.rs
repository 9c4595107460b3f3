//! Do the budgets allow one more move, beside everything that was chosen before?
//!
//! A budget of four simultaneous moves with three under way leaves room for one: the first move of the plan
//! fits, the second is refused.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::num::NonZeroU32;

use super::fair::Fair;
use super::rule::Answer;
use crate::config::{Budget, MigrationLimits};
use crate::model::ids::TenantId;
use crate::model::rows::{TaskRow, WorkerRow};
use crate::model::time::Timestamp;
use crate::outcome::BudgetRefusal;
use crate::round::{MoveSet, Round};
use crate::state::{Charge, Key, MEMORY_PER_WORKER, PLACEMENTS_PER_WORKER, Spending, Spent, State};
use crate::view::{Interruption, Place, View, charge, charge_of};

/// A set of tasks that is about to be taken, and what is spent of the budgets before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taking<'a> {
    pub(super) set: &'a MoveSet,
    pub(super) to: WorkerRow,
    pub(super) accounts: &'a Accounts<'a>,
    pub(super) bill: &'a Bill,
}

/// How much of each budget is spent, by migrations under way and by the moves of the plan.
#[derive(Clone, Debug)]
pub(crate) struct Accounts<'a> {
    limits: &'a MigrationLimits,
    /// How many migrations may be under way at once.
    simultaneous: usize,
    /// Tasks that are interrupted, chosen ones included.
    interrupted: usize,
    /// Tasks that are interrupted or queued again, chosen ones included.
    moving: usize,
    table: Table,
    fair: Option<Fair>,
}

/// What a move would add to the accounts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bill {
    interrupted: usize,
    moving: usize,
    charges: Vec<Charge>,
    tenants: Vec<TenantId>,
}

impl<'a> Accounts<'a> {
    /// The accounts before the plan.
    pub(crate) fn open(
        round: &Round<'_>,
        limits: &'a MigrationLimits,
        simultaneous: usize,
    ) -> Self {
        let in_flight = &round.state.in_flight;
        Self {
            limits,
            simultaneous,
            interrupted: in_flight.interrupting(),
            moving: in_flight.moving(),
            table: Table::open(limits, round),
            fair: Fair::open(limits, round.state, round.view),
        }
    }

    /// What a set of tasks would add to the accounts.
    pub(crate) fn bill(&self, round: &Round<'_>, set: &MoveSet, to: WorkerRow) -> Bill {
        let moves = set.from.is_some();
        Bill {
            interrupted: set.rows.iter().filter(|row| round.is_interrupted(**row)).count(),
            moving: if moves { set.rows.len() } else { 0 },
            charges: self.charges(round, set, to),
            tenants: self.tenants(round, set),
        }
    }

    /// Enters a move that is chosen.
    pub(crate) fn enter(&mut self, bill: &Bill) {
        self.interrupted += bill.interrupted;
        self.moving += bill.moving;
        bill.charges.iter().for_each(|charge| self.table.enter(charge));
        if let Some(fair) = &mut self.fair {
            fair.enter(&bill.tenants);
        }
    }

    /// What a set adds to the table of budgets; empty if the set interrupts no task.
    fn charges(&self, round: &Round<'_>, set: &MoveSet, to: WorkerRow) -> Vec<Charge> {
        let (Some(from), Some(purpose)) = (set.from, set.purpose.budgeted()) else {
            return Vec::new();
        };
        if self.table.is_empty() {
            return Vec::new();
        }
        let (from, to) = (round.worker_id(from), round.worker_id(to));
        let rows = set.rows.iter().filter(|row| round.is_interrupted(**row)).map(|row| {
            let kind = round.view.task(*row).kind;
            let (row, purpose) = (Some(*row), Some(purpose));
            let interruption = Interruption { row, kind, from, to, purpose };
            charge(round.config.unstated_bytes(), round.view, &interruption)
        });
        rows.collect()
    }

    /// The tenants that a set charges. A retargeted move was charged when it began.
    fn tenants(&self, round: &Round<'_>, set: &MoveSet) -> Vec<TenantId> {
        if self.fair.is_none() {
            return Vec::new();
        }
        let is_hit = |row: &&TaskRow| {
            let begins = !matches!(round.ledger.places[**row], Place::Stranded { .. });
            begins && (set.from.is_none() || round.is_interrupted(**row))
        };
        let rows = set.rows.iter().filter(is_hit);
        rows.filter_map(|row| round.view.task(*row).tenant).collect()
    }
}

fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

// ---------------------------------------------------------------- the rules

/// Moves that interrupt nothing (of tasks without a worker, or of queued tasks) are limited per target.
pub(super) fn placements_per_worker(round: &Round<'_>, taking: &Taking<'_>) -> Answer {
    let free = taking.set.rows.len() - taking.bill.interrupted;
    let there = round.ledger.placements[taking.to] as usize;
    let budget = broken!("placements_are_free").then_some(taking.accounts.simultaneous);
    let limit = budget.unwrap_or(PLACEMENTS_PER_WORKER);
    if free > 0 && there + free > limit {
        let over = count(there + free - limit);
        return Err(BudgetRefusal::TargetBusy { limit: count(limit), over }.into());
    }
    Ok(())
}

pub(super) fn simultaneous_moves(_: &Round<'_>, taking: &Taking<'_>) -> Answer {
    let accounts = taking.accounts;
    let more = taking.bill.interrupted;
    let (all, mut limit) = (accounts.interrupted + more, accounts.simultaneous);
    limit += usize::from(broken!("budget"));
    if more > 0 && all > limit {
        return Err(
            BudgetRefusal::BudgetSpent { limit: count(limit), over: count(all - limit) }.into()
        );
    }
    Ok(())
}

pub(super) fn moves_per_source(round: &Round<'_>, taking: &Taking<'_>) -> Answer {
    let more = taking.bill.interrupted;
    let (Some(from), Some(limit)) = (taking.set.from, taking.accounts.limits.per_source) else {
        return Ok(());
    };
    let over = beyond(limit, round.ledger.outgoing[from] + count(more));
    if more > 0 && over > 0 {
        return Err(BudgetRefusal::SourceBusy { limit: limit.get(), over }.into());
    }
    Ok(())
}

pub(super) fn moves_per_target(round: &Round<'_>, taking: &Taking<'_>) -> Answer {
    let Some(limit) = taking.accounts.limits.per_target else { return Ok(()) };
    if taking.bill.interrupted == 0 {
        return Ok(());
    }
    let arriving = round.ledger.incoming[taking.to] + count(taking.set.rows.len());
    match beyond(limit, arriving) {
        0 => Ok(()),
        over => Err(BudgetRefusal::TargetBusy { limit: limit.get(), over }.into()),
    }
}

const fn beyond(limit: NonZeroU32, all: u32) -> u32 {
    all.saturating_sub(limit.get())
}

/// The state remembers a bounded number of recent moves per worker.
pub(super) fn memory_of_moves(round: &Round<'_>, taking: &Taking<'_>) -> Answer {
    if taking.set.from.is_none() {
        return Ok(());
    }
    let held = round.state.cooldowns.len().max(round.state.back_offs.len());
    let all = held + taking.accounts.moving + taking.set.rows.len();
    let limit = MEMORY_PER_WORKER * round.view.workers.len().max(1);
    if all > limit {
        return Err(
            BudgetRefusal::MemoryFull { limit: count(limit), over: count(all - limit) }.into()
        );
    }
    Ok(())
}

/// Every line of the [table of budgets](crate::config::Budget) has room.
pub(super) fn table_of_budgets(_: &Round<'_>, taking: &Taking<'_>) -> Answer {
    taking.accounts.table.check(&taking.bill.charges)
}

/// No tenant is interrupted beyond its share.
pub(super) fn fairness(_: &Round<'_>, taking: &Taking<'_>) -> Answer {
    match &taking.accounts.fair {
        Some(fair) => fair.check(&taking.bill.tenants),
        None => Ok(()),
    }
}

// ---------------------------------------------------------------- the table of budgets

/// How much of every line is spent.
#[derive(Clone, Debug)]
struct Table {
    lines: Vec<Line>,
    /// How many accounts the state keeps once the plan is recorded.
    held: usize,
    /// How many accounts the state may keep.
    room: usize,
}

/// How much of one line is spent.
#[derive(Clone, Debug)]
struct Line {
    budget: Budget,
    spent: BTreeMap<Key, Spent>,
    /// The moment until which the line may be spent by an earlier life; `None` if it is not.
    closed: Option<Timestamp>,
}

impl Table {
    /// The table before the plan.
    fn open(limits: &MigrationLimits, round: &Round<'_>) -> Self {
        let (state, view): (&State, &View<'_>) = (round.state, round.view);
        let mut under_way: Vec<Charge> = Vec::new();
        if !limits.budgets.is_empty() {
            let migrations = state.in_flight.values();
            under_way.extend(
                migrations.filter_map(|migration| charge_of(round.config, view, migration)),
            );
        }
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

    /// Whether there are no budgets.
    const fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Whether there is room for interruptions that go together.
    fn check(&self, charges: &[Charge]) -> Answer {
        for line in &self.lines {
            line.check(charges)?;
        }
        let held = self.held + charges.iter().map(|charge| self.kept(charge)).sum::<usize>();
        if held > self.room && self.room > 0 {
            let (limit, over) = (count(self.room), count(held - self.room));
            return Err(BudgetRefusal::MemoryFull { limit, over }.into());
        }
        Ok(())
    }

    /// How many accounts an interruption may add.
    fn kept(&self, charge: &Charge) -> usize {
        let windows = self.lines.iter().filter(|line| line.budget.per.is_some());
        windows.map(|line| line.keys(charge).count()).sum()
    }

    /// Enters an interruption that is chosen.
    fn enter(&mut self, charge: &Charge) {
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

    fn check(&self, charges: &[Charge]) -> Answer {
        let Budget { scope, unit, limit, per } = self.budget;
        for key in charges.iter().flat_map(|charge| self.keys(charge)) {
            let mut more = Spent::default();
            let together = charges.iter().filter(|charge| charge.keys.contains(&key));
            together.for_each(|charge| more.add(charge.spent));
            if more.is_unsized(unit) && (limit == 0 || !broken!("budget_line_of_unknown_size")) {
                return Err(BudgetRefusal::UnknownSize.into());
            }
            // A charge of zero always fits, even if the line is overspent.
            if more.of(&self.budget) == 0 {
                continue;
            }
            if let Some(until) = self.closed {
                return Err(BudgetRefusal::BudgetInDoubt { scope, unit, until }.into());
            }
            let before = self.spent.get(&key).copied().unwrap_or_default();
            let mut after = before;
            after.add(more);
            let (spent, after) = (before.of(&self.budget), after.of(&self.budget));
            if after > limit {
                let over = after - limit;
                return Err(
                    BudgetRefusal::BudgetLine { scope, unit, limit, per, spent, over }.into()
                );
            }
        }
        Ok(())
    }
}
