//! Files that no engine and no sensible host has written: saved states, settings and snapshots with impossible numbers,
//! keys, references, lengths and orders. Nothing panics or hangs, what is set aside is named, and whatever the engine
//! writes can be read again.
#![forbid(unsafe_code)]

#[path = "setup/cases.rs"]
mod cases;
#[path = "setup/damage.rs"]
mod damage;
#[path = "setup/records.rs"]
mod records;

use std::cell::Cell;
use std::time::Instant;

use cases::cases;
use damage::{Damage, damages};
use evenkeel::engine::{Input, Output, ResumeError};
use evenkeel::id::{Epoch, MigrationId};
use evenkeel::snapshot::{Alternative, Group, GroupRule, Phase, Placement};
use evenkeel::state::State;
use evenkeel::testkit::strategies::{self, Cluster, History};
use evenkeel::verify::{self, Watch};
use evenkeel::{
    Config, Engine, Event, Outcome, Report, ResourceId, Snapshot, Task, TaskId, Timestamp, WorkerId,
};
use proptest::prelude::*;
use proptest::sample::Index;
use records::{cpu, task};
use serde_json::{Value, json};

// ---------------------------------------------------------------- what the properties share

/// How many cases each property tries: 400, or `HOSTILE_CASES`.
fn tries() -> u32 {
    let asked = std::env::var("HOSTILE_CASES").ok().and_then(|count| count.parse().ok());
    asked.unwrap_or(400)
}

/// The inputs of a history.
fn inputs(history: &History) -> Vec<Input> {
    let mut engine = Engine::new(history.config.clone()).unwrap();
    let mut log = Vec::new();
    let mut door = strategies::logged(&mut log, |input| engine.apply(input));
    history.play(&mut door);
    drop(door);
    log.into_iter().map(|(input, _)| input).collect()
}

/// A file with some damage; `None` if it cannot be read at all.
fn damaged<T: serde::Serialize + serde::de::DeserializeOwned>(
    sound: &T,
    damages: &[Damage],
) -> Option<T> {
    let mut file = serde_json::to_value(sound).unwrap();
    damages.iter().for_each(|damage| damage.apply(&mut file));
    serde_json::from_value(file).ok()
}

/// Fails if what the engine writes cannot be read again as it was.
fn reads_back(engine: &Engine, output: &Output) {
    let text = serde_json::to_string(output).unwrap();
    let read = serde_json::from_str::<Output>(&text).unwrap_or_else(|no| panic!("{no}: {text}"));
    assert!(read == *output, "{text}");
    let text = serde_json::to_string(engine.state()).unwrap();
    let read = serde_json::from_str::<State>(&text).unwrap_or_else(|no| panic!("{no}: {text}"));
    assert!(read == *engine.state(), "{text}");
}

/// An engine from this state, if it is not refused as a whole for a reason that is no fault of an entry.
fn resumed(config: &Config, state: &State, epoch: Epoch) -> Option<Engine> {
    match Engine::resume(config.clone(), state.clone(), epoch) {
        Ok(engine) => Some(engine),
        Err(
            ResumeError::NewerState { .. }
            | ResumeError::EpochOver { .. }
            | ResumeError::NoIdsLeft { .. },
        ) => None,
        Err(error) => panic!("{error}"),
    }
}

