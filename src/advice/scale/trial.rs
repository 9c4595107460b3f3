//! Would these tasks fit? Tried out on a copy of the ledger.

use alloc::vec::Vec;

use super::class::{is_bound, takes};
use crate::model::rows::{Column, TaskRow, WorkerRow};
use crate::outcome::{Purpose, Rejection};
use crate::round::{Bands, Context, Fit, Round, VariantFilter};
use crate::rules::{self, Pair, TaskRules};
use crate::snapshot::Task;
use crate::view::{Arrival, Footprint, Ledger, Place};

/// A task that is to be put somewhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guest {
    pub(super) row: TaskRow,
    /// It has a worker, which it has to leave.
    pub(super) displaced: bool,
}

/// How tasks fit on empty workers of one class.
#[derive(Clone, Debug)]
pub(super) struct Packed {
    /// How many workers it takes.
    pub(super) workers: u32,
    /// Which of the tasks have a place then.
    taken: Vec<bool>,
}

impl Packed {
    pub(super) fn placed(&self) -> usize {
        self.taken.iter().filter(|taken| **taken).count()
    }

    /// The tasks that have no place.
    pub(super) fn left(&self, guests: &[Guest]) -> Vec<Guest> {
        let left = guests.iter().zip(&self.taken).filter(|(_, taken)| !**taken);
        left.map(|(guest, _)| *guest).collect()
    }
}

/// A copy of the round's ledger, and how many questions are left, so that the cost stays linear for any tasks.
pub(super) struct Trial<'a> {
    context: Context<'a>,
    pub(super) ledger: Ledger,
    /// The level above which no worker is filled; `None` for the ceiling of the round.
    pub(super) ceiling: Option<f64>,
    questions: usize,
    footprint: Footprint,
}

/// How many questions are allowed per record of the snapshot, and at least in all.
const QUESTIONS: [usize; 2] = [16, 1_024];

impl<'a> Trial<'a> {
    pub(super) fn new(context: Context<'a>, ledger: &Ledger) -> Self {
        let mut ledger = ledger.clone();
        ledger.project();
        ledger.forget_levels();
        let records = context.view.workers.len() + context.view.snapshot.tasks().len();
        let questions = QUESTIONS[0] * records + QUESTIONS[1];
        Self { context, ledger, ceiling: None, questions, footprint: Footprint::default() }
    }

