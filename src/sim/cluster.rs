//! What is the present state of the cluster?

use super::machine::{Job, Machine};
use super::plan::Micros;
use super::scenario::Scenario;

/// The present cluster, for code that measures it or chooses a worker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cluster<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) now: Micros,
    pub(super) machines: &'a [Machine],
    pub(super) jobs: &'a [Job],
    /// Tasks that have arrived and are not done.
    pub(super) live: &'a [usize],
    /// Tasks that wait for the scheduler.
    pub(super) queue: &'a [usize],
}

impl Cluster<'_> {
    pub(super) fn joules(&self) -> f64 {
        self.machines.iter().map(|machine| machine.joules).sum()
    }

    pub(super) fn throttled(&self) -> f64 {
        self.machines.iter().map(|machine| machine.throttled_seconds).sum()
    }

    /// Worker-seconds with more CPU demanded, and with more memory in use, than the worker had.
    pub(super) fn overload(&self) -> [f64; 2] {
        let sums = self.machines.iter().map(|machine| machine.overload_seconds);
        sums.fold([0.0; 2], |sum, more| [sum[0] + more[0], sum[1] + more[1]])
    }

    /// How many tasks are somewhere: with a worker, with the scheduler, or with nobody.
    pub(super) fn tasks_somewhere(&self) -> u64 {
        let held: usize = self.machines.iter().map(|machine| machine.jobs.len()).sum();
        let adrift = self.live.iter().filter(|job| self.jobs[**job].is_adrift()).count();
        (held + self.queue.len() + adrift) as u64
    }
}
