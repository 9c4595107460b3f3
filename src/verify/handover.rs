//! Does every move state truly what it costs in time, and repay it?

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use super::account::{Account, is_clear};
use super::facts::Step;
use super::footprint::{accelerated, added_use, run, runs_now};
use super::promise::{Findings, about, near};
use super::records::load;
use super::round::Round;
use crate::config::Transfer;
use crate::model::hardware::{Hardware, HardwareProfile, HardwareTable};
use crate::model::ids::WorkerId;
use crate::outcome::{Action, Handover};
use crate::snapshot::{Mobility, Stance, StateAt, Task, Worker};

/// A move states its cost in time if moves must repay themselves, and only then. The statement is true, and a voluntary
/// move gains at least that in the time left.
pub(super) fn repays(
    account: &Account<'_>,
    step: &Step<'_>,
    target: &Worker,
    findings: &mut Findings,
) {
    let (round, command) = (account.facts.round, step.command);
    let (Some(section), Some(from)) = (&round.config.transfer, step.from) else {
        findings.need(command.handover.is_none(), || format!("{command}: nobody asked its price"));
        return;
    };
    let Some(said) = &command.handover else {
        return findings.add(format!("{command}: it does not say what it costs"));
    };
    priced(account, section, step, said, findings);
    let [times, left, ahead] = terms(account, section, step, from, target);
    let told = [said.times, said.left.as_secs_f64(), said.horizon.as_secs_f64()];
    let holds =
        told.into_iter().zip([times, left, ahead]).all(|(a, b)| near(Some(a), Some(b), 1e-6));
    findings.need(holds, || {
        format!("{command}: {times} times as fast for {left} s, of {ahead} at most; says {told:?}")
    });
    if !step.is_chosen() {
        return;
    }
    let gain = gain(account, step, from, target);
    findings.need(!is_clear(round) || near(said.gain, gain, 1e-6), || {
        format!("{command}: gains {:?} a second, it says; {gain:?}", said.gain)
    });
    let price = secs(said.downtime).zip(secs(said.lost)).map(|(down, lost)| down + lost);
    let repaid = said.gain.zip(price).is_some_and(|(gain, price)| price <= about(gain * left));
    findings.need(repaid, || format!("{command}: does not repay {price:?} s: {said}"));
}

/// Judges the stated speedup, the time left, and the horizon.
fn terms(
    account: &Account<'_>,
    section: &Transfer,
    step: &Step<'_>,
    from: WorkerId,
    target: &Worker,
) -> [f64; 3] {
    let config = account.facts.round.config;
    let ahead = section.horizon.unwrap_or(match &config.prediction {
        Some(section) => section.window,
        None => config.performance_window,
    });
    let (times, ahead) = (times(account, step, from, target), ahead.as_secs_f64());
    let rest = step.task.expected_remaining().map(|rest| rest.as_secs_f64() / times);
    let left = rest.filter(|rest| *rest < ahead).unwrap_or(ahead);
    [times, left.max(1.0), ahead]
}

/// Judges the stated cost: unknown figures are `None`, known ones are right, and no transfer is faster than its links.
fn priced(
    account: &Account<'_>,
    section: &Transfer,
    step: &Step<'_>,
    said: &Handover,
    findings: &mut Findings,
) {
    let (command, task) = (step.command, step.task);
    let stays = task.mobility != Mobility::Checkpoint;
    let least = if stays { Some(0.0) } else { carried(account, section, step) };
    let transfer = secs(said.transfer);
    let told = match (transfer, least) {
        (Some(said), Some(0.0)) => said.to_bits() == 0,
        (Some(said), Some(least)) => least <= about(said),
        (None, None) => true,
        _ => false,
    };
    findings.need(told, || format!("{command}: a transfer of {transfer:?} s, at least {least:?}"));
    let mut around = Duration::ZERO;
    if task.mobility != Mobility::Queued {
        around += section.restart;
        if task.mobility != Mobility::Restart {
            around += section.checkpoint;
        }
    }
    let down = match command.action {
        Action::Start { .. } => Some(0.0),
        _ => transfer.map(|secs| secs + around.as_secs_f64()),
    };
    findings.need(near(secs(said.downtime), down, 1e-6), || {
        format!("{command}: still for {:?}, it would be {down:?} s", said.downtime)
    });
    let lost = lost(task);
    findings.need(near(secs(said.lost), lost, 1e-6), || {
        format!("{command}: loses {:?}, it would be {lost:?} s", said.lost)
    });
}

fn secs(span: Option<Duration>) -> Option<f64> {
    span.map(|span| span.as_secs_f64())
}

/// The work that is lost: all since the last checkpoint, or since the beginning; `None` if unknown.
fn lost(task: &Task) -> Option<f64> {
    let run = (task.running > Duration::ZERO).then_some(task.running);
    let lost = match task.mobility {
        Mobility::Queued => Some(Duration::ZERO),
        Mobility::Restart => run,
        _ => task.checkpoint_age.or(run),
    };
    lost.map(|lost| lost.as_secs_f64())
}

