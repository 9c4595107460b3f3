//! When is a move worth its cost?

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::setters::setters;
use crate::model::time::as_optional_seconds;

/// Moves must be worth their cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default = "CostBenefit::in_default", deny_unknown_fields)]
#[non_exhaustive]
pub struct CostBenefit {
    /// How running time and utilization are weighed: [`BenefitRule::Relief`] in `Config::default`.
    pub rule: BenefitRule,
    /// Tasks that have run longer than this stay, in seconds: 300 in the specification, which assumes
    /// that they are almost done. A larger value lets more tasks move. The trap: a task that runs for
    /// hours can move only at its beginning. `None` if any task may move, as in `Config::default`.
    #[serde(with = "as_optional_seconds")]
    pub max_running: Option<Duration>,
    /// The weight of a migration that has just ended in the moving averages of cost and success, from 0
    /// to 1: 0.2. A larger value forgets sooner. The trap: at 0 nothing is learned after the first.
    pub learning_rate: f64,
    /// The points of cost.
    pub cost: CostWeights,
    /// The points of benefit.
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

/// How running time and utilization are weighed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BenefitRule {
    /// The cost counts the time that the task has run; the benefit counts the difference of the two
    /// workers' loads, whatever the task's size. This is the rule of the specification's original.
    #[default]
    Difference,
    /// The cost counts the work that would be lost; the benefit counts the difference of the loads
    /// after the move, scaled by the task's load, and the relief of an overloaded source.
    Relief,
}

/// What a move costs, in points; the sum is capped at 10. With larger values fewer tasks move.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default = "CostWeights::in_default", deny_unknown_fields)]
#[non_exhaustive]
pub struct CostWeights {
    /// The cost of every move: 1 in `Config::default`, 2 in the specification. A larger value
    /// refuses moves of little use.
    pub base: f64,
    /// How many seconds of running time (or lost work) cost one point, from 0.001 to 10^9: 40. Past moves are
    /// measured by it too: a move with a downtime of 40 s has cost one point. A larger value makes lost work
    /// cheaper.
    pub seconds_per_point: f64,
    /// The most that running time costs: 3. At 0 it costs nothing.
    pub running_most: f64,
    /// The cost of each step of the task's priority: 0.25 in `Config::default`, 0.5 in the
    /// specification. A larger value moves important tasks less.
    pub priority: f64,
    /// The most that priority costs: 1 in `Config::default`, 2 in the specification.
    pub priority_most: f64,
    /// The cost of one GiB of state: 0.5 (this crate's figure; the specification names only the
    /// factor).
    pub state_gib: f64,
    /// The most that state costs: 2.
    pub state_most: f64,
    /// The most that past moves of the task's kind add to the cost: 2. At 0 past moves do not count.
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

/// The benefit of a move, in points per unit of each factor. With a larger weight more tasks move for
/// that reason; at 0 the factor does not count.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct BenefitWeights {
    /// The difference of the two workers' loads, 0 to 1: 10.
    pub utilization: f64,
    /// Relief of an overloaded source, from 0 at the high threshold to 1 at full load: 5. Only
    /// [`BenefitRule::Relief`] reads it; under the other rule any other value is refused.
    pub relief: f64,
    /// A task whose departure lowers the source's load by this much or more counts in full, a smaller
    /// one in proportion: 0.05. A larger value keeps small tasks from moving. Only
    /// [`BenefitRule::Relief`] reads it; under the other rule any other value is refused.
    pub full_size: f64,
    /// Performance weight gained: 2.
    pub hardware: f64,
    /// Free share of memory gained: 1 (this crate's figure; the specification names only the factor).
    pub memory: f64,
    /// Energy efficiency gained, for tasks that ask for it: 3.
    pub energy: f64,
    /// Thermal headroom gained, and thermal efficiency for tasks that ask for power efficiency: 1
    /// (this crate's figure).
    pub thermal: f64,
    /// A device that the task fills completely: 0.5 (this crate's figure).
    pub packing: f64,
    /// The target's success with tasks of this kind, from -1 (always failed) to 1 (never failed): 1
    /// (this crate's figure).
    pub success: f64,
    /// Subtracted for the health that the target lacks: 2 (this crate's figure).
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

impl CostBenefit {
    /// The section as in [`Config::default`](crate::Config::default): the values of fields that a file leaves out.
    pub(super) fn in_default() -> Self {
        Self {
            rule: BenefitRule::Relief,
            max_running: None,
            cost: CostWeights::in_default(),
            ..Self::default()
        }
    }
}

impl CostWeights {
    /// The section as in [`Config::default`](crate::Config::default): the values of fields that a file leaves out.
    pub(super) fn in_default() -> Self {
        Self { base: 1.0, priority: 0.25, priority_most: 1.0, ..Self::default() }
    }
}
