//! Is advice true? Computed from the snapshot and what was learned, with arithmetic of its own.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::vec::Vec;

use super::calendar::is_leaving;
use super::footprint::{accelerated, added_use, asked, claim, suits};
use super::promise::{Findings, about};
use super::records::{capacity, is_sound_task, is_sound_worker, load};
use super::round::Round;
use crate::model::hardware::Hardware;
use crate::model::ids::{TaskId, WorkerId};
use crate::model::resource::ResourceId;
use crate::outcome::{Advice, Outcome};
use crate::snapshot::{
    Coverage, Device, Mobility, Phase, Placement, Snapshot, Stance, Task, Worker,
};
use crate::state::Topic;

/// Advice is given only if it is switched on, and only if its condition has held for long enough and holds now.
pub(super) fn advice(round: &Round<'_>, findings: &mut Findings) {
    let told = &round.outcome.advice;
    let Some(section) = &round.config.advice else {
        let nothing = told.is_empty() && round.after.advised.is_empty();
        return findings.need(nothing, || "advice that nobody asked for".into());
    };
    let at = round.snapshot.at();
    for advice in told {
        let topic = topic(advice);
        let standing = round.before.advised.iter().find(|standing| standing.topic == topic);
        let patience = match advice {
            Advice::ScaleDown { .. } => section.patience_down,
            _ => section.patience,
        };
        let lasted = standing.is_some_and(|it| at.before(patience) >= it.since);
        findings
            .need(lasted || patience.is_zero(), || format!("told before it has lasted: {advice}"));
        let kept = round.after.advised.iter().any(|standing| standing.topic == topic);
        findings.need(kept, || format!("told and not remembered: {advice}"));
        let others = told
            .iter()
            .filter(|other| core::mem::discriminant(*other) == core::mem::discriminant(advice));
        findings.need(others.count() <= Outcome::ADVICE, || format!("too much like: {advice}"));
        let is_true = match *advice {
            Advice::Split { task, worker, load, high, parts } => {
                splits(round, task, worker, [load, high], parts)
            }
            Advice::ScaleUp { like, workers, waiting, crowded, placed, mean, high } => {
                let tasks = [waiting, crowded, placed];
                widens(round, like, workers, tasks, [mean, high])
            }
            Advice::ScaleDown { like, workers, of, load, most } => {
                narrows(round, like, [workers, of], [load, most])
            }
            Advice::SlowWorker { worker, hardware, speed, expected, peers, reports } => {
                let slow = speed < section.slow * expected && reports >= section.reports.get();
                slow && lags(round, worker, hardware, [speed, expected], [peers, reports])
            }
        };
        findings.need(is_true, || format!("not true: {advice}"));
    }
}

fn topic(advice: &Advice) -> Topic {
    match *advice {
        Advice::Split { task, .. } => Topic::Split(task),
        Advice::ScaleUp { .. } => Topic::ScaleUp,
        Advice::ScaleDown { .. } => Topic::ScaleDown,
        Advice::SlowWorker { worker, hardware, .. } => Topic::Slow(worker, hardware),
    }
}

/// Whether a task overloads every worker that could have it, and the named one the least.
fn splits(
    round: &Round<'_>,
    task: TaskId,
    worker: WorkerId,
    [said, high]: [f64; 2],
    parts: u32,
) -> bool {
    let snapshot = round.snapshot;
    let (Some(task), Coverage::Complete) = (snapshot.task(task), snapshot.coverage()) else {
        return false;
    };
    let mut workers = snapshot.workers().iter();
    let alone = |worker: &Worker| {
        load(round.config.load, worker, |resource| Some(added_use(task, worker, resource)))
    };
    let nobody_helps = workers.all(|worker| {
        let open = matches!(worker.stance, Stance::Accept | Stance::Hold);
        let could = open && meets(task, worker);
        let load = alone(worker).filter(|_| could);
        load.is_none_or(|load| {
            let spared = load <= high && holds(task, worker);
            !spared && (load <= high || about(load) >= said)
        })
    });
    let best = snapshot.worker(worker).filter(|worker| meets(task, worker)).and_then(alone);
    let ceiling = round.outcome.thresholds.high.max(round.config.thresholds.high);
    is_sound_task(snapshot, task.id)
        && nobody_helps
        && best.is_some_and(|best| (best - said).abs() <= 1e-9 * said.max(1.0))
        && said > high
        && (high - ceiling).abs() <= 1e-12
        && (parts >= 2 && (said <= about(f64::from(parts) * high) || parts == 1_000))
        && (parts == 2 || said > f64::from(parts - 1) * high - 1e-9)
}

