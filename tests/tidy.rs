//! The style, executed.
//!
//! Each rule of the house that a compiler does not know is a function from the source tree to a list of
//! faults, and a test of its own; a fault names `file:line` and the rule. `tidy/snippets.rs` shows for every
//! rule that it can fail.
//!
//! A rule that stands in the way of better code is changed here, in the open, with its reason.
#![forbid(unsafe_code)]

#[path = "tidy/circles.rs"]
mod circles;
#[path = "tidy/records.rs"]
mod records;
#[path = "tidy/snippets.rs"]
mod snippets;
#[path = "tidy/source.rs"]
mod source;

use std::collections::BTreeSet;
use std::fmt;
use std::fs;

use records::{closed_structs, unset_fields};
use source::{
    Function, Mention, Source, functions, names_in, re_exports, read_tree, root, source_files,
};

/// Words that decision code may not contain, as the tokens they consist of, and what to do instead.
const BANNED: &[(&[&str], &str)] = &[
    (&["Instant"], "time comes in with the snapshot: model::time::Timestamp"),
    (&["SystemTime"], "time comes in with the snapshot: model::time::Timestamp"),
    (&["HashMap"], "iteration order must be id order: BTreeMap or a sorted Vec"),
    (&["HashSet"], "iteration order must be id order: BTreeSet or a sorted Vec"),
    (&["std", "::"], "the library is no_std: core:: or alloc::"),
    (&["println", "!"], "results are returned, never printed"),
    (&["eprintln", "!"], "results are returned, never printed"),
    (&["print", "!"], "results are returned, never printed"),
    (&["eprint", "!"], "results are returned, never printed"),
    (&["dbg", "!"], "results are returned, never printed"),
    (&["todo", "!"], "unfinished work does not compile"),
    (&["unimplemented", "!"], "unfinished work does not compile"),
    (&["unwrap", "(", ")"], "handle the other case, or make it impossible to express"),
    (&["rand", "::"], "nothing in a decision is random"),
    (&["thread"], "the engine runs on the thread that calls it"),
];

/// Test support may use the standard library, panic and roll dice; it may not be unfinished either.
const TEST_SUPPORT: &str = "src/testkit/";
const BANNED_IN_TEST_SUPPORT: &[&str] = &["todo", "unimplemented"];

/// `model <- math <- values <- state <- view <- round <- rules <- lifecycle, forecast, plan, stage, advice <- engine <-
/// verify <- host, shell <- sim, testkit`: a module may mention its own layer and those before it. The values
/// (snapshot, outcome, config) may mention each other; view, round and rules are what the stages have in common.
const LAYERS: &[(&str, u8)] = &[
    ("model", 0),
    ("math", 1),
    ("snapshot", 2),
    ("outcome", 2),
    ("config", 2),
    ("state", 3),
    ("view", 4),
    ("round", 5),
    ("rules", 6),
    ("lifecycle", 7),
    ("forecast", 7),
    ("plan", 7),
    ("stage", 7),
    ("advice", 7),
    ("engine", 8),
    ("verify", 9),
    ("host", 10),
    ("shell", 10),
    ("sim", 11),
    ("testkit", 11),
    // A macro that the whole crate uses; it names the test kit.
    ("broken", 11),
];

/// The stages that are folders of their own; the others are the files of `src/stage`.
const STAGE_FOLDERS: &[&str] = &["lifecycle", "forecast", "plan", "advice"];

/// Where State may change: two writers, the engine that hands it to them, and State itself.
const WRITERS: &[&str] = &[
    "src/state.rs",
    "src/state/check.rs",
    "src/engine.rs",
    "src/lifecycle/apply.rs",
    "src/stage/record.rs",
];

/// Public enums that may be matched to the end, each with its reason. Everything else is `#[non_exhaustive]`.
const CLOSED_ENUMS: &[(&str, &str)] = &[
    ("Direction", "up, down or neither: there is no fourth"),
    ("LoadBand", "above, below or between two bounds: there is no fourth"),
];

/// Records in the same folders that the engine makes, not the host.
const OUTPUTS: &[&str] = &["BadRecord", "ConfigError"];

/// What may lie at the top of the repository, beside what `.gitignore` names.
const TOP_LEVEL: &[&str] = &[
    ".ci",
    ".git",
    ".gitignore",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "benches",
    "clippy.toml",
    "deny.toml",
    "examples",
    "rustfmt.toml",
    "src",
    "tests",
];

/// README's two commands: the crate's main job, and its tests.
const README_COMMANDS: &[&str] = &["cargo run --release -p live-cluster", "cargo test"];

