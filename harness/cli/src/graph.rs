// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `gauntlet graph`: a user's ONNX model on the modelled card, or on this machine's.
//!
//! The model is read, computed by the reference and planned here, so what is not supported is said
//! at once; the guest then does the same and runs it through the real driver.

use crate::commands::one;
use crate::exit;
use crate::options::GraphOptions;
use anyhow::{Context as _, Result};
use control::Asic;
use graph::plan::{Plan, Room};
use graph::{chip, timeline};
use onnx::lower::{Watch, lower};
use onnx::user::Request;
use runner::{Roots, Work};
use std::path::{Path, PathBuf};
use vm::Archive;

/// Memory that the plan is drawn for; the guest asks the driver. Only addresses differ.
const ROOM: Room = Room { sram: (0, 16 << 20), dram: (1 << 32, 16 << 30) };
/// The guest's program, which is its init as well.
const GUEST: &str = "/init";

/// Runs a model.
pub fn graph(options: GraphOptions) -> Result<u8> {
    let GraphOptions { file, input, svg, guest, local, device } = options;
    match guest.asic {
        Asic::Gaudi => {}
        Asic::Gaudi2 => return Err(exit::usage("graphs run on gaudi: gaudi2 has another engine")),
    }
    let usage = |why: onnx::Error| exit::usage(why.to_string());
    let request = Request { inputs: input, seed: guest.machine.seed.unwrap_or(0) };
    let program = request.program(&file).map_err(usage)?;
    let lowered = lower(&program, Watch::Outputs).map_err(usage)?;
    let plan = Plan::new(&lowered.graph, chip::GAUDI, &ROOM)
        .map_err(|why| exit::usage(why.to_string()))?;
    print!("{}", timeline::table(&plan));
    let picture = svg.unwrap_or_else(|| default_picture(&file));
    std::fs::write(&picture, timeline::svg(&plan))
        .with_context(|| format!("cannot write {}", picture.display()))?;
    println!("timeline: {}", picture.display());
    if local {
        let found = runner::find(&Roots::default(), device.as_deref())
            .map_err(|why| exit::nothing(why.to_string()))?;
        return Ok(onnx::user::answer(&found.environment(None, 0, Vec::new()).compute, &program));
    }
    let mut files = Archive::new();
    let mut argv = vec![GUEST.to_string(), "graph".into(), request.seed.to_string()];
    let model = take(&mut files, &file)?;
    argv.push(model);
    for given in &request.inputs {
        // It was read above.
        let (name, path) = given.split_once('=').unwrap_or_default();
        argv.push(format!("{name}={}", take(&mut files, Path::new(path))?));
    }
    let work = Work::Program { argv, folder: "/".into() };
    one(&guest, work, files, false)
}

/// Beside the working folder's other things, named after the model.
fn default_picture(file: &Path) -> PathBuf {
    PathBuf::from(file.file_name().unwrap_or_default()).with_extension("svg")
}

/// Puts a file into the guest, to the same path.
fn take(files: &mut Archive, path: &Path) -> Result<String> {
    let path = std::path::absolute(path)?;
    let name = path.to_string_lossy().into_owned();
    files.host_file(&name, &path)?;
    Ok(name)
}
