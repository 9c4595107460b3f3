//! evenkeel decides which running task should move to which worker, when, and why.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
#![warn(unreachable_pub, clippy::unwrap_used, clippy::expect_used)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

extern crate alloc;
#[cfg(feature = "testkit")]
extern crate std;

pub mod model;
mod math;
mod snapshot;
pub mod config;
mod outcome;
pub mod state;
mod view;
mod admission;
mod stage;
mod engine;

pub use config::*;
pub use engine::*;
pub use model::hardware::*;
pub use model::ids::*;
pub use model::ratio::*;
pub use model::resource::{Amounts, BadResource, ResourceId};
pub use model::time::Timestamp;
pub use outcome::*;
pub use snapshot::*;
pub use state::{Counts, State, Stats};
