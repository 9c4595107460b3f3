//! How large is the footprint of a task in the columns of the ledger?

use super::footprint::{claim, skips};
use super::{Footprint, Ledger, Place, View};
use crate::model::hardware::HardwareSet;
use crate::model::rows::{TaskRow, WorkerRow};
use crate::snapshot::Task;

impl Ledger {
    /// The footprint of a task on a worker with this hardware, written into a buffer.
    pub(crate) fn footprint_into(&self, task: &Task, kinds: HardwareSet, out: &mut Footprint) {
        out.clear();
        for resource in self.columns.iter().copied() {
            if skips(task, kinds, resource) {
                out.claim.push(None);
                out.load.push(0.0);
            } else {
                out.claim.push(claim(task, resource));
                out.load.push(task.load(resource).unwrap_or(0.0));
            }
        }
    }

    /// The footprint of a task on a worker with this hardware.
    pub(crate) fn footprint(&self, task: &Task, kinds: HardwareSet) -> Footprint {
        let mut footprint = Footprint::default();
        self.footprint_into(task, kinds, &mut footprint);
        footprint
    }

    /// The footprint that a task would have on `to` by one of its alternatives, if it has any. The source is relieved
    /// of the use of the alternative by which the task runs now.
    pub(crate) fn footprint_at(
        &self,
        view: &View<'_>,
        row: TaskRow,
        to: WorkerRow,
        alternative: Option<u16>,
        out: &mut Footprint,
    ) {
        let kinds = view.workers[to].kinds;
        if let (Some(variants), Place::On(from)) = (view.variants(row), self.places[row]) {
            self.footprint_into(variants.current(), view.workers[from].kinds, out);
            let freed_at_source = core::mem::take(&mut out.load);
            self.footprint_into(view.task_by(row, alternative), kinds, out);
            out.freed_at_source = freed_at_source;
        } else {
            self.footprint_into(view.task_by(row, alternative), kinds, out);
            out.is_kept = self.places[row].kept() == Some(to);
        }
    }
}
