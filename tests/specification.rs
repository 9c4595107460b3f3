//! The specification, translated a second time and by itself: what it says in pseudo-code, tables
//! and formulas stands here word for word, and `Config::reference()` has to agree.

use std::time::Duration;

use evenkeel::config::Options;
use evenkeel::hardware::{Hardware, HardwareTable};
use evenkeel::outcome::{Balance, Direction, Scorecard};
use evenkeel::snapshot::Requirements;
use evenkeel::{
    Config, Engine, Event, Outcome, ResourceId, Snapshot, Task, TaskId, Timestamp, Worker, WorkerId,
};
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};

const SEED: u64 = 20_261_121;

fn generator() -> Xoshiro256PlusPlus {
    println!("seed {SEED}");
    Xoshiro256PlusPlus::seed_from_u64(SEED)
}

/// Workers w1, w2, ... of one core each, so that use and utilization are the same number.
fn snapshot(at: u64, loads: &[f64]) -> Snapshot {
    let workers = (1..).zip(loads).map(|(id, load)| {
        Worker::new(WorkerId::new(id))
            .with_capacity(ResourceId::CPU, 1.0)
            .with_used(ResourceId::CPU, *load)
    });
    Snapshot::builder(Timestamp::from_secs(at)).workers(workers).build()
}

fn tick(engine: &mut Engine, round: usize, loads: &[f64]) -> Outcome {
    engine.tick(&snapshot(30 * (round as u64 + 1), loads)).unwrap()
}

// ------------------------------------------------------------------ thresholds, word for word

/// `update_dynamic_thresholds`, statement by statement.
struct PseudoCode {
    system_load_history: Vec<f64>,
    threshold_adjustment_rate: f64,
    utilization_threshold_high: f64,
    utilization_threshold_low: f64,
}

fn average(records: &[f64]) -> f64 {
    let mut sum = 0.0;
    for record in records {
        sum += record;
    }
    sum / records.len() as f64
}

fn calculate_linear_regression_slope(x: &[f64], y: &[f64]) -> f64 {
    let n = x.len() as f64;
    let sum_x: f64 = x.iter().sum();
    let sum_y: f64 = y.iter().sum();
    let sum_xy: f64 = x.iter().zip(y).map(|(x, y)| x * y).sum();
    let sum_xx: f64 = x.iter().map(|x| x * x).sum();
    (n * sum_xy - sum_x * sum_y) / (n * sum_xx - sum_x * sum_x)
}

impl PseudoCode {
    #[allow(clippy::manual_clamp, reason = "word for word")]
    fn update_dynamic_thresholds(&mut self) -> &'static str {
        // The original needs five records.
        if self.system_load_history.len() < 5 {
            return "stable";
        }
        let recent_loads = &self.system_load_history[self.system_load_history.len() - 5..];
        let avg_system_load = average(recent_loads);
        let x: Vec<f64> = (0..recent_loads.len()).map(|index| index as f64).collect();
        let trend_slope = calculate_linear_regression_slope(&x, recent_loads);
        let (adjustment_factor, direction);
        if trend_slope > 0.01 {
            adjustment_factor = self.threshold_adjustment_rate * 1.5;
            direction = "increasing";
        } else if trend_slope < -0.01 {
            adjustment_factor = self.threshold_adjustment_rate * 0.5;
            direction = "decreasing";
        } else {
            adjustment_factor = self.threshold_adjustment_rate;
            direction = "stable";
        }
        let (high_adjust, low_adjust);
        if avg_system_load > 0.75 {
            high_adjust = -adjustment_factor * 1.2;
            low_adjust = adjustment_factor * 0.8;
        } else if avg_system_load < 0.3 {
            high_adjust = adjustment_factor * 0.8;
            low_adjust = -adjustment_factor * 1.2;
        } else {
            high_adjust =
                if avg_system_load > 0.5 { -adjustment_factor } else { adjustment_factor };
            low_adjust = if avg_system_load > 0.5 { adjustment_factor } else { -adjustment_factor };
        }
        let mut new_high =
            f64::max(0.6, f64::min(0.95, self.utilization_threshold_high + high_adjust));
        let mut new_low = f64::max(0.1, f64::min(0.4, self.utilization_threshold_low + low_adjust));
        let min_separation = 0.3;
        if new_high - new_low < min_separation {
            if high_adjust < low_adjust {
                new_high = new_low + min_separation;
            } else {
                new_low = new_high - min_separation;
            }
        }
        self.utilization_threshold_high = new_high;
        self.utilization_threshold_low = new_low;
        direction
    }
}

