//! Where does a task really run, who was told what about it, and what does its host do with a command?

use std::collections::VecDeque;
use std::format;
use std::string::String;
use std::vec::Vec;

use serde::Serialize;

use super::schedule::Kind;
use crate::model::ids::{MigrationId, WorkerId};
use crate::model::time::Timestamp;
use crate::outcome::{Action, Command};
use crate::snapshot::{Event, Phase, Placement, Report, Task};

/// A broken promise, before anybody knows by which schedule.
#[derive(Clone, Debug)]
pub(super) struct Breach {
    pub(super) kind: Kind,
    pub(super) by: String,
    pub(super) says: String,
}

/// What a worker was asked to do, and has neither done nor refused.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Order {
    pub(super) worker: WorkerId,
    pub(super) migration: MigrationId,
    pub(super) ask: Ask,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum Ask {
    /// Save the state and let go.
    LetGo,
    /// Run it.
    Run,
    /// Stop it, since its copy runs elsewhere.
    Stop,
    /// Stop it, and leave it to the scheduler.
    Evict,
}

/// A command on its way from the engine to the host.
#[derive(Clone, Copy, Debug)]
pub(super) struct Letter {
    pub(super) command: Command,
    /// The moment of the snapshot or report that led to it.
    pub(super) written: Timestamp,
    /// Whether it may be the same order as the last one, and not a second one.
    pub(super) repeats: bool,
    /// Whether the worker that it is for has died since it was written: what is back is another one.
    pub(super) is_void: bool,
}

/// What becomes of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Done,
    Refused,
    Failed,
}

/// One task: the truth, and the host's books about it.
#[derive(Clone, Debug)]
pub(super) struct Job {
    /// As the host shows it.
    pub(super) task: Task,
    /// Whether a task that could not be placed is shown as released, and not as orphaned.
    keeps_moving: bool,
    /// What it uses, in thousandths of its demand.
    pub(super) use_permille: u32,
    /// The workers that run it.
    pub(super) runs: Vec<WorkerId>,
    /// The migration by which the last of them was told to.
    pub(super) run_by: Option<MigrationId>,
    pub(super) orders: Vec<Order>,
    /// Commands of earlier migrations are ignored.
    pub(super) fence: Option<MigrationId>,
    /// The last command that was carried out, and the answer to it.
    pub(super) last: Option<(MigrationId, Action)>,
    pub(super) answer: Option<Report>,
    /// By which migration it was evicted, until the scheduler has started it elsewhere.
    pub(super) evicted_by: Option<MigrationId>,
    /// Whether it has ended: nobody runs it or shows it any more, and commands come to nothing.
    pub(super) has_ended: bool,
    /// The last letter, in case it arrives again.
    pub(super) last_letter: Option<Letter>,
    /// Commands on their way to the host, in their order.
    pub(super) post: VecDeque<Letter>,
    /// Reports on their way to the engine.
    pub(super) mail: VecDeque<Report>,
}

impl Job {
    pub(super) fn new(task: Task, keeps_moving: bool) -> Self {
        let runs = match task.placement {
            Placement::On(worker) => Vec::from([worker]),
            _ => Vec::new(),
        };
        Self {
            task,
            keeps_moving,
            use_permille: 1_000,
            runs,
            run_by: None,
            orders: Vec::new(),
            fence: None,
            last: None,
            answer: None,
            evicted_by: None,
            has_ended: false,
            last_letter: None,
            post: VecDeque::new(),
            mail: VecDeque::new(),
        }
    }

    pub(super) fn is_on(&self, worker: WorkerId) -> bool {
        self.runs.contains(&worker)
    }

    /// A worker, other than these, that runs the task, or was told to run it and has not given up.
    fn holder(&self, but: &[WorkerId]) -> Option<WorkerId> {
        let told = self.orders.iter().filter(|order| order.ask == Ask::Run);
        let mut holders = self.runs.iter().copied().chain(told.map(|order| order.worker));
        holders.find(|worker| !but.contains(worker))
    }

    /// Whether it runs there, or the worker was told to run it.
    pub(super) fn is_reserved_on(&self, worker: WorkerId) -> bool {
        let is_asked = |order: &Order| order.ask == Ask::Run && order.worker == worker;
        !self.has_ended && (self.is_on(worker) || self.orders.iter().any(is_asked))
    }

