//! What a host would serve under `/metrics`: the state after a few rounds as Prometheus reads it, with the workers'
//! own names.

use evenkeel::shell::{Names, prometheus};
use evenkeel::{
    Action, Config, Engine, Event, Report, ResourceId, Snapshot, Task, TaskId, Timestamp, Worker,
    WorkerId,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut names = Names::with_room_for(100);
    // Names are the host's: what Prometheus could take amiss is escaped.
    let hot: WorkerId = names.id("rack 3 \"hot\"")?;
    let idle: WorkerId = names.id(r"\\share\idle")?;
    let silent: WorkerId = names.id("of two\nlines")?;
    let worker = |id, used| {
        Worker::new(id).with_capacity(ResourceId::CPU, 16.0).with_used(ResourceId::CPU, used)
    };
    let task = |id, cores| Task::new(TaskId::new(id)).on(hot).with_demand(ResourceId::CPU, cores);

    let mut engine = Engine::new(Config::default())?;
    let mut page = String::new();
    for round in 1..=12_u32 {
        let used = 6.0 + 0.8 * f64::from(round);
        let snapshot = Snapshot::builder(Timestamp::from_secs(30 * u64::from(round)))
            .workers([worker(hot, used), worker(idle, 1.6)])
            .worker(Worker::new(silent))
            .tasks([task(1, 3.6), task(2, 7.0), task(3, 4.0)])
            .build();
        let outcome = engine.tick(&snapshot)?;
        page = prometheus(&outcome, &engine.stats(), |id| {
            names.name(id).map_or_else(|| id.to_string(), str::to_owned)
        });
        for command in &outcome.commands {
            // The source never lets go: a migration that fails.
            if let Action::Release { .. } = command.action {
                let event = Event::Failed { migration: command.migration };
                let _reply = engine.report(&Report::new(snapshot.at(), event));
            }
        }
    }
    print!("{page}");
    Ok(())
}
