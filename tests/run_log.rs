//! The run log says what happened: every count and sum of it is that of the outcomes, and every moment of a task
//! is told once.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel::engine::Input;
use evenkeel::id::MigrationId;
use evenkeel::outcome::{Ended, Fate};
use evenkeel::shell::run_log::{Line, MigrationLine, RoundLine, StayLine};
use evenkeel::shell::{MetricsSink, Recorder, WallClock};
use evenkeel::sim::{Policy, Scenario, simulate_with};
use evenkeel::snapshot::{Coverage, Phase, Placement};
use evenkeel::{
    Action, Config, Engine, Outcome, ResourceId, Snapshot, Task, TaskId, Timestamp, Worker,
    WorkerId,
};

/// Everything as it came, and the log.
struct Both<F> {
    inputs: Vec<Input>,
    outcomes: Vec<Outcome>,
    ended: Vec<Ended>,
    recorder: Recorder<F>,
}

impl<F: FnMut(&Line)> MetricsSink for Both<F> {
    fn record(&mut self, outcome: &Outcome) {
        self.outcomes.push(outcome.clone());
        self.ended.extend(&outcome.ended);
        self.recorder.record(outcome);
    }

    fn input(&mut self, input: &Input) {
        self.inputs.push(input.clone());
        self.recorder.input(input);
    }

    fn ended(&mut self, ended: &[Ended]) {
        self.ended.extend(ended);
        self.recorder.ended(ended);
    }
}

/// A run with crashes, drains and moves that fail, and its log, written and read back.
struct Recorded {
    inputs: Vec<Input>,
    outcomes: Vec<Outcome>,
    ended: Vec<Ended>,
    lines: Vec<Line>,
}

fn rough() -> Scenario {
    let file = include_str!("../examples/scenarios/my_cluster.toml");
    let more = r#"
        events = [
            { at = 300.0, until = 900.0, workers = 0.3, what = "crash" },
            { at = 500.0, until = 1000.0, workers = 0.3, what = "drain" },
            { at = 600.0, until = 800.0, workers = 0.5, what = { demand = 2.0 } },
        ]
    "#;
    let mut table: toml::Table = file.parse().unwrap();
    table.extend(more.parse::<toml::Table>().unwrap());
    let moves = table.get_mut("migration").and_then(toml::Value::as_table_mut).unwrap();
    moves.insert("failures".into(), 0.3.into());
    toml::Value::Table(table).try_into().unwrap()
}

fn recorded(config: Config, seed: u64) -> Recorded {
    let mut text = Vec::new();
    let keep = |line: &Line| text.push(serde_json::to_string(line).unwrap());
    let recorder = Recorder::new("rough", &config, WallClock::default(), keep);
    let mut both = Both { inputs: Vec::new(), outcomes: Vec::new(), ended: Vec::new(), recorder };
    let policy = Policy::engine(config);
    simulate_with(&rough(), "small", "office", &policy, seed, &mut both).unwrap();
    let Both { inputs, outcomes, ended, recorder } = both;
    recorder.finish();
    let lines = text.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    println!("seed {seed}: {} lines, {} rounds", text.len(), outcomes.len());
    Recorded { inputs, outcomes, ended, lines }
}

impl Recorded {
    fn rounds(&self) -> impl Iterator<Item = &RoundLine> {
        self.lines.iter().filter_map(|line| match line {
            Line::Round(round) => Some(&**round),
            _ => None,
        })
    }

    fn migrations(&self) -> impl Iterator<Item = &MigrationLine> {
        self.lines.iter().filter_map(|line| match line {
            Line::Migration(migration) => Some(&**migration),
            _ => None,
        })
    }

    fn stays(&self) -> BTreeMap<TaskId, Vec<StayLine>> {
        let mut stays: BTreeMap<TaskId, Vec<StayLine>> = BTreeMap::new();
        for line in &self.lines {
            if let Line::Stay(stay) = line {
                stays.entry(stay.task).or_default().push(*stay);
            }
        }
        stays
    }

    fn snapshots(&self) -> impl Iterator<Item = &Snapshot> {
        self.inputs.iter().filter_map(|input| match input {
            Input::Tick(snapshot) => Some(snapshot),
            _ => None,
        })
    }
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
}

fn all(judge: impl Fn(&Recorded)) {
    for config in [Config::default(), Config::reference(), Config::fixed()] {
        for seed in 1..=3 {
            judge(&recorded(config.clone(), seed));
        }
    }
}

