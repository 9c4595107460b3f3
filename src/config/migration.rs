//! How many tasks may move at once, and how can the host move them?

use alloc::vec::Vec;
use core::num::NonZeroU32;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::budget::{AdaptiveConcurrency, Budget, Fairness};
use crate::model::resource::whole;
use crate::model::setters::setters;
use crate::model::time::as_seconds;

/// Tasks are moved, within these limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default = "MigrationLimits::in_default", deny_unknown_fields)]
#[non_exhaustive]
pub struct MigrationLimits {
    /// The most migrations under way at once: 2. A larger value evens out loads sooner and disturbs
    /// more tasks at a time. The trap: [`share_of_workers`](Self::share_of_workers) and
    /// [`per_giver`](Self::per_giver) raise it.
    pub max_simultaneous: NonZeroU32,
    /// Raises the limit to this share of the number of workers if that is more, from 0 to 1: 0.1 in
    /// `Config::default`. A larger value moves more tasks at once in a large cluster. `None` if the
    /// cluster's size does not count.
    pub share_of_workers: Option<f64>,
    /// Raises the limit to this many for each worker that must give tasks, if that is more: 4 in
    /// `Config::default`. Three overloaded workers may then give twelve tasks at once, as far as
    /// [`per_source`](Self::per_source) and [`per_target`](Self::per_target) allow. A larger value
    /// relieves many overloaded workers sooner. `None` if their number does not count.
    pub per_giver: Option<NonZeroU32>,
    /// The most migrations under way from one worker at once: 4 in `Config::default`. A larger value
    /// empties a worker sooner; a smaller one disturbs it less. `None` if there is no such limit. A task
    /// that the worker has released does not count while it has no target.
    pub per_source: Option<NonZeroU32>,
    /// The most migrations under way to one worker at once: 4 in `Config::default`. A larger value
    /// fills an idle worker sooner; a smaller one protects its network and disks. `None` if there is no
    /// such limit.
    pub per_target: Option<NonZeroU32>,
    /// A step of a migration that takes longer than this has failed, in seconds: 600. The traps: a value
    /// shorter than a checkpoint takes makes healthy migrations fail; with a very long one, a dead
    /// migration uses up the limits above.
    #[serde(with = "as_seconds")]
    pub timeout: Duration,
    /// The table of budgets: further limits on what may be interrupted. Every line holds. Empty if there
    /// are none; at most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<Budget>,
    /// No tenant is interrupted more than its share. `None` if tenants do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fairness: Option<Fairness>,
    /// The limit on migrations at once adapts to their success, and replaces
    /// [`share_of_workers`](Self::share_of_workers) and [`per_giver`](Self::per_giver). `None` if the
    /// fields above give the limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adaptive: Option<AdaptiveConcurrency>,
    /// How the host can move a task: [`HostAbility::Release`].
    #[serde(default, skip_serializing_if = "HostAbility::is_release")]
    pub host: HostAbility,
    /// Whether the host has a queue of its own: `false`. If `true`, a task that has not begun
    /// ([`Mobility::Queued`](crate::snapshot::Mobility::Queued)) moves by being queued again for its
    /// target ([`Action::RequeueFor`](crate::Action::RequeueFor)). This interrupts nothing and counts
    /// against no budget; at most 16 such tasks and orphans are on their way to one worker at once.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub requeue: bool,
}

setters! {
    MigrationLimits {
        value with_max_simultaneous(max_simultaneous: NonZeroU32);
        some with_share_of_workers(share_of_workers: f64);
        none without_share_of_workers(share_of_workers);
        some with_per_giver(per_giver: NonZeroU32);
        none without_per_giver(per_giver);
        some with_per_source(per_source: NonZeroU32);
        none without_per_source(per_source);
        some with_per_target(per_target: NonZeroU32);
        none without_per_target(per_target);
        value with_timeout(timeout: Duration);
        each with_budgets(budgets: Budget);
        some with_fairness(fairness: Fairness);
        some with_adaptive(adaptive: AdaptiveConcurrency);
        value with_host(host: HostAbility);
        value with_requeue(requeue: bool);
    }
}

