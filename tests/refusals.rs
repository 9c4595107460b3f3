//! Is every refusal written, read and told as `refusals.txt` has it? Hosts and their logs name refusals by these words.
//!
//! Each block of `refusals.txt` is one refusal: its serialised form, its name and its reach, its sentence, and the
//! sentence of its remedy. The blocks stand in the order in which the rules are asked; those between two empty lines
//! are asked together. `tests/remedies.rs` reads the order from there.

use std::{env, fs};

use evenkeel::outcome::Rejection;

/// The block that a refusal's serialised form must have.
fn block(json: &str) -> String {
    let no: Rejection =
        serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"));
    let again = serde_json::to_string(&no).unwrap();
    format!("{again}\n  {} ({:?})\n  {no}\n  {}\n", no.name(), no.reach(), no.remedy())
}

#[test]
fn every_refusal_is_written_read_and_told_as_before() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/refusals.txt");
    let blocks = fs::read_to_string(path).unwrap();
    let found: String = blocks
        .lines()
        .filter(|line| !line.starts_with(' '))
        .map(|line| if line.is_empty() { "\n".to_owned() } else { block(line) })
        .collect();
    if env::var_os("UPDATE").is_some_and(|value| value == "1") {
        fs::write(path, &found).unwrap();
    }
    assert_eq!(
        found, blocks,
        "UPDATE=1 writes tests/refusals.txt anew; the difference is the review"
    );
}

/// The names that the families give, from their sources: a refusal that is not pinned would go unnoticed.
#[test]
fn every_refusal_of_every_family_is_pinned() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/src/outcome/refusal");
    let pinned =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/refusals.txt")).unwrap();
    let mut names = 0;
    for entry in fs::read_dir(root).unwrap() {
        let source = fs::read_to_string(entry.unwrap().path()).unwrap();
        let Some((_, after)) = source.split_once("const fn name(&self) -> &'static str {") else {
            continue;
        };
        let body = after.split("\n    }\n").next().unwrap();
        for name in body.split('"').skip(1).step_by(2) {
            names += 1;
            let line = format!("\n  {name} (");
            assert!(pinned.contains(&line), "no block of tests/refusals.txt is about `{name}`");
        }
    }
    assert!(names > 50, "only {names} names found in {root}");
}
