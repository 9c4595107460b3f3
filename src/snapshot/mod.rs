//! What does the host report about its workers and tasks, and is it valid?
//!
//! This is the trust boundary: input is checked here, and nowhere after. Records come in any order. An invalid record
//! (a duplicate, a NaN, a reference to nothing) is set aside as a [`BadRecord`] that names the record, the field and
//! the value; the rest is used.
//!
//! A worker with a bad field is not gone but *unusable*: its load counts as unknown, so in this round it takes no task
//! and is not relieved. A draining worker is emptied even if one of its figures is bad, but not if its whole record is
//! in doubt: if there are several records with its id, or the host could not read it. A task with a bad field stays on
//! its worker.

mod calendar;
mod check;
mod class;
mod coverage;
mod group;
mod limits;
mod reading;
mod report;
mod task;
mod worker;

use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::model::ids::{ClassId, TaskId, WorkerId};
use crate::model::rows::{Row, TaskRow, WorkerRow};
use crate::model::time::Timestamp;

pub use calendar::{Freeze, FreezeScope, Maintenance};
pub use check::{BadRecord, Record};
pub use class::TargetClass;
pub use coverage::Coverage;
pub use group::{Group, GroupRule, Topology};
pub use report::{Event, Report};
pub use task::{Alternative, Mobility, Phase, Placement, Requirements, StateAt, Task};
pub use worker::{Device, Stance, Worker};

/// The cluster at one moment: the only input of a round.
///
/// ```
/// use evenkeel::{ResourceId, Snapshot, Task, TaskId, Timestamp, Worker, WorkerId};
/// let (w1, t1) = (WorkerId::new(1), TaskId::new(1));
/// let snapshot = Snapshot::builder(Timestamp::from_secs(30))
///     .worker(Worker::new(w1).with_capacity(ResourceId::CPU, 16.0))
///     .task(Task::new(t1).on(w1).with_demand(ResourceId::CPU, f64::NAN))
///     .build();
/// assert_eq!(
///     snapshot.bad_records()[0].to_string(),
///     "task t1: demand.cpu is NaN; it must be a finite number from 0 up"
/// );
/// assert_eq!(snapshot.workers().len(), 1); // the rest goes on
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "SnapshotBuilder")]
pub struct Snapshot {
    at: Timestamp,
    #[serde(default)]
    coverage: Coverage,
    workers: Vec<Worker>,
    tasks: Vec<Task>,
    groups: Vec<Group>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    freezes: Vec<Freeze>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    classes: Vec<TargetClass>,
    reports: Vec<Report>,
    bad_records: Vec<BadRecord>,
    /// The ids of `workers`, row by row: a search in them reads no records.
    #[serde(skip)]
    worker_ids: Vec<WorkerId>,
    /// Rows of workers with a bad record, in order.
    #[serde(skip)]
    unusable: Vec<u32>,
    /// Those of them whose whole record is in doubt, not only a figure.
    #[serde(skip)]
    doubtful: Vec<u32>,
    /// Rows of tasks with a bad record, in order.
    #[serde(skip)]
    frozen: Vec<u32>,
    /// Rows of tasks of which nobody knows where they are, in order.
    #[serde(skip)]
    unplaced: Vec<u32>,
    /// Rows of workers of which nobody knows how much is reserved, in order.
    #[serde(skip)]
    crowded: Vec<u32>,
    /// Unlisted workers whose grace period lasts, in order. The host lists none: the engine finds them.
    #[serde(skip)]
    awaited: Vec<WorkerId>,
}

impl Snapshot {
    /// Starts a snapshot of this moment.
    pub const fn builder(at: Timestamp) -> SnapshotBuilder {
        SnapshotBuilder {
            at,
            coverage: Coverage::Complete,
            workers: Vec::new(),
            tasks: Vec::new(),
            groups: Vec::new(),
            freezes: Vec::new(),
            reports: Vec::new(),
            bad_records: Vec::new(),
            classes: Vec::new(),
        }
    }

