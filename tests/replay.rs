//! The log is all there is: replaying it gives the same outputs, from any point, in any order of the
//! records.

use std::collections::BTreeSet;

use evenkeel::{
    Action, Command, Config, Engine, Epoch, Event, Input, Output, Report, ResourceId, ResumeError,
    Snapshot, State, Task, TaskId, Timestamp, Worker, WorkerId,
};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};

const SEED: u64 = 7;

/// A small cluster that does what it is told, late and sometimes not at all.
struct Host {
    random: Xoshiro256PlusPlus,
    now: u64,
    places: Vec<u64>,
    due: Vec<(u64, Event)>,
}

impl Host {
    fn new() -> Self {
        println!("seed {SEED}");
        let random = Xoshiro256PlusPlus::seed_from_u64(SEED);
        Self { random, now: 0, places: (0..24).map(|task| task % 3 + 1).collect(), due: Vec::new() }
    }

    fn records(&mut self) -> (Vec<Worker>, Vec<Task>) {
        let demand = |task: usize| 0.5 + (task % 5) as f64 / 2.0;
        let workers = (1..=6).map(|id| {
            let tasks = self.places.iter().enumerate().filter(|(_, place)| **place == id);
            let used: f64 = tasks.map(|(task, _)| demand(task)).sum();
            let noise = self.random.random_range(0.0..1.0);
            Worker::new(WorkerId::new(id))
                .with_capacity(ResourceId::CPU, 12.0)
                .with_used(ResourceId::CPU, used + noise)
        });
        let workers = workers.collect();
        let tasks = self.places.iter().enumerate().map(|(task, place)| {
            Task::new(TaskId::new(task as u64 + 1))
                .on(WorkerId::new(*place))
                .with_demand(ResourceId::CPU, demand(task))
        });
        (workers, tasks.collect())
    }

    fn carry_out(&mut self, commands: &[Command]) {
        for command in commands {
            let migration = command.migration;
            let event = match command.action {
                _ if self.random.random_range(0..10) == 0 => Event::Failed { migration },
                Action::Release { .. } => Event::Released { migration },
                Action::Assign { to, .. } | Action::Place { to, .. } => {
                    self.places[command.task.raw() as usize - 1] = to.raw();
                    Event::Running { migration }
                }
                _ => continue,
            };
            let late = self.random.random_range(1..40);
            self.due.push((self.now + late, event));
        }
    }

    /// The inputs of one round: reports that are due, then a snapshot.
    fn inputs(&mut self) -> Vec<Input> {
        self.now += 30;
        let now = self.now;
        let (due, later) = self.due.drain(..).partition(|(at, _)| *at <= now);
        self.due = later;
        let due: Vec<(u64, Event)> = due;
        let report = |(at, event)| Input::Report(Report::new(Timestamp::from_secs(at), event));
        let mut inputs: Vec<Input> = due.into_iter().map(report).collect();
        let (workers, tasks) = self.records();
        let builder = Snapshot::builder(Timestamp::from_secs(now));
        inputs.push(Input::Tick(builder.workers(workers).tasks(tasks).build()));
        inputs
    }
}

fn commands(output: &Output) -> &[Command] {
    match output {
        Output::Outcome(outcome) => &outcome.commands,
        Output::Reply(reply) => &reply.commands,
        _ => &[],
    }
}

/// A run of 60 rounds: its inputs and outputs.
fn run() -> Vec<(Input, Output)> {
    let (mut host, mut engine) = (Host::new(), Engine::new(Config::default()).unwrap());
    let mut log = Vec::new();
    for _ in 0..60 {
        for input in host.inputs() {
            let output = engine.apply(&input);
            host.carry_out(commands(&output));
            log.push((input, output));
        }
    }
    let begun = log.iter().flat_map(|(_, output)| commands(output));
    assert!(begun.count() > 10, "a run in which nothing happens shows nothing");
    log
}

#[test]
fn the_same_log_gives_the_same_outputs_through_json_too() {
    let mut engine = Engine::new(Config::default()).unwrap();
    for (input, output) in run() {
        let line = serde_json::to_string(&input).unwrap();
        let read: Input = serde_json::from_str(&line).unwrap();
        assert_eq!(read, input);
        let replayed = engine.apply(&read);
        assert_eq!(replayed, output);
        let line = serde_json::to_string(&output).unwrap();
        assert_eq!(serde_json::from_str::<Output>(&line).unwrap(), output);
    }
}

#[test]
fn a_bad_record_survives_the_log() {
    let bad = Worker::new(WorkerId::new(1)).with_used(ResourceId::CPU, f64::NAN);
    let builder = Snapshot::builder(Timestamp::from_secs(30)).workers([bad.clone(), bad]);
    let snapshot = builder.build();
    let line = serde_json::to_string(&snapshot).unwrap();
    let read: Snapshot = serde_json::from_str(&line).unwrap();
    assert_eq!(read.bad_records(), snapshot.bad_records());
    let outcome = |snapshot| Engine::new(Config::default()).unwrap().tick(snapshot).unwrap();
    assert_eq!(outcome(&read).to_string(), outcome(&snapshot).to_string());
}

