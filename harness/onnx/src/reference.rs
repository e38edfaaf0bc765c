// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The reference: every primitive in plain loops over numbers in double precision, with bounds.

use crate::num::Num;
use crate::primitive::{Binary, Fold, Primitive, Unary};
use crate::tensor::{Tensor, Type};
use crate::view::View;
use half::bf16;

/// The elements of a primitive's result.
pub fn evaluate(op: &Primitive, inputs: &[&Tensor], sizes: &[usize], ty: Type) -> Vec<Num> {
    let bf16 = ty == Type::Bf16;
    let units = if ty.is_float() { op.units() } else { 0.0 };
    let rounded = |num: Num| num.rounded(units, bf16 && computes(op));
    let raw: Vec<Num> = match op {
        Primitive::Unary(f) => inputs[0].data.iter().map(|x| unary(*f, *x)).collect(),
        Primitive::Leaky(slope) => {
            let slope = f64::from(*slope);
            let f = |x: f64| if x < 0.0 { x * slope } else { x };
            inputs[0].data.iter().map(|x| x.monotone(f)).collect()
        }
        Primitive::Cast => inputs[0].data.iter().map(|x| cast(*x, ty)).collect(),
        Primitive::Binary(f) => {
            let both = inputs[0].data.iter().zip(&inputs[1].data);
            both.map(|(a, b)| binary(*f, *a, *b, ty)).collect()
        }
        Primitive::Select => {
            let choices = inputs[1].data.iter().zip(&inputs[2].data);
            inputs[0].data.iter().zip(choices).map(|(c, (yes, no))| c.select(*yes, *no)).collect()
        }
        Primitive::Product => product(inputs[0], inputs[1]),
        Primitive::Convolution { step, dilation } => {
            convolution(inputs[0], inputs[1], sizes, *step, *dilation)
        }
        Primitive::Fold(fold, axis) => {
            let all = inputs[0].sizes[*axis];
            windows(inputs[0], sizes, *axis, [all, 0, 1], |all| folded(*fold, all))
        }
        Primitive::Window { fold, axis, size, step, dilation } => {
            windows(inputs[0], sizes, *axis, [*size, *step, *dilation], |all| folded(*fold, all))
        }
        Primitive::Softmax(axis) => softmax(inputs[0], *axis, bf16),
        Primitive::Reshape | Primitive::Permute(_) | Primitive::Expand | Primitive::Slice(_) => {
            let view = op.view(&View::dense(&inputs[0].sizes), sizes);
            let offsets = view.map(|view| view.offsets()).unwrap_or_default();
            offsets.into_iter().map(|at| inputs[0].data[at]).collect()
        }
        Primitive::Pad { before, value } => pad(inputs[0], sizes, before, *value),
        Primitive::Concat(axis) => concat(inputs, sizes, *axis),
    };
    raw.into_iter().map(rounded).collect()
}

/// Is the result rounded to its type? What only moves elements keeps them.
fn computes(op: &Primitive) -> bool {
    match op {
        Primitive::Unary(_)
        | Primitive::Leaky(_)
        | Primitive::Binary(_)
        | Primitive::Product
        | Primitive::Convolution { .. }
        | Primitive::Fold(..)
        | Primitive::Window { .. }
        | Primitive::Softmax(_) => true,
        Primitive::Cast
        | Primitive::Select
        | Primitive::Reshape
        | Primitive::Permute(_)
        | Primitive::Expand
        | Primitive::Slice(_)
        | Primitive::Pad { .. }
        | Primitive::Concat(_) => false,
    }
}

fn unary(f: Unary, x: Num) -> Num {
    match f {
        Unary::Abs => Num { value: x.value.abs(), error: x.error },
        Unary::Neg => Num { value: -x.value, error: x.error },
        Unary::Relu => x.monotone(|x| if x < 0.0 { 0.0 } else { x }),
        Unary::Exp => x.monotone(f64::exp),
        Unary::Log => x.monotone(f64::ln),
        Unary::Sigmoid => x.monotone(|x| 1.0 / (1.0 + (-x).exp())),
        Unary::Tanh => x.monotone(f64::tanh),
        Unary::Sqrt => x.monotone(f64::sqrt),
        Unary::Reciprocal => x.reciprocal(),
        Unary::Floor => x.monotone(f64::floor),
        Unary::Ceil => x.monotone(f64::ceil),
        Unary::Round => x.monotone(f64::round_ties_even),
    }
}

fn binary(f: Binary, a: Num, b: Num, ty: Type) -> Num {
    match f {
        Binary::Add => a + b,
        Binary::Sub => a - b,
        Binary::Mul => a * b,
        Binary::Div if ty.is_float() => a.over(b),
        Binary::Div => Num::exact((a.value / b.value).trunc()),
        Binary::Max => a.max(b),
        Binary::Min => unary(Unary::Neg, unary(Unary::Neg, a).max(unary(Unary::Neg, b))),
        Binary::Less => a.compare(b, |a, b| a < b),
        Binary::LessOrEqual => a.compare(b, |a, b| a <= b),
        Binary::Equal => a.compare(b, |a, b| a == b),
    }
}

fn cast(x: Num, ty: Type) -> Num {
    match ty {
        Type::F32 => x.monotone(|x| f64::from(x as f32)),
        Type::Bf16 => x.monotone(|x| bf16::from_f64(x).to_f64()),
        Type::I64 | Type::I32 => x.monotone(f64::trunc),
        Type::Bool => {
            binary(Binary::Sub, Num::exact(1.0), binary(Binary::Equal, x, Num::exact(0.0), ty), ty)
        }
    }
}

