//! What does a round do, step by step? No stage calls another; only the [`engine`](crate::engine) knows the order. To
//! add a stage: write its file, add its row here, and call it in `step` of the engine.
//!
//! | stage | reads | returns |
//! |---|---|---|
//! | trust | snapshot, state | a partial snapshot in place of one from which too many workers are missing |
//! | settle ([`lifecycle`](crate::lifecycle)) | reports, placements, state | commands that follow, migrations that ended; writes State |
//! | observe | snapshot, state | the view, and the ledger as the round begins |
//! | adapt | view, history | thresholds, trend, pace |
//! | forecast | view, history | loads at the horizon |
//! | detect | view, thresholds, forecast | even, or uneven with its evidence; the bands |
//! | unstated | ledger, bands, state | what overloaded workers use beyond their tasks |
//! | plan | all of these | the chosen moves, and every refusal |
//! | advice | the ledger with the chosen moves, what was learned | what no move can mend |
//! | record | everything | the outcome; writes State |

pub(crate) mod adapt;
pub(crate) mod detect;
pub(crate) mod observe;
pub(crate) mod record;
pub(crate) mod trust;
pub(crate) mod unstated;
