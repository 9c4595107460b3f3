//! Times to come: workers that leave, maintenance, freezes, checkpoints.

use alloc::vec::Vec;
use core::time::Duration;

use proptest::collection::vec as list;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::Index;

use super::cluster::Cluster;
use crate::id::{GroupId, KindId, ZoneId};
use crate::snapshot::{Freeze, FreezeScope, Maintenance};
use crate::{Timestamp, Worker, WorkerId};

/// What the time to come holds for a cluster, which may be anything.
#[derive(Clone, Debug)]
struct Times {
    leaving: Vec<(Index, u64)>,
    maintenance: Vec<(Index, u64, u64)>,
    checkpoints: Vec<(Index, u64)>,
    freezes: Vec<Freeze>,
}

impl Times {
    fn put(self, mut cluster: Cluster) -> Cluster {
        let Cluster { workers, tasks, freezes, .. } = &mut cluster;
        let worker = |at: &Index, workers: &mut [Worker], set: &dyn Fn(&mut Worker)| {
            let nth = (!workers.is_empty()).then(|| at.index(workers.len()));
            nth.into_iter().for_each(|nth| set(&mut workers[nth]));
        };
        for (at, secs) in &self.leaving {
            let until = Some(Timestamp::from_secs(*secs));
            worker(at, workers, &|worker| worker.available_until = until);
        }
        for (at, from, span) in &self.maintenance {
            let (from, until) = (Timestamp::from_secs(*from), Timestamp::from_secs(from + span));
            worker(at, workers, &|worker| worker.maintenance.push(Maintenance::new(from, until)));
        }
        for (at, secs) in &self.checkpoints {
            let count = tasks.len().max(1);
            if let Some(task) = tasks.get_mut(at.index(count)) {
                task.checkpoint_every = Some(Duration::from_secs(*secs));
            }
        }
        freezes.extend(self.freezes);
        cluster
    }
}

fn freeze() -> impl Strategy<Value = Freeze> {
    let scope = prop_oneof![
        1 => Just(FreezeScope::All),
        2 => (1..7_u64).prop_map(|id| FreezeScope::Worker(WorkerId::new(id))),
        1 => (1..4_u64).prop_map(|id| FreezeScope::Zone(ZoneId::new(id))),
        1 => (1..4_u64).prop_map(|id| FreezeScope::Group(GroupId::new(id))),
        2 => (0..3_u64).prop_map(|id| FreezeScope::Kind(KindId::new(id))),
    ];
    (scope, 0..1_500_u64, proptest::bool::weighted(0.2)).prop_map(|(scope, until, strict)| {
        let freeze = Freeze::new(scope, Timestamp::from_secs(until));
        freeze.with_strict(strict)
    })
}

/// The clusters of another strategy; of some, workers leave in the half hour after the host's epoch, moves are frozen,
/// and tasks take checkpoints.
pub fn timed(clusters: impl Strategy<Value = Cluster>) -> impl Strategy<Value = Cluster> {
    let leaving = list((any::<Index>(), 0..2_500_u64), 0..3);
    let maintenance = list((any::<Index>(), 0..2_500_u64, 1..1_000_u64), 0..2);
    let checkpoints = list((any::<Index>(), 1..900_u64), 0..4);
    let times = (leaving, maintenance, checkpoints, list(freeze(), 0..2));
    let times = times.prop_map(|(leaving, maintenance, checkpoints, freezes)| Times {
        leaving,
        maintenance,
        checkpoints,
        freezes,
    });
    (clusters, weighted(0.3, times)).prop_map(|(cluster, times)| match times {
        Some(times) => times.put(cluster),
        None => cluster,
    })
}
