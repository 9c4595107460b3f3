//! Can every record that hosts fill in grow, and does every field have a setter of the one style?

use super::source::Source;
use super::{Fault, fault};

/// Public structs with public fields that a host could build by name: a new field would break such a host.
pub(crate) fn closed_structs(files: &[Source]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for record in files.iter().flat_map(records) {
        let open = record.file.attributes_before(record.at).contains(&"non_exhaustive");
        if !open && !record.fields.is_empty() {
            let rule = format!("struct {} is not #[non_exhaustive]", record.name);
            faults.push(fault(record.file.at(record.at), rule));
        }
    }
    faults
}

/// Public fields of what a host fills in (`src/config`, `src/snapshot`, hardware profiles) that neither the table of
/// [`setters!`] names nor a constructor takes. `outputs` are records that the engine fills in.
pub(crate) fn unset_fields(files: &[Source], outputs: &[&str]) -> Vec<Fault> {
    let is_input = |file: &&Source| {
        ["src/config/", "src/snapshot/", "src/model/hardware"]
            .iter()
            .any(|it| file.path.starts_with(it))
    };
    let mut faults = Vec::new();
    for record in files.iter().filter(is_input).flat_map(records) {
        if outputs.contains(&record.name) {
            continue;
        }
        let set = settable(record.file, record.name);
        for field in record.fields.iter().filter(|field| !set.contains(field)) {
            let rule = format!("{}::{field} has no setter", record.name);
            faults.push(fault(record.file.at(record.at), rule));
        }
    }
    faults
}

/// A public struct and its public fields.
struct Record<'a> {
    file: &'a Source,
    at: usize,
    name: &'a str,
    fields: Vec<&'a str>,
}

fn records(file: &Source) -> impl Iterator<Item = Record<'_>> {
    let begins = (0..file.code.len()).filter(|at| file.says(*at, &["pub", "struct"]));
    begins.map(|at| {
        let body = block(file, at);
        let public = body.clone().filter(|at| file.word(*at) == "pub" && file.word(at + 2) == ":");
        Record {
            file,
            at,
            name: file.word(at + 2),
            fields: public.map(|at| file.word(at + 1)).collect(),
        }
    })
}

/// The tokens between the next braces; empty if a `;` comes first.
fn block(file: &Source, from: usize) -> std::ops::Range<usize> {
    let open = (from..file.code.len()).find(|at| matches!(file.word(*at), "{" | ";"));
    let Some(open) = open.filter(|at| file.word(*at) == "{") else { return 0..0 };
    let mut depth = 0;
    let close = (open..file.code.len()).find(|at| {
        depth += i32::from(file.word(*at) == "{") - i32::from(file.word(*at) == "}");
        depth == 0
    });
    open..close.unwrap_or(file.code.len())
}

/// The fields that a table of setters names (`value with_x(field: T);`), and the arguments of constructors.
fn settable<'a>(file: &'a Source, name: &str) -> Vec<&'a str> {
    let mut fields = Vec::new();
    for at in (0..file.code.len()).filter(|at| file.says(*at, &["setters", "!", "{", name])) {
        let words = block(file, at + 3).filter(|at| file.word(*at) == "(");
        fields.extend(words.map(|at| file.word(at + 1)));
    }
    for at in (0..file.code.len()).filter(|at| file.says(*at, &["impl", name, "{"])) {
        for at in block(file, at).filter(|at| file.says(*at, &["fn", "new", "("])) {
            fields.extend(file.words_to(at, "{"));
        }
    }
    fields
}
