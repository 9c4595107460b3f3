//! How fast would a task run on a worker, relative to one CPU worker?

use alloc::vec::Vec;

use crate::config::{Config, HardwareStrategy};
use crate::model::hardware::{Hardware, HardwareProfile, HardwareSet, HardwareTable};
use crate::snapshot::Task;
use crate::state::{State, Transport};
use crate::view::{Seat, View, runs_on_device};

/// Absurd figures give absurd speeds, but none that are no numbers.
const MOST_TIMES: f64 = 1e6;

/// The profile of the hardware that a task would run on: the fastest of the kinds it names, else the
/// CPU.
pub(crate) fn profile(
    table: &HardwareTable,
    view: &View<'_>,
    task: &Task,
    seat: Seat,
) -> HardwareProfile {
    let (worker, kinds) = (view.worker(seat), view.workers[seat].kinds);
    let named = task.requirements.hardware();
    let usable = |kind: &Hardware| {
        if named.intersects(kinds) {
            named.contains(*kind)
        } else {
            !kinds.contains(Hardware::Cpu) || *kind == Hardware::Cpu
        }
    };
    let profiles = kinds.iter().filter(usable);
    let profiles = profiles.map(|kind| table.profile(kind, worker.compute(kind)));
    let fastest =
        profiles.reduce(|best, next| if next.performance > best.performance { next } else { best });
    fastest.unwrap_or_else(|| table.profile(Hardware::Cpu, None))
}

/// Its speed there: as observed, else as the table has it.
pub(crate) fn there(
    section: &HardwareStrategy,
    state: &State,
    view: &View<'_>,
    task: &Task,
    seat: Seat,
) -> f64 {
    // A form of a task with alternatives has the one that it runs by.
    if let Some(alternative) = task.alternatives.first() {
        return alternative.speed;
    }
    known(state, view, seat, profile(&section.table, view, task, seat))
}

/// Its speed there by the fastest of its alternatives that the worker has the hardware for.
pub(crate) fn best(
    section: &HardwareStrategy,
    state: &State,
    view: &View<'_>,
    task: &Task,
    seat: Seat,
) -> f64 {
    if task.alternatives.is_empty() {
        return there(section, state, view, task, seat);
    }
    let kinds = view.workers[seat].kinds;
    let able = task.alternatives.iter().filter(|it| it.hardware.without(kinds).is_empty());
    able.map(|alternative| alternative.speed).fold(0.0, f64::max)
}

/// Its speed where it is: without a device, that of the worker's CPU. A host that says of no task which
/// device it uses has not said that this one uses none.
pub(crate) fn here(
    section: &HardwareStrategy,
    state: &State,
    view: &View<'_>,
    task: &Task,
    seat: Seat,
) -> f64 {
    let kinds = view.workers[seat].kinds;
    let without = view.names_devices
        && kinds.contains(Hardware::Cpu)
        && task.requirements.hardware().contains(Hardware::Cpu)
        && runs_on_device(&task.requirements, kinds)
        && task.requirements.gpu_memory_bytes.is_some()
        && task.device.is_none();
    if without {
        return known(state, view, seat, section.table.profile(Hardware::Cpu, None));
    }
    there(section, state, view, task, seat)
}

/// Its speed where it is, as somebody asks who would move it for more. Where the host's scheduler chooses the
/// worker, it chooses the device and the alternative too, and would again: there a task counts as running
/// the best way its worker has.
pub(crate) fn to_beat(
    config: &Config,
    section: &HardwareStrategy,
    state: &State,
    view: &View<'_>,
    (row, seat): (usize, Seat),
) -> f64 {
    let (task, here) = (view.task(row), here(section, state, view, view.task_here(row), seat));
    if Transport::of(config.migration.as_ref(), task).is_by_scheduler() {
        here.max(best(section, state, view, task, seat))
    } else {
        here
    }
}

/// How many times as fast a task runs there, by one of its alternatives if it has any, as where it is; as
/// fast where nobody asks.
pub(crate) fn times(
    state: &State,
    view: &View<'_>,
    row: usize,
    [from, to]: [Seat; 2],
    alternative: Option<u16>,
) -> f64 {
    let Some(section) = &view.config.hardware else { return 1.0 };
    let here = here(section, state, view, view.task_here(row), from);
    let there = there(section, state, view, view.task_by(row, alternative), to);
    (there / here).clamp(1.0 / MOST_TIMES, MOST_TIMES)
}

fn known(state: &State, view: &View<'_>, seat: Seat, profile: HardwareProfile) -> f64 {
    let observed = state.learned.speed(view.worker_id(seat), profile.hardware);
    observed.unwrap_or(profile.performance)
}

/// What decides how fast a task runs on a given worker, beside that worker: the hardware it names, and
/// that of its alternatives with their speeds (as bits, to be compared).
pub(crate) type Wish = (HardwareSet, HardwareSet, Vec<(HardwareSet, u64)>);

/// The wish of a task.
pub(crate) fn wish(task: &Task) -> Wish {
    let alternatives = task.alternatives.iter().map(|it| (it.hardware, it.speed.to_bits()));
    (task.requirements.all_of, task.requirements.any_of, alternatives.collect())
}
