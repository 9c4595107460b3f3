//! How do thresholds and pace follow the load of the system?

use serde::{Deserialize, Serialize};

use crate::model::setters::setters;

/// Thresholds and pace follow the load of the system.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default = "Adaptation::in_default", deny_unknown_fields)]
#[non_exhaustive]
pub struct Adaptation {
    /// What thresholds do between the load bands: [`AdaptRule::Relax`] in `Config::default`,
    /// [`AdaptRule::Step`] in the specification.
    pub rule: AdaptRule,
    /// How far thresholds move per tick, from 0 to 1: 0.05. A larger value follows the load sooner; a
    /// smaller one later; at 0 thresholds do not move. The trap: large steps make thresholds jump back
    /// and forth over the loads.
    pub rate: f64,
    /// Above this mean load the system counts as highly loaded: 0.75. A smaller value makes the engine
    /// act boldly more often; a larger one less often.
    pub high_load: f64,
    /// Below this mean load the system counts as lightly loaded: 0.3, less than
    /// [`high_load`](Self::high_load). A larger value makes the engine act calmly more often; a smaller
    /// one less often.
    pub low_load: f64,
    /// The mean load has a trend if it changes by at least this much per tick: 0.01. A smaller value
    /// takes noise for a trend; a larger one notices growth late.
    pub trend_slope: f64,
    /// The range of the high threshold: 0.6 to 0.95. A wider range lets it follow the load further. The
    /// trap: a lower bound below the usual mean load makes most workers overloaded.
    pub high_bounds: [f64; 2],
    /// The range of the low threshold: 0.1 to 0.4. A wider range lets it follow the load further.
    pub low_bounds: [f64; 2],
    /// The least distance between the thresholds: 0.3, at most the upper end of
    /// [`high_bounds`](Self::high_bounds) less the lower end of [`low_bounds`](Self::low_bounds). A larger
    /// value keeps more workers between the thresholds. The trap: with a small one most workers are
    /// overloaded or underloaded.
    pub separation: f64,
    /// The pace while the system is highly loaded: a spread factor of 0.75, and any positive net
    /// benefit. Bolder than usual.
    pub high_pace: Pace,
    /// The pace while the system is lightly loaded: a spread factor of 1.25, and a net benefit
    /// above 1. Calmer than usual.
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
    /// They return to their configured values, by at most one step per tick. (Under `Step` the
    /// thresholds of a cluster with a mean load of 0.6 end at 0.7 and 0.4, and with a mean load of 0.4
    /// at 0.95 and 0.1, whatever was configured.)
    Relax,
}

/// How boldly to act. The specification asks for a more aggressive policy at high load and a more
/// conservative one at low load, without figures; the figures here are this crate's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Pace {
    /// The required spread is multiplied by this: 0.75 at high load, 1.25 at low load, 1 between. A
    /// smaller value acts on less.
    pub imbalance_factor: f64,
    /// The net benefit of a move must exceed this, in points: 0 at high load, 1 at low load. A
    /// larger value refuses moves of little use. Without
    /// [`Config::cost_benefit`](super::Config::cost_benefit) nothing reads it.
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

impl Adaptation {
    /// The section as in [`Config::default`](crate::Config::default): the values of fields that a file leaves out.
    pub(super) fn in_default() -> Self {
        Self { rule: AdaptRule::Relax, ..Self::default() }
    }
}
