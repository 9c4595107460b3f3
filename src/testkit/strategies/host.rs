//! The reference host driven by dice: a history says what happens to the cluster, and how each command is carried out.

mod bill;
mod charge;
mod orders;
mod sight;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use proptest::sample::Index;

use self::bill::Bill;
use super::cluster::Cluster;
use super::script::{Deed, Happening, History, Turn, switched};
use crate::config::Budget;
use crate::engine::{Input, Output};
use crate::host::{Fences, HostedTask, Mail};
use crate::id::MigrationId;
use crate::snapshot::{Freeze, Group, Placement, Stance, TargetClass};
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
    /// The most moves that were under way at once, or about to be.
    pub most_moves: usize,
    workers: BTreeMap<WorkerId, Body>,
    tasks: BTreeMap<TaskId, HostedTask>,
    groups: Vec<Group>,
    freezes: Vec<Freeze>,
    classes: Vec<TargetClass>,
    mail: Mail<Deed>,
    fences: Fences,
    turn: usize,
    given: usize,
    shows_moving: bool,
    /// A worker that the engine expects to see again; nothing after a blackout.
    expected: bool,
    shows_orders: bool,
    /// The settings that the operator began with, and those of now.
    first: Config,
    config: Config,
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

/// What a host sees of its workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sight {
    All,
    /// And it knows it.
    Part,
    /// And it does not know it.
    Nothing,
}

impl Sight {
    const fn of(partial: bool) -> Self {
        if partial { Self::Part } else { Self::All }
    }
}

impl Host {
    pub(super) fn new(history: &History) -> Self {
        let Cluster { workers, tasks, groups, freezes, classes, .. } = &history.cluster;
        let body = |record: &Worker| {
            let (measured, alive) = (Timestamp::default(), record.stance != Stance::Offline);
            (record.id, Body { record: record.clone(), alive, measured })
        };
        let gone = |id| workers.iter().any(|it| it.id == id && it.stance == Stance::Offline);
        let hosted = |task: &Task| {
            let mut task = task.clone();
            task.placement = match task.placement {
                Placement::On(worker) if gone(worker) => Placement::Orphaned,
                Placement::On(worker) => Placement::On(worker),
                _ => Placement::Unplaced,
            };
            (task.id, HostedTask::new(task))
        };
        let now = Timestamp::from_secs(1_000);
        let mut host = Self {
            now,
            faults: Vec::new(),
            most_moves: 0,
            workers: workers.iter().map(body).collect(),
            tasks: tasks.iter().map(hosted).collect(),
            groups: groups.clone(),
            freezes: freezes.clone(),
            classes: classes.clone(),
            mail: Mail::new(),
            fences: Fences::default(),
            turn: 0,
            given: 0,
            shows_moving: history.shows_moving,
            expected: false,
            shows_orders: history.shows_orders,
            first: history.config.clone(),
            config: history.config.clone(),
            shown: Snapshot::builder(now).build(),
            lines: Vec::new(),
            bill: Bill::default(),
        };
        host.charge_by();
        host
    }

    /// Tasks that no worker has and no migration moves.
    pub fn lost(&self) -> Vec<TaskId> {
        let saved = |it: &&HostedTask| matches!(it.task.placement, Placement::Moving { .. });
        self.tasks.values().filter(saved).map(|hosted| hosted.task.id).collect()
    }

    /// Tasks of which two copies run and that no migration moves.
    pub fn doubled(&self) -> Vec<TaskId> {
        let doubled = self.tasks.values().filter(|hosted| hosted.copy.is_some());
        doubled.map(|hosted| hosted.task.id).collect()
    }

    /// Lets at most this many fair turns pass; whether the engine had nothing under way after one of them.
    pub(super) fn rests(
        &mut self,
        seconds: u64,
        turns: usize,
        door: &mut dyn FnMut(Input) -> Output,
    ) -> bool {
        let fair = Turn { seconds, deeds: Vec::new(), happening: None };
        (0..turns).any(|_| {
            let idle = self.take(&fair, 1, door);
            idle && self.mail.is_empty()
        })
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
        // The failure of one worker is no blackout.
        let count = self.workers.values().filter(|body| stays(body)).count();
        self.expected =
            self.config.safeguard.is_some() && sight == Sight::All && !held && count > 1;
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
                let Some(id) = task(at).copied() else { return };
                let Some(HostedTask { task, .. }) = self.tasks.get_mut(&id) else { return };
                let cores = task.load(ResourceId::CPU).unwrap_or(0.0);
                task.used.set(ResourceId::CPU, (cores * factor).min(64.0));
            }
            Happening::Arrive(at, cores) => {
                let id = self.next_name();
                let mut task = Task::new(id).with_demand(ResourceId::CPU, cores);
                let holder = worker(at).filter(|id| self.is_alive(*id));
                task.placement = holder.map_or(Placement::Unplaced, Placement::On);
                self.tasks.insert(id, HostedTask::new(task));
            }
            Happening::Finish(at) => {
                let Some(id) = task(at).copied() else { return };
                if self.tasks[&id].holder().is_some() {
                    self.tasks.remove(&id);
                }
            }
            Happening::Abort => {
                let ids = self.mail.orders.iter().map(|order| order.command.migration);
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
        self.mail.lose(id);
        self.tasks.values_mut().for_each(|hosted| hosted.lose(id));
    }

    fn is_alive(&self, id: WorkerId) -> bool {
        self.workers.get(&id).is_some_and(|body| body.alive)
    }

    /// A name that no task has.
    fn next_name(&self) -> TaskId {
        TaskId::new(self.tasks.keys().map(|id| id.raw()).max().unwrap_or(0) + 1)
    }
}
