//! Every round of a run, as a file of lines that a report is made of.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use evenkeel::shell::run_log::Line;
use evenkeel::shell::{Recorder, WallClock};
use evenkeel::sim::{Policy, Run, simulate_with};

use crate::policies::Kind;
use crate::runs::Cell;

/// One run, logged to a file of its own; its `thrash` is not known yet.
pub(crate) fn one(
    folder: &Path,
    cell: &Cell<'_>,
    kind: Kind,
    policy: &Policy,
    seed: u64,
) -> Result<Run, String> {
    let name = [&cell.named.name, cell.size, cell.cluster, kind.name()].join("-");
    let path = folder.join(format!("{name}-{seed}.jsonl"));
    let complain = |fault: io::Error| format!("--log {}: {fault}", path.display());
    fs::create_dir_all(folder).map_err(complain)?;
    let mut file = BufWriter::new(File::create(&path).map_err(complain)?);
    let mut written = Ok(());
    let keep = |line: &Line| {
        if written.is_ok() {
            written = append(&mut file, line);
        }
    };
    let title = format!("{cell}, {}, seed {seed}", kind.name());
    let mut recorder = Recorder::new(&title, &policy.config(), WallClock::default(), keep);
    let Cell { named, size, cluster } = cell;
    let run = simulate_with(&named.scenario, size, cluster, policy, seed, &mut recorder);
    recorder.finish();
    written.and_then(|()| file.flush()).map_err(complain)?;
    run.map_err(|fault| format!("{cell}: {fault}"))
}

fn append(file: &mut impl Write, line: &Line) -> io::Result<()> {
    serde_json::to_writer(&mut *file, line)?;
    file.write_all(b"\n")
}
