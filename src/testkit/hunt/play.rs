//! What comes of a schedule?

use core::time::Duration;
use std::format;
use std::rc::Rc;
use std::string::{String, ToString};
use std::vec::Vec;

use super::bounds::{Census, Limits};
use super::job::{Breach, Deed, Letter};
use super::judge::Judge;
use super::ledger::Ledger;
use super::schedule::{Kind, Pick, Schedule, Sight, Step};
use super::setup::Setup;
use super::world::World;
use crate::config::Config;
use crate::engine::Engine;
use crate::model::ids::{Epoch, MigrationId, TaskId};
use crate::model::time::Timestamp;
use crate::outcome::{Action, Command, Ended};
use crate::snapshot::{Coverage, Event, Placement, Report, Snapshot};
use crate::state::State;

/// Rounds after the last step, half a minute apart, in which everything calms down.
pub(super) const CALM_ROUNDS: usize = 24;
const CALM_MILLIS: u64 = 30_000;
/// A task that has moved may move again for evenness alone after 12 cooldowns: within so many everything is over.
const LONGEST_COOLDOWNS: u32 = 13;
/// The ages of saved states that an engine may go on from.
const SAVES: usize = 16;

/// A state that was saved, and how much was remembered then.
pub(super) struct Save {
    pub(super) state: State,
    pub(super) remembered: usize,
}

/// A schedule being played.
#[derive(Clone)]
pub(super) struct Play {
    pub(super) world: World,
    config: Config,
    pub(super) engine: Engine,
    pub(super) epoch: u32,
    /// The last states, the newest last.
    pub(super) saves: Vec<Rc<Save>>,
    pub(super) kept: Option<Snapshot>,
    /// Commands that are not passed on within this time are dropped.
    patience: Duration,
    /// Whether the host has yet to repeat what was outstanding: until it has shown everything.
    pub(super) owes_repeats: bool,
    /// What it has repeated in this life.
    pub(super) repeated: Vec<(MigrationId, Action)>,
    pub(super) judge: Judge,
    ledger: Ledger,
    limits: Limits,
    census: Census,
    /// Rounds that it takes until nothing may begin any more; `None` if this is not judged.
    until_silent: Option<u128>,
    /// What happens, line by line, if anybody wants to read it.
    pub(super) story: Option<Vec<String>>,
    pub(super) rounds: u64,
    pub(super) commands: u64,
}

impl Play {
    pub(super) fn new(setup: &Setup) -> Result<Self, String> {
        let config = setup.settings.config();
        let engine = Engine::new(config.clone()).map_err(|errors| errors.to_string())?;
        let cooldown = config.stability.map(|stability| stability.cooldown).unwrap_or_default();
        let ledger = Ledger::new(config.grace);
        let longest = cooldown.saturating_mul(LONGEST_COOLDOWNS).as_millis();
        let until_silent = longest.div_ceil(u128::from(CALM_MILLIS));
        let census = Census { tasks: setup.tasks.len(), workers: setup.workers.len() };
        Ok(Self {
            limits: Limits::of(&config),
            census,
            // A scheduler that follows no hint has every task evicted again for what it does itself.
            until_silent: Some(until_silent)
                .filter(|_| setup.settings.falls_silent && !setup.settings.evicts),
            world: World::new(setup),
            config,
            engine,
            epoch: 0,
            saves: Vec::new(),
            kept: None,
            patience: Duration::from_secs(setup.settings.timeout),
            owes_repeats: false,
            repeated: Vec::new(),
            judge: Judge::new(cooldown),
            ledger,
            story: None,
            rounds: 0,
            commands: 0,
        })
    }

    pub(super) const fn migrations(&self) -> u64 {
        self.judge.migrations
    }

    pub(super) fn step(&mut self, step: Step) -> Result<(), Breach> {
        self.world.wait(1);
        self.note(|play| format!("{} {step:?}", play.world.now));
        match step {
            Step::Wait(millis) => self.world.wait(millis),
            Step::Tick(sight) => {
                let snapshot = self.world.show(sight);
                return self.tick(&snapshot);
            }
            Step::Look(sight) => self.kept = Some(self.world.snapshot(sight)),
            Step::Show => {
                let in_time = self.world.now.before(self.config.check_interval / 2);
                if let Some(snapshot) = self.kept.take().filter(|it| it.at() > in_time) {
                    return self.tick(&snapshot);
                }
            }
            Step::Deliver(task) => return self.deliver(task, false),
            Step::Lose(task) => return self.deliver(task, true),
            Step::Repeat(task) => return self.repeat(task),
            Step::Tell(task, pick) => return self.tell(task, pick),
            Step::Restart(age) => return self.restart(age),
            step => self.happen(step),
        }
        Ok(())
    }

