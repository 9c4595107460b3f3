//! What may move in a plan for the whole cluster?
//!
//! A unit is what moves as one: a task, or the members of an affinity group that share a worker. Its use and its claims
//! are kept in flat rows, one figure per column, because a search reads them millions of times.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::config::Config;
use crate::model::hardware::{ComputeCapability, HardwareSet};
use crate::model::ids::{ClassId, LabelId};
use crate::model::rows::{TaskRow, WorkerRow};
use crate::outcome::{Purpose, Tally};
use crate::plan::sets::sets;
use crate::round::{MoveSet, Round};
use crate::rules::{self, TaskRules};
use crate::snapshot::Task;
use crate::view::{Footprint, Place, runs_on_device};

/// What moves as one.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    /// The unit's tasks: a range of `Units::rows`.
    first: u32,
    pub(super) count: u32,
    /// Its worker; `None` if it has none.
    pub(super) from: Option<WorkerRow>,
    pub(super) purpose: Purpose,
    /// Which workers it may use, as an index into `Units::kinds`.
    pub(super) kind: u32,
    /// Whether other tasks or devices decide where it may go: it moves once, and the rules are asked each time.
    pub(super) is_tied: bool,
    /// The size of its state in bytes; `None` if a size is unknown.
    pub(super) bytes: Option<u64>,
    /// The way by which it would run on the worker that it goes to, as an index into its ways; `None` as it is.
    pub(super) way: Option<usize>,
}

/// How a task that must move would run by one of its alternatives.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) alternative: u16,
    kind: u32,
    load: Vec<f64>,
    claim: Vec<f64>,
}

/// What decides which workers a task may use, whatever they carry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    pub(super) class: Option<ClassId>,
    all_of: HardwareSet,
    any_of: HardwareSet,
    least_memory: Option<u64>,
    least_compute: Option<ComputeCapability>,
    labels: Vec<LabelId>,
    forbidden: Vec<LabelId>,
    /// Whether it runs on a device where it is now, and so needs one elsewhere.
    pub(super) on_device: bool,
}

/// Everything that may move.
#[derive(Clone, Debug)]
pub(super) struct Units {
    pub(super) list: Vec<Unit>,
    rows: Vec<TaskRow>,
    /// The columns of the ledger in which any unit counts.
    pub(super) columns: Vec<usize>,
    load: Vec<f64>,
    claim: Vec<f64>,
    /// The kinds, each with a task of it; if there are only tasks that could run by another alternative, with that.
    pub(super) kinds: Vec<(Kind, TaskRow, Option<u16>)>,
    /// The ways of single tasks with alternatives that must move, fastest first.
    ways: BTreeMap<usize, Vec<Way>>,
}

