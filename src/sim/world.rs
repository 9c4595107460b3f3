//! The cluster in virtual time: what is, and what happens next.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::rc::Rc;
use alloc::vec::Vec;

use super::agenda::{AGAIN, Agenda, Due};
use super::cluster::Cluster;
use super::dice::{Dice, Stream};
use super::machine::{Job, Machine, index_of, stamp};
use super::measure::Meter;
use super::plan::{Incident, Micros, Plan, micros};
use super::probe::Probe;
use super::scenario::{Overcommit, Scenario, Telemetry, What};
use super::scheduler::Scheduler;
use super::transfer::Transfers;
use crate::model::hardware::HardwareSet;
use crate::model::ids::{MigrationId, WorkerId};
use crate::snapshot::{Event as Told, Mobility, Phase, Placement, Report, Stance};

/// The cluster.
#[derive(Debug)]
pub(super) struct World {
    pub(super) scenario: Rc<Scenario>,
    pub(super) now: Micros,
    pub(super) machines: Vec<Machine>,
    pub(super) jobs: Vec<Job>,
    pub(super) probes: Vec<Probe>,
    pub(super) meter: Meter,
    pub(super) incidents: Vec<Incident>,
    /// What the engine is to be told.
    pub(super) outbox: VecDeque<Report>,
    /// Tasks that have no worker and that no migration has.
    pub(super) queue: Vec<usize>,
    pub(super) transfers: Transfers,
    pub(super) luck: Dice,
    pub(super) tokens: u64,
    /// Whether an engine moves tasks; if not, the scheduler places orphans.
    pub(super) balanced: bool,
    /// Whether the host sees what is and what will be.
    pub(super) oracle: bool,
    /// Tasks that have arrived and are not done.
    pub(super) live: Vec<usize>,
    /// Tasks of each event that changed their demand.
    changed: BTreeMap<usize, Vec<usize>>,
    initial: usize,
    /// How many have arrived.
    arrived: usize,
    specs: usize,
    scheduler: Scheduler,
    agenda: Agenda,
}

impl World {
    pub(super) fn new(scenario: Rc<Scenario>, plan: Plan, seed: u64, balanced: bool) -> Self {
        let Plan { classes, present, specs, initial, incidents, rank } = plan;
        let machines = classes.into_iter().enumerate().map(|(number, class)| {
            Machine::new(number, class, number < present, &scenario.physics)
        });
        let machines: Vec<Machine> = machines.collect();
        let share = scenario.migration.link_share;
        let links = machines.iter().map(|it| it.class.network_gbit * 1e9 / 8.0 * share);
        let transfers = Transfers::new(links);
        let jobs = specs.into_iter().enumerate();
        let devices = machines.iter().flat_map(|machine| &machine.class.devices);
        let kinds = devices.fold(HardwareSet::EMPTY, |set, device| set.with(device.hardware));
        let jobs: Vec<Job> =
            jobs.map(|(number, spec)| Job::new(number, spec, seed, kinds)).collect();
        let mut world = Self {
            now: 0,
            probes: (0..machines.len()).map(|seat| Probe::new(seed, seat)).collect(),
            meter: Meter::new(&scenario),
            outbox: VecDeque::new(),
            queue: Vec::new(),
            live: Vec::new(),
            transfers,
            luck: Dice::new(seed, Stream::Moves),
            tokens: 0,
            balanced,
            oracle: false,
            scheduler: Scheduler::new(rank, scenario.placement),
            agenda: Agenda::default(),
            changed: BTreeMap::new(),
            initial,
            arrived: initial,
            specs: jobs.len(),
            scenario,
            machines,
            jobs,
            incidents,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        for job in 0..self.initial {
            self.live.push(job);
            self.place(job, true);
        }
        if self.initial < self.specs {
            self.at(self.jobs[self.initial].spec.arrives, Due::Arrival(self.initial));
        }
        for index in 0..self.incidents.len() {
            self.at(self.incidents[index].at, Due::Incident(index));
        }
        self.at(0, Due::Refresh);
        self.at(micros(self.scenario.round), Due::Round);
    }

    /// The present state of the cluster.
    pub(super) fn cluster(&self) -> Cluster<'_> {
        let Self { scenario, now, machines, jobs, live, queue, .. } = self;
        Cluster { scenario, now: *now, machines, jobs, live, queue }
    }

    pub(super) fn placement(&self, job: usize) -> Placement {
        self.jobs[job].hosted.task.placement
    }

    pub(super) fn at(&mut self, at: Micros, due: Due) {
        self.agenda.enter(at.max(self.now), due);
    }

