//! Which records are invalid, and why? One line per fault.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use super::{Coverage, Event, Group, Placement, Report, Stance, TargetClass, Task, Worker};
use crate::math::fingerprint::fingerprint;
use crate::model::bounds::{CELSIUS, LEAST_CAPACITY, MOST_AMOUNT, MOST_SHOWN, SPEEDS, exact};
use crate::model::ids::{ClassId, GroupId, TaskId, WorkerId};
use crate::model::resource::{Amounts, is_amount};
use crate::model::time::readable;

/// An invalid record: which record, which field, its value, and what the field must be.
///
/// This is for the producer of the telemetry. The record is set aside for this round, the state is not
/// touched, and the rest of the snapshot is used.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, thiserror::Error,
)]
#[error("{record}: {field} is {value}; it must be {must}")]
#[non_exhaustive]
pub struct BadRecord {
    /// The record.
    pub record: Record,
    /// The field.
    pub field: String,
    /// Its value, as printed.
    pub value: String,
    /// What the field must be.
    pub must: String,
}

impl BadRecord {
    /// `record` has `value` in `field`, which `must` be something else.
    pub fn new(record: Record, field: &str, value: &str, must: &str) -> Self {
        let (field, value, must) = (field.to_string(), value.to_string(), must.to_string());
        Self { record, field, value, must }
    }
}

/// Which record a [`BadRecord`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Record {
    /// A worker.
    Worker(WorkerId),
    /// A task.
    Task(TaskId),
    /// A group.
    Group(GroupId),
    /// A class of targets.
    Class(ClassId),
    /// A report on a worker.
    Report(WorkerId),
    /// One line of a log, counted from 1, that could not be read at all.
    Line(u64),
    /// The snapshot itself, or a record of it that cannot be named.
    Snapshot,
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Worker(id) => write!(f, "worker {id}"),
            Self::Task(id) => write!(f, "task {id}"),
            Self::Group(id) => write!(f, "group {id}"),
            Self::Class(id) => write!(f, "class {id}"),
            Self::Report(id) => write!(f, "report on {id}"),
            Self::Line(number) => write!(f, "line {number}"),
            Self::Snapshot => f.write_str("snapshot"),
        }
    }
}

const AMOUNT: &str = "a finite number from 0 up";
const NUMBER: &str = "a finite number";
const ABOVE_ZERO: &str = "a finite number above 0";
const FEWER: &str = "at most 2^64";

/// Sorts records by id and keeps one of each. Of several with one id, the one that sorts first by
/// content is kept (so that the order of the input does not matter), and the id is marked as bad.
/// `settle` is called for each of the others, with the one that is kept.
pub(super) fn unique<T: Serialize, I: Ord + Copy + fmt::Display>(
    records: &mut Vec<T>,
    id: impl Fn(&T) -> I,
    name: impl Fn(I) -> Record,
    settle: impl Fn(&T, &mut T),
    bad: &mut Vec<BadRecord>,
) {
    records.sort_by_key(&id);
    if records.windows(2).all(|pair| id(&pair[0]) != id(&pair[1])) {
        return;
    }
    records.sort_by_cached_key(|record| (id(record), fingerprint(record)));
    records.dedup_by(|next, kept| {
        let again = id(next) == id(kept);
        if again {
            settle(next, kept);
            let id = id(kept);
            bad.push(BadRecord::new(name(id), "id", &format!("{id} again"), "unique"));
        }
        again
    });
}

/// If several records of a worker disagree about its stance, none is believed: one of them may be old, and the
/// worker would be emptied, or its tasks started again, because of it.
pub(super) fn stance(other: &Worker, kept: &mut Worker) {
    if other.stance != kept.stance {
        kept.stance = Stance::default();
    }
}

