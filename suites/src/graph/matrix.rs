// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The matrix engine: products, convolutions, chains of both.

use super::done;
use super::reference::{compare, values};
use crate::common::typed::compute;
use case::{Case, CaseResult, Context};
use device::Node;
use graph::check::Products;
use graph::chip::Chip;
use graph::{Convolution, DataType, Graph, Product, Session, Shape, Share};
use rand::SeedableRng;
use rand::rngs::StdRng;

pub(super) fn cases() -> Vec<Case> {
    let cases = vec![
        Case::new("graph/product/bf16_is_exact", &["GRAPH-012"], |cx| {
            products(cx, DataType::Bf16, DataType::F32)
        }),
        Case::new("graph/product/bf16_result_is_rounded_to_nearest", &["GRAPH-012"], |cx| {
            products(cx, DataType::Bf16, DataType::Bf16)
        }),
        Case::new("graph/product/f32_is_exact", &["GRAPH-013"], |cx| {
            products(cx, DataType::F32, DataType::F32)
        }),
        Case::new("graph/product/takes_batches_and_strides", &["GRAPH-012"], strided),
        Case::new("graph/convolution/steps_dilation_and_padding", &["GRAPH-014"], convolutions),
        Case::new("graph/chain/two_layers_with_bias_and_relu", &["GRAPH-015"], layers),
        Case::new("graph/chain/convolutions_feed_each_other", &["GRAPH-014"], pictures),
    ];
    cases.into_iter().map(|case| case.budget(30)).collect()
}

/// Runs a graph once with these inputs; gives its outputs as bytes.
pub(super) fn once(
    node: &Node,
    graph: &Graph,
    inputs: &[(graph::TensorId, Vec<u8>)],
    output: graph::TensorId,
) -> CaseResult<Vec<u8>> {
    let chip = done(Chip::found(node))?;
    let share = done(Share::all(node, &chip))?;
    let session = done(Session::new(node, chip, &share, graph))?;
    for (id, bytes) in inputs {
        done(session.set(*id, bytes))?;
    }
    done(session.run())?;
    Ok(session.get(output))
}

/// Rows, common dimension, columns; which operands are transposed.
const PRODUCTS: [([usize; 3], bool, bool); 5] = [
    ([1, 1, 1], false, false),
    ([64, 64, 64], false, false),
    ([130, 70, 200], false, true),
    ([100, 33, 65], true, false),
    ([70, 129, 31], true, true),
];

fn products(cx: &Context, input: DataType, output: DataType) -> CaseResult {
    let node = compute(cx)?;
    let mut random = StdRng::seed_from_u64(12);
    for ([m, k, n], left_transposed, right_transposed) in PRODUCTS {
        let relu = left_transposed;
        let options = Product { left_transposed, right_transposed, relu, output };
        let sizes = |swap: bool, a: usize, b: usize| {
            if swap { [b as u32, a as u32] } else { [a as u32, b as u32] }
        };
        let mut g = Graph::new();
        let a = g.input("a", Shape::dense(input, &sizes(left_transposed, m, k)));
        let b = g.input("b", Shape::dense(input, &sizes(right_transposed, k, n)));
        let c = done(g.product("product", a, b, options))?;
        g.output(c);
        let (x, y) = (values(&mut random, m * k), values(&mut random, k * n));
        let inputs = [(a, input.encode(&x)), (b, input.encode(&y))];
        let got = output.decode(&once(&node, &g, &inputs, c)?);
        let left = |i: usize, p: usize| if left_transposed { x[p * m + i] } else { x[i * k + p] };
        let right = |p: usize, j: usize| if right_transposed { y[j * k + p] } else { y[p * n + j] };
        let what = format!("{m}x{k}x{n} transposed {left_transposed} {right_transposed}");
        compare(&what, &got, output, relu, |index| {
            Products::of((0..k).map(|p| (left(index / n, p), right(p, index % n))))
        })?;
    }
    Ok(())
}