    /// What is due next; time goes on to it.
    pub(super) fn next(&mut self) -> Option<Due> {
        let (at, due) = self.agenda.next()?;
        let end = micros(self.scenario.duration);
        if at > end {
            self.now = end;
            return None;
        }
        self.now = at;
        Some(due)
    }

    /// Whether nothing is left to do, in a run that ends then.
    pub(super) fn is_done(&self) -> bool {
        self.scenario.ends_when_done && self.live.is_empty() && self.arrived == self.specs
    }

    /// Lets something happen; rounds are the engine's.
    pub(super) fn handle(&mut self, due: Due) {
        match due {
            Due::Arrival(job) => self.arrive(job),
            Due::Incident(index) => self.incident(index),
            Due::Over(index) => self.over(index),
            Due::Refresh => self.refresh(),
            Due::Measure(seat) => self.measure(seat),
            Due::Ready(seat) => {
                self.catch_up(seat);
                self.settle(seat);
            }
            Due::Round => {}
            Due::Repeat(report) => self.outbox.push_back(report),
            Due::Completion { seat, generation } => {
                if self.machines[seat].generation == generation {
                    self.complete(seat);
                }
            }
            Due::Transfer { generation } => {
                if self.transfers.generation == generation {
                    self.transferred();
                }
            }
            Due::Step { job, token } => self.step(job, token),
        }
    }

    // ------------------------------------------------------------ workers

    /// Accounts for what a worker did until now. A caller must call `settle` afterwards.
    pub(super) fn catch_up(&mut self, seat: usize) {
        let done = self.machines[seat].catch_up(&mut self.jobs, self.now);
        self.meter.worked += done;
    }

    /// Shares a worker anew and says when its next task is complete.
    pub(super) fn settle(&mut self, seat: usize) {
        let machine = &mut self.machines[seat];
        let mut next = machine.settle(&mut self.jobs, &self.scenario, self.now);
        if self.scenario.physics.memory == Overcommit::Kills {
            while let Some(victim) = self.victim(seat) {
                self.kill(seat, victim);
                next = self.machines[seat].settle(&mut self.jobs, &self.scenario, self.now);
            }
        }
        let generation = self.machines[seat].generation;
        if let Some(span) = next {
            self.at(self.now.saturating_add(span), Due::Completion { seat, generation });
        }
    }

    /// The largest task of a worker whose memory does not suffice.
    fn victim(&self, seat: usize) -> Option<usize> {
        let machine = &self.machines[seat];
        if machine.now.memory <= machine.memory_bytes() {
            return None;
        }
        let running = machine.jobs.iter().copied().filter(|job| self.jobs[*job].runs());
        running.max_by(|a, b| self.jobs[*a].spec.memory.total_cmp(&self.jobs[*b].spec.memory))
    }

    fn kill(&mut self, seat: usize, job: usize) {
        self.machines[seat].drop(job, &mut self.jobs[job]);
        self.fall_back(job);
        self.jobs[job].hosted.lose(self.machines[seat].id);
        self.jobs[job].hosted.requeue();
        self.queue.push(job);
    }

    /// Back to what the last checkpoint holds.
    pub(super) fn fall_back(&mut self, job: usize) {
        let job = &mut self.jobs[job];
        let kept = job.kept().min(job.done);
        self.meter.redone += job.done - kept;
        (job.done, job.saved, job.rest) = (kept, kept, 0.0);
    }

    fn complete(&mut self, seat: usize) {
        self.catch_up(seat);
        for job in self.machines[seat].jobs.clone() {
            if self.jobs[job].runs() && self.jobs[job].done >= self.jobs[job].spec.work {
                self.machines[seat].drop(job, &mut self.jobs[job]);
                self.jobs[job].hosted.end();
                self.jobs[job].finished = Some(self.now);
                self.live.retain(|other| *other != job);
            }
        }
        self.settle(seat);
    }

    // ------------------------------------------------------------ tasks that need a worker

    fn arrive(&mut self, job: usize) {
        if job + 1 < self.specs {
            self.at(self.jobs[job + 1].spec.arrives, Due::Arrival(job + 1));
        }
        self.arrived += 1;
        self.live.push(job);
        self.place(job, false);
    }

    /// Lets the scheduler place a task, or keep it in its queue.
    fn place(&mut self, job: usize, initial: bool) {
        let Some(seat) = self.scheduler.choose(&self.cluster(), job, initial) else {
            self.queue.push(job);
            return;
        };
        self.scheduler.turn = seat + 1;
        self.catch_up(seat);
        self.machines[seat].take(job, &mut self.jobs[job], None);
        if self.jobs[job].started.is_some() {
            self.jobs[job].ready = self.now + self.return_time(job, seat);
            self.at(self.jobs[job].ready, Due::Ready(seat));
            self.meter.resumed(&mut self.jobs[job], self.now);
        }
        self.settle(seat);
    }

