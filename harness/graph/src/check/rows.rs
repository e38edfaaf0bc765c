// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What functions along a row should give, in double precision.

use super::{EPS, EPS_BF16, Expected};
use crate::kernel::{Call, Op};
use crate::tensor::DataType;

/// Numbers that a kernel adds up at once.
const LANES: f64 = 64.0;
/// Additions across the lanes, and one to spare.
const ACROSS: f64 = 7.0;

/// A row's results.
pub(super) fn expected(call: &Call, row: &[f32]) -> Vec<Expected> {
    let data = call.output.data;
    let x: Vec<f64> = row.iter().map(|x| f64::from(*x)).collect();
    let additions = x.len() as f64 / LANES + ACROSS;
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    match call.op {
        Op::ReduceMax => vec![Expected::Exact(largest)],
        Op::ReduceSum => {
            let sum: f64 = x.iter().sum();
            let size: f64 = x.iter().map(|x| x.abs()).sum();
            let bound = size * EPS * additions;
            vec![Expected::Within(sum, bound + (sum.abs() + bound) * rounding(data))]
        }
        Op::Softmax => {
            let from_top: Vec<f64> = x.iter().map(|x| x - f64::from(largest)).collect();
            let sum: f64 = from_top.iter().map(|x| x.exp()).sum();
            let range = from_top.iter().map(|x| x.abs()).fold(0.0, f64::max);
            let units = range + additions + 20.0;
            from_top.iter().map(|x| Expected::near(x.exp() / sum, units, data)).collect()
        }
        Op::LayerNorm => layer_norm(call, &x, additions),
        Op::Copy
        | Op::Cast
        | Op::Add
        | Op::Sub
        | Op::Mul
        | Op::Div
        | Op::Max
        | Op::Min
        | Op::Relu
        | Op::ReluBackward
        | Op::LeakyRelu
        | Op::Exp
        | Op::Sigmoid
        | Op::Tanh
        | Op::Reciprocal
        | Op::Own => Vec::new(),
    }
}

fn rounding(data: DataType) -> f64 {
    match data {
        DataType::Bf16 => EPS_BF16,
        DataType::F32 => 0.0,
    }
}

fn layer_norm(call: &Call, x: &[f64], additions: f64) -> Vec<Expected> {
    let epsilon = f32::from_bits(call.scalars.get(2).copied().unwrap_or_default());
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
    let deviation = (variance + f64::from(epsilon)).sqrt();
    // The mean is off by the additions, and by 1/n and the product with it.
    let size = x.iter().map(|x| x.abs()).fold(0.0, f64::max);
    let mean_error = size * EPS * (additions + 3.0);
    let relative = (additions / 2.0 + 13.0) * EPS + (mean_error / deviation).powi(2);
    let one = |x: &f64| {
        let want = (x - mean) / deviation;
        let bound = mean_error / deviation + want.abs() * relative;
        Expected::Within(want, bound + (want.abs() + bound) * rounding(call.output.data))
    };
    x.iter().map(one).collect()
}
