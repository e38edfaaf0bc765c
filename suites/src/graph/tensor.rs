// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Tensor cores: one operation at a time.

use super::done;
use super::matrix::once;
use super::reference::values;
use crate::common::typed::compute;
use case::{Case, CaseResult, Context, check, fail};
use control::Asics;
use graph::{DataType, Graph, Op, Shape};
use rand::SeedableRng;
use rand::rngs::StdRng;

pub(super) fn cases() -> Vec<Case> {
    let cases = vec![Case::new("graph/tensor/addition_of_f32_is_exact", &["GRAPH-008"], addition)];
    cases.into_iter().map(|case| case.on(Asics::GAUDI).budget(30)).collect()
}

fn addition(cx: &Context) -> CaseResult {
    const SIZES: [u32; 3] = [7, 5, 130];
    let node = compute(cx)?;
    let mut random = StdRng::seed_from_u64(8);
    let mut g = Graph::new();
    let a = g.input("a", Shape::dense(DataType::F32, &SIZES));
    let b = g.input("b", Shape::dense(DataType::F32, &SIZES));
    let c = done(g.binary("sum", Op::Add, a, b))?;
    g.output(c);
    let count = SIZES.iter().product::<u32>() as usize;
    let [x, y] = [(); 2].map(|()| values(&mut random, count));
    let inputs = [(a, DataType::F32.encode(&x)), (b, DataType::F32.encode(&y))];
    let got = DataType::F32.decode(&once(&node, &g, &inputs, c)?);
    check(got.len() == count, "every element came back")?;
    for (n, got) in got.iter().enumerate() {
        let want = x[n] + y[n];
        if *got != want {
            return fail(format!("sum[{n}] is {got}, expected {want}"));
        }
    }
    Ok(())
}
