//! What is the recent mean of a value? An exponential moving average.

use serde::{Deserialize, Serialize};

/// A mean that forgets: every new value pulls it by a fixed share of the difference.
///
/// With a weight of 0.2, an average of 0.5 and a new value of 1.0 the average becomes 0.6. The
/// first value is taken whole.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Average {
    mean: f64,
    samples: u32,
}

impl Average {
    /// An average that starts at `mean`: a prior that the first value pulls like any other.
    pub(crate) const fn starting_at(mean: f64) -> Self {
        Self { mean, samples: 0 }
    }

    /// Takes in one value; `weight` is the new value's share, 0 to 1.
    pub(crate) fn learn(&mut self, value: f64, weight: f64) {
        self.mean += weight * (value - self.mean);
        self.samples = self.samples.saturating_add(1);
    }

    /// How many values it has taken in, without the prior.
    pub(crate) const fn samples(self) -> u32 {
        self.samples
    }

    /// The average so far.
    pub(crate) const fn mean(self) -> f64 {
        self.mean
    }
}

/// Teaches an average that may not exist yet.
pub(crate) fn learn(average: &mut Option<Average>, value: f64, weight: f64) {
    average.get_or_insert(Average::starting_at(value)).learn(value, weight);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_is_taken_whole_and_later_ones_by_weight() {
        let mut average = None;
        learn(&mut average, 0.5, 0.2);
        learn(&mut average, 1.0, 0.2);
        assert!((average.unwrap().mean() - 0.6).abs() < 1e-12);
    }
}
