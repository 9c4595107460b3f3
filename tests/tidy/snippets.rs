//! Every rule can fail, and none takes comments, strings or tests for code.

use super::records::{closed_structs, unset_fields};
use super::source::Source;
use super::{
    Fault, banned_words, closed_enums, layer_faults, long_files, long_functions, long_lines,
    missing_commands, purity_faults, stage_faults, strangers, workflow_words, writer_faults,
};

type Rule = fn(&[Source]) -> Vec<Fault>;

fn lines(count: usize) -> String {
    "let x = 1;\n".repeat(count)
}

/// Runs a rule over one file beside a `lib.rs` that re-exports a name.
fn run(rule: Rule, path: &str, text: &str) -> Vec<String> {
    let lib = "#![no_std]\n#![deny(clippy::disallowed_methods, clippy::disallowed_types)]\n\
               pub use engine::{Engine, Input as Record};\npub use crate::model::Ratio;";
    let lib = Source::new("src/lib.rs", lib);
    let file = Source::new(path, text);
    let files = if path == "src/lib.rs" { vec![file] } else { vec![lib, file] };
    rule(&files).iter().map(Fault::to_string).collect()
}

#[test]
#[rustfmt::skip] // one row, one line
fn every_rule_flags_a_bad_snippet() {
    let enums: Rule = |files| closed_enums(files, &[]);
    let unset: Rule = |files| unset_fields(files, &["Out"]);
    let table: &[(Rule, &str, &str, &str)] = &[
        (banned_words, "src/a.rs", "fn f() {\n  x.unwrap() }", "src/a.rs:2: `unwrap()`"),
        (banned_words, "src/a.rs", "use std::fmt;", "src/a.rs:1: `std::`"),
        (banned_words, "src/a.rs", "let t = Instant::now();", "`Instant`"),
        (banned_words, "src/a.rs", "fn f(t: SystemTime) {}", "`SystemTime`"),
        (banned_words, "src/a.rs", "HashMap::new()", "`HashMap`"),
        (banned_words, "src/a.rs", "HashSet::new()", "`HashSet`"),
        (banned_words, "src/a.rs", "println!(\"x\");", "`println!`"),
        (banned_words, "src/a.rs", "eprintln!(\"x\");", "`eprintln!`"),
        (banned_words, "src/a.rs", "print!(\"x\"); ", "`print!`"),
        (banned_words, "src/a.rs", "eprint!(\"x\");", "`eprint!`"),
        (banned_words, "src/a.rs", "dbg!(x)", "`dbg!`"),
        (banned_words, "src/a.rs", "todo!()", "`todo!`"),
        (banned_words, "src/testkit/a.rs", "unimplemented!()", "`unimplemented!`"),
        (banned_words, "src/a.rs", "rand::random()", "`rand::`"),
        (banned_words, "src/a.rs", "thread::spawn(f)", "`thread`"),
        // What follows a test, a comment, a string or a character is still code.
        (banned_words, "src/a.rs", "#[cfg(test)] mod t { a }\nfn f() { todo!() }", "src/a.rs:2:"),
        (banned_words, "src/a.rs", "#[cfg(test)]\nuse a::{b, c};\ntodo!()", "src/a.rs:3:"),
        (banned_words, "src/a.rs", "/* /* a */ \" */ let c = '\"'; todo!()", "`todo!`"),
        (banned_words, "src/a.rs", "let s = r#\"a \"b\" \\\"#; todo!()", "`todo!`"),
        (banned_words, "src/a.rs", "fn f<'a>(c: &'a str) { '\\''; todo!() }", "`todo!`"),
        (banned_words, "src/a.rs", "#[cfg(any(test, feature = \"x\"))] fn f() { todo!() }", "`todo!`"),
        (layer_faults, "src/model/a.rs", "use crate::math::line;", "model may not depend on math"),
        (layer_faults, "src/math/a.rs", "use crate::snapshot::Task;", "math may not depend on snapshot"),
        (layer_faults, "src/config.rs", "use crate::{model::ids, state::State};", "config may not depend on state"),
        (layer_faults, "src/outcome.rs", "fn f(x: crate::stage::View) {}", "outcome may not depend on stage"),
        (layer_faults, "src/state.rs", "use super::stage::View;", "state may not depend on stage"),
        (layer_faults, "src/stage/score.rs", "use super::super::engine;", "stage may not depend on engine"),
        (layer_faults, "src/stage/score.rs", "use crate::Engine;", "stage may not depend on engine"),
        (layer_faults, "src/stage/score.rs", "use crate::Record;", "stage may not depend on engine"),
        (layer_faults, "src/engine.rs", "use crate::shell::Driver;", "engine may not depend on shell"),
        (layer_faults, "src/verify.rs", "use crate::shell::Driver;", "verify may not depend on shell"),
        (layer_faults, "src/shell/a.rs", "use crate::testkit::host;", "shell may not depend on testkit"),
        (layer_faults, "src/shell/a.rs", "use crate::Nowhere;", "`crate::Nowhere` is in no known module"),
        (layer_faults, "src/odd.rs", "use crate::model::ids;", "odd has no layer"),
        (stage_faults, "src/stage/score.rs", "use super::select::pick;", "may mention stage select"),
        (stage_faults, "src/stage/score.rs", "use super::{View, record};", "may mention stage record"),
        (stage_faults, "src/stage/view.rs", "crate::stage::observe::run()", "may mention stage observe"),
        (stage_faults, "src/stage/mod.rs", "mod adapt;\npub use adapt::Trend;", "mod.rs:2: stage adapt may be declared"),
        (stage_faults, "src/shell/a.rs", "use crate::stage::predict;", "may mention stage predict"),
        (writer_faults, "src/stage/score.rs", "fn f(\n s: &mut State) {}", "score.rs:2: `&mut State`"),
        (writer_faults, "src/a.rs", "fn f<'a>(s: &'a mut crate::state::State) {}", "`&mut State`"),
        (enums, "src/a.rs", "#[derive(Clone)]\npub enum Kind { A }", "a.rs:2: enum Kind"),
        (enums, "src/a.rs", "#[non_exhaustive] struct A;\npub enum Kind { A }", "a.rs:2: enum Kind"),
        (long_lines, "src/a.rs", &format!("// {}", "é".repeat(118)), "a.rs:1: 121 columns"),
        (long_functions, "src/a.rs", &format!("fn f() {{\n{}}}", lines(69)), "f has 71 lines"),
        (long_functions, "src/a.rs", &format!("fn f() {{\n{}}}", lines(34)), "1 of 1 functions have more than 35 lines"),
        (long_files, "src/a.rs", &lines(501), "src/a.rs:501: more than 500 lines"),
        (purity_faults, "src/lib.rs", "#![deny(clippy::disallowed_types)]", "`#![no_std]` is gone"),
        (purity_faults, "src/lib.rs", "#![cfg_attr(not(test), no_std)]", "`#![no_std]` is gone"),
        (purity_faults, "src/lib.rs", "#![warn(clippy::disallowed_methods)]", "clippy::disallowed_methods is not denied"),
        (purity_faults, "src/lib.rs", "#![deny(clippy::disallowed_methods)]", "clippy::disallowed_types is not denied"),
        (purity_faults, "src/lib.rs", "#![no_std]\nextern crate std;", "lib.rs:2: `std` is linked"),
        (workflow_words, "tests/a.txt", concat!("# TO", "DO: more"), "tests/a.txt:1:"),
        (closed_structs, "src/a.rs", "#[derive(Clone)]\npub struct A { a: u8, pub b: u8 }", "a.rs:2: struct A"),
        (unset, "src/config/a.rs", "pub struct A { pub a: u8 }", "A::a has no setter"),
        (unset, "src/snapshot/a.rs", "pub struct A { pub a: u8, pub b: u8 }\nsetters! { A { some with_a(a: u8); } }", "A::b has"),
        (unset, "src/snapshot/a.rs", "pub struct A { pub a: u8 }\nimpl B { fn new(a: u8) -> Self { a } }", "A::a has"),
        (workflow_words, "src/a.rs", concat!("\n// FIX", "ME"), "src/a.rs:2:"),
        (workflow_words, "src/a.rs", concat!("let a = 1; //XX", "X"), "src/a.rs:1:"),
    ];
    for (rule, path, text, expected) in table {
        let faults = run(*rule, path, text);
        let found = faults.iter().any(|fault| fault.contains(expected));
        assert!(found, "no rule said `{expected}` of {path}:\n{text}\nbut {faults:?}");
    }
}

