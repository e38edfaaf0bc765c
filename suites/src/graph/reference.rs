// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Plain loops: what products and convolutions should give.

use case::{CaseResult, check, fail};
use graph::DataType;
use graph::check::Products;
use mme::arithmetic::Rounding;
use rand::Rng;
use rand::rngs::StdRng;

/// Compares results with their elements, both ways.
pub(super) fn compare(
    what: &str,
    got: &[f32],
    output: DataType,
    relu: bool,
    element: impl Fn(usize) -> Products,
) -> CaseResult {
    check(!got.is_empty(), "there are results to compare")?;
    for (index, got) in got.iter().enumerate() {
        let element = element(index);
        let exact = element.exact(output, relu);
        let (sum, bound) = element.bound(output, relu);
        if (f64::from(*got) - sum).abs() > bound {
            return fail(format!("{what}[{index}] is {got}, expected {sum} within {bound:e}"));
        }
        if got.to_bits() != exact.to_bits() {
            return fail(format!("{what}[{index}] is {got:e}, the engine's order gives {exact:e}"));
        }
    }
    Ok(())
}

/// Random values that bf16 has exactly.
pub(super) fn values(random: &mut StdRng, count: usize) -> Vec<f32> {
    let mut value = || Rounding::Nearest.bf16(random.random_range(-2.0..2.0)).to_f32();
    (0..count).map(|_| value()).collect()
}