/// Everything that an engine can be asked, and the next input.
fn lives_on(engine: &mut Engine, input: &Input) -> Output {
    let known = engine.outstanding().len();
    let sizes: usize = engine.state().sizes().iter().map(|(_, size)| size).sum();
    let _ = (engine.stats().to_string(), engine.stats().total.success_rate());
    if let Input::Tick(snapshot) = input {
        let look = engine.look(snapshot);
        for task in snapshot.tasks().iter().take(2) {
            let _ = look.rank(task.id).map(|ranked| ranked.len());
        }
    }
    let output = engine.apply(input);
    reads_back(engine, &output);
    // Work is bounded by what there is: a round tells each migration a few things, and remembers a few.
    if let (Input::Tick(snapshot), Output::Outcome(outcome)) = (input, &output) {
        let there = snapshot.tasks().len() + snapshot.workers().len() + known + sizes;
        assert!(outcome.commands.len() <= 8 * (there + 1), "{} of {there}", outcome.commands.len());
        let after: usize = engine.state().sizes().iter().map(|(_, size)| size).sum();
        assert!(after <= sizes + 200 * (there + 1), "{sizes} to {after}");
        let _ = outcome.to_string();
    }
    output
}

// ---------------------------------------------------------------- saved states

proptest! {
    #![proptest_config(cases(tries()))]

    #[test]
    fn a_state_that_an_engine_has_saved_passes_unchanged(history in strategies::histories()) {
        let mut engine = Engine::new(history.config.clone()).unwrap();
        let mut lines = Vec::new();
        history.play(&mut |input| {
            let output = engine.apply(&input);
            let (state, epoch) = (engine.state().clone(), engine.state().epoch());
            let again = Engine::resume(engine.config().clone(), state, epoch).unwrap();
            lines.extend(again.set_aside().to_vec());
            assert!(again.state() == engine.state());
            output
        });
        prop_assert_eq!(lines, vec![]);
    }
}

/// How many states could be read, how many were resumed, and how many had something set aside.
#[derive(Debug, Default)]
struct Reach {
    read: Cell<u32>,
    resumed: Cell<u32>,
    set_aside: Cell<u32>,
}

#[test]
fn any_state_that_can_be_read_is_checked_and_lived_with() {
    let reach = Reach::default();
    let count = |of: &Cell<u32>| of.set(of.get() + 1);
    let histories = prop_oneof![strategies::histories(), strategies::bound_histories()];
    let place = (any::<Index>(), any::<bool>());
    proptest!(cases(tries()), |(history in histories, (cut, later) in place, damages in damages())| {
        let inputs = inputs(&history);
        let cut = cut.index(inputs.len().max(1));
        let mut engine = Engine::new(history.config.clone()).unwrap();
        inputs.iter().take(cut).for_each(|input| _ = engine.apply(input));
        let Some(state) = damaged(engine.state(), &damages) else { return Ok(()) };
        count(&reach.read);
        let epoch = Epoch::new(state.epoch().raw().saturating_add(u32::from(later)));
        let Some(mut engine) = resumed(engine.config(), &state, epoch) else { return Ok(()) };
        count(&reach.resumed);
        if !engine.set_aside().is_empty() {
            count(&reach.set_aside);
        }
        for line in engine.set_aside() {
            prop_assert!(line.to_string().contains("; it must be "), "{}", line);
        }
        // What is left is sound.
        let once = resumed(engine.config(), engine.state(), epoch).unwrap();
        prop_assert_eq!(once.set_aside(), &[]);
        for input in inputs.iter().skip(cut).take(6) {
            let _ = lives_on(&mut engine, input);
        }
    });
    println!("{reach:?} of {}", tries());
    assert!(3 * reach.resumed.get() > tries() && 10 * reach.set_aside.get() > tries(), "{reach:?}");
}

/// Three tasks of a gang on their way from w1 to w2.
fn gang() -> (Config, Engine, Snapshot) {
    let mut config = Config::default();
    config.migration.as_mut().unwrap().max_simultaneous = 8.try_into().unwrap();
    let members = (1..=3).map(TaskId::new).collect();
    let snapshot = Snapshot::builder(Timestamp::from_secs(30))
        .workers([cpu(1, 9.0).with_stance(evenkeel::snapshot::Stance::Drain), cpu(2, 0.0)])
        .tasks((1..=3).map(|id| task(id, 1, 1.0)))
        .group(Group::new(evenkeel::id::GroupId::new(1), GroupRule::Gang, members))
        .build();
    let mut engine = Engine::new(config.clone()).unwrap();
    assert_eq!(engine.tick(&snapshot).unwrap().commands.len(), 3);
    (config, engine, snapshot)
}