/// Whether only a figure of a worker is impossible, so that the rest of its record holds.
pub(super) fn is_figure(bad: &BadRecord) -> bool {
    let field = bad.field.as_str();
    let list = field.split('.').next().unwrap_or(field);
    let amount = ["capacity", "reserved", "used"].contains(&list);
    let others = ["temperature_celsius", "power_watts", "bandwidth_bytes_per_second"];
    // A list that is too long.
    let lists = ["labels", "domains", "devices"];
    amount || others.contains(&field) || lists.contains(&field)
}

/// Whether it is unknown where a task is.
pub(super) fn is_of_place(bad: &BadRecord) -> bool {
    bad.field.split('.').next() == Some("placement")
}

/// Whether it is unknown what a task has reserved.
pub(super) fn is_of_demand(bad: &BadRecord) -> bool {
    matches!(bad.field.split('.').next(), Some("demand" | "alternatives" | "alternative"))
}

/// The row of the worker that a task is on, if that worker does not state what is reserved.
pub(super) fn without_reserve(workers: &[Worker], placement: Placement) -> Option<usize> {
    let Placement::On(id) = placement else { return None };
    let row = workers.binary_search_by_key(&id, |worker| worker.id).ok()?;
    workers[row].reserved.is_empty().then_some(row)
}

/// The sorted rows that bad records are about.
pub(super) fn rows(bad: &[BadRecord], row: impl Fn(&BadRecord) -> Option<usize>) -> Vec<u32> {
    let mut rows: Vec<u32> =
        bad.iter().filter_map(|bad| row(bad).and_then(|row| u32::try_from(row).ok())).collect();
    rows.sort_unstable();
    rows.dedup();
    rows
}

/// Notes impossible amounts. An amount that is not finite becomes NaN, so that a log reads back the same.
fn amounts(record: Record, field: &str, amounts: &mut Amounts, bad: &mut Vec<BadRecord>) {
    let impossible: Vec<_> = amounts.iter().filter(|(_, amount)| !is_amount(*amount)).collect();
    for (resource, amount) in impossible {
        let field = format!("{field}.{resource}");
        // The amount was read back from a log as NaN: its original value has been noted already.
        let again = amount.is_nan()
            && bad.iter().any(|noted| noted.record == record && noted.field == field);
        if !again || broken!("log_reads_back") {
            bad.push(BadRecord::new(record, &field, &exact(amount), amount_must(amount)));
        }
        if !amount.is_finite() {
            amounts.set(resource, f64::NAN);
        }
    }
}

/// What an impossible amount must be.
fn amount_must(amount: f64) -> &'static str {
    if amount.is_finite() && amount > MOST_AMOUNT { FEWER } else { AMOUNT }
}

/// Whether a number can be the speed of hardware or of an alternative.
fn is_speed(speed: f64) -> bool {
    SPEEDS.contains(&speed) || (broken!("speed_has_bounds") && speed.is_finite() && speed > 0.0)
}

/// What an impossible speed must be.
fn speed_must(speed: f64) -> &'static str {
    let is_number = speed.is_finite() && speed > 0.0;
    if is_number { "a number from 0.000001 to 1000000" } else { ABOVE_ZERO }
}

/// Notes an impossible number and removes it.
fn number(
    record: Record,
    field: &str,
    value: &mut Option<f64>,
    must: impl Fn(f64) -> &'static str,
    possible: impl Fn(f64) -> bool,
    bad: &mut Vec<BadRecord>,
) {
    if let Some(impossible) = value.take_if(|value| !possible(*value)) {
        bad.push(BadRecord::new(record, field, &exact(impossible), must(impossible)));
    }
}

/// Notes capacities so small that loads relative to them would be no figures.
fn capacities(worker: &mut Worker, bad: &mut Vec<BadRecord>) {
    let is_tiny = |amount: f64| amount > 0.0 && amount < LEAST_CAPACITY;
    let tiny: Vec<_> = worker.capacity.iter().filter(|(_, amount)| is_tiny(*amount)).collect();
    for (resource, amount) in tiny.into_iter().filter(|_| !broken!("capacity_has_bounds")) {
        let (field, record) = (format!("capacity.{resource}"), Record::Worker(worker.id));
        bad.push(BadRecord::new(record, &field, &exact(amount), "0, or at least 0.000000001"));
        worker.capacity.set(resource, f64::NAN);
    }
}

