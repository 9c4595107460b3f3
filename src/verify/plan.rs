//! Is every step of the plan allowed after the steps before it?

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::account::{Account, is_clear};
use super::calendar::{is_balanced, keeps_freezes, may_be_left, stays_for_it};
use super::concurrency::budget;
use super::devices::hides_devices;
use super::evidence::pace;
use super::facts::{Facts, Stay, Step};
use super::footprint::{accelerated, added_use, asked, claim, run, suits};
use super::groups;
use super::handover::repays;
use super::homes::sent_home_where_it_may;
use super::orders::sent_where_it_may;
use super::promise::{Findings, Promise, Violation, about};
use super::records::{
    capacity, is_live, is_sound_source, is_sound_task, is_sound_worker, load, used,
};
use super::round::Round;
use crate::config::HostAbility;
use crate::model::hardware::Hardware;
use crate::model::ids::WorkerId;
use crate::model::resource::ResourceId;
use crate::outcome::{Action, Balance, Cause, Fate, Purpose, Reason, Sight};
use crate::snapshot::{Mobility, Stance, TargetClass, Task, Worker};
use crate::state::PLACEMENTS_PER_WORKER;

/// Walks through the plan: each step is judged after the steps before it, then entered.
fn walk(
    round: &Round<'_>,
    promise: Promise,
    judge: impl Fn(&Account<'_>, &Step<'_>, &Worker, &mut Findings),
) -> Findings {
    let mut findings = Findings::new(promise);
    let facts = Facts::new(round);
    let mut account = Account::open(&facts);
    for step in &facts.steps {
        match round.snapshot.worker(step.to) {
            Some(target) => judge(&account, step, target, &mut findings),
            None => findings.add(format!("{}: no such worker", step.command)),
        }
        account.enter(step);
    }
    findings
}

/// Promise 2: hardware, labels, memory, compute capability, capacity in every resource, device memory device by
/// device, stance, time, freezes, pins, affinity, anti-affinity and spread hold at every prefix of the plan, with
/// moving tasks counted on both ends.
pub(super) fn hard_constraints(round: &Round<'_>) -> Vec<Violation> {
    let mut findings = walk(round, Promise::HardConstraints, |account, step, target, findings| {
        may_leave(account, step, findings);
        may_be_left(account.facts, step, findings);
        let mut source = step.from.into_iter();
        let believed = source.all(|from| is_sound_source(round.snapshot, from, step.purpose));
        findings.need(believed, || format!("{}: its source has a bad record", step.command));
        may_be_done_so(round, step, findings);
        may_be_chosen(round, step, findings);
        has_room(account, step, &step.there(round.snapshot), target, findings);
        may_go(account, step, target, findings);
        stays_for_it(account, step, target, findings);
        keeps_freezes(account, step, findings);
        repays(account, step, target, findings);
    });
    for stray in &Facts::new(round).strays {
        findings.add(format!("{stray}: no such task in the snapshot"));
    }
    sent_where_it_may(round, &mut findings);
    sent_home_where_it_may(round, &round.outcome.commands, &mut findings);
    groups::plan(round, &mut findings);
    findings.list
}

/// The source's side: the task is on the worker and may move, and the worker gives tasks.
pub(super) fn may_leave(account: &Account<'_>, step: &Step<'_>, findings: &mut Findings) {
    let snapshot = account.facts.round.snapshot;
    let (task, command) = (step.task, step.command);
    findings.need(is_sound_task(snapshot, task.id), || format!("{command}: its record is bad"));
    findings.need(step.from != Some(step.to), || format!("{command}: it is there already"));
    let stay = account.stays.get(&task.id).copied();
    let Some(from) = step.from else {
        let adrift = account.facts.retargeted.contains(&command.migration);
        let nobody = adrift || account.facts.is_orphaned(task);
        findings.need(nobody && stay == Some(Stay::Nowhere), || {
            format!("{command}: it is not without a worker ({stay:?})")
        });
        return;
    };
    findings
        .need(stay == Some(Stay::On(from)), || format!("{command}: it is not there ({stay:?})"));
    // The worker that was told to forget it, or to stop it, may run it until a snapshot shows that it does not. If a
    // report of the same round says that it ran there, what the snapshot shows is what became of it.
    let ended = &account.facts.round.outcome.ended;
    let ran = |id| ended.iter().any(|it| (it.migration, it.fate) == (id, Fate::Completed));
    let told = account.facts.round.outcome.commands.iter().find(|told| match told.action {
        Action::Abort { worker } | Action::Stop { from: worker } => {
            let may = worker != from && is_live(snapshot, worker) && !ran(told.migration);
            told.task == task.id && may
        }
        _ => false,
    });
    if let Some(told) = told {
        findings.add(format!("{command}: it may run elsewhere ({told})"));
    }
    findings.need(task.mobility != Mobility::Pinned, || format!("{command}: it is pinned"));
    let early = task.not_before.filter(|until| *until > snapshot.at());
    findings.need(early.is_none(), || format!("{command}: not before {early:?}"));
}