/// The lines that are said of the state of a gang under way, with something wrong in it.
fn said_of(spoil: impl Fn(&mut Value)) -> Vec<String> {
    let (config, engine, snapshot) = gang();
    let mut file = serde_json::to_value(engine.state()).unwrap();
    spoil(&mut file);
    let state: State = serde_json::from_value(file).unwrap();
    let mut engine = Engine::resume(config, state, Epoch::new(1)).unwrap();
    let lines = engine.set_aside().iter().map(ToString::to_string).collect();
    let _ = lives_on(&mut engine, &Input::Tick(at(&snapshot, 60)));
    lines
}

/// The same records at another moment.
fn at(snapshot: &Snapshot, secs: u64) -> Snapshot {
    let mut file = serde_json::to_value(snapshot).unwrap();
    file["at"] = json!(secs * 1_000);
    serde_json::from_value(file).unwrap()
}

/// A change of a saved state.
type Spoil = fn(&mut Value);

#[test]
fn what_is_impossible_in_a_state_is_set_aside_by_name() {
    let faults: Vec<(Spoil, &str)> = vec![
        (
            |file| {
                let flight = file["in_flight"].as_object_mut().unwrap().remove("3").unwrap();
                file["in_flight"]["7"] = flight;
            },
            "migration m0.3: task is t3; it must be t7, under which it is stored",
        ),
        (
            |file| file["in_flight"]["3"]["terms"]["id"]["number"] = json!(1),
            "migration m0.1: id is m0.1 again; it must be unique",
        ),
        (
            |file| file["in_flight"]["3"]["terms"]["id"]["number"] = json!(u64::MAX),
            "migration m0.18446744073709551615: number is 18446744073709551615; it must be below 2^63",
        ),
        (
            |file| file["in_flight"]["3"]["terms"]["claim"]["cpu"] = json!(1e300),
            "migration m0.3: claim.cpu is 1e300; it must be a number from 0 to 2^64",
        ),
        (
            |file| file["issued"] = json!(2),
            "state: issued is 2; it must be at least 3, the number of a migration of epoch 0",
        ),
        (
            |file| file["accuracy"] = json!({"mean": 7.0, "samples": 1}),
            "state: accuracy is 7; it must be a number from 0 to 1",
        ),
        (
            |file| file["factor"] = json!(0.5),
            "state: factor is 0.5; it must be a number from 1 to 16",
        ),
        (
            |file| file["tracks"]["1"]["samples"][0]["load"] = json!(-1.0),
            "worker w1: samples.load is -1; it must be a number from 0 to 1000",
        ),
        (
            |file| {
                let recent = &mut file["tracks"]["2"]["recent"];
                *recent = json!([recent[0], recent[0]]);
            },
            "worker w2: recent.at is 30.000s; it must be later than the one before",
        ),
        (
            |file| file["tracks"]["1"]["level_shift"] = json!([9_000, 1_000]),
            "worker w1: level_shift is 9.000s to 1.000s; it must be a beginning and a later end",
        ),
        (
            |file| file["thresholds"] = json!({"high": 1e9, "low": 0.0}),
            "state: thresholds is 1000000000; it must be a number from -1 to 2",
        ),
        (
            |file| file["learned"]["speed"] = json!({"2": {"cpu": {"mean": 0.0, "samples": 3}}}),
            "worker w2: learned.speed.cpu is 0; it must be a number from 0.000001 to 1000000",
        ),
        (
            |file| file["learned"]["cost"] = json!({"4": {"mean": 11.0, "samples": 3}}),
            "kind k4: learned.cost is 11; it must be a number from 0 to 10",
        ),
        (
            |file| file["learned"]["success"] = json!({"2": {"4": {"mean": -1.0, "samples": 3}}}),
            "worker w2: learned.success.k4 is -1; it must be a number from 0 to 1",
        ),
        (
            |file| {
                let account = json!({"per": 0, "key": "global", "parts": []});
                file["spending"]["accounts"] = json!([account]);
            },
            "state: spending.accounts.0.per is 0; it must be above 0",
        ),
        (
            |file| {
                file["counters"]["hour"] =
                    json!([[7, {"initiated": 1, "completed": 0, "failed": 0}]]);
            },
            "state: counters.hour is 1; it must be 60 slots in their places, or none",
        ),
        (
            |file| file["cooldowns"] = json!({"5": {"left": [[1, 9], [1, 9]], "until": 9}}),
            "task t5: cooldowns.left is w1 again; it must be unique",
        ),
        (
            |file| file["forecasts"] = json!([{"due": 9, "loads": [[2, 0.5], [1, 0.5]]}]),
            "state: forecasts is 0.009s; it must be in the order of workers",
        ),
        (
            |file| {
                file["forecasts"] = json!([{"due": 9, "loads": [[2, 0.5]], "margins": [0.1, 0.1]}]);
            },
            "state: forecasts.margins is 2; it must be none, or one for each of 1 loads",
        ),
    ];
    for (spoil, line) in faults {
        assert_eq!(said_of(spoil), [line]);
    }
    assert_eq!(said_of(|_| ()), Vec::<String>::new());
}

