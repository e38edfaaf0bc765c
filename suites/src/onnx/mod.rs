// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Node tests of ONNX through the real driver: a case for each operator runs all of its tests.
//!
//! The tests are files of the PyPI package `onnx`, fetched by `scripts/setup`; `tests.txt` says which
//! of them run: a line an operator. Each is computed by the reference of crate `onnx`, which gives
//! every element with a bound derived from the roundings on its way; the shipped outputs have to be
//! within it, and so do the outputs of the device.

use crate::common::typed::compute;
use crate::graph::MATRIX;
use case::{Case, CaseResult, Context, Failure, Stop};
use control::Asics;
use graph::chip::Chip;
use onnx::node_test::{NodeTest, folder};
use onnx::run::{Outcome, check};
use onnx::user::Request;
use onnx::{Model, Program};
use std::path::Path;

const TESTS: &str = include_str!("tests.txt");
/// Seconds for a case, and for each of its tests.
const SECONDS: (u64, u64) = (10, 2);

/// Operators and their tests.
pub fn tests() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    TESTS.lines().filter_map(|line| {
        let (operator, tests) = line.split_once(':')?;
        Some((operator, tests.split_whitespace().collect()))
    })
}

/// Every case of the area.
pub fn cases() -> Vec<Case> {
    let case = |(operator, tests): (&'static str, Vec<&'static str>)| {
        let name = format!("{AREA}{operator}/node_tests_give_what_is_shipped");
        let budget = SECONDS.0 + SECONDS.1 * tests.len() as u64;
        let body = move |cx: &Context| run(cx, &tests);
        Case::new(name, &["GRAPH-021"], body).budget(budget)
    };
    let name = format!("{AREA}model/mlp_from_a_file_is_right");
    let mlp = Case::new(name, &["GRAPH-015"], mlp).on(Asics::GAUDI).budget(30);
    tests().map(case).chain([mlp]).collect()
}

/// Bytes of a file to results of the device: three nodes of two engines, weights as constants.
fn mlp(cx: &Context) -> CaseResult {
    let seed = 22;
    let model = Model::read("mlp.onnx", &onnx::sample::mlp(seed));
    let request = Request { inputs: Vec::new(), seed };
    let program = model.and_then(|model| request.of(&model)).map_err(|why| broken("mlp", &why))?;
    match device(&compute(cx)?, &program).map_err(|why| broken("mlp", &why))? {
        Ok(_) => Ok(()),
        Err(why) => case::fail(why),
    }
}

/// How the names of the cases begin.
pub const AREA: &str = "onnx/";

fn run(cx: &Context, tests: &[&str]) -> CaseResult {
    let Some(folder) = folder() else {
        return Err(Stop::Skip("needs the ONNX node tests: run ./scripts/setup".into()));
    };
    let node = compute(cx)?;
    let mut wrong = Failure::new("every output is within its bound");
    let (mut worst, mut ran) = (0f64, tests.len());
    for test in tests {
        match one(&node, &folder.join(test)) {
            Ok(Ok(share)) => worst = worst.max(share),
            Ok(Err(why)) => wrong = wrong.with(test, why),
            Err(onnx::Error::Graph(graph::Error::Missing { .. })) => ran -= 1,
            Err(why) => return Err(broken(test, &why)),
        }
    }
    if ran == 0 {
        return Err(Stop::Skip(MATRIX.into()));
    }
    println!("{ran} of {} tests, worst error {worst:.3} of its bound", tests.len());
    // `at` is always there.
    if wrong.details.len() > 1 { Err(Stop::Fail(wrong)) } else { Ok(()) }
}

/// Runs a test: its worst error as a share of the bound, or what is wrong with the driver.
fn one(node: &device::Node, folder: &Path) -> Result<Result<f64, String>, onnx::Error> {
    let (program, _) = NodeTest::read(folder)?.check()?;
    device(node, &program)
}

fn device(node: &device::Node, program: &Program) -> Result<Result<f64, String>, onnx::Error> {
    let chip = Chip::found(node).map_err(onnx::Error::from)?;
    match check(node, chip, program) {
        Ok(Outcome::Within(share)) => Ok(Ok(share)),
        Ok(Outcome::Differs(why)) => Ok(Err(why)),
        Err(onnx::Error::Graph(
            why @ (graph::Error::Refused { .. }
            | graph::Error::Unfinished { .. }
            | graph::Error::Stopped { .. }),
        )) => Ok(Err(why.to_string())),
        Err(why) => Err(why),
    }
}

fn broken(test: &str, why: &onnx::Error) -> Stop {
    Stop::Broken(format!("{test}: {why}"))
}
