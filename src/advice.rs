//! What can no move mend, and what would mend it?
//!
//! Advice is computed after the plan, on the ledger with the chosen moves, and changes nothing in the plan. It is given
//! once its condition has held in every round for as long as [`AdviceRules`] asks. The state remembers since when each
//! condition has held, so that one stray round gives no advice. A partial snapshot proves neither that a task fits
//! nowhere nor that it would fit somewhere.

mod scale;
mod slow;
mod split;

use alloc::vec::Vec;
use core::time::Duration;

use crate::config::AdviceRules;
use crate::outcome::{Advice, Outcome};
use crate::round::{Advised, Context};
use crate::state::{Standing, State, Topic};
use crate::view::{Ledger, View};

/// Looks for conditions that no move can mend, on the ledger with the chosen moves.
pub(crate) fn advise(section: &AdviceRules, context: &Context<'_>, ledger: &Ledger) -> Advised {
    let mut found = Vec::new();
    let Context { config, state, view, .. } = *context;
    let whole = view.snapshot.is_whole();
    if whole {
        gravest(split::huge(&context.with(ledger)), &mut found);
        scale::scale(section, context, ledger, &mut found);
    }
    gravest(slow::suspects(section, config, state, view), &mut found);
    tell(section, state, view, whole, &found)
}

/// Gives the advice whose condition has held for long enough.
fn tell(
    section: &AdviceRules,
    state: &State,
    view: &View<'_>,
    whole: bool,
    found: &[Advice],
) -> Advised {
    let at = view.snapshot.at();
    let mut advised = Advised::default();
    for advice in found {
        let topic = topic(advice);
        let known = state.advised.iter().find(|standing| standing.topic == topic);
        // After a restart the clock may be earlier.
        let since = known.map_or(at, |standing| standing.since.min(at));
        if at.since(since).is_some_and(|lasting| lasting >= patience(section, topic))
            || broken!("advice_patience")
        {
            advised.told.push(*advice);
        }
        if advised.standing.iter().all(|standing| standing.topic != topic) {
            advised.standing.push(Standing { topic, since });
        }
    }
    if !whole || broken!("advice_in_every_round") {
        let unseen = |standing: &&Standing| !matches!(standing.topic, Topic::Slow(..));
        advised.standing.extend(state.advised.iter().filter(unseen));
    }
    advised.standing.truncate(Topic::MOST);
    advised
}

/// How long a condition must have held before its advice is given.
const fn patience(section: &AdviceRules, topic: Topic) -> Duration {
    match topic {
        Topic::ScaleDown => section.patience_down,
        Topic::Split(_) | Topic::ScaleUp | Topic::Slow(..) => section.patience,
    }
}

/// The condition of a piece of advice: the same from round to round, whatever its figures.
const fn topic(advice: &Advice) -> Topic {
    match *advice {
        Advice::Split { task, .. } => Topic::Split(task),
        Advice::ScaleUp { .. } => Topic::ScaleUp,
        Advice::ScaleDown { .. } => Topic::ScaleDown,
        Advice::SlowWorker { worker, hardware, .. } => Topic::Slow(worker, hardware),
    }
}

/// Appends the gravest, at most [`Outcome::ADVICE`] of them.
fn gravest(mut found: Vec<(f64, Advice)>, out: &mut Vec<Advice>) {
    // The advice comes in the order of ids; the sort is stable.
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    out.extend(found.into_iter().take(Outcome::ADVICE).map(|(_, advice)| advice));
}
