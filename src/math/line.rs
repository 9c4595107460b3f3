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
    spread: Spread,
}

/// How far points lie from their line, and along it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Spread {
    count: f64,
    mean_x: f64,
    /// Sum of squared distances from `mean_x`.
    var_x: f64,
    /// Sum of squared residuals.
    residuals: f64,
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
        let spread = Spread { count, mean_x, var_x, residuals: (1.0 - fit) * var_y };
        Some(Self { slope, intercept: mean_y - slope * mean_x, fit, spread })
    }

    /// The value of the line at `x`.
    pub(crate) fn at(self, x: f64) -> f64 {
        self.intercept + self.slope * x
    }

    /// Half the width of the 80 % prediction interval for a new point at `x`; `None` for fewer than
    /// three points, which any line meets.
    ///
    /// The points (0, 1), (1, 1), (2, 4) leave residuals of 0.5, -1 and 0.5: `s^2` is 1.5 / 1; at 3
    /// it is 3.078 x 1.225 x sqrt(1 + 1/3 + 4/2) = 6.88.
    pub(crate) fn margin(&self, x: f64) -> Option<f64> {
        let Spread { count, mean_x, var_x, residuals } = self.spread;
        let freedom = count - 2.0;
        if freedom < 1.0 {
            return None;
        }
        let away = x - mean_x;
        let width = 1.0 + 1.0 / count + away * away / var_x;
        Some(student_90(freedom) * libm::sqrt(residuals / freedom * width))
    }
}

/// The 90 % point of Student's distribution, one-sided, for 1 degree of freedom or more.
///
/// 3.078, 1.886, 1.638 and 1.533 for 1 to 4; beyond, the first terms of its expansion about the normal
/// distribution's 1.2816 (Abramowitz and Stegun 26.7.5), which are right to 0.003.
fn student_90(freedom: f64) -> f64 {
    const FEW: [f64; 4] = [3.077_683_537, 1.885_618_083, 1.637_744_354, 1.533_206_274];
    const NORMAL: f64 = 1.281_551_566;
    for (nth, value) in FEW.into_iter().enumerate() {
        if freedom < nth as f64 + 1.5 {
            return value;
        }
    }
    let square = NORMAL * NORMAL;
    let first = (square + 1.0) * NORMAL / 4.0;
    let second = ((5.0 * square + 16.0) * square + 3.0) * NORMAL / 96.0;
    NORMAL + (first + second / freedom) / freedom
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worked_examples_hold() {
        let straight = Line::through([(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)].into_iter()).unwrap();
        assert_eq!((straight.slope, straight.intercept, straight.fit), (2.0, 1.0, 1.0));
        assert_eq!(straight.margin(10.0), Some(0.0));
        let bent = Line::through([(0.0, 1.0), (1.0, 1.0), (2.0, 4.0)].into_iter()).unwrap();
        assert_eq!((bent.slope, bent.intercept, bent.fit), (1.5, 0.5, 0.75));
        assert!((bent.margin(3.0).unwrap() - 6.882).abs() < 0.001, "{:?}", bent.margin(3.0));
    }

    #[test]
    fn two_points_have_no_margin() {
        let line = Line::through([(0.0, 1.0), (1.0, 2.0)].into_iter()).unwrap();
        assert_eq!(line.margin(2.0), None);
    }

    #[test]
    fn quantiles_are_students() {
        use statrs::distribution::{ContinuousCDF, StudentsT};
        for freedom in 1..=200_u32 {
            let exact = StudentsT::new(0.0, 1.0, freedom.into()).unwrap().inverse_cdf(0.9);
            let ours = student_90(freedom.into());
            assert!((ours - exact).abs() < 0.003, "{freedom}: {ours}, not {exact}");
        }
    }

    #[test]
    fn too_little_to_go_by_is_no_line() {
        assert_eq!(Line::through([(1.0, 1.0)].into_iter()), None);
        assert_eq!(Line::through([(1.0, 1.0), (1.0, 2.0)].into_iter()), None);
    }

    #[test]
    fn constant_data_is_explained_in_full() {
        let flat = Line::through([(0.0, 0.5), (1.0, 0.5), (2.0, 0.5)].into_iter()).unwrap();
        assert_eq!((flat.slope, flat.intercept, flat.fit), (0.0, 0.5, 1.0));
        assert_eq!(flat.margin(9.0), Some(0.0));
        let rounded = Line::through((0..11).map(|x| (f64::from(x), 0.8))).unwrap();
        assert_eq!(rounded.fit, 1.0);
    }
}