fn word(direction: Direction) -> &'static str {
    match direction {
        Direction::Increasing => "increasing",
        Direction::Decreasing => "decreasing",
        Direction::Stable => "stable",
    }
}

#[test]
fn thresholds_agree_bit_for_bit_over_ten_thousand_histories() {
    let mut random = generator();
    for history in 0..10_000 {
        let mut engine = Engine::new(Config::reference()).unwrap();
        let mut pseudo = PseudoCode {
            system_load_history: Vec::new(),
            threshold_adjustment_rate: 0.05,
            utilization_threshold_high: 0.85,
            utilization_threshold_low: 0.2,
        };
        // A level, a slope and some noise: every band and every trend comes up.
        let level = random.random_range(0.0..1.0);
        let slope = random.random_range(-0.06..0.06);
        for round in 0..random.random_range(5..14_usize) {
            let mut load = || {
                let noise = random.random_range(-0.1..0.1);
                f64::clamp(level + slope * round as f64 + noise, 0.0, 1.2)
            };
            let loads = [load(), load(), load()];
            let outcome = tick(&mut engine, round, &loads);
            pseudo.system_load_history.push(average(&loads));
            let direction = pseudo.update_dynamic_thresholds();
            let (high, low) = (outcome.thresholds.high, outcome.thresholds.low);
            let place = format!("history {history}, round {round}");
            assert_eq!(high.to_bits(), pseudo.utilization_threshold_high.to_bits(), "{place}");
            assert_eq!(low.to_bits(), pseudo.utilization_threshold_low.to_bits(), "{place}");
            assert_eq!(
                outcome.trend.map_or("stable", |it| word(it.direction)),
                direction,
                "{place}"
            );
        }
    }
}

#[test]
fn thresholds_agree_for_other_settings_and_at_the_edges_of_the_bands() {
    let mut random = generator();
    for history in 0..10_000 {
        let (rate, high) = (random.random_range(0.0..0.3), random.random_range(0.6..0.95));
        let low = random.random_range(0.1..0.3);
        let mut config = Config::reference();
        config.adaptation.as_mut().unwrap().rate = rate;
        (config.thresholds.high, config.thresholds.low) = (high, low);
        let mut engine = Engine::new(config).unwrap();
        let mut pseudo = PseudoCode {
            system_load_history: Vec::new(),
            threshold_adjustment_rate: rate,
            utilization_threshold_high: high,
            utilization_threshold_low: low,
        };
        // Exactly on an edge now and then: 0.3, 0.5 and 0.75 belong to the band between.
        let edge = [0.3, 0.5, 0.75, 0.2, 0.9][history % 5];
        for round in 0..12 {
            let on_edge = random.random_range(0..4) > 0;
            let cpu = if on_edge { edge } else { random.random_range(0.0..1.0) };
            let memory = if on_edge { edge } else { random.random_range(0.0..1.0) };
            let worker = Worker::new(WorkerId::new(1))
                .with_capacity(ResourceId::CPU, 1.0)
                .with_used(ResourceId::CPU, cpu)
                .with_capacity(ResourceId::MEMORY, 1.0)
                .with_used(ResourceId::MEMORY, memory);
            let at = Timestamp::from_secs(30 * (round + 1));
            let outcome = engine.tick(&Snapshot::builder(at).worker(worker).build()).unwrap();
            pseudo.system_load_history.push(average(&[cpu, memory]));
            let _ = pseudo.update_dynamic_thresholds();
            let (high, low) = (outcome.thresholds.high, outcome.thresholds.low);
            let place = format!("history {history}, round {round}");
            assert_eq!(high.to_bits(), pseudo.utilization_threshold_high.to_bits(), "{place}");
            assert_eq!(low.to_bits(), pseudo.utilization_threshold_low.to_bits(), "{place}");
        }
    }
}

