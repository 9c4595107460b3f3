//! Was any line of the table of budgets ever exceeded? Computed from the migrations that began and ended.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use super::promise::{Findings, Promise, Violation};
use super::shares::{Level, Shares};
use crate::config::{Budget, Config, MigrationLimits, Scope, Unit};
use crate::model::ids::{Epoch, MigrationId, TaskId, WorkerId, ZoneId};
use crate::model::time::Timestamp;
use crate::outcome::{Action, Command, Ended, Fate, Outcome, Reason};
use crate::snapshot::{Coverage, Mobility, Placement, Snapshot, Stance, StateAt, Task};

/// Checks the [table of budgets](Budget) from the outcomes of an engine, of one life or of several: no
/// line is exceeded, at any prefix of any batch, over time, or by a later life that does not know what an
/// earlier one began. It also checks fairness among tenants and the adaptive limit on migrations at once.
#[derive(Clone, Debug, Default)]
pub struct Budgets {
    lines: Vec<Budget>,
    /// Whether tasks that have not begun are queued again, which counts against no budget.
    requeues: bool,
    /// The scopes and windows in force, each with how many interruptions began before it.
    since: BTreeMap<(Scope, Duration), usize>,
    epoch: Epoch,
    /// The moment of the last round.
    last: Timestamp,
    /// The interruptions that began, in order, as far back as any window reaches.
    begun: Vec<Interruption>,
    /// How many interruptions are forgotten.
    forgotten: usize,
    /// The interruptions under way, by migration.
    open: BTreeMap<MigrationId, Interruption>,
    /// Migrations under way by which this life has queued tasks again; they interrupt nothing.
    requeued: BTreeSet<MigrationId>,
    /// Every migration that began, so that none is taken over after its end.
    known: BTreeSet<MigrationId>,
    /// The size assumed for a state of unstated size, in bytes.
    unstated: Option<u64>,
    limits: Option<MigrationLimits>,
    shares: Shares,
    level: Level,
}

/// What was interrupted, for what, from where and to where.
#[derive(Clone, Debug)]
pub(crate) struct Interruption {
    task: TaskId,
    pub(crate) at: Timestamp,
    /// What the interruption counts to, by scope.
    pub(crate) counts: Vec<(Scope, [u64; 2])>,
    /// The size of the state that is handed over, in bytes; `None` if unknown.
    bytes: Option<u64>,
    /// The work that would be lost.
    lost: Duration,
    /// Whether a life that was not watched began it.
    taken_over: bool,
    /// Whether it succeeds only by completing: its target is not the host's choice, or the task has come back.
    strict: bool,
    /// Whether its target starts the task before its source stops it.
    copies: bool,
}

impl Interruption {
    pub(crate) fn of(
        task: &Task,
        snapshot: &Snapshot,
        [from, to]: [WorkerId; 2],
        reason: Reason,
    ) -> Self {
        let zone = |worker| snapshot.worker(worker).and_then(|worker| worker.zone);
        let mut counts = alloc::vec![
            (Scope::Global, [0, 0]),
            (Scope::WorkerOut, [from.raw(), 0]),
            (Scope::WorkerIn, [to.raw(), 0]),
            (Scope::Kind, [task.kind.raw(), 0]),
        ];
        counts.extend(purposes(reason).map(|purpose| (Scope::Reason, [purpose, 0])));
        counts.extend(task.tenant.map(|tenant| (Scope::Tenant, [tenant.raw(), 0])));
        if let (Some(a), Some(b)) = (zone(from), zone(to)) {
            let mut pair = [a.raw(), b.raw()];
            pair.sort_unstable();
            counts.extend((pair[0] != pair[1]).then_some((Scope::ZonePair, pair)));
        }
        let groups = snapshot.groups().iter().filter(|group| group.members.contains(&task.id));
        counts.extend(groups.map(|group| (Scope::Group, [group.id.raw(), 0])));
        let (bytes, lost) = match task.mobility {
            Mobility::Queued => (Some(0), Duration::ZERO),
            Mobility::Restart => (Some(0), task.running),
            _ => (task.state_bytes, task.checkpoint_age.unwrap_or(task.running)),
        };
        let bytes = if lies_there(task, to, zone(to)) { Some(0) } else { bytes };
        let (id, at) = (task.id, snapshot.at());
        Self { task: id, at, counts, bytes, lost, taken_over: false, strict: false, copies: false }
    }

