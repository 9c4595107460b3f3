//! What does a round know? The snapshot in rows and columns, and the observed loads.
//!
//! The view does not change during a round. The [`Ledger`] changes as the plan grows: it starts with the reported loads
//! and the moves in flight, and each chosen move is entered, so that the second move of a round sees the first.

mod cells;
mod charge;
mod companions;
mod domains;
mod extremes;
mod footprint;
mod groups;
mod ledger;
mod measure;
mod under_way;
mod variants;

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::vec::Vec;

use crate::model::hardware::HardwareSet;
use crate::model::ids::{MigrationId, TaskId, WorkerId};
use crate::model::rows::{Column, Row, TaskRow, WorkerRow};
use crate::model::time::Timestamp;
use crate::outcome::SystemLoad;
use crate::snapshot::{FreezeScope, Snapshot, Stance, Task, Topology, Worker};

pub(crate) use cells::DeviceCell;
pub(crate) use charge::{Interruption, charge, charge_of};
pub(crate) use companions::{Companions, placed_with};
pub(crate) use domains::Domains;
pub(crate) use footprint::{Footprint, claims, loads, runs_on_device, suits};
pub(crate) use groups::{Elsewhere, GroupIndexes};
pub(crate) use ledger::{Arrival, Ledger};
pub(crate) use under_way::{UnderWay, Walk, under_way};
pub(crate) use variants::{Variants, alternative, alternative_elsewhere, by, variants};

/// A snapshot as the round observes it.
#[derive(Clone, Debug)]
pub(crate) struct View<'a> {
    /// The snapshot; owned if it replaces one that is not believed.
    pub(crate) snapshot: Cow<'a, Snapshot>,
    pub(crate) workers: Column<WorkerRow, WorkerView>,
    /// Workers that depart before this moment are drained now.
    pub(crate) soon: Timestamp,
    /// How long a task with no known end is assumed to run.
    pub(crate) horizon: Timestamp,
    /// Whether the host names the device of any task.
    pub(crate) names_devices: bool,
    /// The reported loads of all workers that take part in balancing; `None` if none is known.
    pub(crate) load: Option<SystemLoad>,
    /// How much loads fluctuate from sample to sample, as a standard deviation.
    pub(crate) noise: Option<f64>,
    /// The groups of each task row that has any, as indices into the snapshot's groups.
    pub(crate) memberships: BTreeMap<TaskRow, Vec<u32>>,
    /// The freezes in force, by what they hold back.
    pub(crate) freezes: BTreeMap<FreezeScope, FrozenUntil>,
    /// Per group whose members move together, as an index into the snapshot's groups: the first member of which it is
    /// not known where it is, if there is one.
    pub(crate) unknown_members: BTreeMap<u32, TaskId>,
    /// The tasks on a worker that another one was told to forget or to stop, and orphans of which that one may have a
    /// copy; each with the migration that is over. No snapshot shows yet that it was done.
    pub(crate) called_off: BTreeMap<TaskId, MigrationId>,
    /// The variants of each task row that has alternatives.
    pub(crate) variants: BTreeMap<TaskRow, Variants>,
    /// The domains of every topology that a group is spread over.
    pub(crate) domains: BTreeMap<Topology, Rc<Domains>>,
}

/// When the freezes of one scope are over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrozenUntil {
    pub(crate) voluntary: Timestamp,
    /// The strict ones among them; `None` if none is.
    pub(crate) strict: Option<Timestamp>,
}

/// What is known of one worker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WorkerView {
    /// Its load as reported.
    pub(crate) reported: Option<f64>,
    /// Its load with everything in flight as if it had arrived.
    pub(crate) projected: Option<f64>,
    /// The mean of its last five samples, this one among them.
    pub(crate) recent: Option<f64>,
    /// Whether it takes part in balancing: its load is known, and it is neither draining nor offline.
    pub(crate) balanced: bool,
    pub(crate) kinds: HardwareSet,
    /// Its stance; a worker that departs soon is draining.
    pub(crate) stance: Stance,
    /// When it departs; `None` if it stays.
    pub(crate) departs_at: Option<Timestamp>,
}