// ------------------------------------------------------------------ forecast, by a second method

/// Slope as covariance over variance, by statrs; R squared as the square of the correlation.
fn second_method(x: &[f64], y: &[f64]) -> (f64, f64, f64) {
    use statrs::statistics::Statistics;
    let covariance = x.covariance(y);
    let (var_x, var_y) = (x.variance(), y.variance());
    let slope = covariance / var_x;
    let intercept = y.mean() - slope * x.mean();
    let fit = if var_y < 1e-18 { 1.0 } else { covariance * covariance / (var_x * var_y) };
    (slope, intercept, fit)
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9
}

#[test]
fn slope_forecast_and_confidence_agree_with_a_second_method() {
    let mut random = generator();
    let mut compared = 0;
    for _ in 0..300 {
        let mut engine = Engine::new(Config::reference()).unwrap();
        let mut loads: Vec<[f64; 2]> = Vec::new();
        for round in 0..25 {
            loads.push([random.random_range(0.1..0.9), random.random_range(0.1..0.9)]);
            let outcome = tick(&mut engine, round, &loads[round]);
            if let Some(trend) = outcome.trend {
                let means: Vec<f64> = loads[round - 4..].iter().map(|it| average(it)).collect();
                let (slope, _, fit) = second_method(&[0.0, 1.0, 2.0, 3.0, 4.0], &means);
                assert!(close(trend.slope, slope) && close(trend.confidence, fit));
            }
            if round < 2 {
                assert!(outcome.forecast.is_none(), "a line through {} samples", round + 1);
                continue;
            }
            let forecast = outcome.forecast.unwrap();
            // Samples of the last 10 minutes: this one and 20 before it.
            let first = round.saturating_sub(20);
            let x: Vec<f64> = (first..=round).map(|it| it as f64 * 30.0).collect();
            for (index, worker) in forecast.workers.iter().enumerate() {
                let y: Vec<f64> = loads[first..=round].iter().map(|it| it[index]).collect();
                let (slope, intercept, fit) = second_method(&x, &y);
                let predicted = intercept + slope * (round as f64 * 30.0 + 180.0);
                assert!(close(worker.load, predicted.clamp(0.0, 1.0)));
                assert!(close(worker.confidence, fit * f64::min(1.0, x.len() as f64 / 10.0)));
                compared += 1;
            }
            let confidences: Vec<f64> = forecast.workers.iter().map(|it| it.confidence).collect();
            assert!(close(forecast.confidence, average(&confidences)));
            let ends = [forecast.workers[0].load, forecast.workers[1].load];
            assert!(close(forecast.spread, (ends[0] - ends[1]).abs()));
        }
    }
    assert!(compared > 10_000, "only {compared} forecasts compared");
}

#[test]
fn accuracy_is_one_less_twice_the_mean_error_once_the_window_has_passed() {
    let mut engine = Engine::new(Config::reference()).unwrap();
    let mut expected: Option<f64> = None;
    let mut made: Vec<(usize, [f64; 2])> = Vec::new();
    let mut random = generator();
    for round in 0..30 {
        let loads = [random.random_range(0.2..0.8), random.random_range(0.2..0.8)];
        // A forecast of six rounds ago is due now.
        for (_, predicted) in made.iter().filter(|(at, _)| at + 6 == round) {
            let error =
                f64::midpoint((predicted[0] - loads[0]).abs(), (predicted[1] - loads[1]).abs());
            let accuracy = f64::max(0.0, 1.0 - 2.0 * error);
            expected = Some(expected.map_or(accuracy, |it| it + 0.2 * (accuracy - it)));
        }
        let outcome = tick(&mut engine, round, &loads);
        let Some(forecast) = outcome.forecast else { continue };
        match (forecast.accuracy, expected) {
            (Some(given), Some(wanted)) => assert!(close(given, wanted), "{given} is not {wanted}"),
            (given, wanted) => assert_eq!(given, wanted),
        }
        made.push((round, [forecast.workers[0].load, forecast.workers[1].load]));
    }
    assert!(expected.is_some());
}

// ------------------------------------------------------------------ detection, word for word

