//! Clusters of every sort, mixed.

use alloc::vec;

use proptest::collection::vec as list;
use proptest::prelude::*;
use proptest::sample::Index;

use super::calendar::timed;
use super::class::classed;
use super::cluster::{Cluster, accelerated, crowded, degenerate, heterogeneous, skewed, uniform};
use super::group::{bound, grouped};
use super::transfer::linked;
use super::wish::{versatile, wishful};

/// Any cluster whose records make sense: small ones, with all their peculiarities.
pub fn clusters() -> impl Strategy<Value = Cluster> {
    linked(timed(classed(prop_oneof![
        2 => uniform(),
        4 => skewed(),
        4 => heterogeneous(),
        3 => accelerated(),
        3 => wishful(),
        3 => versatile(),
        3 => grouped(),
        3 => bound(),
        2 => crowded(),
        1 => degenerate(),
        1 => partial(),
    ])))
}

/// A cluster of which some records are missing, and the host says so.
pub fn partial() -> impl Strategy<Value = Cluster> {
    let whole = prop_oneof![heterogeneous(), skewed(), grouped(), bound()];
    (whole, list(any::<Index>(), 0..3), list(any::<Index>(), 0..3)).prop_map(
        |(mut cluster, workers, tasks)| {
            for index in workers {
                if cluster.workers.len() > 2 {
                    cluster.workers.remove(index.index(cluster.workers.len()));
                }
            }
            for index in tasks {
                if cluster.tasks.len() > 2 {
                    cluster.tasks.remove(index.index(cluster.tasks.len()));
                }
            }
            cluster.partial = true;
            cluster
        },
    )
}
