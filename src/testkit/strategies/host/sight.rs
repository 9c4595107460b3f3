//! What a host sees and says of its workers and tasks.

use alloc::vec::Vec;

use proptest::sample::Index;

use super::{Body, Holder, Host, Order, Work};
use crate::outcome::{Action, Command};
use crate::snapshot::{Group, Phase, Placement};
use crate::{ResourceId, Snapshot, SnapshotBuilder, Task, view};

/// What a host sees of its workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    All,
    /// And it knows it.
    Part,
    /// And it does not know it.
    Nothing,
}

impl Sight {
    pub(super) const fn of(partial: bool) -> Self {
        if partial { Self::Part } else { Self::All }
    }
}

impl Host {
    pub(super) fn measure(&mut self) {
        let now = self.now;
        for body in self.workers.values_mut() {
            body.measured = now;
            for resource in [ResourceId::CPU, ResourceId::MEMORY] {
                let here = self.tasks.values();
                let (id, kinds) = (body.record.id, body.record.kinds());
                let copied = |work: &Work| work.copy.is_some_and(|(_, worker)| worker == id);
                let here = here.filter(|work| copied(work) || work.holder == Holder::Runs(id));
                let load = |work: &Work| {
                    let told = work.way.filter(|_| copied(work));
                    let now = told.or_else(|| view::alternative(&work.task, kinds));
                    view::by(&work.task, now, now).load(resource)
                };
                let used: f64 = here.filter_map(load).sum();
                body.record.used.set(resource, used + 0.0);
            }
        }
    }

    pub(super) fn snapshot(&mut self, sight: Sight, nonsense: Option<Index>) -> Snapshot {
        let mut builder = Snapshot::builder(self.now);
        let alive: Vec<&Body> = self.workers.values().filter(|body| body.alive).collect();
        let spoilt = nonsense.filter(|_| !alive.is_empty()).map(|at| at.index(alive.len()));
        for (nth, body) in alive.iter().enumerate() {
            if sight == Sight::Nothing || (sight == Sight::Part && nth % 3 == 1) {
                continue;
            }
            let mut record = body.record.clone();
            record.metric_age = self.now.since(body.measured).unwrap_or_default();
            if spoilt == Some(nth) {
                record.used.set(ResourceId::CPU, f64::NAN);
            }
            builder = builder.worker(record);
        }
        for work in self.tasks.values() {
            builder = builder.tasks(self.record(work));
        }
        let listed = |group: &Group| {
            let mut group = group.clone();
            group.members.retain(|member| self.tasks.contains_key(member));
            group
        };
        for group in &self.groups {
            builder = builder.group(listed(group));
        }
        builder = self.freezes.iter().copied().fold(builder, SnapshotBuilder::freeze);
        builder = self.classes.iter().cloned().fold(builder, SnapshotBuilder::class);
        let (due, rest): (Vec<_>, Vec<_>) =
            self.letters.drain(..).partition(|(due, _)| *due <= self.turn);
        self.letters = rest;
        builder = due.into_iter().fold(builder, |builder, (_, report)| builder.report(report));
        if sight == Sight::Part { builder.partial().build() } else { builder.build() }
    }

    /// What the host says of a task.
    pub(super) fn record(&self, work: &Work) -> Option<Task> {
        let mut task = work.task.clone();
        let order = self.order(task.id).filter(|_| self.shows_orders);
        let copied = work.copy.filter(|_| self.shows_orders);
        task.placement = match work.holder {
            Holder::Runs(from) if copied.is_some() => {
                let ((migration, to), phase) = (copied?, Phase::Releasing);
                let since = order.map_or(self.now, |order| order.given);
                Placement::Moving { migration, from: Some(from), to, phase, since }
            }
            Holder::Runs(_) | Holder::Orphan if order.is_some() => about_to_move(order?),
            Holder::Runs(worker) => Placement::On(worker),
            Holder::Orphan => Placement::Orphaned,
            Holder::Queue => Placement::Unplaced,
            Holder::Saved { .. } if !self.shows_moving => return None,
            Holder::Saved { migration, from, to, phase, since } => {
                Placement::Moving { migration, from: Some(from), to, phase, since }
            }
        };
        Some(task)
    }
}

/// Where a task is that has not left its place, and is to leave it.
fn about_to_move(order: &Order) -> Placement {
    let Command { migration, action, .. } = order.command;
    let since = order.given;
    let (from, to, phase) = match action {
        Action::Release { from, to }
        | Action::RequeueFor { from, to }
        | Action::Evict { from, hint: to } => (Some(from), to, Phase::Releasing),
        Action::Start { from, to, .. } => (Some(from), to, Phase::Assigned),
        Action::Place { to, .. } | Action::Assign { to, .. } => (None, to, Phase::Assigned),
        Action::Stop { .. } | Action::Requeue | Action::Abort { .. } => return Placement::Unplaced,
    };
    Placement::Moving { migration, from, to, phase, since }
}
