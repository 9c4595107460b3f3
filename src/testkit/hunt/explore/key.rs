//! When are two states the same?
//!
//! If one becomes the other by renaming moments and migrations so that their order stays: a moment is known by its
//! place among all moments of the state, and by how many [waits](WAIT) ago it was; a migration by its place among all
//! migrations of the state, and by whether the present life issued it. Every time-out must lie well between two
//! multiples of a wait, and everything else takes no time: then states that are the same stay the same.
//!
//! Left out is what decides nothing if [only the present](super::super::Settings::only_the_present) does: counts, what
//! was learned, all samples of a worker but the last, and the load of the system in earlier rounds.

use std::collections::BTreeSet;
use std::string::{String, ToString};
use std::vec::Vec;

use serde_json::{Map, Value, json};

use super::super::job::{Job, Letter};
use super::super::play::{Play, Save};
use super::scope::Left;
use crate::math::window::Window;
use crate::model::ids::MigrationId;
use crate::model::time::Timestamp;
use crate::snapshot::Snapshot;
use crate::state::{Counters, State};

/// How long a wait is, in milliseconds.
pub(super) const WAIT: u64 = 10_000;
/// Moments longer ago than so many waits are all the same: so long before the earliest moment by which something may
/// still be judged.
const LONGEST_AGO: i128 = 5;
/// Every whole number from here on is a moment: the clock of a schedule begins a little later.
const FIRST_MOMENT: u64 = 900_000;
/// What a state of the engine remembers without deciding by it.
const DECIDES_NOTHING: [&str; 5] = ["schema", "epoch", "ticks", "issued", "learned"];

/// A state, hashed by FNV-1a with 128 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(u128);

/// The key of a state, in which so much may still go wrong.
pub(super) fn of(play: &Play, left: Left, saves: usize) -> Key {
    let kept_saves = if left.restarts == 0 { 0 } else { saves };
    let newest = play.saves.len().saturating_sub(kept_saves);
    let (open, ended) = play.judge.then(play.judge.remembered());
    let state = json!({
        "left": [left.faults.to_string(), left.restarts.to_string()],
        "engine": engine(play.engine.state()),
        "saves": play.saves[newest..].iter().map(|save| saved(play, save)).collect::<Vec<_>>(),
        "is_first_life": play.epoch == 0,
        "jobs": play.world.jobs.iter().map(job).collect::<Vec<_>>(),
        "alive": play.world.machines.iter().map(|machine| machine.is_alive).collect::<Vec<_>>(),
        "shown": play.world.machines.iter().map(|machine| machine.was_shown).collect::<Vec<_>>(),
        "stances": play.world.machines.iter().map(|machine| machine.worker.stance).collect::<Vec<_>>(),
        "kept": play.kept,
        "owes_repeats": play.owes_repeats,
        "repeated": play.repeated,
        "open": open,
    });
    let mut names = Names::default();
    names.find(&state);
    let (now, epoch) = (play.world.now.as_millis(), play.engine.state().epoch().raw());
    names.moments.insert(now);
    let longest = ago(now, earliest(play, now)) + LONGEST_AGO;
    let epoch = u64::from(epoch);
    let mut writer = Writer { names: &names, now, longest, epoch, hash: Fnv::default() };
    writer.write(&state);
    // An ended migration that nothing mentions can do nothing any more.
    for id in ended.iter().filter(|&&id| names.migrations.contains(&number(id))) {
        writer.migration(number(*id));
    }
    Key(writer.hash.0)
}

/// The earliest moment by which something may still be judged: of the snapshot that the host keeps, or of a report that
/// may still arrive.
fn earliest(play: &Play, now: u64) -> u64 {
    let kept = play.kept.iter().map(Snapshot::at);
    let reports = play.world.jobs.iter().flat_map(|job| job.mail.iter().chain(&job.answer));
    let moments = kept.chain(reports.map(|report| report.at)).map(Timestamp::as_millis);
    moments.fold(now, u64::min)
}

fn number(id: MigrationId) -> (u64, u64) {
    (u64::from(id.epoch().raw()), id.number())
}

/// What a state of the engine says that can decide something.
fn engine(state: &State) -> Value {
    let mut state = state.clone();
    // Nothing is decided by these either, and they are most of what would be written.
    (state.counters, state.system) = (Counters::default(), Window::default());
    state.forecasts = Window::default();
    let mut value = serde_json::to_value(state).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        DECIDES_NOTHING.iter().for_each(|&field| drop(fields.remove(field)));
        let tracks = fields.get_mut("tracks").and_then(Value::as_object_mut);
        tracks.into_iter().flat_map(Map::values_mut).for_each(only_the_last_sample);
    }
    value
}

