//! What the documents say is there, is there.

use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What stands in `ticks`.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn the_readme_shows_the_first_example() {
    let (readme, example) = (read("README.md"), read("examples/first_tick.rs"));
    let shown = readme.split("```rust\n").nth(1).and_then(|rest| rest.split("```").next());
    let code = example.split_once("\n\n").map(|(_, code)| code);
    assert_eq!(shown, code, "README's example is not examples/first_tick.rs");
}

#[test]
#[allow(clippy::case_sensitive_file_extension_comparisons, reason = "our own file names")]
fn every_file_that_the_specification_table_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = read("src/spec.md");
    let mut checked = 0;
    for name in quoted(&text) {
        let path = match name {
            name if name.starts_with("tests/") || name.starts_with("examples/") => root.join(name),
            name if name.ends_with(".rs") && name.contains('/') => root.join("src").join(name),
            _ => continue,
        };
        checked += 1;
        assert!(path.exists(), "src/spec.md names {name}, which is not there");
    }
    assert!(checked > 30, "only {checked} paths found: has the table changed its form?");
}

#[test]
fn every_story_that_the_specification_table_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let stories: Vec<String> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    let text = read("src/spec.md");
    let mut checked = 0;
    for line in text.lines().filter(|line| line.contains("stor") || line.starts_with("Story")) {
        let after = line.split("stor").last().unwrap_or_default();
        for name in quoted(after).into_iter().filter(|name| name.contains('_')) {
            if name.contains('/') || name.contains("::") || !name.contains(char::is_lowercase) {
                continue;
            }
            checked += 1;
            let found = match name.split_once('*') {
                None => stories.iter().any(|story| story == name),
                Some((start, rest)) => stories.iter().any(|story| {
                    story.starts_with(start) && story.contains(rest.trim_end_matches('*'))
                }),
            };
            assert!(found, "src/spec.md names the story {name}, which is not there");
        }
    }
    assert!(checked > 15, "only {checked} stories found: has the table changed its form?");
}

/// The front page explains eleven sentences; each must be a line that the engine prints in some story.
#[test]
fn the_sentences_that_the_front_page_explains_occur_in_stories() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let files = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let stories: String = files.map(|path| fs::read_to_string(path).unwrap()).collect();
    let page = read("src/lib.rs");
    let table =
        page.split("# Eleven sentences").nth(1).and_then(|rest| rest.split("# Where").next());
    let rows = table.unwrap().lines().filter(|line| line.starts_with("//! | `"));
    let sentences: Vec<&str> = rows.map(|row| quoted(row)[0]).collect();
    assert_eq!(sentences.len(), 11);
    for sentence in sentences {
        assert!(stories.contains(&format!("\n{sentence}\n")), "no story says: {sentence}");
    }
}

#[test]
fn the_glossary_of_the_front_page_has_25_words() {
    let page = read("src/lib.rs");
    let table = page.split("# Glossary").nth(1).and_then(|rest| rest.split("# Eleven").next());
    let rows = table.unwrap().lines().filter(|line| line.starts_with("//! | "));
    assert_eq!(rows.count(), 1 + 25, "a heading and 25 words");
}

#[test]
fn the_table_of_rules_is_the_one_in_the_docs() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/rules/table.md");
    let printed = evenkeel::testkit::rule_table();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &printed).unwrap();
    }
    assert!(printed.lines().count() > 40, "the table has lost its rules");
    assert_eq!(
        fs::read_to_string(path).unwrap(),
        printed,
        "UPDATE=1 writes src/rules/table.md anew"
    );
}
