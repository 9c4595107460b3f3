//! What is remembered of one worker: how loaded it was, and what is expected of it.

use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::math::window::Window;
use crate::model::ids::WorkerId;
use crate::model::time::Timestamp;
use crate::snapshot::Stance;

/// Samples in the mean that detection may look at: the original's five.
pub(crate) const RECENT: usize = 5;
/// Samples kept per worker. At the default interval of 30 s, ten minutes are 20 samples.
pub(crate) const SAMPLES: usize = 64;

/// What is remembered of one worker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Track {
    pub(crate) stance: Stance,
    /// Whether a complete snapshot came without it.
    pub(crate) gone: bool,
    /// When it was last named, if only by partial snapshots: it may go and nobody says so. Nothing
    /// for those of the last complete snapshot: the next one tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) passing: Option<Timestamp>,
    /// Whether it leaves so soon that it is being emptied.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub(crate) leaving: bool,
    /// Spaced so that they reach back as far as a forecast looks.
    pub(crate) samples: Window<Sample, SAMPLES>,
    /// The last ones, however close together.
    pub(crate) recent: Window<Sample, RECENT>,
    /// From when and until when measurements may show a part of what a move of ours changes: each sample
    /// between starts a segment, and so does the first that comes after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) level_shift: Option<(Timestamp, Timestamp)>,
}

impl Track {
    /// Whether the worker takes tasks.
    pub(crate) fn takes_tasks(&self) -> bool {
        !self.gone && !self.leaving && self.stance == Stance::Accept
    }

    /// Whether the worker can have back what it gave away.
    pub(crate) fn takes_back(&self) -> bool {
        !self.gone && !self.leaving && self.stance < Stance::Drain
    }

    /// A task of ours came or went at `at`, and telemetry shows it at most `lag` later: the line through the
    /// samples before ends, and another segment starts.
    pub(crate) fn note_own_move(&mut self, at: Timestamp, lag: Duration) {
        let until = at.after(lag);
        let after = self.samples.iter().map(|sample| sample.at).find(|at| *at >= until);
        self.samples.replace_where(
            |sample| (sample.at >= at && sample.at < until) || Some(sample.at) == after,
            |sample| sample.segment_start = true,
        );
        if after.is_none() {
            let (from, to) = self.level_shift.unwrap_or((at, until));
            self.level_shift = Some((from.min(at), to.max(until)));
        }
    }

    /// Whether what is measured at this moment starts a segment.
    pub(crate) fn starts_segment(&self, at: Timestamp) -> bool {
        let again = || self.samples.iter().any(|sample| sample.segment_start && sample.at == at);
        self.level_shift.is_some_and(|(from, _)| at >= from) || again()
    }

    /// Keeps a sample.
    pub(crate) fn keep(&mut self, sample: Sample) {
        self.samples.push(Sample { segment_start: self.starts_segment(sample.at), ..sample });
        self.level_shift = self.level_shift.filter(|(_, until)| *until > sample.at);
    }
}

/// One worker's load at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) at: Timestamp,
    pub(crate) load: f64,
    /// Whether it starts a segment: a move of ours lies between it and the one before.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub(crate) segment_start: bool,
}

/// A forecast that waits for its outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pending {
    pub(crate) due: Timestamp,
    pub(crate) loads: Vec<(WorkerId, f64)>,
    /// Half the width of each one's interval, where that is judged too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) margins: Vec<f64>,
}
