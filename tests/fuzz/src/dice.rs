//! What comes next at random: from a seed, or from the bytes of an input.

/// Splitmix64, with a byte of the input mixed into every number: the same input rolls the same numbers.
#[derive(Clone, Debug)]
pub struct Dice {
    state: u64,
    bytes: Vec<u8>,
    rolled: usize,
}

impl Dice {
    /// From a seed alone.
    pub const fn new(seed: u64) -> Self {
        Self { state: seed, bytes: Vec::new(), rolled: 0 }
    }

    /// From an input: each number depends on one byte, and on how many were rolled before.
    pub fn of(bytes: &[u8]) -> Self {
        Self { state: 0, bytes: bytes.to_vec(), rolled: 0 }
    }

    /// Any number.
    pub fn roll(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let byte = self.bytes.get(self.rolled % self.bytes.len().max(1)).copied();
        self.rolled += 1;
        let mut mixed =
            self.state ^ u64::from(byte.unwrap_or(0)).wrapping_mul(0x2545_f491_4f6c_dd1d);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to `count` - 1; 0 if there is nothing to choose from.
    pub fn below(&mut self, count: usize) -> usize {
        let rolled = usize::try_from(self.roll() >> 16).unwrap_or_default();
        if count == 0 { 0 } else { rolled % count }
    }

    /// Whether something happens that happens so many times out of a hundred.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of these.
    pub fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        let at = self.below(from.len());
        from.get(at).cloned()
    }
}
