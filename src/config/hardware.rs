//! How much do speed, energy and heat of hardware count?

use serde::{Deserialize, Serialize};

use crate::model::hardware::HardwareTable;
use crate::model::setters::setters;

/// How much faster some hardware is than other, and when a task moves for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct HardwareStrategy {
    /// The speed and efficiency of each kind of hardware: [`PROFILES`](crate::hardware::PROFILES), or
    /// the host's own rows, at most 64.
    pub table: HardwareTable,
    /// The weight of one observed speed ([`Event::Performance`](crate::Event::Performance)) in its
    /// moving average, from 0 to 1: 0.1. A larger value follows single measurements; a smaller one
    /// learns slowly. At 0 the speeds of the table hold.
    pub learning_rate: f64,
    /// How many times as fast a task must run elsewhere to move there although the loads are even,
    /// from 1 up: 2 in `Config::default`. At 2 a task on a CPU (1.0) moves to CUDA (3.0) and to
    /// `ROCm` (2.8), not to `OpenVINO` (1.8). A larger value moves fewer tasks for speed; at 1 any
    /// gain is enough. Such a move must be worth its cost, leave the target below the high
    /// threshold (the adapted or the configured one, whichever is higher), and not widen the spread
    /// beyond [`imbalance`](super::Detection::imbalance). Overloaded workers are relieved first. The
    /// trap: without [`cost_benefit`](super::Config::cost_benefit) this setting is refused. `None` if
    /// no task moves for speed.
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

/// Energy, heat and the packing of device memory count.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Efficiency {
    /// At this temperature and below, a worker has all its thermal headroom, in degrees Celsius: 35,
    /// below [`hot_celsius`](Self::hot_celsius). A smaller value avoids lukewarm workers too. Without
    /// [`cost_benefit`](super::Config::cost_benefit), which alone reads it, any other value is refused.
    pub cool_celsius: f64,
    /// At this temperature and above, a worker has no thermal headroom, in degrees Celsius: 85. A
    /// smaller value avoids warm workers sooner. Without
    /// [`cost_benefit`](super::Config::cost_benefit), which alone reads it, any other value is refused.
    pub hot_celsius: f64,
    /// Whether outcomes report how fragmented free device memory is
    /// ([`Outcome::fragmentation`](crate::Outcome::fragmentation)): `false`. If `true`, each round
    /// reads all devices once more.
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
