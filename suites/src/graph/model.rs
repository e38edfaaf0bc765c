// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Whole models with seeded weights, against plain loops from the inputs to the end.
//!
//! Everything before a softmax is arithmetic that is defined bit by bit, so the reference has the
//! same numbers there. Softmax of a row x is within (range of x + elements / 64 + 27) * 2^-24
//! (crate `graph`, module `check`).

use super::done;
use super::matrix::once;
use super::reference::{near, seen, values};
use crate::common::typed::compute;
use case::{Case, CaseResult, Context};
use graph::check::{EPS, EPS_BF16, Products};
use graph::{Convolution, DataType, Graph, Op, Product, Shape, TensorId, View};
use mme::arithmetic::Rounding;
use rand::SeedableRng;
use rand::rngs::StdRng;

pub(super) fn cases() -> Vec<Case> {
    let cases = vec![
        Case::new("graph/model/perceptron_of_two_layers", &["GRAPH-015"], perceptron),
        Case::new("graph/model/convolutions_and_pooling", &["GRAPH-014", "GRAPH-011"], pictures),
        Case::new("graph/model/attention_block", &["GRAPH-016", "GRAPH-011"], attention),
    ];
    cases.into_iter().map(|case| case.budget(60)).collect()
}

const BF16: DataType = DataType::Bf16;
const F32: DataType = DataType::F32;

/// Rows of softmax in double precision, and how far off each element may be.
fn softmax(rows: &[f32], width: usize) -> Vec<(f64, f64)> {
    let row = |row: &[f32]| {
        let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let x: Vec<f64> = row.iter().map(|x| f64::from(*x) - f64::from(top)).collect();
        let sum: f64 = x.iter().map(|x| x.exp()).sum();
        let range = x.iter().fold(0.0, |range, x| x.abs().max(range));
        let units = range + width as f64 / 64.0 + 27.0;
        x.iter().map(|x| (x.exp() / sum, x.exp() / sum * units * EPS)).collect::<Vec<_>>()
    };
    rows.chunks(width).flat_map(row).collect()
}

/// A product of matrices, as the engine computes it.
fn product(a: &[f32], b: &[f32], common: usize, columns: usize, output: DataType) -> Vec<f32> {
    let element = |n: usize| {
        let (i, j) = (n / columns, n % columns);
        let pairs = (0..common).map(|p| (a[i * common + p], b[p * columns + j]));
        Products::of(pairs).exact(output, false)
    };
    (0..a.len() / common * columns).map(element).collect()
}

/// Inputs of a graph.
struct Inputs {
    random: StdRng,
    all: Vec<(TensorId, DataType, Vec<f32>)>,
}

impl Inputs {
    fn new(seed: u64) -> Self {
        Inputs { random: StdRng::seed_from_u64(seed), all: Vec::new() }
    }

    fn add(&mut self, g: &mut Graph, name: &str, data: DataType, sizes: &[u32]) -> TensorId {
        let id = g.input(name, Shape::dense(data, sizes));
        let count = sizes.iter().product::<u32>() as usize;
        self.all.push((id, data, values(&mut self.random, count)));
        id
    }

    fn of(&self, id: TensorId) -> &[f32] {
        let found = self.all.iter().find(|(one, ..)| *one == id);
        found.map(|(_, _, values)| values.as_slice()).unwrap_or_default()
    }

    /// Runs the graph for one output, and once more to see every node.
    fn run(&self, cx: &Context, g: &Graph, output: TensorId) -> CaseResult<Vec<f32>> {
        let node = compute(cx)?;
        let bytes: Vec<_> = self.all.iter().map(|(id, data, v)| (*id, data.encode(v))).collect();
        let got = once(&node, g, &bytes, output)?;
        let numbers: Vec<_> = self.all.iter().map(|(id, _, v)| (*id, v.clone())).collect();
        seen(&node, g, &numbers)?;
        Ok(g.shape(output).data.decode(&got))
    }
}