#[test]
fn rounds_and_migrations_add_up_to_what_the_outcomes_say() {
    all(|run| {
        assert_eq!(run.rounds().count(), run.outcomes.len());
        let sum = |of: fn(&RoundLine) -> u64| run.rounds().map(of).sum::<u64>();
        let begun: BTreeMap<MigrationId, TaskId> = run
            .outcomes
            .iter()
            .flat_map(Outcome::begun)
            .map(|command| (command.migration, command.task))
            .collect();
        assert!(begun.len() > 10, "only {} migrations", begun.len());
        assert_eq!(sum(|round| round.initiated), begun.len() as u64);
        let told: BTreeMap<MigrationId, TaskId> =
            run.migrations().map(|it| (it.migration, it.task)).collect();
        assert_eq!(told, begun);
        assert_eq!(run.migrations().count(), told.len(), "one line each");

        // What ended after the last round is in no round's figures.
        let last = run.outcomes.last().unwrap().at;
        let counted = |fate: fn(Fate) -> bool| {
            let ends = run.ended.iter().filter(|it| fate(it.fate) && it.at <= last);
            ends.count() as u64
        };
        assert_eq!(sum(|round| round.completed), counted(|fate| fate == Fate::Completed));
        assert_eq!(sum(|round| round.failed), counted(|fate| fate != Fate::Completed));
        let ended: BTreeMap<MigrationId, (Fate, Timestamp)> =
            run.ended.iter().map(|it| (it.migration, (it.fate, it.at))).collect();
        for line in run.migrations() {
            let end = line.outcome.zip(line.ended);
            assert_eq!(end, ended.get(&line.migration).copied(), "{line:?}");
            assert!(line.ended.is_none_or(|ended| ended >= line.begun), "{line:?}");
            assert!(line.reason.is_some(), "{line:?}");
        }
    });
}

#[test]
fn every_task_that_a_snapshot_shows_on_a_worker_stays_there_then() {
    all(|run| {
        let stays = run.stays();
        for (task, stays) in &stays {
            for pair in stays.windows(2) {
                assert!(pair[0].until <= pair[1].from, "{task} twice at once: {pair:?}");
            }
            assert!(stays.iter().all(|stay| stay.from < stay.until));
        }
        let last = run.snapshots().last().unwrap().at();
        let mut shown = 0;
        for snapshot in run.snapshots().filter(|snapshot| snapshot.at() < last) {
            let at = snapshot.at();
            for task in snapshot.tasks() {
                let there = stays.get(&task.id).into_iter().flatten();
                let there: Vec<_> = there.filter(|it| it.from <= at && at < it.until).collect();
                let on = match task.placement {
                    Placement::On(worker) => Some(worker),
                    Placement::Moving { from, phase: Phase::Releasing, .. } => from,
                    _ => None,
                };
                let told: Vec<WorkerId> = there.iter().map(|stay| stay.worker).collect();
                assert_eq!(told, Vec::from_iter(on), "{} at {at}: {there:?}", task.id);
                shown += 1;
            }
        }
        assert!(shown > 100, "only {shown} seen");
    });
}

#[test]
fn figures_of_a_round_are_those_of_its_snapshot() {
    all(|run| {
        let mut joules = 0.0;
        let mut before: BTreeMap<WorkerId, (f64, f64)> = BTreeMap::new();
        for (round, snapshot) in run.rounds().zip(run.snapshots()) {
            assert_eq!(round.at, snapshot.at());
            let at = snapshot.at().as_secs_f64();
            let mut watts = 0.0;
            for (line, record) in round.workers.iter().zip(snapshot.workers()) {
                assert_eq!((line.worker, line.stance), (record.id, Some(record.stance)));
                assert_eq!(
                    (line.watts, line.celsius),
                    (record.power_watts, record.temperature_celsius)
                );
                let then = before.remove(&record.id);
                if let Some(now) = record.power_watts {
                    watts += now;
                    before.insert(record.id, (now, at));
                    let drawn =
                        then.map_or(0.0, |(then, seen)| f64::midpoint(then, now) * (at - seen));
                    joules += drawn;
                }
                let here = Placement::On(record.id);
                let tasks = snapshot.tasks().iter().filter(|task| task.placement == here).count();
                assert!(line.tasks as usize >= tasks, "{line:?}: {tasks} tasks");
            }
            assert_eq!(round.workers.len(), snapshot.workers().len());
            assert!(close(round.energy.watts.unwrap(), watts));
            assert!(close(round.energy.joules.unwrap_or(0.0), joules));
            let celsius = round.workers.iter().filter_map(|worker| worker.celsius);
            let hottest = celsius.fold(f64::NEG_INFINITY, f64::max);
            assert!(close(round.thermal.unwrap().max, hottest));
            let cpus = round.hardware.iter().find(|it| it.hardware.name() == "cpu").unwrap();
            assert_eq!(cpus.workers as usize, snapshot.workers().len());
        }
    });
}