#[test]
fn detection_is_the_documents_condition() {
    let mut random = generator();
    let (mut uneven, mut even) = (0, 0);
    for _ in 0..3_000 {
        let mut config = Config::reference();
        config.prediction = None;
        config.adaptation = None;
        let mut engine = Engine::new(config).unwrap();
        let mut history: Vec<Vec<f64>> = vec![Vec::new(); 3];
        for round in 0..8 {
            let loads: Vec<f64> = (0..3)
                .map(|worker| if worker == 0 { 0.8..1.0 } else { 0.0..0.4 })
                .map(|range: std::ops::Range<f64>| random.random_range(range))
                .collect();
            history.iter_mut().zip(&loads).for_each(|(history, load)| history.push(*load));
            let means: Vec<f64> =
                history.iter().map(|it| average(&it[it.len().saturating_sub(5)..])).collect();
            let max_util = means.iter().copied().fold(f64::MIN, f64::max);
            let min_util = means.iter().copied().fold(f64::MAX, f64::min);
            let imbalance = max_util - min_util;
            let condition = max_util > 0.85 && min_util < 0.2 && imbalance > 0.4;
            let outcome = tick(&mut engine, round, &loads);
            assert_eq!(outcome.balance.is_uneven(), condition, "{means:?}");
            if condition { uneven += 1 } else { even += 1 }
        }
    }
    assert!(uneven > 1_000 && even > 1_000, "{uneven} uneven, {even} even");
}

#[test]
fn a_predicted_imbalance_needs_more_than_a_present_one() {
    // w1 rises by 0.02 a round and will stand beyond 0.90 in six rounds; w2 stays at `cold`.
    let detected = |cold: f64| {
        let mut config = Config::reference();
        config.adaptation = None;
        let mut engine = Engine::new(config).unwrap();
        let rounds = (0..10)
            .map(|round| tick(&mut engine, round, &[0.62 + 0.02 * round as f64, cold]).balance);
        rounds.last().unwrap()
    };
    assert!(detected(0.1).is_uneven());
    // Below 0.2, but not by the margin of 0.05.
    assert!(matches!(detected(0.16), Balance::Even { .. }));
}

// ------------------------------------------------------------------ cost and benefit, by hand

/// A task on w1 (0.9) considered for w2, under the reference rules.
fn scorecard(task: Task, target: Worker) -> Scorecard {
    let mut engine = Engine::new(Config::reference()).unwrap();
    let source = Worker::new(WorkerId::new(1))
        .with_capacity(ResourceId::CPU, 10.0)
        .with_used(ResourceId::CPU, 9.0);
    let builder = Snapshot::builder(Timestamp::from_secs(30)).workers([source, target]);
    let snapshot = builder.task(task.on(WorkerId::new(1))).build();
    let _ = engine.tick(&snapshot).unwrap();
    let snapshot = Snapshot::builder(Timestamp::from_secs(60))
        .workers(snapshot.workers().iter().cloned())
        .tasks(snapshot.tasks().iter().cloned())
        .build();
    let engine = Engine::new(engine.config().clone()).unwrap();
    let verdict = engine.look(&snapshot).consider(TaskId::new(1), WorkerId::new(2)).unwrap();
    verdict.scorecard.unwrap()
}

fn target(used: f64) -> Worker {
    Worker::new(WorkerId::new(2))
        .with_capacity(ResourceId::CPU, 10.0)
        .with_used(ResourceId::CPU, used)
}

#[test]
fn cost_follows_the_original_constants() {
    let gib = 1 << 30;
    // Seconds running, priority, GiB of state, extra; expected: base, running, priority, state, total.
    let cases = [
        ((0, 0, 0, 0.0), [2.0, 0.0, 0.0, 0.0, 2.0]),
        ((40, 0, 0, 0.0), [2.0, 1.0, 0.0, 0.0, 3.0]),
        ((60, 4, 0, 0.0), [2.0, 1.5, 2.0, 0.0, 5.5]),
        ((300, 3, 1, 0.0), [2.0, 3.0, 1.5, 0.5, 7.0]),
        ((200, 10, 64, 0.0), [2.0, 3.0, 2.0, 2.0, 9.0]),
        ((200, 10, 64, 5.0), [2.0, 3.0, 2.0, 2.0, 10.0]),
    ];
    for ((seconds, priority, state, extra), expected) in cases {
        let task = Task::new(TaskId::new(1))
            .with_running(Duration::from_secs(seconds))
            .with_priority(priority)
            .with_state_bytes(state * gib)
            .with_extra_cost(extra);
        let cost = scorecard(task, target(1.0)).cost;
        let given = [cost.base, cost.running, cost.priority, cost.state, cost.total()];
        assert!(given.iter().zip(expected).all(|(a, b)| close(*a, b)), "{given:?}, {expected:?}");
    }
}

