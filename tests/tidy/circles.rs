//! Which file takes names from which, and are there circles?
//!
//! A name counts for the file that defines it, wherever it is passed on: `use crate::view::Ledger` is an arrow to
//! `view/ledger.rs`, not to `view.rs`. A file that declares a module takes names from it like any other file; to pass
//! a name on takes nothing. Methods are not seen.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Source, re_exports};

/// What defines a name.
const DEFINES: &[&str] = &["struct", "enum", "fn", "const", "trait", "type", "static"];

/// The circles of files, each as the paths that it runs through.
pub(crate) fn circles(files: &[Source]) -> Vec<Vec<String>> {
    let defined: Vec<BTreeSet<&str>> = files.iter().map(definitions).collect();
    let exported = re_exports(files);
    let arrows: Vec<BTreeSet<usize>> = (0..files.len())
        .map(|from| {
            let mentions = [files[from].mentions(), files[from].mentions_below()].concat();
            let targets = mentions.into_iter().filter_map(|mention| {
                // `crate::Name` is the name of some module.
                let module = mention.path.first().and_then(|first| exported.get(first)).cloned();
                let path: Vec<String> = module.into_iter().chain(mention.path).collect();
                target(files, &defined, &path)
            });
            targets.filter(|to| *to != from).collect()
        })
        .collect();
    let reach: Vec<BTreeSet<usize>> = (0..files.len()).map(|from| reached(&arrows, from)).collect();
    let mut found: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for file in 0..files.len() {
        let circle = reach[file].iter().filter(|other| reach[**other].contains(&file));
        if let Some(first) = circle.min() {
            found.entry(*first).or_default().push(files[file].path.clone());
        }
    }
    found.into_values().collect()
}

/// The names that a file defines.
fn definitions(file: &Source) -> BTreeSet<&str> {
    let starts = (0..file.code.len()).filter(|at| DEFINES.contains(&file.word(*at)));
    starts.map(|at| file.word(at + 1)).collect()
}

/// The file that defines what a path mentions: of the module that it names, or of a module below that passes the
/// name on. A path may go on past that name, to a variant or an associated function.
fn target(files: &[Source], defined: &[BTreeSet<&str>], path: &[String]) -> Option<usize> {
    let (name, module) = path.split_last()?;
    let itself = (0..files.len()).find(|file| files[*file].module == path);
    let defines = |file: &usize| defined[*file].contains(name.as_str());
    let exact = (0..files.len()).filter(|file| files[*file].module == module).find(defines);
    let below = |file: &usize| files[*file].module.starts_with(module) && !module.is_empty();
    itself
        .or(exact)
        .or_else(|| (0..files.len()).filter(below).find(defines))
        .or_else(|| target(files, defined, module))
}

/// All files that can be reached from one along arrows.
fn reached(arrows: &[BTreeSet<usize>], from: usize) -> BTreeSet<usize> {
    let (mut found, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(file) = next.pop() {
        for to in &arrows[file] {
            if found.insert(*to) {
                next.push(*to);
            }
        }
    }
    found
}

#[test]
fn two_files_that_need_each_other_are_a_circle() {
    let files = [
        Source::new("src/view/a.rs", "use super::b::B;\npub(crate) struct A(B);"),
        Source::new("src/view/b.rs", "use crate::view::A;\npub(crate) struct B(A);"),
        Source::new("src/view/c.rs", "use super::a::A;\npub(crate) struct C(A);"),
    ];
    assert_eq!(circles(&files), vec![vec!["src/view/a.rs".to_owned(), "src/view/b.rs".to_owned()]]);
    assert!(circles(&files[1..]).is_empty());
}

#[test]
fn a_folder_and_its_part_that_need_each_other_are_a_circle() {
    let part = Source::new("src/view/a.rs", "use super::B;\npub(crate) struct A(B);");
    let circle = |head: &str| circles(&[Source::new("src/view.rs", head), part.clone()]).len();
    assert_eq!(circle("mod a;\nuse a::A;\npub(crate) struct B(A);"), 1);
    assert_eq!(circle("mod a;\npub(crate) use self::a::A;\npub(crate) struct B(A);"), 1);
    assert_eq!(circle("mod a;\npub(crate) use self::a::A;\npub(crate) struct B;"), 0);
    assert_eq!(circle("mod a;\npub(crate) struct B;\nfn f() { a::A(B); }"), 1);
}

#[test]
fn what_an_item_has_counts_for_the_file_of_the_item() {
    let files = [
        Source::new("src/view/a.rs", "use super::b::B;\npub(crate) struct A(B);"),
        Source::new("src/view/b.rs", "pub(crate) struct B;\nfn f() { crate::view::a::A::new() }"),
    ];
    assert_eq!(circles(&files).len(), 1);
    let root = Source::new("src/lib.rs", "pub use view::A;");
    let by_root = Source::new("src/view/b.rs", "pub(crate) struct B;\nfn f() { crate::A::new() }");
    assert_eq!(circles(&[root, files[0].clone(), by_root]).len(), 1);
}
