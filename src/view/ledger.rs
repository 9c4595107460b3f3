//! What does each worker carry, with the moves chosen so far?
//!
//! The ledger holds capacity, claims and use per worker and resource, free device memory, the place of every
//! task, and indexes over these, so that a rule costs O(log n) per pair whatever the groups. A move counts at
//! once: its claim on both ends, its load on the target only.
//!
//! Changes that are only tried out are journalled, and [`rollback`](Ledger::rollback) undoes them bit for bit.

use alloc::vec::Vec;

use super::cells::{Cell, DeviceCell, cell, columns};
use super::extremes::Extremes;
use super::groups::GroupIndexes;
use super::{Footprint, Place, View, suits};
use crate::config::LoadRule;
use crate::model::bounds::MOST_LOAD;
use crate::model::ids::TaskId;
use crate::model::resource::ResourceId;
use crate::model::rows::{Column, Row, TaskRow, WorkerRow};
use crate::snapshot::{Requirements, Snapshot};

/// What each worker carries.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    rule: LoadRule,
    /// Whether use is projected (moves change it) or stays as reported.
    projects: bool,
    /// The resources that any worker has or any task asks for, in id order.
    pub(crate) columns: Vec<ResourceId>,
    /// Worker by worker, column by column.
    cells: Vec<Cell>,
    devices: Vec<DeviceCell>,
    /// The first device of each worker, and one past the last device.
    device_start: Vec<usize>,
    /// Changed by [`Self::relocate`] only, once the groups are indexed.
    pub(crate) places: Column<TaskRow, Place>,
    /// Migrations under way from and to each worker.
    pub(crate) outgoing: Column<WorkerRow, u32>,
    pub(crate) incoming: Column<WorkerRow, u32>,
    /// Tasks without a worker that are on their way to each worker.
    pub(crate) placements: Column<WorkerRow, u32>,
    /// Unavailable members of each group that has a disruption budget.
    pub(crate) unavailable: Vec<u32>,
    pub(crate) groups: GroupIndexes,
    /// The levels of the balanced workers, once the bands are known.
    levels: Option<Levels>,
    journal: Vec<Change>,
    /// How many marks are open; nothing is journalled if none is.
    marks: u32,
}

/// A task that goes to a worker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) task: TaskRow,
    pub(crate) from: Option<WorkerRow>,
    pub(crate) to: WorkerRow,
    /// Whether the move interrupts a running task; if not, it counts among the placements.
    pub(crate) interrupts: bool,
    /// The place of the task from now on.
    pub(crate) place: Place,
    /// The device, and how many bytes of its memory are reserved for the task; `None` if it needs none.
    pub(crate) device: Option<(u16, u64)>,
}

/// A point to which a ledger can be rolled back.
#[derive(Debug)]
#[must_use]
pub(crate) struct Mark(usize);

/// What a rollback restores.
#[derive(Clone, Debug)]
enum Change {
    Cells(WorkerRow, Vec<Cell>),
    Devices(WorkerRow, Vec<DeviceCell>),
    Counts(WorkerRow, [u32; 3]),
    Place(TaskRow, TaskId, Place, Vec<u32>),
    Unavailable(u32, u32),
}

/// The levels of the workers that take part in balancing: their loads, shifted to the forecast if that triggered.
#[derive(Clone, Debug)]
struct Levels {
    shift: Vec<f64>,
    balanced: Column<WorkerRow, bool>,
    extremes: Extremes<WorkerRow>,
}

impl Ledger {
    pub(crate) fn new(rule: LoadRule, projects: bool, snapshot: &Snapshot) -> Self {
        let columns = columns(snapshot);
        let workers = snapshot.workers();
        let mut cells = Vec::with_capacity(workers.len() * columns.len());
        let mut devices = Vec::new();
        let mut device_start = Vec::with_capacity(workers.len() + 1);
        for (row, worker) in WorkerRow::first(workers.len()).zip(workers) {
            // One impossible field makes the whole use of the record unknown.
            let trusted = snapshot.is_usable(row) || broken!("bad_record_is_unusable");
            for resource in &columns {
                let cell = cell(worker, *resource);
                cells.push(if trusted { cell } else { Cell { used: None, ..cell } });
            }
            device_start.push(devices.len());
            devices.extend(worker.devices.iter().map(|device| DeviceCell {
                device: *device,
                reserved_bytes: 0.0,
                arriving_bytes: 0.0,
            }));
        }
        device_start.push(devices.len());
        Self {
            rule,
            projects,
            columns,
            cells,
            devices,
            device_start,
            places: Column::filled(Place::Unplaced, snapshot.tasks().len()),
            outgoing: Column::filled(0, workers.len()),
            incoming: Column::filled(0, workers.len()),
            placements: Column::filled(0, workers.len()),
            unavailable: alloc::vec![0; snapshot.groups().len()],
            groups: GroupIndexes::default(),
            levels: None,
            journal: Vec::new(),
            marks: 0,
        }
    }

