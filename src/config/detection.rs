//! When does the cluster count as uneven?

use serde::{Deserialize, Serialize};

use crate::model::setters::setters;

/// How a worker's resources become one number, its load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LoadRule {
    /// The mean of CPU and memory, and of GPU memory if the worker has any: the rule of the
    /// specification's original. A worker at 0.9 CPU and 0.3 memory has load 0.6. The trap: a
    /// resource that is full hides behind one that is idle.
    #[default]
    Mean,
    /// The fullest of CPU, memory, GPU, network, disk and the host's own resources, as far as they
    /// are known. The same worker has load 0.9. GPU memory does not count: a full device holds no
    /// further task, but it is not slower.
    Dominant,
}

/// When the cluster counts as uneven.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default = "Detection::in_default", deny_unknown_fields)]
#[non_exhaustive]
pub struct Detection {
    /// Which load is compared. `Config::default` uses [`Basis::Projected`], the specification
    /// [`Basis::RecentMean`].
    pub basis: Basis,
    /// What must be out of bounds before the engine acts. `Config::default` uses
    /// [`Trigger::Either`], the specification [`Trigger::Both`].
    pub trigger: Trigger,
    /// The spread (highest less lowest load) that must be exceeded, from 0 to 1: 0.2 in
    /// `Config::default`, 0.4 in the specification. A larger value tolerates more unevenness and
    /// moves fewer tasks; a smaller one reacts earlier. The trap: below the load of a single task,
    /// the spread cannot be reached and moves repay little.
    pub imbalance: f64,
    /// A spread that is enough by itself, with no worker beyond a threshold, from 0 to 1: 0.3 in
    /// `Config::default`. A larger value leaves moderate unevenness alone; a smaller one evens out
    /// loads that harm nobody. `None` if only thresholds trigger.
    pub sufficient: Option<f64>,
    /// Hysteresis: once the engine has begun, it goes on until the spread falls to this, from 0 to
    /// 1 and at most [`sufficient`](Self::sufficient): 0.15 in `Config::default`. A smaller value
    /// leaves loads more even, at the price of more moves. With this set, a beginning also needs
    /// the spread in the means of the last five samples, so that one stray sample starts nothing.
    /// `None` if the same spread counts from beginning to end, as measured last.
    pub settled: Option<f64>,
    /// While a worker is overloaded, workers that stand more than this above the mean load give
    /// tasks too, from 0 to 1: 0.1 in `Config::default`. With the mean at 0.55 and the high
    /// threshold at 0.85, a worker at 0.95 gives, and so does one at 0.70; one at 0.60 does not. A
    /// larger value relieves fewer workers ahead of time; 0 relieves every worker above the mean.
    /// `None` if only overloaded workers give.
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

/// Which load detection compares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Basis {
    /// The latest measurement.
    Latest,
    /// The mean of the last five measurements.
    #[default]
    RecentMean,
    /// The latest measurement, with everything that is on its way to or from the worker. Without
    /// [`Config::stability`](super::Config::stability) nothing is projected, and this is
    /// [`Basis::Latest`].
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
    /// One worker above the high threshold or one below the low one. The other workers are then
    /// targets or sources, as far as they have room or load to give.
    Either,
}

impl Detection {
    /// As [`Config::default`](crate::Config::default) has it; a file that states only some fields leaves the others so.
    pub(super) fn in_default() -> Self {
        Self {
            basis: Basis::Projected,
            trigger: Trigger::Either,
            imbalance: 0.2,
            sufficient: Some(0.3),
            settled: Some(0.15),
            give_margin: Some(0.1),
        }
    }
}
