//! What comes next at random, from a seed alone?

/// Splitmix64: the same numbers on every platform.
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) const fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to `sides` less one; 0 if there are no sides.
    pub(super) fn below(&mut self, sides: usize) -> usize {
        let nth = self.roll().checked_rem(sides as u64).unwrap_or(0);
        usize::try_from(nth).unwrap_or(0)
    }

    /// Sixteen bits, a quarter of them set.
    pub(super) fn few_bits(&mut self) -> u16 {
        u16::try_from(self.roll() & self.roll() & 0xffff).unwrap_or(0)
    }

    /// Whether an event of so many chances in a hundred happens.
    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of these; `None` of nothing.
    pub(super) fn pick<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        let nth = self.below(of.len());
        of.get(nth).copied()
    }
}
