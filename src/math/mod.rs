//! Small, exact arithmetic: a line through points, a moving average, a bounded window, a
//! fingerprint.
//!
//! Only `+ - * /`, comparison and square root: the same bits on every platform. The root is libm's,
//! exactly rounded.

pub(crate) mod average;
pub(crate) mod fingerprint;
pub(crate) mod line;
pub(crate) mod summary;
pub(crate) mod window;
