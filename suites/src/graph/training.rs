// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Training steps: forward, backward, new weights; the weights of a step are fed to the next.
//!
//! Weights are updated by products and sums that are defined bit by bit, so they are compared bit
//! by bit with plain loops. Biases come from sums over the batch: n additions in an order that the
//! reference does not have, off by (n / 64 + 7) * 2^-24 of the magnitudes; the reference goes on
//! with the device's biases, so that this does not spread.

use super::done;
use super::reference::{equals, near, values};
use crate::common::typed::compute;
use case::{Case, CaseResult, Context, check};
use graph::check::{EPS, Products};
use graph::chip::Chip;
use graph::{DataType, Graph, Op, Product, Session, Shape, Share, TensorId};
use rand::SeedableRng;
use rand::rngs::StdRng;

pub(super) fn cases() -> Vec<Case> {
    let rows = &["GRAPH-015", "GRAPH-019"];
    let case = Case::new("graph/model/training_steps_of_a_perceptron", rows, training);
    vec![case.budget(60)]
}

const ROWS: usize = 32;
const INPUT: usize = 20;
const HIDDEN: usize = 16;
const OUTPUT: usize = 4;
const STEPS: usize = 3;
/// Powers of two, so that scaling is exact; small enough that steps do not overshoot.
const RATE: f32 = 1.0 / 1024.0;
const SCALE: f32 = 2.0 / (ROWS * OUTPUT) as f32;
const F32: DataType = DataType::F32;

/// The graph: inputs x and target, the parameters before and after, the output.
struct Step {
    graph: Graph,
    x: TensorId,
    target: TensorId,
    before: [TensorId; 4],
    after: [TensorId; 4],
    output: TensorId,
}

fn step() -> CaseResult<Step> {
    let mut g = Graph::new();
    let mut input = |name: &str, sizes: &[usize]| {
        let sizes: Vec<u32> = sizes.iter().map(|n| *n as u32).collect();
        g.input(name, Shape::dense(F32, &sizes))
    };
    let (x, target) = (input("x", &[ROWS, INPUT]), input("target", &[ROWS, OUTPUT]));
    let (w1, b1) = (input("w1", &[INPUT, HIDDEN]), input("b1", &[1, HIDDEN]));
    let (w2, b2) = (input("w2", &[HIDDEN, OUTPUT]), input("b2", &[1, OUTPUT]));
    let rate = g.constant("rate", F32, &[1], &[RATE]);
    let scale = g.constant("scale", F32, &[1], &[SCALE]);
    let plain = Product::default();
    let left = Product { left_transposed: true, ..plain };
    let right = Product { right_transposed: true, ..plain };
    let h0 = done(g.product("hidden", x, w1, plain))?;
    let h0 = done(g.binary("hidden bias", Op::Add, h0, b1))?;
    let h = done(g.unary("relu", Op::Relu, h0))?;
    let y = done(g.product("output", h, w2, plain))?;
    let y = done(g.binary("output bias", Op::Add, y, b2))?;
    let dy = done(g.binary("error", Op::Sub, y, target))?;
    let dy = done(g.binary("output gradient", Op::Mul, dy, scale))?;
    let dw2 = done(g.product("w2 gradient", h, dy, left))?;
    let db2 = done(g.along("b2 gradient", Op::ReduceSum, dy, 0))?;
    let dh = done(g.product("relu gradient", dy, w2, right))?;
    let dh = done(g.binary("hidden gradient", Op::ReluBackward, dh, h0))?;
    let dw1 = done(g.product("w1 gradient", x, dh, left))?;
    let db1 = done(g.along("b1 gradient", Op::ReduceSum, dh, 0))?;
    let before = [w1, b1, w2, b2];
    let mut after = before;
    for (n, gradient) in [dw1, db1, dw2, db2].into_iter().enumerate() {
        let change = done(g.binary(&format!("change {n}"), Op::Mul, gradient, rate))?;
        after[n] = done(g.binary(&format!("new {n}"), Op::Sub, before[n], change))?;
        g.output(after[n]);
    }
    g.output(y);
    Ok(Step { graph: g, x, target, before, after, output: y })
}

/// `a[i][p] * b[p][j]`, given by index functions, as the engine sums it up.
fn product(
    (rows, common, columns): (usize, usize, usize),
    a: impl Fn(usize, usize) -> f32,
    b: impl Fn(usize, usize) -> f32,
) -> Vec<f32> {
    let element = |n: usize| {
        let pairs = (0..common).map(|p| (a(n / columns, p), b(p, n % columns)));
        Products::of(pairs).exact(F32, false)
    };
    (0..rows * columns).map(element).collect()
}

/// What a step gives: the output, the new weights, the gradients of output and hidden layer.
struct Reference {
    output: Vec<f32>,
    weights: [Vec<f32>; 2],
    gradients: [Vec<f32>; 2],
}

