//! Does every group keep its rule, after each step and after the whole plan?

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;

use super::account::Account;
use super::calendar::is_leaving;
use super::facts::{Case, Facts, Stay, Step};
use super::promise::Findings;
use super::records::is_live;
use super::round::Round;
use crate::model::ids::{TaskId, WorkerId, ZoneId};
use crate::outcome::{Action, Command, Ended, Fate, GroupRefusal, Purpose};
use crate::snapshot::{
    Coverage, Group, GroupRule, Phase, Placement, Stance, Task, Topology, Worker,
};
use crate::state::{Migration, Transport};

/// The rules that hold at every prefix of the plan.
pub(super) fn step(account: &Account<'_>, step: &Step<'_>, findings: &mut Findings) {
    keeps_apart(account, step, findings);
    keeps_spread(account, step, findings);
    keeps_enough(account, step, findings);
}

/// Whether a group forbids the move as a refusal says.
pub(super) fn refuses(account: &Account<'_>, case: Case<'_>, no: GroupRefusal) -> bool {
    let Case { task: Task { id: own, .. }, from, to } = case;
    let find = |id| groups_of(account.facts.round, *own).find(|group| group.id == id);
    match no {
        GroupRefusal::Companion { group, task } | GroupRefusal::CompanionTarget { group, task } => {
            let rules = [GroupRule::Affinity, GroupRule::Gang];
            let mut groups = account.facts.round.snapshot.groups().iter();
            let group = groups.find(|it| it.id == group && rules.contains(&it.rule));
            group.is_some_and(|group| group.members.contains(&task)) && task != *own
        }
        GroupRefusal::UnknownMember { group, task } => find(group).is_some_and(|group| {
            let whole = matches!(group.rule, GroupRule::Affinity | GroupRule::Gang);
            whole && group.members.contains(&task) && !is_seen(account.facts, task)
        }),
        GroupRefusal::Affinity { group, worker } => find(group).is_some_and(|group| {
            let others = group.members.iter().filter(|other| *other != own);
            let there = |it: &TaskId| whereabouts(account, *it).ends().any(|end| end == worker);
            let seen =
                others.filter(|other| there(other) || unlisted(account, **other) == Some(worker));
            group.rule == GroupRule::Affinity && seen.count() > 0
        }),
        GroupRefusal::AntiAffinity { group, task } => {
            find(group).zip(to).is_some_and(|(group, to)| {
                let ends = whereabouts(account, task).ends().any(|end| end == to.id);
                let there = ends || account.kept.get(&task) == Some(&to.id);
                let other = task != *own && group.members.contains(&task);
                group.rule == GroupRule::AntiAffinity && other && there
            })
        }
        GroupRefusal::Spread { group, skew: said, most } => {
            let Some((group, (from, to))) = find(group).zip(from.zip(to)) else { return false };
            let GroupRule::Spread { max_skew, over } = group.rule else { return false };
            let skew = |stay, landed| skew(account, group, over, *own, stay, landed);
            let hidden = hidden(account, group, over, *own);
            let transit = skew(Stay::Between(Some(from.id), to.id), false);
            let after = [false, true].map(|landed| skew(Stay::On(to.id), landed));
            let told = after.into_iter().chain([transit]).any(|it| it + hidden == said);
            told && max_skew.get() == most && said > most
        }
        GroupRefusal::Disruption { group, unavailable, most } => find(group).is_some_and(|group| {
            let others = group.members.iter().filter(|other| *other != own);
            let away = others.filter(|other| is_away(account, **other)).count() + 1;
            let stated = group.rule == GroupRule::Disruption { max_unavailable: most };
            stated && unavailable as usize == away && unavailable > most
        }),
        GroupRefusal::Gang { group } => find(group).is_some_and(|it| it.rule == GroupRule::Gang),
    }
}

/// The rules that the plan keeps as a whole.
pub(super) fn plan(round: &Round<'_>, findings: &mut Findings) {
    leave_nobody_unseen(round, findings);
    leave_nobody_on_its_way(round, findings);
    keep_together(round, findings);
    keep_whole(round, findings);
    stay_whole(round, findings);
}

