//! The host of a closed loop: it carries out commands as its script has it, and knows where tasks really are.

mod bill;
mod means;
mod sight;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use proptest::sample::Index;

use self::bill::Bill;
use self::sight::Sight;
use super::cluster::Cluster;
use super::history::{Deed, Done, Happening, History, Told, Turn, switched};
use crate::config::Budget;
use crate::engine::{Input, Output};
use crate::id::MigrationId;
use crate::outcome::{Action, Command, Reason};
use crate::snapshot::{Freeze, Group, Phase, Placement, Stance, TargetClass};
use crate::{
    Config, Event, Report, ResourceId, Snapshot, Task, TaskId, Timestamp, Worker, WorkerId,
};

/// The cluster as it really is, whatever the engine believes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Host {
    /// The present.
    pub now: Timestamp,
    /// What must never happen, and did.
    pub faults: Vec<String>,
    /// So many moves were under way at once, or about to be, when most were.
    pub most_moves: usize,
    workers: BTreeMap<WorkerId, Body>,
    tasks: BTreeMap<TaskId, Work>,
    groups: Vec<Group>,
    freezes: Vec<Freeze>,
    classes: Vec<TargetClass>,
    orders: Vec<Order>,
    letters: Vec<(usize, Report)>,
    fences: BTreeSet<(MigrationId, WorkerId)>,
    turn: usize,
    given: usize,
    shows_moving: bool,
    /// A worker that the engine expects to see again; nothing after a blackout.
    expected: bool,
    shows_orders: bool,
    /// The settings that the operator began with, and those of now.
    first: Config,
    config: Config,
    /// The last migration of each task: what an earlier one still asks for is not done.
    latest: BTreeMap<TaskId, MigrationId>,
    /// The last snapshot.
    shown: Snapshot,
    lines: Vec<Budget>,
    bill: Bill,
}

#[derive(Clone, Debug)]
struct Body {
    record: Worker,
    alive: bool,
    measured: Timestamp,
}

impl Body {
    /// Whether tasks run there.
    fn runs(&self) -> bool {
        self.alive && self.record.stance != Stance::Offline
    }
}

#[derive(Clone, Debug)]
struct Work {
    task: Task,
    holder: Holder,
    /// A second copy of it, and the migration that started it.
    copy: Option<(MigrationId, WorkerId)>,
    /// By which of its alternatives that was told to run.
    way: Option<u16>,
}

/// Who really has a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holder {
    Runs(WorkerId),
    Saved { migration: MigrationId, from: WorkerId, to: WorkerId, phase: Phase, since: Timestamp },
    Orphan,
    Queue,
}

#[derive(Clone, Copy, Debug)]
struct Order {
    command: Command,
    given: Timestamp,
    due: usize,
    deed: Deed,
}

impl Host {
    pub(super) fn new(history: &History) -> Self {
        let Cluster { workers, tasks, groups, freezes, classes, .. } = &history.cluster;
        let body = |record: &Worker| {
            let (measured, alive) = (Timestamp::default(), record.stance != Stance::Offline);
            (record.id, Body { record: record.clone(), alive, measured })
        };
        let gone = |id| workers.iter().any(|it| it.id == id && it.stance == Stance::Offline);
        let work = |task: &Task| {
            let holder = match task.placement {
                Placement::On(worker) if gone(worker) => Holder::Orphan,
                Placement::On(worker) => Holder::Runs(worker),
                _ => Holder::Queue,
            };
            (task.id, Work::new(task.clone(), holder))
        };
        let now = Timestamp::from_secs(1_000);
        let mut host = Self {
            now,
            faults: Vec::new(),
            most_moves: 0,
            workers: workers.iter().map(body).collect(),
            tasks: tasks.iter().map(work).collect(),
            groups: groups.clone(),
            freezes: freezes.clone(),
            classes: classes.clone(),
            orders: Vec::new(),
            letters: Vec::new(),
            fences: BTreeSet::new(),
            turn: 0,
            given: 0,
            shows_moving: history.shows_moving,
            expected: false,
            shows_orders: history.shows_orders,
            first: history.config.clone(),
            config: history.config.clone(),
            latest: BTreeMap::new(),
            shown: Snapshot::builder(now).build(),
            lines: Vec::new(),
            bill: Bill::default(),
        };
        host.charge_by();
        host
    }

