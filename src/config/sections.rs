//! The sections of a [`Config`](super::Config). Their defaults are the specification's rules and
//! its original's constants.

use alloc::vec::Vec;
use core::num::NonZeroU32;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::budget::{AdaptiveConcurrency, Budget, Fairness};
use crate::model::hardware::HardwareTable;
use crate::model::resource::whole;
use crate::model::setters::setters;
use crate::model::time::{as_optional_seconds, as_seconds};

/// How one number, the worker's load, is made of its resources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LoadRule {
    /// The mean of CPU and memory, and of GPU memory where a worker has any: the specification's
    /// original. A worker at 0.9 CPU and 0.3 memory has load 0.6.
    #[default]
    Mean,
    /// The fullest of CPU, memory, GPU, network, disk and the host's own, as far as they are known. The
    /// worker above has load 0.9: a full GPU does not hide behind an idle CPU. GPU memory does not
    /// count: it holds a task or it does not, and full devices are no slower.
    Dominant,
}

/// When the cluster counts as uneven.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default = "partial_detection", deny_unknown_fields)]
#[non_exhaustive]
pub struct Detection {
    /// Which load is judged.
    pub basis: Basis,
    /// What must be out of bounds.
    pub trigger: Trigger,
    /// The spread (highest less lowest load) that must be exceeded, 0 to 1.
    pub imbalance: f64,
    /// A spread that is enough by itself, with no worker out of bounds, 0 to 1; none: it never is.
    pub sufficient: Option<f64>,
    /// Once something is being done, a spread is enough down to this one, 0 to 1, at most
    /// [`sufficient`](Self::sufficient); and to begin with, the spread that is enough must show in the
    /// means of the workers' last five samples too, so that one stray sample sets nothing in motion.
    /// None: the same spread from beginning to end, as measured last.
    pub settled: Option<f64>,
    /// While a worker is overloaded, workers that stand more than this above the mean load give as
    /// well, 0 to 1: what is almost over would be over with the next task. At 0.1, with the mean at
    /// 0.55 and the threshold at 0.85, one at 0.95 gives, and so does one at 0.70; one at 0.60 does
    /// not. None: only the overloaded give.
    pub give_margin: Option<f64>,
}

setters! {
    Detection {
        value with_basis(basis: Basis);
        value with_trigger(trigger: Trigger);
        value with_imbalance(imbalance: f64);
        some with_sufficient(sufficient: f64);
        none without_sufficient(sufficient);
        some with_settled(settled: f64);
        none without_settled(settled);
        some with_give_margin(give_margin: f64);
        none without_give_margin(give_margin);
    }
}

impl Default for Detection {
    fn default() -> Self {
        let (basis, trigger) = (Basis::RecentMean, Trigger::Both);
        Self { basis, trigger, imbalance: 0.4, sufficient: None, settled: None, give_margin: None }
    }
}

/// Which load detection judges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Basis {
    /// The latest measurement.
    Latest,
    /// The mean of the last five measurements.
    #[default]
    RecentMean,
    /// The latest measurement and what is on its way there or away.
    Projected,
}

/// What must be out of bounds before the engine acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Trigger {
    /// One worker above the high threshold and one below the low one.
    #[default]
    Both,
    /// One worker above the high threshold or one below the low one; then the others are the
    /// targets or the sources, as far as they have room or load to give.
    Either,
}

/// Thresholds and pace follow the load of the system.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default = "partial_adaptation", deny_unknown_fields)]
#[non_exhaustive]
pub struct Adaptation {
    /// What happens between the load bands.
    pub rule: AdaptRule,
    /// The step per tick, 0 to 1: 0.05.
    pub rate: f64,
    /// Above this mean load the system is highly loaded: 0.75.
    pub high_load: f64,
    /// Below this mean load it is lightly loaded: 0.3.
    pub low_load: f64,
    /// A slope of the mean load beyond this, per tick, is a trend: 0.01.
    pub trend_slope: f64,
    /// The high threshold stays within these: 0.6 to 0.95.
    pub high_bounds: [f64; 2],
    /// The low threshold stays within these: 0.1 to 0.4.
    pub low_bounds: [f64; 2],
    /// The thresholds stay so far apart: 0.3.
    pub separation: f64,
    /// How to act when the system is highly loaded: more aggressively.
    pub high_pace: Pace,
    /// How to act when it is lightly loaded: more conservatively.
    pub low_pace: Pace,
}

