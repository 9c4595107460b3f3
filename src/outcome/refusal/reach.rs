//! How far does a refusal reach?

/// How far a refusal reaches, so that a search need not ask again.
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