#[test]
fn candidates_are_all_that_was_scored_and_agree_with_commands_and_refusals() {
    let run = recorded(Config::default(), 1);
    let (mut taken, mut refused, mut passed) = (0, 0, 0);
    let mut known = BTreeSet::new();
    for (round, outcome) in run.rounds().zip(&run.outcomes) {
        assert_eq!(round.candidates.len(), outcome.tally.candidates as usize);
        assert_eq!(round.scored, outcome.tally.candidates);
        for command in outcome.begun().filter(|command| known.insert(command.migration)) {
            let (from, to) = match command.action {
                Action::Release { from, to } => (Some(from), to),
                Action::Place { to, .. } => (None, to),
                _ => unreachable!("that begins nothing: {command}"),
            };
            let card = command.scorecard.unwrap();
            // Of several that move as one, the first was scored for all.
            let scored = round.candidates.iter().any(|it| {
                let same = (it.taken, it.from, it.to) == (true, from, to);
                let cost = close(it.cost, card.cost.total());
                same && cost && close(it.benefit, card.benefit.total()) && it.task <= command.task
            });
            assert!(scored, "{command}");
        }
        for candidate in &round.candidates {
            match &candidate.refused {
                None if candidate.taken => taken += 1,
                None => {
                    passed += 1;
                    let other =
                        round.candidates.iter().any(|it| it.taken && it.task == candidate.task);
                    assert!(other, "{candidate:?} is passed over for nothing");
                }
                Some(reason) => {
                    refused += 1;
                    assert!(!candidate.taken);
                    let count = round.refusals.iter().find(|it| it.reason == *reason);
                    assert!(count.is_some_and(|it| it.count > 0), "{reason} is in no refusal");
                }
            }
        }
    }
    println!("{taken} taken, {refused} refused, {passed} passed over");
    assert!(taken > 10 && refused > 10 && passed > 10);
    // Without cost-benefit analysis nothing is scored.
    let run = recorded(Config::fixed(), 1);
    assert!(run.rounds().all(|round| round.candidates.is_empty()));
}

#[test]
fn of_too_many_candidates_those_that_were_chosen_are_kept() {
    let config = Config::default();
    let mut lines = Vec::new();
    let keep = |line: &Line| lines.push(line.clone());
    let mut recorder = Recorder::new("", &config, WallClock::default(), keep).with_candidates(5);
    let policy = Policy::engine(config.clone());
    simulate_with(&rough(), "small", "office", &policy, 1, &mut recorder).unwrap();
    let rounds = lines.iter().filter_map(|line| match line {
        Line::Round(round) => Some(round),
        _ => None,
    });
    let all = recorded(config, 1);
    let mut cut = 0;
    for (round, full) in rounds.zip(all.rounds()) {
        let chosen = |round: &RoundLine| round.candidates.iter().filter(|it| it.taken).count();
        assert_eq!((round.scored, chosen(round)), (full.scored, chosen(full)));
        assert!(round.candidates.len() <= 5 + chosen(round));
        assert!(round.candidates.iter().all(|it| full.candidates.contains(it)));
        cut += full.candidates.len() - round.candidates.len();
    }
    assert!(cut > 10);
}

#[test]
fn judged_forecasts_are_those_that_were_made_beside_what_came() {
    let run = recorded(Config::default(), 2);
    let rounds: Vec<&RoundLine> = run.rounds().collect();
    let (mut judged, mut inside) = (0, 0);
    for round in &rounds {
        for it in &round.judged {
            let made = rounds.iter().find(|other| other.at == it.made).unwrap();
            let made = made.forecast.as_ref().unwrap();
            assert_eq!(it.due, it.made.after(made.horizon));
            assert!(it.due <= round.at);
            let foreseen = made.workers.iter().find(|other| other.worker == it.worker).unwrap();
            assert!(close(foreseen.load, it.load) && close(foreseen.high, it.high));
            let worker = round.workers.iter().find(|other| other.worker == it.worker).unwrap();
            assert_eq!(worker.load, Some(it.outcome));
            judged += 1;
            inside += usize::from(it.low <= it.outcome && it.outcome <= it.high);
        }
    }
    println!("{inside} of {judged} within their interval");
    assert!(judged > 100);
}

