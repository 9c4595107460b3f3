//! Is everything that is remembered and reported bounded?

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::vec::Vec;

use super::concurrency::budget;
use super::facts::is_new;
use super::promise::{Findings, Promise, Violation};
use super::round::Round;
use crate::model::ids::WorkerId;
use crate::outcome::{Outcome, Tally};
use crate::snapshot::{Coverage, GroupRule, Placement, Stance, Task};
use crate::state::{
    ENDED, FORECASTS, MEMORY_PER_WORKER, PLACEMENTS_PER_WORKER, SAMPLES, SYSTEM_RECORDS,
};

/// Promise 9: no collection in the state or the outcome exceeds its bound. If the cluster has shrunk, a collection may
/// still exceed it, but does not grow.
pub(super) fn bounded(round: &Round<'_>) -> Vec<Violation> {
    let mut findings = Findings::new(Promise::Bounded);
    let Round { before, after, snapshot, outcome, .. } = *round;
    let before_sizes: BTreeMap<_, _> = before.sizes().into_iter().collect();
    let workers = snapshot.workers().len();
    let tracked = worth_remembering(round);
    for worker in after.tracks.keys().filter(|worker| !tracked.contains(worker)) {
        findings.add(format!("{worker} is remembered for no reason"));
    }
    let remembered = MEMORY_PER_WORKER * before.tracks.len().max(after.tracks.len()).max(1);
    let kinds: BTreeSet<_> = after.learned.cost.keys().collect();
    let hardware = crate::model::hardware::Hardware::ALL.len();
    let tracks = after.tracks.len().max(before.tracks.len());
    let learned = kinds.len() + tracks * (kinds.len() + 1 + hardware);
    let allowed: [(&str, usize); 13] = [
        ("system records", SYSTEM_RECORDS),
        ("tracked workers", tracked.len()),
        ("missing workers", after.tracks.len() + 2 * after.in_flight.len()),
        ("samples of one worker", SAMPLES),
        ("forecasts", FORECASTS),
        ("landed", remembered),
        ("cooldowns", remembered),
        ("moved", remembered),
        ("returned", remembered),
        ("ended", ENDED),
        ("learned", learned),
        ("spending", accounts(round)),
        ("advice", crate::state::Topic::MOST),
    ];
    for (name, size) in after.sizes() {
        let bound = allowed.iter().find(|(known, _)| *known == name).map(|row| row.1);
        let bound = bound.unwrap_or_else(|| migrations(round));
        let shrinks =
            name != "tracked workers" && before_sizes.get(name).is_some_and(|it| size <= *it);
        findings.need(size <= bound || shrinks, || format!("{size} {name}, at most {bound}"));
    }
    heard(round, &mut findings);
    outcome_bounds(
        outcome,
        workers,
        before.in_flight.len() + snapshot.tasks().len(),
        &mut findings,
    );
    candidate_bounds(round, workers, &mut findings);
    findings.list
}

/// How many accounts of spending may be kept: 64 per worker and line with a window.
fn accounts(round: &Round<'_>) -> usize {
    let lines = round.config.migration.iter().flat_map(|limits| &limits.budgets);
    let fair = round.config.migration.iter().filter(|limits| limits.fairness.is_some());
    let windows = lines.filter(|line| line.per.is_some()).count() + fair.count();
    64 * windows * round.snapshot.workers().len().max(1)
}

/// The workers that the state may remember: after a complete snapshot, those that it lists and those that its tasks are
/// reported on; after a partial one also those of the last complete one, those named a short while ago, and the sources
/// and targets of migrations under way.
fn worth_remembering(round: &Round<'_>) -> BTreeSet<WorkerId> {
    let Round { before, after, snapshot, config, outcome } = *round;
    let homes = snapshot.tasks().iter().filter_map(home);
    let mut workers: BTreeSet<WorkerId> = homes.collect();
    workers.extend(snapshot.workers().iter().map(|worker| worker.id));
    workers.extend(outcome.missing.iter().map(|missing| missing.worker));
    if is_whole(round) {
        return workers;
    }
    let longest = match &config.prediction {
        Some(section) if section.history > config.performance_window => section.history,
        _ => config.performance_window,
    };
    let oldest = snapshot.at().before(longest);
    let recent = before.tracks.iter().filter(|(_, track)| match track.passing {
        Some(heard) => heard >= oldest,
        None => true,
    });
    workers.extend(recent.map(|(worker, _)| *worker));
    for flight in after.in_flight.values() {
        workers.extend(flight.from());
        workers.insert(flight.to());
    }
    workers
}

