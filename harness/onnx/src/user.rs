// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A model of a user: its file, values for its inputs, a run.

use crate::error::{Error, Result};
use crate::model::{Declared, Model};
use crate::program::{Program, Values};
use crate::run::{Outcome, check};
use crate::tensor::Tensor;
use device::Node;
use graph::chip::Chip;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::path::Path;

/// A model with values.
#[derive(Clone, Debug)]
pub struct Request {
    /// `NAME=FILE.pb` for inputs.
    pub inputs: Vec<String>,
    /// Seed of the other inputs: random numbers from -1 to 1.
    pub seed: u64,
}

impl Request {
    /// Reads a model and computes it in the reference.
    pub fn program(&self, path: &Path) -> Result<Program> {
        self.of(&Model::read(&path.display().to_string(), &bytes(path)?)?)
    }

    /// Computes a model in the reference.
    pub fn of(&self, model: &Model) -> Result<Program> {
        let mut random = StdRng::seed_from_u64(self.seed);
        let mut values = Values::new();
        for given in &self.inputs {
            let wrong = |why: &str| Error::Input { name: given.clone(), why: why.into() };
            let (name, file) =
                given.split_once('=').ok_or_else(|| wrong("write it as NAME=FILE.pb"))?;
            if !model.inputs.iter().any(|input| input.name == name) {
                return Err(wrong("the model has no such input"));
            }
            let (_, tensor) = Tensor::read(file, &bytes(Path::new(file))?)?;
            values.insert(name.to_string(), tensor);
        }
        for input in &model.inputs {
            if !values.contains_key(&input.name) {
                values.insert(input.name.clone(), numbers(input, &mut random)?);
            }
        }
        Program::new(model, &values)
    }
}

/// Random numbers for an input.
fn numbers(input: &Declared, random: &mut StdRng) -> Result<Tensor> {
    let Declared { name, ty, sizes } = input;
    let wrong = |why: &str| Error::Input { name: name.clone(), why: why.into() };
    let sizes = sizes.as_ref().ok_or_else(|| wrong("its sizes are open: give --input"))?;
    if !ty.is_float() {
        return Err(wrong("it is no float: give --input"));
    }
    let count = sizes.iter().try_fold(1usize, |all, size| all.checked_mul(*size));
    let count = count.filter(|count| *count <= crate::tensor::MOST);
    let count = count.ok_or_else(|| wrong("it is too large"))?;
    // Eight bits: both types have them exactly.
    let value = |_| f64::from(random.random_range(-128i32..128)) / 128.0;
    Ok(Tensor::new(*ty, sizes, &(0..count).map(value).collect::<Vec<_>>()))
}

fn bytes(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|why| Error::Input {
        name: path.display().to_string(),
        why: format!("cannot be read: {why}"),
    })
}

/// Runs a program on the device behind this node; gives the exit code (0 right, 1 wrong, 6 not
/// carried out) and a line that says what came of it.
pub fn answer(compute: &Path, program: &Program) -> (u8, String) {
    let node = Node::open(compute).map_err(graph::Error::refused("open of the compute node"));
    let run = |node: Node| check(&node, Chip::found(&node)?, program);
    match node.map_err(Error::from).and_then(run) {
        Ok(Outcome::Within(share)) => {
            (0, format!("right: the worst error is {share:.3} of the bound of its element"))
        }
        Ok(Outcome::Differs(why)) => (1, format!("wrong: {why}")),
        Err(why) => (6, format!("not carried out: {why}")),
    }
}
