//! What comes of a plan?

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use super::books::{Books, Change};
use super::door::HostUnderTest;
use super::duty::{Breach, Duty, breach};
use super::plan::{HostOperation, HostPlan, HostStart};
use crate::config::Config;
use crate::engine::Engine;
use crate::model::ids::{Epoch, MigrationId, TaskId, WorkerId};
use crate::model::time::Timestamp;
use crate::outcome::{Command, Ended};
use crate::snapshot::{Coverage, Event, Placement, Report, Snapshot, Stance};

/// Rounds after the last operation, half a minute apart, in which everything calms down.
const CALM_ROUNDS: usize = 24;
const CALM: Duration = Duration::from_secs(30);
/// What passes before each operation.
const SECOND: Duration = Duration::from_secs(1);

/// A plan being played against a host.
pub(super) struct Play<'a, H> {
    host: &'a mut H,
    config: Config,
    engine: Engine,
    epoch: u32,
    now: Timestamp,
    /// The moment of the last snapshot.
    last: Option<Timestamp>,
    /// The workers that have not crashed.
    present: BTreeSet<WorkerId>,
    workers: Vec<WorkerId>,
    drained: Option<WorkerId>,
    books: BTreeMap<TaskId, Books>,
    /// What happens, line by line.
    pub(super) story: Vec<String>,
    pub(super) commands: u64,
    pub(super) begun: BTreeSet<MigrationId>,
}

impl<'a, H: HostUnderTest> Play<'a, H> {
    pub(super) fn new(start: &HostStart, host: &'a mut H) -> Result<Self, Breach> {
        let config = start.config();
        let engine = Engine::new(config.clone())
            .map_err(|errors| breach(Duty::Snapshots, errors.to_string()))?;
        let books = start.tasks.iter().map(|task| (task.id, Books::new(task.id, start.timeout)));
        let workers: Vec<WorkerId> = start.workers.iter().map(|worker| worker.id).collect();
        let mut play = Self {
            host,
            config,
            engine,
            epoch: 0,
            now: start.at,
            last: None,
            present: workers.iter().copied().collect(),
            workers,
            drained: None,
            books: books.collect(),
            story: Vec::new(),
            commands: 0,
            begun: BTreeSet::new(),
        };
        play.host.set_time(play.now);
        for task in &start.tasks {
            let books = play.books.get_mut(&task.id);
            let copies = play.host.copies(task.id);
            if task.placement != copies.first().map_or(Placement::Unplaced, |it| Placement::On(*it))
            {
                let says = format!("a new host does not run {} where the plan says", task.id);
                return Err(breach(Duty::Snapshots, says));
            }
            books.into_iter().for_each(|books| books.copies.clone_from(&copies));
        }
        Ok(play)
    }

    /// Plays all operations; then everything calms down.
    pub(super) fn play(&mut self, plan: &HostPlan) -> Result<(), Breach> {
        for (at, operation) in plan.operations.iter().enumerate() {
            self.story.push(format!("{}. {operation}", at + 1));
            self.step(*operation)?;
        }
        self.story.push(String::from("then all workers are back and do what they are told"));
        self.calm()
    }

    fn step(&mut self, operation: HostOperation) -> Result<(), Breach> {
        self.wait(SECOND);
        match operation {
            HostOperation::Round => self.round(),
            HostOperation::Settle => self.settle(),
            HostOperation::Work(worker) => self.work(worker),
            HostOperation::Tell(task) => self.tell(task, false),
            HostOperation::TellTwice(task) => self.tell(task, true),
            HostOperation::Lose(task) => {
                self.books.get_mut(&task).and_then(|books| books.mail.pop_front());
                Ok(())
            }
            HostOperation::Drain(task) => {
                if let Some(worker) = self.books.get(&task).and_then(|it| it.copies.first()) {
                    self.drained = Some(*worker);
                }
                Ok(())
            }
            HostOperation::Wait(span) => {
                self.wait(span);
                Ok(())
            }
            HostOperation::Repeat(task) => self.repeat(task),
            HostOperation::Late(task) => self.late(task),
            HostOperation::Abort(task) => self.abort(task),
            HostOperation::Fail(worker) => {
                self.host.fail(worker);
                self.look(Change::Host)
            }
            HostOperation::Crash(worker) => self.crash(worker),
            HostOperation::Revive(worker) => self.revive(worker),
            HostOperation::Schedule => {
                self.host.schedule();
                self.look(Change::Scheduler)
            }
            HostOperation::Restart => self.restart(true),
            HostOperation::RestartUnsent => {
                self.tick()?;
                self.wait(SECOND);
                self.restart(true)
            }
            HostOperation::RestartBlank => self.restart(false),
        }
    }