fn strided(cx: &Context) -> CaseResult {
    const BATCHES: usize = 3;
    const N: usize = 70;
    let node = compute(cx)?;
    let mut random = StdRng::seed_from_u64(13);
    let data = DataType::Bf16;
    let (row, batch) = (N + 10, N * (N + 10) + 30);
    let shape = Shape::dense(data, &[BATCHES as u32, N as u32, N as u32]);
    let gaps = shape.clone().strided(&[batch as u32, row as u32, 1]);
    let mut g = Graph::new();
    let a = g.input("a", gaps.clone());
    let b = g.input("b", shape);
    let c = done(g.product("product", a, b, Product::default()))?;
    g.output(c);
    let x = values(&mut random, gaps.span() as usize);
    let y = values(&mut random, BATCHES * N * N);
    let got = once(&node, &g, &[(a, data.encode(&x)), (b, data.encode(&y))], c)?;
    compare("product", &DataType::F32.decode(&got), DataType::F32, false, |index| {
        let (z, i, j) = (index / N / N, index / N % N, index % N);
        Products::of((0..N).map(|p| (x[z * batch + i * row + p], y[(z * N + p) * N + j])))
    })
}

/// A picture `[n][h][w][c]` and filters `[r][s][c][k]`.
struct Pictures {
    input: [usize; 4],
    filter: [usize; 4],
    options: Convolution,
}

impl Pictures {
    /// The products of an output element.
    fn element(&self, x: &[f32], f: &[f32], output: &Shape, index: usize) -> Products {
        let [_, h, w, c] = self.input;
        let [rows, columns, _, k] = self.filter;
        let Convolution { step, dilation, padding, .. } = self.options;
        let (oh, ow) = (output.sizes[1] as usize, output.sizes[2] as usize);
        let (at, channel) = (index / k, index % k);
        let (image, py, px) = (at / ow / oh, at / ow % oh, at % ow);
        let place = |out: usize, filter: usize, d: usize, size: usize| {
            let from = out * step[d] as usize + filter * dilation[d] as usize;
            from.checked_sub(padding[d] as usize).filter(|at| *at < size)
        };
        let taps = (0..rows).flat_map(|r| (0..columns).map(move |s| (r, s)));
        Products::of(taps.flat_map(|(r, s)| {
            let pixel = place(py, r, 0, h).zip(place(px, s, 1, w));
            (0..c).map(move |e| {
                let left = pixel.map_or(0.0, |(y, x0)| x[((image * h + y) * w + x0) * c + e]);
                (left, f[((r * columns + s) * c + e) * k + channel])
            })
        }))
    }

    fn check(&self, node: &Node, random: &mut StdRng) -> CaseResult {
        let data = DataType::Bf16;
        let mut g = Graph::new();
        let a = g.input("picture", Shape::dense(data, &self.input.map(|n| n as u32)));
        let b = g.input("filters", Shape::dense(data, &self.filter.map(|n| n as u32)));
        let c = done(g.convolution("convolution", a, b, self.options))?;
        g.output(c);
        let x = values(random, self.input.iter().product());
        let f = values(random, self.filter.iter().product());
        let got = once(node, &g, &[(a, data.encode(&x)), (b, data.encode(&f))], c)?;
        let Convolution { relu, output, .. } = self.options;
        let shape = g.shape(c).clone();
        let element = |index| self.element(&x, &f, &shape, index);
        compare("convolution", &output.decode(&got), output, relu, element)
    }
}

fn convolutions(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let mut random = StdRng::seed_from_u64(14);
    let plain = Convolution::default();
    let all = [
        Pictures { input: [1, 5, 5, 3], filter: [3, 3, 3, 2], options: plain },
        Pictures {
            input: [2, 14, 13, 8],
            filter: [3, 3, 8, 70],
            options: Convolution { padding: [1, 1], relu: true, ..plain },
        },
        Pictures {
            input: [1, 17, 22, 5],
            filter: [2, 3, 5, 9],
            options: Convolution { step: [3, 2], dilation: [2, 1], padding: [0, 2], ..plain },
        },
    ];
    all.iter().try_for_each(|one| one.check(&node, &mut random))
}

