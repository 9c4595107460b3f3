//! A shadow beside the engine that acts: two configurations over one log, and where they part.
//!
//! ```text
//! cargo run --example shadow -- [LOG [LIVE [SHADOW]]]
//! ```
//!
//! `LOG` holds one [`Input`] as JSON per line; `LIVE` and `SHADOW` hold a whole [`Config`] each.
//! Without a log the example makes one: six workers, one of which gets hotter and hotter. Without
//! configurations `default` acts and `fixed` looks on. The shadow advises whatever its file says;
//! what it commands for the migrations of the other, which it follows, is dropped.

use std::error::Error;
use std::fs;

use evenkeel::config::Mode;
use evenkeel::engine::{Input, Output};
use evenkeel::{
    Action, Command, Config, Engine, Event, Report, ResourceId, Snapshot, Task, TaskId, Timestamp,
    Worker, WorkerId,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut files = std::env::args().skip(1);
    let log = files.next();
    let mut config = |preset: Config| match files.next() {
        Some(path) => Ok::<_, Box<dyn Error>>(serde_json::from_str(&fs::read_to_string(path)?)?),
        None => Ok(preset),
    };
    let (live, mut shadow) = (config(Config::default())?, config(Config::fixed())?);
    shadow.mode = Mode::Advise;
    let inputs = match log {
        Some(path) => read(&fs::read_to_string(path)?)?,
        None => made_up(live.clone())?,
    };

    let (mut live, mut shadow) = (Engine::new(live)?, Engine::new(shadow)?);
    let (mut rounds, mut parted) = (0, 0);
    for input in &inputs {
        // New settings are meant for the one that acts.
        let meant_for_both = !matches!(input, Input::Reconfigure(_));
        let other = meant_for_both.then(|| shadow.apply(input));
        if let (Output::Outcome(live), Some(Output::Outcome(shadow))) = (live.apply(input), other) {
            let differences = live.differences(&shadow);
            rounds += 1;
            parted += i32::from(!differences.is_empty());
            println!("{}\n  {}", live.at, differences.to_string().replace('\n', "\n  "));
        }
    }
    println!("{rounds} rounds, {parted} of them with a difference");
    Ok(())
}

fn read(text: &str) -> Result<Vec<Input>, Box<dyn Error>> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.map(|line| Ok(evenkeel::shell::read_json(line)?)).collect()
}

/// The log of a small cluster in which every command is carried out within a second.
fn made_up(config: Config) -> Result<Vec<Input>, Box<dyn Error>> {
    let mut engine = Engine::new(config)?;
    let (mut homes, mut inputs) = ([1_u64; 6], Vec::new());
    for round in 1..=12_u32 {
        let at = Timestamp::from_secs(30 * u64::from(round));
        // Every task wants a little more in every round.
        let cores = 1.0 + 0.2 * f64::from(round);
        let input = Input::Tick(snapshot(at, cores, homes));
        let mut commands = match engine.apply(&input) {
            Output::Outcome(outcome) => outcome.commands,
            other => return Err(format!("a round gave {other:?}").into()),
        };
        inputs.push(input);
        while let Some(Command { migration, task, action, .. }) = commands.pop() {
            let event = match action {
                Action::Release { .. } => Event::Released { migration },
                Action::Assign { to, .. } => {
                    homes[usize::try_from(task.raw())? - 1] = to.raw();
                    Event::Running { migration }
                }
                other => return Err(format!("{other} is not expected here").into()),
            };
            let report = Report::new(at.after(std::time::Duration::from_secs(1)), event);
            commands.extend(engine.report(&report).commands);
            inputs.push(Input::Report(report));
        }
    }
    Ok(inputs)
}

/// Tasks of so many cores each, at home on these workers.
fn snapshot(at: Timestamp, cores: f64, homes: [u64; 6]) -> Snapshot {
    let workers = (1..=6).map(|id| {
        let tasks = homes.iter().filter(|home| **home == id).count();
        Worker::new(WorkerId::new(id))
            .with_capacity(ResourceId::CPU, 16.0)
            .with_used(ResourceId::CPU, (1.0 + cores * tasks as f64).min(16.0))
    });
    let tasks = (1..).zip(homes).map(|(id, home)| {
        let task = Task::new(TaskId::new(id)).on(WorkerId::new(home));
        task.with_demand(ResourceId::CPU, cores)
    });
    Snapshot::builder(at).workers(workers).tasks(tasks).build()
}
