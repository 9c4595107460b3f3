//! What may happen to a host, step by step?

use core::fmt;
use std::string::String;
use std::vec::Vec;

use serde::{Deserialize, Serialize};

use super::setup::Setup;
use crate::model::ids::{TaskId, WorkerId};
use crate::snapshot::Stance;

/// A cluster and what happens to it: all that is needed to play it again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Schedule {
    /// The seed that it was drawn from.
    pub seed: u64,
    /// The cluster at first.
    pub setup: Setup,
    /// What happens, in this order. After the last step everything calms down: messages arrive, workers do as they are
    /// told, and snapshots are complete.
    pub steps: Vec<Step>,
}

impl Schedule {
    /// A schedule that was not drawn.
    pub const fn new(setup: Setup, steps: Vec<Step>) -> Self {
        Self { seed: 0, setup, steps }
    }
}

/// One thing that happens. A step that does not apply (a delivery where nothing is on its way) does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Step {
    /// Time passes, in milliseconds.
    Wait(u64),
    /// The host takes a snapshot, and the engine runs a round on it.
    Tick(Sight),
    /// The host takes a snapshot and keeps it.
    Look(Sight),
    /// The engine runs a round on the snapshot that was kept.
    Show,
    /// The next command for this task reaches the host, which passes it on to the worker.
    Deliver(TaskId),
    /// The same, but what the host passes on is lost.
    Lose(TaskId),
    /// The last command for this task reaches the host once more.
    Repeat(TaskId),
    /// The worker that was asked does what it was asked for this task.
    Work(TaskId),
    /// The worker that was asked refuses.
    Refuse(TaskId),
    /// The worker that was asked fails.
    Fail(TaskId),
    /// A report about this task reaches the engine: the oldest, or else the newest.
    Tell(TaskId, Pick),
    /// The oldest report about this task is lost.
    Drop(TaskId),
    /// An operator calls off what is under way with this task.
    Abort(TaskId),
    /// The worker dies, and with it what runs there.
    Crash(WorkerId),
    /// The worker is back, and empty.
    Return(WorkerId),
    /// The worker says what it accepts.
    Stance(WorkerId, Stance),
    /// The task uses so many thousandths of its demand from now on.
    Load(TaskId, u32),
    /// The scheduler starts the task, which was given back to it or evicted.
    Start(TaskId, WorkerId),
    /// The task ends, wherever it runs.
    End(TaskId),
    /// The engine dies, and what it has not handed over yet is lost. It goes on from the state that was saved so many
    /// inputs ago; from nothing if there is none.
    Restart(usize),
}

/// Which of several reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Pick {
    /// The oldest.
    Oldest,
    /// The newest, before older ones.
    Newest,
    /// The oldest, which stays on its way and arrives again.
    Twice,
}

/// What a snapshot shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Sight {
    /// Whether it is partial.
    pub partial: bool,
    /// The workers that a partial snapshot leaves out: bit 0 is worker 1.
    pub hides_workers: u16,
    /// The tasks that a partial snapshot leaves out: bit 0 is task 1.
    pub hides_tasks: u16,
    /// The living workers that a complete snapshot leaves out by mistake: bit 0 is worker 1. None is left out twice in
    /// a row.
    pub misses: u16,
    /// Whether reports ride in it.
    pub riding: bool,
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Violation {
    /// Which promise.
    pub kind: Kind,
    /// What it was broken by, in a few words: violations of one kind and cause are counted together.
    pub by: String,
    /// What happened, as a sentence.
    pub says: String,
    /// The shortest schedule found that ends in it.
    pub schedule: Schedule,
}

/// A promise that can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// A worker is told to run a task that another one runs, or was told to run and has not given up.
    ToldTwice,
    /// The scheduler is handed a task that a worker runs, or was told to run and has not given up.
    QueuedWhileHeld,
    /// Two migrations of one task at once.
    TwoAtOnce,
    /// A migration ended a second time.
    EndedTwice,
    /// A migration that was begun has not ended, though everything has calmed down.
    NeverEnded,
    /// An id stands for two migrations.
    IdReused,
    /// A task runs nowhere, and nobody has it, though everything has calmed down.
    Lost,
    /// A record says that a task is on its way, and nobody does anything about it.
    Stuck,
    /// A worker is promised more than it has.
    NoRoom,
    /// Something is sent to a worker that takes nothing.
    Closed,
    /// A hard requirement or a rule of a group is broken by a command.
    Rule,
    /// A task is placed elsewhere though its worker has not been missing for long enough to be gone.
    TooSoon,
    /// A task moves again within its cooldown, though nothing forces it.
    Cooldown,
    /// More migrations are under way at once than the settings allow: in all, from one worker, or to one.
    TooMany,
    /// The engine remembers more than the documentation of its state says.
    TooLarge,
    /// A migration begins though nothing has changed for long.
    Unrest,
    /// The engine refuses its settings, or the state that it saved itself.
    NoStart,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ToldTwice => "told twice",
            Self::QueuedWhileHeld => "queued while held",
            Self::TwoAtOnce => "two at once",
            Self::EndedTwice => "ended twice",
            Self::NeverEnded => "never ended",
            Self::IdReused => "id reused",
            Self::Lost => "lost",
            Self::Stuck => "stuck",
            Self::NoRoom => "no room",
            Self::Closed => "closed",
            Self::Rule => "rule",
            Self::TooSoon => "too soon",
            Self::Cooldown => "cooldown",
            Self::TooMany => "too many",
            Self::TooLarge => "too large",
            Self::Unrest => "unrest",
            Self::NoStart => "no start",
        })
    }
}