/// The worker may take the task: room, freezes and the moment when it leaves aside.
pub(super) fn may_go(
    account: &Account<'_>,
    step: &Step<'_>,
    target: &Worker,
    findings: &mut Findings,
) {
    let snapshot = account.facts.round.snapshot;
    may_take(snapshot.classes(), step, &step.there(snapshot), target, findings);
    by_the_fastest(account, step, target, findings);
    groups::step(account, step, findings);
}

/// No task moves by choice that is nearly done, or that has run so long that it counts as almost done.
pub(super) fn may_be_chosen(round: &Round<'_>, step: &Step<'_>, findings: &mut Findings) {
    let Some(section) = round.config.cost_benefit.as_ref().filter(|_| step.is_chosen()) else {
        return;
    };
    let (command, task) = (step.command, step.task);
    let longest = section.max_running.unwrap_or(Duration::MAX);
    findings.need(task.running <= longest, || format!("{command}: it has run for {longest:?}"));
    let (rest, least) = (task.expected_remaining(), round.config.check_interval);
    let ends = round.config.stability.is_some() && rest.is_some_and(|rest| rest < least);
    findings.need(!ends, || format!("{command}: it is done in {rest:?}"));
}

/// The command is one that the host can carry out and the task allows: no task runs twice that does not declare it.
fn may_be_done_so(round: &Round<'_>, step: &Step<'_>, findings: &mut Findings) {
    let Some(limits) = &round.config.migration else { return };
    let (command, task) = (step.command, step.task);
    let queued = task.mobility == Mobility::Queued;
    let holds = match command.action {
        Action::Start { .. } => limits.host == HostAbility::Overlap && task.overlaps && !queued,
        Action::RequeueFor { .. } => limits.requeue && queued,
        Action::Evict { .. } => limits.host.eviction().is_some() && !(limits.requeue && queued),
        Action::Release { .. } => limits.host.eviction().is_none() && !(limits.requeue && queued),
        _ => true,
    };
    findings.need(holds, || format!("{command}: not how this host moves such a task"));
}

/// The target's side: the worker accepts tasks, its load is known, and it meets the task's requirements.
fn may_take(
    classes: &[TargetClass],
    step: &Step<'_>,
    task: &Task,
    target: &Worker,
    findings: &mut Findings,
) {
    let (command, needs, has) = (step.command, &task.requirements, target.kinds());
    let stance = target.stance;
    findings.need(stance == Stance::Accept, || format!("{command}: the target is {stance}"));
    let all = needs.all_of.iter().all(|kind| has.contains(kind));
    findings.need(all, || format!("{command}: needs {} of {has}", needs.all_of));
    let any = needs.any_of.is_empty() || needs.any_of.iter().any(|kind| has.contains(kind));
    findings.need(any, || format!("{command}: needs any of {}, there is {has}", needs.any_of));
    // The record is searched for without relying on the order of the list.
    let class = step.task.class.map(|id| (id, classes.iter().find(|class| class.id == id)));
    let open = class.is_none_or(|(_, class)| {
        class.is_some_and(|class| class.workers.keys().any(|worker| *worker == target.id))
    });
    findings.need(open, || format!("{command}: the target is not in {class:?}"));
    let labels = needs.labels.iter().all(|label| target.labels.contains(label));
    findings.need(labels, || format!("{command}: a label is missing"));
    let free = needs.forbidden_labels.iter().all(|label| !target.labels.contains(label));
    findings.need(free, || format!("{command}: a label is forbidden"));
    if let Some(least) = needs.min_memory_bytes {
        let memory = capacity(target, ResourceId::MEMORY);
        findings.need(memory.is_some_and(|memory| memory >= least as f64), || {
            format!("{command}: needs {least} bytes of memory, there are {memory:?}")
        });
    }
    if let Some(least) = needs.min_cuda_compute.filter(|_| accelerated(task, target)) {
        let devices = target.devices.iter().filter(|device| device.hardware == Hardware::Cuda);
        let best = devices.filter_map(|device| device.compute).max();
        findings.need(best.is_some_and(|best| best >= least), || {
            format!("{command}: needs compute capability {least}, there is {best:?}")
        });
    }
}