fn only_the_last_sample(track: &mut Value) {
    for name in ["samples", "recent"] {
        if let Some(samples) = track.get_mut(name).and_then(Value::as_array_mut) {
            samples.drain(..samples.len().saturating_sub(1));
        }
    }
}

fn saved(play: &Play, save: &Save) -> Value {
    let (open, _) = play.judge.then(save.remembered);
    json!([engine(&save.state), open])
}

fn job(job: &Job) -> Value {
    let letter = |letter: &Letter| {
        let Letter { command, written, repeats, is_void } = letter;
        json!([command.migration, command.action, written, repeats, is_void])
    };
    json!({
        "placement": job.task.placement,
        "runs": job.runs,
        "run_by": job.run_by,
        "orders": job.orders,
        "fence": job.fence,
        "last": job.last,
        "answer": job.answer,
        "evicted_by": job.evicted_by,
        "has_ended": job.has_ended,
        "last_letter": job.last_letter.as_ref().map(letter),
        "post": job.post.iter().map(letter).collect::<Vec<_>>(),
        "mail": job.mail,
    })
}

/// Every moment and every migration that a state mentions.
#[derive(Default)]
struct Names {
    moments: BTreeSet<u64>,
    migrations: BTreeSet<(u64, u64)>,
}

/// The migration that an object stands for, if it does.
fn as_migration(fields: &Map<String, Value>) -> Option<(u64, u64)> {
    if fields.len() != 2 {
        return None;
    }
    Some((fields.get("epoch")?.as_u64()?, fields.get("number")?.as_u64()?))
}

fn as_moment(value: u64) -> Option<u64> {
    (value >= FIRST_MOMENT).then_some(value)
}

impl Names {
    fn find(&mut self, value: &Value) {
        match value {
            Value::Number(number) => self.moments.extend(number.as_u64().and_then(as_moment)),
            Value::Array(values) => values.iter().for_each(|value| self.find(value)),
            Value::Object(fields) => match as_migration(fields) {
                Some(id) => drop(self.migrations.insert(id)),
                None => fields.values().for_each(|value| self.find(value)),
            },
            Value::Null | Value::Bool(_) | Value::String(_) => {}
        }
    }
}

/// How many waits before `now` a moment was; negative if it is to come.
fn ago(now: u64, moment: u64) -> i128 {
    let (now, wait) = (i128::from(now), i128::from(WAIT));
    (now - i128::from(moment) + wait / 2).div_euclid(wait)
}

struct Writer<'a> {
    names: &'a Names,
    now: u64,
    longest: i128,
    epoch: u64,
    hash: Fnv,
}

impl Writer<'_> {
    fn write(&mut self, value: &Value) {
        match value {
            Value::Number(number) => match number.as_u64().and_then(as_moment) {
                Some(moment) => self.moment(moment),
                None => self.text('#', &number.to_string()),
            },
            Value::Array(values) => {
                self.count('[', values.len());
                values.iter().for_each(|value| self.write(value));
            }
            Value::Object(fields) => {
                if let Some(id) = as_migration(fields) {
                    return self.migration(id);
                }
                self.count('{', fields.len());
                for (name, value) in fields {
                    self.text('"', name);
                    self.write(value);
                }
            }
            Value::String(text) => self.text('"', text),
            Value::Bool(value) => self.count('b', usize::from(*value)),
            Value::Null => self.count('n', 0),
        }
    }

    fn moment(&mut self, moment: u64) {
        let rank = self.names.moments.range(..moment).count();
        let ago = ago(self.now, moment).min(self.longest);
        self.count('@', rank);
        self.hash.feed(&ago.to_le_bytes());
    }

    fn migration(&mut self, id: (u64, u64)) {
        let rank = self.names.migrations.range(..id).count();
        self.count('m', rank);
        self.hash.feed(&[u8::from(id.0 == self.epoch)]);
    }

    fn text(&mut self, mark: char, text: &str) {
        self.count(mark, text.len());
        self.hash.feed(text.as_bytes());
    }

    fn count(&mut self, mark: char, count: usize) {
        self.hash.feed(mark.to_string().as_bytes());
        self.hash.feed(&count.to_le_bytes());
    }
}

struct Fnv(u128);

impl Default for Fnv {
    fn default() -> Self {
        Self(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }
}

impl Fnv {
    fn feed(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let mixed = self.0 ^ u128::from(byte);
            self.0 = mixed.wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    }
}
