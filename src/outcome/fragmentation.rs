//! How much free device memory is useless to a task that needs it in one piece?

use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::model::ids::WorkerId;
use crate::model::resource::{Quantity, ResourceId};

/// How much of the free device memory is useless to a task that needs it in one piece.
///
/// Memory is free if it is neither used nor reserved, and no task that began to move before this round
/// will claim it. A task is never split over devices, so only the device with the most free memory
/// (the widest) counts: the share is `1 - (sum of each worker's widest) / (sum of all free memory)`.
/// For a worker with 16 and 8 GiB free on its two devices the share is 1 - 16 / 24 = 0.333; with 24
/// and 0, or with one device, 0; with 4 GiB on each of four devices, 0.75.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Fragmentation {
    /// Free device memory of all workers, in bytes.
    pub free_bytes: f64,
    /// Free memory of each worker's widest device, summed over all workers, in bytes.
    pub widest_bytes: f64,
    /// The share of free memory that is on other devices, 0 to 1; 0 if nothing is free.
    pub share: f64,
    /// Each worker that states the memory of its devices, by id.
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
    /// Free memory of the device that has the most, in bytes.
    pub widest_bytes: f64,
    /// The share of free memory that is on its other devices, 0 to 1; 0 if nothing is free.
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
