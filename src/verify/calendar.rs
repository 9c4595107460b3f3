//! Which workers leave when, what is frozen until when, and which tasks will be late?

use alloc::collections::BTreeSet;
use alloc::format;
use core::time::Duration;

use super::account::Account;
use super::facts::{Facts, Step};
use super::handover::times;
use super::promise::Findings;
use super::records::is_sound_worker;
use super::round::Round;
use crate::model::ids::{TaskId, WorkerId};
use crate::model::time::Timestamp;
use crate::outcome::{Late, Purpose};
use crate::snapshot::{FreezeScope, Mobility, Placement, Stance, Task, Worker};

/// When a worker leaves, for good or for maintenance; `None` if it stays.
pub(super) fn departure(round: &Round<'_>, worker: &Worker) -> Option<Timestamp> {
    let mut first = worker.available_until;
    for span in &worker.maintenance {
        let over = span.until <= round.snapshot.at();
        if !over && first.is_none_or(|first| span.from < first) {
            first = Some(span.from);
        }
    }
    first
}

/// Workers that leave before this moment are emptied now.
pub(super) fn soon(round: &Round<'_>) -> Timestamp {
    let lead = round.config.calendar.map_or(Duration::from_secs(600), |section| section.lead);
    round.snapshot.at().after(lead)
}

/// Whether a worker leaves so soon that it is emptied as if it were draining.
pub(super) fn is_leaving(round: &Round<'_>, worker: &Worker) -> bool {
    departure(round, worker).is_some_and(|leaves| leaves < soon(round))
}

/// Whether a worker takes part in balancing.
pub(super) fn is_balanced(round: &Round<'_>, worker: &Worker) -> bool {
    matches!(worker.stance, Stance::Accept | Stance::Hold)
        && !is_leaving(round, worker)
        && is_sound_worker(round.snapshot, worker.id)
}

/// Whether a task comes to its end before its worker leaves.
fn ends_in_time(round: &Round<'_>, task: &Task, leaves: Timestamp) -> bool {
    let rest = task.expected_remaining();
    rest.is_some_and(|rest| round.snapshot.at().after(rest) <= leaves)
}

/// The source's side: a task leaves to empty its worker only if the worker drains, or leaves before the task is done;
/// for other purposes it leaves only a worker that stays.
pub(super) fn may_be_left(facts: &Facts<'_>, step: &Step<'_>, findings: &mut Findings) {
    let round = facts.round;
    let Some(source) = step.from.and_then(|from| round.snapshot.worker(from)) else { return };
    let leaving = is_leaving(round, source);
    let (command, stance) = (step.command, source.stance);
    let open = matches!(stance, Stance::Accept | Stance::Hold);
    let gives = match step.purpose {
        Purpose::Evacuate | Purpose::FollowGang if stance == Stance::Drain => true,
        // A task that follows its gang might have been done in time.
        Purpose::FollowGang => open,
        Purpose::Evacuate => {
            let leaves = departure(round, source).filter(|_| leaving && open);
            // The task itself, or one that it stays together with.
            let bound = facts.bound_to(step.task.id).into_iter();
            let mut here = bound
                .filter_map(|task| round.snapshot.task(task))
                .filter(|it| it.id == step.task.id || it.placement == Placement::On(source.id));
            leaves.is_some_and(|leaves| here.any(|task| !ends_in_time(round, task, leaves)))
        }
        _ => open && !leaving,
    };
    findings.need(gives, || format!("{command}: {} is {stance}, leaving: {leaving}", source.id));
}

