//! What does a move cost, and what is its benefit, factor by factor?

use core::fmt;

use serde::{Deserialize, Serialize};

/// Cost and benefit of a move, in points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Scorecard {
    /// The cost of the move.
    pub cost: Cost,
    /// The benefit of the move.
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

/// The methods that treat every factor of a cost or a benefit alike.
macro_rules! factors {
    ($owner:ident[$count:literal] { $($factor:ident),+ }) => {
        impl $owner {
            /// Each factor by name.
            pub const fn factors(&self) -> [(&'static str, f64); $count] {
                [$((stringify!($factor), self.$factor)),+]
            }

            /// The sum of the factors, without its bound.
            pub(crate) fn sum(&self) -> f64 {
                self.factors().iter().map(|(_, points)| points).sum()
            }

            pub(crate) fn each(&mut self, change: impl Fn(&mut f64)) {
                [$(&mut self.$factor),+].into_iter().for_each(change);
            }
        }
    };
}

/// The factors of cost. Their sum is capped at 10.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Cost {
    /// The cost of any move.
    pub base: f64,
    /// For the time that the task has run, or the work that would be lost.
    pub running: f64,
    /// For the task's priority.
    pub priority: f64,
    /// For the state that is handed over.
    pub state: f64,
    /// For what moves of the task's kind have cost.
    pub history: f64,
    /// The points that the host adds for the task.
    pub extra: f64,
    /// The points that the host adds for the target ([`TargetClass`](crate::snapshot::TargetClass)).
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub target: f64,
}

/// Whether a factor is left out of the serialised form.
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

/// The factors of benefit. A factor may be negative; their sum counts as at least 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Benefit {
    /// For evening out the two workers.
    pub utilization: f64,
    /// For relieving an overloaded source.
    pub relief: f64,
    /// For faster hardware.
    pub hardware: f64,
    /// For a target with a larger free share of memory.
    pub memory: f64,
    /// For saving energy, if the task asks for it.
    pub energy: f64,
    /// For cooler hardware.
    pub thermal: f64,
    /// For a device that is filled tightly.
    pub packing: f64,
    /// For the target's success with tasks of this kind.
    pub success: f64,
    /// For the target's health: 0 or negative.
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
