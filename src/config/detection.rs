//! When does the cluster count as uneven?

use serde::{Deserialize, Serialize};

use crate::model::setters::setters;

/// How a worker's resources become one number, its load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LoadRule {
    /// The mean of CPU, memory, and (if the worker has any) GPU memory: the rule of the specification's
    /// original. A worker at 0.9 CPU and 0.3 memory has load 0.6. The trap: an idle resource hides a
    /// full one.
    #[default]
    Mean,
    /// The fullest of CPU, memory, GPU, network, disk and the host's own resources, as far as they
    /// are known. A worker at 0.9 CPU and 0.3 memory has load 0.9. GPU memory does not count: a full
    /// device takes no further task, but slows none down.
    Dominant,
}

/// When the cluster counts as uneven.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default = "Detection::in_default", deny_unknown_fields)]
#[non_exhaustive]
pub struct Detection {
    /// Which load is compared: [`Basis::Projected`] in `Config::default`, [`Basis::RecentMean`] in the
    /// specification.
    pub basis: Basis,
    /// Which thresholds must be crossed before the engine acts: [`Trigger::Either`] in
    /// `Config::default`, [`Trigger::Both`] in the specification.
    pub trigger: Trigger,
    /// The spread (highest less lowest load) that must be exceeded, from 0 to 1: 0.2 in
    /// `Config::default`, 0.4 in the specification. A larger value tolerates more unevenness and
    /// moves fewer tasks; a smaller one reacts earlier. The trap: loads cannot be more even than one
    /// task is large, so a value below that keeps moving tasks for little.
    pub imbalance: f64,
    /// A spread that triggers by itself, with no worker beyond a threshold, from 0 to 1: 0.3 in
    /// `Config::default`. A larger value leaves moderate unevenness alone; a smaller one evens out
    /// loads that do no harm. `None` if only thresholds trigger.
    pub sufficient: Option<f64>,
    /// Hysteresis: once the engine has started to even out loads, it goes on until the spread falls to
    /// this, from 0 to 1 and at most [`sufficient`](Self::sufficient): 0.15 in `Config::default`. A
    /// smaller value leaves loads more even, at the price of more moves. To start, the spread of the
    /// means of the last five samples must be large enough too, so that one stray sample starts
    /// nothing. `None` if `sufficient` decides both, by the present loads alone.
    pub settled: Option<f64>,
    /// While a worker is overloaded, workers whose load is more than this above the mean give tasks
    /// too, from 0 to 1: 0.1 in `Config::default`. With the mean at 0.55 and the high threshold at
    /// 0.85, workers at 0.95 and at 0.70 give tasks; one at 0.60 does not. A larger value relieves
    /// fewer workers ahead of time; 0 relieves every worker above the mean. `None` if only overloaded
    /// workers give tasks.
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
    /// The latest measurement, as if every task on its way to or from the worker had arrived. Without
    /// [`Config::stability`](super::Config::stability) this is the same as [`Basis::Latest`].
    Projected,
}

/// Which thresholds must be crossed before the engine acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Trigger {
    /// One worker above the high threshold and one below the low one.
    #[default]
    Both,
    /// One worker above the high threshold or one below the low one. Workers between the thresholds
    /// may then be targets or sources too.
    Either,
}

impl Detection {
    /// The section as in [`Config::default`](crate::Config::default): the values of fields that a file leaves out.
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