/// Two layers. The bias is the last row of the weights, the input has a column of ones for it.
fn layers(cx: &Context) -> CaseResult {
    const ROWS: usize = 40;
    const INPUT: usize = 50;
    const HIDDEN: usize = 90;
    const CLASSES: usize = 10;
    let node = compute(cx)?;
    let mut random = StdRng::seed_from_u64(15);
    let data = DataType::Bf16;
    let mut g = Graph::new();
    let x = g.input("x", Shape::dense(data, &[ROWS as u32, INPUT as u32 + 1]));
    let w1 = g.input("w1", Shape::dense(data, &[INPUT as u32 + 1, HIDDEN as u32]));
    let w2 = g.input("w2", Shape::dense(data, &[HIDDEN as u32, CLASSES as u32]));
    let options = Product { relu: true, output: data, ..Product::default() };
    let hidden = done(g.product("hidden", x, w1, options))?;
    let y = done(g.product("classes", hidden, w2, Product::default()))?;
    g.output(y);
    let mut input = values(&mut random, ROWS * (INPUT + 1));
    input.iter_mut().skip(INPUT).step_by(INPUT + 1).for_each(|one| *one = 1.0);
    let first = values(&mut random, (INPUT + 1) * HIDDEN);
    let second = values(&mut random, HIDDEN * CLASSES);
    let bytes = [(x, &input), (w1, &first), (w2, &second)];
    let bytes = bytes.map(|(id, values)| (id, data.encode(values)));
    let got = DataType::F32.decode(&once(&node, &g, &bytes, y)?);
    let between: Vec<f32> = (0..ROWS * HIDDEN)
        .map(|index| {
            let (i, j) = (index / HIDDEN, index % HIDDEN);
            let pairs = (0..=INPUT).map(|p| (input[i * (INPUT + 1) + p], first[p * HIDDEN + j]));
            Products::of(pairs).exact(data, true)
        })
        .collect();
    compare("classes", &got, DataType::F32, false, |index| {
        let (i, j) = (index / CLASSES, index % CLASSES);
        let pairs = (0..HIDDEN).map(|p| (between[i * HIDDEN + p], second[p * CLASSES + j]));
        Products::of(pairs)
    })
}

fn pictures(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let mut random = StdRng::seed_from_u64(16);
    let data = DataType::Bf16;
    let options = Convolution { relu: true, output: data, ..Convolution::default() };
    let first = Pictures { input: [1, 12, 12, 1], filter: [5, 5, 1, 6], options };
    let second = Pictures {
        input: [1, 8, 8, 6],
        filter: [3, 3, 6, 16],
        options: Convolution { step: [2, 2], output: DataType::F32, ..options },
    };
    let mut g = Graph::new();
    let shape = |sizes: [usize; 4]| Shape::dense(data, &sizes.map(|n| n as u32));
    let x = g.input("picture", shape(first.input));
    let f1 = g.input("filters 1", shape(first.filter));
    let f2 = g.input("filters 2", shape(second.filter));
    let inner = done(g.convolution("first", x, f1, first.options))?;
    let y = done(g.convolution("second", inner, f2, second.options))?;
    g.output(y);
    let [a, b, c] = [first.input, first.filter, second.filter]
        .map(|sizes| values(&mut random, sizes.iter().product()));
    let bytes = [(x, &a), (f1, &b), (f2, &c)].map(|(id, values)| (id, data.encode(values)));
    let got = DataType::F32.decode(&once(&node, &g, &bytes, y)?);
    let between: Vec<f32> = (0..8 * 8 * 6)
        .map(|index| first.element(&a, &b, g.shape(inner), index).exact(data, true))
        .collect();
    compare("second", &got, DataType::F32, true, |index| {
        second.element(&between, &c, g.shape(y), index)
    })
}