    /// The moment that the snapshot shows.
    pub const fn at(&self) -> Timestamp {
        self.at
    }

    /// Whether the snapshot lists everything there is.
    pub const fn coverage(&self) -> Coverage {
        self.coverage
    }

    /// Its workers by id.
    pub fn workers(&self) -> &[Worker] {
        &self.workers
    }

    /// Its tasks by id.
    pub fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    /// Its groups by id.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Its freezes, in order.
    pub fn freezes(&self) -> &[Freeze] {
        &self.freezes
    }

    /// Its classes of targets by id.
    pub fn classes(&self) -> &[TargetClass] {
        &self.classes
    }

    /// One class of targets by id; `None` if it is not listed.
    pub fn class(&self, id: ClassId) -> Option<&TargetClass> {
        let row = self.classes.binary_search_by_key(&id, |class| class.id).ok();
        row.map(|row| &self.classes[row])
    }

    /// The reports in the snapshot, in the order in which the engine reads them.
    pub fn reports(&self) -> &[Report] {
        &self.reports
    }

    /// The records that were set aside, and why.
    pub fn bad_records(&self) -> &[BadRecord] {
        &self.bad_records
    }

    /// One worker by id; `None` if it is not listed.
    pub fn worker(&self, id: WorkerId) -> Option<&Worker> {
        self.worker_row(id).map(|row| &self.workers[row.position()])
    }

    /// One task by id; `None` if it is not listed.
    pub fn task(&self, id: TaskId) -> Option<&Task> {
        self.task_row(id).map(|row| &self.tasks[row.position()])
    }

    /// The same snapshot as a partial one, without the workers that are out of reach.
    pub(crate) fn doubted(&self) -> Self {
        let in_reach = |worker: &&Worker| worker.stance != Stance::Offline;
        let builder = SnapshotBuilder {
            at: self.at,
            coverage: Coverage::Partial,
            workers: self.workers.iter().filter(in_reach).cloned().collect(),
            tasks: self.tasks.clone(),
            groups: self.groups.clone(),
            freezes: self.freezes.clone(),
            reports: self.reports.clone(),
            bad_records: self.bad_records.clone(),
            classes: self.classes.clone(),
        };
        builder.build()
    }

    /// The same snapshot, with these unlisted workers as missing for the time being, and not as gone. They are in
    /// order.
    pub(crate) fn awaiting(&self, awaited: Vec<WorkerId>) -> Self {
        Self { awaited, ..self.clone() }
    }

    /// Whether a worker is not listed, and its grace period lasts.
    pub(crate) fn is_awaited(&self, id: WorkerId) -> bool {
        self.awaited.binary_search(&id).is_ok()
    }

    /// Whether a worker is gone: the host says so, or a complete snapshot does not list it and its grace period is
    /// over. This is the only place that decides it.
    pub(crate) fn is_gone(&self, id: WorkerId) -> bool {
        match self.worker(id) {
            Some(worker) => worker.stance == Stance::Offline,
            None => self.coverage == Coverage::Complete && !self.is_awaited(id),
        }
    }

    /// Whether a task that is not listed is over: nothing is left out, and every worker is there or gone.
    pub(crate) fn is_whole(&self) -> bool {
        self.coverage == Coverage::Complete && self.awaited.is_empty()
    }

    pub(crate) fn worker_row(&self, id: WorkerId) -> Option<WorkerRow> {
        // A row is at most as far from the first row as its id is from the first id, and most hosts number their
        // workers without gaps.
        let ids = &self.worker_ids;
        let far = id.raw().checked_sub(ids.first()?.raw())?;
        let last = usize::try_from(far).unwrap_or(usize::MAX).min(ids.len() - 1);
        let found = if ids[last] == id { Some(last) } else { ids[..last].binary_search(&id).ok() };
        found.map(WorkerRow::at)
    }

    pub(crate) fn task_row(&self, id: TaskId) -> Option<TaskRow> {
        self.tasks.binary_search_by_key(&id, |task| task.id).ok().map(TaskRow::at)
    }

