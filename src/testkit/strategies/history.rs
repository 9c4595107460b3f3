//! Histories: a cluster that carries out what the engine says, well or badly, late or never.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use proptest::collection::vec as list;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::cluster::{Cluster, grouped, plain, skewed};
use super::settings::{any_config, configs};
use crate::{
    Action, Command, Config, Event, Group, Input, MigrationId, Mobility, Output, Phase, Placement,
    Report, ResourceId, Snapshot, Stance, Task, TaskId, Timestamp, Worker, WorkerId,
};

/// A script for a closed loop: what the cluster is at first, and what happens turn by turn.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct History {
    /// The settings to begin with.
    pub config: Config,
    /// The cluster to begin with.
    pub cluster: Cluster,
    /// What happens.
    pub turns: Vec<Turn>,
    /// Whether tasks under way are listed in snapshots, or missing from them.
    pub shows_moving: bool,
    /// Workers are measured every so many turns.
    pub measured_every: usize,
}

/// One turn of the host's loop.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Turn {
    /// How long after the one before.
    pub seconds: u64,
    /// How the commands given in it are carried out, in turn.
    pub deeds: Vec<Deed>,
    /// What else happens.
    pub happening: Option<Happening>,
}

/// How one command is carried out.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Deed {
    /// So many turns later.
    pub delay: usize,
    /// With this result; nothing comes of it where there is none.
    pub result: Option<Done>,
    /// And the engine hears of it so.
    pub told: Told,
}

/// What comes of carrying out a command.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Done {
    /// What it asked for.
    Well,
    /// It failed.
    Failed,
    /// It was refused.
    Refused,
    /// An assignment went to some other worker, where the host put it.
    Elsewhere(Index),
}

/// How the engine hears of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Told {
    /// Through [`Engine::report`](crate::Engine::report), the moment it happens.
    AtOnce,
    /// In the next snapshot.
    WithSnapshot,
    /// Both.
    Twice,
    /// Two turns later.
    Late,
    /// Not at all.
    Never,
}

/// What may happen to a cluster beside the engine's doings.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Happening {
    /// A worker dies, and what ran there.
    Crash(Index),
    /// A worker that died is back, empty.
    Revive(Index),
    /// A worker changes its mind.
    Stance(Index, Stance),
    /// A task uses so many times what it used.
    Load(Index, f64),
    /// A new task, of so many cores.
    Arrive(Index, f64),
    /// A task comes to its end.
    Finish(Index),
    /// An operator calls off whatever is under way.
    Abort,
    /// A worker reports nonsense.
    Nonsense(Index),
    /// The snapshot leaves some workers out, and says so.
    Partial,
    /// The snapshot of the turn before is sent once more.
    Again,
}

/// The cluster as it really is, whatever the engine believes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Host {
    /// The present.
    pub now: Timestamp,
    /// What must never happen, and did.
    pub faults: Vec<String>,
    workers: BTreeMap<WorkerId, Body>,
    tasks: BTreeMap<TaskId, Work>,
    groups: Vec<Group>,
    orders: Vec<Order>,
    letters: Vec<(usize, Report)>,
    fences: BTreeSet<(MigrationId, WorkerId)>,
    turn: usize,
    given: usize,
    shows_moving: bool,
}

#[derive(Clone, Debug)]
struct Body {
    record: Worker,
    alive: bool,
    measured: Timestamp,
}

#[derive(Clone, Debug)]
struct Work {
    task: Task,
    holder: Holder,
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
    due: usize,
    deed: Deed,
}

impl Deed {
    /// Carried out well and at once, and told at once.
    pub const WELL: Self = Self { delay: 0, result: Some(Done::Well), told: Told::AtOnce };
}