setters! {
    Adaptation {
        value with_rule(rule: AdaptRule);
        value with_rate(rate: f64);
        value with_high_load(high_load: f64);
        value with_low_load(low_load: f64);
        value with_trend_slope(trend_slope: f64);
        value with_high_bounds(high_bounds: [f64; 2]);
        value with_low_bounds(low_bounds: [f64; 2]);
        value with_separation(separation: f64);
        value with_high_pace(high_pace: Pace);
        value with_low_pace(low_pace: Pace);
    }
}

impl Default for Adaptation {
    fn default() -> Self {
        Self {
            rule: AdaptRule::Step,
            rate: 0.05,
            high_load: 0.75,
            low_load: 0.3,
            trend_slope: 0.01,
            high_bounds: [0.6, 0.95],
            low_bounds: [0.1, 0.4],
            separation: 0.3,
            high_pace: Pace { imbalance_factor: 0.75, least_net: 0.0 },
            low_pace: Pace { imbalance_factor: 1.25, least_net: 1.0 },
        }
    }
}

/// What thresholds do between the load bands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AdaptRule {
    /// They step apart below a mean load of 0.5 and together above it, until they reach their
    /// bounds: the specification's pseudo-code.
    #[default]
    Step,
    /// They go back to their configured values, at most one step per tick. (Under the other rule a
    /// cluster at 0.6 ends at 0.7 / 0.4 and one at 0.4 at 0.95 / 0.1, whatever was configured.)
    Relax,
}

/// How boldly to act. The specification asks for a more aggressive policy at high load and a more
/// conservative one at low load, without figures; these are ours.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Pace {
    /// The spread that must be exceeded is multiplied by this: 0.75 at high load, 1.25 at low load.
    pub imbalance_factor: f64,
    /// The net benefit of a move must exceed this: 0 at high load, 1 at low load.
    pub least_net: f64,
}

setters! {
    Pace {
        value with_imbalance_factor(imbalance_factor: f64);
        value with_least_net(least_net: f64);
    }
}

impl Default for Pace {
    /// The pace between the load bands.
    fn default() -> Self {
        Self { imbalance_factor: 1.0, least_net: 0.0 }
    }
}

/// What is coming can trigger, not only what is: least squares through each worker's recent loads. Where
/// [`Stability`] knows of our own moves, the steps that they leave are no trend.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default = "partial_prediction", deny_unknown_fields)]
#[non_exhaustive]
pub struct Prediction {
    /// How far ahead, in seconds: 180.
    #[serde(with = "as_seconds")]
    pub window: Duration,
    /// How far back the line is fitted, in seconds: 600.
    #[serde(with = "as_seconds")]
    pub history: Duration,
    /// A forecast acts from this confidence on, 0 to 1: 0.7.
    pub confidence: f64,
    /// A predicted load must be so far beyond a threshold: 0.05.
    pub margin: f64,
    /// The predicted spread that must be exceeded: 0.45, more than for the present.
    pub imbalance: f64,
    /// Confidence is multiplied by the accuracy that past forecasts turned out to have, once it is
    /// known; and their [intervals](crate::outcome::WorkerForecast::LEVEL) are widened until they hold what
    /// they claim to.
    pub judged: bool,
}

setters! {
    Prediction {
        value with_window(window: Duration);
        value with_history(history: Duration);
        value with_confidence(confidence: f64);
        value with_margin(margin: f64);
        value with_imbalance(imbalance: f64);
        value with_judged(judged: bool);
    }
}