const LONGEST_LINE: usize = 120;
const LONGEST_FUNCTION: usize = 70;
const LONG_FUNCTION: usize = 35;
const LONGEST_FILE: usize = 500;

// ---------------------------------------------------------------- the rules, each a test of its own

#[test]
fn source_has_no_banned_words() {
    hold(&banned_words(&source_files()));
}

#[test]
fn source_lines_fit_the_page() {
    hold(&long_lines(&source_files()));
}

#[test]
fn functions_fit_a_screen() {
    let files = source_files();
    for function in functions(&files).iter().filter(|function| function.lines > LONG_FUNCTION) {
        println!("{:>3} lines: {} {}", function.lines, function.at, function.name);
    }
    hold(&long_functions(&files));
}

#[test]
fn files_fit_their_budget() {
    hold(&long_files(&source_files()));
}

#[test]
fn dependencies_run_one_way() {
    hold(&layer_faults(&source_files()));
}

#[test]
fn files_run_in_no_circle() {
    hold(&circle_faults(&source_files()));
}

#[test]
fn only_the_engine_knows_the_stages() {
    hold(&stage_faults(&source_files()));
}

#[test]
fn state_has_two_writers() {
    hold(&writer_faults(&source_files()));
}

#[test]
fn public_enums_can_grow() {
    hold(&closed_enums(&source_files(), CLOSED_ENUMS));
}

#[test]
fn public_records_can_grow() {
    hold(&closed_structs(&source_files()));
}

#[test]
fn every_field_that_a_host_fills_in_has_a_setter() {
    hold(&unset_fields(&source_files(), OUTPUTS));
}

#[test]
fn the_library_is_pure_by_construction() {
    hold(&purity_faults(&source_files()));
}

#[test]
fn the_readme_names_its_commands() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap_or_default();
    hold(&missing_commands(&Source::new("README.md", &readme)));
}

#[test]
fn nothing_is_left_for_later() {
    let mut files = Vec::new();
    for part in ["src", "tests", "benches", "examples", ".ci", "README.md", "CHANGELOG.md"] {
        read_tree(&root().join(part), |_| true, &mut files);
    }
    hold(&workflow_words(&files));
}

#[test]
fn the_top_level_is_the_design_card() {
    let ignored = fs::read_to_string(root().join(".gitignore")).unwrap_or_default();
    hold(&strangers(&names_in(&root(), ""), &ignored));
}

#[test]
fn the_rules_have_something_to_look_at() {
    let files = source_files();
    assert!(files.len() >= 20, "only {} source files found", files.len());
    assert!(functions(&files).len() >= 200, "only {} functions found", functions(&files).len());
    let mentions: usize = files.iter().map(|file| file.mentions().len()).sum();
    assert!(mentions >= 50, "only {mentions} mentions of other modules found");
    let stages: BTreeSet<&str> = files.iter().filter_map(|file| stage_of(&file.module)).collect();
    assert!(stages.len() >= 8, "only the stages {stages:?} found");
    for folder in STAGE_FOLDERS {
        assert!(stages.contains(folder), "src/{folder} is gone: correct STAGE_FOLDERS");
    }
    for writer in WRITERS {
        assert!(files.iter().any(|file| file.path == *writer), "{writer} is gone: correct WRITERS");
    }
}

// ---------------------------------------------------------------- the rules

/// What is wrong, and where.
struct Fault {
    at: String,
    rule: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.rule)
    }
}

fn fault(at: impl Into<String>, rule: impl Into<String>) -> Fault {
    Fault { at: at.into(), rule: rule.into() }
}

/// Fails with every fault on a line of its own.
fn hold(faults: &[Fault]) {
    let lines: Vec<String> = faults.iter().map(Fault::to_string).collect();
    assert!(faults.is_empty(), "\n{}\n", lines.join("\n"));
}

fn banned_words(files: &[Source]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in files {
        for at in 0..file.code.len() {
            for (word, instead) in BANNED {
                let spared = file.path.starts_with(TEST_SUPPORT)
                    && !BANNED_IN_TEST_SUPPORT.contains(&word[0]);
                // The simulator rolls dice; what it drives does not.
                let dice = file.path.starts_with("src/sim/") && word[0] == "rand";
                if !spared && !dice && file.says(at, word) {
                    let rule = format!("`{}` is banned: {instead}", word.concat());
                    faults.push(fault(file.at(at), rule));
                }
            }
        }
    }
    faults
}

