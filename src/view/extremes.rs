//! What are the highest and the lowest of many values, as single values change?
//!
//! Of 0.2, 0.5 and 0.9 the spread is 0.7. With 0.9 replaced by 0.6 it is 0.4; with 0.2 replaced by 0.6 as
//! well, 0.1. Each change costs O(log n).

use alloc::collections::BTreeSet;

use crate::math::total::Total;
use crate::model::rows::{Column, Row};

/// A value per row, and their order.
#[derive(Clone, Debug)]
pub(crate) struct Extremes<R> {
    values: Column<R, Option<f64>>,
    sorted: BTreeSet<(Total, R)>,
}

impl<R: Row + Ord> Extremes<R> {
    /// No values yet, in `count` rows.
    pub(crate) fn of(count: usize) -> Self {
        Self { values: Column::filled(None, count), sorted: BTreeSet::new() }
    }

    pub(crate) fn get(&self, row: R) -> Option<f64> {
        self.values[row]
    }

    pub(crate) fn set(&mut self, row: R, value: Option<f64>) {
        if let Some(before) = core::mem::replace(&mut self.values[row], value) {
            self.sorted.remove(&(Total(before), row));
        }
        if let Some(value) = value {
            self.sorted.insert((Total(value), row));
        }
    }

    /// The highest less the lowest value; minus infinity if there are no values.
    pub(crate) fn spread(&self) -> f64 {
        let highest = self.sorted.last().map_or(f64::NEG_INFINITY, |(value, _)| value.0);
        let lowest = self.sorted.first().map_or(f64::INFINITY, |(value, _)| value.0);
        highest - lowest
    }

    /// The same with the values of two rows replaced; `None` leaves a row as it is.
    pub(crate) fn spread_with(&self, replaced: [(R, Option<f64>); 2]) -> f64 {
        let is_kept = |entry: &&(Total, R)| {
            replaced.iter().all(|(row, value)| value.is_none() || *row != entry.1)
        };
        let highest = self.sorted.iter().rev().find(is_kept).map(|(value, _)| value.0);
        let lowest = self.sorted.iter().find(is_kept).map(|(value, _)| value.0);
        let (mut highest, mut lowest) =
            (highest.unwrap_or(f64::NEG_INFINITY), lowest.unwrap_or(f64::INFINITY));
        for value in replaced.into_iter().filter_map(|(_, value)| value) {
            highest = highest.max(value);
            lowest = lowest.min(value);
        }
        highest - lowest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::rows::WorkerRow;

    #[test]
    fn a_replaced_value_counts_instead_of_the_old_one() {
        let mut extremes = Extremes::of(3);
        let rows = [0, 1, 2].map(WorkerRow::at);
        for (row, value) in rows.into_iter().zip([0.2, 0.5, 0.9]) {
            extremes.set(row, Some(value));
        }
        let near = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12, "{found}");
        near(extremes.spread(), 0.7);
        near(extremes.spread_with([(rows[2], Some(0.6)), (rows[1], None)]), 0.4);
        near(extremes.spread_with([(rows[2], Some(0.6)), (rows[0], Some(0.6))]), 0.1);
        extremes.set(rows[2], None);
        near(extremes.spread(), 0.3);
    }
}