    /// How long a task that ran before takes to run again: its state comes over its worker's link,
    /// as it would for a balancer.
    fn return_time(&self, job: usize, seat: usize) -> Micros {
        let (moves, job) = (&self.scenario.migration, &self.jobs[job]);
        let state = if job.kept() == 0 { 0.0 } else { job.spec.state };
        let link = self.machines[seat].class.network_gbit * 1e9 / 8.0 * moves.link_share;
        micros(moves.restart + state / link)
    }

    // ------------------------------------------------------------ what moves on by itself

    fn refresh(&mut self) {
        let seconds = self.scenario.telemetry.interval;
        let tasks = &self.scenario.tasks;
        let fade = libm::exp(-seconds / tasks.noise_seconds.max(1e-9));
        let fresh = libm::sqrt(1.0 - fade * fade);
        for seat in 0..self.machines.len() {
            self.catch_up(seat);
            for job in self.machines[seat].jobs.clone() {
                let job = &mut self.jobs[job];
                if self.scenario.tasks.noise > 0.0 {
                    job.noise = job.noise * fade + fresh * job.dice.normal();
                }
                let due = job.saved_at + micros(self.scenario.tasks.checkpoint_seconds);
                if job.runs() && self.now >= due {
                    (job.saved, job.saved_at) = (job.done, self.now);
                }
            }
            if self.now > 0 {
                self.machines[seat].warm(&self.scenario.physics, seconds);
            }
            self.background(seat);
            self.settle(seat);
            // The first is there from the start; after that, each worker has a rhythm of its own.
            let phase = if self.now == 0 { 0.0 } else { self.probes[seat].phase };
            self.at(self.now + micros(phase * seconds), Due::Measure(seat));
        }
        for job in core::mem::take(&mut self.queue) {
            self.place(job, false);
        }
        let mut meter = core::mem::take(&mut self.meter);
        meter.refresh(&self.cluster());
        self.meter = meter;
        self.at(self.now + micros(seconds), Due::Refresh);
    }

    fn measure(&mut self, seat: usize) {
        let (machine, jobs) = (&self.machines[seat], &self.jobs);
        self.probes[seat].measure(machine, jobs, &self.scenario, self.now);
    }

    fn background(&mut self, seat: usize) {
        let now = self.now;
        let shares = self.incidents.iter().filter_map(|incident| match &incident.what {
            What::Background(curve)
                if incident.seats.contains(&seat)
                    && incident.at <= now
                    && incident.until.is_none_or(|until| now < until) =>
            {
                Some(curve.at((now - incident.at) as f64 / 1e6))
            }
            _ => None,
        });
        self.machines[seat].background = shares.sum();
    }

    // ------------------------------------------------------------ what the scenario lets happen

    fn incident(&mut self, index: usize) {
        let Incident { seats, what, until, .. } = self.incidents[index].clone();
        for seat in seats {
            self.catch_up(seat);
            match what {
                What::Demand(factor) => {
                    let here = &self.machines[seat].jobs;
                    here.iter().for_each(|job| self.jobs[*job].factor *= factor);
                    self.changed.entry(index).or_default().extend(here);
                }
                What::Background(_) => self.background(seat),
                What::Crash => self.crash(seat),
                What::Drain if self.machines[seat].present => {
                    self.machines[seat].stance = Stance::Drain;
                }
                What::Drain => {}
                What::Join => self.come_back(seat),
                What::Ambient(degrees) => self.machines[seat].ambient += degrees,
            }
            self.settle(seat);
        }
        if let Some(until) = until {
            self.at(until, Due::Over(index));
        }
    }

    fn over(&mut self, index: usize) {
        let Incident { seats, what, .. } = self.incidents[index].clone();
        if let What::Demand(factor) = what {
            return self.calm(index, factor);
        }
        for seat in seats {
            self.catch_up(seat);
            match what {
                What::Background(_) => self.background(seat),
                What::Crash => self.come_back(seat),
                What::Drain if self.machines[seat].present => {
                    self.machines[seat].stance = Stance::Accept;
                }
                What::Join => self.crash(seat),
                What::Ambient(degrees) => self.machines[seat].ambient -= degrees,
                What::Demand(_) | What::Drain => {}
            }
            self.settle(seat);
        }
    }