#[test]
fn an_epoch_without_ids_is_refused_and_the_next_one_has_its_own() {
    let (config, engine, snapshot) = gang();
    let mut file = serde_json::to_value(engine.state()).unwrap();
    file["issued"] = json!(u64::MAX);
    let state: State = serde_json::from_value(file).unwrap();
    let refused = Engine::resume(config.clone(), state.clone(), Epoch::FIRST).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "epoch 0 has issued 18446744073709551615 migrations and has no ids left; resume in a higher epoch"
    );
    let mut engine = Engine::resume(config, state, Epoch::new(1)).unwrap();
    assert_eq!(engine.set_aside(), []);
    let more = Snapshot::builder(Timestamp::from_secs(60))
        .workers(snapshot.workers().iter().cloned())
        .tasks((1..=4).map(|id| task(id, 1, 1.0)))
        .build();
    let begun: Vec<MigrationId> =
        engine.tick(&more).unwrap().begun().map(|command| command.migration).collect();
    assert_eq!(begun, [MigrationId::new(Epoch::new(1), 1)]);
}

#[test]
fn a_later_epoch_does_not_issue_the_ids_that_its_state_knows_of_it() {
    let (config, engine, snapshot) = gang();
    let mut file = serde_json::to_value(engine.state()).unwrap();
    file["in_flight"]["3"]["terms"]["id"] = json!({"epoch": 1, "number": 1});
    let state: State = serde_json::from_value(file).unwrap();
    let mut engine = Engine::resume(config, state, Epoch::new(1)).unwrap();
    let more = Snapshot::builder(Timestamp::from_secs(60))
        .workers(snapshot.workers().iter().cloned())
        .tasks((1..=4).map(|id| task(id, 1, 1.0)))
        .build();
    let begun: Vec<MigrationId> =
        engine.tick(&more).unwrap().begun().map(|command| command.migration).collect();
    assert_eq!(begun, [MigrationId::new(Epoch::new(1), 2)]);
}

