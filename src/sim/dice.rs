//! Where do random numbers come from? From one seed, with a stream of its own for every use, so that the draws for one
//! thing do not change those for another.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use statrs::distribution::{ContinuousCDF, Normal};

use super::scenario::Spread;

/// What a stream of random numbers is used for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stream {
    Cluster,
    Tasks,
    Arrivals,
    Events,
    Moves,
    /// The noise of one task.
    Noise(u64),
    /// The measurements of one worker.
    Telemetry(u64),
}

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub(super) struct Dice(Xoshiro256PlusPlus);

impl Dice {
    pub(super) fn new(seed: u64, stream: Stream) -> Self {
        let (kind, number) = match stream {
            Stream::Cluster => (1, 0),
            Stream::Tasks => (2, 0),
            Stream::Arrivals => (3, 0),
            Stream::Events => (5, 0),
            Stream::Moves => (6, 0),
            Stream::Noise(task) => (7, task),
            Stream::Telemetry(worker) => (8, worker),
        };
        // Odd factors are permutations of u64; the generator's own seeding mixes the bits.
        let mixed = seed
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .wrapping_add(kind)
            .wrapping_mul(0xD129_1D7B_7E3B_4F4D)
            .wrapping_add(number);
        Self(Xoshiro256PlusPlus::seed_from_u64(mixed))
    }

    /// 0 to 1.
    pub(super) fn unit(&mut self) -> f64 {
        self.0.random()
    }

    pub(super) fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    pub(super) fn between(&mut self, [from, to]: [f64; 2]) -> f64 {
        from + (to - from) * self.unit()
    }

    /// One of `0..count`.
    pub(super) fn one_of(&mut self, count: usize) -> usize {
        self.0.random_range(0..count as u64) as usize
    }

    /// Mean 0, deviation 1.
    pub(super) fn normal(&mut self) -> f64 {
        // Away from 0 and 1, where the inverse is infinite.
        let unit = self.unit().clamp(1e-12, 1.0 - 1e-12);
        Normal::standard().inverse_cdf(unit)
    }

    pub(super) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * libm::log(1.0 - self.unit())
    }

    pub(super) fn spread(&mut self, spread: &Spread) -> f64 {
        let draw = if spread.exponential {
            self.exponential(spread.median / core::f64::consts::LN_2)
        } else {
            spread.median * libm::exp(spread.sigma * self.normal())
        };
        spread.most.map_or(draw, |most| draw.min(most))
    }

    /// An index, in proportion to its weight.
    pub(super) fn weighted(&mut self, weights: &[f64]) -> usize {
        let mut left = self.unit() * weights.iter().sum::<f64>();
        for (index, weight) in weights.iter().enumerate() {
            left -= weight;
            if left < 0.0 {
                return index;
            }
        }
        weights.len().saturating_sub(1)
    }

    /// `many` of `0..count`, in the order drawn.
    pub(super) fn some(&mut self, count: usize, many: usize) -> alloc::vec::Vec<usize> {
        let mut all: alloc::vec::Vec<usize> = (0..count).collect();
        for at in 0..many.min(count) {
            let other = at + self.one_of(count - at);
            all.swap(at, other);
        }
        all.truncate(many);
        all
    }
}