    /// Whether the metrics of the worker in this row can be trusted this round.
    pub(crate) fn is_usable(&self, row: WorkerRow) -> bool {
        !spoilt(&self.unusable, row.position())
    }

    /// Whether the record of the worker in this row is certain, impossible figures aside: there is only one, and the
    /// host could read it.
    pub(crate) fn is_certain(&self, row: WorkerRow) -> bool {
        !spoilt(&self.doubtful, row.position())
    }

    /// Whether it is known how much room the worker in this row has: what is reserved is stated, or known of each of
    /// its tasks.
    pub(crate) fn is_room_known(&self, row: WorkerRow) -> bool {
        !spoilt(&self.crowded, row.position())
    }

    /// Whether it is known where the task in this row is.
    pub(crate) fn is_place_known(&self, row: TaskRow) -> bool {
        !spoilt(&self.unplaced, row.position())
    }

    /// Whether the record of the task in this row is valid.
    pub(crate) fn is_sound(&self, row: TaskRow) -> bool {
        !spoilt(&self.frozen, row.position())
    }
}

/// Whether a sorted list of rows holds this one.
fn spoilt(rows: &[u32], row: usize) -> bool {
    u32::try_from(row).is_ok_and(|row| rows.binary_search(&row).is_ok())
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (workers, tasks) = (self.workers.len(), self.tasks.len());
        write!(f, "{} at {}: {workers} workers, {tasks} tasks", self.coverage, self.at)?;
        match self.bad_records.len() {
            0 => Ok(()),
            bad => write!(f, ", {bad} bad records"),
        }
    }
}

/// Collects records for a [`Snapshot`], in any order.
///
/// A snapshot that is read from a file goes through this builder too. What cannot be read there is noted as a
/// [`BadRecord`]: a field costs that field, and a worker or task is kept by its id alone. If not even an id can be
/// read, the snapshot counts as partial.
#[derive(Clone, Debug, Serialize)]
#[must_use]
pub struct SnapshotBuilder {
    at: Timestamp,
    coverage: Coverage,
    workers: Vec<Worker>,
    tasks: Vec<Task>,
    groups: Vec<Group>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    freezes: Vec<Freeze>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    classes: Vec<TargetClass>,
    reports: Vec<Report>,
    /// The records that an earlier check set aside, if the snapshot is read back from a log.
    bad_records: Vec<BadRecord>,
}

impl SnapshotBuilder {
    /// Makes the snapshot partial: a worker or task that is not listed is unknown, not gone.
    pub fn partial(mut self) -> Self {
        self.coverage = Coverage::Partial;
        self
    }

    /// Adds a worker.
    pub fn worker(mut self, worker: Worker) -> Self {
        self.workers.push(worker);
        self
    }

    /// Adds workers.
    pub fn workers(mut self, workers: impl IntoIterator<Item = Worker>) -> Self {
        self.workers.extend(workers);
        self
    }

    /// Adds a task.
    pub fn task(mut self, task: Task) -> Self {
        self.tasks.push(task);
        self
    }

    /// Adds tasks.
    pub fn tasks(mut self, tasks: impl IntoIterator<Item = Task>) -> Self {
        self.tasks.extend(tasks);
        self
    }

    /// Adds a group.
    pub fn group(mut self, group: Group) -> Self {
        self.groups.push(group);
        self
    }

    /// Adds groups.
    pub fn groups(mut self, groups: impl IntoIterator<Item = Group>) -> Self {
        self.groups.extend(groups);
        self
    }

    /// Freezes something for a while.
    pub fn freeze(mut self, freeze: Freeze) -> Self {
        self.freezes.push(freeze);
        self
    }

    /// Freezes several things.
    pub fn freezes(mut self, freezes: impl IntoIterator<Item = Freeze>) -> Self {
        self.freezes.extend(freezes);
        self
    }

    /// Adds a class of targets.
    pub fn class(mut self, class: TargetClass) -> Self {
        self.classes.push(class);
        self
    }