/// The least time that the transfer of the state takes: zero if no transfer is needed; else over the slower of the
/// links, each shared with the migrations that are known to be under way on it.
fn carried(account: &Account<'_>, section: &Transfer, step: &Step<'_>) -> Option<f64> {
    let snapshot = account.facts.round.snapshot;
    let target = snapshot.worker(step.to)?;
    let there = match step.task.state_at {
        None => false,
        Some(StateAt::Shared) => true,
        Some(StateAt::Worker(worker)) => worker == step.to,
        Some(StateAt::Zone(zone)) => target.zone == Some(zone),
    };
    if there {
        return Some(0.0);
    }
    let mut ends = Vec::from([step.to]);
    match step.task.state_at {
        Some(StateAt::Worker(worker)) => ends.push(worker),
        Some(_) => {}
        None => ends.extend(step.from),
    }
    let bytes = step.task.state_bytes.or(section.state_bytes)?;
    let mut longest = 0.0_f64;
    for end in ends {
        let worker = snapshot.worker(end).filter(|worker| worker.stance != Stance::Offline)?;
        let link = worker.bandwidth_bytes_per_second.or(section.bandwidth_bytes_per_second)?;
        let count = |of: &BTreeMap<WorkerId, usize>| of.get(&end).copied().unwrap_or(0);
        let sharing = 1 + count(&account.outgoing) + count(&account.incoming);
        longest = longest.max(bytes as f64 * sharing as f64 / link);
    }
    Some(longest.min(1e12))
}

/// What the move gains per second: by how much the target is less loaded once the task has arrived, and by how much the
/// task is faster there.
fn gain(account: &Account<'_>, step: &Step<'_>, from: WorkerId, target: &Worker) -> Option<f64> {
    let round = account.facts.round;
    let source = round.snapshot.worker(from)?;
    let there = step.there(round.snapshot);
    let arrived = load(round.config.load, target, |resource| {
        Some(account.in_use(target.id, resource)? + added_use(&there, target, resource))
    });
    let calmer = account.level(source)? - (arrived? + account.facts.shift(target.id));
    Some(calmer + times(account, step, from, target) - 1.0)
}

/// How many times as fast the task runs on the target, by the alternative that it takes there, if it has any.
pub(super) fn times(
    account: &Account<'_>,
    step: &Step<'_>,
    from: WorkerId,
    target: &Worker,
) -> f64 {
    let (round, task) = (account.facts.round, step.task);
    let source = round.snapshot.worker(from).filter(|_| round.config.hardware.is_some());
    let Some(source) = source else { return 1.0 };
    let then = step.command.alternative.map(usize::from);
    speed_there(round, task, target, then) / speed_here(round, task, source)
}

/// How fast a task runs on the worker that it is on.
pub(super) fn speed_here(round: &Round<'_>, task: &Task, worker: &Worker) -> f64 {
    let now = runs_now(round.snapshot, task);
    let here = run(round.snapshot, task, now);
    if is_deviceless(round, &here, worker) {
        return speed(round, worker, |table| table.profile(Hardware::Cpu, None));
    }
    speed_there(round, task, worker, now)
}

/// How fast a task would run on a worker by one of its alternatives, if it has any.
pub(super) fn speed_there(
    round: &Round<'_>,
    task: &Task,
    worker: &Worker,
    nth: Option<usize>,
) -> f64 {
    match nth.and_then(|nth| task.alternatives.get(nth)) {
        Some(way) => way.speed,
        None => speed(round, worker, |table| profile(table, task, worker)),
    }
}

/// Whether a task that could run on a device of its worker is known to have none, and can run on the worker's CPU.
fn is_deviceless(round: &Round<'_>, task: &Task, worker: &Worker) -> bool {
    let needs = &task.requirements;
    if task.device.is_some() || needs.gpu_memory_bytes.is_none() {
        return false;
    }
    let named = needs.all_of.union(needs.any_of);
    let both = worker.kinds().contains(Hardware::Cpu) && named.contains(Hardware::Cpu);
    let tells = || round.snapshot.tasks().iter().any(|task| task.device.is_some());
    both && accelerated(task, worker) && tells()
}

/// The observed speed of the hardware that a task uses on a worker, or that of the table.
fn speed(
    round: &Round<'_>,
    worker: &Worker,
    used: impl Fn(&HardwareTable) -> HardwareProfile,
) -> f64 {
    let Some(section) = &round.config.hardware else { return 1.0 };
    let used = used(&section.table);
    round.after.learned.speed(worker.id, used.hardware).unwrap_or(used.performance)
}

/// The hardware of a worker that a task would use: the fastest of the kinds that it names, or else the CPU.
pub(super) fn profile(table: &HardwareTable, task: &Task, worker: &Worker) -> HardwareProfile {
    let (needs, has) = (&task.requirements, worker.kinds());
    let named = needs.all_of.union(needs.any_of);
    let mut usable: Vec<Hardware> = has.iter().filter(|kind| named.contains(*kind)).collect();
    if usable.is_empty() {
        usable = has.iter().collect();
        if has.contains(Hardware::Cpu) {
            usable = Vec::from([Hardware::Cpu]);
        }
    }
    let mut best: Option<HardwareProfile> = None;
    for kind in usable {
        let next = table.profile(kind, worker.compute(kind));
        if best.is_none_or(|best| next.performance > best.performance) {
            best = Some(next);
        }
    }
    best.unwrap_or_else(|| table.profile(Hardware::Cpu, None))
}