impl Units {
    /// All units: those that must be placed or must leave their worker first, then those that may move to even out
    /// the loads, by task.
    pub(super) fn find(config: &Config, round: &Round<'_>) -> Self {
        let mut finder = Finder::new(round);
        let forced = |set: &MoveSet| {
            matches!(set.purpose, Purpose::Recover | Purpose::Evacuate) && set.gang.is_none()
        };
        let mut taken = BTreeSet::new();
        for set in sets(config, round, &mut Tally::default()).sets.into_iter().filter(forced) {
            taken.extend(set.rows.iter().copied());
            finder.add(&set);
        }
        let purpose = Purpose::Rebalance;
        let mut set = MoveSet { rows: Vec::new(), from: None, purpose, gang: None };
        for row in round.view.task_rows() {
            let Place::On(worker) = round.ledger.places[row] else { continue };
            let leads = round.companions.leader(row) == row;
            if !round.view.workers[worker].balanced || !leads || taken.contains(&row) {
                continue;
            }
            if rules::task(round, row, purpose, TaskRules::All).is_ok() {
                set.rows.clear();
                set.rows.push(row);
                set.rows.extend(round.companions.of(row).map(|(other, _)| other));
                set.from = Some(worker);
                finder.add(&set);
            }
        }
        finder.finish()
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// The tasks of a unit; the first leads.
    pub(super) fn rows(&self, unit: usize) -> &[TaskRow] {
        let Unit { first, count, .. } = self.list[unit];
        &self.rows[first as usize..(first + count) as usize]
    }

    /// The ways of a unit, fastest first; none if it runs as it is wherever it goes.
    pub(super) fn ways(&self, unit: usize) -> &[Way] {
        self.ways.get(&unit).map_or(&[][..], Vec::as_slice)
    }

    /// The way by which a unit would run on the worker that it goes to; `None` if it runs as it is.
    pub(super) fn way(&self, unit: usize) -> Option<&Way> {
        self.ways(unit).get(self.list[unit].way?)
    }

    /// What a unit uses and claims, and its kind, as it would run on the worker that it goes to.
    pub(super) fn there(&self, unit: usize) -> (&[f64], &[f64], u32) {
        match self.way(unit) {
            Some(way) => (&way.load, &way.claim, way.kind),
            None => (self.load(unit), self.claim(unit), self.list[unit].kind),
        }
    }

    /// What a unit uses and claims on a worker: its own, or one that it goes to.
    pub(super) fn amounts(&self, unit: usize, worker: WorkerRow) -> (&[f64], &[f64]) {
        if self.list[unit].from == Some(worker) {
            return (self.load(unit), self.claim(unit));
        }
        let (load, claim, _) = self.there(unit);
        (load, claim)
    }

    /// What a unit uses, column by column.
    pub(super) fn load(&self, unit: usize) -> &[f64] {
        let width = self.columns.len();
        &self.load[unit * width..(unit + 1) * width]
    }

    /// What a unit claims, column by column.
    pub(super) fn claim(&self, unit: usize) -> &[f64] {
        let width = self.columns.len();
        &self.claim[unit * width..(unit + 1) * width]
    }
}

/// Collects units.
struct Finder<'r> {
    round: &'r Round<'r>,
    units: Units,
    kind_of: BTreeMap<Kind, u32>,
    last: Option<(TaskRow, u32)>,
    footprint: Footprint,
    sum: Footprint,
}

impl<'r> Finder<'r> {
    fn new(round: &'r Round<'r>) -> Self {
        let tasks = round.view.snapshot.tasks().len();
        let width = round.ledger.columns.len();
        let units = Units {
            list: Vec::with_capacity(tasks),
            rows: Vec::with_capacity(tasks),
            columns: (0..width).collect(),
            load: Vec::with_capacity(tasks * width),
            claim: Vec::with_capacity(tasks * width),
            kinds: Vec::new(),
            ways: BTreeMap::new(),
        };
        let (footprint, sum) = (Footprint::default(), Footprint::default());
        Self { round, units, kind_of: BTreeMap::new(), last: None, footprint, sum }
    }

    fn add(&mut self, set: &MoveSet) {
        let Round { context, ledger } = *self.round;
        let view = context.view;
        let hardware = set.from.map(|from| view.workers[from].kinds);
        self.sum.clear();
        for row in set.rows.iter().copied() {
            let task = view.task_here(row);
            // A task without a worker is taken to run on a device if it can.
            let here = hardware.unwrap_or_else(|| task.requirements.hardware());
            ledger.footprint_into(task, here, &mut self.footprint);
            self.sum.add(&self.footprint);
        }
        let lead = set.lead();
        let task = view.task_here(lead);
        let here = hardware.unwrap_or_else(|| task.requirements.hardware());
        let is_tied = |row: &TaskRow| {
            let task = view.task_here(*row);
            let has_ties = !view.groups_of(*row).is_empty() || view.variants(*row).is_some();
            has_ties || task.requirements.gpu_memory_bytes.is_some()
        };
        let unstated = context.config.unstated_bytes();
        let sizes = set.rows.iter().map(|row| view.task(*row).state_bytes.or(unstated));
        let bytes = sizes.sum::<Option<u64>>();
        let first = u32::try_from(self.units.rows.len()).unwrap_or(u32::MAX);
        let count = u32::try_from(set.rows.len()).unwrap_or(u32::MAX);
        let is_tied = set.from.is_none() || count > 1 || set.rows.iter().any(is_tied);
        let kind = self.kind(lead, task, runs_on_device(&task.requirements, here));
        let (from, purpose) = (set.from, set.purpose);
        let unit = Unit { first, count, from, purpose, kind, is_tied, bytes, way: None };
        self.units.list.push(unit);
        self.units.rows.extend_from_slice(&set.rows);
        self.units.load.extend_from_slice(&self.sum.load);
        self.units.claim.extend(self.sum.claim.iter().map(|claim| claim.unwrap_or(0.0)));
        if !purpose.is_voluntary() && count == 1 {
            self.add_ways(lead);
        }
    }

