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
//! Not covered: copies between nodes by DMA. On Gaudi2 cases that need the matrix engine skip.

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
use tpc::kernels::Space;

/// Every case of the area.
pub fn cases() -> Vec<Case> {
    let matrix = [matrix::cases(), model::cases(), training::cases()];
    let cores = [tensor::cases(), repeat::cases(), planted::cases(), trouble::cases()];
    matrix.into_iter().flatten().map(on_gaudi).chain(cores.into_iter().flatten()).collect()
}

/// What is missing on Gaudi2.
pub(crate) const MATRIX: &str = "needs descriptors of gaudi2's matrix engine: what is published of \
                                 them does not suffice to make one";

/// A case that skips on Gaudi2.
fn on_gaudi(mut case: Case) -> Case {
    let body = case.body;
    case.body = Box::new(move |cx| match cx.asic() {
        Asic::Gaudi => body(cx),
        Asic::Gaudi2 => Err(Stop::Skip(MATRIX.into())),
    });
    case
}

/// A graph that is not built, planned or run: the kernel's refusals are failures of the driver,
/// everything else is a test that could not be carried out.
#[track_caller]
fn done<T>(result: Result<T, Error>) -> CaseResult<T> {
    match result {
        Ok(value) => Ok(value),
        Err(error @ (Error::Refused { .. } | Error::Unfinished { .. } | Error::Stopped { .. })) => {
            case::fail(error.to_string())
        }
        Err(
            error @ (Error::Shape { .. }
            | Error::Missing { .. }
            | Error::TooLarge { .. }
            | Error::NoRoom { .. }
            | Error::Sync { .. }
            | Error::Values { .. }),
        ) => Err(Stop::Broken(error.to_string())),
    }
}

/// A kernel of one vector for each core, from its text.
fn routine(name: &str, text: &str) -> Routine {
    Routine { name: name.to_string(), text: text.into(), space: Space::Points, step: 64 }
}
