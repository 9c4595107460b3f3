//! What was really interrupted, when, and in which life: the table of budgets is held against it.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use crate::config::Scope;
use crate::id::{Epoch, MigrationId};
use crate::verify::Interruption;
use crate::{TaskId, WorkerId};

/// Every interruption, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Bill {
    pub(super) begun: Vec<Begun>,
    /// Scopes and windows in force, each with the number of interruptions begun before.
    pub(super) since: BTreeMap<(Scope, Duration), usize>,
    pub(super) epoch: Epoch,
}

/// One interruption.
#[derive(Clone, Debug)]
pub(super) struct Begun {
    pub(super) id: MigrationId,
    pub(super) task: TaskId,
    pub(super) to: WorkerId,
    pub(super) what: Interruption,
    /// A life has ended when it was no longer on its way to its first target: a later one that has no
    /// state cannot know which that was.
    pub(super) diverted: bool,
}
