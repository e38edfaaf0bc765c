// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Whole graphs: nodes on several engines, ordered by sync objects, checked against plain loops.
//!
//! Every product is checked twice: bit for bit against the engine's order of additions (crate
//! `mme`, `arithmetic`), and against a sum in double precision within a bound. The bound for f32
//! results: each of K products and each of the additions after it is rounded once, by at most
//! 2^-24 of a partial sum that is below sum|a||b|; K + 2 of them stay below
//! (K + 2) * 2^-23 * sum|a||b|. For bf16 results another rounding of 2^-8 of the result is added.
//!
//! The bounds of functions are in crate `graph`, module `check`.
//!
//! Not covered: copies between nodes by DMA. On Gaudi2 every case is a skip that says what is missing.

mod matrix;
mod model;
mod planted;
mod reference;
mod repeat;
mod tensor;
mod training;
mod trouble;

use case::{Case, CaseResult, Stop};
use control::Asic;
use graph::{Error, Routine};
use tpc::asm::{Options, assemble};
use tpc::kernels::Space;

/// Every case of the area.
pub fn cases() -> Vec<Case> {
    let all = [
        (matrix::cases(), MATRIX),
        (tensor::cases(), CORES),
        (model::cases(), MATRIX),
        (training::cases(), MATRIX),
        (repeat::cases(), MATRIX),
        (planted::cases(), CORES),
    ];
    let all = all
        .into_iter()
        .flat_map(|(cases, why)| cases.into_iter().map(move |case| on_gaudi(case, why)));
    // Those reset the device, which a skip does not.
    all.chain(trouble::cases()).collect()
}

/// What is missing on Gaudi2.
const MATRIX: &str = "needs descriptors of gaudi2's matrix engine: what is published of them does \
                      not suffice to make one";
const CORES: &str = "needs launches of gaudi2's tensor cores, which graphs cannot make yet";

/// A case that skips on Gaudi2.
fn on_gaudi(mut case: Case, why: &'static str) -> Case {
    let body = case.body;
    case.body = Box::new(move |cx| match cx.asic() {
        Asic::Gaudi => body(cx),
        Asic::Gaudi2 => Err(Stop::Skip(why.into())),
    });
    case
}

/// A graph that is not built, planned or run: the kernel's refusals are failures of the driver,
/// everything else is a test that could not be carried out.
#[track_caller]
fn done<T>(result: Result<T, Error>) -> CaseResult<T> {
    match result {
        Ok(value) => Ok(value),
        Err(error @ (Error::Refused { .. } | Error::Unfinished { .. })) => {
            case::fail(error.to_string())
        }
        Err(
            error @ (Error::Shape { .. }
            | Error::TooLarge { .. }
            | Error::NoRoom { .. }
            | Error::Sync { .. }
            | Error::Values { .. }),
        ) => Err(Stop::Broken(error.to_string())),
    }
}

/// A kernel of one vector for each core, from its text.
fn routine(name: &str, text: &str) -> CaseResult<Routine> {
    let code = assemble(text, &Options::GAUDI)
        .map_err(|error| Stop::Broken(format!("kernel {name}: {error}")))?;
    Ok(Routine { name: name.to_string(), code: code.into(), space: Space::Points, step: 64 })
}