    /// Adds the ways of the task of the last unit, if it has alternatives.
    fn add_ways(&mut self, row: TaskRow) {
        let Round { context, ledger } = *self.round;
        let Some(variants) = context.view.variants(row) else { return };
        let mut ways = Vec::new();
        for (alternative, task) in variants.fastest_first() {
            let there = task.requirements.hardware();
            ledger.footprint_into(task, there, &mut self.footprint);
            let kind = kind_of(task, runs_on_device(&task.requirements, there));
            let kind = self.number(kind, row, Some(alternative));
            let load = self.footprint.load.clone();
            let claim = self.footprint.claim.iter().map(|claim| claim.unwrap_or(0.0)).collect();
            ways.push(Way { alternative, kind, load, claim });
        }
        self.units.ways.insert(self.units.list.len() - 1, ways);
    }

    /// The kind of a task. Neighbours are often alike, and need no look into the table.
    fn kind(&mut self, row: TaskRow, task: &Task, on_device: bool) -> u32 {
        if let Some((other, kind)) = self.last {
            let before = self.round.view.task_here(other);
            let alike = before.class == task.class && before.requirements == task.requirements;
            if alike && self.units.kinds[kind as usize].0.on_device == on_device {
                return kind;
            }
        }
        let found = self.number(kind_of(task, on_device), row, None);
        self.last = Some((row, found));
        found
    }

    /// The number of a kind; `row` by this alternative is of it.
    fn number(&mut self, kind: Kind, row: TaskRow, alternative: Option<u16>) -> u32 {
        let next = u32::try_from(self.units.kinds.len()).unwrap_or(u32::MAX);
        let found = *self.kind_of.entry(kind.clone()).or_insert(next);
        let first = (kind, row, alternative);
        if found == next {
            self.units.kinds.push(first);
        } else if alternative.is_none() {
            self.units.kinds[found as usize] = first;
        }
        found
    }

    /// Keeps only the columns in which any unit counts.
    fn finish(self) -> Units {
        let mut units = self.units;
        let width = units.columns.len();
        let mut counts = alloc::vec![false; width];
        let flat = units.load.chunks(width.max(1)).chain(units.claim.chunks(width.max(1)));
        let ways = units.ways.values().flatten();
        for row in flat.chain(ways.flat_map(|way| [way.load.as_slice(), way.claim.as_slice()])) {
            for (counts, amount) in counts.iter_mut().zip(row) {
                *counts |= *amount > 0.0;
            }
        }
        if counts.iter().all(|counts| *counts) {
            return units;
        }
        let keep = |amounts: &mut Vec<f64>| {
            let mut column = 0;
            amounts.retain(|_| {
                let kept = counts[column];
                column = (column + 1) % width;
                kept
            });
        };
        keep(&mut units.load);
        keep(&mut units.claim);
        for way in units.ways.values_mut().flatten() {
            keep(&mut way.load);
            keep(&mut way.claim);
        }
        units.columns.retain(|column| counts[*column]);
        units
    }
}

fn kind_of(task: &Task, on_device: bool) -> Kind {
    let needs = &task.requirements;
    Kind {
        class: task.class,
        all_of: needs.all_of,
        any_of: needs.any_of,
        least_memory: needs.min_memory_bytes,
        least_compute: needs.min_cuda_compute,
        labels: needs.labels.clone(),
        forbidden: needs.forbidden_labels.clone(),
        on_device,
    }
}