    pub(crate) fn row(&self, worker: WorkerRow) -> &[Cell] {
        let width = self.columns.len();
        &self.cells[worker.position() * width..(worker.position() + 1) * width]
    }

    /// The cells of a worker, for observation only: changes are not journalled.
    pub(crate) fn row_mut(&mut self, worker: WorkerRow) -> &mut [Cell] {
        let width = self.columns.len();
        &mut self.cells[worker.position() * width..(worker.position() + 1) * width]
    }

    pub(crate) fn devices_of(&self, worker: WorkerRow) -> &[DeviceCell] {
        let at = worker.position();
        &self.devices[self.device_start[at]..self.device_start[at + 1]]
    }

    fn devices_mut(&mut self, worker: WorkerRow) -> &mut [DeviceCell] {
        let at = worker.position();
        &mut self.devices[self.device_start[at]..self.device_start[at + 1]]
    }

    /// One device of a worker.
    pub(crate) fn device_mut(&mut self, worker: WorkerRow, device: u16) -> Option<&mut DeviceCell> {
        self.devices_mut(worker).get_mut(usize::from(device))
    }

    /// Lets moves change the use from now on, whatever the configuration says, to try moves out.
    pub(crate) fn project(&mut self) {
        self.projects = true;
    }

    // ------------------------------------------------------------ loads

    /// The load of a worker in this ledger.
    pub(crate) fn load(&self, worker: WorkerRow) -> Option<f64> {
        self.load_with(worker, |_| 0.0)
    }

    /// The load of a worker with `change` added to the use of each column.
    pub(crate) fn load_with(
        &self,
        worker: WorkerRow,
        change: impl Fn(usize) -> f64,
    ) -> Option<f64> {
        let unknown = if broken!("unknown_use_is_left_out") { Some(0.0) } else { None };
        self.load_at(worker, |column, cell| Some(cell.used.or(unknown)? + change(column)))
    }

    /// The load of a worker that carries this footprint and nothing else.
    pub(crate) fn load_of(&self, worker: WorkerRow, footprint: &Footprint) -> Option<f64> {
        self.load_at(worker, |column, _| Some(footprint.load[column]))
    }

    /// The load of a worker with this much of each column in use.
    fn load_at(
        &self,
        worker: WorkerRow,
        used: impl Fn(usize, &Cell) -> Option<f64>,
    ) -> Option<f64> {
        let loads = self.row(worker).iter().enumerate().filter_map(|(column, cell)| {
            let used = used(column, cell)?;
            let capacity = cell.capacity.filter(|capacity| *capacity > 0.0)?;
            Some((self.columns[column], (used.max(0.0) / capacity).min(MOST_LOAD)))
        });
        match self.rule {
            LoadRule::Dominant => {
                let busy = loads.filter(|(resource, _)| !resource.is_room());
                let pick = if broken!("fullest_resource") { f64::min } else { f64::max };
                busy.map(|(_, load)| load).reduce(pick)
            }
            LoadRule::Mean => {
                let counts = |resource| {
                    [ResourceId::CPU, ResourceId::MEMORY, ResourceId::GPU_MEMORY]
                        .contains(&resource)
                };
                let (mut sum, mut count) = (0.0, 0.0);
                for (_, load) in loads.filter(|(resource, _)| counts(*resource)) {
                    sum += load;
                    count += 1.0;
                }
                (count > 0.0).then(|| sum / count)
            }
        }
    }

    // ------------------------------------------------------------ levels

    /// Indexes the levels of the workers that take part in balancing: load plus `shift`, if that has the worker's row.
    pub(crate) fn index_levels(&mut self, view: &View<'_>, shift: &[f64]) {
        let balanced = view.workers.iter().map(|worker| worker.balanced).collect();
        let mut levels =
            Levels { shift: shift.to_vec(), balanced, extremes: Extremes::of(view.workers.len()) };
        for worker in view.worker_rows().filter(|worker| levels.balanced[*worker]) {
            levels.extremes.set(worker, self.load(worker).map(|load| load + levels.shift(worker)));
        }
        self.levels = Some(levels);
    }

    /// Drops the index of levels, if no spread will be asked for.
    pub(crate) fn forget_levels(&mut self) {
        self.levels = None;
    }

