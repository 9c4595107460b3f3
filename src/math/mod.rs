//! Which small pieces of mathematics does the engine need? A line through points, a moving average, a
//! bounded window, a fingerprint, a total order.
//!
//! They use only `+ - * /`, comparison and square root, so results are the same bits on every platform.
//! The square root is libm's, which is exactly rounded.

pub(crate) mod average;
pub(crate) mod fingerprint;
pub(crate) mod line;
pub(crate) mod summary;
pub(crate) mod total;
pub(crate) mod window;
