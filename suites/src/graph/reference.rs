// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What graphs should give: comparisons with plain loops.

use super::done;
use case::{CaseResult, check, equal, fail};
use device::Node;
use graph::check::{Products, first_difference};
use graph::chip::Chip;
use graph::{DataType, Graph, Session, Share, TensorId};
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

/// Results are exactly these.
pub(super) fn equals(what: &str, got: &[f32], want: &[f32]) -> CaseResult {
    equal(&format!("elements of {what}"), got.len(), want.len())?;
    match got.iter().zip(want).position(|(got, want)| got.to_bits() != want.to_bits()) {
        Some(n) => fail(format!("{what}[{n}] is {:e}, expected {:e}", got[n], want[n])),
        None => Ok(()),
    }
}

/// Results are these within bounds; denormal numbers may be zero.
pub(super) fn near(what: &str, got: &[f32], want: impl Iterator<Item = (f64, f64)>) -> CaseResult {
    let want: Vec<(f64, f64)> = want.collect();
    equal(&format!("elements of {what}"), got.len(), want.len())?;
    for (n, (got, (want, bound))) in got.iter().zip(want).enumerate() {
        let apart = (f64::from(*got) - want).abs();
        // Also where one of them is no number.
        if apart > bound.max(f32::MIN_POSITIVE.into()) || apart.is_nan() {
            return fail(format!("{what}[{n}] is {got:e}, expected {want:e} within {bound:e}"));
        }
    }
    Ok(())
}

/// Every node of a graph gives what plain loops give on its inputs.
pub(super) fn seen(node: &Node, graph: &Graph, inputs: &[(TensorId, Vec<f32>)]) -> CaseResult {
    let graph = graph.inspect();
    let chip = done(Chip::found(node))?;
    let share = done(Share::all(node, &chip))?;
    let session = done(Session::new(node, chip, &share, &graph))?;
    for (id, values) in inputs {
        done(session.set(*id, &graph.shape(*id).data.encode(values)))?;
    }
    for made in graph.nodes() {
        done(session.spoil(made.writes))?;
    }
    done(session.run())?;
    match first_difference(&graph, &session.values()) {
        Some(difference) => fail(difference.to_string()),
        None => Ok(()),
    }
}
