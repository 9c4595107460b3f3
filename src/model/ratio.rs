//! How are shares and loads compared? As numbers that are checked once and are then totally ordered.

use core::cmp::Ordering;
use core::fmt;

use serde::{Deserialize, Serialize};

/// The number is outside the range of its type.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{value} is not {range}")]
pub struct OutOfRange {
    value: f64,
    range: &'static str,
}

/// Declares a checked, totally ordered `f64` newtype that prints with three decimals.
macro_rules! checked {
    ($(#[$doc:meta])* $name:ident, $most:expr, $range:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
        #[serde(try_from = "f64", into = "f64")]
        pub struct $name(f64);

        impl $name {
            /// 0.
            pub const ZERO: Self = Self(0.0);
            /// 1.
            pub const ONE: Self = Self(1.0);

            /// Checks the number.
            ///
            /// # Errors
            ///
            #[doc = concat!("[`OutOfRange`] if `value` is not ", $range, ".")]
            pub const fn new(value: f64) -> Result<Self, OutOfRange> {
                if value >= 0.0 && value <= $most {
                    // Adding zero turns -0.0 into 0.0: one bit pattern for one value.
                    Ok(Self(value + 0.0))
                } else {
                    Err(OutOfRange { value, range: $range })
                }
            }

            /// The plain number.
            pub const fn get(self) -> f64 {
                self.0
            }
        }

        impl TryFrom<f64> for $name {
            type Error = OutOfRange;

            fn try_from(value: f64) -> Result<Self, OutOfRange> {
                Self::new(value)
            }
        }

        impl From<$name> for f64 {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.cmp(other).is_eq()
            }
        }

        impl Eq for $name {}

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                self.0.total_cmp(&other.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:.3}", self.0)
            }
        }
    };
}

checked! {
    /// A share of a whole, 0 to 1: thresholds, confidence, efficiency, success.
    Ratio, 1.0, "a number from 0 to 1"
}
checked! {
    /// Load relative to capacity: 0 is idle, 1 is full, more is overcommitted.
    Utilization, f64::MAX, "a finite number from 0 up"
}

impl Ratio {
    /// The nearest share: 0 for a number below 0 and for NaN, 1 for a number above 1.
    pub const fn saturating(value: f64) -> Self {
        if value >= 1.0 {
            Self::ONE
        } else if value > 0.0 {
            Self(value)
        } else {
            Self::ZERO
        }
    }
}

impl Utilization {
    /// The nearest load: 0 for a number below 0 and for NaN, the largest number for infinity.
    pub const fn saturating(value: f64) -> Self {
        if value >= f64::MAX {
            Self(f64::MAX)
        } else if value > 0.0 {
            Self(value)
        } else {
            Self::ZERO
        }
    }
}

impl From<Ratio> for Utilization {
    fn from(ratio: Ratio) -> Self {
        Self(ratio.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn only_what_makes_sense_gets_in() {
        assert!(Ratio::new(1.0).is_ok());
        assert!(Ratio::new(1.01).is_err());
        assert!(Ratio::new(f64::NAN).is_err());
        assert!(Utilization::new(1.4).is_ok());
        assert!(Utilization::new(f64::INFINITY).is_err());
        assert_eq!(Ratio::new(-0.1).unwrap_err().to_string(), "-0.1 is not a number from 0 to 1");
    }

    #[test]
    fn minus_zero_is_zero() {
        assert_eq!(Ratio::new(-0.0).unwrap().get().to_bits(), 0);
    }

    #[test]
    fn saturating_takes_anything() {
        assert_eq!(Ratio::saturating(f64::NAN), Ratio::ZERO);
        assert_eq!(Ratio::saturating(7.0), Ratio::ONE);
        assert_eq!(Utilization::saturating(-1.0), Utilization::ZERO);
    }
}
