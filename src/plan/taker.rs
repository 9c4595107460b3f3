//! May a set go to a worker on the present ledger, and what does the ledger hold then?
//!
//! A set of several tasks is taken whole or not at all.

use alloc::vec::Vec;

use super::set_judge::told_to_lead;
use crate::model::rows::{TaskRow, WorkerRow};
use crate::outcome::Rejection;
use crate::round::{Candidate, Context, MoveSet, PlannedMove, Round, VariantFilter};
use crate::rules::{self, Effect, Moment, Pair, TaskRules};
use crate::view::{Arrival, Footprint, Ledger, Place};

/// Judges sets on the present ledger, and enters them into it.
#[derive(Debug)]
pub(crate) struct Taker<'c> {
    pub(super) context: Context<'c>,
    footprint: Footprint,
}

impl<'c> Taker<'c> {
    pub(crate) fn new(context: &Context<'c>) -> Self {
        Self { context: *context, footprint: Footprint::default() }
    }

    /// Takes a candidate and returns the moves of its tasks, which are entered into the ledger; or returns why not, and
    /// leaves the ledger as it was. Budgets are not asked.
    pub(crate) fn take(
        &mut self,
        ledger: &mut Ledger,
        set: &MoveSet,
        pair: Candidate,
        (issued, alone): (u64, bool),
    ) -> Result<Vec<PlannedMove>, Rejection> {
        let variants = self.variants(ledger, set, pair);
        let moment = if alone { Moment::OnlyMove } else { Moment::AmongOthers };
        self.effect(ledger, set, pair, (&variants, moment))?;
        self.enter(ledger, set, pair, (issued, variants))
    }

    /// Takes a candidate like [`Self::take`], whatever it does to the loads, with these alternatives for its tasks.
    fn enter(
        &mut self,
        ledger: &mut Ledger,
        set: &MoveSet,
        pair: Candidate,
        (issued, variants): (u64, Vec<Option<u16>>),
    ) -> Result<Vec<PlannedMove>, Rejection> {
        let mark = (set.rows.len() > 1).then(|| ledger.mark());
        let mut moves = Vec::with_capacity(set.rows.len());
        for (row, variant) in set.rows.iter().zip(variants) {
            let nth = issued + moves.len() as u64;
            let step = Step { row: *row, filter: filter(set, variant), nth };
            match self.judge(ledger, set, pair, step) {
                Ok((planned, arrival)) => {
                    ledger.carry(self.context.view, &arrival, &self.footprint);
                    moves.push(planned);
                }
                Err(_) if broken!("affinity_all_or_nothing") => break,
                Err(rejection) => {
                    // All or nothing.
                    if let Some(mark) = mark {
                        ledger.rollback(mark);
                    }
                    return Err(match rejection {
                        Rejection::Group(_) => {
                            told_to_lead(&self.context.with(ledger), set, *row, rejection)
                        }
                        // The task alone may go there: there is no room for the whole set.
                        _ => rejection,
                    });
                }
            }
        }
        if let Some(mark) = mark {
            ledger.commit(mark);
        }
        Ok(moves)
    }

    /// Takes a candidate of a plan for the whole cluster, whose effect on the loads is known, and which asks for no
    /// more than the ceiling.
    pub(crate) fn take_known(
        &mut self,
        ledger: &mut Ledger,
        set: &MoveSet,
        pair: Candidate,
        issued: u64,
    ) -> Result<Vec<PlannedMove>, Rejection> {
        let variants = self.variants(ledger, set, pair);
        if set.purpose.is_voluntary() {
            let round = self.context.with(ledger);
            let footprint = self.whole(&round, set, pair.to, &variants);
            if let Some(no) = rules::is_above_ceiling(&round, pair.to, &footprint) {
                return Err(no);
            }
        }
        self.enter(ledger, set, pair, (issued, variants))
    }

    /// The alternative by which each task of a set would run; the first task runs by that of its candidate.
    fn variants(&mut self, ledger: &Ledger, set: &MoveSet, pair: Candidate) -> Vec<Option<u16>> {
        let round = self.context.with(ledger);
        let mut variants = alloc::vec![pair.fit.alternative];
        for row in &set.rows[1..] {
            let fit = round.view.variants(*row).and_then(|_| {
                let footprint = &mut self.footprint;
                rules::fit(&round, *row, pair.to, VariantFilter::Any, footprint).ok()
            });
            variants.push(fit.and_then(|fit| fit.alternative));
        }
        variants
    }

