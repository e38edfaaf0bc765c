// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The guest's only program: all cases and the runner, linked statically (`scripts/build`).

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("graph") => model(&arguments[2..]),
        Some(_) | None => runner::guest::main(&suites::all()),
    }
}

/// `graph SEED FILE [NAME=FILE.pb ...]`: a model of a user, for `gauntlet graph`.
fn model(words: &[String]) -> ExitCode {
    let [seed, file, inputs @ ..] = words else { return ExitCode::from(2) };
    let request = onnx::user::Request { inputs: inputs.to_vec(), seed: seed.parse().unwrap_or(0) };
    let found = runner::find(&runner::Roots::default(), None).map_err(|why| why.to_string());
    let found = found.map(|found| found.environment(None, 0, Vec::new()).compute);
    let program = request.program(file.as_ref()).map_err(|why| why.to_string());
    let (code, answer) = match found.and_then(|compute| Ok((compute, program?))) {
        Ok((compute, program)) => onnx::user::answer(&compute, &program),
        Err(why) => (6, format!("not carried out: {why}")),
    };
    println!("{answer}");
    ExitCode::from(code)
}
