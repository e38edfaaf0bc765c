// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Products of matrices.

use super::Table;
use crate::error::Result;
use crate::primitive::Binary;
use crate::program::{Id, Scope};
use crate::view::broadcast;

pub(super) const TABLE: Table = &[("MatMul", matmul), ("Gemm", gemm)];

/// A vector counts as a row on the left and a column on the right; batches are made to fit.
fn matmul(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let (mut a, mut b) = (s.x(0)?, s.x(1)?);
    let (x, y) = (s.sizes(a), s.sizes(b));
    if x.is_empty() || y.is_empty() {
        return Err(s.program.wrong("a number is no matrix"));
    }
    if x.len() == 1 {
        a = s.program.reshape(a, &[1, x[0]])?;
    }
    if y.len() == 1 {
        b = s.program.reshape(b, &[y[0], 1])?;
    }
    let [left, right] = [a, b].map(|id| {
        let sizes = s.sizes(id);
        let (batch, matrix) = sizes.split_at(sizes.len() - 2);
        (batch.to_vec(), matrix.to_vec())
    });
    let batch = broadcast(&left.0, &right.0)
        .ok_or_else(|| s.program.wrong(format!("batches {:?}, {:?}", left.0, right.0)))?;
    a = s.program.expand(a, &[&batch[..], &left.1].concat())?;
    b = s.program.expand(b, &[&batch[..], &right.1].concat())?;
    let mut product = s.program.product(a, b)?;
    if x.len() == 1 || y.len() == 1 {
        let mut sizes = batch;
        sizes.extend((x.len() > 1).then_some(left.1[0]));
        sizes.extend((y.len() > 1).then_some(right.1[1]));
        product = s.program.reshape(product, &sizes)?;
    }
    Ok(vec![product])
}

/// `alpha * a * b + beta * c`.
fn gemm(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let (mut a, mut b) = (s.x(0)?, s.x(1)?);
    for (matrix, name) in [(&mut a, "transA"), (&mut b, "transB")] {
        if s.int(name, 0) != 0 {
            *matrix = s.program.permute(*matrix, &[1, 0])?;
        }
    }
    let mut y = s.program.product(a, b)?;
    let (alpha, beta) = (s.float("alpha", 1.0), s.float("beta", 1.0));
    if alpha != 1.0 {
        y = s.with(Binary::Mul, y, alpha.into())?;
    }
    if let Some(mut c) = s.maybe(2) {
        if beta != 1.0 {
            c = s.with(Binary::Mul, c, beta.into())?;
        }
        y = s.program.binary(Binary::Add, y, c)?;
    }
    Ok(vec![y])
}
