//! Chance that a seed repeats.

/// The generator `SplitMix64`.
pub struct Dice {
    state: u64,
}

impl Dice {
    /// Chance that begins here.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    fn roll(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// So many of these, each with the same chance, or all; in the order in which they stand.
    pub fn draw<T>(&mut self, from: Vec<T>, count: usize) -> Vec<T> {
        let mut rolled: Vec<(u64, usize, T)> =
            from.into_iter().enumerate().map(|(index, item)| (self.roll(), index, item)).collect();
        rolled.sort_by_key(|(roll, index, _)| (*roll, *index));
        rolled.truncate(count);
        rolled.sort_by_key(|(_, index, _)| *index);
        rolled.into_iter().map(|(_, _, item)| item).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Dice;

    #[test]
    fn a_seed_draws_the_same_again_and_another_seed_others() {
        let draw = |seed| Dice::new(seed).draw((0..1_000).collect(), 30);
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert!(draw(1).is_sorted());
        assert_eq!(Dice::new(1).draw(vec![1, 2, 3], 30), [1, 2, 3]);
    }
}
