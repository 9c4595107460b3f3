//! The golden scenarios: one test per file of `tests/scenarios`.
//!
//! `UPDATE=1 cargo test --test scenarios` writes down what the engine says now; the diff is the review. Claims
//! (`must ...`) are never rewritten. The language: [`evenkeel::testkit::scenario`].
#![forbid(unsafe_code)]

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use evenkeel::testkit::scenario::play;
use libtest_mimic::{Arguments, Failed, Trial};

const FOLDER: &str = "tests/scenarios";

fn main() -> ExitCode {
    let stories = names().into_iter().map(|name| Trial::test(name.clone(), move || story(&name)));
    libtest_mimic::run(&Arguments::from_args(), stories.collect()).exit_code()
}

/// The names of all stories, in order.
fn names() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{FOLDER}: {error}"));
    let mut names: Vec<String> = files
        .map(|file| {
            let file = file.unwrap().file_name().into_string().unwrap();
            let name = file.strip_suffix(".txt");
            name.unwrap_or_else(|| panic!("{FOLDER}/{file} is not a story: *.txt")).to_owned()
        })
        .collect();
    names.sort_unstable();
    names
}

/// Plays one story and fails with everything that is wrong with it, each with its file and line.
fn story(name: &str) -> Result<(), Failed> {
    let file = format!("{FOLDER}/{name}.txt");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&file);
    let text = fs::read_to_string(&path).map_err(|error| format!("{file}: {error}"))?;
    let played = play(&text);
    let mut wrong: Vec<String> =
        played.faults.iter().map(|fault| format!("{file}:{fault}")).collect();
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        if played.text != text {
            fs::write(&path, &played.text).map_err(|error| format!("{file}: {error}"))?;
        }
    } else {
        wrong.extend(played.changes.iter().map(|change| format!("{file}:{change}")));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}
