//! Mutation testing: which small changes of the source does no story notice?
//!
//! `cargo run -p mutate -- --draw 400 --seed 1` finds every place in the rules, the life cycle, the plan, the state,
//! the ledger and the stages where a small change is possible, draws some by chance, writes all of them into one copy
//! of the library, each behind a switch, and plays the stories against each. What does not compile is not viable and
//! does not count. A mutant that no story notices is a rule without a story, or stands in `equivalent.txt` with the
//! reason why no input can tell it from the original.
#![forbid(unsafe_code)]

mod copy;
mod dice;
mod equivalent;
mod play;
mod report;
mod rewrite;
mod rooms;
mod sites;

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use clap::Parser;

use copy::Copy;
use dice::Dice;
use equivalent::Equivalent;
use play::{Player, Verdict};
use report::{Judged, Report};
use rooms::{ROOMS, SourceFile, source_files};
use sites::Site;

#[derive(Parser)]
struct Arguments {
    /// How many mutants are drawn; more than there are places draws all of them.
    #[arg(long, default_value_t = 400)]
    draw: usize,
    /// Where chance begins.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many processes play at the same time.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Draws only from files whose names contain this.
    #[arg(long, default_value = "")]
    only: String,
    /// Writes the figures and the survivors to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// The stories, if not those of this source: to see what others notice.
    #[arg(long)]
    stories: Option<PathBuf>,
    /// Where the copy is written and compiled.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Fails if a smaller share of the viable mutants is caught.
    #[arg(long, default_value_t = 0.95)]
    at_least: f64,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments = Arguments::parse();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let mut files = source_files(&root)?;
    let all = all_sites(&files)?;
    let list = equivalent_to(&all, &root)?;
    files.sort_by(|one, other| one.name.cmp(&other.name));
    let of: Vec<usize> =
        (0..all.len()).filter(|number| all[*number].file.contains(&arguments.only)).collect();
    let drawn = Dice::new(arguments.seed).draw(of, arguments.draw);
    eprintln!("{} places, {} mutants drawn by seed {}", all.len(), drawn.len(), arguments.seed);

    let folder = arguments.folder.clone().unwrap_or_else(|| target_folder(&root).join("mutate"));
    let copy = Copy::new(&root, &folder, &files)?;
    let unviable = compile(&copy, &files, &all)?;
    eprintln!("{} of all places do not compile; building the others", unviable.len());
    let stories = arguments.stories.clone().unwrap_or_else(|| root.join("tests/scenarios"));
    let player = Player::new(&copy.build()?, &stories)?;
    let viable: Vec<usize> =
        drawn.iter().copied().filter(|number| !unviable.contains(number)).collect();
    let verdicts = judge_all(&player, &viable, arguments.jobs.max(1))?;

