//! What a round works on: the snapshot in rows and columns, and a ledger of what each worker
//! carries.
//!
//! Rows are indices into the snapshot's sorted workers and tasks; they never leave the round. The
//! ledger starts as reported plus in flight and is carried forward as the plan grows, so that the
//! second move of a round sees the first.

mod charge;
mod form;
mod plan;
mod trial;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

pub(crate) use form::{Forms, alternative, alternative_elsewhere, by, forms};
pub(crate) use plan::{Berth, Candidate, Errand, Party, Planned, Scored, Seek, Unit};

use crate::config::{Config, LoadRule, Pace, Thresholds};
use crate::math::average::Average;
use crate::model::hardware::{ComputeCapability, Hardware, HardwareSet};
use crate::model::ids::{MigrationId, WorkerId};
use crate::model::resource::{Amounts, ResourceId};
use crate::model::time::Timestamp;
use crate::outcome::{Advice, LoadBand, SystemLoad, Trend};
use crate::snapshot::{Device, Requirements, Snapshot, Stance, Task, Topology, Worker};
use crate::state::Standing;

pub(crate) use charge::{Interruption, charge, charge_of};

/// No worker counts as loaded higher than this, so that what is reckoned with loads stays finite: an
/// overload of a thousand is telemetry gone wrong.
pub(crate) const MOST_LOAD: f64 = 1_000.0;

/// A row of the snapshot's workers.
pub(crate) type Seat = usize;

/// What observation makes of a snapshot.
#[derive(Clone, Debug)]
pub(crate) struct View<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) workers: Vec<WorkerView>,
    pub(crate) ledger: Ledger,
    /// Who leaves before this moment is being emptied.
    pub(crate) soon: Timestamp,
    /// Until when is reckoned with a task whose end is unknown.
    pub(crate) horizon: Timestamp,
    /// Whether the host says of any task which device it uses.
    pub(crate) names_devices: bool,
    /// The balanced workers' reported loads taken together.
    pub(crate) load: Option<SystemLoad>,
    /// How much loads change from sample to sample for no reason, as a standard deviation.
    pub(crate) noise: Option<f64>,
    /// The groups of each task row that has any, as indices into the snapshot's groups.
    pub(crate) memberships: BTreeMap<u32, Vec<u32>>,
    /// The settings in force.
    pub(crate) config: &'a Config,
    /// The forms of each task row that has alternatives.
    pub(crate) forms: BTreeMap<u32, Forms>,
    /// The domains of accepting workers, for every topology that a group is spread over.
    pub(crate) domains: BTreeMap<Topology, BTreeSet<u64>>,
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
    /// Whether it takes part in balancing: its load is known and it is neither draining nor
    /// offline.
    pub(crate) balanced: bool,
    pub(crate) kinds: HardwareSet,
    /// Its stance; one that leaves soon is draining.
    pub(crate) stance: Stance,
    /// When it leaves, if it says so.
    pub(crate) leaves: Option<Timestamp>,
}

