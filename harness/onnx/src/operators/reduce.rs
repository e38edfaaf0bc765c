// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reductions: dimension after dimension becomes one.

use super::Table;
use crate::error::Result;
use crate::primitive::{Binary, Fold, Unary};
use crate::program::{Id, Scope};

pub(super) const TABLE: Table = &[
    ("ReduceSum", |s| s.reduce(Fold::Sum, |_, x| Ok(x), |_, y, _| Ok(y))),
    ("ReduceProd", |s| s.reduce(Fold::Product, |_, x| Ok(x), |_, y, _| Ok(y))),
    ("ReduceMax", |s| s.reduce(Fold::Max, |_, x| Ok(x), |_, y, _| Ok(y))),
    ("ReduceMin", |s| s.reduce(Fold::Min, |_, x| Ok(x), |_, y, _| Ok(y))),
    ("ReduceMean", |s| {
        s.reduce(Fold::Sum, |_, x| Ok(x), |s, y, count| s.with(Binary::Div, y, count))
    }),
    ("ReduceL1", |s| s.reduce(Fold::Sum, |s, x| s.program.unary(Unary::Abs, x), |_, y, _| Ok(y))),
    ("ReduceSumSquare", |s| s.reduce(Fold::Sum, square, |_, y, _| Ok(y))),
    ("ReduceL2", |s| s.reduce(Fold::Sum, square, |s, y, _| s.program.unary(Unary::Sqrt, y))),
    ("ReduceLogSum", |s| {
        s.reduce(Fold::Sum, |_, x| Ok(x), |s, y, _| s.program.unary(Unary::Log, y))
    }),
    ("ReduceLogSumExp", |s| {
        let exp = |s: &mut Scope<'_>, x| s.program.unary(Unary::Exp, x);
        s.reduce(Fold::Sum, exp, |s, y, _| s.program.unary(Unary::Log, y))
    }),
];

fn square(s: &mut Scope<'_>, x: Id) -> Result<Id> {
    s.program.binary(Binary::Mul, x, x)
}

impl Scope<'_> {
    /// Reduces the dimensions that the node names; `before` works on the elements, `after` on the
    /// results, with the number of elements in each.
    fn reduce(
        &mut self,
        fold: Fold,
        before: impl Fn(&mut Scope<'_>, Id) -> Result<Id>,
        after: impl Fn(&mut Scope<'_>, Id, f64) -> Result<Id>,
    ) -> Result<Vec<Id>> {
        let x = self.x(0)?;
        let rank = self.rank(x);
        let named = self.whole(1, "axes")?.unwrap_or_default();
        let axes: Vec<usize> = if !named.is_empty() {
            named.iter().map(|axis| self.dimension(*axis, rank)).collect::<Result<_>>()?
        } else if self.int("noop_with_empty_axes", 0) != 0 {
            Vec::new()
        } else {
            (0..rank).collect()
        };
        let x = before(self, x)?;
        let count: usize = axes.iter().map(|axis| self.sizes(x)[*axis]).product();
        let mut y = self.fold_all(fold, x, &axes)?;
        y = after(self, y, count as f64)?;
        if self.int("keepdims", 1) == 0 {
            let kept = |(n, size): (usize, usize)| (!axes.contains(&n)).then_some(size);
            let sizes: Vec<usize> =
                self.sizes(y).into_iter().enumerate().filter_map(kept).collect();
            y = self.program.reshape(y, &sizes)?;
        }
        Ok(vec![y])
    }

    /// Folds dimensions; all of them become 1.
    pub(super) fn fold_all(&mut self, fold: Fold, x: Id, axes: &[usize]) -> Result<Id> {
        axes.iter().try_fold(x, |y, axis| self.program.fold(fold, y, *axis))
    }

    /// The mean along dimensions, which keep size 1.
    pub(super) fn mean(&mut self, x: Id, axes: &[usize]) -> Result<Id> {
        let count: usize = axes.iter().map(|axis| self.sizes(x)[*axis]).product();
        let sum = self.fold_all(Fold::Sum, x, axes)?;
        self.with(Binary::Div, sum, count as f64)
    }
}