fn long_lines(files: &[Source]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in files {
        for (number, line) in file.text.lines().enumerate() {
            let columns = line.chars().count();
            // A row of a table cannot be broken.
            let text = line.trim_start().trim_start_matches("//");
            let is_row = text.starts_with(['/', '!']) && text[1..].trim_start().starts_with('|');
            if columns > LONGEST_LINE && !is_row {
                let rule = format!("{columns} columns, {LONGEST_LINE} are allowed");
                faults.push(fault(format!("{}:{}", file.path, number + 1), rule));
            }
        }
    }
    faults
}

fn long_functions(files: &[Source]) -> Vec<Fault> {
    let mut functions = functions(files);
    functions.sort_by(|a, b| b.lines.cmp(&a.lines).then_with(|| a.at.cmp(&b.at)));
    let mut faults: Vec<Fault> = functions
        .iter()
        .filter(|function| function.lines > LONGEST_FUNCTION)
        .map(|function| {
            let Function { name, lines, .. } = function;
            let rule = format!("{name} has {lines} lines, {LONGEST_FUNCTION} are allowed");
            fault(&function.at, rule)
        })
        .collect();
    // One in twenty may be longer; `functions` is sorted longest first.
    let spared = functions.len() / 20;
    if let Some(function) = functions.get(spared).filter(|f| f.lines > LONG_FUNCTION) {
        let offenders: Vec<String> = functions
            .iter()
            .take_while(|function| function.lines > LONG_FUNCTION)
            .map(|function| format!("\n  {:>3} {} {}", function.lines, function.at, function.name))
            .collect();
        let rule = format!(
            "{} of {} functions have more than {LONG_FUNCTION} lines, one in twenty may:{}",
            offenders.len(),
            functions.len(),
            offenders.concat(),
        );
        faults.push(fault(&function.at, rule));
    }
    faults
}

fn long_files(files: &[Source]) -> Vec<Fault> {
    let too_long = |file: &&Source| file.text.lines().count() > LONGEST_FILE;
    let rule = format!("more than {LONGEST_FILE} lines: split it, or simplify it");
    files.iter().filter(too_long).map(|file| fault(file.last_line(), &rule)).collect()
}

fn layer_faults(files: &[Source]) -> Vec<Fault> {
    let exported = re_exports(files);
    let layer = |module: &str| LAYERS.iter().find(|(name, _)| *name == module).map(|row| row.1);
    let mut faults = Vec::new();
    for file in files.iter().filter(|file| file.path != "src/lib.rs") {
        let own = file.module.first().map_or("", String::as_str);
        for Mention { path, line } in file.mentions() {
            let Some(first) = path.first() else { continue };
            let module = exported.get(first).unwrap_or(first);
            let at = format!("{}:{line}", file.path);
            match (layer(own), layer(module)) {
                (Some(here), Some(there)) if there <= here => {}
                (Some(_), Some(_)) => {
                    faults.push(fault(at, format!("{own} may not depend on {module}")));
                }
                (None, _) => faults.push(fault(at, format!("{own} has no layer: give it one"))),
                (_, None) => {
                    let rule = format!("`crate::{first}` is in no known module: name its module");
                    faults.push(fault(at, rule));
                }
            }
        }
    }
    faults
}

fn circle_faults(files: &[Source]) -> Vec<Fault> {
    let circles = circles::circles(files).into_iter();
    circles
        .map(|files| fault(files.join(" -> "), "these files take names from each other"))
        .collect()
}

/// The stage that a path of modules belongs to: a folder, or a file of `src/stage`.
fn stage_of(path: &[String]) -> Option<&str> {
    let first = path.first()?.as_str();
    if STAGE_FOLDERS.contains(&first) {
        return Some(first);
    }
    path.get(1).map(String::as_str).filter(|_| first == "stage")
}

/// No stage calls another: only the engine knows them.
fn stage_faults(files: &[Source]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in files {
        let own = file.module.first().map_or("", String::as_str);
        if own.is_empty() || own == "engine" {
            continue;
        }
        for Mention { path, line } in file.mentions() {
            // Modules begin with a small letter.
            let stage = stage_of(&path).filter(|stage| stage.starts_with(char::is_lowercase));
            if let Some(stage) = stage.filter(|stage| stage_of(&file.module) != Some(stage)) {
                let rule = format!("only the engine may mention stage {stage}");
                faults.push(fault(format!("{}:{line}", file.path), rule));
            }
        }
        if file.path == "src/stage/mod.rs" {
            let declared = (0..file.code.len()).filter(|at| file.says(*at, &["mod"]));
            for stage in declared.map(|at| file.word(at + 1)) {
                let passed_on = |at: &usize| file.says(*at, &[stage, "::"]);
                for at in (0..file.code.len()).filter(passed_on) {
                    let rule = format!("stage {stage} may be declared here, not passed on");
                    faults.push(fault(file.at(at), rule));
                }
            }
        }
    }
    faults
}

