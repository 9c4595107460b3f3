//! How can one number, between few moves and even loads, set all nine margins?

use super::Config;
use crate::model::bounds::MOST_POINTS;
use crate::model::ratio::Ratio;

/// The factor of every margin at preference 0.
const STILL: f64 = 3.0;
/// The factor of every margin at preference 1.
const EVEN: f64 = 0.25;

impl Config {
    /// The same settings with every margin made wider or narrower: 0 moves as little as possible, 1
    /// keeps loads as even as possible, 0.5 changes nothing, to the last bit.
    ///
    /// The margins are multiplied by a factor that falls linearly from 3 at 0 to 1 at 0.5, and from
    /// there linearly to 0.25 at 1: it is 2 at 0.25 and 0.625 at 0.75. The margins are:
    ///
    /// * [`detection`](Config::detection): `imbalance`, `sufficient`, `settled`, `give_margin`, each
    ///   at most 1;
    /// * [`stability`](Config::stability): `dead_band` (at most 1) and `noise_margin`;
    /// * [`prediction`](Config::prediction): `imbalance`, at most 1;
    /// * [`cost_benefit`](Config::cost_benefit): `cost.base`, the points that any move costs;
    /// * [`hardware`](Config::hardware): the part of `upgrade` above 1, multiplied by the square of the
    ///   factor. Only a preference below 0.5 changes it, since a move for speed evens nothing out. At
    ///   0.25 a task must run five times as fast to move for speed.
    ///
    /// Thresholds, budgets, cooldowns and hard rules stay as they are: which load is too high does not
    /// depend on how even the loads should be.
    ///
    /// The effect, as standard deviation of the loads / moves per hour, medians of seeds 1 to 5 at
    /// medium size (`simulate --curve --scenario spike,gradual,mixed --size medium --seeds 1..6`):
    ///
    /// | homogeneous | `spike` | `gradual` | `mixed` |
    /// |---|---|---|---|
    /// | 0 | 0.141 / 234 | 0.130 / 243 | 0.052 / 0 |
    /// | 0.25 | 0.107 / 338 | 0.093 / 350 | 0.051 / 8 |
    /// | 0.5 | 0.079 / 680 | 0.056 / 609 | 0.042 / 141 |
    /// | 0.75 | 0.066 / 998 | 0.044 / 955 | 0.039 / 357 |
    /// | 1 | 0.062 / 1654 | 0.036 / 1761 | 0.038 / 977 |
    ///
    /// | heterogeneous | `spike` | `gradual` | `mixed` |
    /// |---|---|---|---|
    /// | 0 | 0.152 / 236 | 0.142 / 399 | 0.054 / 0 |
    /// | 0.25 | 0.118 / 432 | 0.104 / 555 | 0.054 / 18 |
    /// | 0.5 | 0.086 / 904 | 0.066 / 1128 | 0.053 / 305 |
    /// | 0.75 | 0.075 / 1209 | 0.053 / 1370 | 0.048 / 450 |
    /// | 1 | 0.069 / 1818 | 0.047 / 2076 | 0.048 / 813 |
    ///
    /// ```
    /// use evenkeel::Config;
    /// use evenkeel::ratio::Ratio;
    /// let even = Config::default().with_preference(Ratio::ONE);
    /// assert_eq!(even.detection.sufficient, Some(0.3 * 0.25));
    /// let as_it_is = Config::default().with_preference(Ratio::new(0.5)?);
    /// assert_eq!(as_it_is, Config::default());
    /// # Ok::<(), evenkeel::ratio::OutOfRange>(())
    /// ```
    #[must_use]
    pub fn with_preference(mut self, preference: Ratio) -> Self {
        if broken!("preference") {
            return self;
        }
        let preference = preference.get();
        let factor = if preference < 0.5 {
            1.0 + (STILL - 1.0) * (1.0 - 2.0 * preference)
        } else {
            1.0 + (EVEN - 1.0) * (2.0 * preference - 1.0)
        };
        let share = |margin: &mut f64| *margin = (*margin * factor).min(1.0);
        let detection = &mut self.detection;
        share(&mut detection.imbalance);
        let spreads = [&mut detection.sufficient, &mut detection.settled];
        spreads.into_iter().flatten().for_each(share);
        detection.give_margin.iter_mut().for_each(share);
        if let Some(section) = &mut self.stability {
            share(&mut section.dead_band);
            section.noise_margin = (section.noise_margin * factor).min(MOST_POINTS);
        }
        if let Some(section) = &mut self.prediction {
            share(&mut section.imbalance);
        }
        if let Some(section) = &mut self.cost_benefit {
            section.cost.base = (section.cost.base * factor).min(MOST_POINTS);
        }
        if let Some(times) = self.hardware.as_mut().and_then(|section| section.upgrade.as_mut()) {
            let wider = 1.0 + (*times - 1.0) * factor.max(1.0) * factor.max(1.0);
            *times = wider.min(MOST_POINTS);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn margins(config: &Config) -> [f64; 8] {
        let (detection, stability) = (config.detection, config.stability.unwrap());
        [
            detection.imbalance,
            detection.sufficient.unwrap(),
            detection.settled.unwrap(),
            detection.give_margin.unwrap(),
            stability.dead_band,
            stability.noise_margin,
            config.prediction.unwrap().imbalance,
            config.cost_benefit.unwrap().cost.base,
        ]
    }

    #[test]
    fn the_middle_changes_nothing_and_the_ends_are_opposite() {
        for config in [Config::default(), Config::reference(), Config::fixed()] {
            assert_eq!(config.clone().with_preference(Ratio::saturating(0.5)), config);
            for preference in [0.0, 0.1, 0.25, 0.75, 0.99, 1.0] {
                let config = config.clone().with_preference(Ratio::saturating(preference));
                assert!(config.check().is_ok(), "{preference}");
            }
        }
    }

    #[test]
    fn every_margin_falls_as_the_preference_rises() {
        let at = |percent: u32| {
            let preference = Ratio::saturating(f64::from(percent) / 100.0);
            Config::default().with_preference(preference)
        };
        for percent in 0..100 {
            let (here, next) = (margins(&at(percent)), margins(&at(percent + 1)));
            assert!(here.iter().zip(next).all(|(here, next)| *here > next || next >= 1.0));
        }
        // 0.3 x 3, 0.3 x 2, 0.3 x 0.625.
        let sufficient = |percent| at(percent).detection.sufficient.unwrap();
        let near = |a: f64, b: f64| (a - b).abs() < 1e-12;
        assert!(near(sufficient(0), 0.9) && near(sufficient(25), 0.6));
        assert!(near(sufficient(75), 0.1875));
    }
}