    /// Tasks that nobody has, though nobody is moving them.
    pub fn lost(&self) -> Vec<TaskId> {
        let saved = |work: &&Work| matches!(work.holder, Holder::Saved { .. });
        self.tasks.values().filter(saved).map(|work| work.task.id).collect()
    }

    /// Tasks of which two copies run, though nobody is moving them.
    pub fn doubled(&self) -> Vec<TaskId> {
        let doubled = self.tasks.values().filter(|work| work.copy.is_some());
        doubled.map(|work| work.task.id).collect()
    }

    /// Lets so many fair turns go by at most; whether the engine had nothing under way after one of them.
    pub(super) fn rests(
        &mut self,
        seconds: u64,
        turns: usize,
        door: &mut dyn FnMut(Input) -> Output,
    ) -> bool {
        let fair = Turn { seconds, deeds: Vec::new(), happening: None };
        (0..turns).any(|_| {
            let idle = self.take(&fair, 1, door);
            idle && self.orders.is_empty() && self.letters.is_empty()
        })
    }

    /// What a snapshot of this moment shows, measured now.
    pub fn sees(&self, at: Timestamp) -> Snapshot {
        let mut host = Self { now: at, ..self.clone() };
        host.measure();
        host.snapshot(Sight::All, None)
    }

    /// One turn; whether the engine had nothing under way after it.
    pub(super) fn take(
        &mut self,
        turn: &Turn,
        measured_every: usize,
        door: &mut dyn FnMut(Input) -> Output,
    ) -> bool {
        self.turn += 1;
        let before = self.now;
        self.now = self.now.after(Duration::from_secs(turn.seconds));
        let mut nonsense = None;
        match turn.happening {
            Some(Happening::Nonsense(at)) => nonsense = Some(at),
            Some(happening) => self.happen(happening, &turn.deeds, door),
            None => {}
        }
        self.carry_out(&turn.deeds, door);
        self.place_queued();
        if self.turn.is_multiple_of(measured_every) {
            self.measure();
        }
        if matches!(turn.happening, Some(Happening::Again)) {
            let late = Snapshot::builder(before).build();
            let output = door(Input::Tick(late));
            self.obey(&output, &turn.deeds);
        }
        let partial = matches!(turn.happening, Some(Happening::Partial));
        let dark = matches!(turn.happening, Some(Happening::Blackout)) && self.expected;
        let sight = if dark { Sight::Nothing } else { Sight::of(partial) };
        self.shown = self.snapshot(sight, nonsense);
        let output = door(Input::Tick(self.shown.clone()));
        let held = matches!(&output, Output::Outcome(outcome) if outcome.held.is_some());
        if dark && !held {
            self.faults.push(format!("{}: a blackout is believed", self.now));
        }
        let stays = |body: &Body| body.alive && body.record.stance < Stance::Drain;
        self.expected = self.config.safeguard.is_some()
            && sight == Sight::All
            && !held
            && self.workers.values().any(stays);
        self.obey(&output, &turn.deeds);
        let moves = self.tasks.keys().filter(|task| self.moves(**task)).count();
        self.most_moves = self.most_moves.max(moves);
        matches!(output, Output::Outcome(outcome) if outcome.in_flight == 0)
    }