#[test]
#[rustfmt::skip] // one row, one line
fn no_rule_flags_a_good_snippet() {
    let enums: Rule = |files| closed_enums(files, &[]);
    let unset: Rule = |files| unset_fields(files, &["Out"]);
    let table: &[(Rule, &str, &str)] = &[
        (banned_words, "src/a.rs", "/// x.unwrap()\n//! std::fs\n/* todo!() */ fn f() {}"),
        (banned_words, "src/a.rs", "let a = \"HashMap\"; let b = r##\"std::\"##; let c = b\"todo!\";"),
        (banned_words, "src/a.rs", "x.unwrap_or(0); threads(); nostd::f(); my_rand::f(); Instants"),
        (banned_words, "src/a.rs", "#[cfg(test)]\n#[allow(x)]\nmod tests { fn f() { x.unwrap() } }"),
        (banned_words, "src/a.rs", "#[cfg(all(test, feature = \"x\"))] fn f() -> [u8; 2] { todo!() }"),
        (banned_words, "src/testkit/a.rs", "use std::fmt; x.unwrap();"),
        (layer_faults, "src/stage/a.rs", "use crate::{model::{ids, time}, state::State as S, math};"),
        (layer_faults, "src/stage/a.rs", "use super::View; use crate::Ratio; crate::id!(x);"),
        (layer_faults, "src/config.rs", "use crate::snapshot::Task; use super::outcome;"),
        (layer_faults, "src/state.rs", "#[cfg(test)] mod tests { use crate::engine::Engine; }"),
        (layer_faults, "src/model/a.rs", "/// [`Engine`](crate::engine::Engine)\npub(crate) fn f() {}"),
        (stage_faults, "src/stage/score.rs", "use super::View; use crate::stage::score::Score;"),
        (stage_faults, "src/engine.rs", "use crate::stage::{adapt, observe::run};"),
        (writer_faults, "src/stage/record.rs", "fn f(state: &mut State) {}"),
        (writer_faults, "src/stage/score.rs", "fn f(state: &State, x: &mut StateView) {}"),
        (enums, "src/a.rs", "#[derive(Clone)]\n#[non_exhaustive]\n#[serde(x)]\npub enum Kind { A }"),
        (enums, "src/a.rs", "pub(crate) enum Kind { A } enum Other { B }"),
        (long_lines, "src/a.rs", &"é".repeat(120)),
        (long_lines, "src/a.rs", &format!("//! | {} |", "é".repeat(120))),
        (long_functions, "src/a.rs", &format!("fn f() {{\n{}}}\nfn g();", lines(33))),
        (long_functions, "src/a.rs", &format!("#[cfg(test)]\n#[test]\nfn f() {{\n{}}}", lines(99))),
        (long_files, "src/a.rs", &lines(500)),
        (purity_faults, "src/a.rs", "fn f() {}"),
        (closed_structs, "src/a.rs", "#[non_exhaustive]\npub struct A { pub b: u8 }\npub struct B { b: u8 }\npub struct C(pub u8);"),
        (unset, "src/config/a.rs", "pub struct A { pub a: u8, b: u8 }\nsetters! { A { some with_a(a: u8); } }"),
        (unset, "src/config/a.rs", "pub struct A { pub a: u8 }\nimpl A { pub fn new(a: u8) -> Self { Self { a } } }"),
        (unset, "src/outcome/a.rs", "pub struct A { pub a: u8 }"),
        (unset, "src/config/a.rs", "pub struct Out { pub a: u8 }"),
        (workflow_words, "src/a.rs", "// todo lists and XXXL sizes"),
    ];
    for (rule, path, text) in table {
        let faults = run(*rule, path, text);
        assert!(faults.is_empty(), "{path}:\n{text}\nis fine, but {faults:?}");
    }
}