impl Default for Prediction {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(180),
            history: Duration::from_secs(600),
            confidence: 0.7,
            margin: 0.05,
            imbalance: 0.45,
            judged: false,
        }
    }
}

/// Moves must be worth their cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default = "partial_cost_benefit", deny_unknown_fields)]
#[non_exhaustive]
pub struct CostBenefit {
    /// How running time and utilization are judged.
    pub rule: BenefitRule,
    /// Tasks that have run for longer stay ("almost done"), in seconds; none: any task may move.
    #[serde(with = "as_optional_seconds")]
    pub max_running: Option<Duration>,
    /// What a new outcome weighs in the moving averages of cost and success, 0 to 1: 0.2.
    pub learning_rate: f64,
    /// Points of cost.
    pub cost: CostWeights,
    /// Points of benefit.
    pub benefit: BenefitWeights,
}

setters! {
    CostBenefit {
        value with_rule(rule: BenefitRule);
        some with_max_running(max_running: Duration);
        none without_max_running(max_running);
        value with_learning_rate(learning_rate: f64);
        value with_cost(cost: CostWeights);
        value with_benefit(benefit: BenefitWeights);
    }
}

impl Default for CostBenefit {
    fn default() -> Self {
        Self {
            rule: BenefitRule::Difference,
            max_running: Some(Duration::from_secs(300)),
            learning_rate: 0.2,
            cost: CostWeights::default(),
            benefit: BenefitWeights::default(),
        }
    }
}

/// How running time and utilization are judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BenefitRule {
    /// The cost counts the time a task has run; the benefit the difference of the two workers,
    /// whatever the task's size: the specification's original.
    #[default]
    Difference,
    /// The cost counts the work that would be lost; the benefit the gap that is left after the
    /// move, scaled by what the task carries, and the relief of an overloaded source.
    Relief,
}

/// What a move costs, in points; the sum is capped at 10.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default = "partial_cost_weights", deny_unknown_fields)]
#[non_exhaustive]
pub struct CostWeights {
    /// Every move: 2.
    pub base: f64,
    /// So many seconds of running time (or lost work) are one point: 40. Also the unit of what is
    /// learned: a move that kept its task still for 40 s cost one point.
    pub seconds_per_point: f64,
    /// Running time costs at most: 3.
    pub running_most: f64,
    /// One step of priority: 0.5.
    pub priority: f64,
    /// Priority costs at most: 2.
    pub priority_most: f64,
    /// One GiB of state: 0.5 (the document names the factor, the original has no figure; this is
    /// ours).
    pub state_gib: f64,
    /// State costs at most: 2.
    pub state_most: f64,
    /// What past moves of the kind cost counts up to: 2.
    pub history_most: f64,
}

setters! {
    CostWeights {
        value with_base(base: f64);
        value with_seconds_per_point(seconds_per_point: f64);
        value with_running_most(running_most: f64);
        value with_priority(priority: f64);
        value with_priority_most(priority_most: f64);
        value with_state_gib(state_gib: f64);
        value with_state_most(state_most: f64);
        value with_history_most(history_most: f64);
    }
}

impl Default for CostWeights {
    fn default() -> Self {
        Self {
            base: 2.0,
            seconds_per_point: 40.0,
            running_most: 3.0,
            priority: 0.5,
            priority_most: 2.0,
            state_gib: 0.5,
            state_most: 2.0,
            history_most: 2.0,
        }
    }
}