    fn happen(
        &mut self,
        happening: Happening,
        deeds: &[Deed],
        door: &mut dyn FnMut(Input) -> Output,
    ) {
        let worker = |at: Index| self.workers.keys().nth(at.index(self.workers.len())).copied();
        let task = |at: Index| {
            (!self.tasks.is_empty()).then(|| self.tasks.keys().nth(at.index(self.tasks.len())))?
        };
        match happening {
            Happening::Crash(at) => worker(at).into_iter().for_each(|id| self.crash(id)),
            Happening::Revive(at) => {
                worker(at).into_iter().for_each(|id| self.revive(id));
            }
            Happening::Stance(at, stance) => {
                worker(at).into_iter().for_each(|id| self.body(id).record.stance = stance);
            }
            Happening::Load(at, factor) => {
                let Some(work) = task(at).copied().and_then(|id| self.tasks.get_mut(&id)) else {
                    return;
                };
                let cores = work.task.load(ResourceId::CPU).unwrap_or(0.0);
                work.task.used.set(ResourceId::CPU, (cores * factor).min(64.0));
            }
            Happening::Arrive(at, cores) => {
                let id = TaskId::new(self.tasks.keys().map(|id| id.raw()).max().unwrap_or(0) + 1);
                let task = Task::new(id).with_demand(ResourceId::CPU, cores);
                let holder = worker(at).filter(|id| self.workers[id].runs());
                let holder = holder.map_or(Holder::Queue, Holder::Runs);
                self.tasks.insert(id, Work::new(task, holder));
            }
            Happening::Finish(at) => {
                let Some(id) = task(at).copied() else { return };
                if matches!(self.tasks[&id].holder, Holder::Runs(_)) {
                    self.tasks.remove(&id);
                }
            }
            Happening::Abort => {
                let ids = self.orders.iter().map(|order| order.command.migration);
                let ids: BTreeSet<MigrationId> = ids.collect();
                for migration in ids {
                    let report = Report::new(self.now, Event::Aborted { migration });
                    let output = door(Input::Report(report));
                    self.obey(&output, deeds);
                }
            }
            Happening::Nonsense(_)
            | Happening::Partial
            | Happening::Again
            | Happening::Blackout => {}
            Happening::Switch(which) => {
                let config = switched(&self.config, &self.first, which);
                if door(Input::Reconfigure(Box::new(config.clone()))) == Output::Reconfigured {
                    self.config = config;
                    self.charge_by();
                }
            }
        }
    }

    fn body(&mut self, id: WorkerId) -> &mut Body {
        self.workers.get_mut(&id).expect("only known workers are asked for")
    }

    fn revive(&mut self, id: WorkerId) {
        let body = self.body(id);
        if body.record.stance == Stance::Offline {
            body.record.stance = Stance::Accept;
        }
        body.alive = true;
    }

    fn crash(&mut self, id: WorkerId) {
        self.body(id).alive = false;
        // What it was told to do dies with it.
        self.orders.retain(|order| match order.command.action {
            Action::Release { from, .. } | Action::Evict { from, .. } | Action::Stop { from } => {
                from != id
            }
            Action::Assign { to, .. } | Action::Place { to, .. } | Action::Start { to, .. } => {
                to != id
            }
            _ => true,
        });
        for work in self.tasks.values_mut() {
            work.copy = work.copy.filter(|(_, worker)| *worker != id);
            if work.holder == Holder::Runs(id) {
                work.turn_into_copy();
            }
        }
    }

    fn is_alive(&self, id: WorkerId) -> bool {
        self.workers.get(&id).is_some_and(|body| body.alive)
    }

    /// What is due of the commands, and of the reports that come late.
    fn carry_out(&mut self, deeds: &[Deed], door: &mut dyn FnMut(Input) -> Output) {
        // What a report is answered with may be due at once.
        for _ in 0..8 {
            let (due, rest): (Vec<_>, Vec<_>) =
                self.orders.drain(..).partition(|order| order.due <= self.turn);
            self.orders = rest;
            if due.is_empty() {
                break;
            }
            for order in due {
                let Some(event) = self.execute(&order) else { continue };
                let report = Report::new(self.now, event);
                let told = order.deed.told;
                let hidden = !self.shows_moving && matches!(event, Event::Released { .. });
                match told {
                    Told::Never if !hidden => {}
                    Told::Late | Told::Never => self.letters.push((self.turn + 2, report)),
                    Told::WithSnapshot => self.letters.push((self.turn, report)),
                    Told::AtOnce | Told::Twice => {
                        let output = door(Input::Report(report));
                        self.obey(&output, deeds);
                    }
                }
                if told == Told::Twice {
                    self.letters.push((self.turn, report));
                }
            }
        }
    }

    /// Carries out one command; what there is to tell of it.
    fn execute(&mut self, order: &Order) -> Option<Event> {
        let Command { migration, task, action, .. } = order.command;
        let (at, takes) = means::doer(action)?;
        if !self.is_alive(at) || self.is_void(&order.command, at) {
            return None;
        }
        let elsewhere = match order.deed.result? {
            Done::Failed => return Some(Event::Failed { migration }),
            Done::Refused => return Some(Event::Refused { migration }),
            Done::Elsewhere(other)
                if matches!(action, Action::Assign { .. } | Action::Place { .. }) =>
            {
                return self.divert(migration, task, other);
            }
            Done::Elsewhere(other) if takes => Some(other),
            Done::Well | Done::Elsewhere(_) => None,
        };
        if !self.tasks.contains_key(&task) {
            return Some(Event::Failed { migration });
        }
        match action {
            Action::Evict { from, hint } => self.evict(&order.command, from, hint, elsewhere),
            Action::RequeueFor { from, to } => self.evict(&order.command, from, to, elsewhere),
            Action::Start { from, to, .. } => self.start(&order.command, from, to),
            Action::Stop { from } => self.stop(&order.command, from),
            _ => self.hand_over(&order.command, at),
        }
    }