fn perceptron(cx: &Context) -> CaseResult {
    const ROWS: usize = 40;
    const INPUT: usize = 50;
    const HIDDEN: usize = 90;
    const CLASSES: usize = 10;
    let [rows, input, hidden, classes] = [ROWS, INPUT, HIDDEN, CLASSES].map(|n| n as u32);
    let mut g = Graph::new();
    let mut inputs = Inputs::new(31);
    let x = inputs.add(&mut g, "x", BF16, &[rows, input]);
    let w1 = inputs.add(&mut g, "w1", BF16, &[input, hidden]);
    let b1 = inputs.add(&mut g, "b1", F32, &[hidden]);
    let w2 = inputs.add(&mut g, "w2", BF16, &[hidden, classes]);
    let b2 = inputs.add(&mut g, "b2", F32, &[classes]);
    let h = done(g.product("first", x, w1, Product::default()))?;
    let h = done(g.binary("first bias", Op::Add, h, b1))?;
    let h = done(g.unary("relu", Op::Relu, h))?;
    let h = done(g.cast("rounded", h, BF16))?;
    let y = done(g.product("second", h, w2, Product::default()))?;
    let y = done(g.binary("second bias", Op::Add, y, b2))?;
    let y = done(g.along("softmax", Op::Softmax, y, 1))?;
    g.output(y);
    let got = inputs.run(cx, &g, y)?;
    let biased = |y: Vec<f32>, b: &[f32]| -> Vec<f32> {
        y.iter().enumerate().map(|(n, y)| y + b[n % b.len()]).collect()
    };
    let h = product(inputs.of(x), inputs.of(w1), INPUT, HIDDEN, F32);
    let h = biased(h, inputs.of(b1));
    let h: Vec<f32> = h.iter().map(|h| Rounding::Nearest.bf16(h.max(0.0)).to_f32()).collect();
    let y = biased(product(&h, inputs.of(w2), HIDDEN, CLASSES, F32), inputs.of(b2));
    near("softmax", &got, softmax(&y, CLASSES).into_iter())
}

/// `[n][h][w][c]` with filters `[r][r][c][k]`, no padding, then relu, in bf16.
fn convolve(x: &[f32], [n, h, w, c]: [usize; 4], f: &[f32], r: usize, k: usize) -> Vec<f32> {
    let (oh, ow) = (h - r + 1, w - r + 1);
    let element = |index: usize| {
        let (at, channel) = (index / k, index % k);
        let (image, py, px) = (at / ow / oh, at / ow % oh, at % ow);
        let taps = (0..r * r * c).map(|tap| {
            let (dy, dx, e) = (tap / c / r, tap / c % r, tap % c);
            (x[((image * h + py + dy) * w + px + dx) * c + e], f[tap * k + channel])
        });
        Products::of(taps).exact(BF16, true)
    };
    (0..n * oh * ow * k).map(element).collect()
}

/// The corner at `(dy, dx)` of all windows of 2x2.
fn corner(g: &Graph, x: TensorId, dy: u32, dx: u32) -> CaseResult<View> {
    let view = g.view(x);
    let (h, w) = (view.sizes[1] / 2, view.sizes[2] / 2);
    done(done(view.slice(1, dy, h, 2))?.slice(2, dx, w, 2))
}

