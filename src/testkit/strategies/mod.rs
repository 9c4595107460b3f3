//! Generators for property tests: clusters, settings, reports, and whole histories.
//!
//! Everything shrinks towards few workers, few tasks and round numbers. Where a test needs the records before a
//! snapshot is built of them (to shuffle, rename or spoil them), a [`Cluster`] has them.
//!
//! ```
//! use proptest::prelude::*;
//! use evenkeel::{verify, Engine, Timestamp};
//! use evenkeel::testkit::strategies;
//!
//! proptest!(ProptestConfig::with_cases(16), |(
//!     config in strategies::configs(),
//!     cluster in strategies::clusters(),
//! )| {
//!     let mut engine = Engine::new(config).expect("only sensible settings are generated");
//!     let snapshot = cluster.snapshot(Timestamp::from_secs(30));
//!     let (_, violations) = verify::tick(&mut engine, &snapshot).expect("the first is not stale");
//!     prop_assert_eq!(violations, vec![]);
//! });
//! ```

#![allow(clippy::cast_possible_truncation, reason = "generated counts are small")]
#![allow(clippy::expect_used, reason = "a generator that contradicts itself fails its test")]

mod calendar;
mod class;
mod cluster;
mod failover;
mod group;
mod history;
mod host;
mod hostile;
mod mixed;
mod script;
mod settings;
mod transfer;
mod wish;

pub use calendar::timed;
pub use class::classed;
pub use cluster::{
    Cluster, accelerated, crowded, degenerate, heterogeneous, skewed, task, uniform, worker,
};
pub use failover::{Death, Failover, Mortal, failovers};
pub use group::{bound, grouped};
pub use history::{bound_histories, constant_histories, constant_wishes, histories, logged};
pub use host::Host;
pub use hostile::hostile;
pub use mixed::{clusters, partial};
pub use script::{Deed, Done, Happening, History, Told, Turn};
pub use settings::{advice, any_config, configs, presets, reports, scopes, with_means};
pub use transfer::{linked, transfer};
pub use wish::{versatile, wishful};
