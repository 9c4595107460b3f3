//! How fast does something grow? A straight line through points, by least squares.

/// The line `y = intercept + slope * x` that lies closest to some points.
///
/// Three points (0, 1), (1, 3), (2, 5) give slope 2, intercept 1 and a fit of 1; the points
/// (0, 1), (1, 1), (2, 4) give slope 1.5, intercept 0.5 and a fit of 0.75.
///
/// Points may come in parts: then every part has an intercept of its own, and all share one slope (the
/// within estimator of panel data: Wooldridge, Econometric Analysis of Cross Section and Panel Data,
/// 10.5). A step between two parts is no slope: (0, 1), (1, 1), then (2, 5), (3, 5) lie on a slope of 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Line {
    pub(crate) slope: f64,
    /// The last part's.
    pub(crate) intercept: f64,
    /// Coefficient of determination (R squared), 0 to 1; 1 for constant data, which any line
    /// explains.
    pub(crate) fit: f64,
    spread: Spread,
}

/// How far points are spread along their line and around it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Spread {
    /// Points of the last part.
    count: f64,
    /// The mean of their `x`.
    mean_x: f64,
    /// Sum of squared distances from each part's own `mean_x`.
    var_x: f64,
    /// Sum of squared residuals.
    residuals: f64,
    /// Points, less one for the slope and one for each intercept.
    freedom: f64,
}

/// One part of the points: how many, and their means.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    count: f64,
    mean_x: f64,
    mean_y: f64,
}

impl Part {
    fn of(points: impl Iterator<Item = (f64, f64)>) -> Self {
        let (mut count, mut sum_x, mut sum_y) = (0.0, 0.0, 0.0);
        for (x, y) in points {
            count += 1.0;
            sum_x += x;
            sum_y += y;
        }
        Self { count, mean_x: sum_x / count, mean_y: sum_y / count }
    }
}

impl Line {
    /// The least-squares line through `points`; `None` for fewer than two points, or if all have one `x`.
    pub(crate) fn through(points: impl Iterator<Item = (f64, f64)> + Clone) -> Option<Self> {
        Self::in_parts(points.map(|(x, y)| (x, y, false)))
    }

    /// Like [`through`](Self::through), for points `(x, y, begins a new part)`; `None` if no part has two points
    /// with different `x`.
    pub(crate) fn in_parts(points: impl Iterator<Item = (f64, f64, bool)> + Clone) -> Option<Self> {
        let (mut var_x, mut var_y, mut covariance, mut rounded) = (0.0, 0.0, 0.0, 0.0);
        let (mut freedom, mut last) = (-1.0, Part::default());
        let mut rest = points;
        loop {
            let same = rest.clone().enumerate().take_while(|(nth, it)| *nth == 0 || !it.2);
            let part = same.map(|(_, (x, y, _))| (x, y));
            // The remaining points begin with the next part.
            if rest.by_ref().nth(part.clone().count().saturating_sub(1)).is_none() {
                break;
            }
            last = Part::of(part.clone());
            for (x, y) in part {
                let (away, off) = (x - last.mean_x, y - last.mean_y);
                var_x += away * away;
                var_y += off * off;
                covariance += away * off;
            }
            // Less than one part in 10^9 is rounding: eleven times 0.8 has a mean that is not quite 0.8.
            let rounding = 1e-9 * last.mean_y;
            rounded += last.count * rounding * rounding;
            freedom += last.count - 1.0;
        }
        if var_x <= 0.0 {
            return None;
        }
        let slope = covariance / var_x;
        let flat = var_y <= rounded && !broken!("constant_is_certain");
        let fit = if flat { 1.0 } else { (slope * covariance / var_y).clamp(0.0, 1.0) };
        let Part { count, mean_x, mean_y } = last;
        let spread = Spread { count, mean_x, var_x, residuals: (1.0 - fit) * var_y, freedom };
        Some(Self { slope, intercept: mean_y - slope * mean_x, fit, spread })
    }

    /// How many points of a single part would determine the slope equally well.
    pub(crate) fn points(&self) -> f64 {
        self.spread.freedom + 2.0
    }

    /// The value of the line at `x`.
    pub(crate) fn at(self, x: f64) -> f64 {
        self.intercept + self.slope * x
    }

    /// Half the width of the 80 % prediction interval for a new point of the last part at `x`; `None`
    /// for fewer than three points, which any line meets, or as few for each part.
    ///
    /// The points (0, 1), (1, 1), (2, 4) leave residuals of 0.5, -1 and 0.5: `s^2` is 1.5 / 1; at 3
    /// it is 3.078 x 1.225 x sqrt(1 + 1/3 + 4/2) = 6.88.
    pub(crate) fn margin(&self, x: f64) -> Option<f64> {
        let Spread { count, mean_x, var_x, residuals, freedom } = self.spread;
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
    fn parts_share_a_slope_and_nothing_else() {
        let parts = [(0.0, 1.0, true), (1.0, 1.0, false), (2.0, 5.0, true), (3.0, 5.0, false)];
        let level = Line::in_parts(parts.into_iter()).unwrap();
        assert_eq!((level.slope, level.intercept, level.fit), (0.0, 5.0, 1.0));
        assert_eq!(level.margin(9.0), Some(0.0));
        // Slopes of 2 and 4 over parts of the same width; the last part's mean is (4, 12).
        let both = [(0.0, 0.0, false), (2.0, 4.0, false), (3.0, 8.0, true), (5.0, 16.0, false)];
        let both = Line::in_parts(both.into_iter()).unwrap();
        assert_eq!((both.slope, both.intercept, both.fit), (3.0, 0.0, 0.9));
        // One residual each of 1, four times; one degree of freedom: 3.078 x 2 x sqrt(1 + 1/2 + 4/4).
        assert!((both.margin(6.0).unwrap() - 9.733).abs() < 0.001, "{:?}", both.margin(6.0));
    }

    #[test]
    fn parts_of_one_point_each_are_no_line() {
        assert_eq!(Line::in_parts([(0.0, 1.0, true), (1.0, 2.0, true)].into_iter()), None);
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
