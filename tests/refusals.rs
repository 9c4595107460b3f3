//! Is every refusal written, read and told as hosts know it? Logs of earlier releases name refusals by these words.
//!
//! Each block of `refusals.txt` is one refusal: its serialised form, its name and its reach, its sentence, and the
//! sentence of its remedy.

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
    let forms = blocks.lines().filter(|line| !line.starts_with(' '));
    let found: String = forms.map(block).collect();
    if env::var_os("UPDATE").is_some_and(|value| value == "1") {
        fs::write(path, &found).unwrap();
    }
    assert_eq!(
        found, blocks,
        "UPDATE=1 writes tests/refusals.txt anew; the difference is the review"
    );
}
