//! How much may a plan cost, and how much does it cost so far?

use crate::config::Effort;
use crate::outcome::Stop;

/// What a plan may spend, and what it would spend as it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    effort: Effort,
    /// Tasks that are not where they were.
    pub(super) moves: u64,
    pub(super) bytes: u64,
    pub(super) evaluations: u64,
    /// What the search had to do without; `None` if it could do all it wanted.
    lacks: Option<Stop>,
}

impl Limits {
    pub(super) const fn new(effort: Effort) -> Self {
        Self { effort, moves: 0, bytes: 0, evaluations: 0, lacks: None }
    }

    /// How many moves the plan may have; `u64::MAX` if there is no limit.
    pub(super) fn most_moves(&self) -> u64 {
        self.effort.moves.map_or(u64::MAX, u64::from)
    }

    /// Whether the number of moves is limited.
    pub(super) fn has_most(&self) -> bool {
        self.effort.moves.is_some() || self.effort.bytes.is_some()
    }

    /// Whether the bytes are limited, so that a small task may be admitted where a large one is not.
    pub(super) const fn is_about_bytes(&self) -> bool {
        self.effort.bytes.is_some()
    }

    /// Whether as many tasks move as may, with `extra` moves beyond the limit for the time being.
    pub(super) fn is_full_beyond(&self, extra: u64) -> bool {
        self.moves >= self.most_moves().saturating_add(extra)
    }

    /// Notes what the search had to do without.
    pub(super) fn note_lack(&mut self, lack: Stop) {
        if self.lacks != Some(Stop::Evaluations) {
            self.lacks = Some(lack);
        }
    }

    /// Whether there are as many evaluations as allowed.
    pub(super) fn note_evaluations(&mut self, evaluations: u64) -> bool {
        self.evaluations = evaluations;
        let is_out = self.effort.evaluations.is_some_and(|most| evaluations >= most);
        if is_out {
            self.lacks = Some(Stop::Evaluations);
        }
        is_out
    }

    /// Whether there is room for one more unit, with `extra` moves and a like share of bytes beyond the limit for the
    /// time being.
    pub(super) fn admits(&mut self, count: u32, bytes: Option<u64>, extra: u64) -> bool {
        let most = self.most_moves().saturating_add(extra);
        let is_within = self.moves + u64::from(count) <= most;
        let fits = self
            .effort
            .bytes
            .is_none_or(|most| bytes.is_some_and(|bytes| self.bytes.saturating_add(bytes) <= most));
        if !(is_within && fits) {
            self.note_lack(if is_within { Stop::Bytes } else { Stop::Moves });
        }
        is_within && fits
    }

    /// The limit that forbids the plan to change by so many moves and bytes; `None` if it may.
    pub(super) fn forbids(&self, moves: i64, bytes: Option<i64>, extra: u64) -> Option<Stop> {
        let most = self.most_moves().saturating_add(extra);
        let is_within = moves <= 0 || self.moves.saturating_add_signed(moves) <= most;
        let fits = self.effort.bytes.is_none_or(|most| {
            bytes.is_some_and(|bytes| bytes <= 0 || self.bytes.saturating_add_signed(bytes) <= most)
        });
        match (is_within, fits) {
            (true, true) => None,
            (true, false) => Some(Stop::Bytes),
            (false, _) => Some(Stop::Moves),
        }
    }

    pub(super) fn add(&mut self, count: u32, bytes: Option<u64>) {
        self.moves += u64::from(count);
        self.bytes = self.bytes.saturating_add(bytes.unwrap_or(0));
    }

    pub(super) fn remove(&mut self, count: u32, bytes: Option<u64>) {
        self.moves -= u64::from(count);
        self.bytes = self.bytes.saturating_sub(bytes.unwrap_or(0));
    }

    /// Why the search ended.
    pub(super) fn stop(&self) -> Stop {
        self.lacks.unwrap_or(Stop::NothingImproves)
    }
}
