//! The mutants that are listed as equivalent: no input can tell them from the original.
//!
//! A record consists of four lines, and is matched by text, so that it outlives edits elsewhere in the file:
//!
//! ```text
//! file src/plan/order.rs
//! line if a < b {
//! turn a < b -> a <= b
//! why  two candidates never have the same id
//! ```

use std::error::Error;

use crate::sites::Site;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Equivalent {
    file: String,
    line: String,
    turn: String,
    /// Why no input can tell.
    pub why: String,
}

/// Reads the list.
///
/// # Errors
///
/// A line stands in no record, or a record lacks one.
pub fn read(text: &str) -> Result<Vec<Equivalent>, Box<dyn Error>> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let lines: Vec<&str> = lines.collect();
    let field = |line: Option<&&str>, name: &str| -> Result<String, String> {
        let line = line.ok_or_else(|| format!("a record lacks its line `{name}`"))?;
        let value = line.strip_prefix(name).filter(|value| value.starts_with(' '));
        let value = value.map(str::trim).filter(|value| !value.is_empty());
        value.map(str::to_owned).ok_or_else(|| format!("`{line}` is not `{name} ...`"))
    };
    let records = lines.chunks(4).map(|record| {
        Ok(Equivalent {
            file: field(record.first(), "file")?,
            line: field(record.get(1), "line")?,
            turn: field(record.get(2), "turn")?,
            why: field(record.get(3), "why")?,
        })
    });
    records.collect()
}

impl Equivalent {
    /// Whether a mutant is the one of this record.
    pub fn is(&self, site: &Site) -> bool {
        self.file == site.file && self.line == site.context && self.turn == turn(site)
    }
}

/// The change of a mutant as text.
pub fn turn(site: &Site) -> String {
    format!("{} -> {}", site.original, site.mutated).trim().to_owned()
}

/// The records that fit no mutant any more, or several.
pub fn misfits(list: &[Equivalent], sites: &[Site]) -> Vec<String> {
    let count = |record: &Equivalent| sites.iter().filter(|site| record.is(site)).count();
    let misfits =
        list.iter().map(|record| (record, count(record))).filter(|(_, count)| *count != 1);
    misfits
        .map(|(record, count)| {
            format!("{}: `{}` in `{}` fits {count} mutants", record.file, record.turn, record.line)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{misfits, read};
    use crate::sites::sites;

    const LIST: &str =
        "# Prose.\n\nfile src/f.rs\nline let x = a < b;\nturn a < b -> a <= b\nwhy  they differ\n";

    #[test]
    fn a_record_fits_by_its_text() {
        let list = read(LIST).unwrap();
        let fits = |text: &str| misfits(&list, &sites("src/f.rs", text).unwrap()).is_empty();
        assert!(fits("fn f() {\n    let x = a < b;\n}"));
        assert!(fits("fn g() {}\n\nfn f() {\n  let x = a < b;\n}"));
        assert!(!fits("fn f() {\n    let x = a > b;\n}"));
        assert!(!fits("fn f() {\n    let x = a < b;\n    let x = a < b;\n}"));
    }

    #[test]
    fn a_record_without_a_reason_is_refused() {
        assert!(read(LIST.strip_suffix("why  they differ\n").unwrap()).is_err());
        assert!(read(&LIST.replace("they differ", "")).is_err());
    }
}
