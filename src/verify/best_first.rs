//! Are the best moves taken first, and is it said of every other pair that was scored why it was not?
//!
//! Scores that follow the plan are compared as far as they can be: two moves by theirs if no earlier move has changed
//! one of their workers.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::vec::Vec;

use super::account::{Account, is_clear};
use super::calendar::{departure, is_leaving};
use super::facts::{Facts, Step};
use super::footprint::{added_use, asked, run_now};
use super::promise::{Findings, Promise, Violation};
use super::records::{capacity, is_sound_worker};
use super::round::Round;
use super::score::members;
use crate::config::{BenefitRule, Mode};
use crate::model::ids::{TaskId, WorkerId};
use crate::model::time::Timestamp;
use crate::outcome::{Considered, Purpose, Refused};
use crate::snapshot::{GroupRule, Stance, Task, Worker};

/// At most this many pairs are scored again before one is taken.
const LOOK_AHEAD: usize = 64;

/// Judges the order of the plan, and what became of every pair that was scored. Gangs are left out: their sets are
/// taken together, when the first of them is due.
pub(super) fn best_first(round: &Round<'_>) -> Vec<Violation> {
    let mut findings = Findings::new(Promise::Evidence);
    let (facts, ganged) = (Facts::new(round), members(round, GroupRule::Gang));
    let is_free = |step: &Step<'_>| !ganged.contains(&step.task.id);
    let units = facts.units().into_iter().filter(|unit| unit.iter().all(is_free));
    let firsts: Vec<&Step<'_>> = units.filter_map(<[_]>::first).collect();
    let best = best(round);
    let unscored = round.config.cost_benefit.is_none() && is_clear(round);
    let account = unscored.then(|| Account::open(&facts));
    let workers = |step: &Step<'_>| step.from.into_iter().chain([step.to]);
    let mut changed: BTreeSet<WorkerId> =
        facts.steps.iter().filter(|step| !is_free(step)).flat_map(workers).collect();
    for pair in firsts.windows(2) {
        let [first, second] = [pair[0], pair[1]];
        changed.extend(workers(first));
        let is_same = !workers(second).any(|worker| changed.contains(&worker));
        let is_scored = !follows_the_plan(round) || (is_same && second.is_chosen());
        let [earlier, later] = [pressing(&facts, first), pressing(&facts, second)];
        let (a, b) = (first.command, second.command);
        findings.need(earlier <= later, || format!("less pressing, and before {b}: {a}"));
        if earlier != later {
            continue;
        }
        let worth = |step: &Step<'_>| match step.scorecard.filter(|_| step.is_chosen()) {
            Some(card) => Some(card.net()),
            None => best.get(&step.task.id).copied(),
        };
        let worths = worth(first).zip(worth(second)).filter(|_| is_scored);
        let level = |step: &Step<'_>| {
            let from = step.from.and_then(|from| round.snapshot.worker(from))?;
            account.as_ref()?.level(from).filter(|_| is_sound_worker(round.snapshot, from.id))
        };
        // Without scores the hottest source gives first, and its largest task.
        let levels = level(first).zip(level(second));
        let levels = match account.as_ref().filter(|_| first.from == second.from) {
            Some(_) => size(round, first).zip(size(round, second)),
            None => levels,
        };
        let falls = |figures: Option<(f64, f64)>| {
            figures.is_none_or(|(first, second)| first >= second - 1e-6 * second.abs().max(1.0))
        };
        let holds = falls(worths) && falls(levels);
        findings.need(holds, || format!("worse ({worths:?}, {levels:?}), and before {b}: {a}"));
    }
    let chosen = facts.steps.iter().filter(|step| step.is_chosen()).map(|step| step.task.id);
    passed_over(round, (&ganged, &chosen.collect()), &mut findings);
    findings.list
}

/// Whether a pair is scored again once a move has changed one of its workers.
fn follows_the_plan(round: &Round<'_>) -> bool {
    round.config.cost_benefit.as_ref().is_some_and(|it| it.rule == BenefitRule::Relief)
}

/// The largest share of its source's capacity that a task takes; `None` if it moves with others.
fn size(round: &Round<'_>, step: &Step<'_>) -> Option<f64> {
    let bound = members(round, GroupRule::Affinity).contains(&step.task.id);
    share(round, step.task, step.from?).filter(|_| !bound)
}

/// The largest share of a worker's capacity that a task takes.
fn share(round: &Round<'_>, task: &Task, from: WorkerId) -> Option<f64> {
    let source = round.snapshot.worker(from)?;
    let here = run_now(round.snapshot, task);
    let shares = asked(&here).into_iter().filter_map(|resource| {
        let room = capacity(source, resource).filter(|room| *room > 0.0)?;
        Some(added_use(&here, source, resource) / room)
    });
    Some(shares.fold(0.0, f64::max))
}