/// What a move is good for, in points per unit of each factor.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct BenefitWeights {
    /// Utilization difference or gap (0 to 1): 10.
    pub utilization: f64,
    /// Relief of an overloaded source, 1 when it stands at full load or above: 5. Only under
    /// [`BenefitRule::Relief`].
    pub relief: f64,
    /// A task that carries this share of its source or more counts in full, a smaller one in
    /// proportion: 0.05. Only under [`BenefitRule::Relief`].
    pub full_size: f64,
    /// Performance weight gained: 2.
    pub hardware: f64,
    /// Free share of memory gained: 1 (ours; the document names the factor).
    pub memory: f64,
    /// Energy efficiency gained, for tasks that ask for it: 3.
    pub energy: f64,
    /// Thermal efficiency gained, for tasks that ask for power efficiency, and thermal headroom: 1
    /// (ours).
    pub thermal: f64,
    /// A device filled to the brim: 0.5 (ours).
    pub packing: f64,
    /// The target's success with such tasks, from -1 (always failed) to 1 (never): 1 (ours).
    pub success: f64,
    /// The health the target lacks is subtracted: 2 (ours).
    pub health: f64,
}

setters! {
    BenefitWeights {
        value with_utilization(utilization: f64);
        value with_relief(relief: f64);
        value with_full_size(full_size: f64);
        value with_hardware(hardware: f64);
        value with_memory(memory: f64);
        value with_energy(energy: f64);
        value with_thermal(thermal: f64);
        value with_packing(packing: f64);
        value with_success(success: f64);
        value with_health(health: f64);
    }
}

impl Default for BenefitWeights {
    fn default() -> Self {
        Self {
            utilization: 10.0,
            relief: 5.0,
            full_size: 0.05,
            hardware: 2.0,
            memory: 1.0,
            energy: 3.0,
            thermal: 1.0,
            packing: 0.5,
            success: 1.0,
            health: 2.0,
        }
    }
}

/// Hardware is not all equal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct HardwareStrategy {
    /// What each kind is good for: [`PROFILES`](crate::hardware::PROFILES), or the host's own rows.
    pub table: HardwareTable,
    /// What one observed speed ([`Event::Performance`](crate::Event::Performance)) weighs against
    /// what was known before, 0 to 1: 0.1. At 0 the table stays as it is.
    pub learning_rate: f64,
    /// A task that would run at least so many times as fast on another worker may move there though all
    /// loads are even, 1 and up; it must be worth its cost (so this needs
    /// [`cost_benefit`](super::Config::cost_benefit)), leave the target below the high threshold (as
    /// adapted or as configured, whichever is higher), and not widen the spread beyond
    /// [`imbalance`](Detection::imbalance). Workers that have to give are relieved first. At 2, a task
    /// on a CPU (1.0) moves to CUDA (3.0) and to `ROCm` (2.8), not to `OpenVINO` (1.8). None: hardware
    /// decides only where loads make a task move.
    pub upgrade: Option<f64>,
}

setters! {
    HardwareStrategy {
        value with_table(table: HardwareTable);
        value with_learning_rate(learning_rate: f64);
        some with_upgrade(upgrade: f64);
        none without_upgrade(upgrade);
    }
}

impl Default for HardwareStrategy {
    fn default() -> Self {
        Self { table: HardwareTable::default(), learning_rate: 0.1, upgrade: None }
    }
}

/// Energy, heat and device memory count.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Efficiency {
    /// A worker as cool as this has all its thermal headroom, in degrees Celsius: 35.
    pub cool_celsius: f64,
    /// A worker as hot as this has none: 85.
    pub hot_celsius: f64,
    /// Whether outcomes say how free device memory is cut up
    /// ([`Outcome::fragmentation`](crate::Outcome::fragmentation)): no.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub fragmentation: bool,
}

setters! {
    Efficiency {
        value with_cool_celsius(cool_celsius: f64);
        value with_hot_celsius(hot_celsius: f64);
        value with_fragmentation(fragmentation: bool);
    }
}

impl Default for Efficiency {
    fn default() -> Self {
        Self { cool_celsius: 35.0, hot_celsius: 85.0, fragmentation: false }
    }
}

