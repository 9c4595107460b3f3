//! Does the engine come to rest under constant load?

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::vec::Vec;

use super::footprint::{added_use, asked, run_now};
use super::promise::{Findings, Promise, Violation};
use crate::math::fingerprint::fingerprint;
use crate::model::ids::{TaskId, WorkerId};
use crate::outcome::{Ended, Fate, Outcome};
use crate::snapshot::{Coverage, Placement, Snapshot, Worker};

/// At most this many arrangements are remembered; further ones in one stretch of constant load are not told apart.
const MOST: usize = 4_096;

/// The arrangements of tasks on workers that were seen since the load last changed.
///
/// The engine is a function of what it sees, so it runs in a circle if an arrangement comes back. There are finitely
/// many arrangements, so the engine falls silent if and only if none comes back.
#[derive(Clone, Debug, Default)]
pub(super) struct Quiet {
    load: u64,
    /// A digest of the workers, whatever their load.
    there: u64,
    seen: BTreeSet<u64>,
    /// The last arrangement.
    last: BTreeMap<TaskId, WorkerId>,
    /// The last arrangement with all moves that have completed since.
    expected: BTreeMap<TaskId, WorkerId>,
}

impl Quiet {
    /// Takes in ends of migrations. If one was not carried out, not the load alone decides what the engine does next.
    pub(super) fn ended(&mut self, ended: &[Ended]) {
        for ended in ended {
            if ended.fate == Fate::Completed {
                self.expected.insert(ended.task, ended.to);
            } else {
                self.seen.clear();
            }
        }
    }

    pub(super) fn round(&mut self, snapshot: &Snapshot, outcome: &Outcome) -> Vec<Violation> {
        let mut findings = Findings::new(Promise::NoPingPong);
        // If workers leave and come back by the calendar, the load is not constant.
        let timed = |it: &Worker| it.available_until.is_some() || !it.maintenance.is_empty();
        if !snapshot.freezes().is_empty() || snapshot.workers().iter().any(timed) {
            self.seen.clear();
            return findings.list;
        }
        if !is_whole(snapshot) {
            return findings.list;
        }
        self.note_workers(snapshot);
        // A task may be under way though the host does not show it.
        let under_way = outcome.in_flight as usize > outcome.begun().count();
        let Some(now) = arrangement(snapshot).filter(|_| !under_way) else {
            return findings.list;
        };
        let load = load_print(snapshot);
        if load != self.load || self.expected != now {
            // The load has changed, or something else has moved tasks.
            self.load = load;
            self.seen.clear();
        }
        // A task on another device is in another arrangement.
        let devices = snapshot.tasks().iter().map(|task| (task.device, task.alternative));
        let devices: Vec<_> = devices.collect();
        let print = fingerprint(&(&now, devices));
        let back = now != self.last && self.seen.contains(&print);
        findings.need(!back, || format!("round {}: the same arrangement again", outcome.tick));
        if self.seen.len() < MOST {
            self.seen.insert(print);
        }
        (self.last, self.expected) = (now.clone(), now);
        findings.list
    }

    /// Notes the workers, also while tasks are under way: a worker may be lost and come back before the tasks arrive.
    fn note_workers(&mut self, snapshot: &Snapshot) {
        let there = fingerprint(&snapshot.workers().iter().map(has).collect::<Vec<_>>());
        if there != self.there {
            self.there = there;
            self.seen.clear();
        }
    }
}

/// Whether nothing is unknown.
fn is_whole(snapshot: &Snapshot) -> bool {
    snapshot.coverage() == Coverage::Complete && snapshot.bad_records().is_empty()
}

/// Every task's worker; `None` while any task is under way.
fn arrangement(snapshot: &Snapshot) -> Option<BTreeMap<TaskId, WorkerId>> {
    let places = snapshot.tasks().iter().map(|task| match task.placement {
        Placement::On(worker) => Some((task.id, worker)),
        _ => None,
    });
    places.collect()
}

/// A digest of the load that does not depend on where the tasks are: the workers and their use beside their tasks, the
/// tasks and their demands, the groups.
fn load_print(snapshot: &Snapshot) -> u64 {
    let workers: Vec<_> =
        snapshot.workers().iter().map(|worker| worker_print(snapshot, worker)).collect();
    let tasks = snapshot.tasks().iter().map(|task| {
        let wants = (&task.demand, &task.used, &task.requirements);
        (task.id, wants, task.priority, task.mobility, task.not_before, task.class)
    });
    let tasks: Vec<_> = tasks.collect();
    fingerprint(&(workers, tasks, snapshot.groups(), snapshot.classes()))
}

fn worker_print(snapshot: &Snapshot, worker: &Worker) -> u64 {
    let here = snapshot.tasks().iter().filter(|task| task.placement == Placement::On(worker.id));
    let mut base: BTreeMap<_, f64> = worker.used.iter().collect();
    for task in here {
        let task = run_now(snapshot, task);
        for resource in asked(&task) {
            if let Some(used) = base.get_mut(&resource) {
                *used -= added_use(&task, worker, resource);
            }
        }
    }
    // Whole millionths of the capacity, so that the rounding of sums does not count as a change of load.
    let base = base.into_iter().map(|(resource, used)| {
        let capacity = worker.capacity.get(resource).filter(|capacity| *capacity > 0.0);
        libm::floor(used / capacity.unwrap_or(1.0) * 1e6 + 0.5)
    });
    let base: Vec<f64> = base.map(|share| share + 0.0).collect();
    fingerprint(&(has(worker), base))
}

/// A digest of a worker without its use.
fn has(worker: &Worker) -> u64 {
    let Worker { id, hardware, capacity, labels, zone, stance, .. } = worker;
    fingerprint(&(id, hardware, capacity, labels, zone, stance))
}
