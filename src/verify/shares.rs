//! Was every tenant interrupted at most as often as its share allows, and did the adaptive limit follow how migrations
//! ended? Computed from the outcomes.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use super::promise::Findings;
use crate::config::{Config, Fairness, MigrationLimits};
use crate::model::ids::TenantId;
use crate::model::time::Timestamp;
use crate::outcome::{Command, Reason};
use crate::snapshot::{Placement, Snapshot, Task};

/// Which tenant was interrupted when.
#[derive(Clone, Debug, Default)]
pub(super) struct Shares {
    section: Option<Fairness>,
    /// The window by which earlier rounds were judged.
    window: Option<Duration>,
    begun: Vec<(Timestamp, TenantId)>,
    /// Until this moment there may be interruptions by an earlier life that this one does not know of.
    blind: Option<Timestamp>,
}

/// The sixteenth of a window that a moment is in, and how long it is.
fn part(window: Duration, at: Timestamp) -> (u64, u64) {
    let window = u64::try_from(window.as_millis()).unwrap_or(u64::MAX).max(1);
    let length = window.div_ceil(16);
    (at.as_millis() / length, length)
}

impl Shares {
    pub(super) fn configure(&mut self, config: &Config) {
        self.section = config.migration.as_ref().and_then(|limits| limits.fairness);
    }

    /// Takes in the beginning of a round, of a later life or of the same.
    pub(super) fn round(&mut self, now: Timestamp, later: bool) {
        let window = self.section.map(|section| section.window);
        if window != self.window {
            (self.window, self.blind) = (window, None);
            self.begun.clear();
        }
        let Some(window) = window else { return };
        if later {
            self.blind = Some(now.after(window).after(window));
        }
        let counts = |at: Timestamp| {
            let (number, length) = part(window, at);
            let end = Timestamp::from_millis(number.saturating_add(1).saturating_mul(length));
            end.after(window.max(Duration::from_millis(1))) > now
        };
        self.begun.retain(|(at, _)| counts(*at));
    }

    /// Takes in migrations that begin.
    pub(super) fn begin(
        &mut self,
        snapshot: &Snapshot,
        task: &Task,
        command: &Command,
        findings: &mut Findings,
    ) {
        let (Some(section), Some(tenant)) = (self.section, task.tenant) else { return };
        let now = snapshot.at();
        self.begun.push((now, tenant));
        let chosen = !matches!(
            command.reason(),
            Some(
                Reason::Drain { .. }
                    | Reason::Leaves { .. }
                    | Reason::Along { .. }
                    | Reason::Recover
            )
        );
        if !chosen || self.blind.is_some_and(|until| until > now) {
            return;
        }
        let runs = |task: &&Task| {
            let placed = matches!(task.placement, Placement::On(_) | Placement::Moving { .. });
            placed && task.tenant.is_some()
        };
        let mut tasks: BTreeMap<TenantId, u128> = BTreeMap::new();
        for tenant in snapshot.tasks().iter().filter(runs).filter_map(|task| task.tenant) {
            *tasks.entry(tenant).or_default() += 1;
        }
        let (own, of) = (tasks.get(&tenant).copied().unwrap_or(0), tasks.values().sum::<u128>());
        let had = self.begun.iter().filter(|(_, other)| *other == tenant).count() as u128;
        let all = self.begun.len() as u128;
        let slack = u128::from(section.slack.get());
        findings.need(had * of <= own * all + slack * of, || {
            format!("{command}: {tenant} has {had} of {all} interruptions, {own} of {of} tasks")
        });
    }
}

/// How many migrations may be under way at once.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Level {
    now: Option<u64>,
    /// Whether any migration has completed, and whether any has failed, since the last round; `None` before the first.
    since: Option<[bool; 2]>,
    full: bool,
}

impl Level {
    /// The limit of an engine that remembers nothing.
    pub(super) fn start(limits: Option<&MigrationLimits>) -> Self {
        let limits = limits.filter(|limits| limits.adaptive.is_some());
        let now = limits.map(|limits| u64::from(limits.max_simultaneous.get()));
        Self { now, ..Self::default() }
    }

    /// The limit if its history is unknown: the highest.
    pub(super) fn unknown(limits: Option<&MigrationLimits>) -> Self {
        let section = limits.and_then(|limits| limits.adaptive);
        Self { now: section.map(|section| u64::from(section.most.get())), ..Self::default() }
    }

    /// Takes in the end of an interruption: as intended, or by a failure.
    pub(super) fn ended(&mut self, [well, badly]: [bool; 2]) {
        let Some([completed, failed]) = &mut self.since else { return };
        *completed |= well;
        *failed |= badly;
    }

    /// Takes in the beginning of a round and returns its limit; `None` if the limit does not adapt.
    pub(super) fn round(&mut self, limits: Option<&MigrationLimits>) -> Option<u64> {
        let section = limits.and_then(|limits| limits.adaptive)?;
        let (least, most) = (u64::from(section.least.get()), u64::from(section.most.get()));
        let mut now = self.now.unwrap_or(most);
        let [completed, failed] = self.since.unwrap_or_default();
        if failed {
            now /= 2;
        } else if completed && self.full {
            now += 1;
        }
        let now = now.max(least).min(most);
        *self = Self { now: Some(now), since: Some([false; 2]), full: false };
        Some(now)
    }

    /// Takes in the end of a round, with at most this many interruptions under way.
    pub(super) fn close(&mut self, under_way: u64) {
        self.full = self.now.is_some_and(|now| under_way >= now);
    }
}