    /// The tasks whose demand an event changed want what they wanted before, wherever they are now.
    fn calm(&mut self, index: usize, factor: f64) {
        for seat in 0..self.machines.len() {
            self.catch_up(seat);
        }
        for job in self.changed.remove(&index).unwrap_or_default() {
            self.jobs[job].factor /= factor;
        }
        for seat in 0..self.machines.len() {
            self.settle(seat);
        }
    }

    /// A worker is there, and takes jobs.
    fn come_back(&mut self, seat: usize) {
        (self.machines[seat].present, self.machines[seat].stance) = (true, Stance::Accept);
    }

    /// A worker dies with all it has in memory.
    fn crash(&mut self, seat: usize) {
        for job in self.machines[seat].jobs.clone() {
            self.machines[seat].drop(job, &mut self.jobs[job]);
            self.fall_back(job);
            self.meter.resumed(&mut self.jobs[job], self.now);
            self.jobs[job].hosted.lose(self.machines[seat].id);
            if !self.balanced {
                self.jobs[job].hosted.requeue();
                self.queue.push(job);
            }
        }
        (self.machines[seat].present, self.machines[seat].stance) = (false, Stance::Offline);
        self.probes[seat].forget();
    }

    // ------------------------------------------------------------ migrations

    /// Reports something to the engine, unless that is lost on the way.
    pub(super) fn tell(&mut self, event: Told) {
        let report = Report::new(stamp(self.now), event);
        let Telemetry { reports_lost, reports_repeated, .. } = self.scenario.telemetry;
        // Where nothing is lost or repeated, no dice are thrown.
        if reports_repeated > 0.0 && self.luck.chance(reports_repeated) {
            self.at(self.now + AGAIN, Due::Repeat(report));
        }
        if reports_lost == 0.0 || !self.luck.chance(reports_lost) {
            self.outbox.push_back(report);
        }
    }

    fn transferred(&mut self) {
        for (job, token) in self.transfers.arrived(self.now) {
            self.at(self.now + micros(self.scenario.migration.restart), Due::Step { job, token });
        }
        self.schedule_transfers();
    }

    pub(super) fn schedule_transfers(&mut self) {
        if let Some(span) = self.transfers.next() {
            let generation = self.transfers.generation;
            self.at(self.now + span, Due::Transfer { generation });
        }
    }

    fn step(&mut self, job: usize, token: u64) {
        let Placement::Moving { migration, from, to, phase, .. } = self.placement(job) else {
            return;
        };
        if self.jobs[job].token != token {
            return;
        }
        match (phase, from) {
            (Phase::Releasing, Some(from)) => self.released(job, migration, from),
            (Phase::Assigned, _) => self.started(job, migration, from, to),
            _ => {}
        }
    }

    /// The source has saved its state, or failed to.
    fn released(&mut self, job: usize, migration: MigrationId, from: WorkerId) {
        let (seat, now) = (index_of(from), stamp(self.now));
        self.catch_up(seat);
        if self.jobs[job].doom == Some(Phase::Releasing) {
            self.jobs[job].hosted.fail_step(now);
            self.meter.resumed(&mut self.jobs[job], self.now);
            self.meter.failed += 1;
            self.tell(Told::Failed { migration });
        } else {
            self.jobs[job].hosted.release(now);
            self.machines[seat].drop(job, &mut self.jobs[job]);
            if self.jobs[job].spec.mobility == Mobility::Restart {
                self.meter.lost_to_moves += self.jobs[job].done;
                self.fall_back(job);
            }
            let saved = self.jobs[job].done;
            (self.jobs[job].saved, self.jobs[job].saved_at) = (saved, self.now);
            self.tell(Told::Released { migration });
        }
        self.settle(seat);
    }

    /// The target runs it, or has failed to.
    fn started(
        &mut self,
        job: usize,
        migration: MigrationId,
        from: Option<WorkerId>,
        to: WorkerId,
    ) {
        let seat = index_of(to);
        if self.jobs[job].doom == Some(Phase::Assigned) || !self.machines[seat].present {
            self.jobs[job].doom = None;
            self.jobs[job].hosted.fail_step(stamp(self.now));
            self.meter.failed += 1;
            self.tell(Told::Failed { migration });
            return;
        }
        self.meter.arrived(&mut self.jobs[job], from.map(index_of), seat, self.now);
        let device = self.jobs[job].device;
        self.catch_up(seat);
        self.machines[seat].take(job, &mut self.jobs[job], device);
        self.settle(seat);
        self.tell(Told::Running { migration });
    }
}
