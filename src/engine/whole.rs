//! What would even out the whole cluster?

use super::Engine;
use super::look::Foreseen;
use crate::config::Effort;
use crate::outcome::{Plan, Stop};
use crate::plan::cluster;
use crate::snapshot::Snapshot;

impl Engine {
    /// Plans moves for the whole cluster: what rounds approach step by step, at once and further. Nothing begins, and
    /// the engine does not change; the host decides what becomes of the plan.
    ///
    /// A plan places tasks that have lost their worker, empties workers that drain, brings workers below the ceiling
    /// (the high threshold), and then evens out the loads by single moves and by exchanges, until nothing gains enough
    /// or the effort is spent. The hard rules of rounds hold for every move, cooldowns among them; the budgets of
    /// rounds ([`Config::migration`](crate::Config::migration)), thresholds and dead bands do not, since `effort` says
    /// how much may move. Each task moves at most once. Tasks of a gang stay, and a plan sends nothing to a worker that
    /// departs.
    ///
    /// The result is the same for the same state, snapshot and effort. It leaves fewer tasks without a place than no
    /// plan, or as many and no more uneven loads; if nothing can be gained, it has no moves. The time is near-linear
    /// in the number of tasks and in what is out of balance.
    ///
    /// ```
    /// use evenkeel::config::Effort;
    /// use evenkeel::{Config, Engine, ResourceId, Snapshot, Task, TaskId, Timestamp, Worker, WorkerId};
    ///
    /// let worker = |id, cpu, memory| {
    ///     Worker::new(WorkerId::new(id))
    ///         .with_capacity(ResourceId::CPU, 130.0)
    ///         .with_capacity(ResourceId::MEMORY, 130.0)
    ///         .with_used(ResourceId::CPU, cpu)
    ///         .with_used(ResourceId::MEMORY, memory)
    /// };
    /// let task = |id, on, cpu, memory| {
    ///     Task::new(TaskId::new(id))
    ///         .on(WorkerId::new(on))
    ///         .with_demand(ResourceId::CPU, cpu)
    ///         .with_demand(ResourceId::MEMORY, memory)
    /// };
    /// // w1 is full of processors, w2 of memory: one task for another relieves both.
    /// let snapshot = Snapshot::builder(Timestamp::from_secs(30))
    ///     .workers([worker(1, 84.0, 40.0), worker(2, 40.0, 84.0)])
    ///     .tasks([task(1, 1, 42.0, 20.0), task(2, 1, 42.0, 20.0)])
    ///     .tasks([task(3, 2, 20.0, 42.0), task(4, 2, 20.0, 42.0)])
    ///     .build();
    ///
    /// let engine = Engine::new(Config::default())?;
    /// let plan = engine.plan(&snapshot, Effort::default());
    /// assert_eq!(plan.moves, 2);
    /// assert!(plan.before.unevenness > 0.2 && plan.after.unevenness < 1e-9);
    /// # Ok::<(), evenkeel::config::ConfigErrors>(())
    /// ```
    pub fn plan(&self, snapshot: &Snapshot, effort: Effort) -> Plan {
        let Foreseen { state, survey, is_held } =
            Foreseen::of(self.config(), self.state(), snapshot);
        if is_held {
            return Plan { stop: Stop::HeldBack, ..Plan::default() };
        }
        cluster::plan(&survey.context(self.config(), &state), &survey.ledger, effort)
    }
}
