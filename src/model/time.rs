//! How does the engine know the time? Only from the host.
//!
//! The engine never reads a clock: the present moment comes in with every [`Snapshot`](crate::Snapshot).
//! Spans are [`core::time::Duration`]; in configuration files and logs they are seconds.

use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::resource::whole;

/// A moment: milliseconds since an epoch that the host chose and keeps (the Unix epoch, say).
///
/// Prints as seconds (`12.500s`).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// This many milliseconds after the host's epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// This many seconds after the host's epoch; saturates at the largest moment.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000))
    }

    /// Milliseconds since the host's epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Seconds since the host's epoch.
    pub const fn as_secs_f64(self) -> f64 {
        Duration::from_millis(self.0).as_secs_f64()
    }

    /// How long after `earlier` this moment is; `None` if it is not later.
    ///
    /// ```
    /// use core::time::Duration;
    /// use evenkeel::Timestamp;
    /// let (noon, later) = (Timestamp::from_secs(0), Timestamp::from_secs(90));
    /// assert_eq!(later.since(noon), Some(Duration::from_secs(90)));
    /// assert_eq!(noon.since(later), None);
    /// ```
    pub const fn since(self, earlier: Self) -> Option<Duration> {
        match self.0.checked_sub(earlier.0) {
            Some(millis) => Some(Duration::from_millis(millis)),
            None => None,
        }
    }

    /// This moment plus a span; saturates at the largest moment.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }

    /// This moment less a span; saturates at the host's epoch.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis(span)))
    }

    /// Seconds from `origin` to this moment, negative if it is earlier: the axis of a regression.
    pub(crate) fn seconds_from(self, origin: Self) -> f64 {
        let (sign, millis) = match self.0.checked_sub(origin.0) {
            Some(ahead) => (1.0, ahead),
            None => (-1.0, origin.0 - self.0),
        };
        sign * seconds(Duration::from_millis(millis))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}s", self.0 / 1_000, self.0 % 1_000)
    }
}

/// Whole milliseconds of a span, saturating.
pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Seconds of a span, as a number.
pub(crate) fn seconds(span: Duration) -> f64 {
    span.as_secs_f64()
}

/// A span of this many seconds; the longest span if they do not fit.
///
/// From 48 days on, one number of seconds stands for several spans: it is read as whole milliseconds if it was written
/// from them, since clocks count those.
pub(crate) fn from_seconds(secs: f64) -> Duration {
    const EXACT: f64 = 4_194_304.0;
    let millis = Duration::from_millis(whole(libm::round(secs * 1e3)));
    if secs >= EXACT && seconds(millis).to_bits() == secs.to_bits() {
        return millis;
    }
    Duration::try_from_secs_f64(secs).unwrap_or(Duration::MAX)
}

/// A span as it will be read again once it is written as a number of seconds: the same up to 48 days.
pub(crate) fn readable(span: Duration) -> Duration {
    from_seconds(seconds(span))
}

/// Prints a span for an operator: `90s` as `1m30s`, `1500ms` as `1.5s`.
pub(crate) struct Span(pub(crate) Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (secs, millis) = (self.0.as_secs(), self.0.subsec_millis());
        let (hours, minutes, rest) = (secs / 3_600, secs / 60 % 60, secs % 60);
        match (hours, minutes, rest, millis) {
            (0, 0, rest, 0) => write!(f, "{rest}s"),
            (0, 0, rest, millis) => write!(f, "{rest}.{millis:03}s"),
            (0, minutes, 0, _) => write!(f, "{minutes}m"),
            (0, minutes, rest, _) => write!(f, "{minutes}m{rest:02}s"),
            (hours, 0, 0, _) => write!(f, "{hours}h"),
            (hours, minutes, _, _) => write!(f, "{hours}h{minutes:02}m"),
        }
    }
}

/// Serde: a span as seconds (`30` or `0.5`), the unit of the specification's options.
pub(crate) mod as_seconds {
    use core::time::Duration;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(super::seconds(*span))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let secs = f64::deserialize(from)?;
        if secs.is_finite() && secs >= 0.0 {
            return Ok(super::from_seconds(secs));
        }
        Err(D::Error::custom(format_args!("{secs} is not a span in seconds")))
    }
}

/// Serde: a moment as seconds since the host's epoch.
pub(crate) mod at_seconds {
    use super::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::model::resource::whole;

    pub(crate) fn serialize<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(at.as_secs_f64())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        let secs = f64::deserialize(from)?;
        if secs.is_finite() && secs >= 0.0 {
            return Ok(Timestamp::from_millis(whole(libm::round(secs * 1e3))));
        }
        Err(D::Error::custom(format_args!("{secs} is not a moment in seconds")))
    }
}

/// Serde: an optional moment as seconds since the host's epoch.
pub(crate) mod at_optional_seconds {
    use super::Timestamp;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct Seconds(#[serde(with = "super::at_seconds")] Timestamp);

    #[expect(clippy::ref_option, reason = "the signature is serde's")]
    pub(crate) fn serialize<S: Serializer>(
        at: &Option<Timestamp>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        at.map(Seconds).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        Ok(Option::<Seconds>::deserialize(from)?.map(|seconds| seconds.0))
    }
}

/// Serde: an optional span as seconds.
pub(crate) mod as_optional_seconds {
    use core::time::Duration;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct Seconds(#[serde(with = "super::as_seconds")] Duration);

    #[expect(clippy::ref_option, reason = "the signature is serde's")]
    pub(crate) fn serialize<S: Serializer>(
        span: &Option<Duration>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        span.map(Seconds).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<Seconds>::deserialize(from)?.map(|seconds| seconds.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn spans_print_for_operators() {
        let print = |millis| Span(Duration::from_millis(millis)).to_string();
        assert_eq!(print(500), "0.500s");
        assert_eq!(print(40_000), "40s");
        assert_eq!(print(90_000), "1m30s");
        assert_eq!(print(600_000), "10m");
        assert_eq!(print(5_400_000), "1h30m");
    }

    #[test]
    fn spans_are_read_as_they_were_written() {
        let read = |span| from_seconds(seconds(span));
        for millis in [1, 4_194_304_001, 12_345_678_901_775, (1 << 51) - 1] {
            assert_eq!(read(Duration::from_millis(millis)), Duration::from_millis(millis));
        }
        assert_eq!(read(Duration::MAX), Duration::MAX);
        for nanos in [1, 4_194_303_999_999_999, 12_345_678_901_234_567, u64::MAX] {
            let span = readable(Duration::from_nanos(nanos));
            assert_eq!(read(span), span);
            assert!(span.abs_diff(Duration::from_nanos(nanos)) < Duration::from_micros(2));
        }
    }

    #[test]
    fn moments_saturate_and_never_wrap() {
        let end = Timestamp::from_millis(u64::MAX);
        assert_eq!(end.after(Duration::from_secs(1)), end);
        assert_eq!(Timestamp::from_secs(1).before(Duration::from_secs(2)), Timestamp::default());
        let (a, b) = (Timestamp::from_secs(10), Timestamp::from_secs(13));
        assert_eq!(a.seconds_from(b).to_bits(), (-3.0_f64).to_bits());
    }
}