    /// Whether it runs somewhere, or somebody was told to run it.
    pub(super) fn is_held(&self) -> bool {
        self.holder(&[]).is_some()
    }

    fn say(&mut self, at: Timestamp, event: Event) {
        let report = Report::new(at, event);
        self.answer = Some(report);
        self.mail.push_back(report);
    }

    fn show(&mut self, placement: Placement) {
        self.task.placement = placement;
    }

    /// On its way by this migration, in this phase, from now on.
    fn moving(&mut self, migration: MigrationId, to: WorkerId, phase: Phase, since: Timestamp) {
        let from = match self.task.placement {
            Placement::Moving { migration: same, from, .. } if same == migration => from,
            Placement::On(worker) => Some(worker),
            // An order of an earlier migration has not been carried out: whoever runs it is the source.
            _ => self.runs.first().copied(),
        };
        self.show(Placement::Moving { migration, from, to, phase, since });
    }

    /// Nobody holds it, or whoever runs it keeps it.
    fn kept(&mut self, migration: MigrationId, to: WorkerId, at: Timestamp) {
        if let Some(&worker) = self.runs.first() {
            self.show(Placement::On(worker));
            return;
        }
        self.moving(migration, to, Phase::Released, at);
        if !self.keeps_moving && self.source().is_none() {
            self.show(Placement::Orphaned);
        }
    }

    fn take_orders(&mut self, worker: WorkerId) -> Option<Order> {
        let order = self.orders.iter().find(|order| order.worker == worker).copied();
        self.orders.retain(|order| order.worker != worker);
        order
    }

    fn ask(&mut self, migration: MigrationId, worker: WorkerId, ask: Ask, how: &Passing<'_>) {
        self.take_orders(worker);
        if !how.is_lost && (how.is_alive)(worker) {
            self.orders.push(Order { worker, migration, ask });
        }
    }
}

/// How the host passes a command on.
pub(super) struct Passing<'a> {
    pub(super) at: Timestamp,
    /// Whether it is lost on its way from the host to the worker.
    pub(super) is_lost: bool,
    pub(super) is_alive: &'a dyn Fn(WorkerId) -> bool,
}

impl Job {
    /// The host carries out a command.
    pub(super) fn carry_out(&mut self, letter: &Letter, how: &Passing<'_>) -> Result<(), Breach> {
        let Command { migration, action, .. } = letter.command;
        if self.has_ended || self.fence.is_some_and(|fence| fence > migration) {
            return Ok(());
        }
        self.fence = Some(migration);
        if letter.is_void {
            return Ok(());
        }
        if letter.repeats && self.last.is_some_and(|last| is_same(last, (migration, action))) {
            self.mail.extend(self.answer);
            return Ok(());
        }
        (self.last, self.answer) = (Some((migration, action)), None);
        self.last_letter = Some(*letter);
        match action {
            Action::Release { from, to } => self.release(migration, from, to, how),
            Action::Assign { to, .. } | Action::Place { to, .. } => {
                return self.run(&letter.command, to, &[to], how);
            }
            Action::Start { from, to, .. } if self.task.overlaps => {
                return self.run(&letter.command, to, &[from, to], how);
            }
            Action::Stop { from } => self.stop(migration, from, how),
            Action::Evict { from, .. } => self.evict(migration, from, how),
            Action::Abort { worker } => self.abort(migration, worker, how),
            Action::Requeue => return self.requeue(&letter.command),
            _ => return Err(breach(Kind::Rule, &letter.command, "the host cannot do that")),
        }
        Ok(())
    }

    fn release(&mut self, migration: MigrationId, from: WorkerId, to: WorkerId, how: &Passing<'_>) {
        if self.is_on(from) {
            self.moving(migration, to, Phase::Releasing, how.at);
            self.ask(migration, from, Ask::LetGo, how);
        } else if (how.is_alive)(from) {
            self.say(how.at, Event::Refused { migration });
        }
    }

