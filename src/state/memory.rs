//! What is remembered of migrations that are over: where tasks are, how long they stay there, and what is left to do?

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::model::ids::{MigrationId, TaskId, WorkerId};
use crate::model::resource::Amounts;
use crate::model::time::Timestamp;
use crate::outcome::{Action, Cause, Command, Why};
use crate::snapshot::Snapshot;

/// Where a task is known to be at rest: on a living worker, or in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AtRest {
    /// The moment of the snapshot or of the report that said so.
    pub(crate) at: Timestamp,
    /// The worker; `None` if it is in a queue.
    pub(crate) on: Option<WorkerId>,
}

impl AtRest {
    /// The same, at `now` at the latest.
    pub(crate) fn not_after(self, now: Timestamp) -> Self {
        Self { at: self.at.min(now), ..self }
    }
}

/// A completed move whose effect telemetry may not show yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RecentArrival {
    pub(crate) task: TaskId,
    pub(crate) from: Option<WorkerId>,
    pub(crate) to: WorkerId,
    /// When the source released the task.
    pub(crate) released: Timestamp,
    /// When the target started to run the task.
    pub(crate) running: Timestamp,
    pub(crate) load: Amounts,
    /// The use that the move took off the source, if the task ran there by another alternative; `None` if it is the
    /// load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) freed_at_source: Option<Amounts>,
}

/// For so many cooldowns a task that has moved stays where it is, unless the loads part.
pub(crate) const STAYS: u32 = 12;

/// A task that is left alone for a while.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cooldown {
    /// The workers that the task left within the cooldown, each with the moment from which it may go back.
    pub(crate) left: Vec<(WorkerId, Timestamp)>,
    pub(crate) until: Timestamp,
}

/// A task that came back to the worker from which it was evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EvictionBackoff {
    /// How many times in a row it came back.
    pub(crate) times: u32,
    /// The task is not evicted before this moment.
    pub(crate) until: Timestamp,
    /// When the count starts again from zero: as long again after `until`.
    pub(crate) forget: Timestamp,
}

/// A migration that is over, remembered for reports that come late.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct EndedMigration {
    pub(crate) id: MigrationId,
    pub(crate) task: TaskId,
    /// When it ended.
    pub(crate) at: Timestamp,
    /// Whether the task arrived somewhere. (One that was missing has finished, unless it is shown again.)
    pub(crate) is_settled: bool,
    /// What the host was told when it ended, as long as no later snapshot shows that it was done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) last_orders: Vec<(Action, Cause)>,
    /// When they were given last: at the moment of a snapshot, or, by the answer to a report, later than the last one.
    pub(crate) given: Timestamp,
    /// When the host was last told to give the task back, if it may do so still: because it was told more than once, or
    /// because a snapshot has shown the task elsewhere meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_requeue: Option<Timestamp>,
    /// Where the task was at rest, as a snapshot or the end of the migration has shown last; `None` if nothing has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) shown_at_rest: Option<AtRest>,
    /// Whether the migration ended before its source released the task: if the source still releases it, no worker has
    /// the task.
    pub(crate) source_still_holds: bool,
    /// The worker that the task left, if the host's scheduler had not said yet where it put the task, and under
    /// which id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) placement_unknown_since_leaving: Option<WorkerId>,
    /// The target on which a copy may run, if the migration ended before the source stopped the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) copy_on: Option<WorkerId>,
    /// When the migration began, if it ended before its source released the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) requested_at: Option<Timestamp>,
}

impl EndedMigration {
    /// Whether its last order is to give the task back to the scheduler.
    pub(crate) fn is_given_back(&self) -> bool {
        self.last_orders.iter().any(|(action, _)| *action == Action::Requeue)
    }

    /// Nothing more is asked of the host; but it may carry out yet that the task goes back to the scheduler.
    pub(crate) fn drop_orders(&mut self) {
        if self.is_given_back() && !broken!("given_back_may_come_late") {
            self.last_requeue = Some(self.given);
        }
        self.last_orders.clear();
    }

    /// Whether a copy may run on the target, which was told to forget it and has not answered.
    pub(crate) fn may_have_copy(&self, snapshot: &Snapshot) -> bool {
        let is_told =
            |worker| self.last_orders.iter().any(|(action, _)| *action == Action::Abort { worker });
        self.copy_on.is_some_and(|worker| is_told(worker) && !snapshot.is_gone(worker))
            && !broken!("orphan_waits_for_its_copy")
    }

    /// The target has forgotten the copy.
    pub(crate) fn forget_copy(&mut self) {
        let copy = self.copy_on.take();
        self.last_orders.retain(
            |(action, _)| !matches!(action, Action::Abort { worker } if Some(*worker) == copy),
        );
    }

    /// What the host should be doing about it still.
    pub(crate) fn commands(&self) -> impl Iterator<Item = Command> {
        let (migration, task) = (self.id, self.task);
        self.last_orders.iter().map(move |(action, cause)| Command {
            migration,
            task,
            action: *action,
            why: Why::Follows(*cause),
            scorecard: None,
            alternative: None,
            handover: None,
        })
    }
}