/// The groups that a task is in.
fn groups_of<'a>(round: &Round<'a>, task: TaskId) -> impl Iterator<Item = &'a Group> + use<'a> {
    let groups = round.snapshot.groups().iter();
    groups.filter(move |group| group.members.contains(&task))
}

fn keeps_apart(account: &Account<'_>, step: &Step<'_>, findings: &mut Findings) {
    for group in groups_of(account.facts.round, step.task.id) {
        if group.rule != GroupRule::AntiAffinity {
            continue;
        }
        for other in group.members.iter().filter(|other| **other != step.task.id) {
            let stay = account.stays.get(other).copied().unwrap_or(Stay::Nowhere);
            let kept = account.kept.get(other) == Some(&step.to);
            let there = kept || stay.ends().any(|end| end == step.to);
            findings.need(!there, || format!("{}: {other} of {} is there", step.command, group.id));
        }
    }
}

/// A voluntary move does not push the skew over a topology above its bound, in transit or afterwards; a skew that is
/// above it already does not grow.
fn keeps_spread(account: &Account<'_>, step: &Step<'_>, findings: &mut Findings) {
    let Some(from) = step.from.filter(|_| step.is_chosen()) else { return };
    for group in groups_of(account.facts.round, step.task.id) {
        let GroupRule::Spread { max_skew, over } = group.rule else { continue };
        let skew = |stay, landed| skew(account, group, over, step.task.id, stay, landed);
        let (command, id) = (step.command, group.id);
        let hidden = hidden(account, group, over, step.task.id);
        let before = skew(Stay::On(from), false).saturating_sub(hidden);
        let transit = skew(Stay::Between(Some(from), step.to), false);
        let after = skew(Stay::On(step.to), false) + hidden;
        let (transit, most) = (transit + hidden, max_skew.get().max(before));
        findings.need(transit.max(after) <= most, || {
            format!("{command}: {id} is skewed by {transit} in transit and {after} after, {most} at most")
        });
        let landed = skew(Stay::On(step.to), true) + hidden;
        let most = max_skew.get().max(skew(Stay::On(from), true).saturating_sub(hidden));
        findings.need(landed <= most, || {
            format!("{command}: {id} is skewed by {landed} once all has landed, {most} at most")
        });
    }
}

/// When a task is told to leave its worker, at most as many members are unavailable as may be: members that do not run,
/// whatever the reason, as far as the snapshot shows.
fn keeps_enough(account: &Account<'_>, step: &Step<'_>, findings: &mut Findings) {
    if step.from.is_none() {
        return;
    }
    for group in groups_of(account.facts.round, step.task.id) {
        let GroupRule::Disruption { max_unavailable } = group.rule else { continue };
        let others = group.members.iter().filter(|other| **other != step.task.id);
        let away = others.filter(|other| is_away(account, **other)).count() + 1;
        findings.need(away <= max_unavailable as usize, || {
            let (command, id) = (step.command, group.id);
            format!("{command}: {away} of {id} are unavailable, {max_unavailable} at most")
        });
    }
}

fn is_away(account: &Account<'_>, member: TaskId) -> bool {
    let Facts { round: Round { snapshot, .. }, flights, .. } = account.facts;
    let flying = flights.contains_key(&member);
    match (account.stays.get(&member), snapshot.task(member).map(|task| task.placement)) {
        (Some(Stay::On(_)), _) => false,
        (Some(Stay::Nowhere), Some(Placement::On(worker))) if !flying => {
            let unlisted = snapshot.worker(worker).is_none();
            !(unlisted && snapshot.coverage() == Coverage::Partial)
        }
        (Some(_), _) => true,
        (None, _) => flying,
    }
}

/// Where a member is, whether or not a partial snapshot lists it.
fn whereabouts(account: &Account<'_>, member: TaskId) -> Stay {
    let flown = || {
        let flight = account.facts.flights.get(&member);
        let flight = flight.filter(|it| it.is_bound());
        flight.map_or(Stay::Nowhere, |flight| Stay::Between(flight.from(), flight.to()))
    };
    account.stays.get(&member).copied().unwrap_or_else(flown)
}