    /// What happens on workers and to records.
    fn happen(&mut self, step: Step) {
        let at = self.world.now;
        match step {
            Step::Work(task) => self.work(task, Deed::Done),
            Step::Refuse(task) => self.work(task, Deed::Refused),
            Step::Fail(task) => self.work(task, Deed::Failed),
            Step::Drop(task) => {
                self.world.job(task).and_then(|job| job.mail.pop_front());
            }
            Step::Abort(task) => {
                if let Some(job) = self.world.job(task)
                    && let Placement::Moving { migration, .. } = job.task.placement
                {
                    job.mail.push_back(Report::new(at, Event::Aborted { migration }));
                }
            }
            Step::Crash(worker) => self.world.crash(worker),
            Step::Return(worker) => self.world.revive(worker),
            Step::Stance(worker, stance) => {
                if let Some(machine) = self.world.machine(worker) {
                    machine.worker.stance = stance;
                }
            }
            Step::Load(task, permille) => {
                if let Some(job) = self.world.job(task) {
                    job.use_permille = permille;
                }
            }
            Step::Start(task, worker) => self.world.start(task, worker),
            Step::End(task) => {
                if let Some(job) = self.world.job(task) {
                    job.end();
                }
            }
            _ => {}
        }
    }

    fn work(&mut self, task: TaskId, deed: Deed) {
        let at = self.world.now;
        if let Some(job) = self.world.job(task) {
            job.work(deed, at);
        }
    }

    fn save(&mut self) -> Result<(), Breach> {
        self.census.bounds(self.engine.state())?;
        let (state, remembered) = (self.engine.state().clone(), self.judge.remembered());
        if self.saves.len() == SAVES {
            self.saves.remove(0);
        }
        self.saves.push(Rc::new(Save { state, remembered }));
        Ok(())
    }

    fn note(&mut self, line: impl FnOnce(&Self) -> String) {
        if self.story.is_some() {
            let line = line(self);
            self.story.get_or_insert_default().push(line);
        }
    }

    fn tick(&mut self, snapshot: &Snapshot) -> Result<(), Breach> {
        self.rounds += 1;
        self.note(|_| told(snapshot));
        self.judge.see(snapshot);
        match self.engine.tick(snapshot) {
            Ok(outcome) => {
                let ways = self.judge.ways();
                let is_known = |migration| self.judge.knows(migration);
                self.limits.judge(ways, is_known, snapshot, &outcome.commands, &outcome.ended)?;
                self.hear(snapshot.at(), &outcome.commands, &outcome.ended)?;
                if self.owes_repeats {
                    self.ledger.hear(&self.goes_on_with(&outcome.commands), &[]);
                }
                self.ledger.judge(snapshot, &outcome.commands, &outcome.ended)?;
                if self.owes_repeats {
                    self.repeat_outstanding(snapshot);
                }
                Ok(())
            }
            Err(stale) => {
                snapshot.reports().iter().for_each(|report| self.ledger.tell(report));
                self.ledger.hear(&stale.commands, &stale.ended);
                self.hear(snapshot.at(), &stale.commands, &stale.ended)
            }
        }
    }

    /// What a later life goes on with, beside these new commands.
    fn goes_on_with(&self, commands: &[Command]) -> Vec<Command> {
        let is_new = |other: &Command| commands.iter().any(|it| it.migration == other.migration);
        let mut outstanding = self.engine.outstanding();
        outstanding.retain(|command| !is_new(command));
        outstanding
    }

    /// After a restart: whatever is outstanding, once, until a snapshot has shown everything.
    fn repeat_outstanding(&mut self, snapshot: &Snapshot) {
        let mut outstanding = self.engine.outstanding();
        outstanding.retain(|command| {
            let order = (command.migration, command.action);
            let is_new = !self.repeated.contains(&order);
            self.repeated.push(order);
            is_new
        });
        self.owes_repeats = snapshot.coverage() == Coverage::Partial;
        self.note(|_| format!("  repeats {} outstanding", outstanding.len()));
        self.ledger.hear(&outstanding, &[]);
        self.send(snapshot.at(), &outstanding, true);
    }

