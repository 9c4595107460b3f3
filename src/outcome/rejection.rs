//! Why a task does not move: every "no" with its numbers and its reach.

mod said;

use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::{Scope, Unit};
use crate::model::hardware::{ComputeCapability, HardwareSet};
use crate::model::ids::{ClassId, GroupId, LabelId, MigrationId, TaskId, TenantId, WorkerId};
use crate::model::resource::ResourceId;
use crate::model::time::{Timestamp, as_optional_seconds};
use crate::snapshot::Stance;

pub(super) use said::Gib;

/// Whether a task may go to a worker, and if not, how far the "no" reaches.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Admission {
    /// It may.
    Accept,
    /// Not this task to this worker.
    RejectPair(Rejection),
    /// Nothing to this worker.
    RejectTarget(Rejection),
    /// This task to nowhere.
    RejectTask(Rejection),
}

impl Admission {
    /// Whether it is a yes.
    pub const fn is_accepted(&self) -> bool {
        matches!(self, Self::Accept)
    }

    /// The refusal, if it is one.
    pub const fn rejection(&self) -> Option<&Rejection> {
        match self {
            Self::Accept => None,
            Self::RejectPair(no) | Self::RejectTarget(no) | Self::RejectTask(no) => Some(no),
        }
    }
}

impl From<Result<(), Rejection>> for Admission {
    fn from(verdict: Result<(), Rejection>) -> Self {
        match verdict {
            Ok(()) => Self::Accept,
            Err(no) => match no.reach() {
                Reach::Pair => Self::RejectPair(no),
                Reach::Target => Self::RejectTarget(no),
                Reach::Task => Self::RejectTask(no),
            },
        }
    }
}

impl fmt::Display for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rejection() {
            None => f.write_str("yes"),
            Some(no) => write!(f, "no: {no}"),
        }
    }
}

/// How far a refusal reaches, so that a search need not ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reach {
    /// This task and this worker.
    Pair,
    /// Every task and this worker.
    Target,
    /// This task and every worker.
    Task,
}

