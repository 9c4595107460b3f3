//! A host that knows its hardware better than the built-in table does.
//!
//! The table says that a CUDA worker is three times as fast as a CPU worker. This host has measured
//! its own: an accelerator card that the table does not tell apart, five times as fast. With that
//! row in the table the same task goes there.

use evenkeel::hardware::{Hardware, HardwareProfile, HardwareTable, PROFILES};
use evenkeel::ratio::Ratio;
use evenkeel::snapshot::Requirements;
use evenkeel::{Config, Engine, ResourceId, Snapshot, Task, TaskId, Timestamp, Worker, WorkerId};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let card = HardwareProfile::new(Hardware::Qnn, 5.0)
        .with_energy(Ratio::new(0.9)?)
        .with_thermal(Ratio::new(0.9)?);
    let table = HardwareTable::new([&PROFILES[..], &[card]].concat());

    let config = Config::default();
    let built_in = target(config.clone())?;
    let hardware = config.hardware.clone().unwrap_or_default().with_table(table);
    let custom = target(config.with_hardware(hardware))?;

    println!("built-in table: {built_in}");
    println!("our own table:  {custom}");
    assert!(built_in.contains("w1 -> w2") && custom.contains("w1 -> w3"));
    Ok(())
}

/// Where an overloaded worker's task goes: to the CUDA worker w2, or to the QNN worker w3.
fn target(config: Config) -> Result<String, Box<dyn std::error::Error>> {
    let hot = WorkerId::new(1);
    let worker = |id, kind, used| {
        Worker::new(WorkerId::new(id))
            .with_hardware(kind)
            .with_capacity(ResourceId::CPU, 16.0)
            .with_used(ResourceId::CPU, used)
    };
    let needs = Requirements::NONE.with_any_of([Hardware::Cpu, Hardware::Cuda, Hardware::Qnn]);
    let task = Task::new(TaskId::new(1))
        .on(hot)
        .with_demand(ResourceId::CPU, 4.0)
        .with_requirements(needs);
    let snapshot = Snapshot::builder(Timestamp::from_secs(30))
        .workers([
            worker(1, Hardware::Cpu, 15.2),
            worker(2, Hardware::Cuda, 2.0),
            worker(3, Hardware::Qnn, 2.0),
        ])
        .task(task)
        .build();
    let outcome = Engine::new(config)?.tick(&snapshot)?;
    let command = outcome.commands.first().ok_or("nothing was decided")?;
    Ok(command.to_string())
}
