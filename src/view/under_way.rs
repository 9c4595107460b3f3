//! In which rows of the snapshot are the task and the workers of each migration under way?
//!
//! Migrations and tasks are in the same order, by task. One walk over both finds all rows, and no search is
//! needed later.

use alloc::vec::Vec;

use super::Place;
use crate::model::ids::{TaskId, WorkerId};
use crate::model::rows::{Row, TaskRow, WorkerRow};
use crate::model::time::Timestamp;
use crate::snapshot::{Coverage, Phase, Snapshot, Task};
use crate::state::{InFlight, Migration};

/// A migration under way, and the rows of its task and its workers; `None` for what the snapshot does not list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UnderWay<'a> {
    pub(crate) migration: &'a Migration,
    pub(crate) task: Option<TaskRow>,
    pub(crate) from: Option<WorkerRow>,
    pub(crate) to: Option<WorkerRow>,
    // Answers that every round asks of every migration, kept here so that most need no look at the migration.
    pub(crate) phase: Phase,
    pub(crate) since: Timestamp,
    pub(crate) is_at_its_source: bool,
    /// Whether the task may still be there: a complete snapshot that does not list it says that it is not.
    may_be_there: bool,
}

impl<'a> UnderWay<'a> {
    /// A migration under way whose task is in this row.
    pub(crate) fn of(migration: &'a Migration, task: Option<TaskRow>, snapshot: &Snapshot) -> Self {
        let row = |worker: WorkerId| snapshot.worker_row(worker);
        Self {
            migration,
            task,
            from: migration.from().and_then(row),
            to: row(migration.to()),
            phase: migration.phase(),
            since: migration.since(),
            is_at_its_source: migration.is_at_its_source(),
            may_be_there: task.is_some() || snapshot.coverage() == Coverage::Partial,
        }
    }

    /// Whether a worker has been asked to run the task, or will be asked when the source releases it.
    pub(crate) fn is_bound(&self) -> bool {
        self.phase != Phase::Released
    }

    /// Where the task is.
    pub(crate) fn place(&self) -> Place {
        let migration = self.migration.id();
        if self.phase == Phase::Released {
            let from = self.from.filter(|_| self.may_be_there);
            return Place::Stranded { migration, from };
        }
        Place::Moving { migration, from: self.from, to: self.to }
    }
}

/// All migrations under way, by task.
pub(crate) fn under_way<'a>(in_flight: &'a InFlight, snapshot: &Snapshot) -> Vec<UnderWay<'a>> {
    let mut walk = Walk::new(snapshot.tasks());
    let all = in_flight.values();
    all.map(|migration| UnderWay::of(migration, walk.row(migration.task()), snapshot)).collect()
}

/// Finds the rows of tasks, asked for in the order of their ids.
pub(crate) struct Walk<'a> {
    tasks: &'a [Task],
    /// All rows before this one have lower ids than any task asked for from now on.
    next: usize,
}

impl<'a> Walk<'a> {
    pub(crate) const fn new(tasks: &'a [Task]) -> Self {
        Self { tasks, next: 0 }
    }

    /// The row of a task; `None` if the snapshot does not list it. Skipping `n` tasks takes O(log n).
    pub(crate) fn row(&mut self, id: TaskId) -> Option<TaskRow> {
        let rest = &self.tasks[self.next..];
        let is_before = |task: &Task| task.id < id;
        let mut reach = 0;
        while rest.get(reach).is_some_and(is_before) {
            reach = 2 * reach + 1;
        }
        // The row half as far ahead, if any, has a lower id.
        let (from, to) = (reach.div_ceil(2), reach.min(rest.len()));
        self.next += from + rest[from..to].partition_point(is_before);
        let found = self.tasks.get(self.next).is_some_and(|task| task.id == id);
        found.then(|| TaskRow::at(self.next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_finds_what_a_search_would_find() {
        let all: Vec<Task> = (0..300).map(|id| Task::new(TaskId::new(id * id % 1_009))).collect();
        let mut tasks = all.clone();
        tasks.sort_by_key(|task| task.id);
        for apart in 1..40_u64 {
            let mut walk = Walk::new(&tasks);
            for id in (0..1_020).filter(|id| id % apart == 0).map(TaskId::new) {
                let found = walk.row(id).map(|row| tasks[row.position()].id);
                assert_eq!(found, all.iter().any(|task| task.id == id).then_some(id));
            }
        }
    }
}
