// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What operators are made of: few operations, each with a plain reference ([`crate::reference`])
//! and a way to run on the device.

use crate::view::{Cut, View};

/// A function of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unary {
    /// Absolute value.
    Abs,
    /// The other sign.
    Neg,
    /// 0 where negative.
    Relu,
    /// Power of e.
    Exp,
    /// Natural logarithm.
    Log,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// Square root.
    Sqrt,
    /// `1 / x`.
    Reciprocal,
    /// Next whole number below.
    Floor,
    /// Next whole number above.
    Ceil,
    /// Nearest whole number, ties to even.
    Round,
}

/// A function of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Binary {
    /// Sum.
    Add,
    /// Difference.
    Sub,
    /// Product.
    Mul,
    /// Quotient; of whole numbers, towards zero.
    Div,
    /// The larger.
    Max,
    /// The smaller.
    Min,
    /// Is the first smaller?
    Less,
    /// Is the first not larger?
    LessOrEqual,
    /// Are both equal?
    Equal,
}

/// How many numbers become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fold {
    /// Sum.
    Sum,
    /// Product.
    Product,
    /// The largest.
    Max,
    /// The smallest.
    Min,
}

/// An operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Primitive {
    /// A function of every element.
    Unary(Unary),
    /// Negative elements times this.
    Leaky(f32),
    /// To the type of the result.
    Cast,
    /// A function of the elements of two tensors of equal sizes.
    Binary(Binary),
    /// Elements of the second where the first is not 0, else of the third.
    Select,
    /// Matrices, perhaps in batches: `[batch][row][common]` and `[batch][common][column]`.
    Product,
    /// Pictures `[n][h][w][c]` and filters `[r][s][c][k]` give `[n][oh][ow][k]`. Pairs are (height,
    /// width).
    Convolution {
        /// Pixels of the input for one of the output.
        step: [usize; 2],
        /// Pixels of the input for one of the filter.
        dilation: [usize; 2],
    },
    /// The elements along a dimension become one; it keeps size 1.
    Fold(Fold, usize),
    /// Elements of a window that moves along a dimension become one.
    Window {
        /// How.
        fold: Fold,
        /// Dimension.
        axis: usize,
        /// Elements of the window.
        size: usize,
        /// Elements from one window to the next.
        step: usize,
        /// Elements from one of the window to the next.
        dilation: usize,
    },
    /// `exp(x - max) / sum(exp(x - max))` along a dimension.
    Softmax(usize),
    /// Other sizes, same order.
    Reshape,
    /// Dimension `n` of the result is dimension `order[n]`.
    Permute(Vec<usize>),
    /// Repeats dimensions of size 1, and new ones in front.
    Expand,
    /// A part.
    Slice(Vec<Cut>),
    /// Elements of a value in front of each dimension; behind it as far as the result goes.
    Pad {
        /// How many in front.
        before: Vec<usize>,
        /// Their value.
        value: f32,
    },
    /// One behind the other along a dimension.
    Concat(usize),
}

impl Primitive {
    /// Roundings of an f32 kernel, in units of 2^-24 of the result. What sums and products of many
    /// numbers take depends on their values: [`crate::num::Num::sum`], [`crate::num::Num::dot`].
    ///
    /// The numbers of functions are derived where the kernels are tested (crate `tpc`,
    /// `kernels/tests.rs`).
    pub fn units(&self) -> f64 {
        match self {
            Primitive::Unary(unary) => match unary {
                Unary::Exp => 8.0,
                Unary::Log | Unary::Sqrt => 4.0,
                Unary::Sigmoid => 12.0,
                Unary::Tanh => 24.0,
                Unary::Reciprocal => 2.0,
                Unary::Abs
                | Unary::Neg
                | Unary::Relu
                | Unary::Floor
                | Unary::Ceil
                | Unary::Round => 0.0,
            },
            Primitive::Binary(binary) => match binary {
                Binary::Add | Binary::Sub | Binary::Mul => 1.0,
                Binary::Div => 2.0,
                Binary::Max | Binary::Min | Binary::Less | Binary::LessOrEqual | Binary::Equal => {
                    0.0
                }
            },
            Primitive::Leaky(_) => 1.0,
            Primitive::Cast
            | Primitive::Select
            | Primitive::Product
            | Primitive::Convolution { .. }
            | Primitive::Fold(..)
            | Primitive::Window { .. }
            | Primitive::Softmax(_)
            | Primitive::Reshape
            | Primitive::Permute(_)
            | Primitive::Expand
            | Primitive::Slice(_)
            | Primitive::Pad { .. }
            | Primitive::Concat(_) => 0.0,
        }
    }

    /// Does it only look at elements in another way? Then how, where strides can say it.
    pub fn view(&self, of: &View, sizes: &[usize]) -> Option<View> {
        match self {
            Primitive::Reshape => of.reshape(sizes),
            Primitive::Permute(order) => Some(of.permute(order)),
            Primitive::Expand => Some(of.expand(sizes)),
            Primitive::Slice(cuts) => Some(of.slice(cuts)),
            Primitive::Unary(_)
            | Primitive::Leaky(_)
            | Primitive::Cast
            | Primitive::Binary(_)
            | Primitive::Select
            | Primitive::Product
            | Primitive::Convolution { .. }
            | Primitive::Fold(..)
            | Primitive::Window { .. }
            | Primitive::Softmax(_)
            | Primitive::Pad { .. }
            | Primitive::Concat(_) => None,
        }
    }

    /// The name of what it does.
    pub fn name(&self) -> String {
        let debug = match self {
            Primitive::Unary(unary) => format!("{unary:?}"),
            Primitive::Binary(binary) => format!("{binary:?}"),
            Primitive::Fold(fold, _) | Primitive::Window { fold, .. } => format!("fold {fold:?}"),
            other => format!("{other:?}"),
        };
        debug.split([' ', '(', '{']).next().unwrap_or_default().to_lowercase()
    }
}
