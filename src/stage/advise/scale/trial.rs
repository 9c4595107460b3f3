//! A ledger to try things out on.

use alloc::vec::Vec;

use super::class::{is_bound, takes};
use crate::admission::{self, Levels};
use crate::config::Config;
use crate::outcome::Rejection;
use crate::snapshot::Task;
use crate::stage::advise::Ask;
use crate::state::State;
use crate::view::{Berth, Burden, Cell, DeviceCell, Errand, Place, Seat, Seek, View};

/// A task that is to be put somewhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guest {
    pub(super) row: usize,
    /// It has a worker, which it has to leave.
    pub(super) leaves: bool,
}

/// How tasks fit on empty workers of one class.
#[derive(Clone, Debug)]
pub(super) struct Packed {
    /// So many workers.
    pub(super) workers: u32,
    /// Which of the tasks have a place then.
    taken: Vec<bool>,
}

impl Packed {
    pub(super) fn placed(&self) -> usize {
        self.taken.iter().filter(|taken| **taken).count()
    }

    /// Those that have none.
    pub(super) fn left(&self, guests: &[Guest]) -> Vec<Guest> {
        let left = guests.iter().zip(&self.taken).filter(|(_, taken)| !**taken);
        left.map(|(guest, _)| *guest).collect()
    }
}

/// What a seat holds, to be put back.
#[derive(Clone, Debug)]
pub(super) struct Before {
    row: usize,
    place: Place,
    seat: Seat,
    cells: Vec<Cell>,
    devices: Vec<DeviceCell>,
}

/// A copy of the round's view, and how often it may still be asked: the cost stays linear, whatever the
/// tasks are like.
pub(super) struct Trial<'a> {
    config: &'a Config,
    state: &'a State,
    pub(super) view: View<'a>,
    /// As things are, not as they are forecast.
    pub(super) levels: Levels,
    questions: usize,
    burden: Burden,
}

/// Questions per record of the snapshot, and for small ones in all.
const QUESTIONS: [usize; 2] = [16, 1_024];

impl<'a> Trial<'a> {
    pub(super) fn new(ask: &Ask<'a>) -> Self {
        let mut view = ask.view.clone();
        view.ledger.project();
        let levels = Levels { shift: Vec::new(), ..ask.levels.clone() };
        let records = view.workers.len() + view.snapshot.tasks().len();
        let questions = QUESTIONS[0] * records + QUESTIONS[1];
        let (config, state) = (ask.config, ask.state);
        Self { config, state, view, levels, questions, burden: Burden::default() }
    }

    /// The tasks on each worker.
    pub(super) fn by_seat(&self) -> Vec<Vec<usize>> {
        let mut by_seat = alloc::vec![Vec::new(); self.view.workers.len()];
        for (row, place) in self.view.ledger.places.iter().enumerate() {
            if let Place::On(seat) = place {
                by_seat[*seat].push(row);
            }
        }
        by_seat
    }

    /// How a task would run on a worker that admits it as the trial stands. A task without a worker may go
    /// above the high threshold where the engine's own rules of stability are off, as in
    /// [`Engine::rank`](crate::Engine::rank).
    fn admit(
        &mut self,
        row: usize,
        to: Seat,
        errand: Errand,
        ceiling: bool,
    ) -> Result<Berth, Rejection> {
        self.questions = self.questions.saturating_sub(1);
        let (state, view, burden) = (self.state, &self.view, &mut self.burden);
        let berth = admission::pair(state, view, row, to, errand, Seek::Any, burden)?;
        if ceiling || self.config.stability.is_some() {
            admission::ceiling(&self.levels, view, to, &self.burden)?;
        }
        Ok(berth)
    }

    /// Puts a task on a worker, if that admits it; what was there before.
    pub(super) fn put(
        &mut self,
        row: usize,
        to: Seat,
        errand: Errand,
        ceiling: bool,
    ) -> Option<Before> {
        let Berth { alternative, device } = self.admit(row, to, errand, ceiling).ok()?;
        let bytes = self.view.task_by(row, alternative).requirements.gpu_memory_bytes;
        let ledger = &mut self.view.ledger;
        let (cells, devices) = (ledger.row(to).to_vec(), ledger.devices_of(to).to_vec());
        let before = Before { row, place: ledger.places[row], seat: to, cells, devices };
        ledger.carry(&self.burden, None, to, false);
        ledger.keep(bytes, to, device);
        ledger.places[row] = Place::On(to);
        Some(before)
    }

    /// Takes back what was put somewhere last.
    pub(super) fn take_back(&mut self, before: &Before) {
        let ledger = &mut self.view.ledger;
        ledger.places[before.row] = before.place;
        ledger.restore(before.seat, &before.cells, &before.devices);
    }