#[test]
fn benefit_follows_the_original_constants() {
    let task = || Task::new(TaskId::new(1));
    // 10 x (0.9 - 0.1).
    assert!(close(scorecard(task(), target(1.0)).benefit.utilization, 8.0));
    // Never below nothing.
    assert!(close(scorecard(task(), target(9.5)).benefit.utilization, 0.0));
    // 2 x (3.0 - 1.0) for a task that may use CUDA.
    let needs = Requirements::NONE.with_any_of([Hardware::Cpu, Hardware::Cuda]);
    let cuda = target(1.0).with_hardware(Hardware::Cuda);
    let benefit = scorecard(task().with_requirements(needs.clone()), cuda).benefit;
    assert!(close(benefit.hardware, 4.0));
    assert!(close(scorecard(task().with_requirements(needs), target(1.0)).benefit.hardware, 0.0));
    // 3 x (0.9 - 0.7) of energy, 1 x (0.9 - 0.8) of heat, for a power-efficient task on QNN.
    let needs =
        Requirements::NONE.with_any_of([Hardware::Cpu, Hardware::Qnn]).with_power_efficient(true);
    let qnn = target(1.0).with_hardware(Hardware::Qnn);
    let benefit = scorecard(task().with_requirements(needs), qnn).benefit;
    assert!(close(benefit.energy, 0.6) && close(benefit.thermal, 0.1));
}

#[test]
fn past_moves_of_a_kind_are_averaged_exponentially_and_count_up_to_two() {
    // A move that keeps its task still for 80 s costs two points, then one of 40 s costs one.
    let mut engine = Engine::new(Config::reference()).unwrap();
    let mut now = 30;
    let mut expected: Option<f64> = None;
    for (id, still) in [(1, 80), (2, 40), (3, 400)] {
        let cluster = |at, used| {
            let source = Worker::new(WorkerId::new(1))
                .with_capacity(ResourceId::CPU, 10.0)
                .with_used(ResourceId::CPU, used);
            let task = Task::new(TaskId::new(id)).on(WorkerId::new(1));
            Snapshot::builder(Timestamp::from_secs(at)).workers([source, target(1.0)]).task(task)
        };
        let outcome = engine.tick(&cluster(now, 9.9).build()).unwrap();
        let migration = outcome.begun().next().unwrap().migration;
        let report = |at, event| evenkeel::Report::new(Timestamp::from_secs(at), event);
        let released = engine.report(&report(now + 1, Event::Released { migration }));
        assert_eq!(released.commands.len(), 1);
        let running = engine.report(&report(now + 1 + still, Event::Running { migration }));
        assert_eq!(running.ended.len(), 1);
        let points = f64::min(10.0, still as f64 / 40.0);
        expected = Some(expected.map_or(points, |it| it + 0.2 * (points - it)));
        now += 1_000;
        let snapshot = cluster(now - 10, 9.9).build();
        let verdict = engine.look(&snapshot).consider(TaskId::new(id), WorkerId::new(2)).unwrap();
        let history = verdict.scorecard.unwrap().cost.history;
        assert!(close(history, f64::min(2.0, expected.unwrap())), "{history}, {expected:?}");
    }
}