fn writer_faults(files: &[Source]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in files.iter().filter(|file| !WRITERS.contains(&file.path.as_str())) {
        for at in 0..file.code.len() {
            if !file.says(at, &["&"]) {
                continue;
            }
            let mut next = at + 1;
            next += usize::from(file.word(next).starts_with('\''));
            if file.word(next) != "mut" {
                continue;
            }
            next += 1;
            while file.word(next + 1) == "::" {
                next += 2;
            }
            if file.word(next) == "State" {
                faults.push(fault(file.at(at), "`&mut State` outside of its two writers"));
            }
        }
    }
    faults
}

fn closed_enums(files: &[Source], allowed: &[(&str, &str)]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut closed = Vec::new();
    for file in files {
        for at in (0..file.code.len()).filter(|at| file.says(*at, &["pub", "enum"])) {
            let name = file.word(at + 2);
            if file.attributes_before(at).contains(&"non_exhaustive") {
                continue;
            }
            closed.push(name);
            if !allowed.iter().any(|(spared, _)| *spared == name) {
                let rule = format!("enum {name} is not #[non_exhaustive]");
                faults.push(fault(file.at(at), rule));
            }
        }
    }
    for (name, reason) in allowed {
        if reason.is_empty() {
            faults.push(fault("tests/tidy.rs", format!("enum {name} is spared without a reason")));
        }
        if !closed.contains(name) {
            let rule = format!("enum {name} needs no exception: take it off the list");
            faults.push(fault("tests/tidy.rs", rule));
        }
    }
    faults
}

/// `no_std` without a condition, the two lists of `clippy.toml` denied, `std` only behind a feature.
fn purity_faults(files: &[Source]) -> Vec<Fault> {
    let Some(file) = files.iter().find(|file| file.path == "src/lib.rs") else {
        return vec![fault("src/lib.rs:1", "the library has no head")];
    };
    let mut faults = Vec::new();
    let says = |words: &[&str]| (0..file.code.len()).any(|at| file.says(at, words));
    if !says(&["#", "!", "[", "no_std", "]"]) {
        faults.push(fault("src/lib.rs:1", "`#![no_std]` is gone"));
    }
    let denials = (0..file.code.len()).filter(|at| file.says(*at, &["#", "!", "[", "deny", "("]));
    let denied: Vec<&str> = denials.flat_map(|at| file.words_to(at, "]")).collect();
    for lint in ["disallowed_methods", "disallowed_types"] {
        if !denied.contains(&lint) {
            faults.push(fault("src/lib.rs:1", format!("clippy::{lint} is not denied")));
        }
    }
    for at in (0..file.code.len()).filter(|at| file.says(*at, &["extern", "crate", "std"])) {
        if !file.attributes_before(at).contains(&"feature") {
            faults.push(fault(file.at(at), "`std` is linked without a feature asking for it"));
        }
    }
    faults
}

/// The commands stand in code blocks, at the beginning of a line.
fn missing_commands(readme: &Source) -> Vec<Fault> {
    let mut in_block = false;
    let mut lines = Vec::new();
    for line in readme.text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            lines.push(line.trim_start().trim_start_matches("$ "));
        }
    }
    let named = |command: &str| {
        lines.iter().any(|line| {
            line.strip_prefix(command).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        })
    };
    README_COMMANDS
        .iter()
        .filter(|command| !named(command))
        .map(|command| fault("README.md:1", format!("`{command}` stands in no code block")))
        .collect()
}

fn workflow_words(files: &[Source]) -> Vec<Fault> {
    // Put together here, so that this file obeys too.
    let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let mut faults = Vec::new();
    for file in files {
        for (number, line) in file.text.lines().enumerate() {
            let mut found = line.split(|c: char| !c.is_alphanumeric());
            if let Some(word) = found.find(|word| words.contains(word)) {
                let rule = format!("{word}: do it, or open an issue");
                faults.push(fault(format!("{}:{}", file.path, number + 1), rule));
            }
        }
    }
    faults
}

fn strangers(entries: &[String], ignored: &str) -> Vec<Fault> {
    let spared = |entry: &str| {
        ignored.lines().map(|line| line.trim().trim_matches('/')).any(|pattern| {
            match pattern.strip_prefix('*') {
                Some(ending) => entry.ends_with(ending),
                None => !pattern.is_empty() && entry == pattern,
            }
        })
    };
    entries
        .iter()
        .filter(|entry| !TOP_LEVEL.contains(&entry.as_str()) && !spared(entry))
        .map(|entry| fault(entry, "not on the design card: the top level stays as it is"))
        .collect()
}
