//! How many cases a property tries, and where the cases go that fail.

use proptest::test_runner::{Config, FailurePersistence, FileFailurePersistence};

/// This many cases; one that fails is written beside its test, and is tried first from then on.
pub(crate) fn cases(cases: u32) -> Config {
    let failure_persistence: Option<Box<dyn FailurePersistence>> =
        Some(Box::new(FileFailurePersistence::WithSource("proptest-regressions")));
    Config { cases, max_shrink_iters: 5_000, failure_persistence, ..Config::default() }
}