impl History {
    /// Plays the script: every input goes through `door`, and its commands are carried out. Afterwards the wind is fair
    /// until the engine has nothing under way any more (or for so many turns that it never will).
    pub fn play(&self, door: &mut dyn FnMut(Input) -> Output) -> Host {
        let mut host = Host::new(self);
        for turn in &self.turns {
            host.take(turn, self.measured_every, door);
        }
        let timeout = self.config.migration.map_or(0, |limits| limits.timeout.as_secs());
        let fair = Turn { seconds: timeout / 6 + 10, deeds: Vec::new(), happening: None };
        for _ in 0..60 {
            let at_rest = host.take(&fair, 1, door) && host.orders.is_empty();
            if at_rest && host.letters.is_empty() {
                break;
            }
        }
        host
    }
}

impl Host {
    fn new(history: &History) -> Self {
        let Cluster { workers, tasks, groups, .. } = &history.cluster;
        let body = |record: &Worker| {
            let measured = Timestamp::default();
            (record.id, Body { record: record.clone(), alive: true, measured })
        };
        let work = |task: &Task| {
            let holder = match task.placement {
                Placement::On(worker) => Holder::Runs(worker),
                _ => Holder::Queue,
            };
            (task.id, Work { task: task.clone(), holder })
        };
        Self {
            now: Timestamp::from_secs(1_000),
            faults: Vec::new(),
            workers: workers.iter().map(body).collect(),
            tasks: tasks.iter().map(work).collect(),
            groups: groups.clone(),
            orders: Vec::new(),
            letters: Vec::new(),
            fences: BTreeSet::new(),
            turn: 0,
            given: 0,
            shows_moving: history.shows_moving,
        }
    }

    /// Tasks that nobody has, though nobody is moving them.
    pub fn lost(&self) -> Vec<TaskId> {
        let saved = |work: &&Work| matches!(work.holder, Holder::Saved { .. });
        self.tasks.values().filter(saved).map(|work| work.task.id).collect()
    }

