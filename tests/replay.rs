//! The log is the whole truth: played again, it gives the same answers, bit by bit.
#![forbid(unsafe_code)]

#[path = "setup/records.rs"]
mod records;

use std::collections::BTreeSet;

use evenkeel::engine::{Input, Output, ResumeError};
use evenkeel::id::{Epoch, MigrationId};
use evenkeel::state::State;
use evenkeel::testkit::strategies::{self, History};
use evenkeel::{
    Action, Command, Config, Engine, Event, Outcome, Report, Snapshot, Task, Timestamp, Worker,
    WorkerId,
};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config as Runs, RngAlgorithm, TestRng, TestRunner};
use records::{cpu, task};

const HISTORIES: usize = 200;

/// The same histories in every run, with the log that each leaves.
fn logs() -> impl Iterator<Item = (History, Vec<(Input, Output)>)> {
    let dice = TestRng::from_seed(RngAlgorithm::ChaCha, &[42; 32]);
    let mut runner = TestRunner::new_with_rng(Runs::default(), dice);
    (0..HISTORIES).map(move |_| {
        let history = strategies::histories().new_tree(&mut runner).unwrap().current();
        let mut engine = Engine::new(history.config.clone()).unwrap();
        let mut log = Vec::new();
        history.play(&mut strategies::logged(&mut log, |input| engine.apply(input)));
        (history, log)
    })
}

fn engine(history: &History) -> Engine {
    Engine::new(history.config.clone()).unwrap()
}

#[test]
fn the_same_log_gives_the_same_answers_and_the_same_state() {
    let mut inputs = 0;
    for (history, log) in logs() {
        let (mut first, mut second) = (engine(&history), engine(&history));
        for (input, said) in &log {
            assert_eq!(first.apply(input), *said);
            assert_eq!(second.apply(input), *said);
        }
        assert_eq!(first.state(), second.state());
        inputs += log.len();
    }
    println!("{HISTORIES} histories, {inputs} inputs");
}

#[test]
fn the_log_survives_json_lines() {
    for (history, log) in logs() {
        let lines: Vec<String> =
            log.iter().map(|(input, _)| serde_json::to_string(input).unwrap()).collect();
        let mut engine = engine(&history);
        for (line, (input, said)) in lines.iter().zip(&log) {
            let read: Input = serde_json::from_str(line).unwrap();
            // A metric that is not a number is not equal to itself; all the rest is.
            if !matches!(input, Input::Tick(snapshot) if !snapshot.bad_records().is_empty()) {
                assert_eq!(read, *input, "{line}");
            }
            assert_eq!(serde_json::to_string(&read).unwrap(), *line);
            let again = engine.apply(&read);
            assert_eq!(again, *said, "{line}");
            let text = serde_json::to_string(&again).unwrap();
            assert_eq!(serde_json::from_str::<Output>(&text).unwrap(), again, "{text}");
        }
    }
}

#[test]
fn resumed_at_every_input_nothing_changes() {
    for (history, log) in logs().take(60) {
        let mut engine = engine(&history);
        for (input, said) in &log {
            let saved = serde_json::to_string(engine.state()).unwrap();
            let state: State = serde_json::from_str(&saved).unwrap();
            assert_eq!(state, *engine.state());
            let epoch = state.epoch();
            engine = Engine::resume(engine.config().clone(), state, epoch).unwrap();
            assert_eq!(engine.apply(input), *said);
        }
    }
}

