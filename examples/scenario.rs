//! Plays stories and prints what the engine says: `cargo run --example scenario --features testkit
//! -- FILE...`.
//!
//! A file without any expected output will do: write a cluster down, and see. The language:
//! [`evenkeel::testkit::scenario`].
#![forbid(unsafe_code)]

use std::process::ExitCode;

use evenkeel::testkit::scenario::play;

fn main() -> ExitCode {
    let files: Vec<String> = std::env::args().skip(1).collect();
    if files.is_empty() {
        eprintln!("usage: scenario FILE...");
        return ExitCode::FAILURE;
    }
    let mut faults = 0;
    for file in &files {
        match std::fs::read_to_string(file) {
            Ok(text) => {
                let played = play(&text);
                println!("==> {file}\n{}", played.text);
                for fault in &played.faults {
                    eprintln!("{file}:{fault}");
                }
                faults += played.faults.len();
            }
            Err(error) => {
                eprintln!("{file}: {error}");
                faults += 1;
            }
        }
    }
    if faults == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
