//! How long has this thread run?

use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// How long this thread has run: other programs, however many, do not count. Where the system does not tell, the
/// time since the first call.
pub(crate) fn clock() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    // The kernel brings the figure up to date when a thread yields.
    std::thread::yield_now();
    let read = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let ran = read.and_then(|read| read.split_whitespace().next()?.parse().ok());
    ran.map_or_else(|| START.elapsed(), Duration::from_nanos)
}
