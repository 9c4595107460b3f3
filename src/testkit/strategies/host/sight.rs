//! What a host sees and says of its workers and tasks.

use alloc::vec::Vec;

use proptest::sample::Index;

use super::{Body, Host, Sight};
use crate::host::HostedTask;
use crate::snapshot::{Group, Placement};
use crate::{ResourceId, Snapshot, SnapshotBuilder, Task};

impl Host {
    pub(super) fn measure(&mut self) {
        let now = self.now;
        for body in self.workers.values_mut() {
            body.measured = now;
            for resource in [ResourceId::CPU, ResourceId::MEMORY] {
                let here = self.tasks.values();
                let used: f64 =
                    here.filter_map(|hosted| hosted.load_on(&body.record, resource)).sum();
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
        for hosted in self.tasks.values() {
            builder = builder.tasks(self.record(hosted));
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
        builder = self.mail.reports_due(self.turn).fold(builder, SnapshotBuilder::report);
        if sight == Sight::Part { builder.partial().build() } else { builder.build() }
    }

    /// What the host says of a task; `None` of one on its way, unless those are listed.
    fn record(&self, hosted: &HostedTask) -> Option<Task> {
        let mut task = hosted.task.clone();
        if self.shows_orders {
            let pending = hosted.pending(&self.mail, &self.fences);
            task.placement = hosted.shown(pending, self.now);
        }
        let hidden = matches!(task.placement, Placement::Moving { .. }) && !self.shows_moving;
        (!hidden).then_some(task)
    }
}