fn reference(x: &[f32], target: &[f32], [w1, b1, w2, b2]: [&[f32]; 4]) -> Reference {
    let biased = |y: Vec<f32>, b: &[f32]| -> Vec<f32> {
        y.iter().enumerate().map(|(n, y)| y + b[n % b.len()]).collect()
    };
    let at = |m: &'_ [f32], width: usize, i: usize, j: usize| m[i * width + j];
    let h0 = product((ROWS, INPUT, HIDDEN), |i, p| at(x, INPUT, i, p), |p, j| at(w1, HIDDEN, p, j));
    let h0 = biased(h0, b1);
    let h: Vec<f32> = h0.iter().map(|h| h.max(0.0)).collect();
    let y =
        product((ROWS, HIDDEN, OUTPUT), |i, p| at(&h, HIDDEN, i, p), |p, j| at(w2, OUTPUT, p, j));
    let y = biased(y, b2);
    let dy: Vec<f32> = y.iter().zip(target).map(|(y, t)| (y - t) * SCALE).collect();
    let dw2 =
        product((HIDDEN, ROWS, OUTPUT), |i, p| at(&h, HIDDEN, p, i), |p, j| at(&dy, OUTPUT, p, j));
    let dh =
        product((ROWS, OUTPUT, HIDDEN), |i, p| at(&dy, OUTPUT, i, p), |p, j| at(w2, OUTPUT, j, p));
    let dh: Vec<f32> = dh.iter().zip(&h0).map(|(g, h)| if *h > 0.0 { *g } else { 0.0 }).collect();
    let dw1 =
        product((INPUT, ROWS, HIDDEN), |i, p| at(x, INPUT, p, i), |p, j| at(&dh, HIDDEN, p, j));
    let new = |w: &[f32], g: &[f32]| w.iter().zip(g).map(|(w, g)| w - g * RATE).collect();
    Reference { output: y, weights: [new(w1, &dw1), new(w2, &dw2)], gradients: [dh, dy] }
}

/// A new bias and how far off it may be, from the gradient of its layer.
fn bias(old: &[f32], gradient: &[f32]) -> Vec<(f64, f64)> {
    let width = old.len();
    let one = |(j, old): (usize, &f32)| {
        let column = || gradient.iter().skip(j).step_by(width).map(|g| f64::from(*g));
        let (sum, size) = (column().sum::<f64>(), column().map(f64::abs).sum::<f64>());
        let rate = f64::from(RATE);
        let want = f64::from(*old) - sum * rate;
        let off = size * EPS * (ROWS as f64 / 64.0 + 7.0) * rate;
        // The difference is rounded once.
        (want, off + (want.abs() + off) * EPS)
    };
    old.iter().enumerate().map(one).collect()
}

fn training(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let Step { graph, x, target, before, after, output } = step()?;
    let chip = done(Chip::found(&node))?;
    let share = done(Share::all(&node, &chip))?;
    let session = done(Session::new(&node, chip, &share, &graph))?;
    let mut random = StdRng::seed_from_u64(41);
    let (xs, ts) = (values(&mut random, ROWS * INPUT), values(&mut random, ROWS * OUTPUT));
    done(session.set(x, &F32.encode(&xs)))?;
    done(session.set(target, &F32.encode(&ts)))?;
    let sizes = [INPUT * HIDDEN, HIDDEN, HIDDEN * OUTPUT, OUTPUT];
    let mut parameters = sizes.map(|count| values(&mut random, count));
    let mut losses = Vec::new();
    for _ in 0..STEPS {
        for (id, values) in before.iter().zip(&parameters) {
            done(session.set(*id, &F32.encode(values)))?;
        }
        for id in after.into_iter().chain([output]) {
            done(session.spoil(id))?;
        }
        done(session.run())?;
        let new = after.map(|id| F32.decode(&session.get(id)));
        let want = reference(&xs, &ts, parameters.each_ref().map(Vec::as_slice));
        let y = F32.decode(&session.get(output));
        equals("output", &y, &want.output)?;
        let [w1, w2] = &want.weights;
        equals("w1", &new[0], w1)?;
        equals("w2", &new[2], w2)?;
        let [dh, dy] = &want.gradients;
        near("b1", &new[1], bias(&parameters[1], dh).into_iter())?;
        near("b2", &new[3], bias(&parameters[3], dy).into_iter())?;
        losses.push(y.iter().zip(&ts).map(|(y, t)| f64::from(y - t).powi(2)).sum::<f64>());
        parameters = new;
    }
    check(losses.windows(2).all(|pair| pair[1] < pair[0]), "every step makes the error smaller")
        .map_err(|stop| stop.request(&losses))
}