    let judged = verdicts.into_iter().map(|(number, verdict)| {
        let site = &all[number];
        let reason = list.iter().find(|record| record.is(site)).map(|record| record.why.clone());
        Judged { number, site, verdict, stories: player.reaching(number), reason }
    });
    let report = Report {
        seed: arguments.seed,
        drawn: drawn.len(),
        unviable: drawn.len() - viable.len(),
        rooms: per_room(&files, &all),
        judged: judged.collect(),
    };
    print!("{report}");
    if let Some(path) = &arguments.json {
        fs::write(path, serde_json::to_string_pretty(&report.to_json())?)?;
    }
    let is_enough = report.share() >= arguments.at_least;
    Ok(if is_enough { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn all_sites(files: &[SourceFile]) -> Result<Vec<Site>, Box<dyn Error>> {
    let mut all = Vec::new();
    for file in files {
        let found = sites::sites(&file.name, &file.text);
        all.extend(found.map_err(|error| format!("{}: {error}", file.name))?);
    }
    Ok(all)
}

/// The list of equivalent mutants, if every record fits one of these places.
fn equivalent_to(all: &[Site], root: &Path) -> Result<Vec<Equivalent>, Box<dyn Error>> {
    let list = fs::read_to_string(root.join("tests/mutate/equivalent.txt"))?;
    let list = equivalent::read(&list)?;
    let misfits = equivalent::misfits(&list, all);
    if !misfits.is_empty() {
        return Err(format!("tests/mutate/equivalent.txt:\n{}", misfits.join("\n")).into());
    }
    Ok(list)
}

fn per_room(files: &[SourceFile], all: &[Site]) -> Vec<(&'static str, usize)> {
    let room = |site: &Site| files.iter().find(|file| file.name == site.file).map(|file| file.room);
    let rooms = ROOMS.iter().enumerate();
    let count = |index| all.iter().filter(|site| room(site) == Some(index)).count();
    rooms.map(|(index, (name, _))| (*name, count(index))).collect()
}

fn target_folder(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

/// Writes every mutant into the copy, and takes out what does not compile, until the rest does. Returns the numbers of
/// what was taken out. All draws share this copy: it is compiled once per state of the source.
fn compile(
    copy: &Copy,
    files: &[SourceFile],
    all: &[Site],
) -> Result<BTreeSet<usize>, Box<dyn Error>> {
    let known = copy.folder.join("unviable.json");
    let sources: Vec<&str> = files.iter().map(|file| file.text.as_str()).collect();
    let before = fs::read_to_string(&known).ok();
    let before = before.and_then(|text| serde_json::from_str::<Unviable>(&text).ok());
    let before = before.filter(|before| before.sources == sources);
    let mut unviable = before.map(|before| before.numbers).unwrap_or_default();
    loop {
        let numbered = all.iter().enumerate();
        let viable: Vec<_> = numbered.filter(|(number, _)| !unviable.contains(number)).collect();
        let places = copy.write_mutants(files, &viable, all.len())?;
        let complaints = copy.complaints()?;
        if complaints.is_empty() {
            let sources = sources.into_iter().map(str::to_owned).collect();
            let known_now = Unviable { sources, numbers: unviable.clone() };
            fs::write(&known, serde_json::to_string(&known_now)?)?;
            return Ok(unviable);
        }
        let culprits: BTreeSet<usize> =
            complaints.iter().flat_map(|complaint| complaint.culprits(&places)).collect();
        if culprits.is_empty() {
            let says: Vec<String> = complaints.iter().map(ToString::to_string).collect();
            return Err(format!("errors outside of every mutant:\n{}", says.join("\n")).into());
        }
        eprintln!("{} errors, {} mutants taken out", complaints.len(), culprits.len());
        unviable.extend(culprits);
    }
}

/// What did not compile, for these sources.
#[derive(serde::Serialize, serde::Deserialize)]
struct Unviable {
    sources: Vec<String>,
    numbers: BTreeSet<usize>,
}

/// Judges every mutant, several at a time, and says how far it has come.
fn judge_all(
    player: &Player,
    mutants: &[usize],
    jobs: usize,
) -> Result<Vec<(usize, Verdict)>, Box<dyn Error>> {
    let (stories, time) = player.stories();
    eprintln!("{stories} stories take {:.1} s without a mutant", time.as_secs_f64());
    let (next, begun) = (AtomicUsize::new(0), Instant::now());
    let judged = Mutex::new(Vec::new());
    let work = || -> Result<(), Box<dyn Error + Send + Sync>> {
        while let Some(mutant) = mutants.get(next.fetch_add(1, Ordering::Relaxed)) {
            let verdict = player.judge(*mutant)?;
            let mut judged = judged.lock().map_err(|_| "another worker has panicked")?;
            judged.push((*mutant, verdict));
            if judged.len().is_multiple_of(100) {
                let seconds = begun.elapsed().as_secs();
                eprintln!("{} of {} judged after {seconds} s", judged.len(), mutants.len());
            }
        }
        Ok(())
    };
    let results = thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(thread::ScopedJoinHandle::join).collect::<Vec<_>>()
    });
    for result in results {
        let outcome = result.map_err(|_| "a worker has panicked")?;
        outcome.map_err(|error| error.to_string())?;
    }
    let mut judged = judged.into_inner()?;
    judged.sort_by_key(|(mutant, _)| *mutant);
    Ok(judged)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{all_sites, equivalent_to, source_files};

    #[test]
    fn every_record_of_the_list_fits_the_source() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let all = all_sites(&source_files(&root).unwrap()).unwrap();
        assert!(all.len() > 3_000, "only {} places", all.len());
        if let Err(misfits) = equivalent_to(&all, &root) {
            panic!("{misfits}");
        }
    }
}
