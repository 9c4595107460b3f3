//! Groups: tasks that share a rule.

use core::num::NonZeroU32;

use proptest::collection::vec as list;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::Index;

use super::cluster::{Cluster, skewed};
use crate::{DomainId, Group, GroupId, GroupRule, Topology, TopologyId, ZoneId};

/// Groups of every rule over a skewed cluster in zones, racks and rooms.
pub fn grouped() -> impl Strategy<Value = Cluster> {
    let groups = list((rule(), list(any::<Index>(), 1..8)), 1..4);
    let places = list((weighted(0.8, 1..4_u64), list(weighted(0.8, 1..4_u64), 2)), 8);
    (skewed(), groups, places).prop_map(|(mut cluster, groups, places)| {
        for (worker, (zone, domains)) in cluster.workers.iter_mut().zip(places) {
            worker.zone = zone.map(ZoneId::new);
            let domains = (1..).zip(domains);
            let known = domains.filter_map(|(nth, at)| Some((TopologyId::new(nth), at?)));
            worker.domains = known.map(|(nth, at)| (nth, DomainId::new(at))).collect();
        }
        cluster.groups = (1..)
            .zip(groups)
            .map(|(id, (rule, members))| {
                let members = members.iter().map(|member| member.get(&cluster.tasks).id);
                Group::new(GroupId::new(id), rule, members.collect())
            })
            .collect();
        cluster
    })
}

/// Any rule.
fn rule() -> impl Strategy<Value = GroupRule> {
    let over = prop_oneof![
        2 => Just(Topology::Zone),
        2 => (1..3_u64).prop_map(|id| Topology::Label(TopologyId::new(id))),
        1 => Just(Topology::Worker),
    ];
    prop_oneof![
        Just(GroupRule::Affinity),
        Just(GroupRule::AntiAffinity),
        (1..3_u32, over).prop_map(|(skew, over)| GroupRule::Spread {
            max_skew: NonZeroU32::new(skew).unwrap_or(NonZeroU32::MIN),
            over,
        }),
    ]
}