fn pictures(cx: &Context) -> CaseResult {
    let relu = Convolution { relu: true, output: BF16, ..Convolution::default() };
    let mut g = Graph::new();
    let mut inputs = Inputs::new(32);
    let x = inputs.add(&mut g, "pictures", BF16, &[2, 14, 14, 1]);
    let f1 = inputs.add(&mut g, "filters 1", BF16, &[5, 5, 1, 6]);
    let f2 = inputs.add(&mut g, "filters 2", BF16, &[3, 3, 6, 8]);
    let w = inputs.add(&mut g, "weights", BF16, &[72, 10]);
    let c1 = done(g.convolution("first", x, f1, relu))?;
    let upper = done(g.binary("upper", Op::Max, corner(&g, c1, 0, 0)?, corner(&g, c1, 0, 1)?))?;
    let lower = done(g.binary("lower", Op::Max, corner(&g, c1, 1, 0)?, corner(&g, c1, 1, 1)?))?;
    let pooled = done(g.binary("pooled", Op::Max, upper, lower))?;
    let c2 = done(g.convolution("second", pooled, f2, relu))?;
    let flat = done(g.view(c2).reshape(&[2, 72]))?;
    let flat = done(g.unary("flat", Op::Copy, flat))?;
    let y = done(g.product("classes", flat, w, Product::default()))?;
    let y = done(g.along("softmax", Op::Softmax, y, 1))?;
    g.output(y);
    let got = inputs.run(cx, &g, y)?;
    let c1 = convolve(inputs.of(x), [2, 14, 14, 1], inputs.of(f1), 5, 6);
    let pool = |index: usize| {
        let (at, e) = (index / 6, index % 6);
        let (image, py, px) = (at / 25, at / 5 % 5, at % 5);
        let one = |dy, dx| c1[((image * 10 + 2 * py + dy) * 10 + 2 * px + dx) * 6 + e];
        one(0, 0).max(one(0, 1)).max(one(1, 0)).max(one(1, 1))
    };
    let pooled: Vec<f32> = (0..2 * 25 * 6).map(pool).collect();
    let c2 = convolve(&pooled, [2, 5, 5, 6], inputs.of(f2), 3, 8);
    let y = product(&c2, inputs.of(w), 72, 10, F32);
    near("softmax", &got, softmax(&y, 10).into_iter())
}

/// One head: softmax(q k^T / sqrt(d)) v. The weights are rounded to bf16 for the last product, so
/// each is off by its softmax bound and 2^-8 of itself; the sum over them adds up what each makes
/// of its value, and the engine's additions.
fn attention(cx: &Context) -> CaseResult {
    const ROWS: usize = 33;
    const D: usize = 24;
    let (rows, d) = (ROWS as u32, D as u32);
    let rounded = Product { output: BF16, ..Product::default() };
    let mut g = Graph::new();
    let mut inputs = Inputs::new(33);
    let x = inputs.add(&mut g, "x", BF16, &[rows, d]);
    let weights = ["wq", "wk", "wv"].map(|name| inputs.add(&mut g, name, BF16, &[d, d]));
    let scale = 1.0 / 64.0;
    let factor = g.constant("scale", F32, &[1], &[scale]);
    let mut made = Vec::new();
    for (name, w) in ["q", "k", "v"].into_iter().zip(weights) {
        made.push(done(g.product(name, x, w, rounded))?);
    }
    let turned = Product { right_transposed: true, ..Product::default() };
    let scores = done(g.product("scores", made[0], made[1], turned))?;
    let scores = done(g.binary("scaled", Op::Mul, scores, factor))?;
    let p = done(g.along("softmax", Op::Softmax, scores, 1))?;
    let p = done(g.cast("rounded", p, BF16))?;
    let y = done(g.product("mixed", p, made[2], Product::default()))?;
    g.output(y);
    let got = inputs.run(cx, &g, y)?;
    let [q, k, v] = weights.map(|w| product(inputs.of(x), inputs.of(w), D, D, BF16));
    let score = |n: usize| {
        let (i, j) = (n / ROWS, n % ROWS);
        let pairs = (0..D).map(|p| (q[i * D + p], k[j * D + p]));
        Products::of(pairs).exact(F32, false) * scale
    };
    let scores: Vec<f32> = (0..ROWS * ROWS).map(score).collect();
    let p = softmax(&scores, ROWS);
    let additions = (ROWS + 2) as f64 * 2.0 * EPS;
    let wanted = (0..ROWS * D).map(|n| {
        let pairs = (0..ROWS).map(|r| (p[n / D * ROWS + r], f64::from(v[r * D + n % D])));
        pairs.fold((0.0, 0.0), |(sum, bound), ((p, off), v)| {
            let off = off + (p + off) * EPS_BF16;
            (sum + p * v, bound + (off + (p + off) * additions) * v.abs())
        })
    });
    near("mixed", &got, wanted)
}
