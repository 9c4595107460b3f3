//! Is the simulator to be believed? It is held against queueing theory, against sums done by hand, and against
//! its own books. Every test prints its seeds.

#![expect(clippy::float_cmp, reason = "what is the same is the same bit for bit")]

use std::fs;
use std::path::Path;

use evenkeel::config::Mode;
use evenkeel::engine::{Input, Output};
use evenkeel::shell::MetricsSink;
use evenkeel::sim::{Books, Metrics, Policy, Run, Scenario, simulate, simulate_with};
use evenkeel::snapshot::{Placement, Report, Stance};
use evenkeel::verify::{self, Watch};
use evenkeel::{Config, Engine, Outcome, ResourceId, Snapshot, Task, Worker};
use toml::{Table, Value};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scenarios");

/// One worker of 16 cores, and nothing that happens by itself: what a test is about it adds.
const BARE: &str = r#"
title = "nothing happens"
duration = 3600.0
round = 30.0
sizes.small = { workers = 1, tasks = 0 }
load = { level = 0.5, by = "scaling", arrivals = "none" }
placement = { initial = "round_robin", arrivals = "round_robin" }
migration = { checkpoint_gib = 1.0, link_share = 0.25, restart = 3.0, failures = 0.0 }
telemetry = { interval = 10.0, delay = [0.0, 0.0], noise = 0.0, smoothing = 1.0 }
measure = { from = 0.0, own = "overload_seconds" }

[[clusters.one]]
weight = 1.0
cores = 16.0
memory_gib = 64.0
network_gbit = 10.0
hardware = ["cpu"]
speed = 1.0
watts = [90.0, 180.0]

[tasks]
cores = { median = 4.0, sigma = 0.0 }
memory_gib = { median = 4.0, sigma = 0.0 }
state_share = [0.5, 0.5]
priority = [1, 1]
minutes = { median = 60.0, sigma = 0.0 }
noise_seconds = 60.0
checkpoint_seconds = 300.0

[physics]
heat_seconds = 120.0
celsius = [35.0, 80.0]
throttle_celsius = 85.0
throttle_speed = 0.6
memory = { slows = 0.5 }
"#;

fn merge(below: &mut Table, above: Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}

fn parsed(base: &str, change: &str) -> Result<Scenario, toml::de::Error> {
    let mut table: Table = base.parse()?;
    merge(&mut table, change.parse()?);
    Value::Table(table).try_into()
}

/// The bare scenario with something changed.
fn bare(change: &str) -> Scenario {
    parsed(BARE, change).unwrap_or_else(|error| panic!("{error} in\n{change}"))
}

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(FOLDER).join(name)).unwrap()
}

fn bundled(name: &str) -> Scenario {
    changed(name, "")
}

/// A bundled scenario with something changed.
fn changed(name: &str, change: &str) -> Scenario {
    let mut common: Table = read("common.toml").parse().unwrap();
    merge(&mut common, read(&format!("{name}.toml")).parse().unwrap());
    merge(&mut common, change.parse().unwrap());
    // Of no matter to the simulator: the example's name for several files.
    common.remove("group");
    Value::Table(common).try_into().unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Every scenario of the folder that needs the shared part.
fn names() -> Vec<String> {
    let files = fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().file_name());
    let names = files.filter_map(|name| Some(name.to_str()?.strip_suffix(".toml")?.to_owned()));
    let is_scenario = |name: &String| {
        let table: Table = read(&format!("{name}.toml")).parse().unwrap();
        table.contains_key("title") && name != "my_cluster"
    };
    let mut names: Vec<String> = names.filter(is_scenario).collect();
    names.sort();
    assert!(names.len() >= 13, "only {names:?}");
    names
}

