//! What may move, where could it go, what is it worth, and what is done?
//!
//! Four steps: find the sets of tasks that may move and their purposes ([`sets`]); find the workers that could
//! take each ([`candidate`]); weigh every pair ([`score`]); take the best, as far as the rules allow on a ledger
//! that fills as moves are taken ([`select`]).

mod candidate;
mod closed;
pub(crate) mod faster;
mod gang;
mod order;
pub(crate) mod score;
mod select;
pub(crate) mod set_judge;
pub(crate) mod sets;
pub(crate) mod taker;

use crate::outcome::Tally;
use crate::round::{Context, Plan};
use crate::view::Ledger;

/// Plans a round; the ledger stands as the plan leaves it, after.
pub(crate) fn plan(context: &Context<'_>, ledger: &mut Ledger, tally: Tally) -> Plan {
    let mut plan = Plan { tally, ..Plan::default() };
    let round = context.with(ledger);
    let sets::Found { mut faster, sets, stuck, .. } =
        sets::sets(context.config, &round, &mut plan.tally);
    plan.stuck = stuck;
    let found = candidate::candidates(&round, &sets, &mut faster, &mut plan);
    let pairs = score::score(&round, &sets, found, &mut plan);
    select::select(context, ledger, &sets, pairs, &mut plan);
    plan
}
