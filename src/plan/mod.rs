//! Which tasks may move, where could they go, what is each move worth, and which moves are taken?
//!
//! Four steps: find the sets of tasks that may move, and their purposes ([`sets`]); find the workers that could take
//! each set ([`candidate`]); score every pair ([`score`]); take the best pairs that the rules allow, each judged on a
//! ledger that holds the moves taken before ([`select`]).
//!
//! A plan for the whole cluster is made by [`cluster`], which lowers one [`measure`] of unevenness by the same rules.

mod candidate;
mod closed;
pub(crate) mod cluster;
pub(crate) mod faster;
mod fates;
mod gang;
mod measure;
mod order;
mod queue;
pub(crate) mod score;
mod select;
pub(crate) mod set_judge;
pub(crate) mod sets;
pub(crate) mod taker;

use crate::outcome::Tally;
use crate::round::{Context, Plan};
use crate::view::Ledger;

/// Plans a round, and enters the chosen moves into the ledger.
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