    /// One turn; whether the engine had nothing under way after it.
    fn take(
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
        let output = door(Input::Tick(self.snapshot(partial, nonsense)));
        self.obey(&output, &turn.deeds);
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
                worker(at).into_iter().for_each(|id| self.body(id).alive = true);
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
                let holder = worker(at).filter(|id| self.workers[id].alive);
                let holder = holder.map_or(Holder::Queue, Holder::Runs);
                self.tasks.insert(id, Work { task, holder });
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
            Happening::Nonsense(_) | Happening::Partial | Happening::Again => {}
        }
    }

    fn body(&mut self, id: WorkerId) -> &mut Body {
        self.workers.get_mut(&id).expect("only known workers are asked for")
    }

    fn crash(&mut self, id: WorkerId) {
        self.body(id).alive = false;
        for work in self.tasks.values_mut() {
            if work.holder == Holder::Runs(id) {
                work.holder = Holder::Orphan;
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
        let (at, release) = match action {
            Action::Release { from, .. } => (from, true),
            Action::Assign { to, .. } | Action::Place { to, .. } => (to, false),
            _ => return None,
        };
        if !self.is_alive(at) || self.fences.contains(&(migration, at)) {
            return None;
        }
        match order.deed.result? {
            Done::Failed => return Some(Event::Failed { migration }),
            Done::Refused => return Some(Event::Refused { migration }),
            Done::Elsewhere(other) if !release => return self.divert(migration, task, other),
            Done::Well | Done::Elsewhere(_) => {}
        }
        let now = self.now;
        let Some(work) = self.tasks.get_mut(&task) else {
            return Some(Event::Failed { migration });
        };
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
                work.holder = Holder::Runs(at);
                Some(Event::Running { migration })
            }
        }
    }

    fn divert(&mut self, migration: MigrationId, task: TaskId, other: Index) -> Option<Event> {
        let open: Vec<WorkerId> = self
            .workers
            .values()
            .filter(|body| body.alive && body.record.stance == Stance::Accept)
            .map(|body| body.record.id)
            .collect();
        let work = self.tasks.get_mut(&task)?;
        if open.is_empty() || matches!(work.holder, Holder::Runs(_)) {
            return Some(Event::Failed { migration });
        }
        let worker = *other.get(&open);
        work.holder = Holder::Runs(worker);
        Some(Event::Diverted { migration, worker, task })
    }

    /// Takes the commands of an output as orders.
    fn obey(&mut self, output: &Output, deeds: &[Deed]) {
        let commands: &[Command] = match output {
            Output::Outcome(outcome) => &outcome.commands,
            Output::Reply(reply) => &reply.commands,
            Output::Stale(stale) => &stale.commands,
            _ => &[],
        };
        for command in commands {
            match command.action {
                Action::Abort { worker } => {
                    self.fences.insert((command.migration, worker));
                }
                Action::Requeue => self.requeue(command),
                _ => {
                    if let Action::Assign { to, .. } | Action::Place { to, .. } = command.action {
                        self.head_for(command, to);
                    }
                    let deed =
                        if deeds.is_empty() { Deed::WELL } else { deeds[self.given % deeds.len()] };
                    self.given += 1;
                    let due = self.turn + deed.delay;
                    self.orders.push(Order { command: *command, due, deed });
                }
            }
        }
    }

    fn head_for(&mut self, command: &Command, worker: WorkerId) {
        self.fences.remove(&(command.migration, worker));
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
                if pending && command.reason == crate::Reason::Late {
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
            work.holder = Holder::Runs(open[(nth + self.turn) % open.len()]);
        }
    }

    fn measure(&mut self) {
        let now = self.now;
        for body in self.workers.values_mut() {
            body.measured = now;
            for resource in [ResourceId::CPU, ResourceId::MEMORY] {
                let here = self.tasks.values();
                let here = here.filter(|work| work.holder == Holder::Runs(body.record.id));
                let used: f64 = here.filter_map(|work| work.task.load(resource)).sum();
                body.record.used.set(resource, used + 0.0);
            }
        }
    }

    fn snapshot(&mut self, partial: bool, nonsense: Option<Index>) -> Snapshot {
        let mut builder = Snapshot::builder(self.now);
        let alive: Vec<&Body> = self.workers.values().filter(|body| body.alive).collect();
        let spoilt = nonsense.filter(|_| !alive.is_empty()).map(|at| at.index(alive.len()));
        for (nth, body) in alive.iter().enumerate() {
            if partial && nth % 3 == 1 {
                continue;
            }
            let mut record = body.record.clone();
            record.metric_age = self.now.since(body.measured).unwrap_or_default();
            if spoilt == Some(nth) {
                record.used.set(ResourceId::CPU, f64::NAN);
            }
            builder = builder.worker(record);
        }
        for work in self.tasks.values() {
            builder = builder.tasks(self.record(work));
        }
        let listed = |group: &Group| {
            let mut group = group.clone();
            group.members.retain(|member| self.tasks.contains_key(member));
            group
        };
        for group in &self.groups {
            builder = builder.group(listed(group));
        }
        let (due, rest): (Vec<_>, Vec<_>) =
            self.letters.drain(..).partition(|(due, _)| *due <= self.turn);
        self.letters = rest;
        builder = due.into_iter().fold(builder, |builder, (_, report)| builder.report(report));
        if partial { builder.partial().build() } else { builder.build() }
    }

    /// What the host says of a task.
    fn record(&self, work: &Work) -> Option<Task> {
        let mut task = work.task.clone();
        task.placement = match work.holder {
            Holder::Runs(worker) => Placement::On(worker),
            Holder::Orphan => Placement::Orphaned,
            Holder::Queue => Placement::Unplaced,
            Holder::Saved { .. } if !self.shows_moving => return None,
            Holder::Saved { migration, from, to, phase, since } => {
                Placement::Moving { migration, from: Some(from), to, phase, since }
            }
        };
        Some(task)
    }
}