/// The net benefit of the best pair of each task.
fn best(round: &Round<'_>) -> BTreeMap<TaskId, f64> {
    let mut best = BTreeMap::new();
    for pair in &round.outcome.candidates {
        let net = best.entry(pair.task).or_insert(f64::NEG_INFINITY);
        *net = net.max(pair.benefit - pair.cost);
    }
    best
}

/// How pressing a move is: its purpose; whether it goes on with a migration that begins anew; when its worker leaves.
fn pressing(facts: &Facts<'_>, step: &Step<'_>) -> (u8, bool, Timestamp) {
    let rank = match step.purpose {
        Purpose::Recover => 0,
        Purpose::Evacuate => 1,
        Purpose::FollowGang => 2,
        Purpose::Rebalance => 3,
        Purpose::Upgrade => 4,
    };
    let source = step.from.filter(|_| step.purpose == Purpose::Evacuate);
    let source = source.and_then(|from| facts.round.snapshot.worker(from));
    let leaves = source.and_then(|source| departure(facts.round, source));
    let last = Timestamp::from_millis(u64::MAX);
    (rank, !facts.retargeted.contains(&step.command.migration), leaves.unwrap_or(last))
}

/// Whether a step was taken before its turn: a refusal which is true only since that step is about a task that is more
/// pressing, or that stands better on the same worker.
pub(super) fn is_out_of_turn(
    facts: &Facts<'_>,
    step: &Step<'_>,
    (refused, home): (&Refused, Option<&Worker>),
) -> bool {
    let round = facts.round;
    let last = Timestamp::from_millis(u64::MAX);
    let is_told = !follows_the_plan(round);
    let empties = |home: &&Worker| home.stance == Stance::Drain || is_leaving(round, home);
    let turn = match home {
        None => (0, !facts.flights.contains_key(&refused.task), last),
        Some(home) if empties(&home) => (1, true, departure(round, home).unwrap_or(last)),
        Some(home) => {
            let same = step.is_chosen() && step.from == Some(home.id);
            return same && is_told && is_worse(round, step, refused);
        }
    };
    pressing(facts, step) > turn
}

/// Whether a step is worse than a pair on the same source, by the net benefit or else by the size.
fn is_worse(round: &Round<'_>, step: &Step<'_>, refused: &Refused) -> bool {
    let [taken, other] = if round.config.cost_benefit.is_some() {
        let is_pair = |it: &&Considered| it.task == refused.task && Some(it.to) == refused.to;
        let pair = round.outcome.candidates.iter().find(is_pair);
        [step.scorecard.map(|card| card.net()), pair.map(|pair| pair.benefit - pair.cost)]
    } else {
        let other = round.snapshot.task(refused.task);
        [Some(step.task), other].map(|task| share(round, task?, step.from?))
    };
    taken.zip(other).is_some_and(|(taken, other)| taken < other - 1e-6 * other.abs().max(1.0))
}

/// A pair is taken if the task moves there. Of the others it is said why they were not taken, unless the task goes to
/// another worker which is as good, or nothing is moved at all.
fn passed_over(
    round: &Round<'_>,
    (ganged, chosen): (&BTreeSet<TaskId>, &BTreeSet<TaskId>),
    findings: &mut Findings,
) {
    let Round { config, outcome, .. } = *round;
    let taken: BTreeMap<TaskId, &Considered> =
        outcome.candidates.iter().filter(|it| it.taken).map(|it| (it.task, it)).collect();
    let moves = config.migration.is_some() && config.mode != Mode::Observe;
    // Of more pairs, some may not have been scored again when their turn came.
    let is_told = !follows_the_plan(round) || outcome.candidates.len() <= LOOK_AHEAD;
    for pair in &outcome.candidates {
        if pair.taken || pair.refused.is_some() || ganged.contains(&pair.task) {
            findings.need(!pair.taken || pair.refused.is_none(), || format!("{pair}: both"));
            continue;
        }
        let other = taken.get(&pair.task);
        findings.need(!moves || other.is_some(), || format!("{pair}: nobody says why"));
        // A task that must leave goes to a worse target if the better one is above its ceiling.
        let better = other.filter(|it| chosen.contains(&it.task)).is_some_and(|it| {
            let net = |pair: &Considered| pair.benefit - pair.cost;
            net(it) < net(pair) - 1e-6 * net(pair).abs().max(1.0)
        });
        findings.need(!better || !is_told, || format!("{pair}: better than what is taken"));
    }
}