#[test]
fn one_long_function_in_twenty_is_spared() {
    let long = format!("fn long() {{\n{}}}\n", lines(50));
    let short = "fn short() {}\n";
    assert!(run(long_functions, "src/a.rs", &(long.clone() + &short.repeat(19))).is_empty());
    assert_eq!(run(long_functions, "src/a.rs", &(long + &short.repeat(18))).len(), 1);
}

#[test]
fn an_exception_that_nobody_needs_is_a_fault() {
    let files = [Source::new("src/a.rs", "pub enum Side { Left, Right }")];
    assert!(closed_enums(&files, &[("Side", "there is no third")]).is_empty());
    assert_eq!(closed_enums(&files, &[("Side", "")]).len(), 1);
    assert_eq!(closed_enums(&files, &[("Side", "two"), ("Gone", "no more")]).len(), 1);
}

#[test]
fn a_readme_without_its_commands_is_a_fault() {
    let faults = |text: &str| missing_commands(&Source::new("README.md", text)).len();
    assert_eq!(faults(""), 2);
    assert_eq!(faults("cargo test\n"), 2, "prose is not a command");
    assert_eq!(faults("```sh\ncargo testing\ncargo run --release -p live-cluster\n```"), 1);
    assert_eq!(faults("```sh\ncargo run --release -p live-cluster -- --seconds 30\n```"), 1);
    assert_eq!(faults("```\ncargo run --release -p live-cluster\n```\n```\n$ cargo test\n```"), 0);
}

#[test]
fn a_stranger_at_the_top_level_is_a_fault() {
    let entries = ["src", "target", "a.profraw", "__pycache__", "docs", "justfile"];
    let entries = entries.map(String::from);
    let faults =
        |ignored: &str| strangers(&entries, ignored).iter().map(|f| f.at.clone()).collect();
    let found: Vec<String> = faults("/target\n*.profraw\n__pycache__/\n");
    assert_eq!(found, ["docs", "justfile"]);
    let found: Vec<String> = faults("/target\n\n");
    assert_eq!(found, ["a.profraw", "__pycache__", "docs", "justfile"]);
}
