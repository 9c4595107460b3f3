//! The stages of a round that are one file each. No stage calls another; only the [`engine`](crate::engine)
//! knows the order.
//!
//! | stage | reads | returns |
//! |---|---|---|
//! | trust | snapshot, state | what stands for a snapshot from which too much is missing |
//! | settle ([`lifecycle`](crate::lifecycle)) | reports, placements, state | commands that follow, migrations that ended; writes State |
//! | observe | snapshot, state | the view, and the ledger as the round begins |
//! | adapt | view, history | thresholds, trend, pace |
//! | forecast | view, history | loads at the horizon |
//! | detect | view, thresholds, forecast | even, or uneven with its evidence; the bands |
//! | plan | all that | what is moved, and every "no" |
//! | advice | the ledger as the plan leaves it, what was learned | what no move can mend |
//! | record | everything | the outcome; writes State |

pub(crate) mod adapt;
pub(crate) mod detect;
pub(crate) mod observe;
pub(crate) mod record;
pub(crate) mod trust;