/// Why a task does not move, with the numbers that decided it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rejection {
    /// It is there already.
    AlreadyThere,
    /// The task is bound to its worker.
    Pinned,
    /// It carries none of the labels that [`TaskScope::labels`](crate::config::TaskScope::labels) asks for.
    OutOfScope {
        /// The first of them.
        label: LabelId,
    },
    /// It is not among the share of tasks that the engine may move
    /// ([`TaskScope::share`](crate::config::TaskScope::share)).
    OutOfShare {
        /// The share, 0 to 1.
        share: f64,
        /// The shares above this have it, 0 to 1.
        place: f64,
    },
    /// No move of it begins that nothing forces: a freeze of everything, of its kind, a group of it, its
    /// worker or its worker's zone.
    Frozen {
        /// When it is over.
        until: Timestamp,
    },
    /// Its host wants it left alone until then.
    NotBefore {
        /// When it may move.
        until: Timestamp,
    },
    /// It is being moved.
    InFlight {
        /// By this migration.
        migration: MigrationId,
    },
    /// It has moved, or failed to, a short while ago.
    CoolingDown {
        /// When it may move again.
        until: Timestamp,
    },
    /// It was evicted, and the host's scheduler put it back where it was.
    CameBack {
        /// So many times.
        times: u32,
        /// When it may be evicted again.
        until: Timestamp,
    },
    /// It came from there a short while ago.
    LeftRecently {
        /// When it may go back.
        until: Timestamp,
    },
    /// It has run so long that it counts as almost done.
    LongRunning {
        /// How long it has run, in seconds.
        running_secs: f64,
        /// How long a task may have run to be moved, in seconds.
        most_secs: f64,
    },
    /// It will be done before a move would have paid off.
    NearlyDone {
        /// How long it still runs, in seconds.
        remaining_secs: f64,
        /// How long it must still run, in seconds.
        least_secs: f64,
    },
    /// Its record makes no sense this round.
    BadRecord,
    /// It is nowhere: the scheduler places it.
    Unplaced,
    /// Nothing is known of the worker that it is said to be on.
    UnknownPlace {
        /// That worker.
        worker: WorkerId,
    },
    /// Its worker is to be emptied, but may not be what its record says: there are several, or it
    /// could not be read.
    DoubtfulSource {
        /// That worker.
        worker: WorkerId,
    },
    /// It moves with its companions, and one of them cannot.
    Companion {
        /// The group they form.
        group: GroupId,
        /// The one that cannot.
        task: TaskId,
    },
    /// The worker takes nothing.
    NotAccepting {
        /// Its stance.
        stance: Stance,
    },
    /// Nothing, or nothing sensible, is known of the worker's load or capacity.
    UnknownLoad,
    /// The worker or its zone is frozen: no move to it begins that nothing forces.
    TargetFrozen {
        /// When it is over.
        until: Timestamp,
    },
    /// The worker leaves before the task is done, or has taken its next checkpoint; where neither is known,
    /// within the forecast's horizon; or so soon that it is being emptied itself.
    LeavesBefore {
        /// When it leaves.
        leaves: Timestamp,
        /// Until when it would have to stay.
        needed: Timestamp,
    },
    /// So many migrations are already on their way to it.
    TargetBusy {
        /// The limit.
        limit: u32,
        /// So many it would be over the limit.
        over: u32,
    },
    /// So many migrations are already on their way from the task's worker.
    SourceBusy {
        /// The limit.
        limit: u32,
        /// So many it would be over the limit.
        over: u32,
    },
    /// So many migrations are already under way.
    BudgetSpent {
        /// The limit.
        limit: u32,
        /// So many it would be over the limit.
        over: u32,
    },
    /// A line of the [table of budgets](crate::config::Budget) is spent.
    BudgetLine {
        /// What the line gives a budget of its own.
        scope: Scope,
        /// What it counts: the figures are moves, bytes, or begun seconds.
        unit: Unit,
        /// The limit.
        limit: u64,
        /// Within so long, in seconds; none: under way at once.
        #[serde(with = "as_optional_seconds")]
        per: Option<Duration>,
        /// So much of it is spent.
        spent: u64,
        /// So much it would be over the limit.
        over: u64,
    },
    /// A line of the table of budgets may have been spent by an earlier life of the engine.
    BudgetInDoubt {
        /// What the line gives a budget of its own.
        scope: Scope,
        /// What it counts.
        unit: Unit,
        /// From when on nothing that it began can count.
        until: Timestamp,
    },
    /// The engine remembers as many recent moves as it may; it makes no new ones before it can
    /// forget some.
    MemoryFull {
        /// The limit.
        limit: u32,
        /// So many it would be over the limit.
        over: u32,
    },
    /// Its tenant has been interrupted beyond its share.
    Unfair {
        /// The tenant.
        tenant: TenantId,
        /// So often within the window.
        had: u32,
        /// All tenants together, with this interruption.
        all: u32,
        /// Running tasks of the tenant.
        tasks: u32,
        /// Running tasks of all tenants.
        of: u32,
        /// So much slack is missing.
        over: u32,
    },
    /// A budget counts bytes, and nobody says how much state it would hand over.
    UnknownSize,
    /// It is none of the workers that tasks of this class may go to.
    OutsideClass {
        /// The class.
        class: ClassId,
    },
    /// It lacks hardware.
    MissingHardware {
        /// What the task needs.
        needs: HardwareSet,
        /// All of it, or any one kind of it.
        all: bool,
    },
    /// Its memory as a whole is too small.
    TooLittleMemory {
        /// What the task needs, in bytes.
        needs_bytes: u64,
        /// What the worker has, in bytes, if known.
        has_bytes: Option<u64>,
    },
    /// No single device has so much memory free.
    TooLittleDeviceMemory {
        /// What the task needs, in bytes.
        needs_bytes: u64,
        /// The most that is free on one suitable device, in bytes.
        free_bytes: u64,
        /// That device, by its place in the worker's list; none if no device is suitable.
        device: Option<u16>,
        /// What it lacks, in bytes: more than the difference where it is overfull.
        lacking_bytes: u64,
    },
    /// No CUDA device is capable enough.
    TooLittleCompute {
        /// What the task needs.
        needs: ComputeCapability,
        /// The best that the worker has, if known.
        has: Option<ComputeCapability>,
    },
    /// It lacks a label.
    MissingLabel {
        /// The label.
        label: LabelId,
    },
    /// It carries a label that the task does not tolerate.
    ForbiddenLabel {
        /// The label.
        label: LabelId,
    },
    /// It has no room: reservations, with everything on its way there, would exceed its capacity.
    NoHeadroom {
        /// In this resource.
        resource: ResourceId,
        /// So much is needed (unit: [`ResourceId`]).
        needed: f64,
        /// So much is free: less than nothing where too much is promised already. A capacity that is
        /// unknown counts as none.
        free: f64,
        /// So much the worker has in all; 0 if unknown.
        capacity: f64,
    },
    /// The group stays together, and is elsewhere.
    Affinity {
        /// The group.
        group: GroupId,
        /// Where it is.
        worker: WorkerId,
    },
    /// The group keeps apart, and one of it is there.
    AntiAffinity {
        /// The group.
        group: GroupId,
        /// The one that is there.
        task: TaskId,
    },
    /// The group would be spread too unevenly over the domains of its topology.
    Spread {
        /// The group.
        group: GroupId,
        /// How much the fullest domain would exceed the emptiest.
        skew: u32,
        /// How much it may.
        most: u32,
    },
    /// Too many of the group would be unavailable.
    Disruption {
        /// The group.
        group: GroupId,
        /// So many would be, with this one.
        unavailable: u32,
        /// So many may be.
        most: u32,
    },
    /// The group is interrupted together, and only to leave a worker that is to be emptied.
    Gang {
        /// The group.
        group: GroupId,
    },
    /// A resource of the worker would be pushed over the high threshold.
    WouldOverload {
        /// The resource.
        resource: ResourceId,
        /// Its load after the move.
        after: f64,
        /// The load it may have.
        most: f64,
        /// What the task adds to it.
        added: f64,
    },
    /// It carries nothing of what its worker is full of.
    NoRelief,
    /// The worker would be about as loaded as the task's own is now.
    NoGain {
        /// The worker's load after the move.
        after: f64,
        /// The load it would have to stay below.
        most: f64,
    },
    /// The spread over all workers would grow.
    WiderSpread {
        /// The spread after the move.
        after: f64,
        /// The spread before.
        before: f64,
    },
    /// By earlier moves of this round the task's worker is loaded too little to give any more.
    Relieved {
        /// Its load with all moves counted.
        projected: f64,
        /// The load above which it gives.
        least: f64,
    },
    /// By earlier moves of this round the worker is loaded too much to take any more.
    Filled {
        /// Its load with all moves counted.
        projected: f64,
        /// The load below which it takes.
        most: f64,
    },
    /// The move costs more than it brings.
    NotWorthIt {
        /// Points of cost.
        cost: f64,
        /// Points of benefit.
        benefit: f64,
        /// The net benefit must exceed this.
        least: f64,
        /// Points of cost beyond the top of the scale, which do not count.
        beyond: f64,
        /// Points by which what speaks against the target outweighs the benefit, which do not count.
        below: f64,
    },
    /// The move would not repay itself before the task ends, nor as far ahead as gains are counted.
    NotRepaid {
        /// What it gains per second, in seconds of its work.
        gain: f64,
        /// How many times as fast it would run there; part of the gain.
        times: f64,
        /// For how long, in seconds: until it would end there, or up to the horizon if that is
        /// nearer.
        left_secs: f64,
        /// Downtime and lost work, in seconds.
        price_secs: f64,
        /// How far ahead gains are counted, in seconds.
        horizon_secs: f64,
    },
    /// How long the move would keep the task still, or how much of its work it would lose, is not
    /// known: the size of its state, its last checkpoint, or the bandwidth of a link; or how loaded
    /// its worker is.
    UnknownTransfer,
}

