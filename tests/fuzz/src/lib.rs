//! Hostile inputs against every door of the library: no panic, no endless loop, no broken promise.
//!
//! | target | an input is | what is mutated |
//! |---|---|---|
//! | `snapshot` | settings, and a log of at least ten rounds and reports, as JSON | the log |
//! | `config` | the same | the settings; they are given again in the middle of the log |
//! | `state` | the same, and a saved state that an engine resumes from before the log | the state |
//! | `pipe` | lines of text, read one by one as the pipe reads them | the records and the letters of a few lines |
//! | `scenario` | a story, as text | the text |
//! | `operations` | bytes that choose at least ten rounds, reports, settings and restarts | the bytes |
//!
//! After every round the verifier judges; in the end the state must read back from its text. After a mutated state the
//! verifier does not judge: it compares with what the state says, which is nonsense. What `pipe` reads is compared with
//! what another reader finds in the line: every worker and task that it lists is there, what is broken is named in one
//! plain sentence, nothing begins with it, and no task is started while it runs on a worker that is listed.
//!
//! `cargo run --release -p fuzz -- --target all --executions 2000 --seed 1` mutates the corpus (`corpus/TARGET/*`) and
//! prints for each target the executions, the inputs, the findings, and the time per byte of the slowest input against
//! the median. Executions count in which the engine was given at least ten inputs; others, whose input its reader
//! refuses, are run and printed beside them. A run fails if there is a finding, or an input that takes more than ten
//! times the median per byte: the twenty slowest run again, and the best of six times of each counts. Every finding is
//! saved in a file (`--findings FOLDER`), which `--target TARGET --replay FILE` plays again; with `--story` it prints
//! what the bytes of `operations` chose and what the engine answered.
//!
//! `--large 10 100` reads hostile files of 10 and of 100 MB (many bad records, endless lists, deep nesting, huge
//! numbers) and fails if one of 100 MB takes more than 15 times the time or memory of one of 10 MB.
//!
//! `coverage.sh` runs the same targets under `cargo fuzz`, which it installs where it can.
#![forbid(unsafe_code)]

mod dice;
mod drive;
mod large;
mod log;
mod mutate;
mod operations;
mod pipe;
mod target;

pub use dice::Dice;
pub use drive::{Drive, Finding, Found, corpus, drive};
pub use large::{Compared, Cost, Large, compare, every_large, read_large};
pub use operations::{retell, write_corpus};
pub use target::{Ran, Target, execute};
