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
    /// Whether it leaves so soon that it is being emptied.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub(crate) leaving: bool,
    /// Spaced so that they reach back as far as a forecast looks.
    pub(crate) samples: Window<Sample, SAMPLES>,
    /// The last ones, however close together.
    pub(crate) recent: Window<Sample, RECENT>,
    /// From when and until when measurements may show a move of ours in part: each sample between begins a
    /// part, and so does the first that comes after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parting: Option<(Timestamp, Timestamp)>,
}

impl Track {
    /// A task of ours came or went, and telemetry shows it so much later: lines through the samples before
    /// and after are two parts of one.
    pub(crate) fn part(&mut self, at: Timestamp, lag: Duration) {
        let until = at.after(lag);
        let after = self.samples.iter().map(|sample| sample.at).find(|it| *it >= until);
        self.samples.replace_where(
            |it| (it.at >= at && it.at < until) || Some(it.at) == after,
            |it| it.parted = true,
        );
        if after.is_none() {
            let (from, to) = self.parting.unwrap_or((at, until));
            self.parting = Some((from.min(at), to.max(until)));
        }
    }

    /// Whether what is measured at this moment begins a part.
    pub(crate) fn begins_part(&self, at: Timestamp) -> bool {
        let again = || self.samples.iter().any(|sample| sample.parted && sample.at == at);
        self.parting.is_some_and(|(from, _)| at >= from) || again()
    }

    /// Keeps a sample.
    pub(crate) fn keep(&mut self, sample: Sample) {
        self.samples.push(Sample { parted: self.begins_part(sample.at), ..sample });
        self.parting = self.parting.filter(|(_, until)| *until > sample.at);
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
