//! Which workers are slower than their hardware should be?
//!
//! Each observed speed is divided by the speed that the table states, and the quotient is compared with the median of
//! the peers. Three workers with CUDA at 2.9, 3.0 and 1.2 times a CPU worker, for which the table has 3.0, have the
//! quotients 0.97, 1.00 and 0.40. The last is 0.41 of the median of the others, 0.98, and is suspected below 0.6. If
//! all peers are slower than the table states, the table is wrong, and none is suspected.

use alloc::vec::Vec;

use crate::config::{AdviceRules, Config};
use crate::model::hardware::Hardware;
use crate::outcome::Advice;
use crate::state::State;
use crate::view::View;

/// A worker needs at least this many peers to be compared.
const PEERS: usize = 2;

/// Workers whose hardware runs far below its peers, each with the gap.
pub(super) fn suspects(
    section: &AdviceRules,
    config: &Config,
    state: &State,
    view: &View<'_>,
) -> Vec<(f64, Advice)> {
    let mut found = Vec::new();
    let Some(hardware) = &config.hardware else { return found };
    for kind in Hardware::ALL {
        let known = view.worker_rows().filter_map(|worker| {
            let average = state.learned.speed.get(&view.worker_id(worker))?.get(&kind)?;
            let least = if broken!("advice_reports") { 1 } else { section.reports.get() };
            let compute = view.worker(worker).compute(kind);
            let compute = if broken!("advice_by_the_table") { None } else { compute };
            let promised = hardware.table.profile(kind, compute).performance;
            (average.samples() >= least).then_some((worker, *average, promised))
        });
        let known: Vec<_> = known.collect();
        if known.len() <= PEERS {
            continue;
        }
        let mut kept: Vec<f64> =
            known.iter().map(|(_, average, promised)| average.mean() / promised).collect();
        kept.sort_by(f64::total_cmp);
        for (worker, average, promised) in known {
            let kept_here = average.mean() / promised;
            let expected = promised * median_without(&kept, kept_here);
            let (worker, speed) = (view.worker_id(worker), average.mean());
            if speed < section.slow * expected {
                let peers = u32::try_from(kept.len() - 1).unwrap_or(u32::MAX);
                let reports = average.samples();
                let advice =
                    Advice::SlowWorker { worker, hardware: kind, speed, expected, peers, reports };
                found.push((expected / speed, advice));
            }
        }
    }
    found
}

/// The median of sorted values with one occurrence of `left_out` taken out.
fn median_without(sorted: &[f64], left_out: f64) -> f64 {
    let gone = sorted.partition_point(|value| value.total_cmp(&left_out).is_lt());
    let nth = |nth: usize| sorted[nth + usize::from(nth >= gone)];
    let count = sorted.len() - 1;
    let (below, above) = (nth((count - 1) / 2), nth(count / 2));
    below + (above - below) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_that_of_the_others() {
        let sorted = [0.4, 0.9, 1.0, 1.1];
        assert_eq!(median_without(&sorted, 0.4), 1.0);
        assert_eq!(median_without(&sorted, 1.1), 0.9);
        assert!((median_without(&sorted[..3], 0.4) - 0.95).abs() < 1e-12);
        assert_eq!(median_without(&[0.5, 0.5, 2.0], 0.5), 1.25);
    }
}
