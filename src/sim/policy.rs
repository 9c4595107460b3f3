//! Which policy balances the cluster in a run?

use alloc::string::ToString;
use core::fmt;
use core::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::config::Config;

/// The policy that balances in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Policy {
    /// No balancing.
    None,
    /// The engine, with this configuration.
    Engine(alloc::boxed::Box<Config>),
    /// The engine with this configuration, and with the true present and future demands instead of
    /// telemetry and forecasts.
    Oracle(alloc::boxed::Box<Config>),
}

impl Policy {
    /// The traditional balancer with other thresholds and another cap: how `fixed-best` is sought.
    pub fn fixed_with(setting: Setting) -> Self {
        let mut config = Config::fixed();
        config.thresholds.high = setting.high;
        config.thresholds.low = setting.low;
        if let Some(limits) = &mut config.migration {
            limits.share_of_workers = setting.share;
        }
        Self::engine(config)
    }

    /// The engine, with this configuration.
    pub fn engine(config: Config) -> Self {
        Self::Engine(alloc::boxed::Box::new(config))
    }

    /// The configuration that the engine runs with; without balancing, that of an engine that only observes.
    pub fn config(&self) -> Config {
        match self {
            Self::None => Config { migration: None, ..Config::fixed() },
            Self::Engine(config) | Self::Oracle(config) => (**config).clone(),
        }
    }

    /// The default engine with the true present and future demands, without a limit on moves.
    pub fn oracle() -> Self {
        let mut config = Config { prediction: None, ..Config::default() };
        if let Some(limits) = &mut config.migration {
            limits.max_simultaneous = NonZeroU32::MAX;
            (limits.per_source, limits.per_target) = (None, None);
        }
        Self::Oracle(alloc::boxed::Box::new(config))
    }
}

/// A setting of the traditional balancer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Setting {
    /// Threshold above which a worker gives.
    pub high: f64,
    /// Threshold below which a worker takes.
    pub low: f64,
    /// Share of the workers that may be moved at once, where that is more than two.
    pub share: Option<f64>,
}

impl Setting {
    /// Every setting that `fixed-best` is chosen from.
    pub fn grid() -> impl Iterator<Item = Self> {
        let highs = [0.6, 0.7, 0.8, 0.9];
        highs.into_iter().flat_map(|high| {
            [0.2, 0.4, 0.6].into_iter().filter(move |low| *low < high).flat_map(move |low| {
                [None, Some(0.05)].into_iter().map(move |share| Self { high, low, share })
            })
        })
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cap = self.share.map_or("2".to_string(), |share| alloc::format!("{}%", share * 100.0));
        write!(f, "high {}, low {}, cap {cap}", self.high, self.low)
    }
}
