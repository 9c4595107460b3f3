//! What does the engine remember about one worker?

use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::math::window::Window;
use crate::model::ids::WorkerId;
use crate::model::time::Timestamp;
use crate::snapshot::Stance;

/// How many samples are in the mean that detection may look at: five, as in the original.
pub(crate) const RECENT: usize = 5;
/// At most this many samples are kept per worker. At the default interval of 30 s, ten minutes are 20 samples.
pub(crate) const SAMPLES: usize = 64;

/// What the engine remembers about one worker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Track {
    pub(crate) stance: Stance,
    /// Whether the last complete snapshot did not list the worker.
    pub(crate) gone: bool,
    /// When a partial snapshot last named the worker, if the last complete snapshot did not: the worker may
    /// disappear unnoticed. `None` for workers of the last complete snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) passing: Option<Timestamp>,
    /// Whether the worker leaves so soon that it is being emptied.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub(crate) leaving: bool,
    /// Samples, spaced so that they reach back as far as the history of forecasts.
    pub(crate) samples: Window<Sample, SAMPLES>,
    /// The last samples, however close together.
    pub(crate) recent: Window<Sample, RECENT>,
    /// The span in which a measurement may show only a part of one of our moves. Each sample in it, and the first one
    /// after it, starts a new segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) level_shift: Option<(Timestamp, Timestamp)>,
}

impl Track {
    /// Whether the worker takes tasks.
    pub(crate) fn takes_tasks(&self) -> bool {
        !self.gone && !self.leaving && self.stance == Stance::Accept
    }

    /// Whether the worker is gone: the host says so, or no longer lists it.
    pub(crate) fn is_gone(&self) -> bool {
        let is_out_of_reach = self.stance == Stance::Offline;
        self.gone || (is_out_of_reach && !broken!("out_of_reach_is_gone"))
    }

    /// Whether the worker can take a task back.
    pub(crate) fn takes_back(&self) -> bool {
        !self.gone && !self.leaving && self.stance < Stance::Drain
    }

    /// Notes that one of our moves changes the load at `at`, which telemetry shows at most `lag` later: the
    /// segment of the samples before it ends, and a new one starts.
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

    /// Whether a sample of this moment starts a segment.
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
    /// Whether the sample starts a segment: one of our moves lies between it and the sample before.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub(crate) segment_start: bool,
}

/// A forecast that waits for its outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pending {
    pub(crate) due: Timestamp,
    pub(crate) loads: Vec<(WorkerId, f64)>,
    /// Half the width of each worker's interval, if intervals are judged too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) margins: Vec<f64>,
}
