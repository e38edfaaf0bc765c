// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Tensor cores: operations one by one, and what views do.

use super::matrix::once;
use super::reference::{equals, seen, values};
use super::{done, routine};
use crate::common::typed::compute;
use case::{Case, CaseResult, Context, check, fail};
use graph::{DataType, Graph, Op, Shape};
use rand::SeedableRng;
use rand::rngs::StdRng;

pub(super) fn cases() -> Vec<Case> {
    let cases = vec![
        Case::new("graph/tensor/a_kernel_that_does_nothing_completes", &["GRAPH-007"], nothing),
        Case::new("graph/tensor/addition_of_f32_is_exact", &["GRAPH-008"], addition),
        Case::new("graph/tensor/relu_of_bf16_is_exact", &["GRAPH-009"], relu),
        Case::new("graph/tensor/quotients_are_within_one_ulp", &["GRAPH-010"], quotients),
        Case::new("graph/tensor/arithmetic_of_f32", &["GRAPH-008", "GRAPH-010"], |cx| {
            functions(cx, DataType::F32)
        }),
        Case::new("graph/tensor/arithmetic_of_bf16", &["GRAPH-009"], |cx| {
            functions(cx, DataType::Bf16)
        }),
        Case::new("graph/tensor/rows_of_bf16", &["GRAPH-011"], |cx| rows(cx, DataType::Bf16)),
        Case::new("graph/tensor/rows_of_f32", &["GRAPH-011"], |cx| rows(cx, DataType::F32)),
        Case::new("graph/tensor/views_pick_the_right_elements", &["GRAPH-008"], views),
    ];
    cases.into_iter().map(|case| case.budget(60)).collect()
}

const F32: DataType = DataType::F32;
const BF16: DataType = DataType::Bf16;
/// Rows that do not fill vectors, more of them than there are cores.
const SIZES: [u32; 3] = [7, 5, 130];
const COUNT: usize = 7 * 5 * 130;

/// Every core runs the shortest kernel; its message is all that happens.
fn nothing(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let mut g = Graph::new();
    let x = g.input("x", Shape::dense(F32, &[8 * 64]));
    let empty = routine("nothing", "nop\nhalt\n");
    let all = g.view(x);
    let y = done(g.own("nothing", empty, vec![all], (F32, &[8 * 64]), &[]))?;
    let z = done(g.unary("copy", Op::Copy, x))?;
    g.output(z);
    let ran = g.nodes().iter().any(|node| node.writes == y);
    check(ran, "the kernel is part of the graph")?;
    let input: Vec<f32> = (0..512).map(|n| n as f32).collect();
    equals("copy", &F32.decode(&once(&node, &g, &[(x, F32.encode(&input))], z)?), &input)
}

fn addition(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let mut random = StdRng::seed_from_u64(8);
    let mut g = Graph::new();
    let a = g.input("a", Shape::dense(F32, &SIZES));
    let b = g.input("b", Shape::dense(F32, &SIZES));
    let c = done(g.binary("sum", Op::Add, a, b))?;
    g.output(c);
    let [x, y] = [(); 2].map(|()| values(&mut random, COUNT));
    let got = once(&node, &g, &[(a, F32.encode(&x)), (b, F32.encode(&y))], c)?;
    let want: Vec<f32> = x.iter().zip(&y).map(|(x, y)| x + y).collect();
    equals("sum", &F32.decode(&got), &want)
}

fn relu(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let mut random = StdRng::seed_from_u64(9);
    let mut g = Graph::new();
    let a = g.input("a", Shape::dense(BF16, &SIZES));
    let b = done(g.unary("relu", Op::Relu, a))?;
    g.output(b);
    let x = values(&mut random, COUNT);
    let got = once(&node, &g, &[(a, BF16.encode(&x))], b)?;
    let want: Vec<f32> = x.iter().map(|x| x.max(0.0)).collect();
    equals("relu", &BF16.decode(&got), &want)
}

