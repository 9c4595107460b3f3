//! What a refusal says to an operator.

use core::fmt;

use super::Rejection;
use crate::model::resource::{GIB, Quantity};
use crate::model::time::Span;
use crate::outcome::handover::Secs;

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::InFlight { migration } => write!(f, "in flight as {migration}"),
            Self::CameBack { times: n, until } => {
                write!(f, "evicted, it came back ({n} in a row); not before {until}")
            }
            Self::NotBefore { .. }
            | Self::Frozen { .. }
            | Self::TargetFrozen { .. }
            | Self::LeavesBefore { .. }
            | Self::CoolingDown { .. }
            | Self::LeftRecently { .. }
            | Self::LongRunning { .. }
            | Self::NearlyDone { .. }
            | Self::NotRepaid { .. }
            | Self::UnknownTransfer => self.time(f),
            Self::UnknownPlace { worker } => write!(f, "said to be on {worker}, which is unknown"),
            Self::DoubtfulSource { worker } => write!(f, "the record of {worker} is in doubt"),
            Self::Companion { group, task } => write!(f, "moves with {group}, and {task} cannot"),
            Self::NotAccepting { stance } => write!(f, "target is {stance}"),
            Self::UnknownLoad => f.write_str("target's load is unknown"),
            Self::TargetBusy { .. }
            | Self::SourceBusy { .. }
            | Self::BudgetSpent { .. }
            | Self::BudgetLine { .. }
            | Self::BudgetInDoubt { .. }
            | Self::UnknownSize
            | Self::Unfair { .. }
            | Self::MemoryFull { .. } => self.budget(f),
            Self::OutsideClass { class } => write!(f, "target is not in {class}"),
            Self::OutOfScope { label } => write!(f, "out of scope: it lacks label {label}"),
            Self::OutOfShare { share, place } => {
                let shares = format_args!("shares above {place:.3} have it");
                write!(f, "out of scope: among {share:.3} of all tasks; {shares}")
            }
            Self::MissingHardware { needs, all: true } => write!(f, "target lacks {needs}"),
            Self::MissingHardware { needs, all: false } => write!(f, "target has none of {needs}"),
            Self::TooLittleMemory { needs_bytes, has_bytes } => {
                let (needs, has) = (Gib(needs_bytes), Known(has_bytes.map(Gib)));
                write!(f, "needs {needs} of memory, target has {has}")
            }
            Self::TooLittleDeviceMemory { needs_bytes: needs, free_bytes: free, .. } => {
                write!(f, "needs {} on one device, at most {} free", Gib(needs), Gib(free))
            }
            Self::TooLittleCompute { needs, has } => {
                write!(f, "needs compute capability {needs}, target has {}", Known(has))
            }
            Self::MissingLabel { label } => write!(f, "target lacks label {label}"),
            Self::ForbiddenLabel { label } => write!(f, "target carries forbidden label {label}"),
            Self::NoHeadroom { resource, needed, free, .. } => {
                let free = Quantity(resource, free.max(0.0));
                write!(f, "needs {} of {resource}, {free} free", Quantity(resource, needed))
            }
            Self::Affinity { .. }
            | Self::AntiAffinity { .. }
            | Self::Spread { .. }
            | Self::Disruption { .. }
            | Self::Gang { .. } => self.group(f),
            Self::WouldOverload { .. }
            | Self::NoGain { .. }
            | Self::WiderSpread { .. }
            | Self::Relieved { .. }
            | Self::Filled { .. }
            | Self::NotWorthIt { .. }
            | Self::NoRelief => self.weighed(f),
            Self::AlreadyThere | Self::Pinned | Self::BadRecord | Self::Unplaced => {
                f.write_str(self.name())
            }
        }
    }
}

