//! Do questions and rounds agree?
//!
//! A round with one task that may move is compared with [`Look::consider`](evenkeel::engine::Look::consider) on the
//! same snapshot: what the round refuses, the question refuses for the same reason; what the round does, the question
//! allows. Budgets are not asked in questions. Each property runs 2,000 cases.
#![forbid(unsafe_code)]

#[path = "setup/cases.rs"]
mod cases;
#[path = "setup/settings.rs"]
mod settings;

use cases::cases;
use evenkeel::config::Mode;
use evenkeel::outcome::{BudgetRefusal, Rejection, Tally};
use evenkeel::snapshot::{GroupRule, Mobility};
use evenkeel::testkit::strategies::{self, Cluster};
use evenkeel::{Config, Engine, Outcome, Snapshot, TaskId, Timestamp, WorkerId};
use proptest::prelude::*;
use proptest::sample::Index;
use settings::Settings;

fn settings() -> impl Strategy<Value = Settings> {
    let configs = prop_oneof![strategies::configs(), strategies::any_config()];
    configs.prop_map(|mut config| {
        config.mode = Mode::Act;
        Settings(config)
    })
}

/// Clusters without gangs: a gang is several moves.
fn clusters() -> impl Strategy<Value = Cluster> {
    let any = prop_oneof![3 => strategies::clusters(), 1 => strategies::crowded()];
    any.prop_map(|mut cluster| {
        cluster.groups.retain(|group| group.rule != GroupRule::Gang);
        cluster
    })
}

/// The same cluster with no task that may move but one.
fn all_pinned_but(cluster: &Cluster, free: Option<TaskId>) -> Cluster {
    let mut cluster = cluster.clone();
    for task in cluster.tasks.iter_mut().filter(|task| Some(task.id) != free) {
        task.mobility = Mobility::Pinned;
    }
    cluster
}

/// An engine that has seen some rounds in which nothing could move.
fn engine(config: &Config, cluster: &Cluster, rounds: u64) -> Engine {
    let mut engine = Engine::new(config.clone()).unwrap();
    let still = all_pinned_but(cluster, None);
    for round in 0..rounds {
        let _ = engine.tick(&still.snapshot(Timestamp::from_secs(30 + 30 * round))).unwrap();
    }
    engine
}

fn is_budget(no: &Rejection) -> bool {
    matches!(
        no,
        Rejection::Budget(
            BudgetRefusal::TargetBusy { .. }
                | BudgetRefusal::SourceBusy { .. }
                | BudgetRefusal::BudgetSpent { .. }
                | BudgetRefusal::BudgetLine { .. }
                | BudgetRefusal::BudgetInDoubt { .. }
                | BudgetRefusal::UnknownSize
                | BudgetRefusal::Unfair { .. }
                | BudgetRefusal::MemoryFull { .. }
        )
    )
}

/// Every example of a refusal of these tasks in a tally, budgets aside.
fn refusals(
    tally: &Tally,
    of: impl Fn(TaskId) -> bool,
) -> Vec<(TaskId, Option<WorkerId>, Rejection)> {
    let examples = tally.refusals.iter().flat_map(|refusals| &refusals.examples);
    let examples = examples.filter(|example| of(example.task) && !is_budget(&example.rejection));
    examples.map(|example| (example.task, example.to, example.rejection)).collect()
}

/// What a question says of every refusal that a round has named, where it says something else.
fn disagreements(
    engine: &Engine,
    snapshot: &Snapshot,
    refusals: &[(TaskId, Option<WorkerId>, Rejection)],
) -> Vec<String> {
    let look = engine.look(snapshot);
    let mut found = Vec::new();
    for (task, to, no) in refusals {
        // What reaches every worker is asked of any that is open to it.
        let workers = snapshot.workers().iter().map(|worker| worker.id);
        let asked = workers.filter(|worker| to.is_none_or(|to| to == *worker));
        for worker in asked {
            let verdict = look.consider(*task, worker).unwrap();
            if verdict.admission.rejection() != Some(no) {
                found.push(format!("{task} -> {worker}: the round says {no}, consider {verdict}"));
            }
        }
    }
    found
}

fn begun(outcome: &Outcome) -> Vec<(TaskId, WorkerId)> {
    let ends =
        outcome.begun().filter_map(|command| Some((command.task, command.action.begins()?.1)));
    ends.collect()
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn the_only_move_of_a_round_is_judged_as_consider_judges_it(
        Settings(config) in settings(),
        cluster in clusters(),
        free in any::<Index>(),
        rounds in 0_u64..9,
    ) {
        prop_assume!(!cluster.tasks.is_empty());
        let task = cluster.tasks[free.index(cluster.tasks.len())].id;
        let mut engine = engine(&config, &cluster, rounds);
        let snapshot = all_pinned_but(&cluster, Some(task)).snapshot(Timestamp::from_secs(330));
        let before = engine.clone();
        let outcome = engine.tick(&snapshot).unwrap();
        // Tasks that have lost their workers are placed whether pinned or not.
        prop_assume!(begun(&outcome).iter().all(|(moved, _)| *moved == task));
        let refusals = refusals(&outcome.tally, |other| other == task);
        prop_assert_eq!(disagreements(&before, &snapshot, &refusals), Vec::<String>::new());
        let look = before.look(&snapshot);
        for (moved, to) in begun(&outcome) {
            let verdict = look.consider(moved, to).unwrap();
            prop_assert!(verdict.admission.is_accepted(), "{} moves, but {}", moved, verdict);
        }
    }

    #[test]
    fn a_refusal_in_the_tally_is_true(
        Settings(config) in settings(),
        cluster in clusters(),
        rounds in 0_u64..9,
    ) {
        let mut engine = engine(&config, &cluster, rounds);
        let snapshot = cluster.snapshot(Timestamp::from_secs(330));
        let before = engine.clone();
        let outcome = engine.tick(&snapshot).unwrap();
        // After a first move the ledger is another one.
        prop_assume!(begun(&outcome).is_empty());
        let refusals = refusals(&outcome.tally, |_| true);
        prop_assert_eq!(disagreements(&before, &snapshot, &refusals), Vec::<String>::new());
    }
}
