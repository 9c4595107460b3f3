//! How unevenly is a cluster loaded? One number, which every move of a plan lowers.
//!
//! A worker `w` has the capacity `c` of a resource and the use `x`; its load is `u = x / c`. If all use were spread
//! evenly over the workers that share it, each would have the load `m = sum(x) / sum(c)`. The unevenness is the mean
//! square of the distance from there, with workers counted by their capacity, relative to the even load, and summed
//! over the resources:
//!
//! ```text
//! unevenness = sum over resources of  sum over workers of c (u - m)^2  /  (sum(c) m^2)
//! ```
//!
//! Three worked numbers, for one resource. Two workers of 10 cores with 9 and 1 in use: m = 0.5, and the unevenness is
//! (10 x 0.4^2 + 10 x 0.4^2) / (20 x 0.5^2) = 0.64. After a task of 2 has moved, they have 7 and 3: 0.16. A worker of
//! 16 cores with 8 in use and one of 128 with 64 are even: 0.
//!
//! # Why this one?
//!
//! * It is *convex*: the last core of a full worker weighs more than the first of an empty one. Where a move goes from
//!   the fuller to the emptier worker, a large task gains more than a small one, up to the task that leaves both
//!   even, and less beyond it.
//! * It is *separable*: a sum over workers and over resources. A move changes two workers, so its gain is computed from
//!   these two, and an exchange that relieves one worker of processors and the other of memory is seen as what it is.
//! * It has no unit. Every resource is divided by its own even load, so bytes and cores weigh the same, and twice as
//!   much of everything changes nothing.
//! * It counts capacity, not workers: 128 cores weigh eight times as much as 16.
//! * It is the square of the coefficient of variation, a figure that operators know: 0.01 is a deviation of 10 % of the
//!   even load.
//!
//! # What a move gains
//!
//! Within a pool `sum(x)` and `sum(c)` stay, hence `m` too, and `sum(c (u - m)^2) = sum(x^2 / c) - const`. With the
//! weight `k = sum(c) / sum(x)^2` of the resource, moving the amount `a` from a worker with `x` of `c` to one with `y`
//! of `d` lowers the unevenness by
//!
//! ```text
//! gain = k ( a (2x - a) / c  -  a (2y + a) / d )
//! ```
//!
//! In the example above: k = 20 / 10^2 = 0.2, and 2 cores from 9 of 10 to 1 of 10 gain 0.2 (2 x 16 / 10 - 2 x 4 / 10) =
//! 0.48, which is 0.64 - 0.16. Most is gained by the amount that leaves the two with equal loads.
//!
//! # Over which workers?
//!
//! A *pool* is a set of workers that tasks which may move can use, directly or by way of others: two workers belong
//! together if one task could be on either. Each pool has its own even load. A worker that no movable task may use (on
//! hold and idle, with a label that none may go to, leaving soon) is in no pool and counts nowhere.
//!
//! Resources are *shared* or *counted*. Of a shared one (processors, memory, network) a high load slows tasks down, so
//! its load is evened out and kept below the ceiling. A counted one (device memory) is there to be filled: it limits
//! where a task may go, and has no part in the unevenness.

/// A resource of which less than this part is in use is idle.
const IDLE: f64 = 1e-12;

/// The weight of a resource of which there is this much, and this much in use; 0 if there is nothing to even out.
pub(crate) fn weight(capacity: f64, used: f64) -> f64 {
    if capacity > 0.0 && used > IDLE * capacity { capacity / (used * used) } else { 0.0 }
}

/// By how much one resource of a worker falls when an amount leaves it; `per` is 1 / capacity.
#[inline]
pub(crate) fn departure(weight: f64, used: f64, amount: f64, per: f64) -> f64 {
    weight * amount * (2.0 * used - amount) * per
}

/// By how much one resource of a worker rises when an amount arrives; `per` is 1 / capacity.
#[inline]
pub(crate) fn arrival(weight: f64, used: f64, amount: f64, per: f64) -> f64 {
    weight * amount * (2.0 * used + amount) * per
}

/// What one resource of a worker adds to the unevenness of a pool with this even load.
pub(crate) fn distance(weight: f64, used: f64, capacity: f64, even: f64) -> f64 {
    if capacity <= 0.0 {
        return 0.0;
    }
    let apart = used / capacity - even;
    weight * capacity * apart * apart
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_worked_numbers() {
        let of = |workers: &[(f64, f64)]| {
            let (capacity, used) =
                workers.iter().fold((0.0, 0.0), |sum, next| (sum.0 + next.1, sum.1 + next.0));
            let weight = weight(capacity, used);
            workers.iter().map(|(x, c)| distance(weight, *x, *c, used / capacity)).sum::<f64>()
        };
        assert!((of(&[(9.0, 10.0), (1.0, 10.0)]) - 0.64).abs() < 1e-12);
        assert!((of(&[(7.0, 10.0), (3.0, 10.0)]) - 0.16).abs() < 1e-12);
        assert_eq!(of(&[(8.0, 16.0), (64.0, 128.0)]), 0.0);
        let weight = weight(20.0, 10.0);
        let gain = departure(weight, 9.0, 2.0, 0.1) - arrival(weight, 1.0, 2.0, 0.1);
        assert!((gain - 0.48).abs() < 1e-12);
    }
}
