//! How large can a number be? Every number that comes in has a bound, so that every sum, product and quotient is
//! finite, and everything that is written can be read again.
//!
//! The largest amount over the smallest capacity is 2^64 / 10^-9, about 10^28; the largest speed over the smallest is
//! 10^12. Squares of such numbers, and sums of billions of them, are far from the largest `f64`, 10^308.

use alloc::format;
use alloc::string::{String, ToString};
use core::ops::RangeInclusive;
use core::time::Duration;

/// The largest amount of a resource: 2^64, which no number of bytes exceeds.
pub(crate) const MOST_AMOUNT: f64 = 18_446_744_073_709_551_616.0;
/// The smallest capacity that is not zero: a billionth of a core.
pub(crate) const LEAST_CAPACITY: f64 = 1e-9;
/// The highest load of a worker that counts: a load of a thousand is broken telemetry.
pub(crate) const MOST_LOAD: f64 = 1_000.0;
/// The largest figure that the engine writes: sums of millions of points and of loads are far below.
pub(crate) const MOST_FIGURE: f64 = 1e60;
/// The speeds of hardware and of alternatives, relative to one CPU worker.
pub(crate) const SPEEDS: RangeInclusive<f64> = 1e-6..=1e6;
/// Temperatures in degrees Celsius: the sun's core has 15 million, its surface 5,500.
pub(crate) const CELSIUS: RangeInclusive<f64> = -1e6..=1e6;
/// The largest weight, number of points, or factor of a setting.
pub(crate) const MOST_POINTS: f64 = 1e6;
/// The longest span of a setting: 10^9 seconds, about 32 years.
pub(crate) const MOST_SPAN: Duration = Duration::from_secs(1_000_000_000);
/// The highest number of a migration: half of all numbers, so that those that follow never run out.
pub(crate) const MOST_ISSUED: u64 = u64::MAX / 2;
/// The highest number of a migration that a host may show: an engine that counts on from it has as many left.
pub(crate) const MOST_SHOWN: u64 = MOST_ISSUED / 2;

/// Prints a number for a fault: 0.5, NaN, 1e300.
pub(crate) fn exact(number: f64) -> String {
    let size = number.abs();
    let is_plain = size <= 0.0 || (1e-6..1e16).contains(&size) || !number.is_finite();
    if is_plain { number.to_string() } else { format!("{number:e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_numbers_print_short() {
        assert_eq!(exact(-0.5), "-0.5");
        assert_eq!(exact(f64::NAN), "NaN");
        assert_eq!(exact(f64::NEG_INFINITY), "-inf");
        assert_eq!(exact(0.0), "0");
        assert_eq!(exact(1e300), "1e300");
        assert_eq!(exact(1e-308), "1e-308");
    }
}