#[test]
fn a_workers_success_with_a_kind_is_averaged_exponentially() {
    let mut engine = Engine::new(Config::reference()).unwrap();
    let (mut now, mut expected) = (30, None::<f64>);
    for (id, success) in [(1, true), (2, false), (3, false), (4, true)] {
        let cluster = |at| {
            let source = Worker::new(WorkerId::new(1))
                .with_capacity(ResourceId::CPU, 10.0)
                .with_used(ResourceId::CPU, 9.9);
            let task = Task::new(TaskId::new(id)).on(WorkerId::new(1));
            let at = Timestamp::from_secs(at);
            Snapshot::builder(at).workers([source, target(1.0)]).task(task).build()
        };
        let outcome = engine.tick(&cluster(now)).unwrap();
        let migration = outcome.begun().next().unwrap().migration;
        let after = |seconds| Timestamp::from_secs(now + seconds);
        let mut report = |seconds, event| {
            engine.report(&evenkeel::Report::new(after(seconds), event)).ended.len()
        };
        assert_eq!(report(1, Event::Released { migration }), 0);
        if success {
            assert_eq!(report(2, Event::Running { migration }), 1);
        } else {
            // The target does not take it, the source takes it back.
            assert_eq!(report(2, Event::Failed { migration }), 0);
            assert_eq!(report(3, Event::Running { migration }), 1);
        }
        let rate = f64::from(u8::from(success));
        expected = Some(expected.map_or(rate, |it| it + 0.2 * (rate - it)));
        now += 1_000;
        let verdict = engine.look(&cluster(now - 10)).consider(TaskId::new(id), WorkerId::new(2));
        // 1 x (2 x rate - 1): from -1 for a worker that always fails to 1 for one that never does.
        let benefit = verdict.unwrap().scorecard.unwrap().benefit.success;
        assert!(close(benefit, 2.0 * expected.unwrap() - 1.0), "{benefit}, {expected:?}");
    }
}

#[test]
fn only_a_positive_net_benefit_is_worth_it() {
    // 10 x (0.875 - used / 8) less 2 and 0.5 for the priority: nothing is gained at 5 of 8.
    for (used, worth) in [(4.9, true), (5.0, false), (5.1, false)] {
        let worker = |id, used| {
            Worker::new(WorkerId::new(id))
                .with_capacity(ResourceId::CPU, 8.0)
                .with_used(ResourceId::CPU, used)
        };
        let task = Task::new(TaskId::new(1)).on(WorkerId::new(1)).with_priority(1);
        let workers = [worker(1, 7.0), worker(2, used)];
        let at = Timestamp::from_secs(30);
        let snapshot = Snapshot::builder(at).workers(workers).task(task).build();
        let engine = Engine::new(Config::reference()).unwrap();
        let verdict = engine.look(&snapshot).consider(TaskId::new(1), WorkerId::new(2)).unwrap();
        let net = verdict.scorecard.unwrap().net();
        assert!(close(net, 10.0 * (0.875 - used / 8.0) - 2.5), "{verdict}");
        assert_eq!(verdict.admission.is_accepted(), worth, "{verdict}");
    }
}

// ------------------------------------------------------------------ tables, word for word

#[test]
fn a_workers_load_is_the_mean_of_cpu_memory_and_gpu_memory() {
    let mut engine = Engine::new(Config::reference()).unwrap();
    let plain =
        target(9.0).with_capacity(ResourceId::MEMORY, 10.0).with_used(ResourceId::MEMORY, 3.0);
    let mut gpu = Worker::new(WorkerId::new(3))
        .with_capacity(ResourceId::CPU, 10.0)
        .with_used(ResourceId::CPU, 9.0)
        .with_capacity(ResourceId::MEMORY, 10.0)
        .with_used(ResourceId::MEMORY, 3.0)
        .with_capacity(ResourceId::NETWORK, 10.0)
        .with_used(ResourceId::NETWORK, 10.0);
    for used in [2, 4] {
        let device = evenkeel::Device::new(Hardware::Cuda);
        gpu = gpu.with_device(device.with_memory_bytes(10).with_used_bytes(used));
    }
    let builder = Snapshot::builder(Timestamp::from_secs(30)).workers([plain, gpu]);
    let outcome = engine.tick(&builder.build()).unwrap();
    let loads: Vec<f64> = outcome.workers.iter().map(|it| it.reported.unwrap().get()).collect();
    assert!(close(loads[0], 0.6) && close(loads[1], 0.5), "{loads:?}");
}

