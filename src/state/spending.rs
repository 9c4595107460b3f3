//! How much is spent of each budget that has a window?
//!
//! One account per window and key adds up the interruptions that began, in sixteen parts per window. A
//! part of a window of 3,600 s is 225 s long: an interruption that began at 30 s counts until 3,825 s,
//! and one that began at 300 s until 4,050 s.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::{AdaptiveConcurrency, Budget, Fairness, MigrationLimits, Scope, Unit};
use crate::model::ids::{GroupId, KindId, TenantId, WorkerId, ZoneId};
use crate::model::time::Timestamp;
use crate::outcome::Purpose;

/// At most this many recent moves are remembered per worker.
pub(crate) const MEMORY_PER_WORKER: usize = 64;

/// How many parts a window has; an interruption counts until its part is one window ago.
const PARTS: u64 = 16;

/// What an interruption counts to: one worker, tenant, group, ... that has a budget of its own under a [`Scope`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Key {
    Global,
    Out(WorkerId),
    In(WorkerId),
    /// The smaller one first.
    Zones(ZoneId, ZoneId),
    Group(GroupId),
    Tenant(TenantId),
    Kind(KindId),
    Reason(Purpose),
    /// For fairness among tenants, which counts those that lost their worker too.
    Fair(TenantId),
}

impl Key {
    /// Whether this scope has a budget for the key.
    pub(crate) fn is_in(self, scope: Scope) -> bool {
        let is_broken = broken!(match scope {
            Scope::WorkerOut => "budget_line_from_a_worker",
            Scope::WorkerIn => "budget_line_to_a_worker",
            Scope::ZonePair => "budget_line_per_pair_of_zones",
            _ => "",
        });
        let is_its_own = matches!(
            (self, scope),
            (Self::Global, Scope::Global)
                | (Self::Out(_), Scope::WorkerOut)
                | (Self::In(_), Scope::WorkerIn)
                | (Self::Zones(..), Scope::ZonePair)
                | (Self::Group(_), Scope::Group)
                | (Self::Tenant(_), Scope::Tenant)
                | (Self::Kind(_), Scope::Kind)
                | (Self::Reason(_), Scope::Reason)
        );
        is_its_own && !is_broken
    }
}

/// How much was spent by interruptions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spent {
    pub(crate) moves: u64,
    pub(crate) bytes: u64,
    /// How many moves hand over an unknown number of bytes.
    pub(crate) unsized_moves: u64,
    /// Work that would be lost, in milliseconds.
    pub(crate) lost_millis: u64,
}

impl Spent {
    pub(crate) const fn add(&mut self, other: Self) {
        self.moves = self.moves.saturating_add(other.moves);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.unsized_moves = self.unsized_moves.saturating_add(other.unsized_moves);
        self.lost_millis = self.lost_millis.saturating_add(other.lost_millis);
    }

    /// Whether the amount is unknown in this unit: bytes, if a state of unknown size is handed over.
    pub(crate) fn is_unsized(self, unit: Unit) -> bool {
        unit == Unit::Bytes && self.unsized_moves > 0
    }

    /// The amount in the unit of a budget. Seconds are rounded up; a move of unknown size counts as the
    /// whole limit.
    pub(crate) fn of(self, budget: &Budget) -> u64 {
        match budget.unit {
            Unit::Bytes if broken!("budget_line_of_bytes") => self.moves,
            Unit::Moves => self.moves,
            Unit::Bytes => {
                self.bytes.saturating_add(self.unsized_moves.saturating_mul(budget.limit))
            }
            Unit::LostSeconds => self.lost_millis.div_ceil(1_000),
        }
    }
}

/// One interruption: what it counts to, and how much it spends.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Charge {
    pub(crate) keys: Vec<Key>,
    pub(crate) spent: Spent,
}

/// Until when an earlier life may have begun interruptions that this life does not know of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UnknownSpending {
    #[default]
    No,
    /// Until the first snapshot of this life, which has not come yet.
    Waiting,
    /// Until this moment.
    Before(Timestamp),
}

/// The interruptions that began within the windows of the budgets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spending {
    pub(crate) blind: UnknownSpending,
    /// The accounts, in the order of window and key.
    pub(super) accounts: Vec<Account>,
}