    /// Puts tasks where they fit, each on the first worker that admits it; those that fit nowhere.
    pub(super) fn place(&mut self, rows: Vec<usize>) -> Vec<Guest> {
        let open = |seat: &Seat| takes(&self.view, *seat);
        let open: Vec<Seat> = (0..self.view.workers.len()).filter(open).collect();
        let (mut left, mut next, mut last) = (Vec::new(), 0, None);
        for row in rows {
            // Where its like did not fit, it does not.
            if !last.is_some_and(|last| self.is_like(last, row)) {
                next = 0;
            }
            while next < open.len() && self.questions > 0 {
                if self.put(row, open[next], Errand::Recover, false).is_some() {
                    break;
                }
                next += 1;
            }
            if next == open.len() {
                left.push(Guest { row, leaves: false });
            }
            last = Some(row);
        }
        left
    }

    /// Puts tasks on as many empty workers like this one as it takes, and clears them away again.
    ///
    /// Worker by worker, each takes what it admits in the given order: just what the first that admits
    /// it would be for each task.
    pub(super) fn pack(&mut self, model: Seat, guests: &[Guest]) -> Packed {
        let saved = self.view.ledger.clone();
        self.view.ledger.clear(model);
        for place in &mut self.view.ledger.places {
            // What is on the model is not on its copies.
            if *place == Place::On(model) {
                *place = Place::Unplaced;
            }
        }
        guests.iter().for_each(|guest| self.view.ledger.places[guest.row] = Place::Unplaced);
        let mut packed = Packed { workers: 0, taken: alloc::vec![false; guests.len()] };
        let mut runs = self.runs(guests);
        while self.fill(model, guests, &mut runs, &mut packed.taken) {
            packed.workers += 1;
            self.view.ledger.clear(model);
            for (guest, taken) in guests.iter().zip(&packed.taken) {
                if *taken {
                    self.view.ledger.places[guest.row] = Place::Unplaced;
                }
            }
        }
        self.view.ledger = saved;
        packed
    }

    /// Stretches of tasks that are alike, from the first that has no place.
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

    /// Fills one worker; whether it took anything.
    fn fill(
        &mut self,
        model: Seat,
        guests: &[Guest],
        runs: &mut Vec<core::ops::Range<usize>>,
        taken: &mut [bool],
    ) -> bool {
        let mut any = false;
        for run in &mut *runs {
            while run.start < run.end && self.questions > 0 {
                let guest = guests[run.start];
                let errand = if guest.leaves { Errand::Drain } else { Errand::Recover };
                if self.put(guest.row, model, errand, guest.leaves).is_none() {
                    break;
                }
                (any, taken[run.start]) = (true, true);
                run.start += 1;
            }
        }
        runs.retain(|run| run.start < run.end);
        any
    }

    /// Whether a task may be taken off its worker.
    pub(super) fn may_leave(&self, row: usize) -> bool {
        admission::task(self.config, self.state, &self.view, row, Errand::Drain).is_ok()
    }

    /// The tasks that have to leave a worker so that it stands at this level, given largest first:
    /// the small ones, since with them no more leaves than has to. Nothing if they do not suffice.
    /// What alone is too much is left: no worker could have it.
    pub(super) fn relieve(&mut self, seat: Seat, most: f64, rows: &[usize]) -> Vec<usize> {
        let mut guests = Vec::new();
        for row in rows.iter().rev().copied() {
            if self.view.ledger.load(seat).is_none_or(|load| load <= most) {
                return guests;
            }
            if !self.may_leave(row) || is_bound(&self.view, row) {
                continue;
            }
            let (view, kinds) = (&self.view, self.view.workers[seat].kinds);
            let burden = view.ledger.burden(view.task_here(row), kinds);
            if view.ledger.load_of(seat, &burden).is_some_and(|load| load > 0.0 && load <= most) {
                self.view.ledger.relieve(&burden, seat);
                guests.push(row);
            }
        }
        let relieved = self.view.ledger.load(seat).is_some_and(|load| load <= most);
        if relieved { guests } else { Vec::new() }
    }

    /// Whether two tasks are the same to every worker: what one refuses the one, it refuses the other.
    fn is_like(&self, a: usize, b: usize) -> bool {
        let free = |row: usize| {
            let member = u32::try_from(row).unwrap_or(u32::MAX);
            let id = self.view.task(row).id;
            !self.view.memberships.contains_key(&member) && !self.state.cooldowns.contains_key(&id)
        };
        let (a, b) = if free(a) && free(b) { (a, b) } else { return a == b };
        let (a, b) = (self.view.task(a), self.view.task(b));
        let nameless = |task: &Task| Task { id: b.id, placement: b.placement, ..task.clone() };
        nameless(a) == *b
    }
}
