//! Where could a task go that no worker has?

use crate::model::ids::WorkerId;
use crate::model::resource::Amounts;
use crate::outcome::Scorecard;

/// Another target for a task that no worker has.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Target {
    pub(crate) to: WorkerId,
    pub(crate) device: Option<u16>,
    pub(crate) alternative: Option<u16>,
    pub(crate) claim: Amounts,
    pub(crate) load: Amounts,
    pub(crate) scorecard: Option<Scorecard>,
}