#[test]
fn the_thirteen_options_have_the_documents_values() {
    for base in [Config::reference(), Config::default()] {
        let config = Options::default().apply_to(base.clone()).unwrap();
        assert_eq!(config, base, "an empty file changes nothing");
        assert_eq!(config.check_interval, Duration::from_secs(30));
        assert!(close(config.thresholds.high, 0.85) && close(config.thresholds.low, 0.2));
        assert_eq!(config.performance_window, Duration::from_secs(5 * 60));
        assert_eq!(config.migration.unwrap().max_simultaneous.get(), 2);
        assert!(close(config.adaptation.unwrap().rate, 0.05));
        assert_eq!(config.prediction.unwrap().window, Duration::from_secs(3 * 60));
        assert!(config.cost_benefit.is_some() && config.hardware.is_some());
        assert!(config.efficiency.is_some());
    }
    // Every option by name, in the document's units.
    let file = r#"{
        "check_interval": 20, "utilization_threshold_high": 0.8, "utilization_threshold_low": 0.25,
        "performance_window": 4, "enable_task_migration": true, "max_simultaneous_migrations": 3,
        "enable_dynamic_thresholds": true, "enable_predictive_balancing": true,
        "enable_cost_benefit_analysis": false, "enable_hardware_specific_strategies": false,
        "enable_resource_efficiency": false, "threshold_adjustment_rate": 0.1,
        "prediction_window": 2
    }"#;
    let options: Options = serde_json::from_str(file).unwrap();
    let config = options.apply_to(Config::reference()).unwrap();
    assert_eq!(config.check_interval, Duration::from_secs(20));
    assert_eq!(config.performance_window, Duration::from_secs(240));
    assert_eq!(config.migration.unwrap().max_simultaneous.get(), 3);
    assert!(close(config.adaptation.unwrap().rate, 0.1));
    assert_eq!(config.prediction.unwrap().window, Duration::from_secs(120));
    let off = (&config.cost_benefit, &config.hardware, &config.efficiency);
    assert!(off.0.is_none() && off.1.is_none() && off.2.is_none());
}

#[test]
fn a_switch_that_is_on_brings_its_section_along() {
    let file = r#"{"enable_predictive_balancing": true, "prediction_window": 2}"#;
    let options: Options = serde_json::from_str(file).unwrap();
    let config = options.apply_to(Config::fixed()).unwrap();
    let asked = Some(Duration::from_secs(120));
    assert_eq!(config.prediction.map(|section| section.window), asked);
    assert_eq!(config.adaptation, None, "what the file does not name stays as it is");
    // An interval too long for the forecast contradicts nothing where there is none.
    for (predicts, holds) in [(true, false), (false, true)] {
        let file = format!(
            "check_interval = 600\nperformance_window = 20\nenable_predictive_balancing = {predicts}"
        );
        let options: Options = toml::from_str(&file).unwrap();
        assert_eq!(options.apply_to(Config::reference()).is_ok(), holds, "{file}");
    }
}

#[test]
fn the_hardware_table_is_the_documents() {
    let document = [
        (Hardware::Cpu, 1.0, 0.7, 0.8),
        (Hardware::Cuda, 3.0, 0.5, 0.4),
        (Hardware::Rocm, 2.8, 0.5, 0.4),
        (Hardware::Mps, 2.5, 0.6, 0.6),
        (Hardware::OpenVino, 1.8, 0.8, 0.7),
        (Hardware::Qnn, 1.4, 0.9, 0.9),
        (Hardware::WebNn, 1.0, 0.7, 0.8),
        (Hardware::WebGpu, 1.2, 0.6, 0.7),
    ];
    let table = HardwareTable::default();
    for (kind, performance, energy, thermal) in document {
        let row = table.profile(kind, None);
        assert!(close(row.performance, performance), "{kind}");
        assert!(close(row.energy.get(), energy) && close(row.thermal.get(), thermal), "{kind}");
    }
    // The original's finer rows.
    let ampere = table.profile(Hardware::Cuda, "8.6".parse().ok());
    let volta = table.profile(Hardware::Cuda, "7.0".parse().ok());
    assert!(close(ampere.performance, 4.0) && close(ampere.energy.get(), 0.4));
    assert!(close(ampere.thermal.get(), 0.3) && close(volta.performance, 3.0));
}