#[test]
fn counters_at_their_end_stay_there() {
    let (config, engine, snapshot) = gang();
    let mut file = serde_json::to_value(engine.state()).unwrap();
    file["ticks"] = json!(u64::MAX);
    let most = json!({"initiated": u64::MAX, "completed": u64::MAX, "failed": u64::MAX});
    (file["counters"]["total"], file["counters"]["round"]) = (most.clone(), most);
    for task in ["1", "2", "3"] {
        file["in_flight"][task]["attempts"] = json!(u32::MAX);
    }
    let state: State = serde_json::from_value(file).unwrap();
    let mut engine = Engine::resume(config, state, Epoch::FIRST).unwrap();
    assert_eq!(engine.set_aside(), []);
    let migration = MigrationId::new(Epoch::FIRST, 1);
    for (secs, event) in [
        (40, Event::Released { migration }),
        (50, Event::Failed { migration }),
        (55, Event::Running { migration }),
    ] {
        let report = Report::new(Timestamp::from_secs(secs), event);
        let _ = lives_on(&mut engine, &Input::Report(report));
    }
    let Output::Outcome(outcome) = lives_on(&mut engine, &Input::Tick(at(&snapshot, 60))) else {
        panic!("a round")
    };
    assert_eq!((outcome.tick, outcome.counts.completed), (u64::MAX, u64::MAX));
    assert!(engine.stats().total.success_rate().is_some());
}

/// How long it takes to resume a state with `count` impossible entries of several sorts and to run a round.
fn seconds_for(count: u32) -> f64 {
    let (orders, count) = (count as usize, u64::from(count));
    let (config, engine, snapshot) = gang();
    let mut file = serde_json::to_value(engine.state()).unwrap();
    let flight = file["in_flight"]["3"].clone();
    for id in 100..100 + count {
        file["in_flight"][id.to_string()] = flight.clone();
        let track = file["tracks"]["1"].clone();
        file["tracks"][id.to_string()] = track;
    }
    let left: Vec<Value> = (0..count).map(|id| json!([id % 7, 90_000_000])).collect();
    file["cooldowns"] = json!({"1": {"left": left, "until": 90_000_000}});
    let parts: Vec<Value> = (0..count)
        .map(|number| json!([number, {"moves": 1, "bytes": 1, "unsized_moves": 0, "lost_millis": 0}]))
        .collect();
    file["spending"]["accounts"] = json!([{"per": 60_000, "key": "global", "parts": parts}]);
    let order = json!(["requeue", "late"]);
    file["ended"] = json!([{
        "id": {"epoch": 0, "number": 2_000}, "task": 9, "at": 1, "given": 1, "is_settled": false,
        "last_orders": vec![order; orders], "source_still_holds": false,
    }]);
    file["issued"] = json!(2_000);
    let state: State = serde_json::from_value(file).unwrap();
    let rounds = (0..3).map(|_| {
        let (begin, state) = (Instant::now(), state.clone());
        let mut engine = Engine::resume(config.clone(), state, Epoch::new(1)).unwrap();
        assert!(engine.set_aside().len() as u64 > count, "{:?}", engine.set_aside().len());
        assert!(engine.tick(&at(&snapshot, 60)).is_ok());
        begin.elapsed().as_secs_f64()
    });
    rounds.fold(f64::INFINITY, f64::min)
}

#[test]
fn a_large_hostile_state_costs_time_in_proportion_to_its_size() {
    let (small, large) = (seconds_for(2_000), seconds_for(16_000));
    println!("2,000 entries: {small:.4} s, 16,000: {large:.4} s");
    // In proportion would be 8, with the square 64.
    assert!(large < 30.0 * small.max(0.002), "{small} s, {large} s");
}

// ---------------------------------------------------------------- settings

