//! The tasks' work: chains of numbers that are slow to walk and quick to check.
//!
//! A [`Chain`] is a table of 64-bit words. One step picks the next word of the table and sends it through
//! [`BURST`] rounds of a linear congruential generator, one multiplication after the other: real work for a
//! processor, and no part of it can be skipped. The table and the count of steps are the whole state, so a chain
//! can stop on one worker and go on at another.
//!
//! The coordinator checks the outcome by a second method. A linear congruential generator can jump any number of
//! rounds ahead in a few dozen multiplications, so [`Chain::expected`] builds the state that a chain *without any
//! move* has after the same steps, in microseconds. Half a minute of work on all workers is verified in
//! milliseconds, and a single lost, repeated or garbled step shows.

use std::hint::black_box;
use std::time::Instant;

/// Rounds of the generator in one step: about a third of a microsecond, so that a step is small against a time
/// slice and large against the bookkeeping around it.
const BURST: u64 = 256;

/// Multiplier and increment of the generator, Knuth's MMIX.
const ROUND: Affine =
    Affine { factor: 6_364_136_223_846_793_005, addend: 1_442_695_040_888_963_407 };

/// The map `x -> factor * x + addend`, modulo 2^64.
#[derive(Clone, Copy)]
struct Affine {
    factor: u64,
    addend: u64,
}

impl Affine {
    /// The map that changes nothing.
    const IDENTITY: Self = Self { factor: 1, addend: 0 };

    /// Applies the map once.
    fn apply(self, x: u64) -> u64 {
        self.factor.wrapping_mul(x).wrapping_add(self.addend)
    }

    /// The map that first does `self`, then `next`.
    fn then(self, next: Self) -> Self {
        Self { factor: next.factor.wrapping_mul(self.factor), addend: next.apply(self.addend) }
    }

    /// The map done `times` over, by repeated squaring.
    fn repeated(self, mut times: u64) -> Self {
        let (mut result, mut power) = (Self::IDENTITY, self);
        while times > 0 {
            if times & 1 == 1 {
                result = result.then(power);
            }
            power = power.then(power);
            times >>= 1;
        }
        result
    }
}

/// A task's work and its whole state: a table of words and the number of steps done on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chain {
    steps: u64,
    words: Vec<u64>,
}

impl Chain {
    /// The chain that `seed` begins, with a table of `words` words, before its first step.
    pub(crate) fn new(seed: u64, words: usize) -> Self {
        let mut mixer = Mixer::new(seed);
        Self { steps: 0, words: (0..words.max(1)).map(|_| mixer.next()).collect() }
    }

    /// The state after `steps` steps without interruption, by the closed form.
    pub(crate) fn expected(seed: u64, words: usize, steps: u64) -> Self {
        let mut chain = Self::new(seed, words);
        let count = chain.words.len() as u64;
        let (laps, extra) = (steps / count, steps % count);
        let every_word = ROUND.repeated(laps * BURST);
        let one_lap_more = ROUND.repeated((laps + 1) * BURST);
        for (index, word) in (0_u64..).zip(&mut chain.words) {
            *word = if index < extra { one_lap_more } else { every_word }.apply(*word);
        }
        chain.steps = steps;
        chain
    }

    /// Steps done since the beginning, on whichever workers they were done.
    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }

    /// Does `steps` steps, the long way, but none beyond `last` if the chain has an end; returns how many it did.
    pub(crate) fn run(&mut self, steps: u64, last: Option<u64>) -> u64 {
        let left = last.map_or(u64::MAX, |last| last.saturating_sub(self.steps));
        let (steps, count) = (steps.min(left), self.words.len() as u64);
        for _ in 0..steps {
            let index = usize::try_from(self.steps % count)
                .expect("an index into a table fits its own type");
            let mut x = self.words[index];
            for _ in 0..BURST {
                x = black_box(ROUND.apply(x));
            }
            self.words[index] = x;
            self.steps += 1;
        }
        steps
    }

    /// The state as bytes, to be handed to another worker: the steps, then the words, little-endian.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 * (1 + self.words.len()));
        bytes.extend_from_slice(&self.steps.to_le_bytes());
        for word in &self.words {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// The steps in a state, without reading the rest of it.
    pub(crate) fn steps_in(bytes: &[u8]) -> Option<u64> {
        Some(u64::from_le_bytes(*bytes.first_chunk::<8>()?))
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote; `None` if the bytes cannot be a state.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (numbers, rest) = bytes.as_chunks::<8>();
        let (steps, words) = numbers.split_first()?;
        if !rest.is_empty() || words.is_empty() {
            return None;
        }
        let words = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
        Some(Self { steps: u64::from_le_bytes(*steps), words })
    }
}

/// Steps that one second of processor time allows on this machine, measured for a few milliseconds.
///
/// The best of several short runs, because a neighbour can only make it slower. It sets how long finite tasks are;
/// their results do not depend on it.
pub(crate) fn steps_per_second() -> f64 {
    let mut chain = Chain::new(1, 512);
    let once = |chain: &mut Chain| {
        let begin = Instant::now();
        crate::number(chain.run(4_000, None)) / begin.elapsed().as_secs_f64().max(1e-9)
    };
    (0..8).map(|_| once(&mut chain)).fold(1.0, f64::max)
}

/// The small generator (`SplitMix64`) behind `--seed`: it fills tables and draws the tasks' sizes.
pub(crate) struct Mixer(u64);

impl Mixer {
    /// A generator whose whole future is `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from `low` up to, but not including, `high`.
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * crate::number(self.next() >> 11) / crate::number(1 << 53)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closed_form_is_what_a_straight_run_gives() {
        for (words, steps) in [(1, 0), (1, 9), (5, 4), (5, 5), (5, 17), (64, 1000)] {
            let mut walked = Chain::new(7, words);
            walked.run(steps, None);
            assert_eq!(walked, Chain::expected(7, words, steps), "{words} words, {steps} steps");
        }
    }

    #[test]
    fn a_chain_that_moves_ends_where_one_that_stays_ends() {
        let mut stayed = Chain::new(3, 10);
        stayed.run(100, None);
        let mut moved = Chain::new(3, 10);
        moved.run(33, None);
        let mut resumed = Chain::from_bytes(&moved.to_bytes()).expect("the state reads back");
        resumed.run(67, None);
        assert_eq!(resumed, stayed);
    }

    #[test]
    fn one_step_done_twice_shows() {
        let mut chain = Chain::new(3, 10);
        chain.run(11, None);
        chain.steps = 10;
        assert_ne!(chain, Chain::expected(3, 10, 10));
    }

    #[test]
    fn bytes_that_cannot_be_a_state_are_refused() {
        let bytes = Chain::new(1, 4).to_bytes();
        assert_eq!(bytes.len(), 8 * 5);
        for wrong in [&bytes[..0], &bytes[..8], &bytes[..39]] {
            assert_eq!(Chain::from_bytes(wrong), None, "{} bytes", wrong.len());
        }
    }

    #[test]
    fn a_finite_chain_stops_at_its_last_step() {
        let mut chain = Chain::new(1, 4);
        assert_eq!(chain.run(30, Some(50)), 30);
        assert_eq!(chain.run(30, Some(50)), 20);
        assert_eq!(chain.steps(), 50);
    }

    #[test]
    fn drawn_numbers_stay_in_their_range() {
        let mut mixer = Mixer::new(9);
        assert!((0..1000).all(|_| (1.0..3.0).contains(&mixer.between(1.0, 3.0))));
    }
}
