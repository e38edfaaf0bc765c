// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Plain loops: what products and convolutions should give.

use case::{CaseResult, check, fail};
use graph::DataType;
use mme::arithmetic::{ACCUMULATORS, Rounding, accumulate, activate, reduce};
use rand::Rng;
use rand::rngs::StdRng;

/// One output element: its products in the order of the engine.
#[derive(Clone, Debug, Default)]
pub(super) struct Element(Vec<(f32, f32)>);

impl Element {
    pub(super) fn of(products: impl Iterator<Item = (f32, f32)>) -> Self {
        Element(products.collect())
    }

    /// What the engine makes of it.
    pub(super) fn exact(&self, output: DataType, relu: bool) -> f32 {
        let mut accumulators = [0.0; ACCUMULATORS];
        for (step, (left, right)) in self.0.iter().enumerate() {
            let into = &mut accumulators[step % ACCUMULATORS];
            *into = accumulate(*into, *left, *right);
        }
        let sum = activate(reduce(accumulators, self.0.len()), relu);
        match output {
            DataType::F32 => sum,
            DataType::Bf16 => Rounding::Nearest.bf16(sum).to_f32(),
        }
    }

    /// The sum in double precision, and how far off a result may be.
    pub(super) fn bound(&self, output: DataType, relu: bool) -> (f64, f64) {
        let products = || self.0.iter().map(|(left, right)| f64::from(*left) * f64::from(*right));
        let sum: f64 = products().sum();
        let sum = if relu { sum.max(0.0) } else { sum };
        let additions = (self.0.len() + 2) as f64;
        let bound = additions * 2f64.powi(-23) * products().map(f64::abs).sum::<f64>();
        match output {
            DataType::F32 => (sum, bound),
            DataType::Bf16 => (sum, bound + (sum.abs() + bound) * 2f64.powi(-8)),
        }
    }
}

/// Compares results with their elements, both ways.
pub(super) fn compare(
    what: &str,
    got: &[f32],
    output: DataType,
    relu: bool,
    element: impl Fn(usize) -> Element,
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
