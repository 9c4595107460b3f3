//! Support for tests: ours, and those of hosts that embed the engine (feature `testkit`).
//!
//! * [`host`]: tests a host of yours for the duties that the engine expects of it.
//! * [`hunt`]: an independent model of a cluster and its host, and random schedules that look for broken promises.
//! * [`scenario`]: stories an operator can read, played against the engine and compared with what it said before.
//! * [`strategies`]: generators of clusters, rounds and logs for property tests.
//!
//! Unlike the rest of the crate this may panic, allocate freely and use the standard library; it decides nothing.

pub mod host;
pub mod hunt;
#[cfg(feature = "mutants")]
pub mod mutants;
mod rules;
pub mod scenario;
pub mod strategies;

pub use rules::rule_table;