    /// Adds classes of targets.
    pub fn classes(mut self, classes: impl IntoIterator<Item = TargetClass>) -> Self {
        self.classes.extend(classes);
        self
    }

    /// Adds a report on a migration.
    pub fn report(mut self, report: Report) -> Self {
        self.reports.push(report);
        self
    }

    /// Adds reports on migrations.
    pub fn reports(mut self, reports: impl IntoIterator<Item = Report>) -> Self {
        self.reports.extend(reports);
        self
    }

    /// Adds a record that the host could not read, so that it is shown with the other bad records. If it names a
    /// worker or a task of the snapshot, the engine leaves that worker or task alone in this round. A draining worker
    /// is still emptied if only one of its figures could not be read (a field like `used.cpu` or
    /// `temperature_celsius`).
    pub fn bad_record(mut self, bad: BadRecord) -> Self {
        self.bad_records.push(bad);
        self
    }

    /// Checks everything and sorts it by id.
    pub fn build(mut self) -> Snapshot {
        let mut bad = core::mem::take(&mut self.bad_records);
        let Self { workers, tasks, groups, classes, .. } = &mut self;
        check::unique(workers, |worker| worker.id, Record::Worker, check::stance, &mut bad);
        check::unique(tasks, |task| task.id, Record::Task, |_, _| (), &mut bad);
        groups.iter_mut().for_each(check::members);
        check::unique(groups, |group| group.id, Record::Group, |_, _| (), &mut bad);
        check::unique(classes, |class| class.id, Record::Class, check::agreed, &mut bad);
        classes.iter_mut().for_each(|class| check::class(class, &mut bad));
        if !broken!("reading_order") {
            self.reports.sort_by(report::reading_order);
        }
        self.freezes.sort_unstable();
        self.freezes.dedup();
        for worker in &mut self.workers {
            limits::worker(worker, &mut bad);
            check::worker(worker, &mut bad);
        }
        for task in &mut self.tasks {
            limits::task(task, &mut bad);
            check::task(task, &self.workers, &self.classes, &mut bad);
        }
        limits::resources(&mut self.workers, &mut self.tasks, &mut bad);
        for group in &mut self.groups {
            check::group(group, &self.tasks, self.coverage, &mut bad);
        }
        limits::groups(&self.groups, &self.tasks, &mut bad);
        self.reports.retain(|report| check::report(report, &mut bad));
        bad.sort();
        bad.dedup();
        let Self { at, coverage, workers, tasks, groups, freezes, reports, classes, .. } = self;
        let worker = |bad: &BadRecord| match bad.record {
            Record::Worker(id) => workers.binary_search_by_key(&id, |worker| worker.id).ok(),
            _ => None,
        };
        let task = |bad: &BadRecord| match bad.record {
            Record::Task(id) => tasks.binary_search_by_key(&id, |task| task.id).ok(),
            _ => None,
        };
        let (unusable, frozen) = (check::rows(&bad, worker), check::rows(&bad, task));
        let doubtful = check::rows(&bad, |bad| worker(bad).filter(|_| !check::is_figure(bad)));
        let unplaced = check::rows(&bad, |bad| task(bad).filter(|_| check::is_of_place(bad)));
        let crowded = check::rows(&bad, |bad| {
            let row = task(bad).filter(|_| check::is_of_demand(bad))?;
            check::without_reserve(&workers, tasks[row].placement)
        });
        let bad_records = bad;
        let worker_ids = workers.iter().map(|worker| worker.id).collect();
        Snapshot {
            at,
            coverage,
            workers,
            tasks,
            groups,
            freezes,
            classes,
            reports,
            bad_records,
            worker_ids,
            unusable,
            doubtful,
            frozen,
            unplaced,
            crowded,
            awaited: Vec::new(),
        }
    }
}

impl From<SnapshotBuilder> for Snapshot {
    fn from(builder: SnapshotBuilder) -> Self {
        builder.build()
    }
}
