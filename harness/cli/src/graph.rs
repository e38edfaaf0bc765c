// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `gauntlet graph`: a user's ONNX model on the modelled card, or on this machine's.
//!
//! The model is read, computed by the reference and planned here, so what is not supported is said
//! at once; the guest then does the same and runs it through the real driver. The report is one
//! page: what came of it, the timeline, the steps.

use crate::commands::one;
use crate::exit;
use crate::options::{GraphOptions, GuestOptions};
use anyhow::{Context as _, Result};
use control::Asic;
use graph::plan::{Plan, Room, Step};
use graph::{chip, timeline};
use onnx::Program;
use onnx::lower::{Watch, lower};
use onnx::user::Request;
use render::{GraphRun, GraphStep};
use runner::{Roots, Work};
use std::path::{Path, PathBuf};
use vm::Archive;

/// Memory that the plan is drawn for; the guest asks the driver. Only addresses differ.
const ROOM: Room = Room { sram: (0, 16 << 20), dram: (1 << 32, 16 << 30) };
/// The guest's program, which is its init as well.
const GUEST: &str = "/init";

/// Runs a model.
pub fn graph(options: GraphOptions) -> Result<u8> {
    let GraphOptions { file, input, html, svg, guest, local, device } = options;
    let chip = match guest.asic {
        Asic::Gaudi => chip::GAUDI,
        Asic::Gaudi2 => chip::GAUDI2,
    };
    let usage = |why: onnx::Error| exit::usage(why.to_string());
    let request = Request { inputs: input, seed: guest.machine.seed.unwrap_or(0) };
    let program = request.program(&file).map_err(usage)?;
    let lowered = lower(&program, Watch::Outputs).map_err(usage)?;
    let plan =
        Plan::new(&lowered.graph, chip, &ROOM).map_err(|why| exit::usage(why.to_string()))?;
    print!("{}", timeline::table(&plan));
    if let Some(path) = svg {
        write(&path, &timeline::svg(&plan))?;
    }
    let page = html.unwrap_or_else(|| beside(&file));
    let answered = match local {
        true => on_card(device.as_deref(), &program),
        false => in_guest(&guest, &file, &request),
    };
    let answer = match &answered {
        Ok((_, answer)) => answer.clone(),
        Err(why) => format!("not carried out: {why:#}"),
    };
    let code = answered.as_ref().map_or_else(exit::of, |(code, _)| *code);
    write(&page, &report(&file, &guest, local, &plan, (code, answer)).html())?;
    println!("report: {}", page.display());
    answered.map(|(code, _)| code)
}

/// The report of a run.
fn report(
    file: &Path,
    guest: &GuestOptions,
    local: bool,
    plan: &Plan,
    (code, answer): (u8, String),
) -> GraphRun {
    let step = |(row, step): (timeline::Row, &Step)| GraphStep {
        node: row.name,
        engine: timeline::engine(&step.action),
        queues: row.queues,
        bytes: row.bytes,
        ticks: row.ticks,
        after: row.after,
    };
    GraphRun {
        model: file.display().to_string(),
        device: match local {
            true => "the card of this machine".into(),
            false => format!("modelled {}", guest.asic),
        },
        code,
        answer,
        steps: timeline::rows(plan).into_iter().zip(&plan.steps).map(step).collect(),
        picture: timeline::svg(plan),
    }
}

/// On this machine's card.
fn on_card(device: Option<&str>, program: &Program) -> Result<(u8, String)> {
    let found = runner::find(&Roots::default(), device);
    let found = found.map_err(|why| exit::nothing(why.to_string()))?;
    let compute = found.environment(None, 0, Vec::new()).compute;
    let (code, answer) = onnx::user::answer(&compute, program);
    println!("{answer}");
    Ok((code, answer))
}

/// In a guest with a modelled card.
fn in_guest(guest: &GuestOptions, file: &Path, request: &Request) -> Result<(u8, String)> {
    let mut files = Archive::new();
    let mut argv = vec![GUEST.to_string(), "graph".into(), request.seed.to_string()];
    argv.push(take(&mut files, file)?);
    for given in &request.inputs {
        // It was read before.
        let (name, path) = given.split_once('=').unwrap_or_default();
        argv.push(format!("{name}={}", take(&mut files, Path::new(path))?));
    }
    let work = Work::Program { argv, folder: "/".into() };
    let (code, output) = one(guest, work, files, false)?;
    Ok((code, String::from_utf8_lossy(&output).trim().to_string()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// In the working folder, named after the model.
fn beside(file: &Path) -> PathBuf {
    PathBuf::from(file.file_name().unwrap_or_default()).with_extension("html")
}

/// Puts a file into the guest, to the same path.
fn take(files: &mut Archive, path: &Path) -> Result<String> {
    let path = std::path::absolute(path)?;
    let name = path.to_string_lossy().into_owned();
    files.host_file(&name, &path)?;
    Ok(name)
}
