// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A program on an open device, compared with the reference.

use crate::error::Result;
use crate::lower::{Lowered, Watch, compare, encode, lower};
use crate::program::Program;
use device::Node;
use graph::chip::Chip;
use graph::{Session, Share};

/// What came of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Every output is within its bound; the largest error as a share of it.
    Within(f64),
    /// An output is not; says which, and which step was the first.
    Differs(String),
}

/// Runs a program once; every output is compared with the reference. If one differs, it runs again
/// with every step watched, to find the first that is wrong.
pub fn check(node: &Node, chip: Chip, program: &Program) -> Result<Outcome> {
    let lowered = lower(program, Watch::Outputs)?;
    let mut worst = 0f64;
    for ((id, tensor), got) in lowered.outputs.iter().zip(run(node, chip, program, &lowered)?) {
        let got = lowered.graph.shape(*tensor).data.decode(&got);
        match compare(&program.get(*id).data, &got) {
            Ok(share) => worst = worst.max(share),
            Err(difference) => {
                let name = program.outputs.iter().find(|(_, output)| output == id);
                let name = name.map_or("", |(name, _)| name);
                let first = first(node, chip, program)?;
                return Ok(Outcome::Differs(format!("output {name}: {difference}; {first}")));
            }
        }
    }
    Ok(Outcome::Within(worst))
}

/// The bytes of what is watched after a run.
fn run(node: &Node, chip: Chip, program: &Program, lowered: &Lowered) -> Result<Vec<Vec<u8>>> {
    let share = Share::all(node, &chip)?;
    let session = Session::new(node, chip, &share, &lowered.graph)?;
    for (id, tensor) in &lowered.inputs {
        session.set(*tensor, &encode(program.get(*id)))?;
    }
    for (_, tensor) in &lowered.outputs {
        // A run that stores nothing would leave this.
        session.spoil(*tensor)?;
    }
    session.run()?;
    Ok(lowered.outputs.iter().map(|(_, tensor)| session.get(*tensor)).collect())
}

/// Says which step is the first that differs.
fn first(node: &Node, chip: Chip, program: &Program) -> Result<String> {
    let lowered = lower(program, Watch::Steps)?;
    let got = run(node, chip, program, &lowered)?;
    let results: Vec<_> = lowered.outputs.iter().zip(&got).collect();
    for step in &program.steps {
        let found = results.iter().rev().find(|((id, _), _)| *id == step.output);
        let Some(((id, tensor), bytes)) = found else { continue };
        let got = lowered.graph.shape(*tensor).data.decode(bytes);
        if let Err(difference) = compare(&program.get(*id).data, &got) {
            let (op, of) = (step.op.name(), &step.node);
            return Ok(format!("{op} of node {of} is the first that differs: {difference}"));
        }
    }
    Ok("no step differs when all are watched".into())
}
