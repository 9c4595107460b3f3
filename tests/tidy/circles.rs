//! Which file of the core takes names from which, and are there circles?
//!
//! A name counts for the file that defines it, wherever it is passed on: `use crate::view::Ledger` is an arrow to
//! `view/ledger.rs`, not to `view.rs`.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Mention, Source};

/// What defines a name.
const DEFINES: &[&str] = &["struct", "enum", "fn", "const", "trait", "type", "static"];

/// Modules outside of the core.
const OUTSIDE: &[&str] = &[];

/// The circles of files, each as the paths that it runs through.
pub(crate) fn circles(files: &[Source]) -> Vec<Vec<String>> {
    let core: Vec<&Source> = files
        .iter()
        .filter(|file| {
            let module = file.module.first().map_or("", String::as_str);
            !module.is_empty() && !OUTSIDE.contains(&module)
        })
        .collect();
    let defined: Vec<BTreeSet<&str>> = core.iter().map(|file| definitions(file)).collect();
    let arrows: Vec<BTreeSet<usize>> = (0..core.len())
        .map(|from| {
            let mentions = core[from].mentions();
            let targets = mentions.iter().filter_map(|it| target(&core, &defined, it));
            targets.filter(|to| *to != from).collect()
        })
        .collect();
    let reach: Vec<BTreeSet<usize>> = (0..core.len()).map(|from| reached(&arrows, from)).collect();
    let mut found: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for file in 0..core.len() {
        let circle = reach[file].iter().filter(|other| reach[**other].contains(&file));
        if let Some(first) = circle.min() {
            found.entry(*first).or_default().push(core[file].path.clone());
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
/// name on.
fn target(core: &[&Source], defined: &[BTreeSet<&str>], mention: &Mention) -> Option<usize> {
    let (name, module) = mention.path.split_last()?;
    let defines = |file: &usize| defined[*file].contains(name.as_str());
    let exact = (0..core.len()).filter(|file| core[*file].module == module).find(defines);
    exact.or_else(|| {
        let below = |file: &usize| core[*file].module.starts_with(module) && !module.is_empty();
        (0..core.len()).filter(below).find(defines)
    })
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