/// Tasks are moved, within these limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default = "partial_migration_limits", deny_unknown_fields)]
#[non_exhaustive]
pub struct MigrationLimits {
    /// Migrations under way at once: 2.
    pub max_simultaneous: NonZeroU32,
    /// With many workers, this share of their number if that is more, 0 to 1.
    pub share_of_workers: Option<f64>,
    /// So many for each worker that is to give, if that is more: the budget grows with the problem.
    /// At 4, three overloaded workers may give twelve tasks at once, as far as
    /// [`per_source`](Self::per_source) and [`per_target`](Self::per_target) allow.
    pub per_giver: Option<NonZeroU32>,
    /// Migrations under way from one worker at once.
    pub per_source: Option<NonZeroU32>,
    /// Migrations under way to one worker at once.
    pub per_target: Option<NonZeroU32>,
    /// A step of a migration that takes longer has failed, in seconds: 600.
    #[serde(with = "as_seconds")]
    pub timeout: Duration,
    /// What may be interrupted, beside what the fields above allow: every line holds. None: nothing
    /// more is asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<Budget>,
    /// No tenant is interrupted beyond its share. None: nobody asks whose a task is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fairness: Option<Fairness>,
    /// The number under way at once follows what becomes of them. None: it is what the fields above say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adaptive: Option<AdaptiveConcurrency>,
    /// The host's own scheduler chooses where a task goes that has to leave its worker: the engine
    /// evicts ([`Action::Evict`](crate::Action::Evict)), and its target is a hint. None: the engine
    /// chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eviction: Option<Eviction>,
    /// The host can start a task on its target before it stops it at its source: tasks that declare
    /// it ([`Task::overlaps`](crate::Task::overlaps)) are moved so
    /// ([`Action::Start`](crate::Action::Start), [`Action::Stop`](crate::Action::Stop)). Not with
    /// [`eviction`](Self::eviction).
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub overlap: bool,
    /// The host has a queue of its own: a task that has not begun
    /// ([`Mobility::Queued`](crate::snapshot::Mobility::Queued)) is queued again in favour of its target
    /// ([`Action::RequeueFor`](crate::Action::RequeueFor)). That interrupts nothing, and counts
    /// against no budget: of tasks on their way so and orphans, 16 to one worker at once.
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
        some with_eviction(eviction: Eviction);
        value with_overlap(overlap: bool);
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
            eviction: None,
            overlap: false,
            requeue: false,
        }
    }
}

impl MigrationLimits {
    /// Migrations that may be under way at once among so many workers, of which so many are to give.
    ///
    /// At 2, a share of 0.1 and 4 per giver: 2 for ten workers of which none is to give, 12 if three
    /// are; 40 for four hundred, and 120 if thirty of these are.
    pub(crate) fn at_once(&self, workers: usize, givers: usize) -> usize {
        let share = self.share_of_workers.unwrap_or(0.0) * workers as f64;
        // A share of at most 1 cannot exceed the number of workers.
        let share = usize::try_from(whole(share)).unwrap_or(workers);
        let problem = self.per_giver.map_or(0, |each| givers.saturating_mul(each.get() as usize));
        (self.max_simultaneous.get() as usize).max(share).max(problem)
    }
}

/// The host's own scheduler chooses where evicted tasks go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Eviction {
    /// A task that came back to the worker it was to leave is left alone for so long, in seconds:
    /// 300; twice as long each time it comes back again.
    #[serde(with = "as_seconds")]
    pub back_off: Duration,
    /// But never longer, in seconds: 4,800.
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
    /// How long a task is left alone that has come back so many times: 300 s, 600 s, 1,200 s, ...
    pub(crate) fn back_off(&self, times: u32) -> Duration {
        let doubled = 1_u32.checked_shl(times.saturating_sub(1)).unwrap_or(u32::MAX);
        self.back_off.saturating_mul(doubled).min(self.back_off_most)
    }
}

