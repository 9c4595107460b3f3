//! What is remembered of one worker: how loaded it was, and what is expected of it.

use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::{RECENT, SAMPLES};
use crate::math::window::Window;
use crate::model::ids::WorkerId;
use crate::model::time::Timestamp;
use crate::snapshot::Stance;

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
    /// Spaced so that they reach back as far as a forecast looks.
    pub(crate) samples: Window<Sample, SAMPLES>,
    /// The last ones, however close together.
    pub(crate) recent: Window<Sample, RECENT>,
    /// Whether it leaves so soon that it is being emptied.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub(crate) leaving: bool,
    /// Until when measurements may not show a move of ours in full: the first sample from then on begins
    /// a part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parting: Option<Timestamp>,
}

impl Track {
    /// A task of ours came or went, and telemetry shows it so much later: lines through the samples before
    /// and after are two parts of one.
    pub(crate) fn part(&mut self, at: Timestamp, lag: Duration) {
        let until = at.after(lag);
        for border in [at, until] {
            let first = self.samples.iter().map(|sample| sample.at).find(|it| *it >= border);
            self.samples.replace_where(|it| Some(it.at) == first, |it| it.parted = true);
        }
        if self.samples.newest().is_none_or(|newest| newest.at < until) {
            self.parting = self.parting.max(Some(until));
        }
    }

    /// Keeps a sample.
    pub(crate) fn keep(&mut self, sample: Sample) {
        self.samples.push(Sample { parted: self.parting.is_some(), ..sample });
        self.parting = self.parting.filter(|until| *until > sample.at);
    }
}

/// One worker's load at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) at: Timestamp,
    pub(crate) load: f64,
    /// Whether it begins a part: a move of ours lies between it and the one before.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub(crate) parted: bool,
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
