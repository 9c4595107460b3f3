//! What was decided when a migration began, and where does it go now?

use core::mem;

use serde::{Deserialize, Serialize};

use super::Target;
use crate::model::ids::{KindId, MigrationId, TaskId, WorkerId};
use crate::model::resource::Amounts;
use crate::outcome::{Handover, Reason, Scorecard};

/// What a task claims of its source and adds to it, where that differs from what it does on its target: by another
/// alternative, or because the workers have other hardware.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct AtSource {
    pub(crate) claim: Amounts,
    pub(crate) load: Amounts,
}

impl AtSource {
    /// What differs at the source; `None` if nothing does.
    pub(crate) fn unless_same(self, claim: &Amounts, load: &Amounts) -> Option<Self> {
        (self.claim != *claim || self.load != *load).then_some(self)
    }
}

/// What was decided when a migration began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Terms {
    pub(crate) id: MigrationId,
    pub(crate) task: TaskId,
    pub(crate) kind: KindId,
    pub(crate) reason: Reason,
    /// Where the task goes now: the target, or the source again if it is returning.
    pub(crate) to: WorkerId,
    pub(crate) device: Option<u16>,
    /// The alternative by which the task will run on the target; `None` if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) alternative: Option<u16>,
    /// What the task claims of a worker's capacity.
    pub(crate) claim: Amounts,
    /// The use that the task adds to a worker.
    pub(crate) load: Amounts,
    /// What the task claims of its source and adds to it; `None` if that is `claim` and `load`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) at_source: Option<AtSource>,
    pub(crate) scorecard: Option<Scorecard>,
    /// What the move costs in time; `None` if moves need not repay themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) handover: Option<Handover>,
}

impl Terms {
    /// The task goes back to its source, and runs there as before.
    pub(super) fn go_home(&mut self, from: WorkerId) {
        (self.to, self.device, self.alternative) = (from, None, None);
        if let Some(AtSource { claim, load }) = self.at_source.take() {
            self.load = load;
            if !broken!("claims_at_home_what_it_did_there") {
                self.claim = claim;
            }
        }
    }

    /// The task goes where `there` says, and does there what it says.
    pub(super) fn go_on_by(&mut self, there: Self) {
        let Self { alternative, claim, load, at_source, scorecard, handover, .. } = there;
        (self.alternative, self.claim, self.load, self.at_source) =
            (alternative, claim, load, at_source);
        (self.scorecard, self.handover) = (scorecard, handover);
    }

    /// The task goes to another target; `has_source` says whether it came from a worker.
    pub(super) fn go_to(&mut self, target: Target, has_source: bool) {
        let Target { to, device, alternative, claim, load, scorecard } = target;
        (self.to, self.device) = (to, device);
        self.alternative = alternative;
        // Where the task goes does not change what its source is rid of.
        let was = AtSource {
            claim: mem::replace(&mut self.claim, claim),
            load: mem::replace(&mut self.load, load),
        };
        if self.at_source.is_none() && has_source && !broken!("other_target_frees_the_same") {
            self.at_source = was.unless_same(&self.claim, &self.load);
        }
        if !broken!("price_of_another_target") {
            (self.handover, self.scorecard) = (None, scorecard);
        }
    }
}