proptest! {
    #![proptest_config(cases(tries()))]

    #[test]
    fn settings_that_pass_the_check_are_lived_with_and_judged(
        mut history in strategies::histories(),
        damages in damages(),
    ) {
        let Some(config) = damaged(&history.config, &damages) else { return Ok(()) };
        if let Err(errors) = config.check() {
            for fault in errors.faults() {
                prop_assert!(fault.to_string().contains("; it must be "), "{}", fault);
            }
            return Ok(());
        }
        let mut engine = Engine::new(config.clone()).unwrap();
        let mut watch = Watch::new(&config);
        history.config = config;
        history.play(&mut |input| {
            let output = if let Input::Tick(snapshot) = &input {
                match verify::tick(&mut engine, snapshot) {
                    Ok((outcome, _)) => Output::Outcome(Box::new(outcome)),
                    Err(stale) => Output::Stale(stale),
                }
            } else {
                engine.apply(&input)
            };
            let _ = watch.see(&input, &output);
            reads_back(&engine, &output);
            output
        });
    }
}

// ---------------------------------------------------------------- records

proptest! {
    #![proptest_config(cases(tries()))]

    #[test]
    fn what_is_said_of_any_snapshot_can_be_read_again(
        history in strategies::histories(),
        damages in damages(),
    ) {
        let mut engine = Engine::new(history.config.clone()).unwrap();
        for input in inputs(&history) {
            let input = match &input {
                Input::Tick(snapshot) => damaged(snapshot, &damages).map_or(input, Input::Tick),
                Input::Report(report) => damaged(report, &damages).map_or(input, Input::Report),
                _ => input,
            };
            if let Input::Tick(snapshot) = &input {
                let mut other = engine.clone();
                let _ = verify::tick(&mut other, snapshot);
            }
            let _ = lives_on(&mut engine, &input);
        }
    }

    #[test]
    fn what_is_said_of_hostile_records_can_be_read_again(
        config in strategies::any_config(),
        clusters in proptest::collection::vec((strategies::hostile(), strategies::reports()), 1..4),
    ) {
        let mut engine = Engine::new(config).unwrap();
        for (nth, (cluster, reports)) in (1..).zip(clusters) {
            let cluster: Cluster = cluster;
            let builder = cluster.builder(Timestamp::from_secs(30 * nth)).reports(reports);
            let _ = lives_on(&mut engine, &Input::Tick(builder.build()));
        }
    }
}

#[test]
fn alternatives_of_absurd_speed_are_a_bad_record() {
    let task = Task::new(TaskId::new(1))
        .on(WorkerId::new(1))
        .with_demand(ResourceId::CPU, 1.0)
        .with_alternatives([Alternative::new(1e-308), Alternative::new(4.7)]);
    let snapshot = Snapshot::builder(Timestamp::from_secs(30))
        .workers([cpu(1, 1.0), cpu(2, 0.0)])
        .task(task)
        .build();
    let lines: Vec<String> = snapshot.bad_records().iter().map(ToString::to_string).collect();
    let line =
        "task t1: alternatives.0.speed is 1e-308; it must be a number from 0.000001 to 1000000";
    assert_eq!(lines, [line]);
    let mut engine = Engine::new(Config::default()).unwrap();
    let outcome: Outcome = engine.tick(&snapshot).unwrap();
    reads_back(&engine, &Output::Outcome(Box::new(outcome)));
}

#[test]
fn an_id_that_no_engine_issues_is_a_bad_record() {
    let migration = MigrationId::new(Epoch::FIRST, u64::MAX);
    let (from, to) = (Some(WorkerId::new(1)), WorkerId::new(2));
    let (phase, since) = (Phase::Releasing, Timestamp::from_secs(20));
    let mut moving = task(1, 1, 1.0);
    moving.placement = Placement::Moving { migration, from, to, phase, since };
    let snapshot = Snapshot::builder(Timestamp::from_secs(30))
        .workers([cpu(1, 1.0), cpu(2, 0.0)])
        .task(moving)
        .build();
    let lines: Vec<String> = snapshot.bad_records().iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "task t1: placement.migration is m0.18446744073709551615; it must be a migration with a number below 2^62"
        ]
    );
    let mut engine = Engine::new(Config::default()).unwrap();
    assert!(engine.tick(&snapshot).unwrap().commands.is_empty());
    assert_eq!(engine.outstanding(), []);
}