/// Whether a worker takes tasks and its record can be relied on.
fn takes(round: &Round<'_>, worker: &Worker) -> bool {
    worker.stance == Stance::Accept
        && !is_leaving(round, worker)
        && is_sound_worker(round.snapshot, worker.id)
}

/// Whether tasks wait, or loads are too high, and one more such worker could have some of them.
fn widens(
    round: &Round<'_>,
    like: WorkerId,
    workers: u32,
    [waiting, crowded, placed]: [u32; 3],
    [mean, high]: [f64; 2],
) -> bool {
    let snapshot = round.snapshot;
    let Some(like) = snapshot.worker(like).filter(|worker| takes(round, worker)) else {
        return false;
    };
    let is_there =
        |id: &WorkerId| snapshot.worker(*id).is_some_and(|it| it.stance != Stance::Offline);
    let adrift = |task: TaskId| {
        let flight = round.after.in_flight.get(&task);
        flight.is_some_and(|flight| flight.phase() == Phase::Released)
    };
    let waits = |task: &&Task| match task.placement {
        Placement::On(worker) => !is_there(&worker) || adrift(task.id),
        _ => true,
    };
    let could =
        |task: &Task| is_sound_task(snapshot, task.id) && meets(task, like) && holds(task, like);
    let all = snapshot.tasks();
    let waiting_there = all.iter().filter(waits).count();
    let loads = round
        .outcome
        .workers
        .iter()
        .filter(|row| snapshot.worker(row.worker).is_some_and(|worker| takes(round, worker)));
    let loads: Vec<f64> = loads.filter_map(|row| Some(row.projected?.get())).collect();
    let is_mean = loads.iter().sum::<f64>() / loads.len().max(1) as f64;
    let could_be_placed = all.iter().filter(|task| could(task)).count();
    snapshot.coverage() == Coverage::Complete
        && workers >= 1
        && placed >= workers
        && placed <= waiting + crowded
        && waiting as usize <= waiting_there
        && crowded as usize <= all.len() - waiting_there
        && placed as usize <= could_be_placed
        && (mean - is_mean).abs() <= 1e-9 * mean.max(1.0)
        && (crowded == 0 || mean > high)
        && (high - round.outcome.thresholds.high.max(round.config.thresholds.high)).abs() <= 1e-12
}

/// Whether there are this many workers of a class, and the others have the capacity for what all tasks use.
fn narrows(
    round: &Round<'_>,
    like: WorkerId,
    [workers, of]: [u32; 2],
    [load, most]: [f64; 2],
) -> bool {
    let (snapshot, Some(section)) = (round.snapshot, &round.config.advice) else {
        return false;
    };
    let Some(like) = snapshot.worker(like) else { return false };
    let open = || snapshot.workers().iter().filter(|worker| takes(round, worker));
    let same = |worker: &&Worker| {
        let device = |device: &Device| (device.hardware, device.memory_bytes, device.compute);
        let devices = |worker: &Worker| worker.devices.iter().map(device).collect::<Vec<_>>();
        let labels = |worker: &Worker| worker.labels.iter().copied().collect::<BTreeSet<_>>();
        worker.capacity == like.capacity
            && worker.hardware == like.hardware
            && devices(worker) == devices(like)
            && labels(worker) == labels(like)
    };
    let on = |worker: &Worker| {
        let id = worker.id;
        snapshot.tasks().iter().filter(move |task| task.placement == Placement::On(id))
    };
    let pinned = |worker: &&Worker| on(worker).any(|task| task.mobility == Mobility::Pinned);
    let free = open().filter(same).filter(|worker| !pinned(worker)).count();
    let known = open().filter(|worker| {
        round.outcome.workers.iter().any(|row| row.worker == worker.id && row.reported.is_some())
    });
    let removed = round.outcome.advice.iter().map(|advice| match advice {
        Advice::ScaleDown { workers, .. } => *workers as usize,
        _ => 0,
    });
    let removed: usize = removed.sum();
    let ceiling = round.outcome.thresholds.high.max(round.config.thresholds.high);
    let drains = snapshot.workers().iter().any(|worker| worker.stance == Stance::Drain);
    snapshot.coverage() == Coverage::Complete
        && !drains
        && workers >= 1
        && workers <= of
        && workers as usize <= free
        && of as usize <= open().filter(same).count()
        && removed < known.count()
        && load <= about(most)
        && (most - section.keep_below.min(ceiling)).abs() <= 1e-12
}