fn snapshot(secs: u64, coverage: Coverage, tasks: &[(u64, u64)]) -> Input {
    let worker = |id| {
        Worker::new(WorkerId::new(id))
            .with_capacity(ResourceId::CPU, 10.0)
            .with_used(ResourceId::CPU, 5.0)
    };
    let tasks =
        tasks.iter().map(|(task, worker)| Task::new(TaskId::new(*task)).on(WorkerId::new(*worker)));
    let builder = Snapshot::builder(Timestamp::from_secs(secs)).workers([worker(1), worker(2)]);
    let builder = if coverage == Coverage::Partial { builder.partial() } else { builder };
    Input::Tick(builder.tasks(tasks).build())
}

/// The stays in a log of these inputs: task, worker, from, until.
fn stays(inputs: &[Input]) -> Vec<(u64, u64, f64, f64)> {
    let mut lines = Vec::new();
    let config = Config::default();
    let mut recorder =
        Recorder::new("", &config, WallClock::default(), |line: &Line| lines.push(line.clone()));
    let mut engine = Engine::new(config).unwrap();
    for input in inputs {
        recorder.input(input);
        if let evenkeel::engine::Output::Outcome(outcome) = engine.apply(input) {
            recorder.record(&outcome);
        }
    }
    recorder.finish();
    let stays = lines.iter().filter_map(|line| match line {
        Line::Stay(it) => {
            Some((it.task.raw(), it.worker.raw(), it.from.as_secs_f64(), it.until.as_secs_f64()))
        }
        _ => None,
    });
    stays.collect()
}

#[test]
fn what_a_partial_snapshot_leaves_out_is_where_it_was() {
    use Coverage::{Complete, Partial};
    let inputs = [
        snapshot(30, Complete, &[(1, 1), (2, 2)]),
        snapshot(60, Partial, &[(1, 1)]),
        snapshot(90, Partial, &[(1, 2)]),
        snapshot(120, Complete, &[(1, 2)]),
    ];
    let told = stays(&inputs);
    assert_eq!(told, [(1, 1, 30.0, 90.0), (2, 2, 30.0, 120.0), (1, 2, 90.0, 120.0)]);
    // For an hour; then nobody keeps it in mind.
    let inputs = [
        snapshot(30, Complete, &[(1, 1), (2, 2)]),
        snapshot(60, Partial, &[(1, 1), (2, 2)]),
        snapshot(3_660, Partial, &[(1, 1)]),
        snapshot(3_690, Partial, &[(1, 1)]),
    ];
    assert_eq!(stays(&inputs), [(2, 2, 30.0, 60.0), (1, 1, 30.0, 3_690.0)]);
}

#[test]
fn a_stale_snapshot_is_no_news() {
    use Coverage::Complete;
    let inputs = [snapshot(60, Complete, &[(1, 1)]), snapshot(30, Complete, &[(1, 2)])];
    assert_eq!(stays(&inputs), []);
    let inputs = [snapshot(30, Complete, &[(1, 1)]), snapshot(60, Complete, &[(1, 1)])];
    assert_eq!(stays(&inputs), [(1, 1, 30.0, 60.0)]);
}

#[test]
fn lines_of_a_later_version_are_read_as_unknown() {
    let line = r#"{"line":"weather","at":30.0,"sun":[1,2,{"a":null}]}"#;
    assert_eq!(serde_json::from_str::<Line>(line).unwrap(), Line::Unknown);
    let line = r#"{"line":"stay","task":1,"worker":2,"from":1.0,"until":2.0,"mood":"good"}"#;
    assert!(matches!(serde_json::from_str::<Line>(line).unwrap(), Line::Stay(_)));
}

#[test]
fn a_moment_is_whole_milliseconds_and_not_before_the_epoch() {
    let stay = |from: &str| {
        let line = format!(
            r#"{{"line":"stay","task":1,"worker":2,"from":{from},"until":1795251073.513}}"#
        );
        serde_json::from_str::<Line>(&line)
    };
    let Line::Stay(read) = stay("0.001").unwrap() else { panic!("a stay") };
    assert_eq!(read.from, Timestamp::from_millis(1));
    assert_eq!(read.until, Timestamp::from_millis(1_795_251_073_513));
    assert!(stay("-1.0").unwrap_err().to_string().contains("-1 is not a moment in seconds"));
}
