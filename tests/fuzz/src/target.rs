//! What is fuzzed, and what is a finding?

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;

use evenkeel::state::State;
use evenkeel::testkit::scenario;
use serde::Deserialize;

use crate::dice::Dice;
use crate::{log, mutate, operations, pipe};

/// How often another mutation is tried where a state is refused.
const MILDER: usize = 4;

/// One door, or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// Snapshots and reports, as JSON.
    Snapshot,
    /// Settings, as JSON.
    Config,
    /// Saved states, as JSON.
    State,
    /// Lines of text, as a host in another language writes them into a pipe.
    Pipe,
    /// Stories.
    Scenario,
    /// Typed inputs in any order.
    Operations,
}

impl Target {
    /// Every one.
    pub const ALL: [Self; 6] =
        [Self::Snapshot, Self::Config, Self::State, Self::Pipe, Self::Scenario, Self::Operations];

    /// Its name, which is the name of its folder in the corpus.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Config => "config",
            Self::State => "state",
            Self::Pipe => "pipe",
            Self::Scenario => "scenario",
            Self::Operations => "operations",
        }
    }

    /// An input that differs from `seed` a little; `other` is another seed.
    pub(crate) fn mutated(self, seed: &[u8], other: &[u8], dice: &mut Dice) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        match self {
            Self::Operations => {
                if dice.chance(30) {
                    bytes.extend((0..=dice.below(64)).map(|_| dice.roll().to_le_bytes()[0]));
                }
                mutate::bytes(&mut bytes, dice);
            }
            _ if dice.chance(5) => mutate::bytes(&mut bytes, dice),
            Self::Pipe => {
                bytes = mutate::lines(&String::from_utf8_lossy(seed), dice).into_bytes();
            }
            Self::Scenario => {
                let [text, other] = [seed, other].map(String::from_utf8_lossy);
                bytes = mutate::story(&text, &other, dice).into_bytes();
            }
            Self::Snapshot => self.within("inputs", &mut bytes, dice),
            Self::Config => self.within("config", &mut bytes, dice),
            Self::State => self.within("state", &mut bytes, dice),
        }
        bytes
    }

    /// Mutates one field of a document.
    fn within(self, field: &str, bytes: &mut Vec<u8>, dice: &mut Dice) {
        let Ok(mut document) = serde_json::from_slice::<serde_json::Value>(bytes) else { return };
        if let Some(part) = document.get_mut(field) {
            let sound = part.clone();
            mutate::document(part, dice);
            // Most of what has another type is refused by the reader of a state, and says nothing of the engine.
            for _ in 0..MILDER {
                if self != Self::State || State::deserialize(&*part).is_ok() || dice.chance(5) {
                    break;
                }
                part.clone_from(&sound);
                mutate::figures(part, dice);
            }
        }
        if self == Self::State && dice.chance(50) {
            document["later"] = dice.chance(50).into();
        }
        *bytes = serde_json::to_vec(&document).unwrap_or_default();
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|target| target.name() == name);
        found.ok_or_else(|| format!("there is no target {name}"))
    }
}

/// What one execution did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ran {
    /// How many inputs the engine was given: what its reader refuses is none.
    pub inputs: usize,
    /// How long they were, as text; of a story also the rounds, as JSON.
    pub bytes: usize,
}

impl Ran {
    /// The text was refused as a whole.
    pub(crate) const fn unread(text: &[u8]) -> Self {
        Self { inputs: 0, bytes: text.len() }
    }

    /// Whether the library was given enough for the execution to count.
    pub const fn counts(self) -> bool {
        self.inputs >= log::FEWEST
    }
}

/// Gives one input to the library.
///
/// # Errors
///
/// The sentence of a finding: a panic, a broken promise, or a state that cannot be read back.
pub fn execute(target: Target, bytes: &[u8]) -> Result<Ran, String> {
    let run = || match target {
        Target::Snapshot | Target::Config | Target::State => log::play(target, bytes),
        Target::Pipe => pipe::play(bytes),
        Target::Scenario => story(bytes),
        Target::Operations => operations::play(bytes),
    };
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(format!("panic: {}", text.unwrap_or_default()))
    })
}

/// What a story may say that no text may make it say. Other checks of a story judge the host that it describes.
const NEVER: &[&str] = &[
    "panic:",
    "FREE CHECK shuffled records",
    "FREE CHECK saved and resumed",
    "FREE CHECK replayed from the log",
];

fn story(bytes: &[u8]) -> Result<Ran, String> {
    let text = String::from_utf8_lossy(bytes);
    let played = scenario::play(&text);
    let mut lines = played.text.lines().map(str::trim_start);
    let said = lines.find(|line| NEVER.iter().any(|never| line.starts_with(never)));
    match said {
        // The text itself may hold the words.
        Some(line) if !text.contains(line) => Err(line.to_owned()),
        // One line may ask for 10,000 rounds.
        _ => Ok(Ran { inputs: played.inputs, bytes: bytes.len() + played.bytes }),
    }
}
