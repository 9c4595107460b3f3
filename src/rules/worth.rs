//! Is the move worth its cost?

use super::rule::Answer;
use crate::outcome::{Scorecard, WorthRefusal};
use crate::round::Round;

/// The net benefit exceeds the least that the present pace asks for.
pub(super) fn worth_its_cost(round: &Round<'_>, scorecard: &Scorecard) -> Answer {
    let least = if broken!("pace_of_the_net") { 0.0 } else { round.pace.least_net };
    if scorecard.net() > least {
        return Ok(());
    }
    let (cost, benefit) = (scorecard.cost.total(), scorecard.benefit.total());
    let (beyond, below) = (scorecard.cost.sum() - cost, benefit - scorecard.benefit.sum());
    Err(WorthRefusal::NotWorthIt { cost, benefit, least, beyond, below }.into())
}