    /// The spread over the balanced workers now, and with the levels of two workers replaced.
    pub(crate) fn spreads(&self, replaced: [(WorkerRow, Option<f64>); 2]) -> (f64, f64) {
        let Some(levels) = &self.levels else { return (0.0, 0.0) };
        let kept = replaced.map(|(worker, level)| {
            let counts = levels.balanced[worker] && levels.extremes.get(worker).is_some();
            (worker, if counts { level } else { None })
        });
        (levels.extremes.spread(), levels.extremes.spread_with(kept))
    }

    fn refresh_level(&mut self, worker: WorkerRow) {
        if self.levels.as_ref().is_some_and(|levels| levels.balanced[worker]) {
            let load = self.load(worker);
            if let Some(levels) = &mut self.levels {
                let level = load.map(|load| load + levels.shift(worker));
                levels.extremes.set(worker, level);
            }
        }
    }

    // ------------------------------------------------------------ changes

    /// Moves a task in the ledger.
    pub(crate) fn carry(&mut self, view: &View<'_>, arrival: &Arrival, footprint: &Footprint) {
        let Arrival { task, from, to, interrupts, place, device } = *arrival;
        self.remember(to);
        from.into_iter().for_each(|from| self.remember(from));
        let projects = self.projects;
        for (column, cell) in self.row_mut(to).iter_mut().enumerate() {
            cell.claimed += footprint.reserves(column);
            if projects && !broken!("ledger") {
                cell.used = cell.used.map(|used| used + footprint.load[column]);
            }
        }
        self.incoming[to] += 1;
        self.placements[to] += u32::from(!interrupts);
        if let Some((device, bytes)) = device
            && !broken!("device_memory_in_one_round")
        {
            self.keep(Some(bytes), to, Some(device));
        }
        if let Some(from) = from {
            self.outgoing[from] += u32::from(interrupts);
            if projects {
                for (column, cell) in self.row_mut(from).iter_mut().enumerate() {
                    cell.used = cell.used.map(|used| (used - footprint.freed(column)).max(0.0));
                }
            }
            self.count_absence(view, task);
            self.refresh_level(from);
        }
        self.refresh_level(to);
        self.relocate(view, task, place);
    }

    /// Ends the move of a task: it has arrived, and its source keeps no room for it any more. Not to be undone.
    pub(crate) fn land(&mut self, view: &View<'_>, arrival: &Arrival, scratch: &mut Footprint) {
        let Arrival { task, from, to, interrupts, .. } = *arrival;
        self.incoming[to] -= 1;
        self.placements[to] -= u32::from(!interrupts);
        if let Some(from) = from {
            let record = view.task_here(task);
            self.footprint_into(record, view.workers[from].kinds, scratch);
            for (cell, claim) in self.row_mut(from).iter_mut().zip(&scratch.claim) {
                cell.claimed = (cell.claimed - claim.unwrap_or(0.0)).max(0.0);
            }
            self.outgoing[from] -= u32::from(interrupts);
            for group in view.groups_of(task) {
                let away = &mut self.unavailable[*group as usize];
                *away = away.saturating_sub(1);
            }
            // Where the host does not say which device a task uses, none is taken to be free of it.
            let device = view.task(task).device.and_then(|device| self.device_mut(from, device));
            if let (Some(cell), Some(bytes)) = (device, record.requirements.gpu_memory_bytes) {
                cell.reserved_bytes = (cell.reserved_bytes - bytes as f64).max(0.0);
                let used = cell.device.used_bytes;
                cell.device.used_bytes = used.map(|used| used.saturating_sub(bytes));
            }
        }
        self.relocate(view, task, Place::On(to));
    }

    /// Counts a task that will leave its worker as unavailable.
    fn count_absence(&mut self, view: &View<'_>, task: TaskRow) {
        for group in view.groups_of(task) {
            if self.marks > 0 {
                let before = self.unavailable[*group as usize];
                self.journal.push(Change::Unavailable(*group, before));
            }
            self.unavailable[*group as usize] += u32::from(!broken!("disruption_at_every_prefix"));
        }
    }

    /// Records the place of a task from now on.
    pub(crate) fn relocate(&mut self, view: &View<'_>, task: TaskRow, place: Place) {
        let before = core::mem::replace(&mut self.places[task], place);
        let groups = view.groups_of(task);
        self.groups.relocate(groups, view.task(task).id, before, place);
        if self.marks > 0 {
            self.journal.push(Change::Place(task, view.task(task).id, before, groups.to_vec()));
        }
    }