    /// The same, with this many bytes to hand over if the task does not state how many.
    pub(crate) fn or_bytes(self, unstated: Option<u64>) -> Self {
        Self { bytes: self.bytes.or(unstated), ..self }
    }

    /// The amount in the unit of a line; seconds in thousandths, like the limit that they are compared with.
    pub(crate) fn amount(&self, line: &Budget) -> u128 {
        match line.unit {
            Unit::Moves => 1,
            Unit::Bytes => u128::from(self.bytes.unwrap_or(line.limit)),
            Unit::LostSeconds => self.lost.as_micros().div_ceil(1_000),
        }
    }
}

/// Whether a snapshot shows a task on no worker, or on one that is gone.
fn has_lost_its_worker(snapshot: &Snapshot, outcome: &Outcome, task: TaskId) -> bool {
    let Some(task) = snapshot.task(task) else { return false };
    let is_believed = outcome.held.is_none();
    let is_whole = snapshot.coverage() == Coverage::Complete;
    let is_gone = |worker: WorkerId| match snapshot.worker(worker) {
        Some(worker) => worker.stance == Stance::Offline,
        None => is_whole && outcome.missing.iter().all(|missing| missing.worker != worker),
    };
    match task.placement {
        Placement::Orphaned => true,
        Placement::On(worker) => is_believed && is_gone(worker),
        Placement::Moving { from, .. } => from.is_none_or(|from| is_believed && is_gone(from)),
        _ => false,
    }
}

/// The purposes that a reason counts to: emptying a worker, speed, or evening out.
const fn purposes(reason: Reason) -> core::ops::Range<u64> {
    match reason {
        Reason::Drain { .. } | Reason::Leaves { .. } | Reason::Along { .. } => 0..1,
        Reason::Faster { .. } => 1..2,
        // The reason of a migration that was taken over is unknown.
        Reason::Recover | Reason::TakenOver => 0..3,
        _ => 2..3,
    }
}

/// Whether a task's state is where this worker, in this zone, reaches it.
fn lies_there(task: &Task, worker: WorkerId, zone: Option<ZoneId>) -> bool {
    match task.state_at {
        None => false,
        Some(StateAt::Shared) => true,
        Some(StateAt::Worker(its)) => its == worker,
        Some(StateAt::Zone(its)) => zone.is_some_and(|zone| zone == its),
    }
}

/// The limit of a line, in the unit of [`Interruption::amount`].
pub(crate) fn limit(line: &Budget) -> u128 {
    match line.unit {
        Unit::LostSeconds => u128::from(line.limit) * 1_000,
        _ => u128::from(line.limit),
    }
}

impl Budgets {
    /// Watches an engine with these settings.
    pub fn new(config: &Config) -> Self {
        let mut budgets = Self::default();
        budgets.reconfigured(config);
        budgets.level = Level::start(config.migration.as_ref());
        budgets
    }

