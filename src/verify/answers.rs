//! Do the answers of `consider` and `rank` agree with the verifier's own reckoning?

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::vec::Vec;

use super::account::Account;
use super::calendar::stays_for_it;
use super::facts::{Case, Facts, Stay, Step};
use super::footprint::{asked, claim};
use super::groups::is_lost;
use super::mode::is_in_scope;
use super::overload::worsens;
use super::plan::{has_room, may_be_chosen, may_go, may_leave};
use super::promise::{Findings, Promise, Violation, about};
use super::records::capacity;
use super::refusals::Court;
use super::round::Round;
use super::score::{Scorer, Together, is_near, totals};
use crate::model::ids::{MigrationId, TaskId};
use crate::outcome::{
    Action, Admission, Command, Purpose, Reason, Refused, Rejection, Verdict, Why, WorthRefusal,
};
use crate::snapshot::{GroupRule, Stance, Task, Worker};

/// Judges answers of [`Look::consider`](crate::engine::Look::consider) and [`Look::rank`](crate::engine::Look::rank)
/// that were given before a round about the snapshot of that round: a worker that may take a task breaks no hard
/// constraint by the verifier's own reckoning, and every refusal is true.
///
/// Not judged: rounds that hold back, and what the moves of several tasks together do to the loads.
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
    let section = round.config.cost_benefit.as_ref();
    let together = Together::of(round);
    let scorer = section.map(|section| Scorer::new(section, &court.account, &together));
    for (task, verdict) in verdicts {
        let record = round.snapshot.task(task).zip(round.snapshot.worker(verdict.worker));
        let Some((record, to)) = record else {
            findings.add(format!("{task}: an answer about what is not listed: {verdict}"));
            continue;
        };
        let drains = court.home_of(task).is_some_and(|home| home.stance == Stance::Drain);
        findings.need(!drains || !is_chosen(verdict), || {
            format!("{task}: it must leave its worker, and is judged by choice: {verdict}")
        });
        let admits = verdict.admission == Admission::Accept;
        for no in verdict.admission.rejection().into_iter().chain(verdict.last_resort.as_ref()) {
            findings.need(is_true(&court, record, verdict, *no), || {
                format!("{task}: it is not so: {verdict} ({no:?})")
            });
        }
        if let (Some(said), Some(scorer)) = (&verdict.scorecard, &scorer) {
            let from = court.home_of(record.id).filter(|_| verdict.purpose != Purpose::Recover);
            let ends = (from.map(|from| from.id), to.id);
            let way = verdict.alternative.map(usize::from);
            let set = scorer.set(record, ends, is_chosen(verdict), way).filter(|_| court.is_clear);
            set.into_iter().for_each(|set| scorer.judge(&set, said, &task, &mut findings));
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

/// Whether nothing forces the move.
const fn is_chosen(verdict: &Verdict) -> bool {
    matches!(verdict.purpose, Purpose::Rebalance | Purpose::Upgrade)
}

/// What would stand against a move that the engine would admit.
fn object(court: &Court<'_>, task: &Task, to: &Worker, verdict: &Verdict, against: &mut Findings) {
    let (account, round) = (&court.account, court.account.facts.round);
    let from = court.home_of(task.id).filter(|_| verdict.purpose != Purpose::Recover);
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
    if verdict.purpose == Purpose::Recover {
        all_fit(account, task, to, against);
    } else {
        may_leave(account, &step, against);
        against.need(is_in_scope(round.config, task), || "the task is out of scope".into());
    }
    if is_chosen(verdict) {
        let groups = round.snapshot.groups().iter();
        let mut gangs = groups.filter(|group| group.rule == GroupRule::Gang);
        let ganged = gangs.any(|group| group.members.contains(&task.id));
        against.need(!ganged, || "a gang is not moved by choice".into());
    }
    may_go(account, &step, to, against);
    // How soon a task is done is told from the worker that it is on, even where it is placed.
    let home = court.home_of(task.id).map(|home| home.id);
    stays_for_it(account, &Step { from: home, ..step }, to, against);
    may_be_chosen(round, &step, against);
    if is_chosen(verdict) && round.config.stability.is_some() && court.is_alone(task.id) {
        let cooldown = round.before.cooldowns.get(&task.id).map(|cooldown| cooldown.until);
        let cools = cooldown.filter(|until| *until > round.snapshot.at());
        against.need(cools.is_none(), || format!("it cools down until {cools:?}"));
        let case = Case { task, from: court.home_of(task.id), to: Some(to) };
        let (way, evens) = (verdict.alternative, verdict.purpose == Purpose::Rebalance);
        let worse = worsens(account, case, way.map(usize::from), evens);
        against.need(worse.is_none() || !court.is_clear, || worse.unwrap_or_default().into());
    }
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

/// The tasks without a worker that are placed together have room on the worker at once.
fn all_fit(account: &Account<'_>, task: &Task, to: &Worker, against: &mut Findings) {
    let facts = account.facts;
    let others = facts.bound_among(task.id, |member| {
        account.stays.get(member) == Some(&Stay::Nowhere) && is_lost(facts, *member)
    });
    let tasks = others.iter().filter_map(|member| facts.round.snapshot.task(*member));
    let tasks: Vec<&Task> = tasks.collect();
    let kept = |task: &&Task| account.kept.contains_key(&task.id);
    if tasks.iter().any(|task| !task.alternatives.is_empty() || kept(task)) {
        return;
    }
    let resources: BTreeSet<_> = tasks.iter().flat_map(|task| asked(task)).collect();
    for resource in resources {
        let all: f64 = tasks.iter().map(|task| claim(task, to, resource)).sum();
        let free = capacity(to, resource).unwrap_or(0.0) - account.claimed(to.id, resource);
        against.need(all <= 0.0 || all <= about(free), || {
            format!("{all} of {resource} are needed for all, {free} are free")
        });
    }
}
