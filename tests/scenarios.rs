//! The golden scenarios: one test per file of `tests/scenarios`.
//!
//! `UPDATE=1 cargo test --test scenarios` writes down what the engine says now; the diff is the review. Claims
//! (`must ...`) are never rewritten. The language: [`evenkeel::testkit::scenario`].
#![forbid(unsafe_code)]

use std::fs;
use std::path::Path;

use evenkeel::testkit::scenario::play;

/// Plays one story and fails with everything that is wrong with it, each with its file and line.
fn story(name: &str) {
    let file = format!("tests/scenarios/{name}.txt");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
    let played = play(&text);
    let mut wrong: Vec<String> =
        played.faults.iter().map(|fault| format!("{file}:{fault}")).collect();
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        if played.text != text {
            fs::write(&path, &played.text).unwrap_or_else(|error| panic!("{file}: {error}"));
        }
    } else {
        wrong.extend(played.changes.iter().map(|change| format!("{file}:{change}")));
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// One test per story; `tests/tidy.rs` compares the list with the directory.
macro_rules! stories {
    ($($name:ident)+) => {
        $(
            #[test]
            fn $name() {
                story(stringify!($name));
            }
        )+
    };
}

stories! {
    smoke
}
