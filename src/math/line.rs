//! How fast does something grow? A straight line through points, by least squares.

/// The line `y = intercept + slope * x` that lies closest to some points.
///
/// Three points (0, 1), (1, 3), (2, 5) give slope 2, intercept 1 and a fit of 1; the points
/// (0, 1), (1, 1), (2, 4) give slope 1.5, intercept 0.5 and a fit of 0.75.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Line {
    pub(crate) slope: f64,
    pub(crate) intercept: f64,
    /// Coefficient of determination (R squared), 0 to 1; 1 for constant data, which any line
    /// explains.
    pub(crate) fit: f64,
}

impl Line {
    /// Least squares through `points`; `None` for fewer than two, or if all stand at one `x`.
    pub(crate) fn through(points: impl Iterator<Item = (f64, f64)> + Clone) -> Option<Self> {
        let (mut count, mut sum_x, mut sum_y) = (0.0, 0.0, 0.0);
        for (x, y) in points.clone() {
            count += 1.0;
            sum_x += x;
            sum_y += y;
        }
        if count < 2.0 {
            return None;
        }
        let (mean_x, mean_y) = (sum_x / count, sum_y / count);
        let (mut var_x, mut var_y, mut covariance) = (0.0, 0.0, 0.0);
        for (x, y) in points {
            var_x += (x - mean_x) * (x - mean_x);
            var_y += (y - mean_y) * (y - mean_y);
            covariance += (x - mean_x) * (y - mean_y);
        }
        if var_x <= 0.0 {
            return None;
        }
        let slope = covariance / var_x;
        // Less than one part in 10^9 is rounding: eleven times 0.8 has a mean that is not quite 0.8.
        let rounding = 1e-9 * mean_y;
        let flat = var_y <= count * rounding * rounding;
        let fit = if flat { 1.0 } else { (slope * covariance / var_y).clamp(0.0, 1.0) };
        Some(Self { slope, intercept: mean_y - slope * mean_x, fit })
    }

    /// The value of the line at `x`.
    pub(crate) fn at(self, x: f64) -> f64 {
        self.intercept + self.slope * x
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worked_examples_hold() {
        let straight = Line::through([(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)].into_iter()).unwrap();
        assert_eq!(straight, Line { slope: 2.0, intercept: 1.0, fit: 1.0 });
        let bent = Line::through([(0.0, 1.0), (1.0, 1.0), (2.0, 4.0)].into_iter()).unwrap();
        assert_eq!(bent, Line { slope: 1.5, intercept: 0.5, fit: 0.75 });
    }

    #[test]
    fn too_little_to_go_by_is_no_line() {
        assert_eq!(Line::through([(1.0, 1.0)].into_iter()), None);
        assert_eq!(Line::through([(1.0, 1.0), (1.0, 2.0)].into_iter()), None);
    }

    #[test]
    fn constant_data_is_explained_in_full() {
        let flat = Line::through([(0.0, 0.5), (1.0, 0.5), (2.0, 0.5)].into_iter()).unwrap();
        assert_eq!(flat, Line { slope: 0.0, intercept: 0.5, fit: 1.0 });
        let rounded = Line::through((0..11).map(|x| (f64::from(x), 0.8))).unwrap();
        assert_eq!(rounded.fit, 1.0);
    }
}
