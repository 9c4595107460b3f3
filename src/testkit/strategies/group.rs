//! Groups: tasks that share a rule.

use alloc::vec;
use alloc::vec::Vec;
use core::num::NonZeroU32;

use proptest::collection::vec as list;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::Index;

use super::cluster::{Cluster, skewed};
use crate::id::{DomainId, GroupId, TopologyId, ZoneId};
use crate::snapshot::{Group, GroupRule, Mobility, Placement, Stance, Topology};

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
        add_groups(&mut cluster, 1, groups);
        cluster
    })
}

/// The same, and overlapping groups; workers drain, hold or are out of reach, and tasks are without one.
pub fn bound() -> impl Strategy<Value = Cluster> {
    let stance = prop_oneof![
        5 => Just(Stance::Accept),
        1 => Just(Stance::Hold),
        2 => Just(Stance::Drain),
        1 => Just(Stance::Offline),
    ];
    let placement = prop_oneof![
        8 => Just(None),
        1 => Just(Some(Placement::Orphaned)),
        1 => Just(Some(Placement::Unplaced)),
    ];
    let more = list((rule(), list(any::<Index>(), 2..6)), 0..4);
    let gang = weighted(0.7, list(any::<Index>(), 2..4));
    (grouped(), list(stance, 6), list(placement, 16), more, gang).prop_map(
        |(mut cluster, stances, placements, more, gang)| {
            for (worker, stance) in cluster.workers.iter_mut().zip(stances) {
                worker.stance = stance;
            }
            for (task, placement) in cluster.tasks.iter_mut().zip(placements) {
                task.placement = placement.unwrap_or(task.placement);
            }
            add_groups(&mut cluster, 11, more);
            if let Some(gang) = gang {
                // As far as it depends on the tasks themselves, it may move.
                for member in &gang {
                    let at = member.index(cluster.tasks.len());
                    let task = &mut cluster.tasks[at];
                    (task.mobility, task.not_before) = (Mobility::Checkpoint, None);
                }
                add_groups(&mut cluster, 21, vec![(GroupRule::Gang, gang)]);
            }
            cluster
        },
    )
}

/// Adds groups, numbered from here on.
fn add_groups(cluster: &mut Cluster, first: u64, groups: Vec<(GroupRule, Vec<Index>)>) {
    for (id, (rule, members)) in (first..).zip(groups) {
        let members = members.iter().map(|member| member.get(&cluster.tasks).id).collect();
        cluster.groups.push(Group::new(GroupId::new(id), rule, members));
    }
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
        Just(GroupRule::Gang),
        (1..3_u32, over).prop_map(|(skew, over)| GroupRule::Spread {
            max_skew: NonZeroU32::new(skew).unwrap_or(NonZeroU32::MIN),
            over,
        }),
        (0..3_u32).prop_map(|most| GroupRule::Disruption { max_unavailable: most }),
    ]
}
