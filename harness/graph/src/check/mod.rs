// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What nodes should give, by plain loops: names the first node that gave something else.
//!
//! Each node is checked on what the device gave to it, so errors do not add up, and the first node
//! that differs is the one that is wrong. For that all tensors have to be seen
//! ([`crate::Graph::inspect`]). Arithmetic that is defined bit by bit (products, sums of two,
//! maxima, casts, copies) must be equal; functions may differ within a bound. With eps = 2^-24,
//! half a unit in the last place of f32, relative to the result:
//!
//! | operation | bound | why |
//! |---|---|---|
//! | reciprocal, quotient | 2 eps | the last step of Newton is rounded twice |
//! | exp | 8 eps | reduction 2, polynomial 4, two products |
//! | sigmoid | 12 eps | exp 8, sum 1, reciprocal 2 |
//! | tanh | 24 eps | 1 - q with q of 13 eps and at most 1.6 times the result, and 2 more |
//! | sum of n | (n / 64 + 7) eps of the sum of magnitudes | 64 lanes, then six halvings |
//! | softmax | range + n / 64 + 27 eps | x - max is off by range eps; two exp, sum, reciprocal, product |
//! | layer norm | n / 128 + 16 eps, and mean error / deviation | root of a mean of squares |
//!
//! bf16 results are rounded once more: 2^-8 of the result. Denormal numbers may be zero.
//!
//! Not checked: kernels that callers bring.

mod rows;
mod sum;

use crate::graph::{Graph, Node, TensorId, Work};
use crate::kernel::{Call, Op};
use crate::tensor::DataType;
use crate::view::View;
use half::bf16;
use std::collections::BTreeMap;
use std::fmt;

pub use sum::Products;

/// Half a unit in the last place of an f32, relative.
pub const EPS: f64 = 1.0 / (1 << 24) as f64;
/// The same of a bf16.
pub const EPS_BF16: f64 = 1.0 / 256.0;

/// What an element should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Expected {
    /// Exactly this.
    Exact(f32),
    /// This within a bound.
    Within(f64, f64),
}

impl Expected {
    /// A function's result, rounded to a type, within `units` eps.
    fn near(value: f64, units: f64, data: DataType) -> Self {
        let more = match data {
            DataType::Bf16 => EPS_BF16,
            DataType::F32 => 0.0,
        };
        Expected::Within(value, value.abs() * (units * EPS + more))
    }

    /// Is this it?
    pub fn admits(&self, got: f32) -> bool {
        let tiny = f64::from(f32::MIN_POSITIVE);
        match *self {
            Expected::Exact(want) => {
                let flushed = want.is_subnormal() && got == 0.0;
                got.to_bits() == want.to_bits() || flushed || got.is_nan() && want.is_nan()
            }
            Expected::Within(want, bound) => {
                let infinite = got.is_infinite() && want.abs() > f32::MAX.into();
                let same_sign = f64::from(got) * want > 0.0;
                (f64::from(got) - want).abs() <= bound.max(tiny)
                    || infinite && same_sign
                    || got.is_nan() && want.is_nan()
            }
        }
    }
}

/// An element that is not what it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The node that made it.
    pub node: String,
    /// Which element, in order.
    pub index: u64,
    /// How many elements of the node are wrong.
    pub wrong: u64,
    /// What the node gave.
    pub got: f32,
    /// What it should have given.
    pub expected: Expected,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference { node, index, wrong, got, expected } = self;
        write!(f, "node {node} is the first that differs: element {index} is {got:e}, expected ")?;
        match expected {
            Expected::Exact(want) => write!(f, "{want:e}")?,
            Expected::Within(want, bound) => write!(f, "{want:e} within {bound:e}")?,
        }
        write!(f, "; {wrong} elements are wrong")
    }
}

/// Numbers of tensors, gaps included.
pub type Values = BTreeMap<TensorId, Vec<f32>>;

/// The first node that gave something else than it should have, from what all tensors held.
pub fn first_difference(graph: &Graph, values: &Values) -> Option<Difference> {
    graph.nodes().iter().find_map(|node| difference(graph, node, values))
}

