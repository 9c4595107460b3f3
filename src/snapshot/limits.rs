//! How long may the lists of a record be? A round asks about them again and again, so that one endless list would stall
//! it; a record with a longer one is bad, and what is too much is dropped.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use super::check::{BadRecord, Record};
use super::{Group, Task, Worker};
use crate::model::ids::TaskId;
use crate::model::resource::{Amounts, ResourceId};

/// Resources in one list of amounts.
const RESOURCES: usize = 64;
/// Kinds of resources that workers have or tasks ask for, in one snapshot: a round keeps a figure per worker and kind.
const KINDS_OF_RESOURCES: usize = 256;
/// Alternative ways in which one task can run.
const ALTERNATIVES: usize = 64;
/// Labels of one worker or task.
const LABELS: usize = 256;
/// Labels that one task requires, or forbids.
const REQUIRED_LABELS: usize = 64;
/// Accelerators of one worker.
const DEVICES: usize = 256;
/// Topologies in which one worker states its domain.
const DOMAINS: usize = 64;
/// Spans in which one worker is out of service.
const MAINTENANCE: usize = 256;
/// Groups that one task is in.
const GROUPS: usize = 64;

/// Notes a list that is longer than it may be; whether it is.
fn is_long(
    record: Record,
    field: &str,
    count: usize,
    most: usize,
    bad: &mut Vec<BadRecord>,
) -> bool {
    let is_long = count > most;
    if is_long {
        let (value, must) = (format!("{count} entries"), format!("at most {most} entries"));
        bad.push(BadRecord::new(record, field, &value, &must));
    }
    is_long
}

/// Notes a list that is too long, and drops what is too much.
fn shorten<T>(
    record: Record,
    field: &str,
    list: &mut Vec<T>,
    most: usize,
    bad: &mut Vec<BadRecord>,
) {
    if is_long(record, field, list.len(), most, bad) {
        list.truncate(most);
    }
}

/// Notes a list of amounts that is too long, and drops what is too much.
fn shorten_amounts(record: Record, field: &str, amounts: &mut Amounts, bad: &mut Vec<BadRecord>) {
    if is_long(record, field, amounts.iter().count(), RESOURCES, bad) {
        *amounts = amounts.iter().take(RESOURCES).collect();
    }
}

/// The lists of a worker. Its devices stay, since tasks name them by their places in the list, and so do its domains,
/// each of which is looked up.
pub(super) fn worker(worker: &mut Worker, bad: &mut Vec<BadRecord>) {
    let record = Record::Worker(worker.id);
    shorten_amounts(record, "capacity", &mut worker.capacity, bad);
    shorten_amounts(record, "reserved", &mut worker.reserved, bad);
    shorten_amounts(record, "used", &mut worker.used, bad);
    shorten(record, "labels", &mut worker.labels, LABELS, bad);
    is_long(record, "devices", worker.devices.len(), DEVICES, bad);
    shorten(record, "maintenance", &mut worker.maintenance, MAINTENANCE, bad);
    is_long(record, "domains", worker.domains.len(), DOMAINS, bad);
}

/// The lists of a task.
pub(super) fn task(task: &mut Task, bad: &mut Vec<BadRecord>) {
    let record = Record::Task(task.id);
    shorten_amounts(record, "demand", &mut task.demand, bad);
    shorten_amounts(record, "used", &mut task.used, bad);
    shorten(record, "labels", &mut task.labels, LABELS, bad);
    let needs = &mut task.requirements;
    shorten(record, "requirements.labels", &mut needs.labels, REQUIRED_LABELS, bad);
    let forbidden = &mut needs.forbidden_labels;
    shorten(record, "requirements.forbidden_labels", forbidden, REQUIRED_LABELS, bad);
    if is_long(record, "alternatives", task.alternatives.len(), ALTERNATIVES, bad) {
        task.alternatives.truncate(ALTERNATIVES);
        task.alternative = None;
    }
    for (nth, alternative) in task.alternatives.iter_mut().enumerate() {
        let field = format!("alternatives.{nth}.demand");
        shorten_amounts(record, &field, &mut alternative.demand, bad);
    }
}

/// A task in too many groups is left alone: every rule of every group would be asked of it, worker by worker.
pub(super) fn groups(groups: &[Group], tasks: &[Task], bad: &mut Vec<BadRecord>) {
    if groups.len() <= GROUPS {
        return;
    }
    let mut counts: BTreeMap<TaskId, usize> = BTreeMap::new();
    let members = groups.iter().flat_map(|group| &group.members);
    members.for_each(|member| *counts.entry(*member).or_default() += 1);
    for (task, count) in counts {
        if tasks.binary_search_by_key(&task, |task| task.id).is_ok() {
            is_long(Record::Task(task), "groups", count, GROUPS, bad);
        }
    }
}

/// If there are too many kinds of resources, those count that most records name, and of equally frequent ones those
/// with the lowest ids. A record that names another one is bad.
pub(super) fn resources(workers: &mut [Worker], tasks: &mut [Task], bad: &mut Vec<BadRecord>) {
    let mut counts: BTreeMap<ResourceId, usize> = BTreeMap::new();
    let capacities = workers.iter().map(|worker| &worker.capacity);
    let demands = tasks.iter().flat_map(demands);
    for (resource, _) in capacities.chain(demands).flat_map(Amounts::iter) {
        *counts.entry(resource).or_default() += 1;
    }
    if counts.len() <= KINDS_OF_RESOURCES {
        return;
    }
    let mut kinds: Vec<(ResourceId, usize)> = counts.into_iter().collect();
    kinds.sort_by_key(|(resource, count)| (core::cmp::Reverse(*count), *resource));
    let mut known: Vec<ResourceId> = kinds.iter().map(|(resource, _)| *resource).collect();
    known.truncate(KINDS_OF_RESOURCES);
    known.sort_unstable();
    for worker in workers {
        let record = Record::Worker(worker.id);
        keep_known(record, "capacity", &mut worker.capacity, &known, bad);
    }
    for task in tasks {
        let record = Record::Task(task.id);
        keep_known(record, "demand", &mut task.demand, &known, bad);
        for (nth, alternative) in task.alternatives.iter_mut().enumerate() {
            let field = format!("alternatives.{nth}.demand");
            keep_known(record, &field, &mut alternative.demand, &known, bad);
        }
    }
}

/// What a task asks for in every way in which it can run.
fn demands(task: &Task) -> impl Iterator<Item = &Amounts> {
    let alternatives = task.alternatives.iter().map(|alternative| &alternative.demand);
    core::iter::once(&task.demand).chain(alternatives)
}

/// Notes the first resource that is not known, and drops all of them.
fn keep_known(
    record: Record,
    field: &str,
    amounts: &mut Amounts,
    known: &[ResourceId],
    bad: &mut Vec<BadRecord>,
) {
    let is_known = |resource: &ResourceId| known.binary_search(resource).is_ok();
    let strange = amounts.iter().find(|(resource, _)| !is_known(resource));
    let Some((resource, amount)) = strange else { return };
    let field = format!("{field}.{resource}");
    let must = format!("of one of the {KINDS_OF_RESOURCES} resources that most records name");
    bad.push(BadRecord::new(record, &field, &amount.to_string(), &must));
    *amounts = amounts.iter().filter(|(resource, _)| is_known(resource)).collect();
}