/// How many other members are on, or on their way to, a worker that the snapshot does not list, so that their
/// domain is unknown. (If workers are the domains, it is known.)
fn hidden(account: &Account<'_>, group: &Group, over: Topology, moved: TaskId) -> u32 {
    let others = group.members.iter().filter(|member| **member != moved);
    let unlisted = others.filter(|member| {
        let unlisted = unlisted(account, **member);
        unlisted.is_some() && over != Topology::Worker
    });
    u32::try_from(unlisted.count()).unwrap_or(u32::MAX)
}

/// The worker that a member is on or on its way to, if the snapshot does not list that worker, which may exist all the
/// same; `None` otherwise.
fn unlisted(account: &Account<'_>, member: TaskId) -> Option<WorkerId> {
    let snapshot = account.facts.round.snapshot;
    let flight = account.facts.flights.get(&member).filter(|it| it.is_bound());
    let listed = |worker: &WorkerId| snapshot.worker(*worker).is_some();
    if let Some(flight) = flight {
        return Some(flight.to()).filter(|to| !listed(to));
    }
    let record = snapshot.task(member)?;
    match record.placement {
        Placement::On(worker) if !account.facts.is_orphaned(record) => {
            Some(worker).filter(|worker| !listed(worker))
        }
        _ => None,
    }
}

/// How many members more the fullest domain has than the emptiest, with one member in a given place, and with the
/// others either on both workers of their moves or on their targets.
fn skew(
    account: &Account<'_>,
    group: &Group,
    over: Topology,
    moved: TaskId,
    place: Stay,
    landed: bool,
) -> u32 {
    let snapshot = account.facts.round.snapshot;
    let domain = |worker: &Worker| match over {
        Topology::Zone => worker.zone.map(ZoneId::raw),
        Topology::Label(topology) => worker.domains.get(&topology).map(|domain| domain.raw()),
        Topology::Worker => Some(worker.id.raw()),
    };
    let round = account.facts.round;
    let open = snapshot.workers().iter();
    let open = open.filter(|it| it.stance == Stance::Accept && !is_leaving(round, it));
    let mut counts: BTreeMap<u64, u32> = open.filter_map(|it| Some((domain(it)?, 0))).collect();
    for member in &group.members {
        let stay = if *member == moved { place } else { whereabouts(account, *member) };
        let stay = match stay {
            Stay::Between(_, to) if landed => Stay::On(to),
            stay => stay,
        };
        let workers = stay.ends().filter_map(|worker| snapshot.worker(worker));
        let mut domains: Vec<u64> = workers.filter_map(domain).collect();
        let unseen =
            unlisted(account, *member).filter(|_| over == Topology::Worker && *member != moved);
        domains.extend(unseen.map(WorkerId::raw));
        domains.dedup();
        domains.into_iter().for_each(|domain| *counts.entry(domain).or_default() += 1);
    }
    let most = counts.values().max().copied().unwrap_or(0);
    most - counts.values().min().copied().unwrap_or(0)
}