#[test]
fn the_order_of_the_records_does_not_show() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(SEED);
    let mut engine = Engine::new(Config::default()).unwrap();
    for (input, output) in run() {
        let input = match input {
            Input::Tick(snapshot) => {
                let (mut workers, mut tasks) =
                    (snapshot.workers().to_vec(), snapshot.tasks().to_vec());
                workers.shuffle(&mut random);
                tasks.shuffle(&mut random);
                let builder = Snapshot::builder(snapshot.at()).workers(workers).tasks(tasks);
                Input::Tick(builder.build())
            }
            other => other,
        };
        assert_eq!(engine.apply(&input), output);
    }
}

#[test]
fn save_and_resume_at_any_point_changes_nothing() {
    let mut engine = Engine::new(Config::default()).unwrap();
    for (input, output) in run() {
        let saved = serde_json::to_string(engine.state()).unwrap();
        let state: State = serde_json::from_str(&saved).unwrap();
        assert_eq!(&state, engine.state());
        let epoch = state.epoch();
        engine = Engine::resume(Config::default(), state, epoch).unwrap();
        assert_eq!(engine.apply(&input), output);
    }
}

#[test]
fn a_later_epoch_never_issues_an_id_again_and_drops_nothing_in_flight() {
    let (mut host, mut engine) = (Host::new(), Engine::new(Config::default()).unwrap());
    let mut ids = BTreeSet::new();
    for round in 0..60_u32 {
        if round % 7 == 6 {
            let state = engine.state().clone();
            let (before, epoch) = (engine.outstanding(), Epoch::new(state.epoch().raw() + 1));
            engine = Engine::resume(Config::default(), state, epoch).unwrap();
            assert_eq!(engine.outstanding(), before);
        }
        for input in host.inputs() {
            let output = engine.apply(&input);
            if let Output::Outcome(outcome) = &output {
                for command in outcome.begun() {
                    assert!(ids.insert(command.migration), "{} twice", command.migration);
                }
            }
            host.carry_out(commands(&output));
        }
    }
    assert!(ids.len() > 5);
}

#[test]
fn a_state_from_a_newer_release_or_a_later_life_is_refused() {
    let mut engine = Engine::in_epoch(Config::default(), Epoch::new(3)).unwrap();
    let _ = engine.tick(&Snapshot::builder(Timestamp::from_secs(30)).build()).unwrap();
    let state = engine.state().clone();
    let over = Engine::resume(Config::default(), state.clone(), Epoch::new(2)).unwrap_err();
    assert_eq!(over.to_string(), "epoch 2 is over: the state is of epoch 3");
    let mut newer = serde_json::to_value(&state).unwrap();
    newer["schema"] = serde_json::json!(99);
    let newer: State = serde_json::from_value(newer).unwrap();
    let error = Engine::resume(Config::default(), newer, Epoch::new(4)).unwrap_err();
    assert_eq!(error, ResumeError::NewerState { found: 99, known: State::SCHEMA });
    assert_eq!(error.to_string(), "the state has format 99; this release reads formats up to 1");
}

#[test]
fn new_settings_keep_what_is_in_flight() {
    let log = run();
    let mut engine = Engine::new(Config::default()).unwrap();
    let busy = log.iter().find(|(input, _)| {
        let _ = engine.apply(input);
        engine.state().in_flight() > 0
    });
    assert!(busy.is_some());
    let before = engine.outstanding();
    engine.reconfigure(Config::reference()).unwrap();
    assert_eq!(engine.outstanding(), before);
    let mut impossible = Config::default();
    impossible.thresholds.high = 2.0;
    let refused = engine.apply(&Input::Reconfigure(Box::new(impossible)));
    let line = "thresholds.high is 2; it must be a number from 0 to 1".to_string();
    assert_eq!(refused, Output::Refused(vec![line]));
    assert_eq!(engine.config(), &Config::reference());
}

#[test]
fn statistics_count_the_last_hour_and_the_last_day() {
    let hot = |at| {
        let worker = |id, used| {
            Worker::new(WorkerId::new(id))
                .with_capacity(ResourceId::CPU, 10.0)
                .with_used(ResourceId::CPU, used)
        };
        let task =
            Task::new(TaskId::new(at)).on(WorkerId::new(1)).with_demand(ResourceId::CPU, 3.0);
        let builder = Snapshot::builder(Timestamp::from_secs(at));
        builder.workers([worker(1, 9.5), worker(2, 1.0)]).task(task).build()
    };
    let mut engine = Engine::new(Config::default()).unwrap();
    // One migration every half hour for two days; the task of each is gone before the next.
    for half_hour in 1..=96_u64 {
        let outcome = engine.tick(&hot(half_hour * 1_800)).unwrap();
        let migration = outcome.begun().next().unwrap().migration;
        for event in [Event::Released { migration }, Event::Running { migration }] {
            let reply = engine.report(&Report::new(Timestamp::from_secs(half_hour * 1_800), event));
            assert!(!reply.ignored);
        }
    }
    let stats = engine.stats();
    assert_eq!((stats.last_hour.initiated, stats.last_hour.completed), (2, 2));
    // The day is counted in whole hours: the present one, just begun, and the 23 before it.
    assert_eq!((stats.last_day.initiated, stats.last_day.completed), (47, 47));
    assert_eq!((stats.total.initiated, stats.total.failed), (96, 0));
    assert_eq!(stats.total.success_rate(), Some(1.0));
    assert!(stats.to_string().contains("last hour  2 begun, 2 completed, 0 failed"), "{stats}");
}
