// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A number and how far off a computation of it in f32 or bf16 may be.
//!
//! The reference computes every value in double precision, and beside it a bound on the error of
//! an f32 computation: the errors of the operands carried through the operation (exactly for
//! monotone functions: what the ends of the interval give), plus the rounding of the operation
//! itself. Roundings are counted in units of 2^-24 of the result, half a unit in the last place;
//! how many an operation takes stands with [`crate::primitive::Primitive::units`]. Denormal numbers
//! may be zero, which adds the smallest normal number.

/// Half a unit in the last place of f32: the relative error of a rounding.
pub const UNIT: f64 = 1.0 / (1u64 << 24) as f64;
/// The same for bf16.
pub const UNIT_BF16: f64 = 1.0 / 512.0;
/// What a denormal result or operand may lose.
const SMALLEST: f64 = f32::MIN_POSITIVE as f64;

/// A number with its bound.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Num {
    /// The value, in double precision.
    pub value: f64,
    /// A computation in the tensor's type is at most so far off.
    pub error: f64,
}

impl Num {
    /// A number that is what it is.
    pub fn exact(value: f64) -> Self {
        Num { value, error: 0.0 }
    }

    fn of(value: f64, error: f64) -> Self {
        // Infinities and NaN are right or wrong: nothing is near them.
        let error = if value.is_finite() { error } else { 0.0 };
        Num { value, error: if error.is_nan() { f64::INFINITY } else { error } }
    }

    /// After roundings of these units in f32, and perhaps one to bf16.
    pub fn rounded(self, units: f64, bf16: bool) -> Self {
        if units == 0.0 && !bf16 {
            return self;
        }
        let relative = units * UNIT + if bf16 { UNIT_BF16 } else { 0.0 };
        let size = self.value.abs() + self.error;
        // Larger than the type: infinite.
        let value = if self.value.abs() > f32::MAX.into() && self.error < self.value.abs() {
            self.value * f64::INFINITY
        } else {
            self.value
        };
        Num::of(value, self.error + relative * size + SMALLEST)
    }

    /// A function that only rises or only falls.
    pub fn monotone(self, f: impl Fn(f64) -> f64) -> Self {
        let value = f(self.value);
        if self.error == 0.0 {
            return Num::of(value, 0.0);
        }
        let off = |at: f64| (f(at) - value).abs();
        Num::of(value, off(self.value + self.error).max(off(self.value - self.error)))
    }

    /// `1 / x`.
    pub fn reciprocal(self) -> Self {
        Num::exact(1.0).over(self)
    }

    /// `self / other`.
    pub fn over(self, other: Num) -> Self {
        let value = self.value / other.value;
        if self.error == 0.0 && other.error == 0.0 {
            return Num::of(value, 0.0);
        }
        let least = other.value.abs() - other.error;
        let error = (self.error + value.abs() * other.error) / least;
        Num::of(value, if least > 0.0 { error } else { f64::INFINITY })
    }

    /// A comparison: 1 or 0, either where the operands are too close to each other.
    pub fn compare(self, other: Num, f: impl Fn(f64, f64) -> bool) -> Self {
        let unsure = (self.value - other.value).abs() <= self.error + other.error
            && self.error + other.error > 0.0;
        Num { value: f64::from(f(self.value, other.value)), error: f64::from(unsure) }
    }

    /// `yes` where this is not 0, else `no`; either where that is not sure.
    pub fn select(self, yes: Num, no: Num) -> Self {
        let chosen = if self.value == 0.0 { no } else { yes };
        if self.error == 0.0 {
            return chosen;
        }
        let apart = (yes.value - no.value).abs();
        Num::of(chosen.value, yes.error.max(no.error) + apart)
    }

    /// The larger.
    pub fn max(self, other: Num) -> Self {
        let nan = self.value.is_nan() || other.value.is_nan();
        let value = if nan { f64::NAN } else { self.value.max(other.value) };
        Num::of(value, self.error.max(other.error))
    }

    /// The sum of numbers, added in any order with one rounding each.
    pub fn sum(numbers: impl Iterator<Item = Num>) -> Self {
        let (mut value, mut error, mut size, mut count) = (0.0, 0.0, 0.0, 0.0);
        for one in numbers {
            value += one.value;
            error += one.error;
            size += one.value.abs() + one.error;
            count += 1.0;
        }
        Num::of(value, error + count * UNIT * size)
    }