fn quotients(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let mut random = StdRng::seed_from_u64(10);
    let mut g = Graph::new();
    let a = g.input("a", Shape::dense(F32, &SIZES));
    let b = g.input("b", Shape::dense(F32, &SIZES));
    let c = done(g.binary("quotient", Op::Div, a, b))?;
    g.output(c);
    let x = values(&mut random, COUNT);
    let apart = |y: f32| if y.abs() < 0.01 { 3.0 } else { y };
    let y: Vec<f32> = values(&mut random, COUNT).into_iter().map(apart).collect();
    let got = once(&node, &g, &[(a, F32.encode(&x)), (b, F32.encode(&y))], c)?;
    let got = F32.decode(&got);
    check(got.len() == COUNT, "every element came back")?;
    for (n, got) in got.iter().enumerate() {
        let want = x[n] / y[n];
        let apart = i64::from(got.to_bits()) - i64::from(want.to_bits());
        if *got != want && apart.abs() > 1 {
            return fail(format!("quotient[{n}] is {got:e}, expected {want:e} within one ulp"));
        }
    }
    Ok(())
}

/// Functions of one number, then of two.
const ONE: &[Op] = &[Op::Copy, Op::Relu, Op::Exp, Op::Sigmoid, Op::Tanh, Op::Reciprocal];
const TWO: &[Op] = &[Op::Add, Op::Sub, Op::Mul, Op::Div, Op::Max, Op::Min, Op::ReluBackward];

fn functions(cx: &Context, data: DataType) -> CaseResult {
    let node = compute(cx)?;
    let mut random = StdRng::seed_from_u64(11);
    let mut g = Graph::new();
    let a = g.input("a", Shape::dense(data, &SIZES));
    // Repeated along two dimensions.
    let b = g.input("b", Shape::dense(data, &[5, 1]));
    for op in ONE {
        done(g.unary(&format!("{op:?}"), *op, a))?;
    }
    for op in TWO {
        done(g.binary(&format!("{op:?}"), *op, a, b))?;
    }
    done(g.leaky_relu("leaky relu", a, 0.125))?;
    let other = if data == F32 { BF16 } else { F32 };
    let cast = done(g.cast("cast", a, other))?;
    done(g.cast("back", cast, data))?;
    let inputs = [(a, values(&mut random, COUNT)), (b, values(&mut random, 5))];
    seen(&node, &g, &inputs)
}

fn rows(cx: &Context, data: DataType) -> CaseResult {
    let node = compute(cx)?;
    let mut random = StdRng::seed_from_u64(12);
    let mut g = Graph::new();
    let x = g.input("x", Shape::dense(data, &SIZES));
    for axis in 0..3 {
        for op in [Op::ReduceSum, Op::ReduceMax, Op::Softmax] {
            done(g.along(&format!("{op:?} along {axis}"), op, x, axis))?;
        }
        done(g.layer_norm(&format!("layer norm along {axis}"), x, axis, 1e-5))?;
    }
    let inputs = [(x, values(&mut random, COUNT))];
    seen(&node, &g, &inputs)
}

/// Transposed, every second element, joined with itself, repeated.
fn views(cx: &Context) -> CaseResult {
    const ROWS: usize = 9;
    const COLUMNS: usize = 70;
    let node = compute(cx)?;
    for data in [F32, BF16] {
        let mut random = StdRng::seed_from_u64(13);
        let mut g = Graph::new();
        let x = g.input("x", Shape::dense(data, &[ROWS as u32, COLUMNS as u32]));
        let turned = done(g.view(x).permute(&[1, 0]))?;
        let turned = done(g.unary("turned", Op::Copy, turned))?;
        let second = done(g.view(turned).slice(0, 1, COLUMNS as u32 / 2, 2))?;
        let both = g.space("both", data, &[COLUMNS as u32, ROWS as u32]);
        for (start, name) in [(0, "upper"), (COLUMNS as u32 / 2, "lower")] {
            let part = done(g.view(both).slice(0, start, COLUMNS as u32 / 2, 1))?;
            done(g.write(name, Op::Copy, std::slice::from_ref(&second), part))?;
        }
        g.output(both);
        let input = values(&mut random, ROWS * COLUMNS);
        let got = data.decode(&once(&node, &g, &[(x, data.encode(&input))], both)?);
        let want = |n: usize| {
            let (line, row) = (n / ROWS % (COLUMNS / 2), n % ROWS);
            input[row * COLUMNS + 2 * line + 1]
        };
        let want: Vec<f32> = (0..ROWS * COLUMNS).map(want).collect();
        equals("both", &got, &want)?;
    }
    Ok(())
}