/// Capacity, resource by resource and device by device.
pub(super) fn has_room(
    account: &Account<'_>,
    step: &Step<'_>,
    task: &Task,
    target: &Worker,
    findings: &mut Findings,
) {
    let (snapshot, command) = (account.facts.round.snapshot, step.command);
    let rule = account.facts.round.config.load;
    let known = load(rule, target, |resource| used(target, resource)).is_some();
    findings.need(known && is_sound_worker(snapshot, target.id), || {
        format!("{command}: nothing sensible is known of the target's load")
    });
    // The source of a task that no worker has keeps its room for it.
    let is_kept = account.kept.get(&task.id) == Some(&target.id);
    for resource in asked(task) {
        let needed = claim(task, target, resource);
        let claimed = account.claimed(target.id, resource) - if is_kept { needed } else { 0.0 };
        let free = capacity(target, resource).unwrap_or(0.0) - claimed;
        findings.need(needed <= 0.0 || needed <= about(free), || {
            format!("{command}: needs {needed} of {resource}, {free} are free")
        });
    }
    let Some(bytes) = task.requirements.gpu_memory_bytes.filter(|_| !is_kept) else { return };
    if !accelerated(task, target) {
        return;
    }
    let Some(device) = step.device else {
        findings.add(format!("{command}: needs {bytes} bytes on a device and is given none"));
        return;
    };
    let free = account.device_free(target.id, device);
    findings.need(suits(task, target, device), || format!("{command}: device {device} is unfit"));
    findings.need(free.is_some_and(|free| bytes as f64 <= about(free)), || {
        format!("{command}: needs {bytes} bytes on device {device}, {free:?} are free")
    });
}

/// A task with alternatives runs by one of them, and not by one that is slower than another for which there is room.
fn by_the_fastest(
    account: &Account<'_>,
    step: &Step<'_>,
    target: &Worker,
    findings: &mut Findings,
) {
    let (command, ways) = (step.command, &step.task.alternatives);
    let chosen = command.alternative.map(usize::from);
    let is_one = chosen.is_some_and(|nth| nth < ways.len());
    findings.need(is_one != ways.is_empty() && chosen.is_some() == is_one, || {
        format!("{command}: of {} alternatives it takes {chosen:?}", ways.len())
    });
    let Some(chosen) = chosen.filter(|_| is_one) else { return };
    for (nth, way) in ways.iter().enumerate() {
        let before =
            way.speed > ways[chosen].speed || (way.speed >= ways[chosen].speed && nth < chosen);
        if !before {
            continue;
        }
        let task = run(account.facts.round.snapshot, step.task, Some(nth));
        // Free device memory is unknown if a task there does not state its device.
        let asks = task.requirements.gpu_memory_bytes.is_some() && accelerated(&task, target);
        if asks && hides_devices(account, target) {
            continue;
        }
        let mut objections = Findings::new(Promise::HardConstraints);
        let classes = account.facts.round.snapshot.classes();
        may_take(classes, step, &task, target, &mut objections);
        let devices = (0_u16..).zip(&target.devices).map(|(index, _)| Some(index));
        let devices: Vec<Option<u16>> = devices.chain([None]).collect();
        let fits = devices.into_iter().any(|device| {
            let mut objections = Findings::new(Promise::HardConstraints);
            has_room(account, &Step { device, ..*step }, &task, target, &mut objections);
            objections.list.is_empty()
        });
        findings.need(!(objections.list.is_empty() && fits), || {
            format!("{command}: there is room for alternative {nth}, which is faster")
        });
    }
}

/// Promise 3, as far as one round shows it: no task is in two migrations, the budgets hold with everything in flight
/// counted, every migration that is gone has ended once, and no task that its source released is lost.
pub(super) fn one_move(round: &Round<'_>) -> Vec<Violation> {
    let most = budget(round);
    let mut findings = walk(round, Promise::OneMove, |account, step, _, findings| {
        let (command, task) = (step.command, step.task.id);
        let adrift = account.facts.retargeted.contains(&command.migration);
        let flying = account.facts.flights.contains_key(&task) && !adrift;
        findings.need(!flying, || format!("{command}: it is in a migration already"));
        let evicts = matches!(command.action, Action::Evict { .. } | Action::RequeueFor { .. });
        let returned = round.after.back_offs.get(&task).map(|returned| returned.until);
        let early = returned.filter(|until| evicts && *until > round.snapshot.at());
        findings.need(early.is_none(), || format!("{command}: it came back, until {early:?}"));
        within_budget(account, step, most, findings);
    });
    bookkeeping(round, &mut findings);
    super::held::kept(round, &mut findings);
    super::orders::orders(round, &mut findings);
    findings.list
}

