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
//! Not covered: copies between nodes by DMA, Gaudi2.

mod matrix;
mod model;
mod planted;
mod reference;
mod repeat;
mod tensor;
mod training;
mod trouble;

use case::{Case, CaseResult, Stop};
use graph::{Error, Routine};
use tpc::asm::{Options, assemble};
use tpc::kernels::Space;

/// Every case of the area.
pub fn cases() -> Vec<Case> {
    let all = [
        matrix::cases(),
        tensor::cases(),
        model::cases(),
        training::cases(),
        repeat::cases(),
        trouble::cases(),
        planted::cases(),
    ];
    all.into_iter().flatten().collect()
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
