//! The golden run: ten thousand rounds of the shipped build over a small, lively cluster, as one number.
//!
//! The number is the same in debug and release builds, on every platform and in every run. It changes when
//! what the engine says changes, in its serialised form, down to the name of a field (one that is left out says
//! nothing); then [`GOLDEN`] is corrected, and the commit says why: the failing test prints the new one.
#![forbid(unsafe_code)]

mod cluster;

use evenkeel::{Config, Engine};
use serde::Serialize;

use cluster::Cluster;

/// Rounds in the golden run.
pub const TICKS: u32 = 10_000;

/// What [`golden_hash`] gives for [`TICKS`] rounds.
pub const GOLDEN: u64 = 0x23ca_6fd8_84ee_7340;

/// Drives an engine with the default configuration and folds everything it says into one number.
///
/// # Panics
///
/// If the engine refuses its own default configuration.
pub fn golden_hash(ticks: u32) -> u64 {
    let mut engine = Engine::new(Config::default()).expect("the default configuration is valid");
    let mut cluster = Cluster::new();
    let mut said = Said::default();
    for _ in 0..ticks {
        cluster.pass_time();
        while let Some(report) = cluster.next_report() {
            let reply = engine.report(&report);
            said.fold(&reply);
            cluster.obey(&reply.commands);
        }
        let outcome = engine.tick(&cluster.snapshot());
        said.fold(&outcome);
        if let Ok(outcome) = outcome {
            cluster.obey(&outcome.commands);
        }
    }
    said.fold(&engine.state());
    said.0
}

/// Everything the engine said, as it serialises, in one 64-bit FNV-1a hash.
struct Said(u64);

impl Default for Said {
    fn default() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }
}

impl Said {
    fn fold(&mut self, value: &impl Serialize) {
        for byte in serde_json::to_string(value).expect("every output serialises").bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::{GOLDEN, TICKS, golden_hash};

    #[test]
    fn the_golden_run_is_the_committed_one() {
        let found = golden_hash(TICKS);
        assert_eq!(found, GOLDEN, "the decisions have changed: GOLDEN is now {found:#018x}");
    }

    #[test]
    fn a_shorter_run_is_another_run() {
        assert_ne!(golden_hash(50), golden_hash(51));
        assert_eq!(golden_hash(50), golden_hash(50));
    }

    /// What hosts keep, send between threads and print.
    #[test]
    fn values_are_values() {
        fn is_value<T: Send + Sync + Clone + Debug + 'static>() {}
        is_value::<evenkeel::Engine>();
        is_value::<evenkeel::Snapshot>();
        is_value::<evenkeel::Outcome>();
        is_value::<evenkeel::state::State>();
        is_value::<evenkeel::Config>();
    }
}
