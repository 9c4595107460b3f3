//! The golden run as a program: exit code 0 if its hash is the committed one, 1 if not.
//!
//! On `wasm32-unknown-unknown` this is a module that imports nothing and exports `main`; `run.mjs` calls it under
//! node. A program needs no exported symbol of our own, and so no unsafe attribute.

use std::process::ExitCode;

use shipped::{GOLDEN, TICKS, golden_hash};

fn main() -> ExitCode {
    // Built with a wrong hash, the program has to fail: that shows that it compares at all.
    let expected = if option_env!("SHIPPED_GOLDEN") == Some("wrong") { !GOLDEN } else { GOLDEN };
    let found = golden_hash(TICKS);
    println!("{TICKS} ticks: {found:#018x}, expected {expected:#018x}");
    if found == expected { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