impl View<'_> {
    pub(crate) fn worker(&self, seat: Seat) -> &Worker {
        &self.snapshot.workers()[seat]
    }

    pub(crate) fn task(&self, row: usize) -> &Task {
        &self.snapshot.tasks()[row]
    }

    /// The groups that a task is in, as indices into the snapshot's groups.
    pub(crate) fn groups_of(&self, row: usize) -> &[u32] {
        let row = u32::try_from(row).unwrap_or(u32::MAX);
        self.memberships.get(&row).map_or(&[], Vec::as_slice)
    }

    /// Counts a task that is to leave its worker as unavailable.
    pub(crate) fn note_absence(&mut self, row: usize) {
        let row = u32::try_from(row).unwrap_or(u32::MAX);
        for index in self.memberships.get(&row).into_iter().flatten() {
            self.ledger.unavailable[*index as usize] += 1;
        }
    }

    /// Whether a task will be done before its worker leaves, if that is all that empties the worker.
    pub(crate) fn is_done_in_time(&self, row: usize, seat: Seat) -> bool {
        let staying = self.worker(seat).stance != Stance::Drain;
        let leaves = self.workers[seat].leaves.filter(|_| staying);
        leaves.is_some_and(|leaves| self.task(row).ends_by(self.snapshot.at(), leaves))
    }

    /// The forms of a task, if it has alternatives.
    pub(crate) fn forms(&self, row: usize) -> Option<&Forms> {
        if self.forms.is_empty() {
            return None;
        }
        u32::try_from(row).ok().and_then(|row| self.forms.get(&row))
    }

    /// A task as it runs where it is.
    pub(crate) fn task_here(&self, row: usize) -> &Task {
        self.forms(row).map_or_else(|| self.task(row), Forms::here)
    }

    /// A task as it runs by one of its alternatives, if it has any.
    pub(crate) fn task_by(&self, row: usize, alternative: Option<u16>) -> &Task {
        self.forms(row).and_then(|forms| forms.nth(alternative)).unwrap_or_else(|| self.task(row))
    }

    /// What several tasks together take of a worker, each by its alternative.
    pub(crate) fn burden(&self, rows: &[usize], to: Seat, ways: &[Option<u16>]) -> Burden {
        let (mut sum, mut burden) = (Burden::default(), Burden::default());
        for (row, way) in rows.iter().zip(ways) {
            self.burden_by(*row, to, *way, &mut burden);
            sum.add(&burden);
        }
        sum
    }

    /// What a task takes of a worker by one of its alternatives, if it has any, and leaves at its source
    /// by the one it runs by.
    pub(crate) fn burden_by(
        &self,
        row: usize,
        to: Seat,
        alternative: Option<u16>,
        burden: &mut Burden,
    ) {
        let kinds = self.workers[to].kinds;
        if let (Some(forms), Place::On(from)) = (self.forms(row), self.ledger.places[row]) {
            self.ledger.burden_into(forms.here(), self.workers[from].kinds, burden);
            let left = core::mem::take(&mut burden.load);
            self.ledger.burden_into(self.task_by(row, alternative), kinds, burden);
            burden.left = left;
        } else {
            self.ledger.burden_into(self.task_by(row, alternative), kinds, burden);
        }
    }

    pub(crate) fn worker_id(&self, seat: Seat) -> WorkerId {
        self.worker(seat).id
    }
}

/// What forecasts that have fallen due have taught.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Judged {
    /// Moving average of max(0, 1 - 2 x mean absolute error).
    pub(crate) accuracy: Option<Average>,
    /// What margins are multiplied by, if any was judged.
    pub(crate) factor: Option<f64>,
}

/// What adaptation returns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Adapted {
    pub(crate) thresholds: Thresholds,
    pub(crate) trend: Option<Trend>,
    pub(crate) band: LoadBand,
    pub(crate) pace: Pace,
}

impl Adapted {
    /// What holds where nothing adapts: the configured thresholds and a normal pace.
    pub(crate) fn fixed(thresholds: Thresholds) -> Self {
        let (trend, band, pace) = (None, LoadBand::Normal, Pace::default());
        Self { thresholds, trend, band, pace }
    }
}

/// What is said that no move can mend, and since when what has been true.
#[derive(Clone, Debug, Default)]
pub(crate) struct Advised {
    pub(crate) told: Vec<Advice>,
    pub(crate) standing: Vec<Standing>,
}

/// Where a task is, in rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    On(Seat),
    /// On its way; counted at either end that exists.
    Moving {
        migration: MigrationId,
        from: Option<Seat>,
        to: Option<Seat>,
    },
    /// Let go by its source, and no target has it: the migration needs another one.
    Stranded {
        migration: MigrationId,
    },
    Orphaned,
    Unplaced,
    /// Said to be on a worker of which nothing is known.
    Unknown(WorkerId),
}

/// What each worker carries, resource by resource and device by device.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    rule: LoadRule,
    /// Whether use is projected (moves change it) or stays as reported.
    projects: bool,
    /// The resources that any worker has or any task asks for, in id order.
    pub(crate) columns: Vec<ResourceId>,
    pub(crate) cells: Vec<Cell>,
    pub(crate) devices: Vec<DeviceCell>,
    /// First device of each worker, and one past the last.
    pub(crate) device_start: Vec<usize>,
    pub(crate) places: Vec<Place>,
    /// Migrations under way from and to each worker.
    pub(crate) outgoing: Vec<u32>,
    pub(crate) incoming: Vec<u32>,
    /// Orphans on their way to each worker.
    pub(crate) placements: Vec<u32>,
    /// Unavailable members of each group that has a disruption budget.
    pub(crate) unavailable: Vec<u32>,
}

/// One resource of one worker.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cell {
    pub(crate) capacity: Option<f64>,
    /// Reserved for tasks, on their way there or there.
    pub(crate) claimed: f64,
    pub(crate) used: Option<f64>,
}

