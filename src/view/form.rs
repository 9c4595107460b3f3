//! The tasks of a round by each of the ways they can run.
//!
//! A task with alternatives is, by each of them, a task like any other: it asks for that hardware,
//! that much of each resource and that much memory of a device. Rules and sums are put to these forms
//! and need not know of alternatives.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::model::hardware::HardwareSet;
use crate::model::resource::Amounts;
use crate::snapshot::{Alternative, Placement, Snapshot, Task, Worker};

/// The forms of one task.
#[derive(Clone, Debug)]
pub(crate) struct Forms {
    /// The task by each of its alternatives.
    tasks: Vec<Task>,
    /// Their indices, fastest first.
    order: Vec<u16>,
    /// The one by which it runs where it is.
    now: u16,
}

impl Forms {
    /// The task by each of its alternatives, fastest first, with their indices.
    pub(crate) fn fastest_first(&self) -> impl Iterator<Item = (u16, &Task)> {
        self.order.iter().map(|nth| (*nth, &self.tasks[usize::from(*nth)]))
    }

    /// The task by the alternative by which it runs where it is.
    pub(crate) fn here(&self) -> &Task {
        &self.tasks[usize::from(self.now)]
    }

    /// The task by one of its alternatives; as it is where there is no such one.
    pub(crate) fn nth(&self, nth: Option<u16>) -> Option<&Task> {
        self.tasks.get(usize::from(nth?))
    }
}

/// The forms of every task row that has any.
pub(crate) fn forms(snapshot: &Snapshot) -> BTreeMap<u32, Forms> {
    let tasks = (0..).zip(snapshot.tasks());
    let tasks = tasks.filter(|(_, task)| !task.alternatives.is_empty());
    tasks.filter_map(|(row, task)| Some((row, of(snapshot, task)?))).collect()
}

fn of(snapshot: &Snapshot, task: &Task) -> Option<Forms> {
    let here = match task.placement {
        Placement::On(worker) => Some(worker),
        Placement::Moving { from, .. } => from,
        Placement::Unplaced | Placement::Orphaned => None,
    };
    let kinds = here.and_then(|here| snapshot.worker(here)).map(Worker::kinds);
    let now = alternative(task, kinds.unwrap_or_default())?;
    let order: Vec<u16> = fastest_first(task).map(|(nth, _)| nth).collect();
    let tasks = (0..).zip(&task.alternatives).map(|(nth, _)| form(task, nth, now)).collect();
    Some(Forms { tasks, order, now })
}

/// A task's alternatives, the fastest first; of equals, the first.
fn fastest_first(task: &Task) -> impl Iterator<Item = (u16, &Alternative)> {
    let mut all: Vec<(u16, &Alternative)> = (0..=u16::MAX).zip(&task.alternatives).collect();
    all.sort_by(|a, b| b.1.speed.total_cmp(&a.1.speed).then(a.0.cmp(&b.0)));
    all.into_iter()
}

/// The alternative by which a task is taken to run on a worker with this hardware: as the host says, or
/// else the fastest that the worker has the hardware for, or else the first. None of a task that has none.
pub(crate) fn alternative(task: &Task, kinds: HardwareSet) -> Option<u16> {
    let stated = task.alternative.filter(|nth| usize::from(*nth) < task.alternatives.len());
    stated.or_else(|| alternative_elsewhere(task, kinds))
}

/// The same on a worker of which the host does not speak where it says by which alternative the task runs.
pub(crate) fn alternative_elsewhere(task: &Task, kinds: HardwareSet) -> Option<u16> {
    let equipped = |it: &(u16, &Alternative)| it.1.hardware.without(kinds).is_empty();
    let able = fastest_first(task).find(equipped).map(|(nth, _)| nth);
    able.or((!task.alternatives.is_empty()).then_some(0))
}

/// A task as it runs by one of its alternatives, now running by another; as it is if it has none.
pub(crate) fn by(task: &Task, nth: Option<u16>, now: Option<u16>) -> Cow<'_, Task> {
    match nth.zip(now) {
        Some((nth, now)) => Cow::Owned(form(task, nth, now)),
        None => Cow::Borrowed(task),
    }
}

/// A task as it runs by one of its alternatives, now running by another: what it is measured to use
/// says nothing of this one.
fn form(task: &Task, nth: u16, now: u16) -> Task {
    let Some(alternative) = task.alternatives.get(usize::from(nth)) else { return task.clone() };
    let mut form = task.clone();
    form.alternatives = alloc::vec![alternative.clone()];
    form.alternative = None;
    alternative.demand.iter().for_each(|(resource, amount)| form.demand.set(resource, amount));
    if nth != now {
        form.used = Amounts::new();
    }
    form.requirements.all_of = alternative.hardware;
    form.requirements.gpu_memory_bytes = alternative.gpu_memory_bytes;
    form.requirements.min_cuda_compute = alternative.min_cuda_compute;
    form
}
