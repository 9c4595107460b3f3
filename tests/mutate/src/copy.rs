//! A copy of the library under the target directory, with its mutants, and the player beside it.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::rewrite::rewrite;
use crate::rooms::SourceFile;
use crate::sites::{Change, Site};

const PLAYER: &str = include_str!("../player/main.rs");
const DRAWN: &str = include_str!("../player/drawn.rs");
const PLAYER_MANIFEST: &str = r#"[package]
name = "player"
version = "0.1.0"
edition = "2024"

[dependencies]
evenkeel = { path = "..", features = ["testkit"] }
"#;

/// The copy, and how it is compiled.
pub struct Copy {
    pub folder: PathBuf,
    build: PathBuf,
}

impl Copy {
    /// Copies the manifest and the sources of the library at `root` into this folder, without what is changed.
    ///
    /// # Errors
    ///
    /// A file cannot be read or written, or the manifest is not TOML.
    pub fn new(root: &Path, folder: &Path, changed: &[SourceFile]) -> Result<Self, Box<dyn Error>> {
        let copy = Self { folder: folder.join("copy"), build: folder.join("build") };
        let mut manifest: toml::Table = fs::read_to_string(root.join("Cargo.toml"))?.parse()?;
        for part in ["example", "test", "bench", "dev-dependencies", "lints"] {
            manifest.remove(part);
        }
        let mut profile = toml::Table::new();
        profile.insert("opt-level".to_owned(), 1.into());
        profile.insert("debug".to_owned(), false.into());
        let profiles = toml::Table::from_iter([("dev".to_owned(), profile.into())]);
        manifest.insert("profile".to_owned(), profiles.into());
        if let Some(workspace) = manifest.get_mut("workspace").and_then(toml::Value::as_table_mut) {
            workspace.insert("members".to_owned(), vec![".", "player"].into());
        }
        write(&copy.folder.join("Cargo.toml"), &manifest.to_string())?;
        write(&copy.folder.join("Cargo.lock"), &fs::read_to_string(root.join("Cargo.lock"))?)?;
        write(&copy.folder.join("README.md"), &fs::read_to_string(root.join("README.md"))?)?;
        write(&copy.folder.join("player/Cargo.toml"), PLAYER_MANIFEST)?;
        write(&copy.folder.join("player/src/main.rs"), PLAYER)?;
        let is_kept =
            |name: &str| changed.iter().any(|file| file.name == name) || name == "src/drawn.rs";
        copy_folder(root, &copy.folder, "src", &is_kept)?;
        Ok(copy)
    }

    /// Writes the changed files with these mutants, and returns where each mutant stands.
    ///
    /// # Errors
    ///
    /// A file cannot be written.
    pub fn write_mutants(
        &self,
        files: &[SourceFile],
        mutants: &[(usize, &Site)],
        count: usize,
    ) -> Result<Vec<Place>, Box<dyn Error>> {
        let zero = "MUTANTS: usize = 0;";
        let drawn = DRAWN.replace(zero, &format!("MUTANTS: usize = {count};"));
        write(&self.folder.join("src/drawn.rs"), &drawn)?;
        let mut places = Vec::new();
        for file in files {
            let here: Vec<_> =
                mutants.iter().copied().filter(|(_, site)| site.file == file.name).collect();
            let leaves_out: BTreeSet<usize> = here
                .iter()
                .filter(|(_, site)| site.change == Change::LeaveOut)
                .map(|(number, _)| *number)
                .collect();
            let rewritten = rewrite(&file.text, &here);
            write(&self.folder.join(&file.name), &rewritten.text)?;
            places.extend(rewritten.places.into_iter().map(|(number, range)| Place {
                number,
                file: file.name.clone(),
                range,
                leaves_out: leaves_out.contains(&number),
            }));
        }
        Ok(places)
    }

    /// What the compiler has against the library in its present form.
    ///
    /// # Errors
    ///
    /// Cargo cannot be run.
    pub fn complaints(&self) -> Result<Vec<Complaint>, Box<dyn Error>> {
        let mut cargo = self.cargo("check", "evenkeel");
        let out = cargo.args(["--features", "testkit", "--message-format=json"]).output()?;
        let lines = String::from_utf8(out.stdout)?;
        let messages = lines.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
        let mut complaints = Vec::new();
        for message in messages.filter_map(|line| line.message) {
            if message.level != "error" {
                continue;
            }
            // What is at fault first: the error itself, then what the compiler says about it.
            let (mut spans, others): (Vec<_>, Vec<_>) =
                message.spans.into_iter().partition(|span| span.is_primary);
            spans.extend(others);
            let at = spans.into_iter().map(|span| (span.file_name, span.byte_start..span.byte_end));
            complaints.push(Complaint { at: at.collect(), says: message.says });
        }
        if complaints.is_empty() && !out.status.success() {
            return Err(String::from_utf8_lossy(&out.stderr).into());
        }
        Ok(complaints)
    }

    /// Builds the player and returns its program.
    ///
    /// # Errors
    ///
    /// It does not compile.
    pub fn build(&self) -> Result<PathBuf, Box<dyn Error>> {
        let out = self.cargo("build", "player").output()?;
        if !out.status.success() {
            return Err(String::from_utf8_lossy(&out.stderr).into());
        }
        Ok(self.build.join("debug/player"))
    }

    fn cargo(&self, command: &str, package: &str) -> Command {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(&self.folder).env("CARGO_TARGET_DIR", &self.build);
        // A build that was stopped half-way must not spoil the next one.
        cargo.env("CARGO_INCREMENTAL", "0");
        // The packages of the lock file are there already, since this program was built with it.
        cargo.env("RUSTFLAGS", "--cap-lints=allow").args([command, "-p", package, "--offline"]);
        cargo.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        cargo
    }
}