/// The worst element of a node, as a part of its bound (1: at the bound); 0 for exact nodes.
/// `None` if the node cannot be checked.
pub fn worst(graph: &Graph, node: &Node, values: &Values) -> Option<f64> {
    let (got, expected) = (values.get(&node.writes)?, expected(graph, node, values)?);
    let part = |(at, expected): &(u64, Expected)| match *expected {
        Expected::Exact(_) => 0.0,
        Expected::Within(want, bound) if bound > 0.0 => {
            (f64::from(got[*at as usize]) - want).abs() / bound
        }
        Expected::Within(..) => 0.0,
    };
    Some(expected.iter().map(part).fold(0.0, f64::max))
}

fn difference(graph: &Graph, node: &Node, values: &Values) -> Option<Difference> {
    let (given, expected) = (values.get(&node.writes)?, expected(graph, node, values)?);
    let mut all = (0..).zip(&expected).filter_map(|(index, (at, expected))| {
        let got = given[*at as usize];
        (!expected.admits(got)).then_some((index, got, *expected))
    });
    let (index, got, expected) = all.next()?;
    let wrong = 1 + all.count() as u64;
    Some(Difference { node: node.name.clone(), index, wrong, got, expected })
}

/// What a node should give: which element of its tensor, what. `None` if nobody knows.
pub fn expected(graph: &Graph, node: &Node, values: &Values) -> Option<Vec<(u64, Expected)>> {
    match &node.work {
        Work::Copy => {
            let from = values.get(&node.reads[0])?;
            Some((0..).zip(from.iter().map(|value| Expected::Exact(*value))).collect())
        }
        Work::Contraction(work) => {
            let (left, right) = (values.get(&node.reads[0])?, values.get(&node.reads[1])?);
            Some(sum::expected(work, left, right, graph.shape(node.writes).data))
        }
        Work::Kernel(call) => kernel(call, values),
    }
}

/// The numbers of a view, in order.
fn numbers(view: &View, values: &Values) -> Option<Vec<f32>> {
    let all = values.get(&view.tensor)?;
    Some((0..view.count()).map(|n| all[view.at(n) as usize]).collect())
}

fn kernel(call: &Call, values: &Values) -> Option<Vec<(u64, Expected)>> {
    let inputs: Option<Vec<Vec<f32>>> =
        call.inputs.iter().map(|view| numbers(view, values)).collect();
    let inputs = inputs?;
    let data = call.output.data;
    let results: Vec<Expected> = match call.op {
        Op::ReduceSum | Op::ReduceMax | Op::Softmax | Op::LayerNorm => {
            let width = *call.inputs[0].sizes.last()? as usize;
            let rows = inputs[0].chunks(width);
            rows.flat_map(|row| rows::expected(call, row)).collect()
        }
        Op::Own => return None,
        _ => (0..call.output.count() as usize)
            .map(|n| {
                let second = inputs.get(1).map_or(0.0, |input| input[n]);
                point(call, inputs[0][n], second, data)
            })
            .collect::<Option<_>>()?,
    };
    Some((0..).map(|n| call.output.at(n)).zip(results).collect())
}

/// One element from one or two numbers.
fn point(call: &Call, a: f32, b: f32, data: DataType) -> Option<Expected> {
    let exact = |value: f32| Some(Expected::Exact(round(value, data)));
    let near = |value: f64, units| Some(Expected::near(value, units, data));
    let (x, y) = (f64::from(a), f64::from(b));
    match call.op {
        Op::Copy | Op::Cast => exact(a),
        Op::Add => exact(a + b),
        Op::Sub => exact(a - b),
        Op::Mul => exact(a * b),
        Op::Max => exact(a.max(b)),
        Op::Min => exact(a.min(b)),
        Op::Relu => exact(a.max(0.0)),
        Op::ReluBackward => exact(if b > 0.0 { a } else { 0.0 }),
        Op::LeakyRelu => exact(if a >= 0.0 { a } else { a * slope(call, data) }),
        Op::Div => near(x / y, 2.0),
        Op::Exp => near(x.exp(), 8.0),
        Op::Sigmoid => near(1.0 / (1.0 + (-x).exp()), 12.0),
        Op::Tanh => near(x.tanh(), 24.0),
        Op::Reciprocal => near(1.0 / x, 2.0),
        Op::ReduceSum | Op::ReduceMax | Op::Softmax | Op::LayerNorm | Op::Own => None,
    }
}