impl Rejection {
    /// Prints what is a matter of time.
    fn time(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NotBefore { until } => write!(f, "not before {until}"),
            Self::Frozen { until } => write!(f, "frozen until {until}"),
            Self::TargetFrozen { until } => write!(f, "target is frozen until {until}"),
            Self::LeavesBefore { leaves, needed } => {
                write!(f, "target leaves at {leaves}, needed until {needed}")
            }
            Self::CoolingDown { until } => write!(f, "cooling down until {until}"),
            Self::LeftRecently { until } => write!(f, "it left there; not back before {until}"),
            Self::LongRunning { running_secs, most_secs } => {
                write!(f, "running for {running_secs:.0}s, over {most_secs:.0}s: almost done")
            }
            Self::NearlyDone { remaining_secs, least_secs } => {
                write!(f, "done in {remaining_secs:.0}s, a move takes {least_secs:.0}s to pay off")
            }
            Self::NotRepaid { gain, left_secs, price_secs, horizon_secs, .. } => {
                let (gained, price) = (Secs((gain * left_secs).max(0.0)), Secs(price_secs));
                let end =
                    if left_secs < horizon_secs { "it would end in" } else { "the horizon is" };
                write!(f, "{gain:.2} a second gain {gained}, downtime and lost work are {price}")?;
                write!(f, "; {end} {}", Secs(left_secs))
            }
            Self::UnknownTransfer => f.write_str("downtime or lost work are unknown"),
            _ => f.write_str(self.name()),
        }
    }

    /// Prints which budget says no.
    fn budget(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TargetBusy { limit, .. } => write!(f, "{limit} migrations to the target already"),
            Self::SourceBusy { limit, .. } => {
                write!(f, "{limit} migrations from the source already")
            }
            Self::BudgetSpent { limit, .. } => write!(f, "budget of {limit} migrations spent"),
            Self::Unfair { tenant, had, all, tasks, of, .. } => {
                write!(f, "{tenant} was interrupted {had} times of {}", all.saturating_sub(1))?;
                write!(f, ", with {tasks} of {of} tasks")
            }
            Self::UnknownSize => f.write_str("a budget counts bytes, and its size is unknown"),
            Self::MemoryFull { limit, .. } => write!(f, "{limit} recent moves remembered already"),
            Self::BudgetLine { scope, unit, limit, per, spent, .. } => {
                write!(f, "budget of {} for {}", unit.of(limit), scope.name())?;
                match per {
                    Some(per) => write!(f, " in {}: {} begun", Span(per), unit.of(spent)),
                    None => write!(f, " at once: {} under way", unit.of(spent)),
                }
            }
            Self::BudgetInDoubt { scope, until, .. } => {
                let scope = scope.name();
                write!(f, "the budget for {scope} may be spent by an earlier life until {until}")
            }
            _ => f.write_str(self.name()),
        }
    }

    /// Prints what a group says.
    fn group(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Affinity { group, worker } => write!(f, "{group} stays together on {worker}"),
            Self::AntiAffinity { group, task } => write!(f, "{group} keeps apart, {task} is there"),
            Self::Spread { group, skew, most } => {
                write!(f, "{group} would have a skew of {skew}, at most {most}")
            }
            Self::Disruption { group, unavailable, most } => {
                write!(f, "{group} would have {unavailable} unavailable, at most {most}")
            }
            Self::Gang { group } => write!(f, "{group} moves as one, and only to empty a worker"),
            _ => f.write_str(self.name()),
        }
    }

    /// Prints how loads stand, and what the move is worth.
    fn weighed(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::WouldOverload { resource, after, most, .. } => {
                write!(f, "target's {resource} would stand at {after:.3}, above {most:.3}")
            }
            Self::NoGain { after, most } => {
                write!(f, "target would stand at {after:.3}, not below {most:.3}")
            }
            Self::WiderSpread { after, before } => {
                write!(f, "spread would grow from {before:.3} to {after:.3}")
            }
            Self::Relieved { projected, least } => {
                write!(f, "source relieved, projected {projected:.3} (gives above {least:.3})")
            }
            Self::Filled { projected, most } => {
                write!(f, "target filled, projected {projected:.3} (takes below {most:.3})")
            }
            Self::NotWorthIt { cost, benefit, least, .. } => {
                write!(f, "benefit {benefit:.2} less cost {cost:.2} is not above {least:.2}")
            }
            Self::NoRelief => f.write_str("carries nothing of what its worker is full of"),
            _ => f.write_str(self.name()),
        }
    }
}

/// Prints bytes in GiB.
pub(in crate::outcome) struct Gib(pub(in crate::outcome) u64);

impl fmt::Display for Gib {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} GiB", self.0 as f64 / GIB)
    }
}

/// Prints what may be unknown.
struct Known<T>(Option<T>);

impl<T: fmt::Display> fmt::Display for Known<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str("an unknown one"),
        }
    }
}
