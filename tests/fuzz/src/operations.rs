//! Typed inputs in any order: a small host that mostly tells the truth.

use std::fs;
use std::io;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use evenkeel::config::{Eviction, HostAbility, Mode, Stability};
use evenkeel::engine::{Input, Output};
use evenkeel::id::{Epoch, GroupId, MigrationId};
use evenkeel::snapshot::{Group, GroupRule, Phase, Placement, Stance};
use evenkeel::state::State;
use evenkeel::{
    Action, Command, Config, Engine, Event, Report, ResourceId, Snapshot, Task, TaskId, Timestamp,
    Worker, WorkerId,
};
use serde::Serialize;
use serde_json::json;

use crate::dice::Dice;
use crate::log::{FEWEST, ends_well, step};
use crate::target::{Ran, Target};

const HOSTILE: &[f64] =
    &[f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0, 1e-308, 1e308, f64::MAX, 1e16];

/// A cluster, its host, and an engine.
struct Play {
    dice: Dice,
    engine: Engine,
    now: u64,
    workers: Vec<Worker>,
    tasks: Vec<Task>,
    groups: Vec<Group>,
    /// What the engine asked for last.
    commands: Vec<Command>,
    reports: Vec<Report>,
    saves: Vec<State>,
    /// Every input, if somebody wants to keep them.
    log: Option<Vec<Input>>,
    /// What happened, if somebody wants to read it.
    story: Option<String>,
    is_honest: bool,
    /// How many inputs the engine was given.
    given: usize,
    /// How long all inputs would be as JSON.
    bytes: usize,
}

/// Plays what the bytes choose.
///
/// # Errors
///
/// The sentence of a finding.
pub(crate) fn play(bytes: &[u8]) -> Result<Ran, String> {
    run(&mut Play::new(Dice::of(bytes), false)?)
}

fn run(play: &mut Play) -> Result<Ran, String> {
    let count = FEWEST + play.dice.below(30);
    for _ in 0..count {
        play.one()?;
    }
    // A restart is no input.
    while play.given < FEWEST {
        play.one()?;
    }
    ends_well(&play.engine)?;
    Ok(Ran { inputs: play.given, bytes: play.bytes })
}

/// What the engine is given and what it answers, one line each as JSON, up to the finding if there is one.
pub fn retell(bytes: &[u8]) -> String {
    let mut play = match Play::new(Dice::of(bytes), false) {
        Ok(play) => play,
        Err(says) => return says,
    };
    play.story = Some(String::new());
    let end = run(&mut play).err().unwrap_or_else(|| String::from("no finding"));
    play.tell("finding", &end);
    play.story.unwrap_or_default()
}

impl Play {
    fn new(mut dice: Dice, is_honest: bool) -> Result<Self, String> {
        let config = settings(&mut dice, true);
        let engine =
            Engine::new(config).map_err(|error| format!("a preset is refused: {error}"))?;
        let workers: Vec<Worker> =
            (1..=2 + dice.below(4) as u64).map(|id| worker(id, &mut dice)).collect();
        let count = workers.len();
        let tasks: Vec<Task> =
            (1..=1 + dice.below(8) as u64).map(|id| task(id, count, &mut dice)).collect();
        let groups = if dice.chance(30) { vec![group(&tasks, &mut dice)] } else { Vec::new() };
        Ok(Self {
            dice,
            engine,
            now: 1_000_000,
            workers,
            tasks,
            groups,
            commands: Vec::new(),
            reports: Vec::new(),
            saves: Vec::new(),
            log: None,
            story: None,
            is_honest,
            given: 0,
            bytes: 0,
        })
    }

    fn one(&mut self) -> Result<(), String> {
        match self.dice.below(20) {
            0..=9 => {
                let snapshot = self.snapshot();
                self.give(Input::Tick(snapshot))
            }
            10..=15 => match self.report() {
                Some(report) => self.give(Input::Report(report)),
                None => self.one(),
            },
            16 | 17 => {
                let config = settings(&mut self.dice, self.is_honest);
                self.give(Input::Reconfigure(Box::new(config)))
            }
            _ if self.log.is_some() => self.one(),
            _ => self.resume(),
        }
    }