/// Makes the spans of a task such that a log gives them back as they are.
fn spans(task: &mut Task) {
    task.running = readable(task.running);
    for span in [&mut task.remaining, &mut task.checkpoint_age, &mut task.checkpoint_every] {
        *span = span.map(readable);
    }
}

pub(super) fn worker(worker: &mut Worker, bad: &mut Vec<BadRecord>) {
    worker.metric_age = readable(worker.metric_age);
    let record = Record::Worker(worker.id);
    amounts(record, "capacity", &mut worker.capacity, bad);
    amounts(record, "reserved", &mut worker.reserved, bad);
    amounts(record, "used", &mut worker.used, bad);
    capacities(worker, bad);
    let temperature = &mut worker.temperature_celsius;
    let within = "a number from -1000000 to 1000000";
    let must = |celsius: f64| if celsius.is_finite() { within } else { NUMBER };
    let possible = |celsius: f64| CELSIUS.contains(&celsius);
    number(record, "temperature_celsius", temperature, must, possible, bad);
    number(record, "power_watts", &mut worker.power_watts, amount_must, is_amount, bad);
    let bandwidth = &mut worker.bandwidth_bytes_per_second;
    // However small: the time that a transfer takes has a bound of its own.
    let possible = |bytes: f64| is_amount(bytes) && bytes > 0.0;
    let must = |bytes: f64| if bytes > 0.0 { amount_must(bytes) } else { ABOVE_ZERO };
    let must = |bytes: f64| if bytes.is_finite() { must(bytes) } else { ABOVE_ZERO };
    number(record, "bandwidth_bytes_per_second", bandwidth, must, possible, bad);
    worker.maintenance.retain(|span| {
        let possible = span.from < span.until;
        if !possible {
            let value = format!("{} to {}", span.from, span.until);
            bad.push(BadRecord::new(record, "maintenance", &value, "a beginning and a later end"));
        }
        possible
    });
    worker.maintenance.sort_unstable();
}

pub(super) fn task(
    task: &mut Task,
    workers: &[Worker],
    classes: &[TargetClass],
    bad: &mut Vec<BadRecord>,
) {
    let record = Record::Task(task.id);
    spans(task);
    amounts(record, "demand", &mut task.demand, bad);
    amounts(record, "used", &mut task.used, bad);
    number(record, "extra_cost", &mut task.extra_cost, amount_must, is_amount, bad);
    if task.priority > 10 {
        let value = task.priority.to_string();
        bad.push(BadRecord::new(record, "priority", &value, "a whole number from 0 to 10"));
    }
    let known = |id: &ClassId| classes.binary_search_by_key(id, |class| class.id).is_ok();
    if let Some(class) = task.class.filter(|class| !known(class) && !broken!("class_unknown")) {
        let must = "a class of the snapshot";
        bad.push(BadRecord::new(record, "class", &class.to_string(), must));
    }
    alternatives(task, bad);
    if let Placement::Moving { migration, .. } = task.placement
        && migration.number() > MOST_SHOWN
        && !broken!("migration_number_has_bounds")
    {
        let (value, must) = (migration.to_string(), "a migration with a number below 2^62");
        bad.push(BadRecord::new(record, "placement.migration", &value, must));
    }
    let clash = task.requirements.labels.iter();
    let clash = clash.copied().find(|label| task.requirements.forbidden_labels.contains(label));
    if let Some(label) = clash {
        let must = "either required or forbidden, not both";
        bad.push(BadRecord::new(record, "requirements.labels", &label.to_string(), must));
    }
    if let (Placement::On(id), Some(device)) = (task.placement, task.device) {
        let at = workers.binary_search_by_key(&id, |worker| worker.id);
        let devices = at.map_or(usize::MAX, |row| workers[row].devices.len());
        if usize::from(device) >= devices {
            let must = format!("the index of one of the {devices} devices of {id}");
            bad.push(BadRecord::new(record, "device", &device.to_string(), &must));
        }
    }
}

