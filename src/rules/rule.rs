//! What is a rule, and what is it asked about?

use crate::config::Config;
use crate::model::rows::{TaskRow, WorkerRow};
use crate::outcome::{Purpose, Rejection, Scorecard};
use crate::round::{Fit, Round};
use crate::snapshot::Task;
use crate::view::Footprint;

/// What a rule looks at. The first depths are the cheapest to ask and refuse the most pairs at once; the last can only
/// be asked of a move that is about to be taken.
#[cfg(feature = "testkit")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Depth {
    /// The task alone: may it leave, or be placed?
    Task,
    /// The worker alone: may it take anything?
    Target,
    /// The task and the worker, before it is known how the task would run there.
    Pair,
    /// One variant of the task on the worker: hardware, labels, devices, room.
    Variant,
    /// The task, the worker, and how it would run there.
    Join,
    /// What the move does to the loads.
    Effect,
    /// Whether the move repays its downtime.
    Payback,
    /// Whether the move is worth its cost.
    Worth,
    /// Whether the budgets allow it, with all moves that were chosen before.
    Budget,
}

/// When a rule is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// For every candidate; the plan does not change the answer.
    Once,
    /// For every candidate, and again when the candidate is taken.
    Again,
    /// Only when a candidate is taken.
    WhenTaken,
    /// Only when a candidate is taken after others, since the rule looks at what earlier moves of the plan did.
    AfterOthers,
}

/// The section of the configuration without which a rule does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Always,
    Scope,
    Stability,
    CostBenefit,
    Transfer,
    Migration,
    Fairness,
}

impl Section {
    pub(super) fn is_on(self, config: &Config) -> bool {
        match self {
            Self::Always => true,
            Self::Scope => config.scope.is_some(),
            Self::Stability => config.stability.is_some(),
            Self::CostBenefit => config.cost_benefit.is_some(),
            Self::Transfer => config.transfer.is_some(),
            Self::Migration => config.migration.is_some(),
            Self::Fairness => {
                config.migration.as_ref().is_some_and(|limits| limits.fairness.is_some())
            }
        }
    }
}

/// The purposes for which a rule holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Purposes(u8);

impl Purposes {
    pub(super) const fn contains(self, purpose: Purpose) -> bool {
        self.0 >> (purpose as u8) & 1 == 1
    }
}

/// Every purpose.
pub(super) const ALL: Purposes = Purposes(0b11111);
/// Every purpose that takes a task from a worker.
pub(super) const MOVES: Purposes = Purposes(0b11110);
/// The purposes for which a task must leave its worker.
pub(super) const FORCED: Purposes = Purposes(0b00110);
/// The purposes for which nothing forces a move.
pub(super) const VOLUNTARY: Purposes = Purposes(0b11000);
pub(super) const REBALANCE: Purposes = Purposes(0b01000);
pub(super) const UPGRADE: Purposes = Purposes(0b10000);

/// One condition that a move must meet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule<F> {
    pub(super) name: &'static str,
    pub(super) holds_for: Purposes,
    pub(super) section: Section,
    pub(super) asked: Asked,
    pub(super) ask: F,
}

pub(super) const fn rule<F: Copy>(
    name: &'static str,
    holds_for: Purposes,
    section: Section,
    asked: Asked,
    ask: F,
) -> Rule<F> {
    Rule { name, holds_for, section, asked, ask }
}

/// The answer of a rule: nothing, or the refusal.
pub(crate) type Answer = Result<(), Rejection>;

/// The function of a rule, by depth.
pub(super) type AskTask = fn(&Round<'_>, TaskRow, Purpose) -> Answer;
pub(super) type AskTarget = fn(&Round<'_>, WorkerRow) -> Answer;
pub(super) type AskPair = fn(&Round<'_>, &Pair) -> Answer;
pub(super) type AskVariant = fn(&Round<'_>, &Variant<'_>) -> Answer;
pub(super) type AskJoin = fn(&Round<'_>, &Pair, Fit) -> Answer;
pub(super) type AskEffect = fn(&Round<'_>, &Effect<'_>) -> Answer;
pub(super) type AskPayback = fn(&Round<'_>, &Pair, Fit, &Footprint) -> Answer;
pub(super) type AskWorth = fn(&Round<'_>, &Scorecard) -> Answer;

/// One task that would go to one worker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair {
    pub(crate) row: TaskRow,
    pub(crate) from: Option<WorkerRow>,
    pub(crate) to: WorkerRow,
    pub(crate) purpose: Purpose,
}

/// One variant of a task on a worker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Variant<'a> {
    pub(super) task: &'a Task,
    pub(super) to: WorkerRow,
    pub(super) footprint: &'a Footprint,
}

/// What a move of one task or a set would do to the loads of two workers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effect<'a> {
    pub(crate) from: Option<WorkerRow>,
    pub(crate) to: WorkerRow,
    pub(crate) purpose: Purpose,
    pub(crate) footprint: &'a Footprint,
}
