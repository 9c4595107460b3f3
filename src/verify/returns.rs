//! Which tasks may not return to their source yet, and which may not be evicted again yet?

use alloc::collections::BTreeMap;
use alloc::format;
use core::time::Duration;

use super::promise::{Promise, Violation};
use crate::config::{Config, Eviction};
use crate::model::ids::{TaskId, WorkerId};
use crate::model::time::Timestamp;
use crate::outcome::{Action, Command, Ended};

/// The sources of tasks that moved, and the tasks that came back after an eviction.
#[derive(Clone, Debug, Default)]
pub(super) struct Returns {
    /// The worker that each task left, and until when it may not go back.
    left: BTreeMap<TaskId, (WorkerId, Timestamp)>,
    /// How often evicted tasks came back in a row, and until when each is left alone.
    returned: BTreeMap<TaskId, (u32, Timestamp)>,
}

impl Returns {
    /// Forgets the tasks that are no longer listed, and returns that are long enough ago.
    pub(super) fn keep(
        &mut self,
        config: &Config,
        at: Timestamp,
        is_there: impl Fn(TaskId) -> bool,
    ) {
        let section = eviction(config);
        self.returned.retain(|task, (times, until)| {
            is_there(*task) && until.after(back_off(section, *times)) > at
        });
        self.left.retain(|task, _| is_there(*task));
    }

    /// Until when a task that came back must not be evicted again; `None` if it may.
    pub(super) fn rests_until(&self, task: TaskId) -> Option<Timestamp> {
        self.returned.get(&task).map(|(_, until)| *until)
    }

    /// Forgets a task that is over: a later task with its id is another one.
    pub(super) fn finished(&mut self, task: TaskId) {
        self.left.remove(&task);
    }

    /// Takes in a task that has arrived, by its present id, on a worker: from now on it may not go back to its
    /// source. Returns whether it has gone back there.
    pub(super) fn arrived(
        &mut self,
        config: &Config,
        ended: &Ended,
        (task, worker): (TaskId, WorkerId),
        evicted: bool,
    ) -> bool {
        let before = self.returned.remove(&ended.task).filter(|_| evicted);
        let came_back = evicted && ended.from == Some(worker);
        if came_back {
            let section = eviction(config);
            // The count is forgotten after as long again without an eviction.
            let fresh = before.filter(|(n, until)| until.after(back_off(section, *n)) > ended.at);
            let times = fresh.map_or(1, |(times, _)| times + 1);
            self.returned.insert(task, (times, ended.at.after(back_off(section, times))));
            if let Some(left) = self.left.remove(&ended.task) {
                self.left.insert(task, left);
            }
        } else if let (Some(section), Some(from)) = (&config.stability, ended.from) {
            self.left.insert(task, (from, ended.at.after(section.cooldown)));
        }
        came_back
    }

    /// Judges that a command does not send a task back to its source within the cooldown.
    pub(super) fn goes_back(
        &self,
        config: &Config,
        at: Timestamp,
        command: &Command,
    ) -> Option<Violation> {
        let to = match command.action {
            Action::Assign { to, .. } => to,
            action => action.begins()?.1,
        };
        let (worker, until) = self.left.get(&command.task)?;
        let goes_back = config.stability.is_some() && *worker == to && *until > at;
        goes_back.then(|| Violation {
            promise: Promise::NoPingPong,
            detail: format!("{command}: back where it came from"),
        })
    }
}

/// The settings for hosts that evict.
fn eviction(config: &Config) -> Eviction {
    config.migration.as_ref().and_then(|limits| limits.host.eviction()).unwrap_or_default()
}

/// How long a task is left alone that came back this many times in a row.
fn back_off(section: Eviction, times: u32) -> Duration {
    let doubled = (1..times.min(64)).fold(section.back_off, |span, _| span.saturating_mul(2));
    doubled.min(section.back_off_most)
}