/// One device of one worker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeviceCell {
    pub(crate) device: Device,
    /// Reserved by tasks that are there.
    pub(crate) reserved_bytes: f64,
    /// Reserved for tasks on their way there.
    pub(crate) arriving_bytes: f64,
}

impl DeviceCell {
    /// Memory that nobody uses, has reserved, or is on the way to; unknown where the device's
    /// memory is.
    pub(crate) fn free_bytes(&self) -> Option<f64> {
        let used = self.device.used_bytes.unwrap_or(0) as f64;
        let taken = used.max(self.reserved_bytes) + self.arriving_bytes;
        self.device.memory_bytes.map(|memory| memory as f64 - taken)
    }
}

/// What a task takes from a worker, or a unit of tasks: resource by resource of the ledger's
/// columns.
#[derive(Clone, Debug, Default)]
pub(crate) struct Burden {
    /// Of its capacity; nothing where the task does not ask for the resource.
    pub(crate) claim: Vec<Option<f64>>,
    /// Of its use.
    pub(crate) load: Vec<f64>,
    /// Of its source's use, where that is another amount; empty where it is the same.
    pub(crate) left: Vec<f64>,
}

impl Burden {
    /// What it takes off the use of its source.
    pub(crate) fn left(&self, column: usize) -> f64 {
        self.left.get(column).copied().unwrap_or(self.load[column])
    }

    /// Adds what another task takes.
    pub(crate) fn add(&mut self, other: &Self) {
        if self.load.is_empty() {
            *self = other.clone();
            return;
        }
        if !(self.left.is_empty() && other.left.is_empty()) {
            self.left =
                (0..self.load.len()).map(|column| self.left(column) + other.left(column)).collect();
        }
        self.load.iter_mut().zip(&other.load).for_each(|(sum, load)| *sum += load);
        for (sum, claim) in self.claim.iter_mut().zip(&other.claim) {
            *sum = sum.zip(*claim).map(|(sum, claim)| sum + claim).or(*sum).or(*claim);
        }
    }
}

impl Ledger {
    pub(crate) fn new(rule: LoadRule, projects: bool, snapshot: &Snapshot) -> Self {
        let columns = columns(snapshot);
        let workers = snapshot.workers();
        let mut cells = Vec::with_capacity(workers.len() * columns.len());
        let (mut devices, mut device_start) = (Vec::new(), Vec::with_capacity(workers.len() + 1));
        for (seat, worker) in workers.iter().enumerate() {
            // One impossible field spoils the record: what else it says of its use counts for nothing.
            let trusted = snapshot.is_usable(seat);
            let cells_here = columns.iter().map(|resource| {
                let cell = cell(worker, *resource);
                Cell { used: cell.used.filter(|_| trusted), ..cell }
            });
            cells.extend(cells_here);
            device_start.push(devices.len());
            devices.extend(worker.devices.iter().map(|device| device_cell(*device)));
        }
        device_start.push(devices.len());
        let (count, tasks) = (workers.len(), snapshot.tasks().len());
        Self {
            rule,
            projects,
            columns,
            cells,
            devices,
            device_start,
            places: alloc::vec![Place::Unplaced; tasks],
            outgoing: alloc::vec![0; count],
            incoming: alloc::vec![0; count],
            placements: alloc::vec![0; count],
            unavailable: alloc::vec![0; snapshot.groups().len()],
        }
    }

    pub(crate) fn row(&self, seat: Seat) -> &[Cell] {
        let width = self.columns.len();
        &self.cells[seat * width..(seat + 1) * width]
    }

    pub(crate) fn row_mut(&mut self, seat: Seat) -> &mut [Cell] {
        let width = self.columns.len();
        &mut self.cells[seat * width..(seat + 1) * width]
    }

    pub(crate) fn devices_of(&self, seat: Seat) -> &[DeviceCell] {
        &self.devices[self.device_start[seat]..self.device_start[seat + 1]]
    }

    /// The load of a worker as the ledger stands.
    pub(crate) fn load(&self, seat: Seat) -> Option<f64> {
        self.load_with(seat, |_| 0.0)
    }

    /// The load of a worker with `change` added to the use of each column.
    pub(crate) fn load_with(&self, seat: Seat, change: impl Fn(usize) -> f64) -> Option<f64> {
        self.load_at(seat, |column, cell| Some(cell.used? + change(column)))
    }

    /// The load of a worker on which nothing is but so much.
    pub(crate) fn load_of(&self, seat: Seat, burden: &Burden) -> Option<f64> {
        self.load_at(seat, |column, _| Some(burden.load[column]))
    }

