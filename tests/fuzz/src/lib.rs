//! Hostile inputs against every door of the library: no panic, no endless loop, no broken promise.
//!
//! | target | an input is | what is mutated |
//! |---|---|---|
//! | `snapshot` | settings, and a log of at least ten rounds and reports, as JSON | the log |
//! | `config` | the same | the settings; they are given again in the middle of the log |
//! | `state` | the same, and a saved state that an engine resumes from before the log | the state |
//! | `scenario` | a story, as text | the text |
//! | `operations` | bytes that choose at least ten rounds, reports, settings and restarts | the bytes |
//!
//! After every round the verifier judges; in the end the state must read back from its text. After a mutated state the
//! verifier does not judge: it compares with what the state says, which is nonsense.
//!
//! `cargo run --release -p fuzz -- --target all --executions 2000 --seed 1` mutates the corpus (`corpus/TARGET/*`) and
//! prints for each target the executions, the inputs, the findings, and the time per byte of the slowest input against
//! the median. Every finding is saved in a file (`--findings FOLDER`), which `--target TARGET --replay FILE` plays
//! again; with `--story` it prints what the bytes of `operations` chose and what the engine answered.
//! `coverage.sh` runs the same targets under `cargo fuzz`, where that is installed.
#![forbid(unsafe_code)]

mod dice;
mod drive;
mod log;
mod mutate;
mod operations;
mod target;

pub use dice::Dice;
pub use drive::{Drive, Finding, Found, corpus, drive};
pub use operations::{retell, write_corpus};
pub use target::{Ran, Target, execute};
