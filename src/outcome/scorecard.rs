//! What a move costs and what it is good for, factor by factor.

use core::fmt;

use serde::{Deserialize, Serialize};

/// Cost and benefit of a move, in points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Scorecard {
    /// What it costs.
    pub cost: Cost,
    /// What it is good for.
    pub benefit: Benefit,
}

impl Scorecard {
    /// Benefit less cost.
    pub fn net(&self) -> f64 {
        self.benefit.total() - self.cost.total()
    }
}

impl fmt::Display for Scorecard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (benefit, cost) = (self.benefit.total(), self.cost.total());
        write!(f, "net {:.2} = benefit {benefit:.2}", self.net())?;
        factors(f, &self.benefit.factors())?;
        write!(f, " - cost {cost:.2}")?;
        factors(f, &self.cost.factors())
    }
}

/// Prints the factors that are not zero, in brackets.
fn factors(f: &mut fmt::Formatter<'_>, factors: &[(&str, f64)]) -> fmt::Result {
    let mut nonzero = factors.iter().filter(|(_, points)| points.abs() >= 0.005);
    let Some((name, points)) = nonzero.next() else { return Ok(()) };
    write!(f, " ({name} {points:.2}")?;
    for (name, points) in nonzero {
        write!(f, ", {name} {points:.2}")?;
    }
    f.write_str(")")
}

/// What is done with every factor of a cost or a benefit.
macro_rules! factors {
    ($owner:ident[$count:literal] { $($factor:ident),+ }) => {
        impl $owner {
            /// Each factor by name.
            pub const fn factors(&self) -> [(&'static str, f64); $count] {
                [$((stringify!($factor), self.$factor)),+]
            }

            /// The sum, wherever it comes to.
            pub(crate) fn sum(&self) -> f64 {
                self.factors().iter().map(|(_, points)| points).sum()
            }

            pub(crate) fn each(&mut self, change: impl Fn(&mut f64)) {
                [$(&mut self.$factor),+].into_iter().for_each(change);
            }
        }
    };
}

/// The factors of cost. Their sum counts up to 10.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Cost {
    /// Every move.
    pub base: f64,
    /// The time it has run, or the work that would be lost.
    pub running: f64,
    /// Its priority.
    pub priority: f64,
    /// The state to be handed over.
    pub state: f64,
    /// What moves of its kind have cost.
    pub history: f64,
    /// What the host adds.
    pub extra: f64,
    /// What the host adds for the target ([`TargetClass`](crate::snapshot::TargetClass)).
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub target: f64,
}

/// What is left out.
fn is_nothing(points: &f64) -> bool {
    points.abs() <= 0.0
}

impl Cost {
    /// The top of the cost scale.
    pub const MOST: f64 = 10.0;

    /// The sum, from 0 to 10.
    pub fn total(&self) -> f64 {
        self.sum().clamp(0.0, Self::MOST)
    }
}

factors! { Cost[7] { base, running, priority, state, history, extra, target } }

/// The factors of benefit; single ones may be negative, their sum counts from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Benefit {
    /// Evening out the two workers.
    pub utilization: f64,
    /// Relieving an overloaded source.
    pub relief: f64,
    /// Faster hardware.
    pub hardware: f64,
    /// More free memory around it.
    pub memory: f64,
    /// Less energy for a task that asks for it.
    pub energy: f64,
    /// Cooler hardware.
    pub thermal: f64,
    /// A device filled tightly.
    pub packing: f64,
    /// The target's success with its kind.
    pub success: f64,
    /// The target's health.
    pub health: f64,
}

impl Benefit {
    /// The sum, from 0 up.
    pub fn total(&self) -> f64 {
        self.sum().max(0.0)
    }
}

factors! {
    Benefit[9] {
        utilization, relief, hardware, memory, energy, thermal, packing, success, health
    }
}