    fn wait(&mut self, span: Duration) {
        self.now = self.now.after(span);
        self.host.set_time(self.now);
    }

    fn note(&mut self, line: &str) {
        self.story.push(format!("     {line}"));
    }

    // ------------------------------------------------------------ the engine

    fn round(&mut self) -> Result<(), Breach> {
        let commands = self.tick()?;
        self.pass_on(&commands)
    }

    /// A round; the host does not have the commands yet.
    fn tick(&mut self) -> Result<Vec<Command>, Breach> {
        let snapshot = self.collect()?;
        self.judge(&snapshot)?;
        (self.last, self.now) = (Some(snapshot.at()), self.now.max(snapshot.at()));
        match self.engine.tick(&self.drained(snapshot)) {
            Ok(outcome) => {
                self.hear(&outcome.commands, &outcome.ended);
                Ok(outcome.commands)
            }
            Err(stale) => Err(breach(Duty::Snapshots, stale.to_string())),
        }
    }

    /// The snapshot, with one worker that is to be emptied.
    fn drained(&self, snapshot: Snapshot) -> Snapshot {
        let Some(drained) = self.drained else { return snapshot };
        let workers = snapshot.workers().iter().cloned().map(|worker| {
            let is_drained = worker.id == drained && worker.stance == Stance::Accept;
            if is_drained { worker.with_stance(Stance::Drain) } else { worker }
        });
        let mut builder = Snapshot::builder(snapshot.at())
            .workers(workers)
            .tasks(snapshot.tasks().iter().cloned())
            .groups(snapshot.groups().iter().cloned())
            .freezes(snapshot.freezes().iter().copied())
            .classes(snapshot.classes().iter().cloned())
            .reports(snapshot.reports().iter().copied());
        if snapshot.coverage() == Coverage::Partial {
            builder = builder.partial();
        }
        builder.build()
    }

    /// What the engine says.
    fn hear(&mut self, commands: &[Command], ended: &[Ended]) {
        for over in ended {
            self.note(&format!("ended: {over}"));
            let books = self.books.get_mut(&over.task);
            books.into_iter().for_each(|books| books.ended(over.migration));
        }
        self.host.ended(ended);
        for command in commands.iter().filter(|command| command.action.begins().is_some()) {
            self.begun.insert(command.migration);
        }
    }

    /// The host gets commands, one after the other.
    fn pass_on(&mut self, commands: &[Command]) -> Result<(), Breach> {
        for command in commands {
            self.commands += 1;
            self.note(&command.to_string());
            if let Some(books) = self.books.get_mut(&command.task) {
                books.hear(command, self.now);
            }
            let error = self.host.execute(command).err();
            self.look(Change::Host)?;
            if let Some(error) = error {
                self.note(&format!("the host cannot start it: {error:?}"));
                let event = Event::Failed { migration: command.migration };
                self.take(Report::new(self.now, event))?;
            }
        }
        Ok(())
    }

    fn tell(&mut self, task: TaskId, again: bool) -> Result<(), Breach> {
        let Some(mail) = self.books.get_mut(&task).map(|books| &mut books.mail) else {
            return Ok(());
        };
        let Some(report) = (if again { mail.front().copied() } else { mail.pop_front() }) else {
            return Ok(());
        };
        self.note(&format!("report of {}: {}", report.at, report.event));
        self.report(&report)
    }

    fn report(&mut self, report: &Report) -> Result<(), Breach> {
        let reply = self.engine.report(report);
        self.hear(&reply.commands, &reply.ended);
        self.pass_on(&reply.commands)
    }

