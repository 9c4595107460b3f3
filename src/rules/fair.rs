//! Is no tenant interrupted beyond its share, as the plan grows?

use alloc::collections::BTreeMap;

use crate::config::MigrationLimits;
use crate::model::ids::TenantId;
use crate::outcome::Rejection;
use crate::snapshot::Placement;
use crate::state::State;
use crate::view::View;

/// Interruptions within the window, and whose tasks there are.
#[derive(Clone, Debug)]
pub(super) struct Fair {
    slack: u64,
    had: BTreeMap<TenantId, u64>,
    tasks: BTreeMap<TenantId, u64>,
    /// Tasks of all tenants.
    of: u64,
}

impl Fair {
    /// As it stands before the plan; nothing where nobody asks.
    pub(super) fn open(limits: &MigrationLimits, state: &State, view: &View<'_>) -> Option<Self> {
        let section = limits.fairness?;
        let mut tasks: BTreeMap<TenantId, u64> = BTreeMap::new();
        for task in view.snapshot.tasks() {
            let runs = matches!(task.placement, Placement::On(_) | Placement::Moving { .. });
            if let Some(tenant) = task.tenant.filter(|_| runs) {
                *tasks.entry(tenant).or_default() += 1;
            }
        }
        let had = state.spending.interrupted(section.window, view.snapshot.at()).collect();
        let of = tasks.values().sum();
        Some(Self { slack: u64::from(section.slack.get()), had, tasks, of })
    }

    /// Whether these may be interrupted, one after the other.
    pub(super) fn check(&self, tenants: &[TenantId]) -> Result<(), Rejection> {
        let mut all: u64 = self.had.values().sum();
        let mut worst = Ok(());
        let mut most = 0;
        for (nth, tenant) in tenants.iter().enumerate() {
            all += 1;
            let before = tenants[..nth].iter().filter(|it| *it == tenant).count() as u64;
            let had = self.had.get(tenant).copied().unwrap_or(0) + before;
            let tasks = self.tasks.get(tenant).copied().unwrap_or(0);
            // The slack that would be needed: what it has beyond its share, in whole interruptions.
            let beyond = ((had + 1) * self.of).saturating_sub(tasks * all).div_ceil(self.of.max(1));
            let over = beyond.saturating_sub(self.slack + u64::from(broken!("fair_share")));
            if over > most {
                let [had, all, tasks, of, over] = [had, all, tasks, self.of, over]
                    .map(|count| u32::try_from(count).unwrap_or(u32::MAX));
                worst = Err(Rejection::Unfair { tenant: *tenant, had, all, tasks, of, over });
                most = beyond - self.slack;
            }
        }
        worst
    }

    /// Enters interruptions that are chosen.
    pub(super) fn enter(&mut self, tenants: &[TenantId]) {
        for tenant in tenants {
            *self.had.entry(*tenant).or_default() += 1;
        }
    }
}