/// No plan tears a group that stays together: a member that leaves a worker takes the others there with it, to the same
/// target; and no member goes to a worker without members while others are on another one.
fn keep_together(round: &Round<'_>, findings: &mut Findings) {
    let facts = Facts::new(round);
    let mut before = facts.stays();
    // A member that is on its way counts at its target, even if the snapshot does not list it.
    for (task, flight) in facts.flights.iter().filter(|(_, it)| it.is_bound()) {
        before.entry(*task).or_insert(Stay::Between(flight.from(), flight.to()));
    }
    let mut after = before.clone();
    for step in &facts.steps {
        after.insert(step.task.id, Stay::Between(step.from, step.to));
    }
    // A member on its way to a worker that is gone has not left.
    let goes = |stay: &Stay| match *stay {
        Stay::Between(Some(from), to) if !is_live(round.snapshot, to) => Some(from),
        stay => stay.destination(),
    };
    for step in &facts.steps {
        let groups = groups_of(round, step.task.id);
        for group in groups.filter(|group| group.rule == GroupRule::Affinity) {
            for other in group.members.iter().filter(|other| **other != step.task.id) {
                let left = step.from.is_some_and(|from| after.get(other) == Some(&Stay::On(from)));
                findings
                    .need(!left, || format!("{}: leaves {other} of {}", step.command, group.id));
            }
            let places = |stays: &BTreeMap<TaskId, Stay>| {
                let members = group.members.iter().filter_map(|member| stays.get(member));
                let places = members.filter_map(goes);
                // A member whose worker is gone is nowhere.
                let mut places: Vec<WorkerId> =
                    places.filter(|worker| is_live(round.snapshot, *worker)).collect();
                places.sort_unstable();
                places.dedup();
                places.len()
            };
            let (was, is) = (places(&before), places(&after));
            findings.need(is <= was.max(1), || {
                format!("{}: {} is torn over {is} workers, it was on {was}", step.command, group.id)
            });
        }
    }
}

/// No task leaves its worker while it is unknown where another one is that must go along: a partial snapshot does not
/// list it, or shows it in a migration that is not under way.
fn leave_nobody_unseen(round: &Round<'_>, findings: &mut Findings) {
    let facts = Facts::new(round);
    for step in facts.steps.iter().filter(|step| step.from.is_some()) {
        for group in groups_of(round, step.task.id) {
            let whole = matches!(group.rule, GroupRule::Affinity | GroupRule::Gang);
            let unseen = group.members.iter().find(|member| whole && !is_seen(&facts, **member));
            findings.need(unseen.is_none(), || {
                format!("{}: where is {unseen:?} of {}?", step.command, group.id)
            });
        }
    }
}

fn is_seen(facts: &Facts<'_>, member: TaskId) -> bool {
    let snapshot = facts.round.snapshot;
    match snapshot.task(member).map(|task| task.placement) {
        Some(Placement::Moving { .. }) => facts.flights.contains_key(&member),
        // Whether it has left since is not known to a later life.
        Some(Placement::On(worker)) => {
            let mut flight = facts.flights.get(&member).into_iter();
            !flight.any(|flight| flight.is_inherited() && flight.from() == Some(worker))
        }
        Some(_) => true,
        None => snapshot.coverage() == Coverage::Complete,
    }
}

/// No task of a group that stays together leaves a worker that another member is on its way to.
fn leave_nobody_on_its_way(round: &Round<'_>, findings: &mut Findings) {
    let facts = Facts::new(round);
    for step in facts.steps.iter().filter(|step| step.from.is_some_and(|from| from != step.to)) {
        for group in groups_of(round, step.task.id).filter(|it| it.rule == GroupRule::Affinity) {
            let arrives = |member: &&TaskId| {
                let flight = facts.flights.get(member).filter(|flight| flight.is_bound());
                **member != step.task.id && flight.map(|flight| flight.to()) == step.from
            };
            let left = group.members.iter().find(arrives);
            findings.need(left.is_none(), || {
                format!("{}: {left:?} of {} is on its way there", step.command, group.id)
            });
        }
    }
}

/// A gang is interrupted as a whole or not at all, and only because the worker of one member must be emptied; members
/// that have lost their workers are placed all at once.
fn keep_whole(round: &Round<'_>, findings: &mut Findings) {
    let facts = Facts::new(round);
    let stays = facts.stays();
    let drains = facts.steps.iter().any(|step| step.purpose == Purpose::Evacuate);
    let step_of = |task: TaskId| facts.steps.iter().find(|step| step.task.id == task);
    for step in &facts.steps {
        let command = step.command;
        findings.need(step.purpose != Purpose::FollowGang || drains, || {
            format!("{command}: along with nobody")
        });
        for group in groups_of(round, step.task.id).filter(|it| it.rule == GroupRule::Gang) {
            findings.need(!step.is_chosen(), || format!("{command}: nobody asked {}", group.id));
            for other in group.members.iter().copied().filter(|other| *other != step.task.id) {
                // In advise mode the engine continues the move under way, and proposes the others.
                let proposed = round.outcome.proposed.iter().any(|command| command.task == other);
                let goes = proposed
                    || step_of(other).is_some_and(|it| it.from.is_some() == step.from.is_some());
                let stay = stays.get(&other).copied();
                let must = if step.from.is_some() {
                    stay != Some(Stay::Nowhere) || is_somewhere(&facts, other)
                } else {
                    stay == Some(Stay::Nowhere) && is_lost(&facts, other)
                };
                findings.need(goes || !must, || {
                    format!("{command}: without {other} of {} ({stay:?})", group.id)
                });
            }
        }
    }
}

