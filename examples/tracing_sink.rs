//! A sink that tells `tracing` of every round and of every migration, as events with fields: whatever subscribes to
//! the host's own log gets the engine's decisions with it.

use evenkeel::engine::Input;
use evenkeel::outcome::{Ended, Fate};
use evenkeel::shell::{Driver, MetricsSink};
use evenkeel::{
    Config, Engine, Outcome, ResourceId, Snapshot, Task, TaskId, Timestamp, Worker, WorkerId,
};
use tracing::{debug, info, warn};

/// Rounds at level `debug`, or `info` where something is done; what ends otherwise than well at `warn`.
struct Traced;

impl MetricsSink for Traced {
    fn record(&mut self, outcome: &Outcome) {
        let load = outcome.load.map(|load| load.mean);
        debug!(tick = outcome.tick, load, in_flight = outcome.in_flight, "{}", outcome.balance);
        for command in &outcome.commands {
            let net = command.scorecard.map(|scorecard| scorecard.net());
            info!(migration = %command.migration, task = %command.task, net, "{command}");
        }
        self.ended(&outcome.ended);
    }

    fn input(&mut self, input: &Input) {
        if let Input::Report(report) = input {
            debug!(at = %report.at, "{}", report.event);
        }
    }

    fn ended(&mut self, ended: &[Ended]) {
        for ended in ended {
            let (migration, seconds) = (ended.migration, ended.took.as_secs_f64());
            if ended.fate == Fate::Completed {
                info!(%migration, seconds, "{ended}");
            } else {
                warn!(%migration, seconds, "{ended}");
            }
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).without_time().init();
    let (hot, idle) = (WorkerId::new(1), WorkerId::new(2));
    let worker = |id, used| {
        Worker::new(id).with_capacity(ResourceId::CPU, 16.0).with_used(ResourceId::CPU, used)
    };
    let snapshot = |secs, place, used: [f64; 2]| {
        Snapshot::builder(Timestamp::from_secs(secs))
            .workers([worker(hot, used[0]), worker(idle, used[1])])
            .task(Task::new(TaskId::new(1)).on(place).with_demand(ResourceId::CPU, 3.6))
            .build()
    };
    let source = vec![snapshot(30, hot, [15.2, 1.6]), snapshot(60, idle, [11.6, 5.2])];
    let mut driver = Driver::new(Engine::new(Config::default())?, source, (), Traced);
    while driver.turn()?.is_some() {}
    Ok(())
}
