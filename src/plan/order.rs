//! In which order are workers asked?

use alloc::vec::Vec;

use crate::model::ids::ClassId;
use crate::model::rows::{Column, WorkerRow};
use crate::view::View;

/// Workers in the order in which they are asked.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) workers: Vec<WorkerRow>,
    /// The position of each worker in this order; empty if no class needs it.
    positions: Column<WorkerRow, Option<u32>>,
}

impl Order {
    pub(super) fn new(view: &View<'_>, workers: Vec<WorkerRow>) -> Self {
        let mut positions = Column::filled(None, 0);
        if !view.snapshot.classes().is_empty() {
            positions = Column::filled(None, view.workers.len());
            for (position, worker) in (0..).zip(&workers) {
                positions[*worker] = Some(position);
            }
        }
        Self { workers, positions }
    }

    /// The workers of a class among the first `count`, in the same order. The search starts from the class, so that a
    /// small class costs little.
    pub(super) fn of_class(&self, view: &View<'_>, class: ClassId, count: usize) -> Vec<WorkerRow> {
        let members = view.snapshot.class(class).into_iter().flat_map(|class| class.workers.keys());
        let mut found: Vec<(u32, WorkerRow)> = Vec::new();
        for worker in members.filter_map(|worker| view.snapshot.worker_row(*worker)) {
            if let Some(Some(position)) = self.positions.get(worker).copied()
                && (position as usize) < count
            {
                found.push((position, worker));
            }
        }
        found.sort_unstable();
        found.into_iter().map(|(_, worker)| worker).collect()
    }
}