/// The migrations that an output begins.
fn begun(output: &Output) -> Vec<MigrationId> {
    match output {
        Output::Outcome(outcome) => outcome.begun().map(|command| command.migration).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn a_raised_epoch_never_issues_an_id_again() {
    let mut second_life = 0;
    for (history, log) in logs() {
        let mut ids = BTreeSet::new();
        let mut newest = None;
        let middle = log.len() / 2;
        let mut engine = engine(&history);
        // The second life starts from a state that is some inputs old, as after a crash.
        let mut saved = engine.state().clone();
        for (nth, (input, _)) in log.iter().enumerate() {
            if nth == middle {
                engine =
                    Engine::resume(history.config.clone(), saved.clone(), Epoch::new(1)).unwrap();
            }
            let output = engine.apply(input);
            for id in begun(&output) {
                // A placement may go to another worker under the id it has.
                let again = ids.contains(&id) && newest.is_some_and(|newest| id <= newest);
                let fresh = ids.insert(id);
                assert!(fresh || again && is_placement(&output, id), "{id} is issued again");
                newest = newest.max(Some(id));
                second_life += u32::from(id.epoch() == Epoch::new(1) && fresh);
            }
            if nth + 3 == middle {
                saved = engine.state().clone();
            }
        }
    }
    assert!(second_life > 50, "only {second_life} migrations in the second life");
}

fn is_placement(output: &Output, id: MigrationId) -> bool {
    let Output::Outcome(outcome) = output else { return false };
    let mut commands = outcome.commands.iter();
    commands.any(|it| it.migration == id && matches!(it.action, Action::Place { .. }))
}

// ---------------------------------------------------------------- one small cluster

fn hot_and_idle(at: u64) -> Snapshot {
    Snapshot::builder(Timestamp::from_secs(at))
        .workers([cpu(1, 9.5), cpu(2, 1.0)])
        .tasks([task(1, 1, 4.0), task(2, 1, 5.5)])
        .build()
}

fn tick(engine: &mut Engine, at: u64) -> Outcome {
    engine.tick(&hot_and_idle(at)).unwrap()
}

/// An engine with a move under way.
fn under_way() -> (Engine, Command) {
    let mut engine = Engine::new(Config::default()).unwrap();
    let commands = tick(&mut engine, 30).commands;
    assert_eq!(commands.len(), 1);
    (engine, commands[0])
}

#[test]
fn the_order_of_records_leaves_no_trace() {
    let (first, second) = (cpu(1, 9.5), cpu(2, 1.0));
    let said = |workers: [Worker; 2], tasks: [Task; 2]| {
        let at = Timestamp::from_secs(30);
        let snapshot = Snapshot::builder(at).workers(workers).tasks(tasks).build();
        let mut engine = Engine::new(Config::default()).unwrap();
        let outcome = engine.tick(&snapshot).unwrap();
        serde_json::to_string(&(snapshot, outcome, engine.state())).unwrap()
    };
    let tasks = [task(1, 1, 4.0), task(2, 1, 5.5)];
    let [one, two] = tasks.clone();
    assert_eq!(said([first.clone(), second.clone()], tasks), said([second, first], [two, one]));
}

#[test]
fn a_second_life_in_a_higher_epoch_goes_on_with_what_is_in_flight() {
    let (engine, release) = under_way();
    let state = engine.state().clone();
    let mut later = Engine::resume(Config::default(), state, Epoch::new(7)).unwrap();
    // Until a snapshot has shown where the task is, its release may be answered already.
    let _ = tick(&mut later, 35);
    assert_eq!(later.outstanding(), [release]);
    let migration = release.migration;
    let report = Report::new(Timestamp::from_secs(40), Event::Released { migration });
    assert_eq!(later.report(&report).commands[0].migration, migration);
    // What it begins itself is of the new epoch.
    let snapshot = Snapshot::builder(Timestamp::from_secs(60))
        .workers([cpu(1, 9.6), cpu(3, 0.0), cpu(2, 1.0)])
        .tasks([task(2, 1, 5.5), task(3, 1, 4.1)])
        .build();
    let begun = later.tick(&snapshot).unwrap().commands;
    assert!(begun.iter().all(|command| command.migration.epoch() == Epoch::new(7)), "{begun:?}");
    assert!(!begun.is_empty());
}

#[test]
fn many_lives_issue_no_id_twice_and_drop_nothing() {
    let (mut ids, mut lives) = (BTreeSet::new(), 0);
    for (history, log) in logs().take(150) {
        let mut engine = engine(&history);
        ids.clear();
        for (nth, (input, _)) in log.iter().enumerate() {
            if nth % 5 == 4 {
                let (state, before) = (engine.state().clone(), engine.outstanding());
                let epoch = Epoch::new(state.epoch().raw() + 1);
                let under_way = state.in_flight();
                engine = Engine::resume(engine.config().clone(), state, epoch).unwrap();
                assert_eq!(engine.state().in_flight(), under_way);
                // What no snapshot has told this life of is not repeated.
                assert!(engine.outstanding().iter().all(|command| before.contains(command)));
                lives += 1;
            }
            let before = engine.outstanding();
            let known = |id| before.iter().any(|command| command.migration == id);
            for id in begun(&engine.apply(input)) {
                assert!(ids.insert(id) || known(id), "{id} is issued again");
            }
        }
    }
    assert!(lives > 200, "{lives} lives");
}

#[test]
fn a_bad_record_survives_the_log() {
    let bad = cpu(1, f64::NAN);
    let at = Timestamp::from_secs(30);
    let snapshot = Snapshot::builder(at).workers([bad.clone(), bad]).build();
    let line = serde_json::to_string(&snapshot).unwrap();
    let read: Snapshot = serde_json::from_str(&line).unwrap();
    assert_eq!(read.bad_records(), snapshot.bad_records());
    let outcome = |snapshot| Engine::new(Config::default()).unwrap().tick(snapshot).unwrap();
    assert_eq!(outcome(&read), outcome(&snapshot));
}

#[test]
fn an_epoch_that_is_over_is_refused() {
    let (engine, _) = under_way();
    let state = engine.state().clone();
    let later = Engine::resume(Config::default(), state, Epoch::new(3)).unwrap();
    let refused = Engine::resume(Config::default(), later.state().clone(), Epoch::new(2));
    let (last, given) = (Epoch::new(3), Epoch::new(2));
    assert_eq!(refused.unwrap_err(), ResumeError::EpochOver { last, given });
}

#[test]
fn a_state_of_a_newer_format_is_refused_and_says_so() {
    let (engine, _) = under_way();
    let mut json = serde_json::to_value(engine.state()).unwrap();
    json["schema"] = serde_json::json!(State::SCHEMA + 1);
    let state: State = serde_json::from_value(json).unwrap();
    let refused = Engine::resume(Config::default(), state, Epoch::FIRST).unwrap_err();
    let (found, known) = (State::SCHEMA + 1, State::SCHEMA);
    assert_eq!(refused, ResumeError::NewerState { found, known });
    assert_eq!(refused.to_string(), "the state has format 2; this release reads formats up to 1");
}

#[test]
fn new_settings_keep_what_is_in_flight() {
    for mut config in [Config::fixed(), Config::reference(), Config::default()] {
        let (mut engine, release) = under_way();
        config.migration = None;
        assert_eq!(engine.apply(&Input::Reconfigure(Box::new(config))), Output::Reconfigured);
        assert_eq!(engine.outstanding(), [release]);
        let migration = release.migration;
        let released = Report::new(Timestamp::from_secs(40), Event::Released { migration });
        let assigned = engine.report(&released).commands;
        assert!(matches!(assigned[0].action, Action::Assign { to, .. } if to == WorkerId::new(2)));
        let running = Report::new(Timestamp::from_secs(50), Event::Running { migration });
        assert_eq!(engine.report(&running).ended.len(), 1);
        assert_eq!(engine.state().in_flight(), 0);
    }
}

#[test]
fn impossible_settings_are_refused_and_the_old_ones_stay() {
    let (mut engine, _) = under_way();
    let before = engine.state().clone();
    let mut config = Config::default();
    config.thresholds.high = 2.0;
    let refused = engine.apply(&Input::Reconfigure(Box::new(config)));
    let line = "thresholds.high is 2; it must be a number from 0 to 1".to_string();
    assert_eq!(refused, Output::Refused(vec![line]));
    assert_eq!((engine.config(), engine.state()), (&Config::default(), &before));
}

#[test]
fn a_snapshot_of_the_same_moment_is_stale_and_leaves_no_trace() {
    let (mut engine, _) = under_way();
    let before = engine.state().clone();
    let stale = engine.tick(&hot_and_idle(30)).unwrap_err();
    assert_eq!(
        stale.to_string(),
        "the snapshot of 30.000s is not newer than the last one, of 30.000s"
    );
    assert_eq!((stale.commands, stale.ended), (vec![], vec![]));
    assert_eq!(*engine.state(), before);
}