    /// So many inputs, as they were given.
    fn until(&mut self, count: usize) -> Result<Vec<Input>, String> {
        while self.log.as_ref().is_some_and(|log| log.len() < count) {
            self.one()?;
        }
        Ok(self.log.replace(Vec::new()).unwrap_or_default())
    }

    fn give(&mut self, input: Input) -> Result<(), String> {
        self.saves.push(self.engine.state().clone());
        self.given += 1;
        self.bytes += serde_json::to_string(&input).map_or(0, |text| text.len());
        self.tell("given", &input);
        let before = self.story.is_some().then(|| self.engine.clone());
        let output = step(&mut self.engine, &input, true).inspect_err(|_| {
            if let Some(mut engine) = before {
                self.tell("answer", &engine.apply(&input));
            }
        })?;
        self.tell("answer", &output);
        let commands = match output {
            Output::Outcome(outcome) => outcome.commands,
            Output::Reply(reply) => reply.commands,
            Output::Stale(stale) => stale.commands,
            _ => Vec::new(),
        };
        commands.iter().for_each(|command| self.obey(command));
        if let Some(log) = &mut self.log {
            log.push(input);
        }
        Ok(())
    }

    fn tell(&mut self, what: &str, value: &impl Serialize) {
        let Some(story) = &mut self.story else { return };
        story.extend([what, " ", &json!(value).to_string(), "\n"]);
    }

    /// The command is on its way, and its task is shown so.
    fn obey(&mut self, command: &Command) {
        self.commands.push(*command);
        let since = Timestamp::from_millis(self.now);
        let migration = command.migration;
        let Some(task) = self.tasks.iter_mut().find(|task| task.id == command.task) else { return };
        let from = match task.placement {
            Placement::On(worker) => Some(worker),
            Placement::Moving { from, .. } => from,
            _ => None,
        };
        let moving = |to, phase| Placement::Moving { migration, from, to, phase, since };
        task.placement = match command.action {
            Action::Release { to, .. } => moving(to, Phase::Releasing),
            Action::Assign { to, .. } | Action::Place { to, .. } => moving(to, Phase::Assigned),
            Action::Requeue => Placement::Unplaced,
            _ => return,
        };
    }

    fn snapshot(&mut self) -> Snapshot {
        let steps = [1, 1_000, 5_000, 30_000, 30_000, 30_000, 61_000, 700_000];
        let is_stale = !self.is_honest && self.dice.chance(5);
        self.now += if is_stale { 0 } else { self.dice.pick(&steps).unwrap_or(30_000) };
        let mut builder = Snapshot::builder(Timestamp::from_millis(self.now));
        if self.dice.chance(15) {
            builder = builder.partial();
        }
        for at in 0..self.workers.len() {
            let worker = self.measured(at);
            if self.dice.chance(95) {
                builder = builder.worker(worker);
            }
        }
        for task in &self.tasks {
            if self.dice.chance(97) {
                builder = builder.task(task.clone());
            }
        }
        if self.dice.chance(25) {
            builder = builder.reports(self.reports.drain(..));
        }
        builder.groups(self.groups.clone()).build()
    }

    fn measured(&mut self, at: usize) -> Worker {
        let id = self.workers[at].id;
        let here = self.tasks.iter().filter(|task| task.placement == Placement::On(id));
        let used: f64 = here.filter_map(|task| task.demand.get(ResourceId::CPU)).sum();
        let noise = self.dice.pick(&[0.7, 0.9, 1.0, 1.0, 1.1]).unwrap_or(1.0);
        if self.dice.chance(5) {
            let stances =
                [Stance::Accept, Stance::Accept, Stance::Hold, Stance::Drain, Stance::Offline];
            self.workers[at].stance = self.dice.pick(&stances).unwrap_or_default();
        }
        let mut worker = self.workers[at].clone().with_used(ResourceId::CPU, used * noise);
        if !self.is_honest && self.dice.chance(3) {
            let value = self.dice.pick(HOSTILE).unwrap_or(f64::NAN);
            worker = match self.dice.below(4) {
                0 => worker.with_used(ResourceId::CPU, value),
                1 => worker.with_capacity(ResourceId::CPU, value),
                2 => worker.with_power_watts(value),
                _ => worker.with_bandwidth_bytes_per_second(value),
            };
        }
        worker
    }