/// The interruptions that began within one window under one key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Account {
    /// The window, in milliseconds.
    pub(super) per: u64,
    pub(super) key: Key,
    /// The parts, oldest first: the number of each, and what was spent in it.
    pub(super) parts: Vec<(u64, Spent)>,
}

/// The windows in the table of budgets, each with its scope.
fn windows(limits: &MigrationLimits) -> impl Iterator<Item = (Scope, Duration)> + '_ {
    limits.budgets.iter().filter_map(|budget| Some((budget.scope, budget.per?)))
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX).max(1)
}

/// The part of a window that a moment is in.
const fn part(per: u64, at: Timestamp) -> u64 {
    let part = per.div_ceil(PARTS);
    at.as_millis() / part
}

/// The moment from which a part of a window no longer counts, in milliseconds.
const fn ends(per: u64, number: u64) -> u64 {
    let end = number.saturating_add(1).saturating_mul(per.div_ceil(PARTS));
    end.saturating_add(per)
}

/// Whether a part of a window still counts.
fn counts(per: u64, number: u64, now: Timestamp) -> bool {
    let end = match ends(per, number) {
        end if broken!("budget_line_window") => end.saturating_sub(per),
        end if broken!("budget_line_window_slides") => end.saturating_add(per),
        end => end,
    };
    end > now.as_millis()
}

impl Spending {
    /// Notes that a later life takes over, which does not know what the earlier one began since the state was saved.
    pub(crate) fn take_over(&mut self, limits: Option<&MigrationLimits>) {
        let looks_back = limits.is_some_and(|limits| windows(limits).next().is_some());
        if looks_back && !broken!("budget_line_in_doubt") {
            self.blind = UnknownSpending::Waiting;
        }
    }

    /// The number of accounts.
    pub(crate) const fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Until when a window may contain unknown interruptions of an earlier life; `None` if it contains none.
    pub(crate) fn closed(&self, per: Duration, now: Timestamp) -> Option<Timestamp> {
        let from = match self.blind {
            UnknownSpending::No => return None,
            UnknownSpending::Waiting => now,
            UnknownSpending::Before(from) => from,
        };
        Some(from.after(per)).filter(|until| *until > now)
    }