fn folded(fold: Fold, all: &[Num]) -> Num {
    let all = all.iter().copied();
    match fold {
        Fold::Sum => Num::sum(all),
        Fold::Product => Num::product(all),
        Fold::Max => all.fold(Num::exact(f64::NEG_INFINITY), Num::max),
        Fold::Min => {
            let least = all.map(|x| unary(Unary::Neg, x));
            unary(Unary::Neg, least.fold(Num::exact(f64::NEG_INFINITY), Num::max))
        }
    }
}

/// Rows of the last dimension of left, columns of right, for every batch.
fn product(left: &Tensor, right: &Tensor) -> Vec<Num> {
    let [rows, common] = [left.sizes[left.rank() - 2], left.sizes[left.rank() - 1]];
    let columns = right.sizes[right.rank() - 1];
    let batches: usize = left.sizes[..left.rank() - 2].iter().product();
    let mut out = Vec::with_capacity(batches * rows * columns);
    for batch in 0..batches {
        let a = &left.data[batch * rows * common..];
        let b = &right.data[batch * common * columns..];
        for i in 0..rows {
            for j in 0..columns {
                let pairs = (0..common).map(|k| (a[i * common + k], b[k * columns + j]));
                out.push(Num::dot(pairs));
            }
        }
    }
    out
}

fn convolution(
    x: &Tensor,
    filter: &Tensor,
    sizes: &[usize],
    step: [usize; 2],
    dilation: [usize; 2],
) -> Vec<Num> {
    let [h, w, c] = [x.sizes[1], x.sizes[2], x.sizes[3]];
    let [r, s, k] = [filter.sizes[0], filter.sizes[1], filter.sizes[3]];
    let mut out = Vec::new();
    for n in 0..sizes[0] {
        for (y, column) in (0..sizes[1]).flat_map(|y| (0..sizes[2]).map(move |c| (y, c))) {
            for channel in 0..k {
                let taps = (0..r).flat_map(|i| (0..s).map(move |j| (i, j)));
                let pairs = taps.flat_map(|(i, j)| {
                    let pixel = (n * h + y * step[0] + i * dilation[0]) * w
                        + column * step[1]
                        + j * dilation[1];
                    (0..c).map(move |e| {
                        (x.data[pixel * c + e], filter.data[((i * s + j) * c + e) * k + channel])
                    })
                });
                out.push(Num::dot(pairs));
            }
        }
    }
    out
}

/// Windows along a dimension: how many elements, elements from one window to the next, and from
/// one element of a window to the next.
fn windows(
    x: &Tensor,
    sizes: &[usize],
    axis: usize,
    [size, step, dilation]: [usize; 3],
    fold: impl Fn(&[Num]) -> Num,
) -> Vec<Num> {
    let inner: usize = x.sizes[axis + 1..].iter().product();
    let outer: usize = x.sizes[..axis].iter().product();
    let mut out = Vec::new();
    for o in 0..outer {
        for index in 0..sizes[axis] {
            for i in 0..inner {
                let first = o * x.sizes[axis] + index * step;
                let at = |tap: usize| x.data[(first + tap * dilation) * inner + i];
                let window: Vec<Num> = (0..size).map(at).collect();
                out.push(fold(&window));
            }
        }
    }
    out
}

fn softmax(x: &Tensor, axis: usize, bf16: bool) -> Vec<Num> {
    let mut out = x.data.clone();
    let inner: usize = x.sizes[axis + 1..].iter().product();
    let rows = View::dense(&x.sizes).slice(&row_starts(&x.sizes, axis)).offsets();
    for start in rows {
        let places = (0..x.sizes[axis]).map(|n| start + n * inner);
        let max = places.clone().fold(Num::exact(f64::NEG_INFINITY), |max, at| max.max(x.data[at]));
        let power = |at: usize| {
            let below = (x.data[at] - max).rounded(1.0, false);
            unary(Unary::Exp, below).rounded(Primitive::Unary(Unary::Exp).units(), false)
        };
        let sum = Num::sum(places.clone().map(power));
        let over = sum.reciprocal().rounded(Primitive::Unary(Unary::Reciprocal).units(), false);
        for at in places {
            out[at] = (power(at) * over).rounded(1.0, bf16);
        }
    }
    out
}

/// A slice with the first element of every row along a dimension.
fn row_starts(sizes: &[usize], axis: usize) -> Vec<(usize, usize, usize)> {
    let cut = |(n, size): (usize, &usize)| (0, 1, if n == axis { (*size).min(1) } else { *size });
    sizes.iter().enumerate().map(cut).collect()
}

fn pad(x: &Tensor, sizes: &[usize], before: &[usize], value: f32) -> Vec<Num> {
    let mut out = vec![Num::exact(value.into()); sizes.iter().product()];
    let cuts: Vec<_> =
        before.iter().zip(&x.sizes).map(|(first, size)| (*first, 1, *size)).collect();
    let places = View::dense(sizes).slice(&cuts).offsets();
    for (at, element) in places.into_iter().zip(&x.data) {
        out[at] = *element;
    }
    out
}

fn concat(inputs: &[&Tensor], sizes: &[usize], axis: usize) -> Vec<Num> {
    let outer: usize = sizes[..axis].iter().product();
    let mut out = Vec::new();
    for o in 0..outer {
        for x in inputs {
            let run: usize = x.sizes[axis..].iter().product();
            out.extend_from_slice(&x.data[o * run..(o + 1) * run]);
        }
    }
    out
}
