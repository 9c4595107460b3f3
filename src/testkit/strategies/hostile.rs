//! Hostile clusters: records that make no sense among those that do.

use alloc::vec;
use alloc::vec::Vec;

use proptest::collection::vec as list;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::cluster::Cluster;
use super::mixed::clusters;
use crate::id::{ClassId, GroupId, LabelId};
use crate::snapshot::{
    Alternative, BadRecord, Group, GroupRule, Maintenance, Placement, Record, TargetClass,
};
use crate::{ResourceId, Task, TaskId, Timestamp, Worker, WorkerId};

/// What a hostile or broken host does to one record.
#[derive(Clone, Copy, Debug)]
enum Spoil {
    Used(f64),
    Capacity(f64),
    Reserved(f64),
    Temperature(f64),
    Bandwidth(f64),
    WorkerTwice,
    Backwards,
    Demand(f64),
    TaskUsed(f64),
    Priority(u8),
    Device(u16),
    Labels,
    Speed(f64),
    Alternative(u16),
    ExtraCost(f64),
    TaskTwice,
    GhostMember,
    NoSuchClass,
    ClassCost(f64),
    ClassTwice,
    NoSuchWorker,
    Unread(bool),
}

/// Any cluster with records that make no sense among those that do.
pub fn hostile() -> impl Strategy<Value = Cluster> {
    let finite = || select(vec![-1.0, -1e300, 2e19, f64::MAX]);
    let endless = || select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY]);
    let number = || prop_oneof![endless(), finite()];
    let tiny = || select(vec![1e-308, 1e-300, 1e-10]);
    let spoil = prop_oneof![
        number().prop_map(Spoil::Used),
        prop_oneof![number(), tiny()].prop_map(Spoil::Capacity),
        number().prop_map(Spoil::Reserved),
        select(vec![f64::NAN, f64::INFINITY, f64::MAX]).prop_map(Spoil::Temperature),
        prop_oneof![number(), Just(0.0)].prop_map(Spoil::Bandwidth),
        Just(Spoil::WorkerTwice),
        Just(Spoil::Backwards),
        number().prop_map(Spoil::Demand),
        number().prop_map(Spoil::TaskUsed),
        (11..=255_u8).prop_map(Spoil::Priority),
        (8..=u16::MAX).prop_map(Spoil::Device),
        Just(Spoil::Labels),
        prop_oneof![number(), tiny()].prop_map(Spoil::Speed),
        (0..=u16::MAX).prop_map(Spoil::Alternative),
        number().prop_map(Spoil::ExtraCost),
        Just(Spoil::TaskTwice),
        Just(Spoil::GhostMember),
        Just(Spoil::NoSuchClass),
        number().prop_map(Spoil::ClassCost),
        Just(Spoil::ClassTwice),
        Just(Spoil::NoSuchWorker),
        any::<bool>().prop_map(Spoil::Unread),
    ];
    (clusters(), list((spoil, any::<Index>()), 1..6)).prop_map(|(mut cluster, spoils)| {
        for (spoil, at) in spoils {
            spoil.apply(&mut cluster, &at);
        }
        cluster
    })
}

impl Spoil {
    fn apply(self, cluster: &mut Cluster, at: &Index) {
        let Cluster { workers, tasks, groups, classes, unread, .. } = cluster;
        match self {
            Self::GhostMember => {
                let members = [TaskId::new(9_999)].into_iter().collect();
                return groups.push(Group::new(GroupId::new(99), GroupRule::Affinity, members));
            }
            Self::ClassCost(points) => {
                let class = classes.first_mut();
                let class = class.and_then(|class| class.workers.values_mut().next());
                return class.into_iter().for_each(|it| *it = points);
            }
            Self::ClassTwice => {
                let again = classes.first().map(|class| TargetClass::new(class.id));
                return classes.extend(again);
            }
            Self::Unread(worker) => {
                let record = if worker {
                    Record::Worker(WorkerId::new(1 + at.index(4) as u64))
                } else {
                    Record::Task(TaskId::new(1 + at.index(4) as u64))
                };
                return unread.push(BadRecord::new(record, "line", "gibberish", "readable"));
            }
            _ => {}
        }
        if !workers.is_empty() {
            self.spoil_worker(workers, at);
        }
        if !tasks.is_empty() {
            self.spoil_task(tasks, at);
        }
    }

    fn spoil_worker(self, workers: &mut Vec<Worker>, at: &Index) {
        let at = at.index(workers.len());
        let worker = &mut workers[at];
        match self {
            Self::Used(used) => worker.used.set(ResourceId::CPU, used),
            Self::Capacity(capacity) => worker.capacity.set(ResourceId::CPU, capacity),
            Self::Reserved(reserved) => worker.reserved.set(ResourceId::MEMORY, reserved),
            Self::Temperature(celsius) => worker.temperature_celsius = Some(celsius),
            Self::Bandwidth(bytes) => worker.bandwidth_bytes_per_second = Some(bytes),
            Self::Backwards => {
                let (from, until) = (Timestamp::from_secs(9), Timestamp::from_secs(1));
                worker.maintenance.push(Maintenance::new(from, until));
            }
            Self::WorkerTwice => {
                let mut again = worker.clone();
                again.used.set(ResourceId::CPU, 0.0);
                workers.push(again);
            }
            _ => {}
        }
    }

    fn spoil_task(self, tasks: &mut Vec<Task>, at: &Index) {
        let at = at.index(tasks.len());
        let task = &mut tasks[at];
        match self {
            Self::Demand(demand) => task.demand.set(ResourceId::CPU, demand),
            Self::TaskUsed(used) => task.used.set(ResourceId::custom(1), used),
            Self::Priority(priority) => task.priority = priority,
            Self::Device(device) => task.device = Some(device),
            Self::Speed(speed) => task.alternatives.push(Alternative::new(speed)),
            Self::Alternative(nth) => task.alternative = Some(nth),
            Self::ExtraCost(points) => task.extra_cost = Some(points),
            Self::NoSuchClass => task.class = Some(ClassId::new(77)),
            Self::NoSuchWorker => task.placement = Placement::On(WorkerId::new(77)),
            Self::Labels => {
                task.requirements.labels.push(LabelId::new(5));
                task.requirements.forbidden_labels.push(LabelId::new(5));
            }
            Self::TaskTwice => {
                let mut again = task.clone();
                again.priority = 1;
                tasks.push(again);
            }
            _ => {}
        }
    }
}