    /// What a worker says of the last command for some task, or something else.
    fn report(&mut self) -> Option<Report> {
        let command = self.dice.pick(&self.commands)?;
        let Command { migration, task, action, .. } = command;
        let worker = WorkerId::new(1 + self.dice.below(self.workers.len() + 1) as u64);
        let natural = match action {
            Action::Release { .. } | Action::Stop { .. } => Event::Released { migration },
            Action::Assign { .. } | Action::Place { .. } | Action::Start { .. } => {
                Event::Running { migration }
            }
            Action::Evict { .. } | Action::RequeueFor { .. } => {
                Event::Diverted { migration, worker, task }
            }
            _ => Event::Refused { migration },
        };
        let event = if self.dice.chance(75) { natural } else { self.any(migration, worker, task) };
        self.show(task, &action, event);
        let offset = self.dice.pick(&[0, 0, 0, 500, 20_000, 3_600_000]).unwrap_or(0);
        let at =
            if self.dice.chance(80) { self.now + offset } else { self.now.saturating_sub(offset) };
        self.now += 1;
        let report = Report::new(Timestamp::from_millis(at), event);
        self.reports.push(report);
        Some(report)
    }

    fn any(&mut self, migration: MigrationId, worker: WorkerId, task: TaskId) -> Event {
        match self.dice.below(6) {
            0 => Event::Released { migration },
            1 => Event::Running { migration },
            2 => Event::Failed { migration },
            3 => Event::Refused { migration },
            4 => Event::Aborted { migration },
            _ => Event::Diverted { migration, worker, task },
        }
    }

    fn show(&mut self, task: TaskId, action: &Action, event: Event) {
        let since = Timestamp::from_millis(self.now);
        let Some(task) = self.tasks.iter_mut().find(|it| it.id == task) else { return };
        task.placement = match (event, *action, task.placement) {
            (Event::Released { migration }, _, Placement::Moving { from, to, .. }) => {
                Placement::Moving { migration, from, to, phase: Phase::Released, since }
            }
            (Event::Running { .. }, Action::Assign { to, .. } | Action::Place { to, .. }, _) => {
                Placement::On(to)
            }
            (Event::Diverted { worker, .. }, _, _) => Placement::On(worker),
            _ => return,
        };
    }

    /// The engine dies; another one goes on from a saved state, in the next epoch.
    fn resume(&mut self) -> Result<(), String> {
        let state = self.dice.pick(&self.saves).unwrap_or_else(|| self.engine.state().clone());
        let epoch = Epoch::new(self.engine.state().epoch().raw() + 1);
        let text = serde_json::to_string(&state).map_err(|error| error.to_string())?;
        let read = serde_json::from_str::<State>(&text)
            .map_err(|error| format!("the state cannot be read back: {error}"))?;
        let config = self.engine.config().clone();
        self.tell("resumed", &state);
        self.engine = Engine::resume(config, read, epoch)
            .map_err(|error| format!("its own state is refused: {error}"))?;
        Ok(())
    }
}

fn worker(id: u64, dice: &mut Dice) -> Worker {
    let cores = dice.pick(&[4.0, 8.0, 8.0, 16.0]).unwrap_or(8.0);
    Worker::new(WorkerId::new(id)).with_capacity(ResourceId::CPU, cores)
}

