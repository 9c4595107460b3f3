//! Plays the stories against one mutant after the other, each in a process of its own.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A process of a mutant may take this much address space: one that allocates without end shall not take all.
const MEMORY_KIB: u64 = 4 << 20;

/// What came of a mutant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// This story says something else.
    Noticed(String),
    /// A story does not come to its end.
    Hangs,
    /// A story ends the process: its stack or its memory is exhausted.
    Crashes,
    /// All stories that come by say the same.
    Unnoticed,
    /// No story comes by.
    Unreached,
}

/// The program that plays, and the stories.
pub struct Player {
    program: PathBuf,
    folder: PathBuf,
    /// For every mutant, the stories that come by, the shortest first.
    reaching: BTreeMap<usize, Vec<String>>,
    /// How long each story takes without a mutant.
    takes: BTreeMap<String, Duration>,
}

impl Player {
    /// Plays every story without a mutant, to know which ones come by which mutant.
    ///
    /// # Errors
    ///
    /// The program cannot be run, or a story says something else without any mutant.
    pub fn new(program: &Path, folder: &Path) -> Result<Self, Box<dyn Error>> {
        let out = Command::new(program).arg(folder).arg("map").output()?;
        let text = String::from_utf8(out.stdout)?;
        if !out.status.success() {
            let last = text.lines().last().unwrap_or_default();
            return Err(format!("without a mutant, the stories fail: {last}").into());
        }
        let mut stories = Vec::new();
        for line in text.lines() {
            let mut words = line.split(' ');
            let (Some(name), Some(micros)) = (words.next(), words.next()) else {
                return Err(format!("the player says: {line}").into());
            };
            let asked: Vec<usize> = words.filter_map(|word| word.parse().ok()).collect();
            stories.push((Duration::from_micros(micros.parse()?), name.to_owned(), asked));
        }
        stories.sort();
        let (mut reaching, mut takes) = (BTreeMap::<usize, Vec<String>>::new(), BTreeMap::new());
        for (time, name, asked) in stories {
            for mutant in asked {
                reaching.entry(mutant).or_default().push(name.clone());
            }
            takes.insert(name, time);
        }
        let (program, folder) = (program.to_owned(), folder.to_owned());
        Ok(Self { program, folder, reaching, takes })
    }

    /// How many stories there are, and how long all of them take without a mutant.
    pub fn stories(&self) -> (usize, Duration) {
        (self.takes.len(), self.takes.values().sum())
    }

    /// How many stories come by this mutant.
    pub fn reaching(&self, mutant: usize) -> usize {
        self.reaching.get(&mutant).map_or(0, Vec::len)
    }

    /// Plays the stories that come by this mutant, until one notices.
    ///
    /// # Errors
    ///
    /// The program cannot be run.
    pub fn judge(&self, mutant: usize) -> Result<Verdict, Box<dyn Error + Send + Sync>> {
        let Some(stories) = self.reaching.get(&mutant) else { return Ok(Verdict::Unreached) };
        let usual: Duration = stories.iter().filter_map(|story| self.takes.get(story)).sum();
        let limit = Duration::from_secs(3) + usual * 10;
        let mut child = Command::new("sh")
            .args(["-c", "ulimit -v \"$0\"; exec \"$@\""])
            .arg(MEMORY_KIB.to_string())
            .arg(&self.program)
            .arg(&self.folder)
            .args(["try", &mutant.to_string()])
            .args(stories)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if begun.elapsed() > limit {
                child.kill()?;
                child.wait()?;
                return Ok(Verdict::Hangs);
            }
            thread::sleep(Duration::from_millis(2));
        };
        let mut says = String::new();
        if let Some(mut out) = child.stdout.take() {
            out.read_to_string(&mut says)?;
        }
        if !status.success() {
            return Ok(Verdict::Crashes);
        }
        Ok(match says.trim().strip_prefix("noticed ") {
            Some(story) => Verdict::Noticed(story.to_owned()),
            None => Verdict::Unnoticed,
        })
    }
}
