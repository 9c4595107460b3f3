//! Who balances.

use evenkeel::Config;
use evenkeel::sim::Policy;

use crate::runs::Cell;
use crate::tune::Best;

/// A policy by name, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Nobody.
    None,
    /// The traditional balancer.
    Fixed,
    /// The traditional balancer, tuned to the scenario.
    FixedBest,
    /// The specification's rules to the letter.
    Reference,
    /// The engine as it comes, or as the command line says.
    Default,
    /// The engine, told the truth.
    Oracle,
}

impl Kind {
    pub(crate) const ALL: [Self; 6] =
        [Self::None, Self::Fixed, Self::FixedBest, Self::Reference, Self::Default, Self::Oracle];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Fixed => "fixed",
            Self::FixedBest => "fixed-best",
            Self::Reference => "reference",
            Self::Default => "default",
            Self::Oracle => "oracle",
        }
    }
}

/// What the policies are made of.
#[derive(Debug)]
pub(crate) struct Balancers {
    /// Of `default`.
    pub(crate) config: Config,
    /// Of `fixed-best`.
    pub(crate) best: Best,
}

impl Balancers {
    pub(crate) fn policy(&self, kind: Kind, cell: &Cell<'_>) -> Result<Policy, String> {
        Ok(match kind {
            Kind::None => Policy::None,
            Kind::Fixed => Policy::engine(Config::fixed()),
            Kind::FixedBest => {
                let best = self.best.get(cell);
                Policy::fixed_with(best.ok_or_else(|| format!("{cell}: no best setting is known"))?)
            }
            Kind::Reference => Policy::engine(Config::reference()),
            Kind::Default => Policy::engine(self.config.clone()),
            Kind::Oracle => Policy::oracle(),
        })
    }
}
