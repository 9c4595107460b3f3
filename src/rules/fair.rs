//! Does a move interrupt its tenant more than the tenant's share?

use alloc::collections::BTreeMap;

use super::rule::Answer;
use crate::config::MigrationLimits;
use crate::model::ids::TenantId;
use crate::outcome::BudgetRefusal;
use crate::snapshot::Placement;
use crate::state::State;
use crate::view::View;

/// How often each tenant was interrupted within the window, and how many tasks it has.
#[derive(Clone, Debug)]
pub(super) struct Fair {
    slack: u64,
    interrupted: BTreeMap<TenantId, u64>,
    tasks: BTreeMap<TenantId, u64>,
    /// Tasks of all tenants.
    all_tasks: u64,
}

impl Fair {
    /// The counts before the plan; `None` if fairness is off.
    pub(super) fn open(limits: &MigrationLimits, state: &State, view: &View<'_>) -> Option<Self> {
        let section = limits.fairness?;
        let mut tasks: BTreeMap<TenantId, u64> = BTreeMap::new();
        for task in view.snapshot.tasks() {
            let runs = matches!(task.placement, Placement::On(_) | Placement::Moving { .. });
            if let Some(tenant) = task.tenant
                && runs
            {
                *tasks.entry(tenant).or_default() += 1;
            }
        }
        let interrupted = state.spending.interrupted(section.window, view.snapshot.at()).collect();
        let all_tasks = tasks.values().sum();
        Some(Self { slack: u64::from(section.slack.get()), interrupted, tasks, all_tasks })
    }

    /// Whether these tenants may be interrupted, one after the other.
    pub(super) fn check(&self, tenants: &[TenantId]) -> Answer {
        let mut all = self.interrupted.values().fold(0_u64, |all, had| all.saturating_add(*had));
        let mut worst = Ok(());
        let mut most = 0;
        for (nth, tenant) in tenants.iter().enumerate() {
            all = all.saturating_add(1);
            let before = tenants[..nth].iter().filter(|other| *other == tenant).count() as u64;
            let had = self.interrupted.get(tenant).copied().unwrap_or(0).saturating_add(before);
            let tasks = self.tasks.get(tenant).copied().unwrap_or(0);
            // The slack that would be needed: the interruptions beyond the tenant's share, rounded up.
            let beyond = (had.saturating_add(1).saturating_mul(self.all_tasks))
                .saturating_sub(tasks.saturating_mul(all))
                .div_ceil(self.all_tasks.max(1));
            let over = beyond.saturating_sub(self.slack);
            if over > most {
                let [had, all, tasks, of, over] = [had, all, tasks, self.all_tasks, over]
                    .map(|count| u32::try_from(count).unwrap_or(u32::MAX));
                worst = Err(
                    BudgetRefusal::Unfair { tenant: *tenant, had, all, tasks, of, over }.into()
                );
                most = beyond - self.slack;
            }
        }
        worst
    }

    /// Enters interruptions that are chosen.
    pub(super) fn enter(&mut self, tenants: &[TenantId]) {
        for tenant in tenants {
            let had = self.interrupted.entry(*tenant).or_default();
            *had = had.saturating_add(1);
        }
    }
}