fn policies() -> [(&'static str, Policy); 3] {
    let engine = |config| Policy::engine(config);
    [
        ("none", Policy::None),
        ("fixed", engine(Config::fixed())),
        ("default", engine(Config::default())),
    ]
}

fn ours() -> Policy {
    Policy::engine(Config::default())
}

fn run(scenario: &Scenario, policy: &Policy, seed: u64) -> Run {
    simulate(scenario, "small", "one", policy, seed).unwrap()
}

fn close(what: &str, is: f64, expected: f64, within: f64) {
    println!("{what}: {is:.6}, by theory {expected:.6}");
    assert!((is - expected).abs() <= within, "{what}: {is} is not {expected} (+- {within})");
}

/// All inputs and outcomes of a run.
#[derive(Default)]
struct Log {
    inputs: Vec<Input>,
    outcomes: Vec<Outcome>,
}

impl MetricsSink for Log {
    fn record(&mut self, outcome: &Outcome) {
        self.outcomes.push(outcome.clone());
    }

    fn input(&mut self, input: &Input) {
        self.inputs.push(input.clone());
    }
}

impl Log {
    fn of(scenario: &Scenario, cluster: &str, policy: &Policy, seed: u64) -> (Run, Self) {
        println!("{}: seed {seed}", scenario.title);
        let mut log = Self::default();
        let take = &mut log;
        let run = simulate_with(scenario, "small", cluster, policy, seed, take).unwrap();
        (run, log)
    }

    fn snapshots(&self) -> impl DoubleEndedIterator<Item = &Snapshot> {
        self.inputs.iter().filter_map(|input| match input {
            Input::Tick(snapshot) => Some(snapshot),
            _ => None,
        })
    }
}

/// Seconds since the start of the run.
fn seconds(snapshot: &Snapshot) -> f64 {
    snapshot.at().as_millis() as f64 / 1e3 - 1.0
}

// ---------------------------------------------------------------- 1. queueing theory

/// One worker that all tasks share, each wanting all of it; a mean of a minute, exponential.
fn queue(rate: f64, duration: f64) -> Scenario {
    let minutes = core::f64::consts::LN_2;
    bare(&format!(
        "duration = {duration:.1}
round = 1e6
load.arrivals = {{ poisson = {rate} }}
tasks.cores = {{ median = 16.0, sigma = 0.0 }}
tasks.memory_gib = {{ median = 1e-6, sigma = 0.0 }}
tasks.minutes = {{ median = {minutes}, sigma = 0.0, exponential = true }}
telemetry.interval = 1e5"
    ))
}

/// Mean response time and utilization of an M/M/1 queue with processor sharing, and the mean work of a task.
fn processor_sharing(busy: f64, seeds: u64, tasks: f64) {
    let rate = busy / 60.0;
    let duration = tasks / rate;
    let mut figures: [Vec<f64>; 3] = Default::default();
    for seed in 1..=seeds {
        let Run { metrics: Metrics { completion_mean, .. }, books, .. } =
            run(&queue(rate, duration), &Policy::None, seed);
        let mean_work = books.work_arrived as f64 / books.tasks_arrived as f64 / 16e6;
        figures[0].push(completion_mean);
        figures[1].push(books.work_done as f64 / 1e6 / 16.0 / duration);
        figures[2].push(mean_work);
    }
    let theory =
        [("response time", 60.0 / (1.0 - busy)), ("utilization", busy), ("mean work", 60.0)];
    for ((what, theory), figures) in theory.into_iter().zip(figures) {
        let count = figures.len() as f64;
        let mean = figures.iter().sum::<f64>() / count;
        let squares = figures.iter().map(|figure| (figure - mean).powi(2)).sum::<f64>();
        let error = (squares / (count - 1.0) / count).sqrt();
        let share = error / theory * 100.0;
        println!("seeds 1-{seeds}, rho {busy}: {what}, standard error {share:.2} %");
        assert!(share < 0.8, "{what} is known to {share:.2} % only: 2 % would be luck");
        close(what, mean, theory, 0.02 * theory);
    }
}

#[test]
fn half_a_load_shared_by_all_takes_twice_as_long() {
    processor_sharing(0.5, 8, 50_000.0);
}

#[test]
fn four_fifths_of_a_load_shared_by_all_take_five_times_as_long() {
    processor_sharing(0.8, 16, 125_000.0);
}

// ---------------------------------------------------------------- 2, 4. books and seeds

fn balanced_books(books: &Books, what: &str) {
    assert!(books.balance(), "{what}: {books:?}");
    let Books { tasks_arrived, tasks_finished, tasks_left, .. } = *books;
    assert_eq!(tasks_arrived, tasks_finished + tasks_left, "{what}: tasks");
    assert_eq!(
        books.work_before + books.work_done,
        books.work_finished + books.work_in_progress + books.work_redone,
        "{what}: work done, {books:?}"
    );
    assert_eq!(
        books.work_arrived,
        books.work_finished + books.work_in_progress + books.work_left,
        "{what}: work to do, {books:?}"
    );
    assert!(books.work_done > 0, "{what}: nothing was done");
}

#[test]
fn no_task_and_no_work_is_lost_anywhere() {
    for name in names() {
        let scenario = bundled(&name);
        for cluster in ["homogeneous", "heterogeneous"] {
            for seed in 1..=2 {
                let mut arrived = None;
                for (policy, balancer) in policies() {
                    let what = format!("{name}, {cluster}, {policy}, seed {seed}");
                    let Run { books, metrics, .. } =
                        simulate(&scenario, "small", cluster, &balancer, seed).expect(&what);
                    balanced_books(&books, &what);
                    assert!(metrics.useful_utilization <= 1.0, "{what}: {metrics:?}");
                    // The same tasks come, whoever balances, while the run lasts.
                    if scenario.ends_when_done {
                        assert_eq!(books.tasks_left, 0, "{what}: it never ended");
                    } else {
                        let these = (books.tasks_arrived, books.work_arrived, books.work_before);
                        assert_eq!(*arrived.get_or_insert(these), these, "{what}");
                    }
                }
            }
        }
    }
}

#[test]
fn one_seed_gives_one_run_to_the_byte_and_another_seed_another() {
    let scenario = bundled("spike");
    for (name, policy) in policies() {
        let bytes = |seed| {
            println!("{name}: seed {seed}");
            let run = simulate(&scenario, "small", "heterogeneous", &policy, seed).unwrap();
            serde_json::to_string(&run).unwrap()
        };
        assert_eq!(bytes(7), bytes(7), "{name}");
        assert_ne!(bytes(7), bytes(8), "{name}");
    }
}

// ---------------------------------------------------------------- 3. energy

fn joules(run: &Run) -> f64 {
    let work = (run.books.work_done - run.books.work_redone) as f64 / 1e6;
    run.metrics.energy_per_work.unwrap() * work
}

#[test]
fn energy_is_the_integral_of_the_power_curve() {
    // Two tasks of 4 cores: a quarter of the worker for ten minutes, half of it for ten, and again.
    let staircase = "tasks.minutes = { median = 120.0, sigma = 0.0 }
tasks.demand = { square = { period = 1200.0, low = 0.5, high = 1.0 } }
sizes.small = { workers = 1, tasks = 2 }
";
    let line = run(&bare(staircase), &Policy::None, 1);
    close("straight line", joules(&line), (112.5 + 135.0) * 1800.0, 1e-3);
    assert_eq!(line.books.work_done, 8 * 3600 * 1_000_000);
    // The published table of a server of 117 W: 94.3 W at a quarter, 102 W at half.
    let watts = "[86.0, 89.4, 92.6, 96.0, 99.5, 102.0, 106.0, 108.0, 112.0, 114.0, 117.0]";
    let mut table = bare(staircase);
    let class = &mut table.clusters.get_mut("one").unwrap()[0];
    class.watts = format!("x = {watts}").parse::<Table>().unwrap()["x"].clone().try_into().unwrap();
    close("eleven points", joules(&run(&table, &Policy::None, 1)), (94.3 + 102.0) * 1800.0, 1e-3);
    // Both tasks are complete between two measurements; the worker is idle from then on.
    let short = "tasks.minutes = { median = 12.34, sigma = 0.0 }
sizes.small = { workers = 1, tasks = 2 }";
    let expected = 135.0 * 740.4 + 90.0 * (3600.0 - 740.4);
    close("to completion", joules(&run(&bare(short), &Policy::None, 1)), expected, 1e-3);
}

#[test]
fn a_device_draws_power_by_the_memory_in_use() {
    let mut scenario = bare(
        "tasks.minutes = { median = 30.0, sigma = 0.0 }
tasks.gpu = { share = 1.0, only = 1.0, memory_gib = [6.0, 6.0] }
sizes.small = { workers = 1, tasks = 2 }",
    );
    let device =
        "x = { hardware = \"cuda\", memory_gib = 24.0, speed = 4.0, watts = [50.0, 300.0] }";
    let device = device.parse::<Table>().unwrap()["x"].clone().try_into().unwrap();
    scenario.clusters.get_mut("one").unwrap()[0].devices.push(device);
    let run = run(&scenario, &Policy::None, 1);
    // Four times as fast: 450 s of 135 W and half the device, then idle.
    let expected = (135.0 + 175.0) * 450.0 + (90.0 + 50.0) * 3150.0;
    close("with a device", joules(&run), expected, 1e-3);
    assert_eq!(run.books.tasks_finished, 2);
}

// ---------------------------------------------------------------- 5. moves

/// A worker of two is emptied at minute 10.
fn emptied(tasks: u32) -> Scenario {
    bare(&format!(
        "sizes.small = {{ workers = 2, tasks = {tasks} }}
load.level = {}
tasks.minutes = {{ median = 120.0, sigma = 0.0 }}
[[events]]
at = 600.0
workers = 0.5
what = \"drain\"",
        f64::from(tasks) * 4.0 / 32.0
    ))
}

#[test]
fn a_move_takes_as_long_as_its_three_parts() {
    let (link, gib) = (10e9 / 8.0 / 4.0, f64::from(1 << 30));
    let transfer = 2.0 * gib / link;
    let alone = run(&emptied(2), &ours(), 1);
    assert_eq!(alone.metrics.migrations, 1);
    // A message of 10 ms, 2 s to save 2 GiB, the network, 3 s to start; 4 cores.
    close("alone", alone.metrics.work_lost, 4.0 * (0.01 + 2.0 + transfer + 3.0), 1e-3);
    let two = run(&emptied(4), &ours(), 1);
    assert_eq!(two.metrics.migrations, 2);
    let shared = 8.0 * (0.01 + 2.0 + 2.0 * transfer + 3.0);
    close("sharing a link", two.metrics.work_lost, shared, 1e-3);
    // What was not done then is missing in the end.
    let missing = (16 * 3600 * 1_000_000_u64 - two.books.work_done) as f64 / 1e6;
    close("missing", missing, shared, 1e-3);
}

#[test]
fn a_move_fails_as_often_as_it_is_said_to() {
    for seed in 1..=3 {
        println!("seed {seed}");
        let with = |failures: &str| {
            let scenario = changed("spike", &format!("migration.failures = {failures}"));
            let run = simulate(&scenario, "small", "homogeneous", &ours(), seed).unwrap();
            balanced_books(&run.books, failures);
            run.metrics
        };
        let (never, always) = (with("0.0"), with("1.0"));
        assert!(never.migrations > 0 && never.migrations_failed == 0, "{never:?}");
        // What its target fails goes home, or elsewhere if the scheduler has filled its home meanwhile: that succeeds.
        assert!(always.migrations * 10 < always.migrations_failed, "{always:?}");
    }
}

/// A task whose target has failed without a word is with nobody until the step times out, and no longer.
#[test]
fn reports_that_are_lost_or_repeated_lose_no_task() {
    let limits = Config::default().migration.unwrap();
    for seed in 1..=3 {
        let with = |lost: &str, repeated: &str| {
            let change = format!(
                "migration.failures = 0.5\ntelemetry.reports_lost = {lost}\ntelemetry.reports_repeated = {repeated}"
            );
            let scenario = changed("spike", &change);
            let (run, log) = Log::of(&scenario, "homogeneous", &ours(), seed);
            balanced_books(&run.books, &change);
            let told = log.inputs.iter().filter_map(|input| match input {
                Input::Report(report) => Some(*report),
                _ => None,
            });
            let told: Vec<Report> = told.collect();
            let again = (0..told.len()).filter(|&nth| told[..nth].contains(&told[nth])).count();
            let most = limits.timeout.as_secs_f64() + scenario.round;
            let adrift = run.metrics.longest_adrift;
            println!(
                "{lost} lost, {repeated} repeated: {} told, {again} again, {adrift} s",
                told.len()
            );
            assert!(adrift <= most, "{change}: nobody had a task for {adrift} s, {most} at most");
            (told.len(), again, adrift)
        };
        let (told, again, adrift) = with("0.0", "0.0");
        assert!(told > 20 && again == 0 && adrift < 120.0);
        assert_eq!(with("1.0", "0.0").0, 0, "every report is lost");
        let (told, again, _) = with("0.0", "1.0");
        // Those of the last half minute are not told again any more.
        assert!(again * 2 + 40 > told, "of {told} reports only {again} were told again");
        let (_, again, adrift) = with("0.4", "0.4");
        assert!(again > 0 && adrift > 120.0, "nothing was lost");
    }
}

/// A worker of two dies with its task, and nobody places it.
#[test]
fn a_task_with_nobody_is_passed_over_only_while_a_worker_has_room() {
    let watching = Policy::engine(Config::default().with_mode(Mode::Observe));
    let spans = |cores: f64| {
        let scenario = bare(&format!(
            "sizes.small = {{ workers = 2, tasks = 2 }}
load.level = {}
tasks.cores = {{ median = {cores:?}, sigma = 0.0 }}
tasks.minutes = {{ median = 120.0, sigma = 0.0 }}
[[events]]
at = 600.0
workers = 0.5
what = \"crash\"",
            cores / 16.0
        ));
        let Run { metrics, books, finished, .. } = run(&scenario, &watching, 1);
        assert!(books.balance() && books.tasks_left == 2 && finished.is_empty(), "{books:?}");
        assert_eq!(metrics.longest_forgotten, metrics.longest_adrift, "nothing is commanded");
        (metrics.longest_adrift, metrics.longest_passed_over)
    };
    // From the round in which its worker died to the last one. 4 cores of 16 leave room for 4, 8 do not leave it for 8.
    assert_eq!(spans(4.0), (3000.0, 3000.0));
    assert_eq!(spans(8.0), (3000.0, 0.0));
}

// ---------------------------------------------------------------- 6. telemetry

#[test]
fn a_measurement_is_as_old_and_as_wrong_as_configured() {
    let watch = |delay: [f64; 2], noise: f64| {
        let (_, log) = Log::of(
            &bare(&format!(
                "telemetry = {{ delay = {delay:?}, noise = {noise:?} }}
tasks.minutes = {{ median = 120.0, sigma = 0.0 }}
sizes.small = {{ workers = 1, tasks = 2 }}"
            )),
            "one",
            &Policy::None,
            5,
        );
        let late = log.snapshots().filter(|snapshot| seconds(snapshot) > 100.0);
        let figures = late.map(|snapshot| {
            let worker = &snapshot.workers()[0];
            let used = worker.used.get(ResourceId::CPU).unwrap();
            (worker.metric_age.as_secs_f64(), used)
        });
        figures.collect::<Vec<_>>()
    };
    let within = |figures: &[(f64, f64)], from: f64, to: f64| {
        let ages = figures.iter().all(|(age, _)| (from..=to).contains(age));
        assert!(!figures.is_empty() && ages, "not from {from} to {to}: {figures:?}");
    };
    let prompt = watch([0.0, 0.0], 0.0);
    within(&prompt, 0.0, 10.0);
    assert!(prompt.iter().all(|(_, used)| *used == 8.0), "{prompt:?}");
    within(&watch([60.0, 60.0], 0.0), 60.0, 70.0);
    let usual = watch([0.0, 10.0], 0.1);
    within(&usual, 0.0, 20.0);
    let count = usual.len() as f64;
    let errors: Vec<f64> = usual.iter().map(|(_, used)| used / 8.0 - 1.0).collect();
    let deviation = (errors.iter().map(|error| error * error).sum::<f64>() / count).sqrt();
    close("deviation", deviation, 0.1, 0.03);
    close("bias", errors.iter().sum::<f64>() / count, 0.0, 0.03);
}

// ---------------------------------------------------------------- 7. heat

#[test]
fn heat_follows_power_and_slows_the_worker_down() {
    let full = "round = 10.0
load.level = 1.0
tasks.minutes = { median = 120.0, sigma = 0.0 }
sizes.small = { workers = 1, tasks = 4 }
";
    let (cool, log) = Log::of(&bare(full), "one", &Policy::None, 1);
    let mut after_120 = None;
    for snapshot in log.snapshots().filter(|snapshot| seconds(snapshot) > 30.0) {
        let worker = &snapshot.workers()[0];
        let measured = seconds(snapshot) - worker.metric_age.as_secs_f64();
        // Temperatures move on every ten seconds.
        let at = (measured / 10.0).floor() * 10.0;
        let theory = 80.0 - 45.0 * (-at / 120.0).exp();
        let is = worker.temperature_celsius.unwrap();
        assert!((is - theory).abs() < 1e-9, "{is} after {at} s, not {theory}");
        if at == 120.0 {
            after_120 = Some((is - 35.0) / 45.0);
        }
    }
    close("share of the way after 120 s", after_120.unwrap(), 0.632_120_6, 1e-6);
    assert_eq!(cool.metrics.throttled_seconds, 0.0);
    assert_eq!(cool.books.work_done, 16 * 3600 * 1_000_000);
    let warm = "[[events]]
at = 0.0
workers = 1.0
what = { ambient = 10.0 }";
    let hot = run(&bare(&format!("{full}{warm}")), &Policy::None, 1);
    // 90 C in the end; 85 C after 120 ln 11 = 287.7 s, seen at 290.
    close("throttled", hot.metrics.throttled_seconds, 3310.0, 1e-6);
    let expected = 16.0 * (290.0 + 0.6 * 3310.0);
    close("work", hot.books.work_done as f64 / 1e6, expected, 1e-3);
}

// ---------------------------------------------------------------- 8. memory

#[test]
fn memory_over_capacity_halves_every_speed_there() {
    for (gib, share) in [("16.0", 1.0), ("16.1", 0.5)] {
        let scenario = bare(&format!(
            "load.level = 1.0
tasks.minutes = {{ median = 120.0, sigma = 0.0 }}
tasks.memory_gib = {{ median = {gib}, sigma = 0.0 }}
sizes.small = {{ workers = 1, tasks = 4 }}"
        ));
        let run = run(&scenario, &Policy::None, 1);
        close("work", run.books.work_done as f64 / 1e6, share * 16.0 * 3600.0, 1e-3);
        let over = if share < 1.0 { 3600.0 } else { 0.0 };
        close("seconds over", run.metrics.memory_overload_seconds, over, 1e-6);
    }
}

#[test]
fn memory_over_capacity_kills_what_can_then_not_run() {
    // Three tasks of 20 GiB fit into 64; the fourth is killed whenever it begins.
    let scenario = bare(
        "physics.memory = \"kills\"
load.level = 1.0
tasks.minutes = { median = 40.0, sigma = 0.0 }
tasks.memory_gib = { median = 20.0, sigma = 0.0 }
sizes.small = { workers = 1, tasks = 4 }",
    );
    let run = run(&scenario, &Policy::None, 1);
    balanced_books(&run.books, "kills");
    assert_eq!(run.books.tasks_finished, 3);
    assert_eq!(run.metrics.memory_overload_seconds, 0.0);
    // From minute 40 on it runs: it returns over the network, after the next look at the queue.
    let alone = run.books.work_in_progress as f64 / 4e6;
    assert!((1170.0..1200.0).contains(&alone), "{alone} s");
}

// ---------------------------------------------------------------- 9. crash, drain, join

fn on(snapshot: &Snapshot, worker: &Worker) -> Vec<Task> {
    let here = |task: &&Task| task.placement == Placement::On(worker.id);
    snapshot.tasks().iter().filter(here).cloned().collect()
}

#[test]
fn the_engine_places_every_task_of_a_worker_that_died() {
    for (name, policy) in policies().into_iter().skip(1) {
        for seed in 1..=4 {
            let what = format!("{name}, seed {seed}");
            let (run, log) = Log::of(&bundled("crash"), "homogeneous", &policy, seed);
            balanced_books(&run.books, &what);
            let orphans = |from: f64, to: f64| {
                let there = log.snapshots().filter(|it| (from..to).contains(&seconds(it)));
                let all = there.flat_map(Snapshot::tasks);
                all.filter(|task| task.placement == Placement::Orphaned).count()
            };
            assert_eq!(orphans(0.0, 599.0), 0, "{what}");
            assert!(orphans(599.0, 631.0) > 0, "{what}: nobody was on the worker that died");
            assert_eq!(orphans(1800.0, 4000.0), 0, "{what}: nobody took them");
        }
    }
}

#[test]
fn a_worker_to_be_emptied_is_empty_in_the_end() {
    for seed in 1..=4 {
        let scenario = changed("drain", "tasks.pinned = 0.0");
        let (run, log) = Log::of(&scenario, "heterogeneous", &ours(), seed);
        balanced_books(&run.books, "drain");
        let last = log.snapshots().next_back().unwrap();
        let drained: Vec<_> =
            last.workers().iter().filter(|worker| worker.stance == Stance::Drain).collect();
        assert!(!drained.is_empty());
        for worker in drained {
            assert!(on(last, worker).is_empty(), "seed {seed}: {:?}", on(last, worker));
        }
    }
}

#[test]
fn workers_that_join_get_their_share() {
    for seed in 1..=4 {
        let (run, log) = Log::of(&bundled("join"), "homogeneous", &ours(), seed);
        balanced_books(&run.books, "join");
        let counts: Vec<usize> = log.snapshots().map(|it| it.workers().len()).collect();
        assert_eq!((counts[0], *counts.last().unwrap()), (6, 8), "seed {seed}");
        let last = log.snapshots().next_back().unwrap();
        let new = last.workers().iter().filter(|worker| worker.id.raw() > 6);
        assert!(new.clone().all(|worker| !on(last, worker).is_empty()), "seed {seed}");
    }
}

// ---------------------------------------------------------------- 10. impossible files

#[test]
fn an_impossible_scenario_says_what_is_wrong_with_it() {
    let table = [
        ("duration = -1.0", "duration is -1; it must be a number above 0"),
        ("round = 0.0", "round is 0; it must be at least 0.001"),
        ("sizes.small.workers = 0", "sizes.small.workers is 0; it must be at least 1"),
        ("clusters.one = []", "clusters.one has no class of workers"),
        ("tasks.cores.median = 0.0", "tasks.cores.median is 0; it must be a number above 0"),
        ("tasks.cores.sigma = nan", "tasks.cores.sigma is NaN; it must be a number from 0 up"),
        (
            "tasks.power_efficient = 1.2",
            "tasks.power_efficient is 1.2; it must be a number from 0 to 1",
        ),
        ("tasks.priority = [5, 1]", "tasks.priority is 1; it must be at least the lower one"),
        (
            "tasks.state_share = [0.6, 0.1]",
            "tasks.state_share is 0.1; it must be at least 0.6, where the range begins",
        ),
        (
            "tasks = { pinned = 0.75, restart = 0.75 }",
            "tasks.pinned + tasks.restart is 1.5; it must be at most 1",
        ),
        (
            "load.level = { points = [[5.0, 0.1], [1.0, 0.2]] }",
            "load.level has points that do not follow each other in time",
        ),
        (
            "load.arrivals = { poisson = 0.0 }",
            "load.arrivals.poisson is 0; it must be a number above 0",
        ),
        (
            "placement.arrivals = { skewed = -1.0 }",
            "placement.arrivals.skewed is -1; it must be a number from 0 up",
        ),
        ("migration.link_share = 0.0", "migration.link_share is 0; it must be a number above 0"),
        ("migration.failures = 2.0", "migration.failures is 2; it must be a number from 0 to 1"),
        (
            "telemetry.delay = [20.0, 10.0]",
            "telemetry.delay is 10; it must be at least 20, where the range begins",
        ),
        (
            "physics.throttle_celsius = 20.0",
            "physics.throttle_celsius is 20; it must be above 35, the temperature when idle",
        ),
        (
            "events = [{ at = 60.0, until = 30.0, workers = 0.5, what = \"crash\" }]",
            "events[0].until is 30; it must be after 60, when it begins",
        ),
        (
            "events = [{ at = 60.0, workers = 1.5, what = \"drain\" }]",
            "events[0].workers is 1.5; it must be a number from 0 to 1",
        ),
        (
            "measure.from = 3600.0",
            "measure.from is 3600; it must be from 0 to 3600, when all is over",
        ),
    ];
    assert_eq!(bare("").check(), Ok(()));
    for (change, expected) in table {
        let error = bare(change).check().expect_err(change);
        assert_eq!(error.faults(), [expected], "{change}");
        assert_eq!(error.to_string(), expected);
        assert!(simulate(&bare(change), "small", "one", &Policy::None, 1).is_err(), "{change}");
    }
    let error = bare("duration = 0.0\nround = 0.0").check().unwrap_err();
    assert_eq!(error.faults().len(), 2);
    let no = |size, cluster| {
        simulate(&bare(""), size, cluster, &Policy::None, 1).unwrap_err().to_string()
    };
    assert_eq!((no("huge", "one").as_str(), no("small", "two").as_str()), NOT_THERE);
}

const NOT_THERE: (&str, &str) = ("no size huge", "no cluster two");

#[test]
fn an_unknown_key_is_no_key() {
    for change in [
        "durration = 1.0",
        "tasks.pined = 0.5",
        "load.levle = 0.5",
        "telemetry.jitter = 1.0",
        "sizes.small.cores = 3",
        "physics.memory = \"shrinks\"",
        "measure.own = \"beauty\"",
        "placement.initial = \"anywhere\"",
        "load.level = { points = [[0.0, 1.0]], slope = 2.0 }",
        "events = [{ at = 1.0, workers = 0.5, what = \"explode\" }]",
    ] {
        assert!(parsed(BARE, change).is_err(), "{change} was taken for something");
    }
}

// ---------------------------------------------------------------- 11. forecasts

/// How many loads fell into the interval they were foreseen in, and how many were foreseen.
fn intervals(log: &Log) -> (f64, f64) {
    let (mut inside, mut all) = (0.0, 0.0);
    for (nth, made) in log.outcomes.iter().enumerate() {
        let Some(forecast) = &made.forecast else { continue };
        let due = made.at.after(forecast.horizon);
        let Some(then) = log.outcomes[nth..].iter().find(|it| it.at >= due) else { break };
        for foreseen in &forecast.workers {
            let row = then.workers.iter().find(|it| it.worker == foreseen.worker);
            let Some(came) = row.and_then(|it| it.reported) else { continue };
            all += 1.0;
            inside += f64::from((foreseen.low..=foreseen.high).contains(&came.get()));
        }
    }
    (inside, all)
}

#[test]
fn intervals_of_forecasts_hold_about_what_they_claim() {
    let mut trusting = Config::default();
    trusting.prediction.as_mut().unwrap().judged = false;
    for name in ["diurnal", "energy", "gradual", "mixed"] {
        let share = |config: &Config| {
            let policy = Policy::engine(config.clone());
            let runs = (1..=3).map(|seed| Log::of(&bundled(name), "homogeneous", &policy, seed));
            let counts = runs.map(|(_, log)| intervals(&log));
            let (inside, all) = counts.fold((0.0, 0.0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
            inside / all
        };
        let (learned, plain) = (share(&Config::default()), share(&trusting));
        println!("{name}: {learned:.3} of outcomes inside, by least squares alone {plain:.3}");
        assert!((0.75..=0.85).contains(&learned), "{name}: {learned:.3} inside of 80 %");
        assert!(plain < learned - 0.1, "{name}: nothing to be learned over {plain:.3}");
    }
}

// ---------------------------------------------------------------- 12. the verifier

/// Runs the log through an engine of its own and judges every input.
fn judge(config: &Config, log: &Log) -> Vec<String> {
    let mut engine = Engine::new(config.clone()).unwrap();
    let mut watch = Watch::new(config);
    let mut outcomes = log.outcomes.iter();
    let mut violations = Vec::new();
    for input in &log.inputs {
        let output = match input {
            Input::Tick(snapshot) => {
                assert_eq!(snapshot.bad_records(), []);
                let (outcome, more) = verify::tick(&mut engine, snapshot).unwrap();
                assert_eq!(Some(&outcome), outcomes.next(), "a replay says something else");
                let at = seconds(snapshot);
                violations.extend(more.iter().map(|violation| format!("at {at} s: {violation}")));
                Output::Outcome(outcome.into())
            }
            _ => engine.apply(input),
        };
        let more = watch.see(input, &output);
        violations.extend(more.iter().map(|violation| format!("watch: {violation}")));
    }
    assert_eq!(outcomes.next(), None);
    violations
}

#[test]
fn the_verifier_finds_nothing_in_whole_simulated_runs() {
    for name in ["spike", "crash", "drain", "stale", "join"] {
        for cluster in ["homogeneous", "heterogeneous"] {
            for config in [Config::default(), Config::fixed()] {
                let policy = Policy::engine(config.clone());
                let (run, log) =
                    Log::of(&changed(name, "migration.failures = 0.2"), cluster, &policy, 3);
                assert!(log.outcomes.len() > 50, "{name}: {run:?}");
                let violations = judge(&config, &log);
                assert!(violations.is_empty(), "{name}, {cluster}:\n{}", violations.join("\n"));
            }
        }
    }
}