impl Rejection {
    /// How far it reaches.
    pub const fn reach(&self) -> Reach {
        match self {
            Self::BudgetLine { scope, .. } | Self::BudgetInDoubt { scope, .. } => match scope {
                Scope::WorkerIn => Reach::Target,
                Scope::ZonePair => Reach::Pair,
                _ => Reach::Task,
            },
            Self::Pinned
            | Self::Frozen { .. }
            | Self::NotBefore { .. }
            | Self::InFlight { .. }
            | Self::CoolingDown { .. }
            | Self::CameBack { .. }
            | Self::LongRunning { .. }
            | Self::NearlyDone { .. }
            | Self::BadRecord
            | Self::Unplaced
            | Self::UnknownPlace { .. }
            | Self::DoubtfulSource { .. }
            | Self::Companion { .. }
            | Self::Disruption { .. }
            | Self::Gang { .. }
            | Self::OutOfScope { .. }
            | Self::OutOfShare { .. }
            | Self::SourceBusy { .. }
            | Self::BudgetSpent { .. }
            | Self::UnknownSize
            | Self::Unfair { .. }
            | Self::Relieved { .. }
            | Self::MemoryFull { .. } => Reach::Task,
            Self::NotAccepting { .. }
            | Self::UnknownLoad
            | Self::TargetFrozen { .. }
            | Self::TargetBusy { .. }
            | Self::Filled { .. } => Reach::Target,
            Self::AlreadyThere
            | Self::LeavesBefore { .. }
            | Self::LeftRecently { .. }
            | Self::OutsideClass { .. }
            | Self::MissingHardware { .. }
            | Self::TooLittleMemory { .. }
            | Self::TooLittleDeviceMemory { .. }
            | Self::TooLittleCompute { .. }
            | Self::MissingLabel { .. }
            | Self::ForbiddenLabel { .. }
            | Self::NoHeadroom { .. }
            | Self::Affinity { .. }
            | Self::AntiAffinity { .. }
            | Self::Spread { .. }
            | Self::WouldOverload { .. }
            | Self::NoRelief
            | Self::NoGain { .. }
            | Self::WiderSpread { .. }
            | Self::NotRepaid { .. }
            | Self::UnknownTransfer
            | Self::NotWorthIt { .. } => Reach::Pair,
        }
    }

