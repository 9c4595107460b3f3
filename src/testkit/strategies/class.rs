//! Classes of targets over any cluster.

use alloc::vec::Vec;

use proptest::collection::vec as list;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::Index;

use super::cluster::Cluster;
use crate::WorkerId;
use crate::id::ClassId;
use crate::snapshot::TargetClass;

/// The clusters, some of them with classes of targets, some of whose workers cost extra or do not exist.
pub fn classed(clusters: impl Strategy<Value = Cluster>) -> impl Strategy<Value = Cluster> {
    let class = list((1..8_u64, weighted(0.4, 0.0..6.0_f64)), 0..6);
    let classes = weighted(0.3, (list(class, 1..4), list(weighted(0.6, any::<Index>()), 16)));
    (clusters, classes).prop_map(|(mut cluster, classes)| {
        let Some((classes, of)) = classes else { return cluster };
        let classes = (1..).zip(classes).map(|(id, workers)| {
            workers.into_iter().fold(
                TargetClass::new(ClassId::new(id)),
                |class, (worker, points)| {
                    class.with_worker(WorkerId::new(worker), points.unwrap_or(0.0))
                },
            )
        });
        cluster.classes = classes.collect();
        let ids: Vec<ClassId> = cluster.classes.iter().map(|class| class.id).collect();
        for (task, of) in cluster.tasks.iter_mut().zip(of) {
            task.class = of.map(|at| *at.get(&ids));
        }
        cluster
    })
}