    /// What was spent within a window up to now, by key.
    pub(crate) fn within(
        &self,
        per: Duration,
        now: Timestamp,
    ) -> impl Iterator<Item = (Key, Spent)> + '_ {
        let per = millis(per);
        let first = self.accounts.partition_point(|account| account.per < per);
        let accounts = self.accounts[first..].iter().take_while(move |account| account.per == per);
        accounts.map(move |account| {
            let mut sum = Spent::default();
            let parts = account.parts.iter().filter(|(number, _)| counts(per, *number, now));
            parts.for_each(|(_, spent)| sum.add(*spent));
            (account.key, sum)
        })
    }

    /// When a budget with a window has room for `more` under every key of the charge, if it has none now.
    pub(crate) fn free_at(
        &self,
        budget: &Budget,
        charge: &Charge,
        more: u64,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let per = millis(budget.per?);
        let freed = |key: Key| {
            let row = self
                .accounts
                .binary_search_by_key(&(per, key), |account| (account.per, account.key))
                .ok()?;
            let mut sum = Spent::default();
            // Counted from the newest part back, the part that fills the budget is the last one that must end.
            let parts = self.accounts[row].parts.iter().rev();
            let full = parts.filter(|(number, _)| counts(per, *number, now)).find(|(_, spent)| {
                sum.add(*spent);
                sum.of(budget).saturating_add(more) > budget.limit
            });
            full.map(|(number, _)| Timestamp::from_millis(ends(per, *number)))
        };
        let keys = charge.keys.iter().copied().filter(|key| key.is_in(budget.scope));
        keys.filter_map(freed).max()
    }

    /// How often each tenant was interrupted within a window up to now.
    pub(crate) fn interrupted(
        &self,
        window: Duration,
        now: Timestamp,
    ) -> impl Iterator<Item = (TenantId, u64)> + '_ {
        self.within(window, now).filter_map(|(key, spent)| match key {
            Key::Fair(tenant) => Some((tenant, spent.moves)),
            _ => None,
        })
    }

    /// Records that a tenant is interrupted now, if there is room for another account.
    pub(crate) fn interrupt(
        &mut self,
        fairness: &Fairness,
        now: Timestamp,
        tenant: TenantId,
        room: usize,
    ) {
        let (per, key) = (millis(fairness.window), Key::Fair(tenant));
        let known = self
            .accounts
            .binary_search_by_key(&(per, key), |account| (account.per, account.key))
            .is_ok();
        if known || self.accounts.len() < room {
            self.add(per, key, now, Spent { moves: 1, ..Spent::default() });
        }
    }

    /// At most this many accounts may be kept, for this number of workers.
    pub(crate) fn room(limits: &MigrationLimits, workers: usize) -> usize {
        let windows = windows(limits).count() + usize::from(limits.fairness.is_some());
        MEMORY_PER_WORKER * workers.max(1) * windows
    }

    /// Records an interruption that begins now.
    pub(crate) fn enter(&mut self, limits: &MigrationLimits, now: Timestamp, charge: &Charge) {
        let mut entered: Vec<(Scope, Duration)> = Vec::new();
        for (scope, per) in windows(limits) {
            if entered.contains(&(scope, per)) {
                continue;
            }
            entered.push((scope, per));
            for key in charge.keys.iter().filter(|key| key.is_in(scope)) {
                self.add(millis(per), *key, now, charge.spent);
            }
        }
    }

    fn add(&mut self, per: u64, key: Key, now: Timestamp, spent: Spent) {
        let place =
            self.accounts.binary_search_by_key(&(per, key), |account| (account.per, account.key));
        let row = place.unwrap_or_else(|row| {
            self.accounts.insert(row, Account { per, key, parts: Vec::new() });
            row
        });
        let (parts, number) = (&mut self.accounts[row].parts, part(per, now));
        match parts.last_mut() {
            Some((last, sum)) if *last >= number => sum.add(spent),
            _ => parts.push((number, spent)),
        }
    }

    /// Forgets interruptions that no window contains any more, and accounts that no budget reads.
    pub(crate) fn forget(&mut self, limits: Option<&MigrationLimits>, now: Timestamp) {
        let longest = limits.and_then(|limits| windows(limits).map(|(_, per)| per).max());
        self.blind = match (self.blind, longest) {
            // While migration is off there are no windows: the moment is kept for later.
            (UnknownSpending::Waiting, _) if limits.is_none() => UnknownSpending::Before(now),
            (UnknownSpending::Before(from), _) if limits.is_none() => {
                UnknownSpending::Before(from.min(now))
            }
            (UnknownSpending::No, _) | (_, None) => UnknownSpending::No,
            (UnknownSpending::Waiting, _) if broken!("budget_line_in_doubt_for_a_window") => {
                UnknownSpending::No
            }
            (UnknownSpending::Waiting, Some(_)) => UnknownSpending::Before(now),
            // After a restart the clock may be earlier.
            (UnknownSpending::Before(from), Some(longest)) => {
                let from = from.min(now);
                if from.after(longest) > now {
                    UnknownSpending::Before(from)
                } else {
                    UnknownSpending::No
                }
            }
        };
        self.accounts.retain_mut(|account| {
            let (per, key) = (account.per, account.key);
            let asked = |limits: &MigrationLimits| {
                let fair = |fairness: Fairness| millis(fairness.window) == per;
                let shared = matches!(key, Key::Fair(_)) && limits.fairness.is_some_and(fair);
                let mut windows = windows(limits);
                shared || windows.any(|(scope, window)| key.is_in(scope) && millis(window) == per)
            };
            let last = part(per, now);
            if account.parts.last().is_some_and(|(number, _)| *number > last) {
                account.bring_back(last);
            }
            account.parts.retain(|(number, _)| counts(per, *number, now));
            let table = !matches!(key, Key::Fair(_)) && !broken!("budget_while_off");
            !account.parts.is_empty() && limits.map_or(table, asked)
        });
    }

    /// Adopts new settings: a new window counts what is remembered for the longest window of its scope.
    pub(crate) fn reconfigure(
        &mut self,
        [old, new]: [Option<&MigrationLimits>; 2],
        now: Timestamp,
    ) {
        let known = |window| old.is_some_and(|limits| windows(limits).any(|other| other == window));
        let is_new = |window| !known(window) && !broken!("budget_of_another_window");
        let fresh = new.into_iter().flat_map(windows).filter(|window| is_new(*window));
        for (scope, per) in fresh {
            let per = millis(per);
            let mut longest: BTreeMap<Key, Account> = BTreeMap::new();
            for account in self.accounts.iter().filter(|account| account.key.is_in(scope)) {
                longest.insert(account.key, account.clone());
            }
            for (key, account) in longest {
                if self.accounts.iter().any(|account| (account.per, account.key) == (per, key)) {
                    continue;
                }
                for (number, spent) in account.parts {
                    let length = account.per.div_ceil(PARTS);
                    let end = number.saturating_add(1).saturating_mul(length);
                    self.add(per, key, now.min(Timestamp::from_millis(end)), spent);
                }
            }
        }
    }
}