    /// The footprint of the whole set on a worker.
    fn whole(
        &mut self,
        round: &Round<'_>,
        set: &MoveSet,
        to: WorkerRow,
        variants: &[Option<u16>],
    ) -> Footprint {
        let mut sum = Footprint::default();
        for (row, variant) in set.rows.iter().zip(variants) {
            round.ledger.footprint_at(round.view, *row, to, *variant, &mut self.footprint);
            sum.add(&self.footprint);
        }
        sum
    }

    /// Why a set that must move would push its target above the ceiling; `None` if it would not. Above the ceiling a
    /// set goes only if there is no other target.
    pub(crate) fn above_ceiling(
        &mut self,
        ledger: &Ledger,
        set: &MoveSet,
        pair: Candidate,
    ) -> Option<Rejection> {
        if self.context.config.stability.is_none() || set.purpose.is_voluntary() {
            return None;
        }
        let variants = self.variants(ledger, set, pair);
        let round = self.context.with(ledger);
        let footprint = self.whole(&round, set, pair.to, &variants);
        rules::is_above_ceiling(&round, pair.to, &footprint)
    }

    /// Judges a set as if it were the only one to be taken, and leaves the ledger as it was.
    pub(crate) fn would_take(
        &mut self,
        ledger: &Ledger,
        set: &MoveSet,
        pair: Candidate,
    ) -> Result<(), Rejection> {
        if set.rows.len() > 1 {
            return self.take(&mut ledger.clone(), set, pair, (0, true)).map(|_| ());
        }
        let variants = [pair.fit.alternative];
        self.effect(ledger, set, pair, (&variants, Moment::OnlyMove))?;
        let step = Step { row: set.lead(), filter: filter(set, variants[0]), nth: 0 };
        self.judge(ledger, set, pair, step).map(|_| ())
    }

    /// Whether a voluntary move improves the loads as its purpose asks.
    fn effect(
        &mut self,
        ledger: &Ledger,
        set: &MoveSet,
        pair: Candidate,
        (variants, moment): (&[Option<u16>], Moment),
    ) -> Result<(), Rejection> {
        if !set.purpose.is_voluntary() {
            return Ok(());
        }
        let round = self.context.with(ledger);
        let footprint = &self.whole(&round, set, pair.to, variants);
        let (from, to, purpose) = (set.from, pair.to, set.purpose);
        rules::effect(&round, &Effect { from, to, purpose, footprint }, moment)
    }

    /// Judges one task on the present ledger. Returns the move, and the entry for the ledger.
    fn judge(
        &mut self,
        ledger: &Ledger,
        set: &MoveSet,
        candidate: Candidate,
        step: Step,
    ) -> Result<(PlannedMove, Arrival), Rejection> {
        let round = self.context.with(ledger);
        let Step { row, filter, nth } = step;
        let (from, to, purpose) = (set.from, candidate.to, set.purpose);
        let pair = Pair { row, from, to, purpose };
        rules::task(&round, row, purpose, TaskRules::Changing)?;
        let fit = rules::pair(&round, &pair, filter, &mut self.footprint)?;
        if !broken!("repaid_as_the_plan_stands") {
            rules::payback(&round, &pair, fit, &self.footprint)?;
        }
        let handover =
            from.and_then(|from| rules::handover(&round, row, [from, to], fit, &self.footprint));
        let bytes = round.view.task_by(row, fit.alternative).requirements.gpu_memory_bytes;
        // Any id will do here; `record` issues the real one.
        let migration = match ledger.places[row] {
            Place::Stranded { migration, .. } => migration,
            _ => self.context.state.migration(nth),
        };
        // A task that may have to go back counts at its source too.
        let counts_from = from.or(ledger.places[row].kept());
        let arrival = Arrival {
            task: row,
            from,
            to,
            interrupts: round.is_interrupted(row),
            place: Place::Moving { migration, from: counts_from, to: Some(to) },
            device: fit.device.zip(bytes),
        };
        let Candidate { speedup, scorecard, .. } = candidate;
        let follows = set.follows();
        let planned =
            PlannedMove { row, from, to, fit, purpose, follows, speedup, scorecard, handover };
        Ok((planned, arrival))
    }
}

/// One task of a set, and the number of its move in the plan.
#[derive(Clone, Copy, Debug)]
struct Step {
    row: TaskRow,
    filter: VariantFilter,
    nth: u64,
}

/// Which variants a set may take: for a voluntary move only the one whose effect on the loads was judged.
fn filter(set: &MoveSet, variant: Option<u16>) -> VariantFilter {
    if set.purpose.is_voluntary() { VariantFilter::Only(variant) } else { VariantFilter::Any }
}