/// The slope of a leaky relu, as its kernel got it.
fn slope(call: &Call, data: DataType) -> f32 {
    let bits = call.scalars.get(1).copied().unwrap_or_default();
    match data {
        DataType::Bf16 => bf16::from_bits(bits as u16).to_f32(),
        DataType::F32 => f32::from_bits(bits),
    }
}

/// A number of a type, nearest even.
fn round(value: f32, data: DataType) -> f32 {
    match data {
        DataType::Bf16 => bf16::from_f32(value).to_f32(),
        DataType::F32 => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Product;
    use crate::tensor::Shape;

    fn good<T>(result: Result<T, crate::Error>) -> T {
        result.unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn the_first_node_that_differs_is_named() {
        let mut g = Graph::new();
        let shape = Shape::dense(DataType::F32, &[2, 2]);
        let (a, b) = (g.input("a", shape.clone()), g.input("b", shape));
        let c = good(g.product("product", a, b, Product::default()));
        let d = good(g.binary("sum", Op::Add, c, a));
        let e = good(g.along("softmax", Op::Softmax, d, 1));
        let (one, e1) = (1f64.exp(), 1.0 / (1.0 + (-10f64).exp()));
        let right = [
            (a, vec![1.0, 2.0, 3.0, 4.0]),
            (b, vec![1.0, 0.0, 0.0, 1.0]),
            (c, vec![1.0, 2.0, 3.0, 4.0]),
            (d, vec![2.0, 4.0, 6.0, 16.0]),
            (e, vec![0.0; 4]),
        ];
        let mut values: Values = right.into_iter().collect();
        let wrong = first_difference(&g, &values);
        assert!(
            matches!(&wrong, Some(Difference { node, index: 3, wrong: 1, .. }) if node == "sum")
        );
        // The next is then checked on what it was given.
        let soft = [1.0 / (1.0 + one * one), 0.0, 1.0 - e1, e1];
        let soft = [soft[0], 1.0 - soft[0], soft[2], soft[3]];
        values.insert(e, soft.map(|x| x as f32).to_vec());
        let (sum, softmax) = (&g.nodes()[1], &g.nodes()[2]);
        assert!(difference(&g, sum, &values).is_some());
        assert_eq!(difference(&g, softmax, &values), None);
        assert!(worst(&g, softmax, &values).is_some_and(|part| part < 1.0));
        values.insert(c, vec![1.0, 2.0, 3.0, 4.000_000_5]);
        let wrong = first_difference(&g, &values).map(|found| found.to_string());
        let wanted = "node product is the first that differs: element 3 is 4.0000005e0, expected \
                      4e0; 1 elements are wrong";
        assert_eq!(wrong.as_deref(), Some(wanted));
    }

    #[test]
    fn bounds_admit_what_they_should() {
        assert!(Expected::Exact(1e-40).admits(0.0));
        assert!(!Expected::Exact(0.0).admits(-0.0));
        assert!(Expected::Exact(f32::NAN).admits(f32::NAN));
        let near = Expected::near(1.0, 2.0, DataType::F32);
        assert!(near.admits(1.0 + f32::EPSILON) && !near.admits(1.0 + 2.0 * f32::EPSILON));
        let over = Expected::near(1e40, 2.0, DataType::F32);
        assert!(over.admits(f32::INFINITY) && !over.admits(f32::NEG_INFINITY));
        assert!(!Expected::near(1.0, 2.0, DataType::F32).admits(f32::NAN));
    }
}
