//! Does a worker suit a task, does a pinned task stay, and do groups stay spread and available?

use std::collections::BTreeMap;
use std::format;
use std::string::String;

use super::job::{Breach, breach};
use super::schedule::Kind;
use crate::model::ids::{TaskId, WorkerId, ZoneId};
use crate::outcome::{Action, Cause, Command, Reason};
use crate::snapshot::{
    Group, GroupRule, Mobility, Placement, Snapshot, Stance, Task, Topology, Worker,
};

/// Where a command takes a task from, if it begins a migration, and where it takes it.
pub(super) fn ends(command: &Command) -> Option<(Option<WorkerId>, WorkerId)> {
    match command.action {
        Action::Assign { to, .. } => Some((None, to)),
        action => action.begins(),
    }
}

/// Whether a command is given because a task has to leave, or has left already: not to even out loads or for speed.
pub(super) const fn is_forced(command: &Command) -> bool {
    matches!(
        command.reason(),
        None | Some(
            Reason::Recover
                | Reason::Drain { .. }
                | Reason::Leaves { .. }
                | Reason::Along { .. }
                | Reason::TakenOver
        )
    )
}

/// Where the members of groups are bound for, as far as they are under way.
pub(super) type Bound = BTreeMap<TaskId, Option<WorkerId>>;

/// Every command by itself, after those before it.
pub(super) fn judge(
    snapshot: &Snapshot,
    mut bound: Bound,
    commands: &[Command],
) -> Result<(), Breach> {
    for command in commands {
        let (Some((from, to)), Some(task)) = (ends(command), snapshot.task(command.task)) else {
            continue;
        };
        let is_home = command.cause() == Some(Cause::Return) || task.placement == on(to);
        if let Some(worker) = snapshot.worker(to).filter(|_| !is_home) {
            suits(task, worker, command)?;
        }
        if from.is_some() {
            if task.mobility == Mobility::Pinned {
                return Err(because("pinned", command, "it is pinned"));
            }
            let groups = snapshot.groups().iter();
            for group in groups.filter(|group| group.members.contains(&command.task)) {
                stays_spread(snapshot, &bound, group, command, to)?;
                stays_available(snapshot, &bound, group, command)?;
            }
        }
        bound.insert(command.task, Some(to));
    }
    Ok(())
}

fn because(by: &str, command: &Command, why: &str) -> Breach {
    Breach { by: String::from(by), ..breach(Kind::Rule, command, why) }
}

/// The worker has what the task requires, and nothing that it forbids.
fn suits(task: &Task, worker: &Worker, command: &Command) -> Result<(), Breach> {
    let needs = &task.requirements;
    let mut labels = needs.labels.iter();
    if let Some(label) = labels.find(|label| !worker.labels.contains(label)) {
        return Err(because("label", command, &format!("{} has no {label}", worker.id)));
    }
    let mut forbidden = needs.forbidden_labels.iter();
    if let Some(label) = forbidden.find(|label| worker.labels.contains(label)) {
        return Err(because("forbidden label", command, &format!("{} has {label}", worker.id)));
    }
    let has = worker.kinds();
    if needs.all_of.iter().any(|kind| !has.contains(kind)) {
        return Err(because("hardware", command, &format!("{} has {has}", worker.id)));
    }
    if !needs.any_of.is_empty() && needs.any_of.iter().all(|kind| !has.contains(kind)) {
        return Err(because("any hardware", command, &format!("{} has {has}", worker.id)));
    }
    Ok(())
}

/// A spread group is no less even than it may be, or than it was: unless the task has to leave.
fn stays_spread(
    snapshot: &Snapshot,
    bound: &Bound,
    group: &Group,
    command: &Command,
    to: WorkerId,
) -> Result<(), Breach> {
    let GroupRule::Spread { max_skew, over } = group.rule else { return Ok(()) };
    if is_forced(command) {
        return Ok(());
    }
    // A later life may not have heard that a target has refused a member, and counts it there. Where a member is that
    // is shown on its way by a migration that is over, the host will say.
    let is_unknown = |member: &TaskId| match bound.get(member) {
        Some(place) => place.is_none(),
        None => is_shown_moving(snapshot, *member),
    };
    if group.members.iter().any(is_unknown) {
        return Ok(());
    }
    let mut places: BTreeMap<TaskId, WorkerId> = BTreeMap::new();
    for member in &group.members {
        let place = bound.get(member).copied().unwrap_or_else(|| shown(snapshot, *member));
        places.extend(place.map(|place| (*member, place)));
    }
    let before = skew(snapshot, &places, over);
    places.insert(command.task, to);
    let after = skew(snapshot, &places, over);
    if after > before && after > max_skew.get() as usize {
        let why = format!("{} would have a skew of {after} instead of {before}", group.id);
        return Err(because("spread", command, &why));
    }
    Ok(())
}

/// No more members than may be are unavailable: on their way, without a worker, or on one out of reach.
fn stays_available(
    snapshot: &Snapshot,
    bound: &Bound,
    group: &Group,
    command: &Command,
) -> Result<(), Breach> {
    let GroupRule::Disruption { max_unavailable } = group.rule else { return Ok(()) };
    let others = group.members.iter().filter(|member| **member != command.task);
    let gone = others.filter(|member| {
        let is_shown_away = snapshot.task(**member).is_some_and(|task| match task.placement {
            Placement::On(worker) => {
                let worker = snapshot.worker(worker);
                worker.is_some_and(|worker| worker.stance == Stance::Offline)
            }
            _ => true,
        });
        bound.contains_key(member) || is_shown_away
    });
    let gone = gone.count() + 1;
    if gone > max_unavailable as usize {
        let why = format!("{gone} of {} would be unavailable", group.id);
        return Err(because("disruption", command, &why));
    }
    Ok(())
}

const fn on(worker: WorkerId) -> Placement {
    Placement::On(worker)
}

/// Where a task is shown to be, or to go.
fn shown(snapshot: &Snapshot, task: TaskId) -> Option<WorkerId> {
    match snapshot.task(task)?.placement {
        Placement::On(worker) => Some(worker),
        Placement::Moving { to, .. } => Some(to),
        _ => None,
    }
}

fn is_shown_moving(snapshot: &Snapshot, task: TaskId) -> bool {
    let task = snapshot.task(task);
    task.is_some_and(|task| matches!(task.placement, Placement::Moving { .. }))
}

/// The part of a topology that a worker is in.
fn domain(worker: &Worker, over: Topology) -> Option<u64> {
    match over {
        Topology::Zone => worker.zone.map(ZoneId::raw),
        Topology::Label(topology) => worker.domains.get(&topology).map(|domain| domain.raw()),
        Topology::Worker => Some(worker.id.raw()),
    }
}

/// How many members the fullest domain has more than the emptiest. An empty one that takes nothing does not count.
fn skew(snapshot: &Snapshot, places: &BTreeMap<TaskId, WorkerId>, over: Topology) -> usize {
    let open = snapshot.workers().iter().filter(|worker| worker.stance == Stance::Accept);
    let open = open.filter_map(|worker| domain(worker, over));
    let mut counts: BTreeMap<u64, usize> = open.map(|domain| (domain, 0)).collect();
    for worker in places.values().filter_map(|worker| snapshot.worker(*worker)) {
        domain(worker, over).into_iter().for_each(|of| *counts.entry(of).or_default() += 1);
    }
    let most = counts.values().max().copied().unwrap_or(0);
    most - counts.values().min().copied().unwrap_or(0)
}