/// The target's side: the worker stays until the task is done or has saved its state, whichever comes first; if neither
/// moment is known, as long as a forecast looks ahead; and it is not about to be emptied.
pub(super) fn stays_for_it(
    account: &Account<'_>,
    step: &Step<'_>,
    target: &Worker,
    findings: &mut Findings,
) {
    let round = account.facts.round;
    let Some(leaves) = departure(round, target) else { return };
    let (at, task, config) = (round.snapshot.at(), step.task, round.config);
    let ahead = match &config.prediction {
        Some(section) => section.window,
        None => config.performance_window,
    };
    let saves = task.mobility != Mobility::Restart;
    // A task that saves nothing does all its work again, which takes longer on a slower worker.
    let again = if saves { Duration::ZERO } else { task.running };
    let times = step.from.map_or(1.0, |from| times(account, step, from, target));
    let work =
        task.expected_remaining().map(|rest| rest.saturating_add(again).as_secs_f64() / times);
    let work = work.map(|secs| Duration::try_from_secs_f64(secs).unwrap_or(Duration::MAX));
    let still = step.command.handover.and_then(|handover| handover.downtime);
    let arrives = at.after(still.unwrap_or_default());
    let settles = match (work, task.checkpoint_every.filter(|_| saves)) {
        (Some(rest), Some(every)) if every < rest => arrives.after(every),
        (Some(rest), _) => arrives.after(rest),
        (None, Some(every)) => arrives.after(every),
        (None, None) => at.after(ahead),
    };
    findings.need(leaves >= settles && leaves >= soon(round), || {
        let (command, id) = (step.command, target.id);
        format!("{command}: {id} leaves at {leaves}, the task needs it until {settles}")
    });
}

/// No move begins against a freeze: no voluntary move that any freeze covers, and no move or placement at all that a
/// strict freeze covers.
pub(super) fn keeps_freezes(account: &Account<'_>, step: &Step<'_>, findings: &mut Findings) {
    let Facts { round, retargeted, .. } = account.facts;
    if retargeted.contains(&step.command.migration) {
        return;
    }
    let snapshot = round.snapshot;
    let ends: BTreeSet<WorkerId> = step.from.into_iter().chain([step.to]).collect();
    for freeze in snapshot.freezes().iter().filter(|freeze| freeze.until > snapshot.at()) {
        let about = match freeze.scope {
            FreezeScope::All => true,
            FreezeScope::Kind(kind) => step.task.kind == kind,
            FreezeScope::Worker(worker) => ends.contains(&worker),
            FreezeScope::Zone(zone) => {
                let mut zones = ends.iter().filter_map(|id| snapshot.worker(*id)?.zone);
                zones.any(|it| it == zone)
            }
            FreezeScope::Group(group) => {
                let group = snapshot.groups().iter().find(|it| it.id == group);
                group.is_some_and(|it| it.members.contains(&step.task.id))
            }
        };
        let held = about && (freeze.strict || step.is_chosen());
        findings.need(!held, || format!("{}: {freeze}", step.command));
    }
}

/// Each task that the outcome lists as late is on a worker that is being emptied and leaves, would not be done by then,
/// and has either something that stops it or a moment after the deadline. And no task is left out that stays there
/// beyond the next round, if that comes too late.
pub(super) fn tells_of_the_late(round: &Round<'_>, findings: &mut Findings) {
    let Round { snapshot, outcome, config, after, .. } = *round;
    let deadline = |worker: &Worker| {
        let empties = worker.stance == Stance::Drain
            || (is_leaving(round, worker) && worker.stance != Stance::Offline);
        departure(round, worker).filter(|_| empties)
    };
    for late in &outcome.late {
        let due = snapshot.worker(late.worker).and_then(&deadline);
        let task = snapshot.task(late.task);
        let ends = task.is_some_and(|task| ends_in_time(round, task, late.deadline));
        let later = late.gone.is_none_or(|gone| gone > late.deadline);
        let holds = due == Some(late.deadline) && task.is_some() && !ends && later;
        findings.need(holds, || format!("it will not be late: {late}"));
    }
    let told: BTreeSet<TaskId> = outcome.late.iter().map(|late| late.task).collect();
    let once = told.len() == outcome.late.len();
    let order = |it: &Late| (it.deadline, it.task);
    let sorted = outcome.late.windows(2).all(|pair| order(&pair[0]) < order(&pair[1]));
    findings.need(once && sorted, || "the late are told of twice, or out of order".into());
    let next = snapshot.at().after(config.check_interval);
    for task in snapshot.tasks() {
        let Placement::On(worker) = task.placement else { continue };
        let due = snapshot.worker(worker).and_then(&deadline);
        let stays = due.is_some_and(|due| due < next && !ends_in_time(round, task, due));
        let proposed = outcome.proposed.iter().any(|command| command.task == task.id);
        let moves = proposed || after.in_flight.contains_key(&task.id);
        findings.need(!stays || moves || told.contains(&task.id), || {
            format!("{} stays on {worker}, which leaves at {due:?}: nobody says so", task.id)
        });
    }
}
