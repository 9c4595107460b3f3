//! Every sequence of events, up to a number of steps, instead of random ones.
//!
//! From a small cluster, every step that can happen is taken in every state that was found, breadth first: the first
//! schedule that breaks a promise is a shortest one. After every state everything calms down once, and nothing may be
//! lost. Two states that differ only in the names of moments and migrations are one ([`key`]). What follows a broken
//! promise is not looked at.
//!
//! Rules about room and groups are judged as in every schedule, but what the judge of room remembers does not
//! distinguish states: for those rules the search is a sample.

mod key;
mod menu;
mod scope;

use core::mem;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::string::String;
use std::vec::Vec;

use serde::{Deserialize, Serialize};

use super::job::Breach;
use super::play::{CALM_ROUNDS, Play};
use super::schedule::{Kind, Schedule, Step, Violation};
use super::setup::Setup;
use super::shrink::{self, keep};
use key::Key;
use menu::Choice;
use scope::Left;

pub use scope::Scope;

/// One in so many repeated states is compared with the one that it is taken for.
const COMPARED: u64 = 64;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Explored {
    /// The different states that were found after 0, 1, 2, ... steps.
    pub states: Vec<usize>,
    /// The steps that were taken from them.
    pub transitions: u64,
    /// Whether every schedule of the scope was played.
    pub is_complete: bool,
    /// How many repeated states were compared, step by step, with the one that they are taken for.
    pub compared: u64,
    /// Pairs of schedules that lead to states which are taken for one and are not: none, or the search is incomplete.
    pub unlike: Vec<(Vec<Step>, Vec<Step>)>,
    /// The violations by kind and cause, with the shortest schedule of each.
    pub violations: Vec<Violation>,
    /// How many transitions or states led to each of them.
    pub times: Vec<u64>,
}

/// Takes every step in every state. `seen` is told the depth and the number of states after every depth.
///
/// ```
/// use evenkeel::testkit::hunt::{Scope, Settings, Setup, explore};
/// let mut settings = Settings::default();
/// (settings.timeout, settings.only_the_present) = (15, true);
/// let found = explore(&Scope::new(Setup::to_drain(1, 2, settings), 2), |_, _| ());
/// assert!(found.is_complete && found.violations.is_empty());
/// ```
pub fn explore(scope: &Scope, seen: impl FnMut(usize, usize)) -> Explored {
    Search::new(scope).run(seen)
}

/// A state: the step that led to it, and from where.
#[derive(Clone, Copy)]
struct Node {
    parent: usize,
    step: Step,
    left: Left,
}

/// What a step leads to: a state, or a broken promise.
type After = Result<Key, (Kind, String)>;

struct Search<'a> {
    scope: &'a Scope,
    nodes: Vec<Node>,
    known: BTreeMap<Key, usize>,
    /// States on the way to rest, and whether all is well in the end.
    calmed: BTreeMap<Key, Option<(Kind, String)>>,
    kinds: BTreeMap<(Kind, String), (u64, Violation)>,
    found: Explored,
}

impl<'a> Search<'a> {
    const fn new(scope: &'a Scope) -> Self {
        Self {
            scope,
            nodes: Vec::new(),
            known: BTreeMap::new(),
            calmed: BTreeMap::new(),
            kinds: BTreeMap::new(),
            found: Explored {
                states: Vec::new(),
                transitions: 0,
                is_complete: true,
                compared: 0,
                unlike: Vec::new(),
                violations: Vec::new(),
                times: Vec::new(),
            },
        }
    }

    fn run(mut self, mut seen: impl FnMut(usize, usize)) -> Explored {
        match Play::new(&self.scope.setup) {
            Ok(play) => {
                let left = Left { faults: self.scope.faults, restarts: self.scope.restarts };
                self.known.insert(key::of(&play, left, self.scope.saves), 0);
                self.nodes.push(Node { parent: 0, step: Step::Wait(0), left });
                self.comes_to_rest(0, &play);
            }
            Err(says) => {
                let breach = Breach { kind: Kind::NoStart, by: String::from("settings"), says };
                self.keep(Vec::new(), breach);
            }
        }
        self.found.states.push(self.nodes.len());
        let mut from = 0;
        for depth in 1..=self.scope.depth {
            let to = self.nodes.len();
            for node in from..to {
                if self.nodes.len() >= self.scope.states {
                    self.found.is_complete = false;
                    break;
                }
                self.expand(node);
            }
            from = to;
            self.found.states.push(self.nodes.len() - to);
            seen(depth, self.nodes.len());
        }
        self.finish()
    }