    /// Takes in new settings. A line with a new scope counts from now on; a line with a new window counts what the
    /// longest window of its scope contains.
    pub fn reconfigured(&mut self, config: &Config) {
        self.limits.clone_from(&config.migration);
        self.unstated = config.transfer.and_then(|section| section.state_bytes);
        self.shares.configure(config);
        let limits = config.migration.as_ref();
        self.level = Level::unknown(limits);
        self.requeues = limits.is_some_and(|limits| limits.requeue);
        self.lines = limits.map(|limits| limits.budgets.clone()).unwrap_or_default();
        let windows = self.lines.iter().filter_map(|line| Some((line.scope, line.per?)));
        let windows: BTreeSet<_> = windows.collect();
        if limits.is_none() {
            return;
        }
        let (all, before) = (self.forgotten + self.begun.len(), self.since.clone());
        for (scope, per) in &windows {
            // The lines are in the order of their windows: the last is the longest.
            let longest = before.range((*scope, Duration::ZERO)..=(*scope, Duration::MAX)).last();
            let since = longest.map_or(all, |((_, reach), since)| {
                let old = |begun: &&Interruption| begun.at.after(*reach) <= self.last;
                let old = self.begun.iter().take_while(old).count();
                (self.forgotten + old).max(*since)
            });
            self.since.entry((*scope, *per)).or_insert(since);
        }
        self.since.retain(|window, _| windows.contains(window));
    }

    /// Takes in ends of migrations.
    pub fn ended(&mut self, ended: &[Ended]) {
        for Ended { migration, from, fate, .. } in ended {
            let queued = self.requeued.remove(migration) || from.is_none();
            let open = self.open.remove(migration);
            let strict = open.as_ref().is_some_and(|open| open.strict);
            let well = *fate == Fate::Completed || (*fate == Fate::Diverted && !strict);
            // Whether a migration that was taken over interrupts anything is unknown.
            let known = open.is_some_and(|open| !open.taken_over);
            let failed = matches!(fate, Fate::Failed | Fate::Refused | Fate::TimedOut);
            self.level.ended([well && !queued, failed && known]);
        }
    }

    /// Notes that an evicted task has come back to its source.
    pub(super) fn came_back(&mut self, migration: MigrationId) {
        self.open.entry(migration).and_modify(|open| open.strict = true);
    }

    /// Takes over everything that a watch over an earlier life has seen.
    pub(super) fn inherit(&mut self, earlier: &Self) {
        *self = earlier.clone();
    }

    /// Takes in one round.
    pub fn round(&mut self, snapshot: &Snapshot, outcome: &Outcome) -> Vec<Violation> {
        let mut findings = Findings::new(Promise::OneMove);
        let later = outcome.epoch > self.epoch;
        if later {
            self.level = Level::unknown(self.limits.as_ref());
            self.requeued.clear();
        }
        self.show(snapshot, outcome.epoch);
        if !self.lines.is_empty() {
            let unstated = self.unstated;
            self.open.values_mut().for_each(|open| open.bytes = open.bytes.or(unstated));
        }
        self.ended(&outcome.ended);
        self.shares.round(snapshot.at(), later);
        let most = self.level.round(self.limits.as_ref());
        // A move that has lost its source while its copy was started is a placement from then on.
        for command in outcome.commands.iter().filter(|it| it.reason() == Some(Reason::Recover)) {
            self.open.remove(&command.migration);
        }
        let is_lost = |task| has_lost_its_worker(snapshot, outcome, task);
        self.open.retain(|_, open| !(open.copies && is_lost(open.task)));
        for command in outcome.begun() {
            self.begin(snapshot, command, &mut findings);
            let moves = self.open.len() as u64;
            let leaves = command.action.begins().is_some_and(|(from, _)| from.is_some());
            let interrupts = leaves && !matches!(command.action, Action::RequeueFor { .. });
            findings.need(!interrupts || most.is_none_or(|most| moves <= most), || {
                format!("{command}: {moves} at once, {most:?} by what became of the last ones")
            });
        }
        let under_way = u64::from(outcome.in_flight);
        self.level.close(under_way.saturating_sub(self.requeued.len() as u64));
        self.forget(snapshot.at());
        findings.list
    }

    /// Forgets interruptions that no window contains.
    fn forget(&mut self, now: Timestamp) {
        self.last = now;
        if self.limits.is_none() {
            return;
        }
        let longest = self.lines.iter().filter_map(|line| line.per).max().unwrap_or_default();
        let old = |begun: &Interruption| begun.at.after(longest) <= now;
        let over = self.begun.iter().take_while(|begun| old(begun)).count();
        self.begun.drain(..over);
        self.forgotten += over;
    }