/// Where a mutant stands in the copy.
pub struct Place {
    pub number: usize,
    file: String,
    range: Range<usize>,
    /// Whether a statement is left out: what follows it may not go without it.
    leaves_out: bool,
}

/// An error of the compiler.
#[derive(Debug)]
pub struct Complaint {
    /// The files and ranges that it names, the most important first.
    at: Vec<(String, Range<usize>)>,
    says: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at.first() {
            Some((file, range)) => write!(f, "{file}, byte {}: {}", range.start, self.says),
            None => write!(f, "{}", self.says),
        }
    }
}

impl Complaint {
    /// The mutants to which this error belongs: the innermost one around what it names first, or inside of that; else
    /// a statement left out around something else that it names, or between all that it names.
    pub fn culprits(&self, places: &[Place]) -> Vec<usize> {
        let around = |(file, range): &(String, Range<usize>)| {
            let (file, range) = (file.clone(), range.clone());
            places.iter().filter(move |place| {
                let contains = place.range.start <= range.start && range.end <= place.range.end;
                place.file == file && contains
            })
        };
        let innermost = |place: &&Place| place.range.len();
        if let Some(own) = self.at.first().and_then(|at| around(at).min_by_key(innermost)) {
            return vec![own.number];
        }
        if let Some((file, range)) = self.at.first() {
            let here = places.iter().filter(|place| place.file == *file);
            let touches =
                |place: &&Place| place.range.start < range.end && range.start < place.range.end;
            let touched: Vec<usize> = here.filter(touches).map(|place| place.number).collect();
            if !touched.is_empty() {
                return touched;
            }
        }
        let others = || self.at.iter().skip(1).flat_map(around);
        let other = others().filter(|place| place.leaves_out).min_by_key(innermost);
        let other = other.or_else(|| others().min_by_key(innermost));
        if let Some(other) = other {
            return vec![other.number];
        }
        // A value is moved before a `return` that is left out, and used after it.
        let Some((file, _)) = self.at.first() else { return Vec::new() };
        let ranges = || self.at.iter().filter(|(other, _)| other == file).map(|(_, range)| range);
        let begin = ranges().map(|range| range.start).min().unwrap_or(0);
        let end = ranges().map(|range| range.end).max().unwrap_or(0);
        let between = places.iter().filter(|place| {
            let lies = begin <= place.range.start && place.range.end <= end;
            place.leaves_out && place.file == *file && lies
        });
        between.map(|place| place.number).collect()
    }
}

#[derive(Deserialize)]
struct Line {
    message: Option<Message>,
}

#[derive(Deserialize)]
struct Message {
    level: String,
    #[serde(rename = "message")]
    says: String,
    spans: Vec<ErrorSpan>,
}

#[derive(Deserialize)]
struct ErrorSpan {
    file_name: String,
    byte_start: usize,
    byte_end: usize,
    is_primary: bool,
}

/// Writes a file if it has changed: what has not is not compiled again.
fn write(path: &Path, text: &str) -> Result<(), Box<dyn Error>> {
    if fs::read_to_string(path).is_ok_and(|before| before == text) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    Ok(fs::write(path, text)?)
}

/// Copies a folder without the files that are written otherwise, and removes what the copy alone has.
fn copy_folder(
    from: &Path,
    to: &Path,
    name: &str,
    is_kept: &dyn Fn(&str) -> bool,
) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(to.join(name))?;
    for entry in fs::read_dir(to.join(name))? {
        let entry = entry?;
        let inner = format!("{name}/{}", entry.file_name().to_string_lossy());
        let is_gone = !from.join(&inner).exists() && !is_kept(&inner);
        if is_gone && !entry.file_type()?.is_dir() {
            fs::remove_file(entry.path())?;
        }
    }
    for entry in fs::read_dir(from.join(name))? {
        let entry = entry?;
        let inner = format!("{name}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            copy_folder(from, to, &inner, is_kept)?;
        } else if !is_kept(&inner) {
            let mut text = fs::read_to_string(entry.path())?;
            if inner == "src/lib.rs" {
                text.push_str("\n#[allow(missing_docs)]\npub mod drawn;\n");
            }
            write(&to.join(&inner), &text)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::{Complaint, Place};

    #[test]
    fn an_error_belongs_to_the_innermost_mutant_around_it() {
        let place = |number, range, leaves_out| Place {
            number,
            file: "src/f.rs".to_owned(),
            range,
            leaves_out,
        };
        let places = [place(0, 0..100, true), place(1, 10..30, false), place(2, 50..60, false)];
        let culprits = |at: &[(&str, Range<usize>)]| {
            let at = at.iter().map(|(file, range)| ((*file).to_owned(), range.clone()));
            Complaint { at: at.collect(), says: String::new() }.culprits(&places)
        };
        assert_eq!(culprits(&[("src/f.rs", 12..15)]), [1]);
        assert_eq!(culprits(&[("src/f.rs", 12..40)]), [0]);
        assert_eq!(culprits(&[("src/f.rs", 50..120)]), [0, 2]);
        assert_eq!(culprits(&[("src/g.rs", 12..15)]), Vec::<usize>::new());
        let places_between = [place(7, 20..30, true), place(8, 20..30, false)];
        let at = [10..12, 40..45].map(|range| ("src/f.rs".to_owned(), range));
        let between = Complaint { at: at.to_vec(), says: String::new() };
        assert_eq!(between.culprits(&places_between), [7]);
        // A value is used that a statement left out would have moved.
        assert_eq!(culprits(&[("src/f.rs", 110..115), ("src/f.rs", 12..15)]), [0]);
    }
}
