//! Mutates a corpus for a number of executions, and keeps what was found.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::dice::Dice;
use crate::target::{Ran, Target, execute};

/// An execution that takes longer ends the program: nothing can stop it.
const LONGEST: Duration = Duration::from_secs(20);
/// Shorter inputs take their time for other reasons than their length.
const MEASURED: usize = 1_024;
/// An input that takes more than this many times the median per byte is a finding.
const SLOW: f64 = 10.0;
/// So many of the slowest inputs run again.
const AGAIN: usize = 20;
/// So often each.
const TIMES_AGAIN: usize = 5;
/// A run ends when this many times as many inputs were tried as should count.
const MOST_UNREAD: u64 = 20;
/// Mutated inputs that did nothing wrong and are mutated further.
const KEPT: usize = 64;

/// What to run.
#[derive(Clone, Debug)]
pub struct Drive {
    /// What is fuzzed.
    pub target: Target,
    /// How many executions count: those in which the engine was given at least ten inputs.
    pub executions: u64,
    /// Where chance begins.
    pub seed: u64,
    /// The folder for findings; nothing is saved if there is none.
    pub findings: Option<PathBuf>,
}

/// Something that must not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The sentence.
    pub says: String,
    /// How often it was found; digits do not distinguish sentences.
    pub times: u64,
    /// The shortest input that was found to lead to it.
    pub input: Vec<u8>,
    /// Where that input was saved.
    pub file: Option<PathBuf>,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Executions in which the engine was given at least ten inputs.
    pub executions: u64,
    /// The inputs of these executions: rounds, reports, settings.
    pub inputs: usize,
    /// Further executions, which do not count: too much could not be read.
    pub unread: u64,
    /// How long these executions took.
    pub took: Duration,
    /// By the first line of their sentences.
    pub findings: Vec<Finding>,
    /// The median of the times per byte, in nanoseconds, of the executions that count, of inputs of at least 1 KiB.
    pub median: f64,
    /// The longest time per byte. The twenty slowest inputs run again, and the best of six times of each counts: a
    /// single time says more of the machine than of the input.
    pub slowest: f64,
    /// The input that took it.
    pub slowest_input: Vec<u8>,
    /// Where that input was saved, if it took more than ten times the median.
    pub slowest_file: Option<PathBuf>,
}

impl Found {
    /// Whether an input takes more than ten times the median per byte.
    pub fn is_slow(&self) -> bool {
        self.slowest > SLOW * self.median
    }
}

/// The committed inputs of a target, by name.
///
/// # Errors
///
/// The folder cannot be read.
pub fn corpus(target: Target) -> io::Result<Vec<Vec<u8>>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seeds = Vec::new();
    let mut paths: Vec<PathBuf> = fs::read_dir(root.join("corpus").join(target.name()))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<_>>()?;
    paths.sort();
    for path in paths {
        seeds.push(fs::read(path)?);
    }
    Ok(seeds)
}

/// Runs a target on its corpus, as it is, and then mutated.
///
/// # Errors
///
/// The corpus cannot be read, or a finding cannot be saved.
pub fn drive(run: &Drive) -> io::Result<Found> {
    let seeds = corpus(run.target)?;
    let mut dice = Dice::new(run.seed);
    let mut kept: Vec<Vec<u8>> = Vec::new();
    let mut found = Found::default();
    let mut times = Times::default();
    let mut kinds: BTreeMap<String, Finding> = BTreeMap::new();
    let watch = Watch::start(run);
    let began = Instant::now();
    let most = run.executions.saturating_mul(MOST_UNREAD);
    let tried = |found: &Found| found.executions + found.unread;
    while found.executions < run.executions && tried(&found) < most {
        let number = usize::try_from(tried(&found)).unwrap_or(usize::MAX);
        let input = match seeds.get(number) {
            Some(seed) => seed.clone(),
            None => mutated(run.target, &seeds, &kept, &mut dice),
        };
        watch.begin(&input);
        let start = Instant::now();
        let result = execute(run.target, &input);
        let took = start.elapsed();
        watch.end();
        match result {
            Ok(ran) if ran.counts() => {
                found.executions += 1;
                found.inputs += ran.inputs;
                times.add(&input, took, ran);
                if dice.chance(10) {
                    keep(&mut kept, input, &mut dice);
                }
            }
            Ok(ran) => {
                found.unread += 1;
                times.add(&input, took, ran);
            }
            Err(says) => {
                found.executions += 1;
                note(&mut kinds, says, input);
            }
        }
    }
    found.took = began.elapsed();
    times.slowest(run.target, &mut found);
    found.findings = kinds.into_values().collect();
    if let Some(folder) = &run.findings {
        save(run.target, folder, &mut found.findings)?;
        if found.is_slow() {
            let file = folder.join(format!("{}-slowest", run.target));
            fs::write(&file, &found.slowest_input)?;
            found.slowest_file = Some(file);
        }
    }
    Ok(found)
}