    /// Takes over migrations that a snapshot shows and no watched life began, and notes what a later life cannot know.
    fn show(&mut self, snapshot: &Snapshot, epoch: Epoch) {
        let moving = snapshot.tasks().iter().filter_map(|task| match task.placement {
            Placement::Moving { migration, from: Some(from), to, .. } => {
                Some((migration, task, [from, to]))
            }
            _ => None,
        });
        let moving: Vec<_> = moving.collect();
        let is_shown = |id: &MigrationId| moving.iter().any(|(shown, ..)| shown == id);
        self.open.retain(|id, open| !open.taken_over || is_shown(id));
        if epoch > self.epoch {
            self.open.retain(|id, _| is_shown(id));
            // A later life need not have seen a worker that is gone: it cannot know that worker's zone.
            for (id, _, ends) in &moving {
                let unseen = ends.iter().any(|worker| snapshot.worker(*worker).is_none());
                if let Some(open) = self.open.get_mut(id).filter(|_| unseen) {
                    open.counts.retain(|(scope, _)| *scope != Scope::ZonePair);
                }
            }
            let now = snapshot.at();
            self.begun.iter_mut().for_each(|begun| begun.at = begun.at.min(now));
        }
        self.epoch = epoch;
        for (id, task, ends) in moving {
            if self.requeues && task.mobility == Mobility::Queued {
                continue;
            }
            let newest = self.known.range(..=MigrationId::new(epoch, u64::MAX)).next_back();
            let late = id.epoch() == epoch && newest.is_some_and(|newest| *newest >= id);
            let busy = self.open.values().any(|open| open.task == task.id);
            if !late && !busy && !self.known.contains(&id) {
                let shown = Interruption::of(task, snapshot, ends, Reason::TakenOver);
                self.open.insert(id, Interruption { taken_over: true, ..shown });
            }
        }
    }

    fn begin(&mut self, snapshot: &Snapshot, command: &Command, findings: &mut Findings) {
        if !self.known.insert(command.migration) {
            return;
        }
        let (Some((from, to)), Some(reason)) = (command.action.begins(), command.reason()) else {
            return;
        };
        // A task that is queued again is not interrupted.
        if let Action::RequeueFor { .. } = command.action {
            self.requeued.insert(command.migration);
            return;
        }
        let Some(task) = snapshot.task(command.task) else { return };
        self.shares.begin(snapshot, task, command, findings);
        let Some(from) = from else { return };
        let next = Interruption::of(task, snapshot, [from, to], reason);
        let strict = !matches!(command.action, Action::Evict { .. });
        let copies = matches!(command.action, Action::Start { .. });
        let next = Interruption { strict, copies, ..next.or_bytes(self.unstated) };
        for line in &self.lines {
            for count in next.counts.iter().filter(|(scope, _)| *scope == line.scope) {
                let said = line.unit != Unit::Bytes || next.bytes.is_some();
                findings.need(said, || format!("{command}: of no known size, under {line:?}"));
                let (more, spent) = (next.amount(line), self.spent(line, *count, snapshot.at()));
                findings.need(more == 0 || spent + more <= limit(line), || {
                    format!("{command}: {more} beside {spent} for {count:?} under {line:?}")
                });
            }
        }
        self.open.insert(command.migration, next.clone());
        self.begun.push(next);
    }

    /// How much of a line is spent now.
    fn spent(&self, line: &Budget, count: (Scope, [u64; 2]), now: Timestamp) -> u128 {
        let counts = |it: &&Interruption| it.counts.contains(&count);
        let Some(per) = line.per else {
            return self.open.values().filter(counts).map(|it| it.amount(line)).sum();
        };
        let since = self.since.get(&(line.scope, per)).copied().unwrap_or_default();
        let begun = self.begun.iter().skip(since.saturating_sub(self.forgotten));
        let recent = begun.filter(|it| it.at.after(per) > now).filter(counts);
        recent.map(|it| it.amount(line)).sum()
    }
}
