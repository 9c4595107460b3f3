//! What became of every set and of every pair: taken, or stopped, and by what?

use alloc::vec::Vec;

use crate::outcome::{Reach, Rejection};
use crate::round::{Candidate, MoveSet, Plan};
use crate::view::View;

/// Which sets were taken or stopped so far.
pub(super) struct Fates<'v, 'p> {
    pub(super) done: Vec<bool>,
    /// What stopped a set that is done; `None` if the set was taken.
    pub(super) stopped: Vec<Option<Rejection>>,
    pub(super) view: &'v View<'v>,
    pub(super) plan: &'p mut Plan,
}

impl<'v, 'p> Fates<'v, 'p> {
    pub(super) fn new(sets: usize, view: &'v View<'v>, plan: &'p mut Plan) -> Self {
        let (done, stopped) = (alloc::vec![false; sets], alloc::vec![None; sets]);
        Self { done, stopped, view, plan }
    }

    pub(super) fn take(&mut self, pair: Candidate) {
        self.done[pair.set] = true;
        self.stopped[pair.set] = None;
        if let Some(considered) = self.plan.considered.get_mut(pair.position) {
            considered.taken = true;
        }
    }

    /// Notes why a pair is not chosen, unless that is noted already or moves are not scored.
    pub(super) fn refuse_pair(&mut self, pair: Candidate, rejection: Option<Rejection>) {
        if let Some(considered) = self.plan.considered.get_mut(pair.position) {
            considered.refused = considered.refused.or(rejection);
        }
    }

    /// Whether the set of a pair was taken or stopped.
    pub(super) fn is_done(&self, pair: Candidate) -> bool {
        self.done[pair.set]
    }

    /// Notes what a pair is worth as the ledger stands.
    pub(super) fn score(&mut self, pair: Candidate) {
        if let (Some(considered), Some(scorecard)) =
            (self.plan.considered.get_mut(pair.position), pair.scorecard)
        {
            considered.cost = scorecard.cost.total();
            considered.benefit = scorecard.benefit.total();
        }
    }

    pub(super) fn refuse(&mut self, set: &MoveSet, pair: Candidate, rejection: Rejection) {
        let whole = rejection.reach() == Reach::Task;
        self.done[pair.set] = whole;
        self.stopped[pair.set] = Some(rejection);
        let to = (!whole).then(|| self.view.worker_id(pair.to));
        self.plan.tally.refuse(self.view.task(set.lead()).id, to, rejection);
        self.refuse_pair(pair, Some(rejection));
    }

    /// Notes that a set stays because another set of its gang stays.
    pub(super) fn leave(&mut self, index: usize, set: &MoveSet, rejection: Rejection) {
        self.done[index] = true;
        self.stopped[index] = Some(rejection);
        self.plan.tally.refuse(self.view.task(set.lead()).id, None, rejection);
    }
}
