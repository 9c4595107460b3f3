//! Which moves would even out the whole cluster, and in which order are they safe?
//!
//! The *search* decides where each task should be in the end: it relieves workers above their ceilings, takes the moves
//! that gain the most, exchanges tasks where no single move helps, and takes back what later moves have made needless.
//! It works on a [`board`] of plain figures, as if every move had landed, and finds targets by an [`index`]. The
//! *schedule* then makes [`batches`] of the moves, judged one by one by the rules on the ledger of rounds. What cannot
//! be moved safely is given up, and the search looks again without it.

mod batches;
mod board;
mod bounds;
mod exchange;
mod index;
mod limits;
mod pools;
mod search;
mod single;
mod substitute;
mod units;

use alloc::vec::Vec;

use batches::Scheduled;
use board::Board;
use limits::Limits;
use search::Search;
use single::AT_CEILING;
use units::Units;

use crate::config::Effort;
use crate::math::total::Total;
use crate::model::rows::{Row, WorkerRow};
use crate::outcome::{Evenness, Highest, Plan};
use crate::round::Context;
use crate::view::Ledger;

/// So often a plan is searched again without what could not be moved.
const RETRIES: usize = 6;
/// The first of these retries look for exchanges only.
const EXCHANGING: usize = 3;
/// So often exchanges are tried; each time fewer are left.
const ROUNDS: usize = 3;
/// So many partners of a worker are asked for an exchange; fewer if the number of moves is limited, since an exchange
/// of tasks that stay takes two.
const PARTNERS: u32 = 16;
const FEW_PARTNERS: u32 = 8;

/// A plan falls short if it misses this part of what the search had found.
const SHORT: f64 = 0.1;
/// So often a plan that falls short is tried again, with fewer moves by a fifth each time.
const TRIALS: usize = 8;

/// Plans the whole cluster from this ledger.
///
/// Where many tasks wait for each other's room, fewer moves may be carried out where many cannot.
pub(crate) fn plan(context: &Context<'_>, ledger: &Ledger, effort: Effort) -> Plan {
    let round = context.with(ledger);
    let units = Units::find(context.config, &round);
    let first = attempt(context, ledger, units.clone(), effort);
    let (mut best, mut short, mut moves) = (first.plan, first.is_short, first.aimed);
    let stop = best.stop;
    for _ in 0..TRIALS {
        let left = effort.evaluations.map(|most| most.saturating_sub(best.evaluations));
        moves = (moves * 4 / 5).min(moves.saturating_sub(1));
        if !short || moves == 0 || left == Some(0) {
            break;
        }
        let fewer = Effort { moves: u32::try_from(moves).ok(), evaluations: left, ..effort };
        let mut next = attempt(context, ledger, units.clone(), fewer);
        let evaluations = best.evaluations + next.plan.evaluations;
        let [now, then] = [&next.plan.after, &best.after].map(|it| (it.pending, it.unevenness));
        if now < then {
            short = next.is_short;
            core::mem::swap(&mut best, &mut next.plan);
        }
        (best.evaluations, best.stop) = (evaluations, stop);
    }
    best
}

/// A plan, and what the search had found before it was asked in which order that is safe.
struct Attempt {
    plan: Plan,
    aimed: u64,
    is_short: bool,
}

/// Plans once.
fn attempt(context: &Context<'_>, ledger: &Ledger, units: Units, effort: Effort) -> Attempt {
    let round = context.with(ledger);
    let mut search = Search::new(context, ledger, units, Limits::new(effort));
    let begun = search.board.clone();
    run(&mut search);
    let (aim, aimed) = (evenness(&search, &search.board), search.limits.moves);
    let standing = |search: &Search<'_>, scheduled: &Scheduled| {
        let after = evenness(search, &scheduled.board);
        (after.pending, Total(after.unevenness))
    };
    let mut scheduled = batches::schedule(&search, &begun, ledger);
    let mut left = core::mem::take(&mut scheduled.left);
    for retry in 0..RETRIES {
        if left.is_empty() {
            break;
        }
        for unit in left {
            search.give_up(unit);
        }
        // As a rule exchanges are enough.
        if retry >= EXCHANGING {
            search.climb(0);
        }
        search.exchange(0, PARTNERS << ROUNDS);
        search.send_elsewhere();
        search.prune();
        let mut again = batches::schedule(&search, &begun, ledger);
        left = core::mem::take(&mut again.left);
        if standing(&search, &again) < standing(&search, &scheduled) {
            scheduled = again;
        }
    }
    let (before, after) = (evenness(&search, &begun), evenness(&search, &scheduled.board));
    let bounds = bounds::bounds(&round, (&begun, &search.units), &search.pools, scheduled.moves);
    let missed = (after.pending, after.unevenness - aim.unevenness);
    let is_short = missed > (aim.pending, SHORT * (before.unevenness - aim.unevenness));
    let plan = Plan {
        batches: scheduled.batches,
        before,
        after,
        bounds,
        moves: scheduled.moves,
        bytes: scheduled.bytes,
        evaluations: search.scratch.evaluations,
        stop: search.limits.stop(),
    };
    Attempt { plan, aimed, is_short }
}

/// Decides where every unit should be.
fn run(search: &mut Search<'_>) {
    search.place();
    search.relieve();
    if search.limits.has_most() {
        // A few moves too many are taken, then those taken back that have become the least worth.
        let is_full = search.limits.is_full_beyond(0);
        for (round, part) in [10, 30].into_iter().enumerate() {
            let extra = if is_full { 0 } else { search.limits.most_moves() / part };
            search.climb(extra);
            if round == 0 {
                search.exchange(extra, FEW_PARTNERS);
            }
            search.substitute();
            search.send_elsewhere();
            search.prune();
        }
        search.substitute();
        return;
    }
    search.climb(0);
    for round in 0..ROUNDS {
        // The more even the loads, the more partners a worker needs that still stands out.
        search.tried.fill(None);
        search.exchange(0, PARTNERS << round);
        search.send_elsewhere();
        search.prune();
    }
}

/// How even the loads of a board are.
fn evenness(search: &Search<'_>, board: &Board) -> Evenness {
    let (view, units, pools) = (search.context.view, &search.units, &search.pools);
    let counted = || (0..pools.of.len()).filter(|worker| pools.of[*worker].is_some());
    let mut highest = Vec::new();
    for column in (0..board.width).filter(|column| board.weight[*column] > 0.0) {
        let load = |worker: usize| {
            let at = worker * board.width + column;
            board.used[at] * board.per[at]
        };
        let fullest = counted().max_by(|a, b| load(*a).total_cmp(&load(*b)).then(b.cmp(a)));
        if let Some(worker) = fullest {
            let resource = search.columns()[units.columns[column]];
            let id = view.worker_id(WorkerRow::at(worker));
            highest.push(Highest { resource, worker: id, load: load(worker) });
        }
    }
    let above = counted().filter(|worker| board.peak(*worker) > AT_CEILING);
    let is_pending = |unit: &usize| {
        let own = &units.list[*unit];
        !own.purpose.is_voluntary() && board.at[*unit] == own.from
    };
    Evenness {
        unevenness: pools.unevenness(board, &search.even),
        highest,
        above_ceiling: u32::try_from(above.count()).unwrap_or(u32::MAX),
        pending: u32::try_from((0..units.len()).filter(is_pending).count()).unwrap_or(u32::MAX),
    }
}
