//! How many moves may be under way at once?

use alloc::vec::Vec;

use super::account::{Account, is_clear};
use super::calendar::is_balanced;
use super::facts::Facts;
use super::round::Round;
use crate::config::Basis;
use crate::snapshot::Stance;

/// How many moves may be under way at once.
pub(super) fn budget(round: &Round<'_>) -> usize {
    let Some(limits) = &round.config.migration else { return 0 };
    if let Some(concurrency) = round.after.concurrency.filter(|_| limits.adaptive.is_some()) {
        // Whether the limit follows from how migrations ended can only be judged over many rounds.
        return concurrency.now as usize;
    }
    let live = round.snapshot.workers().iter();
    let live = live.filter(|worker| worker.stance != Stance::Offline).count();
    let mut most = limits.max_simultaneous.get() as usize;
    // The largest whole number that the share allows, found without rounding.
    while (most + 1) as f64 <= limits.share_of_workers.unwrap_or(0.0) * live as f64 {
        most += 1;
    }
    let each = limits.per_giver.map_or(0, |each| each.get() as usize);
    most.max(each * givers(round, live))
}

/// At most this many workers give tasks: those above the mean or above the high threshold; all workers if loads are not
/// judged as projected, or if the projection cannot be computed.
fn givers(round: &Round<'_>, live: usize) -> usize {
    if round.config.detection.basis != Basis::Projected || !is_clear(round) {
        return live;
    }
    let facts = Facts::new(round);
    let account = Account::open(&facts);
    let workers = round.snapshot.workers().iter().filter(|worker| is_balanced(round, worker));
    let levels: Vec<f64> = workers.filter_map(|worker| account.level(worker)).collect();
    let mean = levels.iter().sum::<f64>() / levels.len().max(1) as f64;
    let least = mean.min(round.outcome.thresholds.high);
    levels.iter().filter(|level| **level > least - 1e-9).count()
}
