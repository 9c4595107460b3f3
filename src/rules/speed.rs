//! How fast would a task run on a worker, relative to one CPU worker?

use alloc::vec::Vec;

use crate::config::HardwareStrategy;
use crate::model::hardware::{Hardware, HardwareProfile, HardwareSet, HardwareTable};
use crate::model::rows::{TaskRow, WorkerRow};
use crate::round::Round;
use crate::snapshot::Task;
use crate::state::Transport;
use crate::view::{View, runs_on_device};

/// The profile of the hardware that a task would run on: the fastest of the kinds it names, else the
/// CPU.
pub(crate) fn profile(
    table: &HardwareTable,
    view: &View<'_>,
    task: &Task,
    worker: WorkerRow,
) -> HardwareProfile {
    let (record, kinds) = (view.worker(worker), view.workers[worker].kinds);
    let named = task.requirements.hardware();
    let usable = |kind: &Hardware| {
        if named.intersects(kinds) {
            named.contains(*kind)
        } else {
            !kinds.contains(Hardware::Cpu)
                || *kind == Hardware::Cpu
                || broken!("cpu_tasks_ignore_gpus")
        }
    };
    let profiles = kinds.iter().filter(usable);
    let profiles = profiles.map(|kind| table.profile(kind, record.compute(kind)));
    let fastest =
        profiles.reduce(|best, next| if next.performance > best.performance { next } else { best });
    fastest.unwrap_or_else(|| table.profile(Hardware::Cpu, None))
}

/// The speed of a task on a worker: as observed, or else by the hardware table.
pub(crate) fn there(
    round: &Round<'_>,
    section: &HardwareStrategy,
    task: &Task,
    worker: WorkerRow,
) -> f64 {
    // A variant has one alternative: the one by which it runs.
    if let Some(alternative) = task.alternatives.first()
        && !broken!("alternative_speed")
    {
        return alternative.speed;
    }
    observed(round, worker, profile(&section.table, round.view, task, worker))
}

/// The speed of a task on a worker by the fastest of its alternatives that the worker has the hardware for.
pub(crate) fn best(
    round: &Round<'_>,
    section: &HardwareStrategy,
    task: &Task,
    worker: WorkerRow,
) -> f64 {
    if task.alternatives.is_empty() {
        return there(round, section, task, worker);
    }
    let kinds = round.view.workers[worker].kinds;
    let able = task
        .alternatives
        .iter()
        .filter(|alternative| alternative.hardware.without(kinds).is_empty());
    able.map(|alternative| alternative.speed).fold(0.0, f64::max)
}

/// The speed of a task on the worker that it is on. If the host names the devices of tasks, a task without a device
/// has the speed of the worker's CPU; if it names none, the task may use any.
pub(crate) fn here(
    round: &Round<'_>,
    section: &HardwareStrategy,
    task: &Task,
    worker: WorkerRow,
) -> f64 {
    let kinds = round.view.workers[worker].kinds;
    let names_devices = round.view.names_devices || broken!("silent_about_devices");
    let without_device = task.device.is_none() || broken!("with_a_device_it_runs_there");
    let runs_on_cpu = names_devices
        && kinds.contains(Hardware::Cpu)
        && task.requirements.hardware().contains(Hardware::Cpu)
        && runs_on_device(&task.requirements, kinds)
        && task.requirements.gpu_memory_bytes.is_some()
        && without_device
        && !broken!("without_a_device_it_runs_on_the_cpu");
    if runs_on_cpu {
        return observed(round, worker, section.table.profile(Hardware::Cpu, None));
    }
    there(round, section, task, worker)
}

/// The speed that an upgrade must beat. If the host's scheduler chooses the worker, it also chooses the device and the
/// alternative, and would choose the same again: the task then counts as running in the best way that its worker has.
pub(crate) fn to_beat(
    round: &Round<'_>,
    section: &HardwareStrategy,
    row: TaskRow,
    worker: WorkerRow,
) -> f64 {
    let task = round.view.task(row);
    let here = here(round, section, round.view.task_here(row), worker);
    let is_by_scheduler = Transport::of(round.config.migration.as_ref(), task).is_by_scheduler();
    if is_by_scheduler && !broken!("evicts_for_no_device") {
        here.max(best(round, section, task, worker))
    } else {
        here
    }
}

/// How many times as fast a task runs on the target as on its own worker, by one of its alternatives if it has any; 1
/// if [`Config::hardware`](crate::Config::hardware) is off.
pub(crate) fn speedup(
    round: &Round<'_>,
    row: TaskRow,
    [from, to]: [WorkerRow; 2],
    alternative: Option<u16>,
) -> f64 {
    let Some(section) = &round.config.hardware else { return 1.0 };
    let here = here(round, section, round.view.task_here(row), from);
    let alternative = if broken!("as_fast_as_it_runs_there") { None } else { alternative };
    let there = there(round, section, round.view.task_by(row, alternative), to);
    there / here
}

fn observed(round: &Round<'_>, worker: WorkerRow, profile: HardwareProfile) -> f64 {
    let learned = round.state.learned.speed(round.worker_id(worker), profile.hardware);
    match learned {
        Some(speed) if !broken!("speed_is_learned") => speed,
        _ => profile.performance,
    }
}

/// Everything about a task that decides its speed on a given worker: the hardware that it names, and the hardware and
/// the speed of each alternative (the speed as bits, for comparison).
pub(crate) type Wish = (HardwareSet, HardwareSet, Vec<(HardwareSet, u64)>);

/// The wish of a task.
pub(crate) fn wish(task: &Task) -> Wish {
    let alternatives = task
        .alternatives
        .iter()
        .map(|alternative| (alternative.hardware, alternative.speed.to_bits()));
    (task.requirements.all_of, task.requirements.any_of, alternatives.collect())
}
