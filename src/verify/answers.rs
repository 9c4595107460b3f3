//! Do the answers of `consider` and `rank` agree with the verifier's own reckoning?

use alloc::format;
use alloc::vec::Vec;

use super::facts::{Facts, Step};
use super::plan::{has_room, may_go, may_leave};
use super::promise::{Findings, Promise, Violation};
use super::refusals::Court;
use super::round::Round;
use super::score::{is_near, totals};
use crate::model::ids::{MigrationId, TaskId};
use crate::outcome::{
    Action, Admission, Command, Purpose, Reason, Refused, Rejection, Verdict, Why, WorthRefusal,
};
use crate::snapshot::{Task, Worker};

/// Judges answers of [`Look::consider`](crate::engine::Look::consider) and [`Look::rank`](crate::engine::Look::rank)
/// that were given before a round about the snapshot of that round: a worker that may take a task breaks no hard
/// constraint by the verifier's own reckoning, and every refusal is true.
///
/// Not judged: rounds that hold back, and whether a move for which nothing stands in the way improves the loads.
///
/// ```
/// use evenkeel::{verify, Config, Engine, ResourceId, Snapshot, Task, TaskId, Timestamp, Worker, WorkerId};
/// let snapshot = Snapshot::builder(Timestamp::from_secs(30))
///     .worker(Worker::new(WorkerId::new(1)).with_capacity(ResourceId::CPU, 4.0).with_used(ResourceId::CPU, 0.0))
///     .task(Task::new(TaskId::new(1)).with_demand(ResourceId::CPU, 8.0))
///     .build();
/// let mut engine = Engine::new(Config::default())?;
/// let verdicts = engine.look(&snapshot).rank(TaskId::new(1)).ok_or("not listed")?;
/// let before = engine.state().clone();
/// let outcome = engine.tick(&snapshot)?;
/// let round = verify::Round::new(engine.config(), &before, &snapshot, &outcome, engine.state());
/// assert_eq!(verify::answers(&round, verdicts.iter().map(|verdict| (TaskId::new(1), verdict))), []);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn answers<'v>(
    round: &Round<'_>,
    verdicts: impl IntoIterator<Item = (TaskId, &'v Verdict)>,
) -> Vec<Violation> {
    let mut findings = Findings::new(Promise::Evidence);
    if round.outcome.held.is_some() {
        return findings.list;
    }
    let facts = Facts::new(round);
    let court = Court::open(&facts);
    for (task, verdict) in verdicts {
        let record = round.snapshot.task(task).zip(round.snapshot.worker(verdict.worker));
        let Some((record, to)) = record else {
            findings.add(format!("{task}: an answer about what is not listed: {verdict}"));
            continue;
        };
        let admits = verdict.admission == Admission::Accept;
        for no in verdict.admission.rejection().into_iter().chain(verdict.last_resort.as_ref()) {
            findings.need(is_true(&court, record, verdict, *no), || {
                format!("{task}: it is not so: {verdict} ({no:?})")
            });
        }
        if admits {
            let mut objections = Findings::new(Promise::HardConstraints);
            object(&court, record, to, verdict, &mut objections);
            for objection in objections.list {
                findings.add(format!("{task}: {verdict}, but {}", objection.detail));
            }
        }
    }
    findings.list
}

/// Judges the order of the answers of [`Look::rank`](crate::engine::Look::rank): those that admit the task first, by
/// net benefit; then the others, by id.
pub fn ranking(verdicts: &[Verdict]) -> Vec<Violation> {
    let mut findings = Findings::new(Promise::Evidence);
    for pair in verdicts.windows(2) {
        let [first, second] = [&pair[0], &pair[1]];
        let net = |verdict: &Verdict| verdict.scorecard.map_or(0.0, |card| card.net());
        let [open, next] = [first, second].map(|it| it.admission == Admission::Accept);
        let holds = match (open, next) {
            (true, true) => net(first) >= net(second),
            (true, false) => true,
            (false, true) => false,
            (false, false) => first.worker < second.worker,
        };
        findings.need(holds, || format!("ranked before {second}: {first}"));
    }
    findings.list
}

/// Whether a refusal of a question is true.
fn is_true(court: &Court<'_>, task: &Task, verdict: &Verdict, no: Rejection) -> bool {
    if let Rejection::Worth(WorthRefusal::NotWorthIt { cost, benefit, least, .. }) = no {
        let told = verdict.scorecard.as_ref().map(totals);
        let told = told.is_some_and(|it| is_near(it[0], cost) && is_near(it[1], benefit));
        return told && benefit - cost <= least;
    }
    court.upholds(&Refused { task: task.id, to: Some(verdict.worker), rejection: no })
}

/// Every hard constraint against which a move would stand that the engine would admit.
fn object(court: &Court<'_>, task: &Task, to: &Worker, verdict: &Verdict, against: &mut Findings) {
    let (account, round) = (&court.account, court.account.facts.round);
    let from = court.home(task).filter(|_| verdict.purpose != Purpose::Recover);
    let from = from.map(|from| from.id);
    let action = match from {
        Some(from) => Action::Release { from, to: to.id },
        None => Action::Place { to: to.id, device: None },
    };
    let command = Command {
        migration: MigrationId::new(round.before.epoch, 0),
        task: task.id,
        action,
        why: Why::Begun(Reason::Recover),
        scorecard: verdict.scorecard,
        alternative: verdict.alternative,
        handover: verdict.handover,
    };
    let step = Step {
        command: &command,
        task,
        from,
        to: to.id,
        device: None,
        purpose: verdict.purpose,
        scorecard: verdict.scorecard,
    };
    if verdict.purpose != Purpose::Recover {
        may_leave(account, &step, against);
    }
    may_go(account, &step, to, against);
    let there = step.there(round.snapshot);
    let devices = (0_u16..).zip(&to.devices).map(|(index, _)| Some(index)).chain([None]);
    let mut full = devices.map(|device| {
        let mut against = Findings::new(Promise::HardConstraints);
        has_room(account, &Step { device, ..step }, &there, to, &mut against);
        against.list
    });
    let fits = full.by_ref().any(|objections| objections.is_empty());
    against.need(fits, || format!("{} has no room", to.id));
}