fn task(id: u64, workers: usize, dice: &mut Dice) -> Task {
    let first = dice.chance(60);
    let on = if first { 1 } else { 1 + dice.below(workers) as u64 };
    let task = Task::new(TaskId::new(id))
        .with_demand(ResourceId::CPU, dice.pick(&[0.5, 1.0, 2.0, 3.0]).unwrap_or(1.0))
        .with_overlaps(dice.chance(20));
    if dice.chance(90) { task.on(WorkerId::new(on)) } else { task }
}

fn group(tasks: &[Task], dice: &mut Dice) -> Group {
    let rules = [GroupRule::Affinity, GroupRule::AntiAffinity, GroupRule::Gang];
    let members = tasks.iter().take(3).map(|task| task.id).collect();
    Group::new(GroupId::new(1), dice.pick(&rules).unwrap_or(GroupRule::Gang), members)
}

/// A preset with a few other values, which may be impossible unless the settings must be `sound`.
fn settings(dice: &mut Dice, sound: bool) -> Config {
    let presets = [Config::default(), Config::default(), Config::reference(), Config::fixed()];
    let mut config = dice.pick(&presets).unwrap_or_default();
    let hosts =
        [HostAbility::Release, HostAbility::Overlap, HostAbility::Evict(Eviction::default())];
    let timeout = dice.pick(&[30, 60, 600]).unwrap_or(60);
    if let Some(limits) = &mut config.migration {
        limits.host = dice.pick(&hosts).unwrap_or_default();
        limits.timeout = Duration::from_secs(timeout);
        limits.per_target = dice.pick(&[1, 2, 3, 4]).and_then(NonZeroU32::new);
    }
    if dice.chance(10) {
        config.mode = dice.pick(&[Mode::Observe, Mode::Advise]).unwrap_or_default();
    }
    if dice.chance(20) {
        config.stability = Some(Stability::default());
    }
    if !sound && dice.chance(30) {
        let value = dice.pick(HOSTILE).unwrap_or(f64::NAN);
        match dice.below(3) {
            0 => config.thresholds.high = value,
            1 => config.thresholds.low = value,
            _ => config.performance_window = Duration::MAX,
        }
    }
    config
}

/// Writes the logs of the corpus: what an honest host and its engine say to each other.
///
/// # Errors
///
/// A file cannot be written.
pub fn write_corpus() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let logs: Vec<Logged> = (100..).filter_map(|seed| logged(seed).ok()).take(3).collect();
    for target in [Target::Snapshot, Target::Config, Target::State] {
        for (nth, log) in logs.iter().enumerate() {
            let folder = root.join(target.name());
            fs::create_dir_all(&folder)?;
            fs::write(folder.join(format!("log-{nth}.json")), log.of(target).to_string())?;
        }
    }
    let folder = root.join(Target::Pipe.name());
    fs::create_dir_all(&folder)?;
    for (nth, log) in logs.iter().enumerate() {
        let lines: Vec<String> =
            log.inputs.iter().chain(&log.rest).map(|it| json!(it).to_string()).collect();
        fs::write(folder.join(format!("log-{nth}.jsonl")), lines.join("\n"))?;
    }
    Ok(())
}

struct Logged {
    config: Config,
    inputs: Vec<Input>,
    state: State,
    rest: Vec<Input>,
}

impl Logged {
    fn of(&self, target: Target) -> serde_json::Value {
        match target {
            Target::State => {
                json!({"config": self.config, "state": self.state, "inputs": self.rest})
            }
            _ => json!({"config": self.config, "inputs": self.inputs}),
        }
    }
}

/// What a host of this seed has to say; nothing if no migration is under way after its first rounds.
fn logged(seed: u64) -> Result<Logged, String> {
    let mut play = Play::new(Dice::new(seed), true)?;
    let config = play.engine.config().clone();
    play.log = Some(Vec::new());
    let inputs = play.until(FEWEST + 2)?;
    if play.engine.state().in_flight() == 0 || play.workers.len() > 3 {
        return Err(String::from("nothing is under way, or it is too large"));
    }
    let state = play.engine.state().clone();
    let rest = play.until(FEWEST)?;
    Ok(Logged { config, inputs, state, rest })
}
