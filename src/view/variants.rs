//! In which ways can a task run?
//!
//! A variant is the task as it would look under one of its alternatives: a plain task with that hardware, that demand
//! and that device memory. Rules and sums use variants and know nothing about alternatives.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::model::hardware::HardwareSet;
use crate::model::resource::Amounts;
use crate::model::rows::{Row, TaskRow};
use crate::snapshot::{Alternative, Placement, Snapshot, Task, Worker};

/// The variants of one task.
#[derive(Clone, Debug)]
pub(crate) struct Variants {
    /// The task under each of its alternatives.
    tasks: Vec<Task>,
    /// Their indices, fastest first.
    order: Vec<u16>,
    /// The alternative by which the task runs now.
    now: u16,
}

impl Variants {
    /// The task under each of its alternatives, fastest first, with their indices.
    pub(crate) fn fastest_first(&self) -> impl Iterator<Item = (u16, &Task)> {
        self.order.iter().map(|nth| (*nth, &self.tasks[usize::from(*nth)]))
    }

    /// The task under the alternative by which it runs now.
    pub(crate) fn current(&self) -> &Task {
        let now = if broken!("alternative_when_there") { 0 } else { self.now };
        &self.tasks[usize::from(now)]
    }

    /// The alternative by which the task runs now.
    pub(crate) const fn now(&self) -> u16 {
        self.now
    }

    /// The task under alternative `nth`; `None` if there is no such alternative.
    pub(crate) fn nth(&self, nth: Option<u16>) -> Option<&Task> {
        self.tasks.get(usize::from(nth?))
    }
}

/// The variants of every task row that has alternatives.
pub(crate) fn variants(snapshot: &Snapshot) -> BTreeMap<TaskRow, Variants> {
    let mut all = BTreeMap::new();
    for (position, task) in snapshot.tasks().iter().enumerate() {
        if let Some(variants) = of(snapshot, task) {
            all.insert(TaskRow::at(position), variants);
        }
    }
    all
}

fn of(snapshot: &Snapshot, task: &Task) -> Option<Variants> {
    if task.alternatives.is_empty() {
        return None;
    }
    let here = match task.placement {
        Placement::On(worker) => Some(worker),
        Placement::Moving { from, .. } => from,
        Placement::Unplaced | Placement::Orphaned => None,
    };
    let kinds = here.and_then(|here| snapshot.worker(here)).map(Worker::kinds);
    let now = alternative(task, kinds.unwrap_or_default())?;
    let order = fastest_first(task).map(|(nth, _)| nth).collect();
    let tasks = (0..).zip(&task.alternatives).map(|(nth, _)| variant(task, nth, now)).collect();
    Some(Variants { tasks, order, now })
}

/// A task's alternatives, fastest first; of equally fast ones, the first.
fn fastest_first(task: &Task) -> impl Iterator<Item = (u16, &Alternative)> {
    let mut all: Vec<(u16, &Alternative)> = (0..=u16::MAX).zip(&task.alternatives).collect();
    if !broken!("fastest_alternative") {
        all.sort_by(|a, b| b.1.speed.total_cmp(&a.1.speed).then(a.0.cmp(&b.0)));
    }
    all.into_iter()
}

/// The alternative by which a task is assumed to run on a worker with this hardware: as the host states, or else the
/// fastest that the worker has the hardware for, or else the first. `None` if it has no alternatives.
pub(crate) fn alternative(task: &Task, kinds: HardwareSet) -> Option<u16> {
    let stated = task.alternative.filter(|nth| usize::from(*nth) < task.alternatives.len());
    stated.or_else(|| alternative_elsewhere(task, kinds))
}

/// Like [`alternative`], for a worker that [`Task::alternative`] says nothing about.
pub(crate) fn alternative_elsewhere(task: &Task, kinds: HardwareSet) -> Option<u16> {
    let mut all = fastest_first(task);
    let able = all.find(|(_, alternative)| alternative.hardware.without(kinds).is_empty());
    able.map(|(nth, _)| nth).or((!task.alternatives.is_empty()).then_some(0))
}

/// The task as it would look under alternative `nth` while it runs under `now`; unchanged if it has no
/// alternatives.
pub(crate) fn by(task: &Task, nth: Option<u16>, now: Option<u16>) -> Cow<'_, Task> {
    match nth.zip(now) {
        Some((nth, now)) => Cow::Owned(variant(task, nth, now)),
        None => Cow::Borrowed(task),
    }
}

/// The task as it would look under alternative `nth`. If it now runs under another one, its measured use is
/// dropped.
fn variant(task: &Task, nth: u16, now: u16) -> Task {
    let Some(alternative) = task.alternatives.get(usize::from(nth)) else { return task.clone() };
    let mut variant = task.clone();
    variant.alternatives = alloc::vec![alternative.clone()];
    variant.alternative = None;
    alternative.demand.iter().for_each(|(resource, amount)| variant.demand.set(resource, amount));
    if nth != now && !broken!("measured_by_one_alternative") {
        variant.used = Amounts::new();
    }
    variant.requirements.all_of = alternative.hardware;
    variant.requirements.gpu_memory_bytes = alternative.gpu_memory_bytes;
    variant.requirements.min_cuda_compute = alternative.min_cuda_compute;
    variant
}
