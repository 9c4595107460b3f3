//! What were the most recent values? A queue of bounded length.

use alloc::collections::VecDeque;

use serde::{Deserialize, Deserializer, Serialize};

/// A queue that forgets its oldest value when a new one would exceed the bound `N`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub(crate) struct Window<T, const N: usize> {
    values: VecDeque<T>,
}

/// The bound also holds for a window that is read back.
impl<'de, T: Deserialize<'de>, const N: usize> Deserialize<'de> for Window<T, N> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut window = Self::default();
        VecDeque::deserialize(from)?.into_iter().for_each(|value| window.push(value));
        Ok(window)
    }
}

impl<T, const N: usize> Default for Window<T, N> {
    fn default() -> Self {
        Self { values: VecDeque::new() }
    }
}

impl<T, const N: usize> Window<T, N> {
    /// Adds the newest value.
    pub(crate) fn push(&mut self, value: T) {
        while self.values.len() >= N {
            self.values.pop_front();
        }
        self.values.push_back(value);
    }

    /// Forgets values from the oldest on while `stale` says so.
    pub(crate) fn forget_while(&mut self, stale: impl Fn(&T) -> bool) {
        while self.values.front().is_some_and(&stale) {
            self.values.pop_front();
        }
    }

    /// Forgets values that `keep` does not hold for, oldest first.
    pub(crate) fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        self.values.retain(keep);
    }

    /// Changes the values that `holds` picks.
    pub(crate) fn replace_where(&mut self, holds: impl Fn(&T) -> bool, change: impl FnMut(&mut T)) {
        self.values.iter_mut().filter(|value| holds(value)).for_each(change);
    }

    /// Oldest first.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &T> + DoubleEndedIterator + Clone {
        self.values.iter()
    }

    /// The last `count` values (fewer if there are fewer), oldest first.
    pub(crate) fn last(&self, count: usize) -> impl ExactSizeIterator<Item = &T> + Clone {
        self.values.iter().skip(self.values.len().saturating_sub(count))
    }

    /// The newest value.
    pub(crate) fn newest(&self) -> Option<&T> {
        self.values.back()
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn the_oldest_goes_first() {
        let mut window = Window::<u32, 3>::default();
        (1..=5).for_each(|value| window.push(value));
        assert_eq!(window.iter().copied().collect::<Vec<_>>(), [3, 4, 5]);
        assert_eq!(window.last(2).copied().collect::<Vec<_>>(), [4, 5]);
        window.forget_while(|value| *value < 5);
        assert_eq!((window.len(), window.newest()), (1, Some(&5)));
    }
}
