//! How much may a plan cost?

use serde::{Deserialize, Serialize};

use crate::model::setters::setters;

/// What a [plan](crate::Engine::plan) may cost: the work of finding it, and the work of carrying it out. A field that
/// is `None` sets no limit, and by default all are.
///
/// ```
/// use evenkeel::config::Effort;
/// let effort = Effort::default().with_moves(200);
/// assert_eq!((effort.moves, effort.bytes, effort.evaluations), (Some(200), None, None));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Effort {
    /// At most about so many pairs of a task and a worker are weighed; an exchange counts as one. The search stops at
    /// the next task or worker after that, and the plan has what was found until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluations: Option<u64>,
    /// At most so many tasks move, those included that have lost their worker or must leave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moves: Option<u32>,
    /// At most so many bytes of state are moved. If there is a limit, a task of unknown size stays, unless
    /// [`Transfer::state_bytes`](crate::config::Transfer::state_bytes) says what to assume.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

setters! {
    Effort {
        some with_evaluations(evaluations: u64);
        some with_moves(moves: u32);
        some with_bytes(bytes: u64);
    }
}