/// Whether a worker that is missing from the snapshot counts as gone.
fn is_whole(round: &Round<'_>) -> bool {
    round.snapshot.coverage() == Coverage::Complete && round.outcome.held.is_none()
}

/// Whether the state remembers correctly when each worker that only partial snapshots name was last named.
fn heard(round: &Round<'_>, findings: &mut Findings) {
    let Round { before, after, snapshot, .. } = *round;
    let at = snapshot.at();
    for (worker, track) in &after.tracks {
        let known = before.tracks.get(worker);
        let staying = known.is_some_and(|track| track.passing.is_none());
        let held = round.outcome.held.is_some();
        let shown = snapshot.worker(*worker).filter(|it| !held || it.stance != Stance::Offline);
        let unlisted = round.is_missing(*worker);
        let expected = match is_whole(round) {
            true if unlisted => known.and_then(|track| track.passing).map(|heard| heard.min(at)),
            false if staying => None,
            false if shown.is_some() => Some(at),
            false => known.and_then(|track| track.passing).map(|heard| heard.min(at)),
            true => None,
        };
        findings.need(track.passing == expected, || {
            format!("{worker} is said to be heard of {:?}, it was {expected:?}", track.passing)
        });
    }
}

/// The worker that a task is on by its record.
fn home(task: &Task) -> Option<WorkerId> {
    match task.placement {
        Placement::On(worker) => Some(worker),
        _ => None,
    }
}

/// How many migrations may be under way: the limit, placements, and those that the host is shown to carry out.
fn migrations(round: &Round<'_>) -> usize {
    let adopted = round.after.in_flight.values().filter(|flight| {
        !round.before.in_flight.contains_key(&flight.task())
            && !is_new(round, flight.task(), flight.id())
    });
    let kept = round.before.in_flight.len();
    let adopted = adopted.count();
    budget(round).max(kept) + PLACEMENTS_PER_WORKER * round.snapshot.workers().len() + adopted
}

fn outcome_bounds(outcome: &Outcome, workers: usize, tasks: usize, findings: &mut Findings) {
    let refusals = &outcome.tally.refusals;
    let names: BTreeSet<_> = refusals.iter().map(crate::outcome::Refusals::name).collect();
    let most_examples = refusals.iter().map(|row| row.examples.len()).max().unwrap_or(0);
    let forecast = outcome.forecast.as_ref().map_or(0, |forecast| forecast.workers.len());
    let with_devices = outcome.fragmentation.as_ref().map_or(0, |it| it.workers.len());
    for (what, size, bound) in [
        ("bad records shown", outcome.bad_records.len(), Outcome::BAD_RECORDS),
        ("worker loads", outcome.workers.len(), workers),
        ("worker forecasts", forecast, workers),
        ("workers with devices", with_devices, workers),
        ("rows of refusals", refusals.len(), names.len()),
        ("examples of one refusal", most_examples, Tally::EXAMPLES),
        ("migrations ended", outcome.ended.len(), tasks),
    ] {
        findings.need(size <= bound, || format!("{size} {what}, at most {bound}"));
    }
}

/// A task is scored once per worker, and under stability for a bounded number of workers: a gang needs one for each of
/// its members, and gangs that share tasks move together.
fn candidate_bounds(round: &Round<'_>, workers: usize, findings: &mut Findings) {
    let groups = round.snapshot.groups().iter();
    let gangs = groups.filter(|group| group.rule == GroupRule::Gang);
    let ganged: BTreeSet<_> = gangs.flat_map(|group| group.members.iter().copied()).collect();
    let most = |task| match round.config.stability {
        Some(_) if ganged.contains(&task) => workers.min(ganged.len().max(Outcome::CANDIDATES)),
        Some(_) => workers.min(Outcome::CANDIDATES),
        None => workers,
    };
    let mut pairs: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for it in &round.outcome.candidates {
        let new = pairs.entry(it.task).or_default().insert(it.to);
        findings.need(new, || format!("{} -> {} was weighed twice", it.task, it.to));
    }
    for (task, targets) in pairs {
        let (count, most) = (targets.len(), most(task));
        findings.need(count <= most, || format!("{count} candidates of {task}, at most {most}"));
    }
}