/// If several records of a class disagree about its workers, none is believed: the class has no worker.
pub(super) fn agreed(other: &TargetClass, kept: &mut TargetClass) {
    if other.workers != kept.workers {
        kept.workers.clear();
    }
}

/// Notes impossible costs; a worker with an impossible cost is not in the class.
pub(super) fn class(class: &mut TargetClass, bad: &mut Vec<BadRecord>) {
    let record = Record::Class(class.id);
    class.workers.retain(|worker, points| {
        let possible = is_amount(*points);
        if !possible {
            let value = format!("{} for {worker}", exact(*points));
            bad.push(BadRecord::new(record, "workers", &value, amount_must(*points)));
        }
        if broken!("class_with_an_impossible_cost") {
            *points = if possible { *points } else { 0.0 };
            return true;
        }
        possible
    });
}

/// Notes faults of the alternatives, and requirements that a task with alternatives must not have itself.
fn alternatives(task: &mut Task, bad: &mut Vec<BadRecord>) {
    let record = Record::Task(task.id);
    for (nth, alternative) in task.alternatives.iter_mut().enumerate() {
        let field = format!("alternatives.{nth}");
        amounts(record, &format!("{field}.demand"), &mut alternative.demand, bad);
        let speed = alternative.speed;
        if !is_speed(speed) {
            let field = format!("{field}.speed");
            bad.push(BadRecord::new(record, &field, &exact(speed), speed_must(speed)));
            // So that a log reads back the same; the task itself is set aside.
            alternative.speed = 1.0;
        }
    }
    let count = task.alternatives.len();
    if let Some(nth) = task.alternative.filter(|nth| usize::from(*nth) >= count) {
        let must = format!("the index of one of its {count} alternatives");
        bad.push(BadRecord::new(record, "alternative", &nth.to_string(), &must));
    }
    let needs = &task.requirements;
    let own = !needs.hardware().is_empty()
        || needs.gpu_memory_bytes.is_some()
        || needs.min_cuda_compute.is_some();
    if own && count > 0 {
        let must = "absent where the task names hardware or device memory of its own";
        bad.push(BadRecord::new(record, "alternatives", &count.to_string(), must));
    }
}

/// Sorts the members: the order in which they are named does not matter.
pub(super) fn members(group: &mut Group) {
    group.members.sort_unstable();
    group.members.dedup();
}

/// Drops members that do not exist, unless the snapshot is partial, so that they may exist.
pub(super) fn group(
    group: &mut Group,
    tasks: &[Task],
    coverage: Coverage,
    bad: &mut Vec<BadRecord>,
) {
    if coverage == Coverage::Partial {
        return;
    }
    let record = Record::Group(group.id);
    group.members.retain(|member| {
        let known = tasks.binary_search_by_key(member, |task| task.id).is_ok();
        if !known {
            let value = member.to_string();
            bad.push(BadRecord::new(record, "members", &value, "a task of the snapshot"));
        }
        known
    });
}

/// Whether a report is valid; notes its fault if not.
pub(super) fn report(report: &Report, bad: &mut Vec<BadRecord>) -> bool {
    let flaw = report.flaw();
    let sound = flaw.is_none();
    bad.extend(flaw);
    sound
}

impl Report {
    /// The fault of the report; `None` if it is valid.
    pub(crate) fn flaw(&self) -> Option<BadRecord> {
        match self.event {
            Event::Performance { worker, speed, .. } if !is_speed(speed) => {
                let (record, value) = (Record::Report(worker), exact(speed));
                Some(BadRecord::new(record, "speed", &value, speed_must(speed)))
            }
            _ => None,
        }
    }
}