    fn run(
        &mut self,
        command: &Command,
        to: WorkerId,
        may_hold: &[WorkerId],
        how: &Passing<'_>,
    ) -> Result<(), Breach> {
        let migration = command.migration;
        if let Some(other) = self.holder(may_hold) {
            return Err(breach(Kind::ToldTwice, command, &format!("{other} holds it")));
        }
        if self.is_on(to) {
            self.take_orders(to);
            self.run_by = Some(migration);
            self.show(Placement::On(to));
            self.say(how.at, Event::Running { migration });
        } else {
            self.moving(migration, to, Phase::Assigned, how.at);
            self.ask(migration, to, Ask::Run, how);
        }
        Ok(())
    }

    fn stop(&mut self, migration: MigrationId, from: WorkerId, how: &Passing<'_>) {
        if self.is_on(from) {
            let to = self.runs.iter().copied().find(|&worker| worker != from).unwrap_or(from);
            self.moving(migration, to, Phase::Releasing, how.at);
            self.ask(migration, from, Ask::Stop, how);
        } else if (how.is_alive)(from) {
            self.say(how.at, Event::Released { migration });
        }
    }

    /// It is shown on its worker until that has stopped it, and unplaced then.
    fn evict(&mut self, migration: MigrationId, from: WorkerId, how: &Passing<'_>) {
        if self.is_on(from) {
            self.ask(migration, from, Ask::Evict, how);
        } else if (how.is_alive)(from) {
            self.say(how.at, Event::Refused { migration });
        }
    }

    fn abort(&mut self, migration: MigrationId, worker: WorkerId, how: &Passing<'_>) {
        let was_target = matches!(self.task.placement,
            Placement::Moving { migration: same, to, phase, .. }
            if same <= migration && to == worker && phase != Phase::Released);
        let order = self.take_orders(worker);
        let runs_here = self.is_on(worker);
        match order.map(|order| order.ask) {
            Some(Ask::LetGo | Ask::Stop | Ask::Evict) => self.show(Placement::On(worker)),
            Some(Ask::Run) => {
                self.kept(migration, worker, how.at);
                self.say(how.at, Event::Refused { migration });
            }
            None if runs_here && self.runs.len() > 1 => {
                self.runs.retain(|&runs| runs != worker);
                self.kept(migration, worker, how.at);
                self.say(how.at, Event::Refused { migration });
            }
            None if runs_here => {
                self.show(Placement::On(worker));
                // Its source says nothing: it runs the task as before.
                if self.run_by.is_some_and(|by| by <= migration) {
                    self.say(how.at, Event::Running { migration });
                }
            }
            None if was_target && (how.is_alive)(worker) => {
                self.kept(migration, worker, how.at);
                self.say(how.at, Event::Refused { migration });
            }
            None => {}
        }
    }

    fn requeue(&mut self, command: &Command) -> Result<(), Breach> {
        if let Some(&worker) = self.runs.first() {
            // Its scheduler queues no task that runs.
            self.show(Placement::On(worker));
            return Ok(());
        }
        if let Some(worker) = self.holder(&[]) {
            return Err(breach(Kind::QueuedWhileHeld, command, &format!("{worker} was told")));
        }
        self.orders.clear();
        self.show(Placement::Unplaced);
        Ok(())
    }

    /// The worker that was asked first does as it was told, or does not.
    pub(super) fn work(&mut self, deed: Deed, at: Timestamp) {
        if self.orders.is_empty() {
            return;
        }
        let Order { worker, migration, ask } = self.orders.remove(0);
        match (ask, deed) {
            (Ask::LetGo, Deed::Done) => {
                self.runs.retain(|&runs| runs != worker);
                let to = self.target().unwrap_or(worker);
                self.moving(migration, to, Phase::Released, at);
            }
            (Ask::Stop, Deed::Done) => {
                self.runs.retain(|&runs| runs != worker);
                let rest = self.runs.first().copied();
                self.show(rest.map_or(Placement::Orphaned, Placement::On));
            }
            (Ask::Evict, Deed::Done) => {
                self.runs.retain(|&runs| runs != worker);
                self.evicted_by = Some(migration);
                self.show(Placement::Unplaced);
            }
            (Ask::Run, Deed::Done) => {
                self.runs.push(worker);
                self.run_by = Some(migration);
                if self.runs.len() == 1 {
                    self.show(Placement::On(worker));
                }
            }
            (Ask::LetGo, _) => self.show(Placement::On(worker)),
            (Ask::Run, _) => self.kept(migration, worker, at),
            (Ask::Stop | Ask::Evict, _) => {}
        }
        let event = match (ask, deed) {
            (Ask::Run, Deed::Done) => Event::Running { migration },
            (_, Deed::Done) => Event::Released { migration },
            (_, Deed::Refused) => Event::Refused { migration },
            (_, Deed::Failed) => Event::Failed { migration },
        };
        self.say(at, event);
    }

