//! How far does a refusal reach?

/// Which pairs a refusal holds for, so that a search need not ask again about any of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reach {
    /// This task and this worker.
    Pair,
    /// Every task and this worker.
    Target,
    /// This task and every worker.
    Task,
}