    /// The product of numbers, in any order with one rounding each.
    pub fn product(numbers: impl Iterator<Item = Num>) -> Self {
        numbers.fold(Num::exact(1.0), |all, one| (all * one).rounded(1.0, false))
    }

    /// A sum of products as the matrix engine makes it: each product and each addition is rounded,
    /// by at most 2^-24 of a partial sum that is below sum|a||b|; there are K products and K + 2
    /// additions.
    pub fn dot(pairs: impl Iterator<Item = (Num, Num)>) -> Self {
        let (mut value, mut error, mut size, mut count) = (0.0, 0.0, 0.0, 0.0);
        for (left, right) in pairs {
            let one = left * right;
            value += one.value;
            error += one.error;
            size += one.value.abs() + one.error;
            count += 1.0;
        }
        Num::of(value, error + 2.0 * (count + 2.0) * UNIT * size)
    }

    /// Is a result of the device right? `factor` 2 where `got` is compared with another computation
    /// that has the same bound.
    pub fn admits(self, got: f64) -> bool {
        let same = got == self.value || got.is_nan() && self.value.is_nan();
        // A bound without end would admit everything.
        same || self.error.is_finite() && (got - self.value).abs() <= self.error
    }

    /// The error of a result as a share of the bound.
    pub fn share(self, got: f64) -> f64 {
        let off = (got - self.value).abs();
        if off == 0.0 || off.is_nan() { 0.0 } else { off / self.error }
    }
}

impl std::ops::Add for Num {
    type Output = Num;
    fn add(self, other: Num) -> Num {
        Num::of(self.value + other.value, self.error + other.error)
    }
}

impl std::ops::Sub for Num {
    type Output = Num;
    fn sub(self, other: Num) -> Num {
        Num::of(self.value - other.value, self.error + other.error)
    }
}

impl std::ops::Mul for Num {
    type Output = Num;
    fn mul(self, other: Num) -> Num {
        let carried = self.value.abs() * other.error + other.value.abs() * self.error;
        let carried = if self.error == 0.0 && other.error == 0.0 { 0.0 } else { carried };
        Num::of(self.value * other.value, carried + self.error * other.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_carried() {
        let one = Num { value: 1.0, error: 0.5 };
        let two = Num { value: 2.0, error: 0.25 };
        assert_eq!(one + two, Num { value: 3.0, error: 0.75 });
        assert_eq!(one * two, Num { value: 2.0, error: 1.0 + 0.25 + 0.125 });
        assert_eq!(one.monotone(f64::exp).error, 1.5f64.exp() - 1f64.exp());
        assert_eq!(two.over(one).error, (0.25 + 2.0 * 0.5) / 0.5);
        assert_eq!(one.over(Num { value: 0.1, error: 0.2 }).error, f64::INFINITY);
        assert_eq!(one.compare(two, |a, b| a < b), Num { value: 1.0, error: 0.0 });
        let unsure = one.compare(Num::exact(1.2), |a, b| a < b);
        assert_eq!(unsure, Num { value: 1.0, error: 1.0 });
        assert_eq!(unsure.select(two, one).error, 1.5);
    }

    #[test]
    fn bounds_admit_what_is_near_and_nothing_else() {
        let third = Num::exact(1.0).over(Num::exact(3.0)).rounded(1.0, false);
        assert!(third.admits((1f32 / 3.0).into()));
        assert!(!third.admits((1f32 / 3.0).next_up().next_up().into()));
        assert!(Num::exact(f64::NAN).admits(f64::NAN) && !Num::exact(1.0).admits(f64::NAN));
        let infinite = Num::exact(f64::INFINITY).rounded(1.0, false);
        assert!(infinite.admits(f64::INFINITY) && !infinite.admits(3e38));
        assert!(!Num { value: 0.0, error: f64::INFINITY }.admits(1.0));
        let large = (Num::exact(3e38) * Num::exact(2.0)).rounded(1.0, false);
        assert!(large.admits(f64::INFINITY));
    }

    #[test]
    fn sums_in_f32_stay_within_the_bound() {
        let numbers: Vec<f32> = (1..1000).map(|n| 1.0 / n as f32).collect();
        let bound = Num::sum(numbers.iter().map(|n| Num::exact(f64::from(*n))));
        assert!(bound.admits(numbers.iter().sum::<f32>().into()));
        assert!(bound.error < 1e-3);
    }
}