    /// The load of a worker with so much of each column in use.
    fn load_at(&self, seat: Seat, used: impl Fn(usize, &Cell) -> Option<f64>) -> Option<f64> {
        let loads = self.row(seat).iter().enumerate().filter_map(|(column, cell)| {
            let used = used(column, cell)?;
            let capacity = cell.capacity.filter(|capacity| *capacity > 0.0)?;
            Some((self.columns[column], (used.max(0.0) / capacity).min(MOST_LOAD)))
        });
        match self.rule {
            LoadRule::Dominant => {
                let busy = loads.filter(|(resource, _)| !resource.is_room());
                busy.map(|(_, load)| load).reduce(f64::max)
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

    /// What a task takes from a worker with this hardware.
    pub(crate) fn burden(&self, task: &Task, kinds: HardwareSet) -> Burden {
        let mut burden = Burden::default();
        self.burden_into(task, kinds, &mut burden);
        burden
    }

    /// The same, into a buffer that is used again and again.
    pub(crate) fn burden_into(&self, task: &Task, kinds: HardwareSet, burden: &mut Burden) {
        burden.claim.clear();
        burden.load.clear();
        burden.left.clear();
        for resource in self.columns.iter().copied() {
            let skipped = skips(task, kinds, resource);
            burden.claim.push(claim(task, resource).filter(|_| !skipped));
            burden.load.push(task.load(resource).filter(|_| !skipped).unwrap_or(0.0));
        }
    }

    /// Moves a task in the ledger: its claim counts on both ends, its load on the target only. What
    /// `interrupts` nothing counts among the placements.
    pub(crate) fn carry(
        &mut self,
        burden: &Burden,
        from: Option<Seat>,
        to: Seat,
        interrupts: bool,
    ) {
        let projects = self.projects;
        for (column, cell) in self.row_mut(to).iter_mut().enumerate() {
            cell.claimed += burden.claim[column].unwrap_or(0.0);
            if projects {
                cell.used = cell.used.map(|used| used + burden.load[column]);
            }
        }
        self.incoming[to] += 1;
        self.placements[to] += u32::from(!interrupts);
        let Some(from) = from else { return };
        self.outgoing[from] += u32::from(interrupts);
        if projects {
            for (column, cell) in self.row_mut(from).iter_mut().enumerate() {
                cell.used = cell.used.map(|used| (used - burden.left(column)).max(0.0));
            }
        }
    }

    /// Keeps memory of a device for a task on its way there.
    pub(crate) fn keep(&mut self, bytes: Option<u64>, seat: Seat, device: Option<u16>) {
        let cell = device.and_then(|device| self.device_mut(seat, device));
        if let (Some(cell), Some(bytes)) = (cell, bytes) {
            cell.arriving_bytes += bytes as f64;
        }
    }

    /// One device of a worker.
    pub(crate) fn device_mut(&mut self, seat: Seat, device: u16) -> Option<&mut DeviceCell> {
        let (start, end) = (self.device_start[seat], self.device_start[seat + 1]);
        self.devices[start..end].get_mut(usize::from(device))
    }

    /// The suitable device with the least free memory that still holds so much: large holes stay
    /// whole.
    ///
    /// # Errors
    ///
    /// The suitable device with the most free memory, and how much that is; none if none is suitable.
    pub(crate) fn tightest(
        &self,
        seat: Seat,
        needs: &Requirements,
        bytes: f64,
    ) -> Result<u16, Option<(f64, u16)>> {
        let devices = (0..=u16::MAX).zip(self.devices_of(seat));
        let suitable = devices.filter(|(_, cell)| suits(needs, &cell.device));
        let free = suitable.filter_map(|(index, cell)| Some((cell.free_bytes()?, index)));
        let fits = free.clone().filter(|(free, _)| *free >= bytes);
        let tightest = fits.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let widest = || free.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        tightest.map(|(_, index)| index).ok_or_else(widest)
    }
}

/// Every resource that a worker has or a task asks for, in id order.
fn columns(snapshot: &Snapshot) -> Vec<ResourceId> {
    let mut columns = Vec::new();
    let mut add = |resource: ResourceId| {
        if let Err(at) = columns.binary_search(&resource) {
            columns.insert(at, resource);
        }
    };
    for worker in snapshot.workers() {
        worker.capacity.iter().for_each(|(resource, _)| add(resource));
        if !worker.devices.is_empty() {
            add(ResourceId::GPU_MEMORY);
        }
    }
    for task in snapshot.tasks() {
        task.demand.iter().for_each(|(resource, _)| add(resource));
        if task.requirements.gpu_memory_bytes.is_some() {
            add(ResourceId::GPU_MEMORY);
        }
        for alternative in &task.alternatives {
            alternative.demand.iter().for_each(|(resource, _)| add(resource));
            if alternative.gpu_memory_bytes.is_some() {
                add(ResourceId::GPU_MEMORY);
            }
        }
    }
    columns
}

/// One resource of a worker as reported. Where GPU memory is not stated, the devices' memory is
/// added up.
fn cell(worker: &Worker, resource: ResourceId) -> Cell {
    let devices = |bytes: fn(&Device) -> Option<u64>| {
        let whole = resource == ResourceId::GPU_MEMORY && !worker.devices.is_empty();
        let sum =
            worker.devices.iter().try_fold(0_u64, |sum, device| sum.checked_add(bytes(device)?));
        sum.filter(|_| whole).map(|sum| sum as f64)
    };
    let capacity =
        worker.capacity.known(resource).or_else(|| devices(|device| device.memory_bytes));
    let used = worker.used.known(resource).or_else(|| devices(|device| device.used_bytes));
    Cell { capacity, claimed: 0.0, used }
}

const fn device_cell(device: Device) -> DeviceCell {
    DeviceCell { device, reserved_bytes: 0.0, arriving_bytes: 0.0 }
}

/// What a task claims of a worker's capacity: what it asks for, or uses unasked.
pub(crate) fn claim(task: &Task, resource: ResourceId) -> Option<f64> {
    let on_device = || {
        let bytes = task.requirements.gpu_memory_bytes?;
        (resource == ResourceId::GPU_MEMORY).then_some(bytes as f64)
    };
    task.demand.known(resource).or_else(on_device).or_else(|| task.used.known(resource))
}

/// All that a task claims of a worker with this hardware, resource by resource.
pub(crate) fn claims(task: &Task, kinds: HardwareSet) -> Amounts {
    let asked = task.requirements.gpu_memory_bytes.map(|_| ResourceId::GPU_MEMORY);
    let resources = resources(task, kinds).chain(asked.filter(|it| !skips(task, kinds, *it)));
    resources.filter_map(|resource| Some((resource, claim(task, resource)?))).collect()
}

/// All that a task takes of the use of a worker with this hardware, resource by resource.
pub(crate) fn loads(task: &Task, kinds: HardwareSet) -> Amounts {
    let resources = resources(task, kinds);
    resources.filter_map(|resource| Some((resource, task.load(resource)?))).collect()
}

fn resources(task: &Task, kinds: HardwareSet) -> impl Iterator<Item = ResourceId> + '_ {
    let all = task.demand.iter().chain(task.used.iter()).map(|(resource, _)| resource);
    all.filter(move |resource| !skips(task, kinds, *resource))
}

/// Whether a task does not touch a resource where it runs on the CPU for want of an accelerator.
fn skips(task: &Task, kinds: HardwareSet, resource: ResourceId) -> bool {
    [ResourceId::GPU, ResourceId::GPU_MEMORY].contains(&resource)
        && !task.requirements.hardware().is_empty()
        && !runs_on_device(&task.requirements, kinds)
}

/// Whether a task would run on an accelerator of a worker with this hardware, and so needs room on
/// one. A task that runs on a CPU as well needs none where there is no accelerator for it.
pub(crate) fn runs_on_device(needs: &Requirements, kinds: HardwareSet) -> bool {
    let cpu = HardwareSet::of(Hardware::Cpu);
    let accelerators = needs.hardware().without(cpu);
    if needs.any_of.contains(Hardware::Cpu) && needs.all_of.without(cpu).is_empty() {
        return accelerators.intersects(kinds);
    }
    !accelerators.is_empty() || needs.gpu_memory_bytes.is_some() || needs.min_cuda_compute.is_some()
}

/// Whether a device is of a kind that a task can use.
pub(crate) fn suits(needs: &Requirements, device: &Device) -> bool {
    let accelerators = needs.hardware().without(HardwareSet::of(Hardware::Cpu));
    let kind = accelerators.is_empty() || accelerators.contains(device.hardware);
    let capable = |least: ComputeCapability| {
        device.hardware == Hardware::Cuda && device.compute.is_some_and(|has| has >= least)
    };
    kind && needs.min_cuda_compute.is_none_or(capable)
}
