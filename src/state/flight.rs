//! A migration under way, and how it is carried out.

use serde::{Deserialize, Serialize};

use super::Charge;
use crate::config::MigrationLimits;
use crate::model::ids::{KindId, MigrationId, TaskId, WorkerId};
use crate::model::resource::Amounts;
use crate::model::time::Timestamp;
use crate::outcome::{Action, Command, Fate, Handover, Reason, Scorecard};
use crate::snapshot::{Mobility, Phase, Task};

/// A migration under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Flight {
    pub(crate) id: MigrationId,
    pub(crate) task: TaskId,
    pub(crate) kind: KindId,
    /// Where the task came from; nowhere if it was orphaned.
    pub(crate) from: Option<WorkerId>,
    /// Where it goes now: the target, or the source again if it is returning.
    pub(crate) to: WorkerId,
    pub(crate) device: Option<u16>,
    pub(crate) phase: Phase,
    /// When it entered that phase.
    pub(crate) since: Timestamp,
    pub(crate) started: Timestamp,
    /// When the source let go.
    pub(crate) released: Option<Timestamp>,
    /// The target failed it and it goes back: how the migration will end once it is home.
    pub(crate) returning: Option<Fate>,
    /// An operator has called it off after the target was asked: the target's answer decides.
    pub(crate) called_off: bool,
    /// The release, if there is one, and assignments so far.
    pub(crate) attempts: u32,
    pub(crate) reason: Reason,
    pub(crate) scorecard: Option<Scorecard>,
    /// What it claims of a worker's capacity.
    pub(crate) claim: Amounts,
    /// What it takes of a worker's use.
    pub(crate) load: Amounts,
    /// What it counts to, as it was when it began; nothing where no budget was in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) charge: Option<Charge>,
    /// By which of its alternatives it is to run on the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) alternative: Option<u16>,
    /// What it takes off its source's use, where it ran there by another alternative.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) leaves: Option<Amounts>,
    /// How it is carried out.
    #[serde(default, skip_serializing_if = "Way::is_direct")]
    pub(crate) way: Way,
    /// What it costs in time, where that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) handover: Option<Handover>,
}

impl Flight {
    /// Whether it is a placement of an orphan.
    pub(crate) const fn is_placement(&self) -> bool {
        self.from.is_none()
    }

    /// Whether it takes a task from where it runs: those are what the budgets are for.
    pub(crate) const fn interrupts(&self) -> bool {
        !self.is_placement() && !matches!(self.way, Way::Requeue)
    }

    /// Whether its source has yet to let go of it, or to stop it.
    pub(crate) fn is_at_its_source(&self) -> bool {
        let copies = self.way == Way::Overlap && self.phase == Phase::Assigned;
        copies || self.phase == Phase::Releasing
    }

    /// Whether its source has let go of it, if it is shown as assigned to that worker.
    pub(crate) fn hands_over(&self, to: WorkerId) -> bool {
        self.way == Way::Direct || (self.way == Way::Overlap && to != self.to)
    }

    /// Since when its copy runs on the target while its source has yet to stop.
    pub(crate) fn copied(&self) -> Option<Timestamp> {
        (self.way == Way::Overlap && self.phase == Phase::Releasing).then_some(self.since)
    }

    /// Which of its attempts is the first assignment: the release of a move is one before.
    pub(crate) const fn first_assignment(&self) -> u32 {
        if self.is_placement() { 1 } else { 2 }
    }

    /// The command that the host should be carrying out for it now, if any.
    pub(crate) fn command(&self) -> Option<Command> {
        let (action, reason) = match (self.way, self.from) {
            (Way::Direct, _) | (_, None) => self.direct()?,
            (Way::Overlap, Some(from)) => match self.phase {
                Phase::Assigned => {
                    (Action::Start { from, to: self.to, device: self.device }, self.reason)
                }
                Phase::Releasing => (Action::Stop { from }, Reason::Copied),
                Phase::Released => return None,
            },
            // Once it has left, it is the scheduler's.
            (Way::Evict | Way::Requeue, _) if self.phase != Phase::Releasing => return None,
            (Way::Evict, Some(from)) => (Action::Evict { from, hint: self.to }, self.reason),
            (Way::Requeue, Some(from)) => (Action::RequeueFor { from, to: self.to }, self.reason),
        };
        let Self { id: migration, task, scorecard, alternative, .. } = *self;
        // The way back is none that was reckoned.
        let handover = self.handover.filter(|_| self.from.is_some() && self.returning.is_none());
        Some(Command { migration, task, action, reason, scorecard, alternative, handover })
    }

    /// What is to be done now, and why, where a source lets go before a target starts.
    fn direct(&self) -> Option<(Action, Reason)> {
        let Self { to, device, .. } = *self;
        Some(match (self.phase, self.from, self.returning) {
            (Phase::Releasing, Some(from), _) => (Action::Release { from, to }, self.reason),
            (Phase::Assigned, _, Some(_)) => (Action::Assign { to, device }, Reason::Return),
            (Phase::Assigned, None, None) if self.attempts <= 1 => {
                (Action::Place { to, device }, self.reason)
            }
            (Phase::Assigned, None, None) => (Action::Assign { to, device }, self.reason),
            (Phase::Assigned, Some(_), None) => (Action::Assign { to, device }, Reason::Released),
            (Phase::Released, ..) | (Phase::Releasing, None, _) => return None,
        })
    }
}

/// How a migration is carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Way {
    /// The source lets go, then the target starts it.
    #[default]
    Direct,
    /// The target starts a copy, then the source stops.
    Overlap,
    /// The source evicts it, and the host's scheduler finds it a place.
    Evict,
    /// The host's scheduler queues it again.
    Requeue,
}

impl Way {
    /// How a task is moved that is on a worker, and hosts being as the settings have it.
    pub(crate) fn of(limits: Option<&MigrationLimits>, task: &Task) -> Self {
        let queued = task.mobility == Mobility::Queued;
        match limits {
            Some(limits) if limits.requeue && queued => Self::Requeue,
            Some(limits) if limits.eviction.is_some() => Self::Evict,
            Some(limits) if limits.overlap && task.overlaps && !queued => Self::Overlap,
            _ => Self::Direct,
        }
    }

    const fn is_direct(&self) -> bool {
        matches!(self, Self::Direct)
    }

    /// Whether the host's own scheduler finds the task a place.
    pub(crate) const fn is_the_hosts(self) -> bool {
        matches!(self, Self::Evict | Self::Requeue)
    }
}