    /// Lets go of a task, or starts it.
    fn hand_over(&mut self, command: &Command, at: WorkerId) -> Option<Event> {
        let Command { migration, task, action, .. } = *command;
        let now = self.now;
        let work = self.tasks.get_mut(&task)?;
        if work.copy.is_some_and(|(_, worker)| worker != at) {
            self.faults.push(format!("{command}: a copy of it runs elsewhere"));
        }
        match (action, work.holder) {
            (Action::Release { from, to }, Holder::Runs(here)) if here == from => {
                let (phase, since) = (Phase::Released, now);
                work.holder = Holder::Saved { migration, from, to, phase, since };
                Some(Event::Released { migration })
            }
            (Action::Release { .. }, _) => Some(Event::Failed { migration }),
            (_, Holder::Runs(here)) if here != at => {
                self.faults.push(format!("{task} runs on {here} and is told to run on {at}"));
                None
            }
            _ => {
                (work.holder, work.copy) = (Holder::Runs(at), None);
                work.run_by(command.alternative);
                work.task.device = match action {
                    Action::Assign { device, .. } | Action::Place { device, .. } => device,
                    _ => None,
                };
                Some(Event::Running { migration })
            }
        }
    }

    /// The host puts a task where it likes, though not quietly back where it came from.
    fn divert(&mut self, migration: MigrationId, task: TaskId, other: Index) -> Option<Event> {
        let source = match self.tasks.get(&task)?.holder {
            Holder::Runs(_) => return None,
            Holder::Saved { from, .. } => Some(from),
            Holder::Orphan | Holder::Queue => None,
        };
        let open = self.workers.values().filter(|body| {
            body.alive && body.record.stance == Stance::Accept && Some(body.record.id) != source
        });
        let open: Vec<WorkerId> = open.map(|body| body.record.id).collect();
        if open.is_empty() {
            return Some(Event::Failed { migration });
        }
        let worker = *other.get(&open);
        let work = self.tasks.get_mut(&task)?;
        work.task.device = None;
        work.holder = Holder::Runs(worker);
        Some(Event::Diverted { migration, worker, task })
    }

    /// Takes the commands of an output as orders.
    pub(super) fn obey(&mut self, output: &Output, deeds: &[Deed]) {
        let commands: &[Command] = match output {
            Output::Outcome(outcome) => &outcome.commands,
            Output::Reply(reply) => &reply.commands,
            Output::Stale(stale) => &stale.commands,
            _ => &[],
        };
        if let Output::Outcome(outcome) = output {
            self.in_epoch(outcome.epoch);
        }
        for command in commands {
            if self.latest.get(&command.task).is_some_and(|latest| *latest > command.migration) {
                continue;
            }
            self.note_begin(command);
            self.charge(command);
            match command.action {
                Action::Abort { worker } => {
                    self.fences.insert((command.migration, worker));
                    if let Some(work) = self.tasks.get_mut(&command.task) {
                        work.copy = work.copy.filter(|it| *it != (command.migration, worker));
                    }
                }
                Action::Requeue => self.requeue(command),
                _ => {
                    if let Action::Assign { to, .. } | Action::Place { to, .. } = command.action {
                        self.head_for(command, to);
                    }
                    self.order_as(command, deeds);
                }
            }
        }
    }

    /// What is to be done is done by the script.
    fn order_as(&mut self, command: &Command, deeds: &[Deed]) {
        let nth = self.given.checked_rem(deeds.len());
        let deed = nth.map_or(Deed::WELL, |nth| deeds[nth]);
        self.given += 1;
        let due = self.turn + deed.delay;
        self.orders.push(Order { command: *command, given: self.now, due, deed });
    }