/// Whether this round gives a task to the scheduler.
fn is_given_back(round: &Round<'_>, task: TaskId) -> bool {
    let is_it = |command: &Command| command.task == task && command.action == Action::Requeue;
    round.outcome.commands.iter().any(is_it)
}

/// If one member of a gang, or of a group that stays together, turns out to stay, and all others that were asked with
/// it are still on their sources, they stay too.
fn stay_whole(round: &Round<'_>, findings: &mut Findings) {
    let is_whole = |group: &&Group| matches!(group.rule, GroupRule::Gang | GroupRule::Affinity);
    for group in round.snapshot.groups().iter().filter(is_whole) {
        let before = |task: TaskId| round.before.in_flight.get(&task);
        let here = |flight: &Migration| {
            flight.transport() == Transport::StopThenStart
                && flight.from().is_some()
                && flight.phase() == Phase::Releasing
        };
        let stays = |ended: &&Ended| {
            let fate = matches!(ended.fate, Fate::Failed | Fate::Refused | Fate::Aborted);
            let is_here = before(ended.task).is_some_and(here) && !is_given_back(round, ended.task);
            fate && group.members.contains(&ended.task) && is_here
        };
        let Some(stayed) = round.outcome.ended.iter().find(stays) else { continue };
        let asked = before(stayed.task).map(Migration::started);
        // The others follow a member that has arrived on a worker or is done.
        let went = |task: TaskId| {
            let mut ended = round.outcome.ended.iter().filter(|it| it.task == task);
            ended.any(|it| !stays(&it))
        };
        // A group that stays together may have had members on other workers before.
        let moved = |member: &&TaskId| group.rule == GroupRule::Gang || before(**member).is_some();
        let all = group.members.iter().filter(moved).all(|member| {
            let with = before(*member).filter(|flight| here(flight));
            with.is_some_and(|flight| Some(flight.started()) == asked) && !went(*member)
        });
        let left = group.members.iter().filter_map(|member| round.after.in_flight.get(member));
        // A migration that began at another time does not count.
        let same =
            |flight: &&Migration| before(flight.task()).is_some_and(|it| it.id() == flight.id());
        let left: Vec<&Migration> = left.filter(same).collect();
        let torn = all && !left.is_empty() && left.iter().all(|flight| here(flight));
        findings
            .need(!torn, || format!("{} stays and {left:?} of {} go on", stayed.task, group.id));
    }
}

/// Whether a task has lost its worker, or its target, and is not with the scheduler.
pub(super) fn is_lost(facts: &Facts<'_>, task: TaskId) -> bool {
    let Round { before, snapshot, config, .. } = facts.round;
    let mut given_back = before.given_back(snapshot.at(), config.timeout());
    if given_back.any(|given| given == task) || is_given_back(facts.round, task) {
        return false;
    }
    let record = facts.round.snapshot.task(task);
    facts.flights.contains_key(&task) || record.is_some_and(|record| facts.is_orphaned(record))
}

/// Whether a task that counts nowhere is reported on a worker of which nothing is known.
fn is_somewhere(facts: &Facts<'_>, task: TaskId) -> bool {
    let record = facts.round.snapshot.task(task);
    let is_on = |record: &Task| matches!(record.placement, Placement::On(_));
    record.is_some_and(|record| is_on(record) && !facts.is_orphaned(record))
        && !is_lost(facts, task)
}
