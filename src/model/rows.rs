//! Which row of a snapshot? Two types, so that a worker's row is never taken for a task's.
//!
//! A row is a position among the snapshot's sorted workers or tasks. It is valid for that snapshot only:
//! rows never leave a round, and no row is kept in the state.

use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Index, IndexMut};

/// An index of a column of a round.
pub(crate) trait Row: Copy {
    /// The row at a position.
    fn at(position: usize) -> Self;
    /// Its position.
    fn position(self) -> usize;
}

macro_rules! row {
    ($(#[$doc:meta])* $name:ident, $letter:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) struct $name(u32);

        impl $name {
            /// The first `count` rows, in order.
            pub(crate) fn first(count: usize) -> impl DoubleEndedIterator<Item = Self> + Clone {
                (0..count).map(Self::at)
            }
        }

        impl Row for $name {
            fn at(position: usize) -> Self {
                // A snapshot of 2^32 records does not fit into memory; rows beyond would be the last one.
                Self(u32::try_from(position).unwrap_or(u32::MAX))
            }

            fn position(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($letter, "{}"), self.0)
            }
        }
    };
}

row! {
    /// The row of a worker.
    WorkerRow, "worker row "
}
row! {
    /// The row of a task.
    TaskRow, "task row "
}

/// One value per row.
#[derive(Clone, Debug)]
pub(crate) struct Column<R, T> {
    values: Vec<T>,
    row: PhantomData<R>,
}

impl<R: Row, T> Column<R, T> {
    /// The same value in `count` rows.
    pub(crate) fn filled(value: T, count: usize) -> Self
    where
        T: Clone,
    {
        Self { values: alloc::vec![value; count], row: PhantomData }
    }

    pub(crate) const fn len(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn iter(&self) -> core::slice::Iter<'_, T> {
        self.values.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> core::slice::IterMut<'_, T> {
        self.values.iter_mut()
    }

    /// Each row with its value, in order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (R, &T)> {
        self.values.iter().enumerate().map(|(position, value)| (R::at(position), value))
    }

    pub(crate) fn get(&self, row: R) -> Option<&T> {
        self.values.get(row.position())
    }
}

impl<R, T> FromIterator<T> for Column<R, T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Self { values: values.into_iter().collect(), row: PhantomData }
    }
}

impl<R: Row, T> Index<R> for Column<R, T> {
    type Output = T;

    fn index(&self, row: R) -> &T {
        &self.values[row.position()]
    }
}

impl<R: Row, T> IndexMut<R> for Column<R, T> {
    fn index_mut(&mut self, row: R) -> &mut T {
        &mut self.values[row.position()]
    }
}
