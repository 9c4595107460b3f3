//! The stages of a round, one file each. No stage calls another; only [`engine`](crate::engine)
//! knows the order.
//!
//! | stage | reads | returns |
//! |---|---|---|
//! | believe | snapshot, state | what stands for a snapshot from which too much is missing |
//! | settle ([`lifecycle`](crate::lifecycle)) | reports, placements, state | commands that follow, migrations that ended; writes State |
//! | observe | snapshot, state | the view: loads reported and projected |
//! | adapt | view, history | thresholds, trend, pace |
//! | predict | view, history | a forecast |
//! | detect | view, thresholds, forecast | even, or uneven with its evidence |
//! | candidate | all that | who could move where, and every "no" |
//! | score | candidates, profiles, what was learned | scorecards |
//! | select | scored candidates, budgets | the plan |
//! | advise | the ledger as the plan leaves it, what was learned | what no move can mend |
//! | record | everything | the outcome; writes State |

pub(crate) mod adapt;
pub(crate) mod advise;
pub(crate) mod believe;
pub(crate) mod candidate;
pub(crate) mod detect;
pub(crate) mod observe;
pub(crate) mod predict;
pub(crate) mod record;
pub(crate) mod score;
pub(crate) mod select;
