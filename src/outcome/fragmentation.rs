//! How much free device memory is of no use in one piece?

use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::model::ids::WorkerId;
use crate::model::resource::{Quantity, ResourceId};

/// How much of the free device memory is of no use to a task that needs it in one piece.
///
/// Free is what nobody uses, has reserved, or is on the way to before this round. The share is `1 -
/// (sum of each worker's largest hole) / (sum of all that is free)`: a task is never split over
/// devices, so what lies outside a worker's largest hole does not add to what it can take. One worker
/// with 16 and 8 GiB free on its two devices stands at 1 - 16 / 24 = 0.333; with 24 and 0, or with one
/// device, at 0; with 4 GiB on each of four, at 0.75.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Fragmentation {
    /// Free device memory of all workers, in bytes.
    pub free_bytes: f64,
    /// The largest holes of all workers added up, in bytes.
    pub widest_bytes: f64,
    /// The share of free memory that is not in them, 0 to 1; 0 where nothing is free.
    pub share: f64,
    /// Each worker that says how much memory its devices have, by id.
    pub workers: Vec<WorkerFragmentation>,
}

/// How free device memory is cut up on one worker.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WorkerFragmentation {
    /// The worker.
    pub worker: WorkerId,
    /// Free memory of all its devices, in bytes.
    pub free_bytes: f64,
    /// Free memory of the device that has most, in bytes.
    pub widest_bytes: f64,
    /// The share of free memory that is not there, 0 to 1; 0 where nothing is free.
    pub share: f64,
}

impl Fragmentation {
    /// From the free memory of each worker's devices; `None` if no worker states its device memory.
    pub(crate) fn of(workers: impl Iterator<Item = (WorkerId, Vec<f64>)>) -> Option<Self> {
        let mut all = Self::default();
        for (worker, holes) in workers.filter(|(_, holes)| !holes.is_empty()) {
            let free_bytes: f64 = holes.iter().map(|free| free.max(0.0)).sum();
            let widest_hole = holes.iter().copied().fold(0.0, f64::max);
            let widest_bytes = if broken!("fragmentation") { free_bytes } else { widest_hole };
            let share = share(free_bytes, widest_bytes);
            all.free_bytes += free_bytes;
            all.widest_bytes += widest_bytes;
            all.workers.push(WorkerFragmentation { worker, free_bytes, widest_bytes, share });
        }
        all.share = share(all.free_bytes, all.widest_bytes);
        (!all.workers.is_empty()).then_some(all)
    }
}

fn share(free: f64, widest: f64) -> f64 {
    if free > 0.0 { (1.0 - widest / free).max(0.0) } else { 0.0 }
}

impl fmt::Display for Fragmentation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { free_bytes, share, workers, .. } = self;
        let free = Quantity(ResourceId::GPU_MEMORY, *free_bytes);
        write!(
            f,
            "{free} free on {} workers, {share:.3} of it not in their largest holes",
            workers.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Fragmentation;
    use crate::model::ids::WorkerId;
    use alloc::{format, string::String, vec, vec::Vec};

    #[test]
    fn what_lies_outside_the_largest_hole_counts() {
        let share = |holes: Vec<f64>| {
            let of = Fragmentation::of([(WorkerId::new(1), holes)].into_iter());
            of.map(|it| format!("{:.3}", it.share))
        };
        let is = |share: Option<String>, text: &str| assert_eq!(share.as_deref(), Some(text));
        is(share(vec![16.0, 8.0]), "0.333");
        is(share(vec![24.0, 0.0]), "0.000");
        is(share(vec![4.0; 4]), "0.750");
        is(share(vec![-1.0, 0.0]), "0.000");
        assert_eq!(share(vec![]), None);
    }
}
