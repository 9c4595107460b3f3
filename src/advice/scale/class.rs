//! Which classes of workers are there?

use alloc::vec::Vec;

use crate::model::resource::ResourceId;
use crate::model::rows::{TaskRow, WorkerRow};
use crate::round::Round;
use crate::rules;
use crate::snapshot::{GroupRule, Stance, Worker};
use crate::view::View;

/// At most this many classes are told apart; workers of further classes belong to none.
const MOST: usize = 16;
/// At most this many classes are advised in one round.
pub(super) const CLASSES: usize = 4;

/// Workers with the same capacities, hardware, devices and labels.
#[derive(Clone, Debug)]
pub(super) struct Class {
    /// The first of them that takes tasks.
    pub(super) model: WorkerRow,
    /// Those that take tasks, by id.
    pub(super) workers: Vec<WorkerRow>,
    /// The position of the class from the smallest to the largest.
    pub(super) rank: usize,
}

/// The classes of the workers that take tasks.
pub(super) fn classes(round: &Round<'_>) -> Vec<Class> {
    let view = round.view;
    let mut classes: Vec<Class> = Vec::new();
    for worker in view.worker_rows().filter(|worker| takes(round, *worker)) {
        let record = view.worker(worker);
        let known = classes.iter().position(|class| is_alike(view.worker(class.model), record));
        match known {
            Some(index) => classes[index].workers.push(worker),
            None if classes.len() < MOST => {
                classes.push(Class { model: worker, workers: alloc::vec![worker], rank: 0 });
            }
            None => {}
        }
    }
    let cores = |class: &Class| view.worker(class.model).capacity.known(ResourceId::CPU);
    let size = |class: &Class| cores(class).unwrap_or(f64::INFINITY);
    let mut order: Vec<usize> = (0..classes.len()).collect();
    order.sort_by(|a, b| size(&classes[*a]).total_cmp(&size(&classes[*b])).then(a.cmp(b)));
    for (rank, index) in order.into_iter().enumerate() {
        classes[index].rank = rank;
    }
    classes
}

/// Whether a worker takes tasks and does not depart soon.
pub(super) fn takes(round: &Round<'_>, worker: WorkerRow) -> bool {
    let accepts = round.view.workers[worker].stance == Stance::Accept;
    accepts && rules::target(round, worker).is_ok()
}

/// Whether two workers are of one class.
fn is_alike(a: &Worker, b: &Worker) -> bool {
    let devices = a.devices.iter().zip(&b.devices);
    let mut devices = devices.map(|(a, b)| {
        (a.hardware, a.memory_bytes, a.compute) == (b.hardware, b.memory_bytes, b.compute)
    });
    let labels = || a.labels.iter().all(|label| b.labels.contains(label));
    a.capacity == b.capacity
        && a.hardware == b.hardware
        && a.devices.len() == b.devices.len()
        && devices.all(|same| same)
        && a.labels.len() == b.labels.len()
        && labels()
}

/// Whether a task must stay together with others.
pub(super) fn is_bound(view: &View<'_>, row: TaskRow) -> bool {
    let mut groups =
        view.groups_of(row).iter().map(|index| &view.snapshot.groups()[*index as usize]);
    groups.any(|group| matches!(group.rule, GroupRule::Affinity | GroupRule::Gang))
}
