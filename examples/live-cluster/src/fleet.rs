//! Workers and books together: what the coordinator can do, and what it learns.
//!
//! Knows nothing of the engine: tasks can be started and stopped, workers killed and added, and every event comes back
//! as [`Happening`]s. `host.rs` puts the engine on top.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use crate::cluster::{Cluster, Event, Workers};
use crate::custody::{Custody, News, Place};
use crate::measure::Reading;
use crate::plan::{Plan, WorkerPlan};
use crate::protocol::Answer;
use crate::worker::micros_now;

/// How long everything may take to be up and running.
const START_PATIENCE: Duration = Duration::from_secs(10);
/// How long the workers may take to hand everything back at the end.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// What an event means for the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Happening {
    /// A worker is ready.
    Ready(u64),
    /// There is news of a task.
    Task(u64, News),
    /// A worker is gone; these were its tasks, and where they were.
    Gone(u64, Vec<(u64, Place)>),
    /// Somebody wants the run to end now.
    Interrupt,
}

/// The workers and the tasks.
pub(crate) struct Fleet<C = Cluster> {
    pub(crate) cluster: C,
    pub(crate) custody: Custody,
    /// What the last round measured, by worker.
    pub(crate) readings: BTreeMap<u64, Reading>,
}

impl Fleet {
    /// No process yet; all tasks with the coordinator.
    pub(crate) fn new(plan: &Plan, steps_per_second: f64) -> io::Result<Self> {
        let custody = Custody::new(&plan.tasks, steps_per_second);
        Ok(Self { cluster: Cluster::new()?, custody, readings: BTreeMap::new() })
    }

    /// Starts the workers that are there from the beginning, and the tasks on them; returns when all of them run.
    pub(crate) fn launch(&mut self, plan: &Plan) -> io::Result<()> {
        let deadline = Instant::now() + START_PATIENCE;
        let initial: Vec<&WorkerPlan> =
            plan.workers.iter().filter(|worker| worker.starts_at == 0).collect();
        for worker in &initial {
            self.cluster.start(worker)?;
        }
        self.expect(deadline, "workers", |fleet| fleet.cluster.ready().count() == initial.len())?;
        for task in &plan.tasks {
            self.start(task.id, task.home);
        }
        self.expect(deadline, "tasks", |fleet| {
            fleet.custody.all().all(|entry| matches!(entry.place, Place::On(_) | Place::Finished))
        })
    }

    /// Follows events until something is so.
    fn expect(
        &mut self,
        deadline: Instant,
        who: &str,
        is_so: impl Fn(&Self) -> bool,
    ) -> io::Result<()> {
        while !is_so(self) {
            match self.next(deadline) {
                Some(Happening::Gone(worker, _)) => {
                    return Err(io::Error::other(format!(
                        "worker {worker} ended as soon as it was started"
                    )));
                }
                Some(Happening::Interrupt) => return Err(io::ErrorKind::Interrupted.into()),
                None if Instant::now() >= deadline => {
                    let wait = START_PATIENCE.as_secs();
                    return Err(io::Error::other(format!(
                        "the {who} did not start within {wait} s"
                    )));
                }
                Some(_) | None => {}
            }
        }
        Ok(())
    }

    /// Waits for the next thing that matters, at most until `deadline`.
    ///
    /// `None` when the time is up, and also when something happened that does not matter.
    pub(crate) fn next(&mut self, deadline: Instant) -> Option<Happening> {
        let event = self.cluster.next(deadline)?;
        self.hear(event)
    }

    /// Measures all workers since the last time.
    pub(crate) fn measure(&mut self) {
        self.readings = self.cluster.measure();
    }

    /// Measures all workers, and returns how far their loads are apart.
    pub(crate) fn measure_spread(&mut self) -> f64 {
        self.measure();
        self.spread()
    }

    /// Measured load of a worker: processor time over budget. `None` before its first measurement.
    pub(crate) fn load(&self, worker: &WorkerPlan) -> Option<f64> {
        Some(self.readings.get(&worker.id)?.cores / worker.budget)
    }

    /// Largest less smallest load of all measured workers.
    pub(crate) fn spread(&self) -> f64 {
        let loads: Vec<f64> = self.cluster.ready().filter_map(|worker| self.load(worker)).collect();
        let most = loads.iter().copied().fold(0.0, f64::max);
        most - loads.into_iter().fold(most, f64::min)
    }

    /// The tasks a worker runs, by number.
    pub(crate) fn tasks_on(&self, worker: u64) -> Vec<u64> {
        let here = |place| matches!(place, Place::On(at) | Place::Leaving(at) if at == worker);
        self.custody.all().filter(|entry| here(entry.place)).map(|entry| entry.plan.id).collect()
    }

    /// Ends all workers in good order and takes every state back.
    ///
    /// Returns the tasks that were in nobody's hands *before* that: handing them back is no loss.
    pub(crate) fn close(&mut self) -> Vec<u64> {
        let lost = self.custody.all().filter(|entry| entry.is_lost());
        let lost = lost.map(|entry| entry.plan.id).collect();
        self.cluster.close();
        let deadline = Instant::now() + CLOSE_PATIENCE;
        while !self.cluster.is_empty() && Instant::now() < deadline {
            self.next(deadline);
        }
        lost
    }
}

impl<C: Workers> Fleet<C> {
    /// Starts a held task on a worker; false if it is not held, or the worker is not there.
    pub(crate) fn start(&mut self, task: u64, worker: u64) -> bool {
        if !self.cluster.ready().any(|plan| plan.id == worker) {
            return false;
        }
        let Some((order, body)) = self.custody.start(task, worker) else { return false };
        self.cluster.tell(worker, &order, &body);
        true
    }

    /// Asks the worker of a task to hand it back; false if no worker runs it.
    pub(crate) fn release(&mut self, task: u64) -> bool {
        let Some((worker, order)) = self.custody.release(task) else { return false };
        self.cluster.tell(worker, &order, &[]);
        true
    }

    /// What an event means; `None` if it does not matter.
    pub(crate) fn hear(&mut self, event: Event) -> Option<Happening> {
        match event {
            Event::Interrupt => Some(Happening::Interrupt),
            Event::Gone(worker) => {
                self.cluster.collect(worker);
                self.readings.remove(&worker);
                Some(Happening::Gone(worker, self.custody.bury(worker, micros_now())))
            }
            Event::Said(worker, Answer::Ready, _) => {
                self.cluster.admit(worker);
                Some(Happening::Ready(worker))
            }
            Event::Said(worker, answer, body) => {
                let (task, news) = self.custody.note(worker, answer, body)?;
                Some(Happening::Task(task, news))
            }
        }
    }
}