    pub(super) fn round(&self) -> Round<'_> {
        self.context.with(&self.ledger)
    }

    /// The tasks on each worker.
    pub(super) fn by_worker(&self) -> Column<WorkerRow, Vec<TaskRow>> {
        let mut by_worker = Column::filled(Vec::new(), self.context.view.workers.len());
        for (row, place) in self.ledger.places.entries() {
            if let Place::On(worker) = place {
                by_worker[*worker].push(row);
            }
        }
        by_worker
    }

    /// How a task would run on a worker that admits it in this trial. As in
    /// [`Look::rank`](crate::engine::Look::rank), a task without a worker may push a worker above the high threshold if
    /// [`Config::stability`](crate::Config::stability) is off.
    fn admit(
        &mut self,
        row: TaskRow,
        to: WorkerRow,
        purpose: Purpose,
        ceiling: bool,
    ) -> Result<Fit, Rejection> {
        self.questions = self.questions.saturating_sub(1);
        let round = self.context.with(&self.ledger);
        let pair = Pair { row, from: None, to, purpose };
        let fit = rules::pair(&round, &pair, VariantFilter::Any, &mut self.footprint)?;
        if ceiling || self.context.config.stability.is_some() {
            let own = self.context.bands.ceiling;
            let bands = Bands { ceiling: self.ceiling.unwrap_or(own), ..Bands::default() };
            let round = Context { bands: &bands, ..self.context }.with(&self.ledger);
            if let Some(no) = rules::is_above_ceiling(&round, to, &self.footprint) {
                return Err(no);
            }
        }
        Ok(fit)
    }

    /// Puts a task on a worker, if that admits it.
    pub(super) fn put(
        &mut self,
        row: TaskRow,
        to: WorkerRow,
        purpose: Purpose,
        ceiling: bool,
    ) -> bool {
        let Ok(Fit { alternative, device }) = self.admit(row, to, purpose, ceiling) else {
            return false;
        };
        let view = self.context.view;
        let bytes = view.task_by(row, alternative).requirements.gpu_memory_bytes;
        let arrival = Arrival {
            task: row,
            from: None,
            to,
            interrupts: false,
            place: if broken!("advice_keeps_apart") { Place::Unplaced } else { Place::On(to) },
            device: device.zip(bytes),
        };
        self.ledger.carry(view, &arrival, &self.footprint);
        true
    }

    /// Puts tasks where they fit, each on the first worker that admits it. Returns the tasks that fit nowhere.
    pub(super) fn place(&mut self, rows: Vec<TaskRow>) -> Vec<Guest> {
        let round = self.round();
        let open = round.view.worker_rows().filter(|worker| takes(&round, *worker));
        let open: Vec<WorkerRow> = open.collect();
        let (mut left, mut next, mut last) = (Vec::new(), 0, None);
        for row in rows {
            // A worker that refused a task refuses every task like it.
            if !last.is_some_and(|last| self.is_like(last, row)) {
                next = 0;
            }
            while next < open.len() && self.questions > 0 {
                if self.put(row, open[next], Purpose::Recover, false) {
                    break;
                }
                next += 1;
            }
            if next == open.len() || broken!("advice_room_there_is") {
                left.push(Guest { row, displaced: false });
            }
            last = Some(row);
        }
        left
    }

    /// Puts tasks on as many empty workers like this one as it takes, and clears them away again.
    ///
    /// Worker by worker, each takes the tasks that it admits, in the given order. The outcome is the same as if
    /// each task were put on the first worker that admits it.
    pub(super) fn pack(&mut self, model: WorkerRow, guests: &[Guest]) -> Packed {
        let view = self.context.view;
        let mark = self.ledger.mark();
        self.ledger.clear(model);
        for row in view.task_rows() {
            // Copies of the model have none of its tasks.
            if self.ledger.places[row] == Place::On(model) {
                self.ledger.relocate(view, row, Place::Unplaced);
            }
        }
        for guest in guests {
            self.ledger.relocate(view, guest.row, Place::Unplaced);
        }
        let mut packed = Packed { workers: 0, taken: alloc::vec![false; guests.len()] };
        let mut runs = self.runs(guests);
        while self.fill(model, guests, &mut runs, &mut packed.taken) {
            packed.workers += 1;
            self.ledger.clear(model);
            for (guest, taken) in guests.iter().zip(&packed.taken) {
                if *taken && self.ledger.places[guest.row] != Place::Unplaced {
                    self.ledger.relocate(view, guest.row, Place::Unplaced);
                }
            }
        }
        self.ledger.rollback(mark);
        packed
    }

    /// Runs of tasks that are alike, from the first that has no place.
    fn runs(&self, guests: &[Guest]) -> Vec<core::ops::Range<usize>> {
        let mut runs: Vec<core::ops::Range<usize>> = Vec::new();
        for (index, guest) in guests.iter().enumerate() {
            match runs.last_mut() {
                Some(run) if self.is_like(guests[run.start].row, guest.row) => run.end += 1,
                _ => runs.push(index..index + 1),
            }
        }
        runs
    }

    /// Fills one worker. Returns whether it took any task.
    fn fill(
        &mut self,
        model: WorkerRow,
        guests: &[Guest],
        runs: &mut Vec<core::ops::Range<usize>>,
        taken: &mut [bool],
    ) -> bool {
        let mut any = false;
        for run in &mut *runs {
            while run.start < run.end && self.questions > 0 {
                let guest = guests[run.start];
                let purpose = if guest.displaced { Purpose::Evacuate } else { Purpose::Recover };
                if !self.put(guest.row, model, purpose, guest.displaced) {
                    break;
                }
                (any, taken[run.start]) = (true, true);
                run.start += 1;
                if broken!("advice_packs") {
                    break;
                }
            }
        }
        runs.retain(|run| run.start < run.end);
        any
    }

    /// Whether a task may be taken off its worker.
    pub(super) fn may_leave(&self, row: TaskRow) -> bool {
        rules::task(&self.round(), row, Purpose::Evacuate, TaskRules::AloneInScope).is_ok()
    }

    /// The tasks that must leave a worker to bring it down to this level; `rows` come largest first, and the smallest
    /// leave first, so that no more leaves than must. Empty if all of them are not enough. A task that alone exceeds
    /// the level stays: no worker could have it.
    pub(super) fn relieve(
        &mut self,
        worker: WorkerRow,
        most: f64,
        rows: &[TaskRow],
    ) -> Vec<TaskRow> {
        let mut guests = Vec::new();
        let view = self.context.view;
        for row in rows.iter().rev().copied() {
            if self.ledger.load(worker).is_none_or(|load| load <= most) {
                return guests;
            }
            if !self.may_leave(row) || is_bound(view, row) {
                continue;
            }
            let kinds = view.workers[worker].kinds;
            let footprint = self.ledger.footprint(view.task_here(row), kinds);
            let load = self.ledger.load_of(worker, &footprint);
            if load.is_some_and(|load| load > 0.0 && load <= most) {
                self.ledger.relieve(&footprint, worker);
                guests.push(row);
            }
        }
        let relieved = self.ledger.load(worker).is_some_and(|load| load <= most);
        if relieved { guests } else { Vec::new() }
    }

    /// Whether two tasks are the same to every worker: a worker that refuses one refuses the other.
    fn is_like(&self, a: TaskRow, b: TaskRow) -> bool {
        let Context { view, state, .. } = self.context;
        let is_free = |row: TaskRow| {
            view.groups_of(row).is_empty() && !state.cooldowns.contains_key(&view.task(row).id)
        };
        if !is_free(a) || !is_free(b) {
            return a == b;
        }
        let (a, b) = (view.task(a), view.task(b));
        let nameless = |task: &Task| Task { id: b.id, placement: b.placement, ..task.clone() };
        nameless(a) == *b
    }
}
