//! What is hardware worth: speed, energy, heat?

use serde::{Deserialize, Serialize};

use crate::model::hardware::HardwareTable;
use crate::model::setters::setters;

/// Hardware is not all equal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct HardwareStrategy {
    /// What each kind of hardware is good for: [`PROFILES`](crate::hardware::PROFILES), or the
    /// host's own rows.
    pub table: HardwareTable,
    /// The weight of one observed speed ([`Event::Performance`](crate::Event::Performance)) against
    /// what was known before, from 0 to 1: 0.1. A larger value follows single measurements. At 0
    /// the table stays as it is.
    pub learning_rate: f64,
    /// How many times as fast a task must run elsewhere to move there although all loads are even,
    /// from 1 up: 2 in `Config::default`. At 2 a task on a CPU (1.0) moves to CUDA (3.0) and to
    /// `ROCm` (2.8), not to `OpenVINO` (1.8). A larger value moves fewer tasks for speed; at 1 any
    /// gain is enough. Such a move must be worth its cost, leave the target below the high
    /// threshold (adapted or configured, whichever is higher), and not widen the spread beyond
    /// [`imbalance`](super::Detection::imbalance). Overloaded workers are relieved first. The trap:
    /// it needs [`cost_benefit`](super::Config::cost_benefit) and is refused without. `None` if no
    /// task moves for speed.
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
    /// At this temperature a worker has all its thermal headroom, in degrees Celsius: 35, below
    /// [`hot_celsius`](Self::hot_celsius). Only [`cost_benefit`](super::Config::cost_benefit) reads
    /// it; another value is refused without.
    pub cool_celsius: f64,
    /// At this temperature a worker has no thermal headroom, in degrees Celsius: 85. A smaller
    /// value avoids warm workers sooner. Only [`cost_benefit`](super::Config::cost_benefit) reads
    /// it; another value is refused without.
    pub hot_celsius: f64,
    /// Whether outcomes say how fragmented free device memory is
    /// ([`Outcome::fragmentation`](crate::Outcome::fragmentation)): `false`. It costs a pass over
    /// the devices per round.
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