fn within_budget(account: &Account<'_>, step: &Step<'_>, most: usize, findings: &mut Findings) {
    let command = step.command;
    let Some(limits) = &account.facts.round.config.migration else {
        findings.add(format!("{command}: migration is switched off"));
        return;
    };
    let count =
        |counts: &BTreeMap<WorkerId, usize>, worker| counts.get(&worker).map_or(1, |it| it + 1);
    let Some(from) = step.from.filter(|_| step.interrupts()) else {
        let there = count(&account.placed, step.to);
        findings.need(there <= PLACEMENTS_PER_WORKER, || format!("{command}: {there} placements"));
        return;
    };
    let all = account.moving + 1;
    findings.need(all <= most, || format!("{command}: {all} moves at once, at most {most}"));
    let (out, to) = (count(&account.outgoing, from), count(&account.incoming, step.to));
    let holds = limits.per_source.is_none_or(|limit| out <= limit.get() as usize);
    findings.need(holds, || format!("{command}: {out} moves from {from} at once"));
    let holds = limits.per_target.is_none_or(|limit| to <= limit.get() as usize);
    findings.need(holds, || format!("{command}: {to} moves to {} at once", step.to));
}

/// Every earlier migration is still there or has ended once; every new one has a command.
fn bookkeeping(round: &Round<'_>, findings: &mut Findings) {
    let Round { before, after, outcome, .. } = *round;
    let open = |id| after.in_flight.by_id(id).is_some();
    for flight in before.in_flight.values() {
        let ends = outcome.ended.iter().filter(|ended| ended.migration == flight.id()).count();
        let expected = usize::from(!open(flight.id()));
        findings.need(ends == expected, || {
            format!("{} of {} ended {ends} times, not {expected}", flight.id(), flight.task())
        });
    }
    for flight in after.in_flight.values() {
        let known = before.in_flight.by_id(flight.id()).is_some();
        let begun = outcome.begun().any(|command| command.migration == flight.id());
        let shown = round.snapshot.task(flight.task()).is_some_and(|task| {
            matches!(task.placement, crate::snapshot::Placement::Moving { migration, .. }
                if migration == flight.id())
        });
        findings.need(known || begun || shown, || format!("{} came from nowhere", flight.id()));
    }
    let mut begun: Vec<_> = outcome.begun().map(|command| command.task).collect();
    begun.sort_unstable();
    let twice = begun.windows(2).find(|pair| pair[0] == pair[1]);
    findings.need(twice.is_none(), || format!("{twice:?} is begun twice in one round"));
}

/// The noise of the measured loads: the lower quartile of the changes from sample to sample, as a standard deviation;
/// zero if there are too few.
fn noise(round: &Round<'_>) -> f64 {
    let mut changes = Vec::new();
    for worker in round.snapshot.workers() {
        let row = round.outcome.workers.iter().find(|row| row.worker == worker.id);
        let Some(latest) = row.and_then(|row| row.reported) else { continue };
        let Some(track) = round.before.tracks.get(&worker.id) else { continue };
        let measured = round.snapshot.at().before(worker.metric_age);
        let earlier = track.recent.iter().filter(|sample| sample.at < measured);
        let mut loads: Vec<f64> = earlier.map(|sample| sample.load).collect();
        loads.push(latest.get());
        changes.extend(loads.windows(2).map(|pair| (pair[1] - pair[0]).abs()));
    }
    changes.sort_by(f64::total_cmp);
    if changes.len() < 8 {
        0.0
    } else {
        changes[changes.len() / 4] / (0.3186 * core::f64::consts::SQRT_2)
    }
}

/// How far a move leaves its target below the level that its source had.
pub(super) fn dead_band(round: &Round<'_>) -> f64 {
    let section = round.config.stability.as_ref();
    section.map_or(0.0, |section| section.dead_band.max(section.noise_margin * noise(round)))
}

