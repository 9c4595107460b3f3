//! Which workers are in which domain of a topology?

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// The domains of one topology, shared by all groups that are spread over it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Domains {
    /// The domain of each worker; `None` if it is in none.
    pub(crate) of: Vec<Option<u64>>,
    /// The domains of accepting workers.
    pub(crate) open: BTreeSet<u64>,
}
