//! Links, states that lie elsewhere, and moves that must repay themselves.

use core::time::Duration;

use proptest::collection::vec as list;
use proptest::option::{self, weighted};
use proptest::prelude::*;

use super::cluster::Cluster;
use crate::WorkerId;
use crate::config::Transfer;
use crate::id::ZoneId;
use crate::snapshot::StateAt;

/// The clusters, some of them with workers that know their link and tasks whose state lies elsewhere.
pub fn linked(clusters: impl Strategy<Value = Cluster>) -> impl Strategy<Value = Cluster> {
    let place = prop_oneof![
        Just(StateAt::Shared),
        (1..8_u64).prop_map(|id| StateAt::Worker(WorkerId::new(id))),
        (1..4_u64).prop_map(|id| StateAt::Zone(ZoneId::new(id))),
    ];
    let links = list(weighted(0.7, 1e7..1e10_f64), 8);
    let carrying = weighted(0.4, (links, list(weighted(0.3, place), 16)));
    (clusters, carrying).prop_map(|(mut cluster, carrying)| {
        let Some((links, places)) = carrying else { return cluster };
        for (worker, link) in cluster.workers.iter_mut().zip(links) {
            worker.bandwidth_bytes_per_second = link;
        }
        for (task, place) in cluster.tasks.iter_mut().zip(places) {
            task.state_at = place;
        }
        cluster
    })
}

/// The figures from which a handover is computed.
pub fn transfer() -> impl Strategy<Value = Transfer> {
    let defaults = (weighted(0.8, 1e7..1e10_f64), weighted(0.8, 0..(8_u64 << 30)));
    let times = (0..60_u64, 0..60_u64, option::of(1..3_600_u64));
    (defaults, times).prop_map(|((bandwidth, bytes), (checkpoint, restart, horizon))| Transfer {
        bandwidth_bytes_per_second: bandwidth,
        state_bytes: bytes,
        checkpoint: Duration::from_secs(checkpoint),
        restart: Duration::from_secs(restart),
        horizon: horizon.map(Duration::from_secs),
    })
}