/// The engine does not chase its own tail: it counts what it has set in motion, leaves a moved task
/// alone for a while, and makes no move that makes things worse.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Stability {
    /// A task that has moved stays for so long, and does not return to where it came from, in
    /// seconds: 300.
    #[serde(with = "as_seconds")]
    pub cooldown: Duration,
    /// A move must leave the target so far below where the source was: 0.12. What a move evens out, per
    /// unit of load that it carries, is just this distance, so moves of little use are the ones it refuses.
    pub dead_band: f64,
    /// The dead band is at least so many times the noise of the measured loads: 5, which is about the
    /// spread that noise alone makes of a hundred equal workers. The noise is the lower quartile of the
    /// changes from sample to sample, as a standard deviation. At 0: the dead band alone.
    pub noise_margin: f64,
    /// How long after a task has arrived (or left) measurements still lag behind, in seconds: 0.
    /// Set it to the span over which the host's telemetry smooths; at most the cooldown.
    #[serde(with = "as_seconds")]
    pub telemetry_lag: Duration,
}

setters! {
    Stability {
        value with_cooldown(cooldown: Duration);
        value with_dead_band(dead_band: f64);
        value with_noise_margin(noise_margin: f64);
        value with_telemetry_lag(telemetry_lag: Duration);
    }
}

impl Default for Stability {
    fn default() -> Self {
        Self {
            cooldown: Duration::from_secs(300),
            dead_band: 0.12,
            noise_margin: 5.0,
            telemetry_lag: Duration::ZERO,
        }
    }
}

/// Too much that vanishes at once is not believed: a monitoring system that fails looks just like a
/// cluster that has died, and acting upon it would start every task a second time.
///
/// While the engine holds back it takes the snapshot for a partial one without the workers that are
/// out of reach: what is missing is unknown, not gone. No task is orphaned by it, no migration to it
/// or from it fails, nothing new is begun, and the outcome says so ([`Held`](crate::outcome::Held)).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Safeguard {
    /// More than this share of the known workers must be missing from a complete snapshot, or out of
    /// reach ([`Stance::Offline`](crate::snapshot::Stance::Offline)), 0 to 1: 0.5. Known are those of the last
    /// complete snapshot that was believed; those that were draining had been expected to go.
    pub missing_share: f64,
    /// Once that has lasted for so long it is believed, in seconds: 300.
    #[serde(with = "as_seconds")]
    pub believed_after: Duration,
}

setters! {
    Safeguard {
        value with_missing_share(missing_share: f64);
        value with_believed_after(believed_after: Duration);
    }
}

impl Default for Safeguard {
    fn default() -> Self {
        Self { missing_share: 0.5, believed_after: Duration::from_secs(300) }
    }
}

/// What is done about workers that say when they leave
/// ([`Worker::available_until`](crate::Worker::available_until),
/// [`Worker::maintenance`](crate::Worker::maintenance)).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Calendar {
    /// So long before it leaves a worker is emptied, as if it were draining, of all that will not
    /// be done by then, in seconds: 600.
    #[serde(with = "as_seconds")]
    pub lead: Duration,
}

setters! {
    Calendar {
        value with_lead(lead: Duration);
    }
}

impl Default for Calendar {
    fn default() -> Self {
        Self { lead: Duration::from_secs(600) }
    }
}

// What a configuration file leaves out of a section has the value of `Config::default()`, not of the
// specification's rules: a file that changes one number must not change the rules beside it.

fn partial_detection() -> Detection {
    super::Config::default().detection
}

fn partial_adaptation() -> Adaptation {
    super::Config::default().adaptation.unwrap_or_default()
}

fn partial_prediction() -> Prediction {
    super::Config::default().prediction.unwrap_or_default()
}

fn partial_cost_benefit() -> CostBenefit {
    super::Config::default().cost_benefit.unwrap_or_default()
}

fn partial_cost_weights() -> CostWeights {
    super::Config::default().cost_benefit.unwrap_or_default().cost
}

fn partial_migration_limits() -> MigrationLimits {
    super::Config::default().migration.unwrap_or_default()
}
