//! Which budget has nothing left for the move?

use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::reach::Reach;
use crate::config::{Scope, Unit};
use crate::model::ids::TenantId;
use crate::model::time::{Span, Timestamp, as_optional_seconds};
use crate::outcome::Remedy;

/// A budget is spent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BudgetRefusal {
    /// As many migrations as allowed are on their way to the worker.
    TargetBusy {
        /// The limit.
        limit: u32,
        /// By how many migrations the move would exceed the limit.
        over: u32,
    },
    /// As many migrations as allowed are on their way from the task's worker.
    SourceBusy {
        /// The limit.
        limit: u32,
        /// By how many migrations the move would exceed the limit.
        over: u32,
    },
    /// As many migrations as allowed are under way.
    BudgetSpent {
        /// The limit.
        limit: u32,
        /// By how many migrations the move would exceed the limit.
        over: u32,
    },
    /// A line of the [table of budgets](crate::config::Budget) is spent.
    BudgetLine {
        /// What has a budget of its own under the line: each worker, each tenant, ...
        scope: Scope,
        /// What the line counts; the figures are moves, bytes, or seconds (rounded up).
        unit: Unit,
        /// The limit.
        limit: u64,
        /// The window in which the limit counts, in seconds; `None` if it counts what is under way at once.
        #[serde(with = "as_optional_seconds")]
        per: Option<Duration>,
        /// How much of the limit is spent.
        spent: u64,
        /// By how much the move would exceed the limit.
        over: u64,
    },
    /// A line of the table of budgets may have been spent by an earlier life of the engine.
    BudgetInDoubt {
        /// What has a budget of its own under the line.
        scope: Scope,
        /// What the line counts.
        unit: Unit,
        /// From this moment on, nothing that the earlier life began can count.
        until: Timestamp,
    },
    /// The engine remembers as many recent moves as it may, and begins no other before it can forget some.
    MemoryFull {
        /// The limit, in entries: a move has one, and more if budgets over time count it.
        limit: u32,
        /// By how many entries the move would exceed the limit.
        over: u32,
    },
    /// The task's tenant has been interrupted beyond its share.
    Unfair {
        /// The tenant.
        tenant: TenantId,
        /// The tenant's interruptions within the window.
        had: u32,
        /// The interruptions of all tenants together, with this one.
        all: u32,
        /// Running tasks of the tenant.
        tasks: u32,
        /// Running tasks of all tenants.
        of: u32,
        /// How much slack is missing.
        over: u32,
    },
    /// A budget counts bytes, and the task, or one that would move with it, does not say how much state it would hand
    /// over.
    UnknownSize,
}

impl BudgetRefusal {
    /// How far the refusal reaches.
    pub const fn reach(&self) -> Reach {
        match self {
            Self::TargetBusy { .. } => Reach::Target,
            Self::BudgetLine { scope, .. } | Self::BudgetInDoubt { scope, .. } => match scope {
                Scope::WorkerIn => Reach::Target,
                Scope::ZonePair => Reach::Pair,
                Scope::Global
                | Scope::WorkerOut
                | Scope::Group
                | Scope::Tenant
                | Scope::Kind
                | Scope::Reason => Reach::Task,
            },
            Self::SourceBusy { .. }
            | Self::BudgetSpent { .. }
            | Self::MemoryFull { .. }
            | Self::Unfair { .. }
            | Self::UnknownSize => Reach::Task,
        }
    }

    /// The refusal's name in a tally.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::TargetBusy { .. } => "target busy",
            Self::SourceBusy { .. } => "source busy",
            Self::BudgetSpent { .. } => "budget spent",
            Self::BudgetLine { .. } => "budget line spent",
            Self::BudgetInDoubt { .. } => "budget in doubt",
            Self::MemoryFull { .. } => "memory full",
            Self::Unfair { .. } => "unfair",
            Self::UnknownSize => "unknown size",
        }
    }

    /// The smallest change that would lift the refusal. Another refusal may stand behind it.
    pub const fn remedy(&self) -> Remedy {
        match *self {
            Self::TargetBusy { over, .. }
            | Self::SourceBusy { over, .. }
            | Self::BudgetSpent { over, .. } => Remedy::AllowMigrations(over),
            Self::BudgetLine { unit, over, .. } => Remedy::RaiseBudget { unit, by: over },
            Self::BudgetInDoubt { until, .. } => Remedy::WaitUntil(until),
            Self::MemoryFull { over, .. } => Remedy::ForgetMoves(over),
            Self::Unfair { over, .. } => Remedy::AllowSlack(over),
            Self::UnknownSize => Remedy::ReportSize,
        }
    }
}

impl fmt::Display for BudgetRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TargetBusy { limit, .. } => {
                write!(f, "limit of {limit} migrations to the target reached")
            }
            Self::SourceBusy { limit, .. } => {
                write!(f, "limit of {limit} migrations from the source reached")
            }
            Self::BudgetSpent { limit, .. } => write!(f, "budget of {limit} migrations spent"),
            Self::BudgetLine { scope, unit, limit, per, spent, .. } => {
                let (limit, scope, spent) = (unit.of(limit), scope.name(), unit.of(spent));
                match per {
                    Some(per) => {
                        write!(f, "budget of {limit} in {} for {scope}: {spent} begun", Span(per))
                    }
                    None => write!(f, "budget of {limit} at once for {scope}: {spent} under way"),
                }
            }
            Self::BudgetInDoubt { scope, until, .. } => {
                let scope = scope.name();
                write!(f, "the budget for {scope} may have been spent before the last restart")?;
                write!(f, ", and counts as spent until {until}")
            }
            Self::MemoryFull { limit, .. } => {
                write!(f, "the memory for recent moves is full, with {limit} entries")
            }
            Self::Unfair { tenant, had, all, tasks, of, .. } => {
                write!(f, "{tenant} had {had} of {} interruptions", all.saturating_sub(1))?;
                write!(f, ", with {tasks} of {of} tasks")
            }
            Self::UnknownSize => f.write_str(
                "a budget counts bytes, and the size of its state, or of a companion's, is unknown",
            ),
        }
    }
}