    /// The engine has said something: it is saved, judged, and sent.
    fn hear(&mut self, at: Timestamp, commands: &[Command], ended: &[Ended]) -> Result<(), Breach> {
        self.note(|_| {
            let commands = commands.iter().map(|command| format!("\n    {command}"));
            let ended = ended.iter().map(|ended| format!("\n    ended: {ended}"));
            commands.chain(ended).collect()
        });
        self.judge.hear(self.world.now, commands, ended)?;
        self.save()?;
        self.send(at, commands, false);
        Ok(())
    }

    fn send(&mut self, written: Timestamp, commands: &[Command], repeats: bool) {
        self.commands += commands.len() as u64;
        for &command in commands {
            if let Some(job) = self.world.job(command.task) {
                job.post.push_back(Letter { command, written, repeats, is_void: false });
            }
        }
    }

    fn deliver(&mut self, task: TaskId, is_lost: bool) -> Result<(), Breach> {
        let patience = self.patience;
        let carried = self.world.with_job(task, is_lost, |job, passing| {
            let mut letter = job.post.pop_front()?;
            letter.is_void |= letter.written.after(patience) < passing.at;
            Some(job.carry_out(&letter, passing))
        });
        carried.flatten().unwrap_or(Ok(()))
    }

    fn repeat(&mut self, task: TaskId) -> Result<(), Breach> {
        let carried = self.world.with_job(task, false, |job, passing| {
            let letter = Letter { repeats: true, ..job.last_letter? };
            Some(job.carry_out(&letter, passing))
        });
        carried.flatten().unwrap_or(Ok(()))
    }

    fn tell(&mut self, task: TaskId, pick: Pick) -> Result<(), Breach> {
        let Some(job) = self.world.job(task) else { return Ok(()) };
        let report = match pick {
            Pick::Oldest => job.mail.pop_front(),
            Pick::Newest => job.mail.pop_back(),
            Pick::Twice => job.mail.front().copied(),
        };
        let Some(report) = report else { return Ok(()) };
        self.note(|_| format!("  report of {}: {}", report.at, report.event));
        let reply = self.engine.report(&report);
        self.judge.tell(&report);
        self.ledger.tell(&report);
        self.ledger.hear(&reply.commands, &reply.ended);
        self.hear(report.at, &reply.commands, &reply.ended)
    }

    fn restart(&mut self, age: usize) -> Result<(), Breach> {
        self.epoch += 1;
        let epoch = Epoch::new(self.epoch);
        self.world.jobs.iter_mut().for_each(|job| job.post.clear());
        self.kept = None;
        self.world.show_nothing();
        self.ledger.forget();
        self.owes_repeats = true;
        self.repeated.clear();
        let keep = self.saves.len().saturating_sub(age);
        self.saves.truncate(keep);
        let engine = if let Some(save) = self.saves.last() {
            self.judge.forget(save.remembered);
            Engine::resume(self.config.clone(), save.state.clone(), epoch)
                .map_err(|error| error.to_string())
        } else {
            self.judge.forget(0);
            Engine::in_epoch(self.config.clone(), epoch).map_err(|error| error.to_string())
        };
        let by = String::from("resume");
        self.engine = engine.map_err(|says| Breach { kind: Kind::NoStart, by, says })?;
        Ok(())
    }
}

impl Play {
    /// Everything calms down, and nobody is lost.
    fn calm(&mut self) -> Result<(), Breach> {
        let since = self.world.now;
        self.begin_to_calm()?;
        for _ in 0..CALM_ROUNDS {
            self.calm_round()?;
        }
        self.is_at_rest(since)?;
        let Some(rounds) = self.until_silent else { return Ok(()) };
        for _ in 0..rounds {
            self.calm_round()?;
        }
        self.judge.falls_silent(since);
        for _ in 0..rounds {
            self.calm_round()?;
        }
        self.census.forgets(self.engine.state())
    }

