//! How many cases does a property try, and where are failing cases kept?

use proptest::test_runner::{Config, FailurePersistence, FileFailurePersistence};

/// This many cases; a failing case is written beside its test, and is tried first from then on.
pub(crate) fn cases(cases: u32) -> Config {
    let failure_persistence: Option<Box<dyn FailurePersistence>> =
        Some(Box::new(FileFailurePersistence::WithSource("proptest-regressions")));
    Config { cases, max_shrink_iters: 5_000, failure_persistence, ..Config::default() }
}