impl Account {
    /// Counts interruptions of a clock that ran ahead as begun now.
    fn bring_back(&mut self, last: u64) {
        let mut sum = Spent::default();
        let ahead = self.parts.iter().filter(|(number, _)| *number >= last);
        ahead.for_each(|(_, spent)| sum.add(*spent));
        self.parts.retain(|(number, _)| *number < last);
        self.parts.push((last, sum));
    }
}

/// How many migrations may be under way at once, adapted to how the last ones ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Concurrency {
    pub(crate) now: u32,
    /// Whether any migration has completed since the last round.
    pub(crate) completed: bool,
    /// Whether any migration has failed since the last round.
    pub(crate) failed: bool,
    /// Whether as many migrations as allowed were under way after the last round.
    pub(crate) full: bool,
}

impl Concurrency {
    /// The limit at the start.
    pub(crate) fn start(limits: &MigrationLimits) -> Self {
        let now = limits.max_simultaneous.get();
        Self { now, completed: false, failed: false, full: false }
    }

    /// The limit for the next round: one more, half as many, or the same.
    pub(crate) fn turn(self, section: &AdaptiveConcurrency) -> Self {
        let now = match self {
            Self { now, failed: true, .. } if !broken!("concurrency_halves") => now / 2,
            Self { now, completed: true, full: true, .. } if !broken!("concurrency_climbs") => {
                now.saturating_add(1)
            }
            Self { now, .. } => now,
        };
        let now = now.max(section.least.get()).min(section.most.get());
        Self { now, completed: false, failed: false, full: self.full }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn hourly() -> MigrationLimits {
        let budgets = vec![Budget::new(Scope::Global, Unit::Moves, 1).with_per(HOUR)];
        MigrationLimits { budgets, ..MigrationLimits::default() }
    }

    fn begin(spending: &mut Spending, secs: u64) {
        let spent = Spent { moves: 1, ..Spent::default() };
        let charge = Charge { keys: vec![Key::Global, Key::Out(WorkerId::new(1))], spent };
        spending.enter(&hourly(), at(secs), &charge);
    }

    fn moves(spending: &Spending, secs: u64) -> u64 {
        spending.within(HOUR, at(secs)).map(|(_, spent)| spent.moves).sum()
    }

    #[test]
    fn what_was_begun_counts_until_its_part_is_a_window_ago() {
        let mut spending = Spending::default();
        begin(&mut spending, 30);
        begin(&mut spending, 300);
        // Parts of 225 s: the first ends at 225 s, the second at 450 s.
        assert_eq!(moves(&spending, 3_824), 2);
        assert_eq!(moves(&spending, 3_825), 1);
        assert_eq!(moves(&spending, 4_050), 0);
        spending.forget(Some(&hourly()), at(4_050));
        assert_eq!(spending.len(), 0);
    }

    #[test]
    fn an_account_keeps_no_more_parts_than_its_window_has() {
        let mut spending = Spending::default();
        for secs in (0..100_000).step_by(30) {
            begin(&mut spending, secs);
            spending.forget(Some(&hourly()), at(secs));
        }
        assert_eq!(spending.len(), 1);
        assert!(spending.accounts[0].parts.len() <= 17);
    }

    #[test]
    fn a_clock_that_ran_ahead_keeps_nothing_closed_for_ever() {
        let mut spending = Spending::default();
        begin(&mut spending, 1_000_000);
        spending.forget(Some(&hourly()), at(30));
        assert_eq!(moves(&spending, 30), 1);
        assert_eq!(moves(&spending, 3_825), 0);
    }
}
