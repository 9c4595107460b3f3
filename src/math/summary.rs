//! How are some loads distributed? Count, mean, extremes and deviation.

/// The summary of some numbers, from one pass over them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Summary {
    pub(crate) count: u32,
    pub(crate) mean: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    /// Sample standard deviation (divisor n - 1); 0 for one number.
    pub(crate) deviation: f64,
}

impl Summary {
    /// Summarises `values`, in their order; `None` if there are none.
    ///
    /// 0.2, 0.4 and 0.9 have mean 0.5, spread 0.7 and deviation 0.361.
    pub(crate) fn of(values: impl Iterator<Item = f64> + Clone) -> Option<Self> {
        let (mut count, mut sum) = (0_u32, 0.0);
        let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.clone() {
            count += 1;
            sum += value;
            min = min.min(value);
            max = max.max(value);
        }
        if count == 0 {
            return None;
        }
        let mean = sum / f64::from(count);
        let squares: f64 = values.map(|value| (value - mean) * (value - mean)).sum();
        let variance = if count > 1 { squares / f64::from(count - 1) } else { 0.0 };
        Some(Self { count, mean, min, max, deviation: libm::sqrt(variance) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worked_example_holds() {
        let summary = Summary::of([0.2, 0.4, 0.9].into_iter()).unwrap();
        assert!((summary.mean - 0.5).abs() < 1e-12);
        assert!((summary.max - summary.min - 0.7).abs() < 1e-12);
        assert!((summary.deviation - 0.360_555_127_546_398_9).abs() < 1e-12);
    }

    #[test]
    fn one_number_does_not_deviate_and_none_say_nothing() {
        assert_eq!(Summary::of([0.4].into_iter()).unwrap().deviation.to_bits(), 0);
        assert_eq!(Summary::of(core::iter::empty()), None);
    }
}
