//! Which source files are changed: the rules, the life cycle, the plan, the state, the ledger and the stages.

use std::fs;
use std::io;
use std::path::Path;

/// A part of the library, by the name in the figures, and its files and folders.
pub const ROOMS: [(&str, &[&str]); 6] = [
    ("rules", &["src/rules"]),
    ("life cycle", &["src/lifecycle"]),
    ("plan", &["src/plan"]),
    ("state", &["src/state.rs", "src/state"]),
    ("ledger", &["src/view.rs", "src/view"]),
    ("stages", &["src/stage"]),
];

/// Files that print the tables of the documentation, and nothing that a story shows. `tests/specification.rs` and the
/// unit tests compare them with the committed tables.
const PRINTS_DOCUMENTATION: [&str; 3] =
    ["src/rules/table.rs", "src/lifecycle/table.rs", "src/lifecycle/name.rs"];

/// A source file that is changed.
pub struct SourceFile {
    /// The index of its room in [`ROOMS`].
    pub room: usize,
    pub name: String,
    pub text: String,
}

/// Every file of the rooms, in order.
///
/// # Errors
///
/// A file or folder cannot be read.
pub fn source_files(root: &Path) -> io::Result<Vec<SourceFile>> {
    let mut files = Vec::new();
    for (room, (_, paths)) in ROOMS.iter().enumerate() {
        let mut names = Vec::new();
        for path in *paths {
            collect(root, path, &mut names)?;
        }
        names.sort_unstable();
        for name in names {
            let text = fs::read_to_string(root.join(&name))?;
            files.push(SourceFile { room, name, text });
        }
    }
    Ok(files)
}

fn collect(root: &Path, name: &str, names: &mut Vec<String>) -> io::Result<()> {
    if !root.join(name).is_dir() {
        let is_rust = Path::new(name).extension().is_some_and(|extension| extension == "rs");
        if is_rust && !PRINTS_DOCUMENTATION.contains(&name) {
            names.push(name.to_owned());
        }
        return Ok(());
    }
    for entry in fs::read_dir(root.join(name))? {
        let entry = entry?.file_name();
        collect(root, &format!("{name}/{}", entry.to_string_lossy()), names)?;
    }
    Ok(())
}