impl Default for MigrationLimits {
    fn default() -> Self {
        Self {
            max_simultaneous: NonZeroU32::MIN.saturating_add(1),
            share_of_workers: None,
            per_giver: None,
            per_source: None,
            per_target: None,
            timeout: Duration::from_secs(600),
            budgets: Vec::new(),
            fairness: None,
            adaptive: None,
            host: HostAbility::Release,
            requeue: false,
        }
    }
}

impl MigrationLimits {
    /// How many migrations may be under way at once, with this many workers and this many that must give
    /// tasks.
    ///
    /// At 2, a share of 0.1 and 4 per giver: 2 for ten workers and no giver, 12 for ten and three givers;
    /// 40 for four hundred workers and no giver, 120 for four hundred and thirty givers.
    pub(crate) fn at_once(&self, workers: usize, givers: usize) -> usize {
        let share = whole(self.share_of_workers.unwrap_or(0.0) * workers as f64);
        // A share of at most 1 cannot exceed the number of workers.
        let by_size = usize::try_from(share).unwrap_or(workers);
        let by_need = self.per_giver.map_or(0, |each| givers.saturating_mul(each.get() as usize));
        let least = self.max_simultaneous.get() as usize;
        let with_size =
            if broken!("budget_grows_with_the_cluster") { least } else { least.max(by_size) };
        if broken!("per_giver") { with_size } else { with_size.max(by_need) }
    }
}

/// How the host can move a task. A task that has not begun is queued again instead, if the host can do
/// that ([`MigrationLimits::requeue`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HostAbility {
    /// It stops the task at its source, then starts it on its target
    /// ([`Action::Release`](crate::Action::Release), [`Action::Assign`](crate::Action::Assign)).
    #[default]
    Release,
    /// It can also start a task on its target before it stops the task at its source: tasks that
    /// declare it ([`Task::overlaps`](crate::Task::overlaps)) move that way
    /// ([`Action::Start`](crate::Action::Start), [`Action::Stop`](crate::Action::Stop)). The trap: a
    /// task that does not declare it is stopped first.
    Overlap,
    /// Its own scheduler chooses the target of every move: the engine only evicts the task
    /// ([`Action::Evict`](crate::Action::Evict)), and names its own choice as a hint.
    Evict(Eviction),
}

impl HostAbility {
    /// The spacing of the host's evictions; `None` if it does not evict.
    pub const fn eviction(self) -> Option<Eviction> {
        match self {
            Self::Evict(eviction) => Some(eviction),
            Self::Release | Self::Overlap => None,
        }
    }

    fn is_release(&self) -> bool {
        *self == Self::Release
    }
}

/// How long the engine leaves a task alone after the host's scheduler has put it back on its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Eviction {
    /// How long a task stays after the scheduler has put it back on the worker that it was evicted
    /// from, in seconds: 300; twice as long each further time. A smaller value evicts it again sooner.
    /// The trap: if the scheduler always chooses the same worker, every try interrupts the task for
    /// nothing.
    #[serde(with = "as_seconds")]
    pub back_off: Duration,
    /// The longest that such a task stays, in seconds: 4,800; at least
    /// [`back_off`](field@Self::back_off). A smaller value tries again sooner after many returns.
    #[serde(with = "as_seconds")]
    pub back_off_most: Duration,
}

setters! {
    Eviction {
        value with_back_off(back_off: Duration);
        value with_back_off_most(back_off_most: Duration);
    }
}

impl Default for Eviction {
    fn default() -> Self {
        Self { back_off: Duration::from_secs(300), back_off_most: Duration::from_secs(4_800) }
    }
}

impl Eviction {
    /// How long a task stays that has come back this many times: 300 s, 600 s, 1,200 s, ...
    pub(crate) fn back_off(&self, times: u32) -> Duration {
        let times = if broken!("back_off_doubles") { 1 } else { times };
        let doubled = 1_u32.checked_shl(times.saturating_sub(1)).unwrap_or(u32::MAX);
        self.back_off.saturating_mul(doubled).min(self.back_off_most)
    }
}

impl MigrationLimits {
    /// The section as in [`Config::default`](crate::Config::default): the values of fields that a file leaves out.
    pub(super) fn in_default() -> Self {
        Self {
            share_of_workers: Some(0.1),
            per_giver: NonZeroU32::new(4),
            per_source: NonZeroU32::new(4),
            per_target: NonZeroU32::new(4),
            ..Self::default()
        }
    }
}