    /// Its name in a tally.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::AlreadyThere => "already there",
            Self::Pinned => "pinned",
            Self::Frozen { .. } => "frozen",
            Self::TargetFrozen { .. } => "target frozen",
            Self::LeavesBefore { .. } => "leaves before",
            Self::NotBefore { .. } => "not before",
            Self::InFlight { .. } => "in flight",
            Self::CoolingDown { .. } => "cooling down",
            Self::CameBack { .. } => "came back",
            Self::LeftRecently { .. } => "left recently",
            Self::LongRunning { .. } => "long running",
            Self::NearlyDone { .. } => "nearly done",
            Self::BadRecord => "bad record",
            Self::Unplaced => "unplaced",
            Self::UnknownPlace { .. } => "unknown place",
            Self::DoubtfulSource { .. } => "doubtful source",
            Self::Companion { .. } => "companion",
            Self::NotAccepting { .. } => "not accepting",
            Self::UnknownLoad => "unknown load",
            Self::TargetBusy { .. } => "target busy",
            Self::SourceBusy { .. } => "source busy",
            Self::BudgetSpent { .. } => "budget spent",
            Self::BudgetLine { .. } => "budget line spent",
            Self::BudgetInDoubt { .. } => "budget in doubt",
            Self::UnknownSize => "unknown size",
            Self::Unfair { .. } => "unfair",
            Self::OutsideClass { .. } => "outside class",
            Self::MissingHardware { .. } => "missing hardware",
            Self::TooLittleMemory { .. } => "too little memory",
            Self::TooLittleDeviceMemory { .. } => "too little device memory",
            Self::TooLittleCompute { .. } => "too little compute",
            Self::MissingLabel { .. } => "missing label",
            Self::ForbiddenLabel { .. } => "forbidden label",
            Self::NoHeadroom { .. } => "no headroom",
            Self::Affinity { .. } => "affinity",
            Self::AntiAffinity { .. } => "anti-affinity",
            Self::Spread { .. } => "spread",
            Self::Disruption { .. } => "disruption",
            Self::Gang { .. } => "gang",
            Self::WouldOverload { .. } => "would overload",
            Self::NoRelief => "no relief",
            Self::NoGain { .. } => "no gain",
            Self::WiderSpread { .. } => "wider spread",
            Self::Relieved { .. } => "relieved",
            Self::Filled { .. } => "filled",
            Self::NotWorthIt { .. } => "not worth it",
            Self::MemoryFull { .. } => "memory full",
            Self::OutOfScope { .. } => "out of scope",
            Self::OutOfShare { .. } => "out of share",
            Self::NotRepaid { .. } => "not repaid",
            Self::UnknownTransfer => "unknown transfer",
        }
    }
}