impl View<'_> {
    pub(crate) fn worker(&self, row: WorkerRow) -> &Worker {
        &self.snapshot.workers()[row.position()]
    }

    pub(crate) fn worker_id(&self, row: WorkerRow) -> WorkerId {
        self.worker(row).id
    }

    pub(crate) fn task(&self, row: TaskRow) -> &Task {
        &self.snapshot.tasks()[row.position()]
    }

    /// All workers, in order.
    pub(crate) fn worker_rows(&self) -> impl DoubleEndedIterator<Item = WorkerRow> + Clone + use<> {
        WorkerRow::first(self.snapshot.workers().len())
    }

    /// All tasks, in order.
    pub(crate) fn task_rows(&self) -> impl DoubleEndedIterator<Item = TaskRow> + Clone + use<> {
        TaskRow::first(self.snapshot.tasks().len())
    }

    /// The groups that a task is in, as indices into the snapshot's groups.
    pub(crate) fn groups_of(&self, row: TaskRow) -> &[u32] {
        if self.memberships.is_empty() {
            return &[];
        }
        let groups = self.memberships.get(&row).map_or(&[][..], Vec::as_slice);
        if broken!("every_group_counts") { &groups[..groups.len().min(1)] } else { groups }
    }

    /// Whether a task will be done before its worker departs, if its departure is the only reason to empty the worker.
    pub(crate) fn is_done_in_time(&self, task: TaskRow, worker: WorkerRow) -> bool {
        if self.worker(worker).stance == Stance::Drain || broken!("may_finish") {
            return false;
        }
        let departs_at = self.workers[worker].departs_at;
        departs_at.is_some_and(|departs| self.task(task).ends_by(self.snapshot.at(), departs))
    }

    /// The variants of a task, if it has alternatives.
    pub(crate) fn variants(&self, row: TaskRow) -> Option<&Variants> {
        if self.variants.is_empty() {
            return None;
        }
        self.variants.get(&row)
    }

    /// A task as it runs on its present worker.
    pub(crate) fn task_here(&self, row: TaskRow) -> &Task {
        self.variants(row).map_or_else(|| self.task(row), Variants::current)
    }

    /// A task as it runs by one of its alternatives, if it has any.
    pub(crate) fn task_by(&self, row: TaskRow, alternative: Option<u16>) -> &Task {
        let variant = self.variants(row).and_then(|variants| variants.nth(alternative));
        variant.unwrap_or_else(|| self.task(row))
    }
}

/// Where a task is, in rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    On(WorkerRow),
    /// On its way; it counts on its source, if it has one, and on its target.
    Moving {
        migration: MigrationId,
        from: Option<WorkerRow>,
        to: Option<WorkerRow>,
    },
    /// Released by its source, and no target has it: the migration needs another one. It may have to go back, so that
    /// its source, if that is listed, keeps its room.
    Stranded {
        migration: MigrationId,
        from: Option<WorkerRow>,
    },
    Orphaned,
    Unplaced,
    /// Reported on a worker of which nothing is known.
    Unknown(WorkerId),
}

impl Place {
    /// The workers that a task counts on: the one that it is on or comes from, and its target.
    pub(crate) const fn ends(self) -> [Option<WorkerRow>; 2] {
        match self {
            Self::On(worker) => [Some(worker), None],
            Self::Moving { from, to, .. } => [from, to],
            Self::Stranded { .. } | Self::Orphaned | Self::Unplaced | Self::Unknown(_) => [None; 2],
        }
    }

    /// The worker that keeps room for a task that no worker has.
    pub(crate) fn kept(self) -> Option<WorkerRow> {
        match self {
            Self::Stranded { from, .. } if !broken!("room_to_return_without_a_target") => from,
            _ => None,
        }
    }

    /// Whether the task has lost its worker.
    pub(crate) const fn is_lost(self) -> bool {
        matches!(self, Self::Orphaned | Self::Stranded { .. })
    }
}
