//! Is a task sent back to its source only where it can stay?
//!
//! Only what one round shows for certain is judged: not what the tasks on their way to that worker need, and neither
//! devices nor tasks with alternatives.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;

use super::footprint::claim;
use super::orders::may_have_copy;
use super::promise::{Findings, about};
use super::records::{capacity, possible};
use super::round::Round;
use crate::model::ids::{TaskId, WorkerId};
use crate::model::resource::ResourceId;
use crate::outcome::{Action, Cause, Command};
use crate::snapshot::{GroupRule, Phase, Placement, Stance, Task, Worker};

/// A task is sent home only if the snapshot shows that worker open to it, with what it needs, with room, and without a
/// task from which it is kept apart. One that is shown there already is there.
pub(super) fn sent_home_where_it_may(
    round: &Round<'_>,
    commands: &[Command],
    findings: &mut Findings,
) {
    // While the engine holds back, it does not believe what the snapshot shows of workers.
    if round.outcome.held.is_some() {
        return;
    }
    let snapshot = round.snapshot;
    let orders = commands.iter().filter(|it| it.cause() == Some(Cause::Return));
    // The source of a copy may run the task still: then it is asked in any case.
    let orders = orders.filter(|it| !may_have_copy(round, it));
    let mut home: BTreeMap<WorkerId, Vec<&Task>> = BTreeMap::new();
    for command in orders {
        let Action::Assign { to, .. } = command.action else { continue };
        let task = snapshot.task(command.task).filter(|it| it.placement != Placement::On(to));
        let (Some(task), Some(worker)) = (task, snapshot.worker(to)) else { continue };
        let open = worker.stance < Stance::Drain;
        findings.need(open, || format!("{command}: its source is {}", worker.stance));
        let class = task.class.and_then(|id| snapshot.classes().iter().find(|it| it.id == id));
        let open = class.is_none_or(|class| class.workers.keys().any(|it| *it == to));
        findings.need(open, || format!("{command}: its source is not in {class:?}"));
        let suits = !task.alternatives.is_empty() || is_suited(task, worker);
        findings.need(suits, || format!("{command}: its source lacks {:?}", task.requirements));
        home.entry(to).or_default().push(task);
    }
    for (to, tasks) in home {
        has_room(round, to, &tasks, findings);
        meets_nobody(round, to, &tasks, findings);
    }
}

fn is_suited(task: &Task, worker: &Worker) -> bool {
    let (needs, kinds) = (&task.requirements, worker.kinds());
    needs.all_of.iter().all(|kind| kinds.contains(kind))
        && (needs.any_of.is_empty() || needs.any_of.iter().any(|kind| kinds.contains(kind)))
        && needs.labels.iter().all(|label| worker.labels.contains(label))
        && !needs.forbidden_labels.iter().any(|label| worker.labels.contains(label))
}

/// The tasks that are certain to run on a worker: shown there, not under way, and not known to have left since.
fn resting<'a>(round: &'a Round<'_>, on: WorkerId) -> impl Iterator<Item = &'a Task> {
    let is_certain = move |task: &&Task| {
        let is_under_way = round.before.in_flight.contains_key(&task.id)
            || round.after.in_flight.contains_key(&task.id);
        // After the round nothing that was told is of a moment to come: what the last one knew tells that.
        let mut arrivals = round.before.arrivals.iter().chain(&round.after.arrivals);
        let has_left = arrivals.any(|it| {
            let is_later = it.running > round.snapshot.at();
            it.task == task.id && is_later && !round.snapshot.is_gone(it.to)
        });
        task.placement == Placement::On(on) && !is_under_way && !has_left
    };
    round.snapshot.tasks().iter().filter(is_certain)
}

/// Whether a task is shown as one that its source has not released.
fn has_yet_to_leave(task: &Task, source: WorkerId) -> bool {
    match task.placement {
        Placement::Moving { from, phase, .. } => from == Some(source) && phase != Phase::Released,
        _ => false,
    }
}

fn has_room(round: &Round<'_>, to: WorkerId, tasks: &[&Task], findings: &mut Findings) {
    let Some(worker) = round.snapshot.worker(to) else { return };
    let plain = |task: &&Task| task.alternatives.is_empty();
    for resource in [ResourceId::CPU, ResourceId::MEMORY] {
        let Some(capacity) = capacity(worker, resource) else { continue };
        let claims = |task: &Task| claim(task, worker, resource);
        let reserved = possible(worker.reserved.get(resource));
        let there = || resting(round, to).filter(plain).map(claims).sum();
        let taken = reserved.unwrap_or_else(there);
        // What is shown on its way from there is in the statement already.
        let is_stated = |task: &&Task| reserved.is_some() && has_yet_to_leave(task, to);
        let back = tasks.iter().copied().filter(plain).filter(|task| !is_stated(task));
        let back: f64 = back.map(claims).sum();
        findings.need(back <= 0.0 || taken + back <= about(capacity), || {
            let ids: Vec<TaskId> = tasks.iter().map(|task| task.id).collect();
            format!("{ids:?} are sent home to {to}: {taken} + {back} of {capacity} {resource}")
        });
    }
}

fn meets_nobody(round: &Round<'_>, to: WorkerId, tasks: &[&Task], findings: &mut Findings) {
    let groups = round.snapshot.groups().iter();
    for group in groups.filter(|group| group.rule == GroupRule::AntiAffinity) {
        let is_member = |task: &TaskId| group.members.contains(task);
        let back: Vec<TaskId> = tasks.iter().map(|task| task.id).filter(is_member).collect();
        if back.is_empty() {
            continue;
        }
        let there = resting(round, to).map(|task| task.id).filter(is_member);
        let all: Vec<TaskId> = there.chain(back).collect();
        findings.need(all.len() <= 1, || format!("{all:?} of {} meet on {to}", group.id));
    }
}