    fn finish(mut self) -> Explored {
        for (times, mut violation) in self.kinds.into_values() {
            let schedule = violation.schedule.clone();
            violation.schedule = shrink::shortest(schedule, violation.kind, &violation.by);
            self.found.violations.push(violation);
            self.found.times.push(times);
        }
        self.found
    }

    /// The steps that led to a state.
    fn path(&self, mut node: usize) -> Vec<Step> {
        let mut path = Vec::new();
        while node != 0 {
            path.push(self.nodes[node].step);
            node = self.nodes[node].parent;
        }
        path.reverse();
        path
    }

    /// The state itself, played again from the beginning.
    fn state(&self, node: usize) -> Option<Play> {
        played(&self.scope.setup, &self.path(node))
    }

    fn expand(&mut self, node: usize) {
        let Some(play) = self.state(node) else { return };
        for Choice { step, left } in menu::of(&play, self.nodes[node].left, self.scope) {
            self.found.transitions += 1;
            let mut next = play.clone();
            if let Err(breach) = next.step(step) {
                let mut path = self.path(node);
                path.push(step);
                self.keep(path, breach);
                continue;
            }
            let new = self.nodes.len();
            let key = key::of(&next, left, self.scope.saves);
            match self.known.entry(key) {
                Entry::Vacant(entry) => {
                    entry.insert(new);
                    self.nodes.push(Node { parent: node, step, left });
                    self.comes_to_rest(new, &next);
                }
                Entry::Occupied(entry) => {
                    let known = *entry.get();
                    if self.found.transitions.is_multiple_of(COMPARED) {
                        let mut path = self.path(node);
                        path.push(step);
                        self.compare(&path, &next, known);
                    }
                }
            }
        }
    }

    /// Whether everything that can follow a state also follows the one that it is taken for.
    fn compare(&mut self, path: &[Step], play: &Play, known: usize) {
        self.found.compared += 1;
        let Some(other) = self.state(known) else { return };
        let left = self.nodes[known].left;
        if self.follow(play, left) != self.follow(&other, left) {
            self.found.unlike.push((path.to_vec(), self.path(known)));
        }
    }

    /// What follows each step: the next state, or the promise that is broken.
    fn follow(&self, play: &Play, left: Left) -> Vec<(Step, After)> {
        let after = |Choice { step, left }| {
            let mut next = play.clone();
            let result = next.step(step).map_err(|breach| (breach.kind, breach.by));
            (step, result.map(|()| key::of(&next, left, self.scope.saves)))
        };
        menu::of(play, left, self.scope).into_iter().map(after).collect()
    }

    /// Everything calms down after this state, and nobody is lost.
    fn comes_to_rest(&mut self, node: usize, play: &Play) {
        let mut play = play.clone();
        let since = play.world.now;
        let mut trail = Vec::new();
        let mut result = play.begin_to_calm();
        for _ in 0..CALM_ROUNDS {
            if result.is_err() {
                break;
            }
            let key = key::of(&play, Left { faults: 0, restarts: 0 }, 0);
            if let Some(end) = self.calmed.get(&key).cloned() {
                let Some((kind, by)) = end else {
                    self.calmed.extend(trail.into_iter().map(|key| (key, None)));
                    return;
                };
                result = Err(Breach { kind, by, says: String::new() });
                break;
            }
            trail.push(key);
            result = play.calm_round();
        }
        let end = result.and_then(|()| play.is_at_rest(since));
        let name = end.as_ref().err().map(|breach| (breach.kind, breach.by.clone()));
        self.calmed.extend(trail.into_iter().map(|key| (key, name.clone())));
        if let Err(breach) = end {
            let path = self.path(node);
            self.keep(path, breach);
        }
    }

    fn keep(&mut self, steps: Vec<Step>, breach: Breach) {
        let schedule = Schedule { seed: 0, setup: self.scope.setup.clone(), steps };
        let mut kinds = mem::take(&mut self.kinds);
        keep(&mut kinds, schedule, breach);
        self.kinds = kinds;
    }
}

/// A schedule played to its last step; `None` if it cannot begin or breaks a promise.
fn played(setup: &Setup, steps: &[Step]) -> Option<Play> {
    let mut play = Play::new(setup).ok()?;
    for &step in steps {
        play.step(step).ok()?;
    }
    Some(play)
}