    /// Takes the use of a footprint off a worker.
    pub(crate) fn relieve(&mut self, footprint: &Footprint, worker: WorkerRow) {
        self.remember(worker);
        for (column, cell) in self.row_mut(worker).iter_mut().enumerate() {
            cell.used = cell.used.map(|used| (used - footprint.load[column]).max(0.0));
        }
    }

    /// Makes a worker as empty as a new one of its shape.
    pub(crate) fn clear(&mut self, worker: WorkerRow) {
        self.remember(worker);
        for cell in self.row_mut(worker) {
            cell.claimed = 0.0;
            cell.used = cell.used.map(|_| 0.0);
        }
        for cell in self.devices_mut(worker) {
            cell.device.used_bytes = cell.device.used_bytes.map(|_| 0);
            cell.reserved_bytes = 0.0;
            cell.arriving_bytes = 0.0;
        }
    }

    // ------------------------------------------------------------ trying things out

    /// Marks the present ledger. Every mark is either rolled back to or committed.
    pub(crate) fn mark(&mut self) -> Mark {
        self.marks += 1;
        Mark(self.journal.len())
    }

    /// Keeps all changes since a mark.
    pub(crate) fn commit(&mut self, Mark(length): Mark) {
        self.marks -= 1;
        if self.marks == 0 {
            self.journal.truncate(length);
        }
    }

    /// Undoes all changes since a mark.
    pub(crate) fn rollback(&mut self, Mark(length): Mark) {
        while self.journal.len() > length {
            match self.journal.pop() {
                Some(Change::Cells(worker, cells)) => {
                    self.row_mut(worker).copy_from_slice(&cells);
                    self.refresh_level(worker);
                }
                Some(Change::Devices(worker, devices)) => {
                    self.devices_mut(worker).copy_from_slice(&devices);
                }
                Some(Change::Counts(worker, [outgoing, incoming, placements])) => {
                    self.outgoing[worker] = outgoing;
                    self.incoming[worker] = incoming;
                    self.placements[worker] = placements;
                }
                Some(Change::Place(task, id, before, groups)) => {
                    let place = core::mem::replace(&mut self.places[task], before);
                    self.groups.relocate(&groups, id, place, before);
                }
                Some(Change::Unavailable(group, before)) => {
                    self.unavailable[group as usize] = before;
                }
                None => break,
            }
        }
        self.marks -= 1;
    }

    /// Journals what a worker carries, if a mark is open.
    fn remember(&mut self, worker: WorkerRow) {
        if self.marks == 0 {
            return;
        }
        let cells = self.row(worker).to_vec();
        self.journal.push(Change::Cells(worker, cells));
        if !self.devices_of(worker).is_empty() {
            let devices = self.devices_of(worker).to_vec();
            self.journal.push(Change::Devices(worker, devices));
        }
        let counts = [self.outgoing[worker], self.incoming[worker], self.placements[worker]];
        self.journal.push(Change::Counts(worker, counts));
    }

    // ------------------------------------------------------------ devices

    /// Reserves memory of a device for a task on its way there.
    pub(crate) fn keep(&mut self, bytes: Option<u64>, worker: WorkerRow, device: Option<u16>) {
        let cell = device.and_then(|device| self.device_mut(worker, device));
        if let (Some(cell), Some(bytes)) = (cell, bytes) {
            cell.arriving_bytes += bytes as f64;
        }
    }

    /// The suitable device with the least free memory that still holds this many bytes, so that large free areas stay
    /// whole.
    ///
    /// # Errors
    ///
    /// The suitable device with the most free memory, and how much that is; `None` if none is suitable.
    pub(crate) fn tightest(
        &self,
        worker: WorkerRow,
        needs: &Requirements,
        bytes: f64,
    ) -> Result<u16, Option<(f64, u16)>> {
        let devices = (0..=u16::MAX).zip(self.devices_of(worker));
        let suitable = devices.filter(|(_, cell)| suits(needs, &cell.device));
        let free = suitable.filter_map(|(index, cell)| Some((cell.free_bytes()?, index)));
        let together = if broken!("one_device_holds_it") { 2.0 } else { 1.0 };
        let fits = free.clone().filter(|(free, _)| *free * together >= bytes);
        let by_space = |a: &f64, b: &f64| {
            if broken!("tightest_device") { b.total_cmp(a) } else { a.total_cmp(b) }
        };
        let tightest = fits.min_by(|a, b| by_space(&a.0, &b.0).then(a.1.cmp(&b.1)));
        let widest = || free.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        tightest.map(|(_, index)| index).ok_or_else(widest)
    }
}

impl Levels {
    fn shift(&self, worker: WorkerRow) -> f64 {
        self.shift.get(worker.position()).copied().unwrap_or(0.0)
    }
}