/// Whether a worker meets a task's requirements, however full it is.
fn meets(task: &Task, worker: &Worker) -> bool {
    let (needs, has) = (&task.requirements, worker.kinds());
    let memory = needs.min_memory_bytes.is_none_or(|least| {
        capacity(worker, ResourceId::MEMORY).is_some_and(|memory| memory >= least as f64)
    });
    let compute = needs.min_cuda_compute.filter(|_| accelerated(task, worker));
    let cuda = |device: &&Device| device.hardware == Hardware::Cuda;
    let mut cuda = worker.devices.iter().filter(cuda);
    needs.all_of.iter().all(|kind| has.contains(kind))
        && (needs.any_of.is_empty() || needs.any_of.iter().any(|kind| has.contains(kind)))
        && needs.labels.iter().all(|label| worker.labels.contains(label))
        && needs.forbidden_labels.iter().all(|label| !worker.labels.contains(label))
        && memory
        && compute.is_none_or(|least| cuda.any(|it| it.compute.is_some_and(|has| has >= least)))
}

/// Whether an empty worker has the capacity for what a task claims.
fn holds(task: &Task, worker: &Worker) -> bool {
    let fits = |resource: ResourceId| {
        let claimed = claim(task, worker, resource);
        claimed <= 0.0 || capacity(worker, resource).is_some_and(|capacity| claimed <= capacity)
    };
    let bytes = task.requirements.gpu_memory_bytes.filter(|_| accelerated(task, worker));
    let on_a_device = |bytes: u64| {
        let mut devices = (0_u16..).zip(&worker.devices);
        devices.any(|(index, device)| {
            let large = device.memory_bytes.is_some_and(|memory| memory >= bytes);
            large && suits(task, worker, index)
        })
    };
    asked(task).into_iter().all(fits) && bytes.is_none_or(on_a_device)
}

/// Whether the stated speeds of a worker's hardware and of the median of the others are right.
fn lags(
    round: &Round<'_>,
    worker: WorkerId,
    kind: Hardware,
    [speed, expected]: [f64; 2],
    [peers, reports]: [u32; 2],
) -> bool {
    let (Some(hardware), Some(section)) = (&round.config.hardware, &round.config.advice) else {
        return false;
    };
    let known = |id: WorkerId, snapshot: &Snapshot| {
        let average = *round.after.learned.speed.get(&id)?.get(&kind)?;
        let promised = hardware.table.profile(kind, snapshot.worker(id)?.compute(kind)).performance;
        (average.samples() >= section.reports.get()).then_some((average, promised))
    };
    let Some((own, promised)) = known(worker, round.snapshot) else { return false };
    let others = round.snapshot.workers().iter().filter(|other| other.id != worker);
    let others = others.filter_map(|other| known(other.id, round.snapshot));
    let mut kept: Vec<f64> = others.map(|(average, promised)| average.mean() / promised).collect();
    kept.sort_by(f64::total_cmp);
    let Some(last) = kept.len().checked_sub(1) else { return false };
    let median = f64::midpoint(kept[last / 2], kept[kept.len() / 2]);
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * a.abs().max(1.0);
    near(own.mean(), speed)
        && near(expected, promised * median)
        && own.samples() == reports
        && kept.len() == peers as usize
        && peers >= 2
}