    const fn source(&self) -> Option<WorkerId> {
        match self.task.placement {
            Placement::Moving { from, .. } => from,
            _ => None,
        }
    }

    fn target(&self) -> Option<WorkerId> {
        match self.task.placement {
            Placement::Moving { to, .. } => Some(to),
            _ => None,
        }
    }

    /// Commands that are on their way to a worker that was dead in the meantime come to nothing.
    pub(super) fn void(&mut self, worker: WorkerId) {
        for letter in &mut self.post {
            letter.is_void |= addressee(letter.command.action) == Some(worker);
        }
    }

    /// A worker dies.
    pub(super) fn crash(&mut self, worker: WorkerId, at: Timestamp) {
        self.void(worker);
        if self.has_ended {
            return;
        }
        self.take_orders(worker);
        if !self.is_on(worker) {
            if let Placement::Moving { migration, to, phase: Phase::Assigned, .. } =
                self.task.placement
                && to == worker
            {
                self.kept(migration, worker, at);
            }
            return;
        }
        self.runs.retain(|&runs| runs != worker);
        match (self.runs.first(), self.task.placement) {
            (Some(&other), _) => self.show(Placement::On(other)),
            (None, Placement::Moving { migration, to, phase, since, .. }) if self.is_held() => {
                self.show(Placement::Moving { migration, from: None, to, phase, since });
            }
            (None, _) => self.show(Placement::Orphaned),
        }
    }

    /// The scheduler starts it, and says where if it was evicted.
    pub(super) fn start(&mut self, worker: WorkerId, at: Timestamp) {
        if self.task.placement == Placement::Unplaced {
            self.runs.push(worker);
            self.run_by = None;
            self.show(Placement::On(worker));
            if let Some(migration) = self.evicted_by.take() {
                let task = self.task.id;
                self.say(at, Event::Diverted { migration, worker, task });
            }
        }
    }

    /// It ends, wherever it runs.
    pub(super) fn end(&mut self) {
        if !self.runs.is_empty() {
            self.has_ended = true;
            self.runs.clear();
            self.orders.clear();
        }
    }
}

/// Whether the second order asks for nothing that the first did not: to assign a task and to place it is the same for
/// whoever is to run it.
fn is_same((by, first): (MigrationId, Action), (then, second): (MigrationId, Action)) -> bool {
    let runs = |action| match action {
        Action::Assign { to, .. } | Action::Place { to, .. } => Some(to),
        _ => None,
    };
    by == then && (first == second || runs(first).is_some() && runs(first) == runs(second))
}

/// The worker that a command is for.
const fn addressee(action: Action) -> Option<WorkerId> {
    match action {
        Action::Release { from, .. }
        | Action::Stop { from }
        | Action::Evict { from, .. }
        | Action::RequeueFor { from, .. } => Some(from),
        Action::Assign { to, .. } | Action::Place { to, .. } | Action::Start { to, .. } => Some(to),
        Action::Abort { worker } => Some(worker),
        Action::Requeue => None,
    }
}

/// A command broke a promise.
pub(super) fn breach(kind: Kind, command: &Command, why: &str) -> Breach {
    let Command { action, .. } = *command;
    let name = match action {
        Action::Release { .. } => "release",
        Action::Assign { .. } => "assign",
        Action::Place { .. } => "place",
        Action::Requeue => "requeue",
        Action::Abort { .. } => "abort",
        Action::Evict { .. } => "evict",
        Action::RequeueFor { .. } => "requeue for",
        Action::Start { .. } => "start",
        Action::Stop { .. } => "stop",
    };
    let by = match command.cause() {
        Some(cause) => format!("{name}, {}", words(&format!("{cause:?}"))),
        None => String::from(name),
    };
    Breach { kind, by, says: format!("{command}: {why}") }
}

/// The name of a variant, without its fields.
pub(super) fn words(debug: &str) -> String {
    debug.chars().take_while(char::is_ascii_alphanumeric).collect()
}