fn mutated(target: Target, seeds: &[Vec<u8>], kept: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let empty = Vec::new();
    let from = if kept.is_empty() || dice.chance(60) { seeds } else { kept };
    let seed = from.get(dice.below(from.len())).unwrap_or(&empty);
    let other = seeds.get(dice.below(seeds.len())).unwrap_or(&empty);
    target.mutated(seed, other, dice)
}

fn keep(kept: &mut Vec<Vec<u8>>, input: Vec<u8>, dice: &mut Dice) {
    // Inputs that grow with every generation would say nothing of new ones.
    if input.len() > 200_000 {
        return;
    }
    if kept.len() < KEPT {
        kept.push(input);
    } else {
        let at = dice.below(kept.len());
        kept[at] = input;
    }
}

fn note(kinds: &mut BTreeMap<String, Finding>, says: String, input: Vec<u8>) {
    let line = says.lines().next().unwrap_or_default();
    let kind: String = line.chars().filter(|it| !it.is_ascii_digit()).take(120).collect();
    let first = || Finding { says: says.clone(), times: 0, input: input.clone(), file: None };
    let finding = kinds.entry(kind).or_insert_with(first);
    finding.times += 1;
    if input.len() < finding.input.len() {
        (finding.says, finding.input) = (says, input);
    }
}

#[expect(clippy::cast_precision_loss, reason = "nanoseconds of one execution")]
fn per_byte(took: Duration, bytes: usize) -> f64 {
    took.as_nanos() as f64 / bytes.max(1) as f64
}

/// The times per byte of a run.
#[derive(Default)]
struct Times {
    /// Of the executions that count.
    all: Vec<f64>,
    /// The slowest inputs of all, the slowest first.
    slow: Vec<(f64, Vec<u8>)>,
}

impl Times {
    fn add(&mut self, input: &[u8], took: Duration, ran: Ran) {
        if ran.bytes < MEASURED {
            return;
        }
        let time = per_byte(took, ran.bytes);
        if ran.counts() {
            self.all.push(time);
        }
        let place = self.slow.partition_point(|(other, _)| *other >= time);
        if place < AGAIN {
            self.slow.insert(place, (time, input.to_vec()));
            self.slow.truncate(AGAIN);
        }
    }

    /// The machine may have been busy with something else: the slowest inputs run again, and the best time of each
    /// counts.
    fn slowest(mut self, target: Target, found: &mut Found) {
        self.all.sort_by(f64::total_cmp);
        found.median = self.all.get(self.all.len() / 2).copied().unwrap_or_default();
        for (time, input) in self.slow {
            let again = (0..TIMES_AGAIN).map(|_| {
                let began = Instant::now();
                let bytes = execute(target, &input).map_or(input.len(), |ran| ran.bytes);
                per_byte(began.elapsed(), bytes)
            });
            let best = again.fold(time, f64::min);
            if best > found.slowest {
                (found.slowest, found.slowest_input) = (best, input);
            }
        }
    }
}

fn save(target: Target, folder: &Path, findings: &mut [Finding]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for (nth, finding) in findings.iter_mut().enumerate() {
        let file = folder.join(format!("{target}-{nth}"));
        fs::write(&file, &finding.input)?;
        finding.file = Some(file);
    }
    Ok(())
}

/// When the present execution began, and its input.
type Current = Option<(Instant, Vec<u8>)>;

/// Ends the program when an execution does not end, and saves its input first.
struct Watch {
    current: Arc<Mutex<Current>>,
}

impl Watch {
    fn start(run: &Drive) -> Self {
        let current: Arc<Mutex<Current>> = Arc::default();
        let (weak, run) = (Arc::downgrade(&current), run.clone());
        thread::spawn(move || {
            while let Some(current) = weak.upgrade() {
                if let Ok(current) = current.lock()
                    && let Some((began, input)) = current.as_ref()
                    && began.elapsed() > LONGEST
                {
                    hangs(&run, input);
                }
                drop(current);
                thread::sleep(Duration::from_millis(200));
            }
        });
        Self { current }
    }

    fn set(&self, value: Current) {
        if let Ok(mut current) = self.current.lock() {
            *current = value;
        }
    }

    fn begin(&self, input: &[u8]) {
        self.set(Some((Instant::now(), input.to_vec())));
    }

    fn end(&self) {
        self.set(None);
    }
}

fn hangs(run: &Drive, input: &[u8]) -> ! {
    let folder = run.findings.clone().unwrap_or_else(std::env::temp_dir);
    let file = folder.join(format!("{}-hangs", run.target));
    let saved = fs::create_dir_all(&folder).and_then(|()| fs::write(&file, input));
    eprintln!(
        "{}: an execution takes longer than {LONGEST:?}: {} ({saved:?})",
        run.target,
        file.display()
    );
    process::exit(1)
}
