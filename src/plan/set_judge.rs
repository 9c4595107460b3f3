//! May all tasks of a set go to one worker, and how would each of them run there?

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::model::hardware::HardwareSet;
use crate::model::ids::GroupId;
use crate::model::rows::{TaskRow, WorkerRow};
use crate::outcome::{FitRefusal, GroupRefusal, Reach, Rejection};
use crate::round::{Fit, MoveSet, Round, VariantFilter};
use crate::rules::{self, Effect, Moment, Pair};
use crate::view::{Footprint, placed_with};

/// Asks the rules about sets of tasks, with buffers that are reused.
#[derive(Debug, Default)]
pub(crate) struct SetJudge {
    footprint: Footprint,
    /// The footprint of all of the set that was asked about last, and how each of its tasks would run.
    sum: Footprint,
    fits: Vec<(TaskRow, Fit)>,
    /// The footprint of the whole present set, per hardware of the worker; only for sets without variants, and of
    /// workers that keep no room for a task of the set.
    whole: BTreeMap<HardwareSet, Footprint>,
}

impl SetJudge {
    /// Prepares for questions about another set.
    pub(crate) fn forget(&mut self) {
        self.whole.clear();
    }

    /// Asks every rule that needs no plan: for each task of the set, whether it may go there and whether its move pays
    /// off; for the whole set, what it does to the loads. Returns how the task that leads the set would run there.
    pub(crate) fn candidate(
        &mut self,
        round: &Round<'_>,
        set: &MoveSet,
        to: WorkerRow,
        filter: VariantFilter,
    ) -> Result<Fit, Rejection> {
        let fit = self.fit(round, set, to, filter)?;
        let (from, purpose) = (set.from, set.purpose);
        let each = broken!("effect_of_the_whole_set");
        let footprint = if each { &self.footprint } else { &self.sum };
        rules::effect(round, &Effect { from, to, purpose, footprint }, Moment::Candidate)?;
        for (row, fit) in self.fits.iter().copied() {
            let pair = Pair { row, from, to, purpose };
            let footprint = &mut self.footprint;
            if set.rows.len() > 1 {
                round.ledger.footprint_at(round.view, row, to, fit.alternative, footprint);
            }
            rules::payback(round, &pair, fit, footprint)
                .map_err(|no| told_to_lead(round, set, row, no))?;
        }
        Ok(fit)
    }

    /// Asks whether each task of the set may go there, and whether there is room for all of them; not what they do to
    /// the loads. Returns how the task that leads the set would run there.
    pub(crate) fn fit(
        &mut self,
        round: &Round<'_>,
        set: &MoveSet,
        to: WorkerRow,
        filter: VariantFilter,
    ) -> Result<Fit, Rejection> {
        self.fits.clear();
        self.sum.clear();
        for row in set.rows.iter().copied() {
            let pair = Pair { row, from: set.from, to, purpose: set.purpose };
            let mut answer = rules::pair(round, &pair, filter, &mut self.footprint);
            if set.rows.len() > 1 && row == set.lead() && lacks_at_most_room(answer) {
                self.room_for_all(round, set, to)?;
                answer = rules::pair(round, &pair, filter, &mut self.footprint);
            }
            let fit = answer.map_err(|no| told_to_lead(round, set, row, no))?;
            self.sum.add(&self.footprint);
            self.fits.push((row, fit));
        }
        Ok(self.fit_of(set.lead()))
    }

    /// How a task of the set would run on the worker that [`Self::fit`] was asked about last.
    pub(crate) fn fit_of(&self, row: TaskRow) -> Fit {
        let mut fits = self.fits.iter();
        fits.find(|(other, _)| *other == row).map(|(_, fit)| *fit).unwrap_or_default()
    }

    /// Whether there is room for all of a set at once, each by the variant that it would take alone.
    pub(crate) fn room_for_all(
        &mut self,
        round: &Round<'_>,
        set: &MoveSet,
        to: WorkerRow,
    ) -> Result<(), Rejection> {
        let kinds = round.view.workers[to].kinds;
        let is_kept = |row: &TaskRow| round.ledger.places[*row].kept() == Some(to);
        let keeps = set.rows.iter().any(is_kept) && !broken!("kept_room_is_of_one_worker");
        if let Some(whole) = self.whole.get(&kinds).filter(|_| !keeps) {
            return rules::headroom_for(round, to, whole);
        }
        let (mut sum, mut varies) = (Footprint::default(), false);
        for row in set.rows.iter().copied() {
            let mut alternative = None;
            if round.view.variants(row).is_some() {
                varies = true;
                let fit = rules::fit(round, row, to, VariantFilter::Any, &mut self.footprint);
                let fit = fit.map_err(|no| told_to_lead(round, set, row, no))?;
                alternative = fit.alternative;
            }
            round.ledger.footprint_at(round.view, row, to, alternative, &mut self.footprint);
            // A worker that keeps room for one of them lacks room for the others only.
            varies |= self.footprint.is_kept && !broken!("kept_room_is_of_one_worker");
            sum.add(&self.footprint);
        }
        let answer = rules::headroom_for(round, to, &sum);
        if !varies {
            self.whole.insert(kinds, sum);
        }
        answer
    }
}

/// Whether a task may go to a worker, or only lack of room prevents it.
fn lacks_at_most_room(answer: Result<Fit, Rejection>) -> bool {
    matches!(answer, Ok(_) | Err(Rejection::Fit(FitRefusal::NoHeadroom { .. })))
}

/// The refusal of one task of a set, as told to the task that leads the set: what stops one stops all.
pub(super) fn told_to_lead(
    round: &Round<'_>,
    set: &MoveSet,
    row: TaskRow,
    no: Rejection,
) -> Rejection {
    let lead = set.lead();
    if row == lead || broken!("refusal_of_a_companion") {
        return no;
    }
    let is_row = |(other, _): &(TaskRow, GroupId)| *other == row;
    let placed = || placed_with(round.view, round.ledger, lead).into_iter().find(is_row);
    match round.companions.of(lead).find(is_row).or_else(placed) {
        Some((_, group)) => {
            let task = round.task_id(row);
            match no.reach() {
                Reach::Task => GroupRefusal::Companion { group, task }.into(),
                Reach::Pair | Reach::Target => GroupRefusal::CompanionTarget { group, task }.into(),
            }
        }
        None => no,
    }
}
