//! Does this host keep the duties that the engine expects of it? The test kit of `evenkeel` asks.
//!
//! What is tested is the host as it is: [`Host`], [`Fleet`] and [`Custody`] on the side of the coordinator, and [`Worker`] on
//! the other side, with the messages of `protocol.rs` in between. Only the processes are missing: a worker gets its orders
//! at once and obeys them, and its answers stay in its pipe until it is its turn.

use std::collections::BTreeMap;
use std::convert::Infallible;

use evenkeel::hardware::HardwareSet;
use evenkeel::outcome::Ended;
use evenkeel::shell::{MigrationExecutor, TelemetrySource};
use evenkeel::snapshot::Placement;
use evenkeel::testkit::host::{HostStart, HostUnderTest, check_host};
use evenkeel::{Command, Report, Snapshot, TaskId, Timestamp, WorkerId};

use crate::cluster::{Event, Workers};
use crate::custody::Custody;
use crate::fleet::Fleet;
use crate::host::{Clock, Host};
use crate::measure::Reading;
use crate::plan::{KINDS, TaskPlan, WorkerPlan};
use crate::protocol::{self, Order};
use crate::worker::Worker;

const PLANS: u32 = 256;

/// A worker without a process of its own: what it says stays in its output.
struct Member {
    plan: WorkerPlan,
    worker: Worker<Vec<u8>>,
}

impl Member {
    fn new(plan: WorkerPlan) -> Self {
        let worker = Worker::new(plan.budget, Vec::new());
        Self { plan, worker }
    }
}

struct Members(BTreeMap<u64, Member>);

impl Workers for Members {
    fn ready(&self) -> impl Iterator<Item = &WorkerPlan> {
        self.0.values().map(|member| &member.plan)
    }

    fn tell(&mut self, worker: u64, order: &Order, body: &[u8]) {
        if let Some(member) = self.0.get_mut(&worker) {
            member.worker.obey(order, body).expect("a vector takes everything");
        }
    }

    fn admit(&mut self, _: u64) {}

    fn collect(&mut self, worker: u64) {
        self.0.remove(&worker);
    }
}

fn worker(id: WorkerId) -> WorkerPlan {
    let hardware = HardwareSet::EMPTY;
    WorkerPlan { id: id.raw(), budget: 0.5, memory_bytes: 1e9, hardware, starts_at: 0 }
}

fn task(id: TaskId, home: WorkerId) -> TaskPlan {
    TaskPlan {
        id: id.raw(),
        seed: id.raw(),
        kind: KINDS[0],
        demand: 0.1,
        workspace_bytes: 0,
        seconds: None,
        priority: 1,
        all_of: HardwareSet::EMPTY,
        any_of: HardwareSet::EMPTY,
        power_efficient: false,
        home: home.raw(),
    }
}

/// The host, and the time that it is told.
struct Tested {
    host: Host<Members>,
}

impl Tested {
    fn new(start: &HostStart) -> Self {
        let members = start.workers.iter().map(|it| (it.id.raw(), Member::new(worker(it.id))));
        let tasks = start.tasks.iter().filter_map(|it| match it.placement {
            Placement::On(home) => Some(task(it.id, home)),
            _ => None,
        });
        let tasks: Vec<TaskPlan> = tasks.collect();
        let fleet = Fleet {
            cluster: Members(members.collect()),
            custody: Custody::new(&tasks, 100.0),
            readings: BTreeMap::new(),
        };
        let mut tested = Self { host: Host::new(fleet, Clock::standing_at(start.at)) };
        for task in &tasks {
            assert!(tested.host.fleet.start(task.id, task.home));
            tested.work(WorkerId::new(task.home));
        }
        tested
    }

    fn hear(&mut self, event: Event) {
        if let Some(happening) = self.host.fleet.hear(event) {
            self.host.note(&happening);
        }
    }
}

impl TelemetrySource for Tested {
    type Error = Infallible;

    fn snapshot(&mut self) -> Result<Option<Snapshot>, Infallible> {
        let fleet = &mut self.host.fleet;
        let reading = |plan: &WorkerPlan| {
            let running = fleet.cluster.0[&plan.id].worker.count();
            (plan.id, Reading { cores: 0.1 * crate::number(running), resident_bytes: 0 })
        };
        fleet.readings = fleet.cluster.ready().map(reading).collect();
        Ok(Some(self.host.snapshot()))
    }
}

impl MigrationExecutor for Tested {
    type Error = Infallible;

    fn execute(&mut self, command: &Command) -> Result<(), Infallible> {
        self.host.carry_out(command);
        Ok(())
    }
}

impl HostUnderTest for Tested {
    fn set_time(&mut self, now: Timestamp) {
        self.host.clock = Clock::standing_at(now);
    }

    fn take_reports(&mut self) -> Vec<Report> {
        self.host.take_reports()
    }

    fn work(&mut self, worker: WorkerId) {
        let id = worker.raw();
        let Some(member) = self.host.fleet.cluster.0.get_mut(&id) else { return };
        let said = std::mem::take(&mut member.worker.output);
        let mut from = said.as_slice();
        while let Some((answer, body)) = protocol::receive(&mut from).expect("whole messages") {
            self.hear(Event::Said(id, answer, body));
        }
    }

    fn crash(&mut self, worker: WorkerId) {
        if self.host.fleet.cluster.0.contains_key(&worker.raw()) {
            self.hear(Event::Gone(worker.raw()));
        }
    }

    fn revive(&mut self, id: WorkerId) {
        let plan = worker(id);
        self.host.fleet.cluster.0.entry(plan.id).or_insert_with(|| Member::new(plan));
    }

    fn ended(&mut self, ended: &[Ended]) {
        self.host.close(ended);
    }

    fn schedule(&mut self) {
        let mut mine = self.host.stranded();
        mine.retain(|task| self.host.unplaced.contains(&task.raw()));
        for task in mine {
            let first = self.host.fleet.cluster.ready().next().map(|plan| WorkerId::new(plan.id));
            if let Some(worker) = first {
                self.host.schedule(task, worker);
            }
        }
    }

    fn copies(&self, task: TaskId) -> Vec<WorkerId> {
        let members = self.host.fleet.cluster.0.values();
        let runs = members.filter(|member| member.worker.runs(task.raw()));
        runs.map(|member| WorkerId::new(member.plan.id)).collect()
    }
}

#[test]
fn the_host_keeps_its_duties() {
    let passed = check_host(PLANS, Tested::new).unwrap_or_else(|fault| panic!("{fault}"));
    println!("{passed:?}");
    assert!(passed.migrations > passed.plans, "{passed:?}");
}
