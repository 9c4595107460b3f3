//! Is every worker that is asked to run a task there to be asked, and is no other one asked already?

use alloc::format;

use super::promise::Findings;
use super::round::Round;
use crate::config::HostAbility;
use crate::model::ids::WorkerId;
use crate::outcome::{Action, Cause, Command};
use crate::snapshot::{Coverage, Phase, Placement, Stance};
use crate::state::{Course, Transport};

/// The worker that a command asks to run a task; `None` if it asks for something else.
fn asked(command: &Command) -> Option<WorkerId> {
    match command.action {
        Action::Assign { to, .. } | Action::Place { to, .. } | Action::Start { to, .. } => Some(to),
        _ => None,
    }
}

/// Whatever the engine believes of a snapshot: a worker that it does not show, or shows as out of reach, is not asked.
pub(super) fn orders(round: &Round<'_>, findings: &mut Findings) {
    for command in &round.outcome.commands {
        let Some(to) = asked(command) else { continue };
        let stance = round.snapshot.worker(to).map(|worker| worker.stance);
        let may_be_there = match stance {
            Some(stance) => stance != Stance::Offline,
            None => round.snapshot.coverage() == Coverage::Partial,
        };
        findings.need(may_be_there, || format!("{command}: {to} is {stance:?}"));
        let placement = round.snapshot.task(command.task).map(|task| task.placement);
        // A copy that runs may stay where it is; an orphan has none.
        let starts =
            placement == Some(Placement::Orphaned) && command.cause() != Some(Cause::Return);
        let is_open = stance.is_none_or(|stance| stance == Stance::Accept);
        findings.need(!starts || is_open, || format!("{command}: it has no copy there"));
        asked_already(round, command, placement, to, findings);
    }
}

/// A task that its source has released is sent to no worker that the same snapshot shows closed to it, unless a copy of
/// it may run there.
pub(super) fn sent_where_it_may(round: &Round<'_>, findings: &mut Findings) {
    let snapshot = round.snapshot;
    let sent = round.outcome.commands.iter().filter(|it| it.cause() == Some(Cause::Released));
    for command in sent.filter(|command| !may_have_copy(round, command)) {
        let Action::Assign { to, .. } = command.action else { continue };
        let Some(target) = snapshot.worker(to) else { continue };
        let stance = target.stance;
        // While the engine holds back, it does not believe that the worker is gone.
        let believed = stance != Stance::Offline || round.outcome.held.is_none();
        let open = stance == Stance::Accept || !believed;
        findings.need(open, || format!("{command}: the target is {stance}"));
        let class = snapshot.task(command.task).and_then(|task| task.class);
        let class = class.and_then(|id| snapshot.classes().iter().find(|class| class.id == id));
        let open = class.is_none_or(|class| class.workers.keys().any(|worker| *worker == to));
        findings.need(open, || format!("{command}: the target is not in {class:?}"));
    }
}

/// Whether a copy of the task may run beside it: which of the two workers has it is not certain then.
pub(super) fn may_have_copy(round: &Round<'_>, command: &Command) -> bool {
    let before = round.before.in_flight.by_id(command.migration);
    let was_copied = before.is_some_and(|it| it.transport() == Transport::StartThenStop);
    // Nobody has told that its source released the task, though it has been asked of another worker.
    let may_run_at_home = before.is_some_and(|it| match it.course() {
        Course::Assigned { released, .. }
        | Course::CallingOff { released, .. }
        | Course::Returning { released, .. }
        | Course::Unassigned { released, .. } => released.is_none(),
        _ => false,
    });
    let limits = round.config.migration.as_ref();
    let copies = limits.is_none_or(|limits| limits.host == HostAbility::Overlap);
    let overlaps = || round.snapshot.task(command.task).is_none_or(|task| task.overlaps);
    was_copied || may_run_at_home || copies && overlaps()
}

/// If the host shows that it has asked a worker since the engine last knew of the migration, that worker may be
/// starting the task.
fn asked_already(
    round: &Round<'_>,
    command: &Command,
    placement: Option<Placement>,
    to: WorkerId,
    findings: &mut Findings,
) {
    let Some(Placement::Moving { migration, to: shown, phase: Phase::Assigned, since, .. }) =
        placement
    else {
        return;
    };
    let Some(flight) = round.before.in_flight.get(&command.task) else { return };
    let waits = flight.id() == migration && flight.phase() == Phase::Released;
    let news = |id| round.snapshot.reports().iter().any(|it| it.event.migration() == Some(id));
    let is_new = migration == command.migration && waits && since > flight.since();
    let worker = round.snapshot.worker(shown);
    let is_there = worker.is_some_and(|worker| worker.stance == Stance::Accept);
    let is_asked = is_new && is_there && shown != to && !news(migration);
    findings.need(!is_asked, || format!("{command}: {shown} was asked at {since}"));
}