fn deed() -> impl Strategy<Value = Deed> {
    let result = prop_oneof![
        8 => Just(Some(Done::Well)),
        2 => Just(Some(Done::Failed)),
        1 => Just(Some(Done::Refused)),
        1 => any::<Index>().prop_map(|at| Some(Done::Elsewhere(at))),
        1 => Just(None),
    ];
    let told = select(vec![
        Told::AtOnce,
        Told::AtOnce,
        Told::WithSnapshot,
        Told::Twice,
        Told::Late,
        Told::Never,
    ]);
    (0..3_usize, result, told).prop_map(|(delay, result, told)| Deed { delay, result, told })
}

fn happening() -> impl Strategy<Value = Happening> {
    let at = any::<Index>;
    let stance = select(vec![Stance::Accept, Stance::Hold, Stance::Drain]);
    prop_oneof![
        2 => at().prop_map(Happening::Crash),
        2 => at().prop_map(Happening::Revive),
        2 => (at(), stance).prop_map(|(at, stance)| Happening::Stance(at, stance)),
        4 => (at(), 0.0..3.0_f64).prop_map(|(at, factor)| Happening::Load(at, factor)),
        2 => (at(), 0.5..8.0_f64).prop_map(|(at, cores)| Happening::Arrive(at, cores)),
        1 => at().prop_map(Happening::Finish),
        1 => Just(Happening::Abort),
        1 => at().prop_map(Happening::Nonsense),
        1 => Just(Happening::Partial),
        1 => Just(Happening::Again),
    ]
}

/// Histories in which anything may happen.
pub fn histories() -> impl Strategy<Value = History> {
    let turn = (5..60_u64, list(deed(), 1..4), weighted(0.4, happening()));
    let turn = turn.prop_map(|(seconds, deeds, happening)| Turn { seconds, deeds, happening });
    let config = prop_oneof![2 => configs(), 1 => any_config(), 2 => Just(Config::default())];
    let cluster = prop_oneof![3 => skewed(), 1 => grouped()];
    let timeout = select(vec![60_u64, 200, 600]);
    let shape = (any::<bool>(), 1..3_usize);
    (config, cluster, list(turn, 1..14), timeout, shape).prop_map(
        |(mut config, cluster, turns, timeout, (shows_moving, measured_every))| {
            if let Some(limits) = &mut config.migration {
                limits.timeout = Duration::from_secs(timeout);
            }
            History { config, cluster, turns, shows_moving, measured_every }
        },
    )
}

/// Histories in which nothing happens but what the engine says: equal workers, tasks that always use the same, and
/// every command is carried out at once. The tasks are of a quarter of a core and up.
pub fn constant_histories() -> impl Strategy<Value = History> {
    let tasks = list((1..40_u64, any::<Index>()), 1..20);
    (2..7_u64, tasks, configs()).prop_map(|(count, tasks, config)| {
        let tasks = (1..).zip(tasks).map(|(id, (quarters, at))| {
            Task::new(TaskId::new(id))
                .on(WorkerId::new(1 + (at.index(count as usize * 2) as u64 % count)))
                .with_mobility(Mobility::Checkpoint)
                .with_demand(ResourceId::CPU, quarters as f64 / 4.0)
        });
        let workers = (1..=count).map(|id| plain(id, 32.0, 1 << 36)).collect();
        let cluster = Cluster { workers, tasks: tasks.collect(), ..Cluster::default() };
        let turns = Vec::new();
        History { config, cluster, turns, shows_moving: true, measured_every: 1 }
    })
}

/// A door that keeps a log of what went through it.
pub fn logged<'a>(
    log: &'a mut Vec<(Input, Output)>,
    mut door: impl FnMut(&Input) -> Output + 'a,
) -> Box<dyn FnMut(Input) -> Output + 'a> {
    Box::new(move |input| {
        let output = door(&input);
        log.push((input, output.clone()));
        output
    })
}