    fn repeat(&mut self, task: TaskId) -> Result<(), Breach> {
        let Some(last) = self.books.get(&task).and_then(Books::last) else { return Ok(()) };
        let is_last = |it: &Command| (it.migration, it.action) == (last.migration, last.action);
        match self.engine.outstanding().into_iter().find(is_last) {
            Some(command) => self.pass_on(&[command]),
            None => Ok(()),
        }
    }

    fn late(&mut self, task: TaskId) -> Result<(), Breach> {
        let Self { books, present, .. } = self;
        let found = books.get(&task);
        let found = found.and_then(|books| books.harmful(|worker| present.contains(&worker)));
        let Some(command) = found else { return Ok(()) };
        self.note(&command.to_string());
        let before = self.placement(task)?;
        if let Some(books) = self.books.get_mut(&task) {
            books.hear(&command, self.now);
        }
        // That such a command cannot be started is as good as ignoring it.
        let _ = self.host.execute(&command);
        self.look(Change::Host)?;
        let after = self.placement(task)?;
        match self.books.get(&task) {
            Some(books) => books.is_unmoved(&command, before, after),
            None => Ok(()),
        }
    }

    /// Where the host would show a task now; the engine does not get the snapshot.
    fn placement(&mut self, task: TaskId) -> Result<Option<Placement>, Breach> {
        let snapshot = self.collect()?;
        snapshot.reports().iter().try_for_each(|report| self.take(*report))?;
        Ok(snapshot.task(task).map(|record| record.placement))
    }

    fn collect(&mut self) -> Result<Snapshot, Breach> {
        match self.host.snapshot() {
            Ok(Some(snapshot)) => Ok(snapshot),
            Ok(None) => Err(breach(Duty::Snapshots, String::from("the source has ended"))),
            Err(error) => Err(breach(Duty::Snapshots, format!("no snapshot: {error:?}"))),
        }
    }

    fn abort(&mut self, task: TaskId) -> Result<(), Breach> {
        let about = |command: &Command| command.task == task;
        let Some(command) = self.engine.outstanding().into_iter().find(about) else {
            return Ok(());
        };
        let event = Event::Aborted { migration: command.migration };
        self.report(&Report::new(self.now, event))
    }

    /// Another life of the engine begins, with the saved state or without.
    fn restart(&mut self, is_saved: bool) -> Result<(), Breach> {
        self.epoch += 1;
        let (config, epoch) = (self.config.clone(), Epoch::new(self.epoch));
        let engine = if is_saved {
            Engine::resume(config, self.engine.state().clone(), epoch).map_err(|it| it.to_string())
        } else {
            Engine::in_epoch(config, epoch).map_err(|it| it.to_string())
        };
        self.engine = engine.map_err(|says| breach(Duty::Commands, says))?;
        self.host.restart();
        self.books.values_mut().for_each(|books| books.mail.clear());
        self.look(Change::Host)?;
        self.round()?;
        self.wait(SECOND);
        let outstanding = self.engine.outstanding();
        if !outstanding.is_empty() {
            self.note("what is outstanding is repeated:");
        }
        self.pass_on(&outstanding)
    }

    // ------------------------------------------------------------ the host

    fn work(&mut self, worker: WorkerId) -> Result<(), Breach> {
        self.host.work(worker);
        self.look(Change::Host)?;
        if !self.present.contains(&worker) {
            return Ok(());
        }
        let now = self.now;
        self.books.values_mut().try_for_each(|books| books.worked(worker, now))
    }

    fn crash(&mut self, worker: WorkerId) -> Result<(), Breach> {
        self.present.remove(&worker);
        self.host.crash(worker);
        self.books.values_mut().for_each(|books| books.crashed(worker));
        self.look(Change::Crash(worker))
    }

    fn revive(&mut self, worker: WorkerId) -> Result<(), Breach> {
        if !self.present.insert(worker) {
            return Ok(());
        }
        self.host.revive(worker);
        self.look(Change::Host)
    }

