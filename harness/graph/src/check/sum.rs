// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What products and convolutions should give: every element is a sum of products in the order of
//! the matrix engine (crate `mme`, `arithmetic`).

use super::Expected;
use crate::contraction::{Contraction, Left, Picture};
use crate::tensor::DataType;
use mme::arithmetic::{ACCUMULATORS, Rounding, accumulate, activate, reduce};

/// One output element: its products in the order of the engine.
#[derive(Clone, Debug, Default)]
pub struct Products(Vec<(f32, f32)>);

impl Products {
    /// Of these pairs.
    pub fn of(products: impl Iterator<Item = (f32, f32)>) -> Self {
        Products(products.collect())
    }

    /// What the engine makes of it.
    pub fn exact(&self, output: DataType, relu: bool) -> f32 {
        let mut accumulators = [0.0; ACCUMULATORS];
        for (step, (left, right)) in self.0.iter().enumerate() {
            let into = &mut accumulators[step % ACCUMULATORS];
            *into = accumulate(*into, *left, *right);
        }
        let sum = activate(reduce(accumulators, self.0.len()), relu);
        match output {
            DataType::F32 => sum,
            DataType::Bf16 => Rounding::Nearest.bf16(sum).to_f32(),
        }
    }

    /// The sum in double precision, and how far off a result may be.
    pub fn bound(&self, output: DataType, relu: bool) -> (f64, f64) {
        let products = || self.0.iter().map(|(left, right)| f64::from(*left) * f64::from(*right));
        let sum: f64 = products().sum();
        let sum = if relu { sum.max(0.0) } else { sum };
        let additions = (self.0.len() + 2) as f64;
        let bound = additions * 2f64.powi(-23) * products().map(f64::abs).sum::<f64>();
        match output {
            DataType::F32 => (sum, bound),
            DataType::Bf16 => (sum, bound + (sum.abs() + bound) * 2f64.powi(-8)),
        }
    }
}

/// All elements of a contraction: which element of the output, what.
pub(super) fn expected(
    work: &Contraction,
    left: &[f32],
    right: &[f32],
    data: DataType,
) -> Vec<(u64, Expected)> {
    let mut out = Vec::new();
    let [left_batch, right_batch, output_batch] = work.batch_strides.map(|n| n as usize);
    for batch in 0..work.batches as usize {
        let (left, right) = (&left[batch * left_batch..], &right[batch * right_batch..]);
        for row in 0..work.rows {
            let (at, pairs) = left_row(work, left, row);
            for column in 0..work.columns as usize {
                let stride = work.right_stride as usize;
                let with = |(tap, k, value): &(usize, usize, f32)| {
                    let place = match work.right_transposed {
                        true => column * stride + k,
                        false => k * stride + column,
                    };
                    (*value, right[tap + place])
                };
                let value = Products::of(pairs.iter().map(with)).exact(data, work.relu);
                out.push(((batch * output_batch + at + column) as u64, Expected::Exact(value)));
            }
        }
    }
    out
}

/// A row of the left operand: where its outputs begin; filter element (as an offset in the right
/// operand), common index and value of each product.
fn left_row(work: &Contraction, left: &[f32], row: u32) -> (usize, Vec<(usize, usize, f32)>) {
    let common = 0..work.common as usize;
    match &work.left {
        Left::Transposed { stride } => {
            let value = |k: usize| left[k * *stride as usize + row as usize];
            let at = row as usize * work.output_stride as usize;
            (at, common.map(|k| (0, k, value(k))).collect())
        }
        Left::Picture(picture) => {
            let Picture { output: [width, height], output_strides: to, .. } = picture;
            let pixel = [row % width, row / width % height, row / width / height];
            let mut pairs = Vec::new();
            for r in 0..picture.filter[1] {
                for s in 0..picture.filter[0] {
                    let tap = s * picture.filter_strides[0] + r * picture.filter_strides[1];
                    let from = source(picture, pixel, [s, r]);
                    let value = |k: usize| from.map_or(0.0, |at| left[at + k]);
                    pairs.extend(common.clone().map(|k| (tap as usize, k, value(k))));
                }
            }
            let at = pixel.iter().zip(to).map(|(n, stride)| *n as usize * *stride as usize).sum();
            (at, pairs)
        }
    }
}

/// Where a filter element meets the picture; `None`: in the padding.
fn source(picture: &Picture, pixel: [u32; 3], tap: [u32; 2]) -> Option<usize> {
    let mut at = pixel[2] as usize * picture.input_strides[2] as usize;
    for n in 0..2 {
        let far = pixel[n] * picture.step[n] + tap[n] * picture.dilation[n];
        let here = far.checked_sub(picture.padding[n]).filter(|here| *here < picture.input[n])?;
        at += here as usize * picture.input_strides[n] as usize;
    }
    Some(at)
}
