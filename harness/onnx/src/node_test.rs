// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The node tests of the ONNX project: a model, inputs and the outputs that it should give.
//!
//! They come from the PyPI package `onnx` 1.19 (`scripts/setup` fetches it): a folder for each, with
//! `model.onnx` and `test_data_set_0/{input,output}_N.pb`.

use crate::error::{Error, Result};
use crate::model::Model;
use crate::num::Num;
use crate::program::{Program, Values};
use crate::tensor::Tensor;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Names another folder with node tests.
pub const VARIABLE: &str = "GAUNTLET_ONNX";
/// Where they are in the guest.
pub const GUEST: &str = "/gauntlet/onnx";
/// Where they are in the cache folder.
pub const FOLDER: &str = "onnx-1.19.1/node";

/// Tests whose inputs and outputs are written down with four digits behind the point, where the
/// others have all that an f32 has: half of the last digit of both is added to the bound.
const ROUNDED: &[&str] = &["test_averagepool_2d_ceil_last_window_starts_on_pad"];
const DIGIT: f64 = 1e-4;

/// The files of a test, from the folder of all tests.
pub fn files(folder: &Path, test: &str) -> Vec<PathBuf> {
    let own = Path::new(test);
    let data = own.join("test_data_set_0");
    let listed = std::fs::read_dir(folder.join(&data)).into_iter().flatten().flatten();
    let mut names: Vec<_> = listed.map(|entry| data.join(entry.file_name())).collect();
    names.push(own.join("model.onnx"));
    names.sort();
    names
}

/// A node test.
#[derive(Clone, Debug)]
pub struct NodeTest {
    /// What the shipped digits leave open; 0: they are all that an f32 has.
    pub digit: f64,
    /// Its model.
    pub model: Model,
    /// Inputs by name.
    pub inputs: Values,
    /// The outputs that are shipped with it, in the model's order.
    pub outputs: Vec<Tensor>,
}

/// Where the tests are: `$GAUNTLET_ONNX`, else where the guest has them, else in the cache folder of
/// this user. `None`: they were not fetched.
pub fn folder() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let cache = set("GAUNTLET_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|path| path.join("gauntlet")))
        .or_else(|| set("HOME").map(|path| path.join(".cache/gauntlet")));
    let guest = Some(PathBuf::from(GUEST));
    let cache = cache.map(|path| path.join(FOLDER));
    [set(VARIABLE), guest, cache].into_iter().flatten().find(|path| path.is_dir())
}

/// Every test in the [`folder`] by name, in order. `None`: they were not fetched.
///
/// # Errors
///
/// What the system says of a folder that cannot be listed.
pub fn all() -> std::io::Result<Option<BTreeMap<String, PathBuf>>> {
    let Some(folder) = folder() else { return Ok(None) };
    let named = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()))
    };
    std::fs::read_dir(folder)?.map(named).collect::<std::io::Result<_>>().map(Some)
}

impl NodeTest {
    /// Reads the files of a test.
    pub fn read(folder: &Path) -> Result<Self> {
        let model = Model::read("model.onnx", &bytes(&folder.join("model.onnx"))?)?;
        let tensor = |kind: &str, n: usize| {
            let name = format!("{kind}_{n}.pb");
            let path = folder.join("test_data_set_0").join(&name);
            Tensor::read(&name, &bytes(&path)?).map(|(_, tensor)| tensor)
        };
        let mut inputs = Values::new();
        for (n, input) in model.inputs.iter().enumerate() {
            inputs.insert(input.name.clone(), tensor("input", n)?);
        }
        let outputs =
            (0..model.outputs.len()).map(|n| tensor("output", n)).collect::<Result<_>>()?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let digit = if ROUNDED.contains(&&*name) { DIGIT } else { 0.0 };
        Ok(NodeTest { digit, model, inputs, outputs })
    }

    /// Runs it in the reference: whatever is shipped has to be within its bound. Gives the largest
    /// error as a share of the bound.
    pub fn check(&self) -> Result<(Program, f64)> {
        let program = Program::new(&self.model, &self.inputs)?;
        let mut worst = 0f64;
        for ((name, id), shipped) in program.outputs.iter().zip(&self.outputs) {
            let ours = program.get(*id);
            let wrong = |why: String| Error::Node { node: name.clone(), why };
            if (ours.ty, &ours.sizes) != (shipped.ty, &shipped.sizes) {
                let (a, b) = ((ours.ty, &ours.sizes), (shipped.ty, &shipped.sizes));
                return Err(wrong(format!("the reference gives {a:?}, shipped is {b:?}")));
            }
            for (n, (ours, shipped)) in ours.data.iter().zip(shipped.values()).enumerate() {
                let ours = Num { error: ours.error + self.digit, ..*ours };
                if !ours.admits(shipped) {
                    let why = format!("element {n}: shipped is {shipped}, the reference {ours:?}");
                    return Err(wrong(why));
                }
                worst = worst.max(ours.share(shipped));
            }
        }
        Ok((program, worst))
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|why| Error::Input {
        name: path.display().to_string(),
        why: format!("cannot be read: {why}"),
    })
}
