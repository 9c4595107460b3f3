//! The README's twenty lines: a snapshot in, justified migrations out.

use evenkeel::{Config, Engine, ResourceId, Snapshot, Task, TaskId, Timestamp, Worker, WorkerId};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (hot, idle) = (WorkerId::new(1), WorkerId::new(2));
    let worker = |id, used| {
        Worker::new(id).with_capacity(ResourceId::CPU, 16.0).with_used(ResourceId::CPU, used)
    };
    let task = |id, cores| Task::new(TaskId::new(id)).on(hot).with_demand(ResourceId::CPU, cores);
    let snapshot = Snapshot::builder(Timestamp::from_secs(30))
        .workers([worker(hot, 15.2), worker(idle, 1.6)])
        .tasks([task(1, 3.6), task(2, 7.0), task(3, 4.0)])
        .build();

    let mut engine = Engine::new(Config::default())?;
    let outcome = engine.tick(&snapshot)?;
    println!("{outcome}");
    assert_eq!(outcome.commands[0].to_string(), "m0.1 t1 w1 -> w2: w1 at 0.950 above 0.850");
    Ok(())
}