    /// Who runs what now, and what does the host report?
    fn look(&mut self, change: Change) -> Result<(), Breach> {
        let now = self.now;
        for (task, books) in &mut self.books {
            books.run_on(self.host.copies(*task), change, now)?;
        }
        for report in self.host.take_reports() {
            self.take(report)?;
        }
        Ok(())
    }

    /// Takes a report of the host, to be told later.
    fn take(&mut self, report: Report) -> Result<(), Breach> {
        let Some(migration) = report.event.migration() else {
            // How fast a worker is has nothing to do with commands.
            let _ = self.engine.report(&report);
            return Ok(());
        };
        if let Some(books) = self.books.values_mut().find(|books| books.knows(migration)) {
            return books.report(report);
        }
        let says = format!("`{}`, but no command names {migration}", report.event);
        Err(breach(Duty::Reports, says))
    }

    /// Whether a snapshot shows the truth.
    fn judge(&mut self, snapshot: &Snapshot) -> Result<(), Breach> {
        let wrong = |says: String| Err(breach(Duty::Snapshots, says));
        if self.last.is_some_and(|last| last >= snapshot.at()) {
            return wrong(format!("the snapshot of {} is not later than the last", snapshot.at()));
        }
        if let Some(bad) = snapshot.bad_records().first() {
            return wrong(format!("a snapshot has a bad record: {bad}"));
        }
        let is_partial = snapshot.coverage() == Coverage::Partial;
        for &worker in &self.workers {
            let stance = snapshot.worker(worker).map(|record| record.stance);
            let is_there = stance.is_some_and(|stance| stance != Stance::Offline);
            match (self.present.contains(&worker), is_there) {
                (true, false) if !is_partial => {
                    return wrong(format!("{worker} is present, and a snapshot does not show it"));
                }
                (false, true) => {
                    let says = format!("{worker} has crashed, and a snapshot shows it as present");
                    return Err(breach(Duty::Gone, says));
                }
                _ => {}
            }
        }
        for (&task, books) in &self.books {
            match snapshot.task(task) {
                Some(record) => books.shown(record.placement, self.now)?,
                None if is_partial => {}
                None => return wrong(format!("a snapshot does not list {task}")),
            }
        }
        snapshot.reports().iter().try_for_each(|report| self.take(*report))
    }

    // ------------------------------------------------------------ the end

    /// Everybody acts and every report is told, until nothing is on its way.
    fn settle(&mut self) -> Result<(), Breach> {
        // A migration has a bounded number of attempts, so this ends by itself, unless the host reports for ever.
        for _ in 0..200 {
            for worker in self.workers.clone() {
                self.work(worker)?;
            }
            let Some(task) = self.books.iter().find(|(_, books)| !books.mail.is_empty()) else {
                return Ok(());
            };
            let task = *task.0;
            self.wait(SECOND);
            self.tell(task, false)?;
        }
        Ok(())
    }

    fn calm(&mut self) -> Result<(), Breach> {
        let since = self.begun.clone();
        for worker in self.workers.clone() {
            self.wait(SECOND);
            self.revive(worker)?;
        }
        self.drained = None;
        for _ in 0..CALM_ROUNDS {
            self.settle()?;
            self.wait(CALM);
            self.round()?;
            self.host.schedule();
            self.look(Change::Scheduler)?;
        }
        self.is_at_rest(&since)
    }

    /// Every task runs or is with the scheduler, and every migration has ended.
    fn is_at_rest(&mut self, since: &BTreeSet<MigrationId>) -> Result<(), Breach> {
        let minutes = CALM_ROUNDS as u64 * CALM.as_secs() / 60;
        for (task, books) in &self.books {
            if books.copies.is_empty() && !books.is_given_back() {
                let says =
                    format!("{task} is lost: no worker runs it after {minutes} quiet minutes");
                return Err(breach(Duty::Commands, says));
            }
        }
        match self.engine.outstanding().iter().find(|command| since.contains(&command.migration)) {
            Some(command) => {
                let says =
                    format!("after {minutes} quiet minutes this is still to be done: {command}");
                Err(breach(Duty::Commands, says))
            }
            None => Ok(()),
        }
    }
}