    /// A task that is on its way already, as every snapshot shows, is not told to go a second time.
    fn note_begin(&mut self, command: &Command) {
        let id = command.migration;
        if self.shows_orders && command.action.ends().is_some() {
            let other = self.moved_by(command.task).filter(|other| *other != id);
            if let Some(other) = other {
                self.faults.push(format!("{command}: {other} moves it already"));
            }
        }
        self.latest.insert(command.task, id);
    }

    /// The migration that moves a task, or is about to.
    fn moved_by(&self, task: TaskId) -> Option<MigrationId> {
        let work = self.tasks.get(&task)?;
        match (work.holder, work.copy) {
            (Holder::Saved { migration, .. }, _) | (_, Some((migration, _))) => Some(migration),
            (Holder::Runs(_) | Holder::Orphan | Holder::Queue, None) => {
                Some(self.order(task)?.command.migration)
            }
        }
    }

    /// What is still to be done with a task that has not left its place.
    fn order(&self, task: TaskId) -> Option<&Order> {
        let Work { holder, copy, .. } = *self.tasks.get(&task)?;
        self.orders.iter().find(|order| {
            let at = match order.command.action {
                Action::Release { from, .. }
                | Action::Evict { from, .. }
                | Action::RequeueFor { from, .. }
                | Action::Stop { from } => (holder == Holder::Runs(from)).then_some(from),
                Action::Start { from, to, .. } => {
                    (holder == Holder::Runs(from) && copy.is_none()).then_some(to)
                }
                Action::Place { to, .. } | Action::Assign { to, .. } => {
                    (holder == Holder::Orphan).then_some(to)
                }
                _ => None,
            };
            order.command.task == task && at.is_some_and(|at| !self.is_void(&order.command, at))
        })
    }

    /// Whether a worker does not do any more what it was told: it was called off, or overtaken.
    fn is_void(&self, command: &Command, at: WorkerId) -> bool {
        let overtaken = self.latest.get(&command.task).is_some_and(|it| *it > command.migration);
        overtaken || self.fences.contains(&(command.migration, at))
    }

    /// Whether a move of it is really under way, or about to be: what budgets count.
    fn moves(&self, task: TaskId) -> bool {
        self.tasks.get(&task).is_some_and(|work| match work.holder {
            Holder::Saved { .. } => true,
            Holder::Runs(_) => {
                let ordered = self.order(task);
                // Back to the queue, or stopped though its copy died meanwhile: it moves nowhere.
                let nowhere = |it: &Order| {
                    matches!(it.command.action, Action::RequeueFor { .. } | Action::Stop { .. })
                };
                work.copy.is_some() || ordered.is_some_and(|order| !nowhere(order))
            }
            Holder::Orphan | Holder::Queue => false,
        })
    }

    fn head_for(&mut self, command: &Command, worker: WorkerId) {
        self.fences.remove(&(command.migration, worker));
        // The latest command of a migration is the one that counts.
        self.orders.retain(|order| order.command.migration != command.migration);
        let Some(work) = self.tasks.get_mut(&command.task) else { return };
        if let Holder::Saved { to, phase, migration, .. } = &mut work.holder {
            (*to, *phase, *migration) = (worker, Phase::Assigned, command.migration);
        }
    }

    /// A task that somebody has needs no scheduler.
    fn requeue(&mut self, command: &Command) {
        let Some(work) = self.tasks.get_mut(&command.task) else { return };
        match work.holder {
            Holder::Runs(here) => {
                let pending = self.orders.iter().any(|order| {
                    order.command.migration == command.migration
                        && !self.fences.contains(&(command.migration, here))
                });
                if pending && command.reason == Reason::Late {
                    self.faults.push(format!("{command}: it runs on {here}"));
                }
            }
            _ => work.holder = Holder::Queue,
        }
    }

    /// The scheduler places what is queued, without asking.
    fn place_queued(&mut self) {
        let open = |body: &&Body| body.alive && body.record.stance == Stance::Accept;
        let open: Vec<WorkerId> =
            self.workers.values().filter(open).map(|body| body.record.id).collect();
        let queued = self.tasks.values_mut().filter(|work| work.holder == Holder::Queue);
        for (nth, work) in queued.enumerate().filter(|_| !open.is_empty()) {
            work.task.device = None;
            work.holder = Holder::Runs(open[(nth + self.turn) % open.len()]);
        }
    }
}