    pub(super) fn begin_to_calm(&mut self) -> Result<(), Breach> {
        self.world.calm();
        self.settle()
    }

    pub(super) fn calm_round(&mut self) -> Result<(), Breach> {
        self.world.wait(CALM_MILLIS);
        let snapshot = self.world.show(Sight::default());
        self.tick(&snapshot)?;
        self.settle()?;
        self.world.schedule();
        Ok(())
    }

    /// Whatever was begun before this moment has ended, and every task is somewhere.
    pub(super) fn is_at_rest(&self, since: Timestamp) -> Result<(), Breach> {
        self.judge.all_over(since)?;
        self.nobody_is_lost()
    }

    /// Every message arrives, and everybody does as he is told.
    fn settle(&mut self) -> Result<(), Breach> {
        let ids: Vec<TaskId> = self.world.jobs.iter().map(|job| job.task.id).collect();
        for id in ids {
            while let Some(step) = self.next(id) {
                self.step(step)?;
            }
        }
        Ok(())
    }

    fn next(&mut self, id: TaskId) -> Option<Step> {
        let job = self.world.job(id)?;
        if !job.post.is_empty() {
            Some(Step::Deliver(id))
        } else if !job.orders.is_empty() {
            Some(Step::Work(id))
        } else if !job.mail.is_empty() {
            Some(Step::Tell(id, Pick::Oldest))
        } else {
            None
        }
    }

    fn nobody_is_lost(&self) -> Result<(), Breach> {
        for job in self.world.jobs.iter().filter(|job| !job.has_ended) {
            let Placement::Moving { phase, from, .. } = job.task.placement else { continue };
            let kind = if job.is_held() { Kind::Stuck } else { Kind::Lost };
            let source = if from.is_none() { ", no source" } else { "" };
            let life = if self.epoch > 0 { ", after a restart" } else { "" };
            let by = format!("{phase}{source}{life}");
            let says = format!("{} is shown as {:?}", job.task.id, job.task.placement);
            return Err(Breach { kind, by, says });
        }
        Ok(())
    }
}

/// A snapshot in one line: what it says of tasks, and which workers it names.
fn told(snapshot: &Snapshot) -> String {
    let workers = snapshot.workers().iter();
    let workers = workers.map(|worker| format!(" {} {}", worker.id, worker.stance));
    let tasks = snapshot.tasks().iter();
    let tasks = tasks.map(|task| format!("\n    {} {:?}", task.id, task.placement));
    let reports = snapshot.reports().iter();
    let reports = reports.map(|report| format!("\n    report of {}: {}", report.at, report.event));
    let lines: String = workers.chain(tasks).chain(reports).collect();
    format!("  {snapshot}:{lines}")
}

/// What came of a schedule.
#[derive(Default)]
pub(super) struct Played {
    pub(super) rounds: u64,
    pub(super) commands: u64,
    pub(super) migrations: u64,
    /// The steps that were taken, the last of which broke the promise, if any did.
    pub(super) steps: Vec<Step>,
    pub(super) breach: Option<Breach>,
    /// Line by line, if that was asked for.
    pub(super) story: Vec<String>,
}

/// Plays steps as they are drawn, until there are no more or a promise is broken.
pub(super) fn play(
    setup: &Setup,
    is_told: bool,
    mut draw: impl FnMut(&World) -> Option<Step>,
) -> Played {
    let mut steps = Vec::new();
    let mut play = match Play::new(setup) {
        Ok(play) => play,
        Err(says) => {
            let breach = Breach { kind: Kind::NoStart, by: String::from("settings"), says };
            return Played { breach: Some(breach), ..Played::default() };
        }
    };
    play.story = is_told.then(Vec::new);
    let mut result = Ok(());
    while let Some(step) = draw(&play.world) {
        steps.push(step);
        result = play.step(step);
        if result.is_err() {
            break;
        }
    }
    let breach = result.and_then(|()| play.calm()).err();
    let (rounds, commands, migrations) = (play.rounds, play.commands, play.migrations());
    Played { rounds, commands, migrations, steps, breach, story: play.story.unwrap_or_default() }
}

/// Plays a schedule again.
pub(super) fn replay(schedule: &Schedule, is_told: bool) -> Played {
    let mut steps = schedule.steps.iter().copied();
    play(&schedule.setup, is_told, |_| steps.next())
}