/// Promise 4: no move to even out loads raises the spread that it acts on, pushes a resource of its target over the
/// high threshold, or leaves the target about as loaded as the source was. No move for speed pushes a resource over the
/// threshold or makes loads uneven. Tasks that move together are judged together.
pub(super) fn no_worsening(round: &Round<'_>) -> Vec<Violation> {
    // If the projection cannot be computed, it cannot be judged.
    if round.config.stability.is_none() || !is_clear(round) {
        return Vec::new();
    }
    let dead_band = dead_band(round);
    let mut findings = Findings::new(Promise::NoWorsening);
    let facts = Facts::new(round);
    let mut account = Account::open(&facts);
    let even = round.config.detection.imbalance * pace(round).imbalance_factor;
    let record = |worker: Option<WorkerId>| worker.and_then(|id| round.snapshot.worker(id));
    for unit in facts.units() {
        let Some(first) = unit.first() else { continue };
        let (source, target) = (record(first.from), record(Some(first.to)));
        let before = (spread(&account), source.and_then(|it| account.level(it)));
        unit.iter().for_each(|step| account.enter(step));
        let Some(target) = target.filter(|_| first.is_chosen()) else { continue };
        within_ceiling(&account, unit, target, &mut findings);
        let after = (spread(&account), account.level(target));
        let command = first.command;
        if let (Purpose::Rebalance, Some(here), Some(there)) = (first.purpose, before.1, after.1) {
            let most = here - dead_band;
            findings.need(there <= about(most), || {
                format!("{command}: leaves the target at {there}, {most} at most")
            });
        }
        if let (Some(before), Some(after)) = (before.0, after.0) {
            // A move for speed may widen the spread as long as the loads count as even.
            let before = if first.purpose == Purpose::Upgrade { before.max(even) } else { before };
            findings.need(after <= about(before) + 1e-9, || {
                format!("{command}: widens the spread from {before} to {after}")
            });
        }
    }
    findings.list
}

/// No resource of the target that the set uses is above the high threshold after the move.
fn within_ceiling(
    account: &Account<'_>,
    unit: &[Step<'_>],
    target: &Worker,
    findings: &mut Findings,
) {
    let round = account.facts.round;
    let ceiling = round.outcome.thresholds.high.max(round.config.thresholds.high);
    for step in unit {
        // Device memory is limited by room, device by device.
        let task = step.there(round.snapshot);
        for resource in asked(&task).into_iter().filter(|it| *it != ResourceId::GPU_MEMORY) {
            let added = added_use(&task, target, resource);
            let room = capacity(target, resource).filter(|room| *room > 0.0 && added > 0.0);
            let used = account.in_use(target.id, resource);
            let after = room.zip(used).map(|(room, used)| used / room);
            let after = after.map(|after| after + account.facts.shift(target.id));
            findings.need(after.is_none_or(|after| after <= about(ceiling)), || {
                format!("{}: pushes {resource} to {after:?}, {ceiling} is high", step.command)
            });
        }
    }
}

fn spread(account: &Account<'_>) -> Option<f64> {
    let round = account.facts.round;
    let balanced = round.snapshot.workers().iter().filter(|worker| is_balanced(round, worker));
    let levels: Vec<f64> = balanced.filter_map(|worker| account.level(worker)).collect();
    let max = levels.iter().copied().reduce(f64::max)?;
    Some(max - levels.iter().copied().reduce(f64::min)?)
}

/// Promise 5, as far as one round shows it: no task is moved to even out loads while it cools down, and none
/// returns to a worker it left within the cooldown; and none that has moved does so again merely for the evenness of
/// the present loads while it is known that they have not parted.
pub(super) fn no_ping_pong(round: &Round<'_>) -> Vec<Violation> {
    let at = round.snapshot.at();
    let is_present = matches!(&round.outcome.balance,
        Balance::Uneven(found) if found.sight == Sight::Present);
    let is_known = is_present && round.before.least_spread.is_some();
    let facts = Facts::new(round);
    let begun = Account::open(&facts);
    walk(round, Promise::NoPingPong, |_, step, _, findings| {
        let command = step.command;
        let from = step.from.and_then(|from| round.snapshot.worker(from));
        let level = from.and_then(|from| begun.level(from));
        let is_overloaded = level.is_some_and(|level| level > round.outcome.thresholds.high - 1e-9);
        let has_moved = round.after.moved.get(&step.task.id).is_some_and(|until| *until > at);
        let stays = is_known && has_moved && !is_overloaded;
        let evens =
            matches!(command.reason(), Some(Reason::Spread { .. } | Reason::Underload { .. }));
        findings.need(!(stays && evens), || {
            format!("{command}: it has moved, and the loads have not parted since")
        });
        let cooldown = round.after.cooldowns.get(&step.task.id).filter(|it| it.until > at);
        let Some(cooldown) = cooldown else { return };
        findings.need(!step.is_chosen(), || {
            format!("{command}: it cools down until {}", cooldown.until)
        });
        let left =
            cooldown.left.iter().any(|(it, until)| *it == step.to && *until > round.snapshot.at());
        let back = left && command.cause() != Some(Cause::Return);
        findings.need(!back, || String::from("back where it came from: ") + &format!("{command}"));
    })
    .list
}
