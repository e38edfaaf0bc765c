// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `gauntlet`: runs the suite against the real driver, in a guest with a modelled card or on a
//! real one, and tells what came of it.

mod bisect;
mod boot;
mod clock;
mod commands;
mod describe;
mod exit;
mod graph;
mod guest_program;
mod headers;
mod importer;
mod journal;
mod local;
mod model;
mod node_tests;
mod options;
mod plan;
mod progress;
mod report;
mod run;
mod select;
mod stop;
mod target;
mod terminal;
mod tree;
mod words;
mod work;

use options::Command;
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = match options::parse() {
        Ok(options) => options,
        Err(code) => return code,
    };
    let result = match options.command {
        Command::Run(run) => run::run(*run),
        Command::Resume(resume) => run::resume(&resume),
        Command::List(list) => describe::list(&list),
        Command::Describe(case) => describe::describe(&case),
        Command::Plan(plan) => describe::plan(&plan),
        Command::Exec(exec) => commands::exec(exec),
        Command::Shell(shell) => commands::shell(shell),
        Command::Graph(graph) => graph::graph(*graph),
        Command::Headers(headers) => headers::headers(&headers),
        Command::Report(report) => report::report(&report),
        Command::Compare(compare) => report::compare(&compare),
        Command::Model(model) => model::serve(model),
        Command::Case { name } => return runner::run_case(&suites::all(), &name),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(why) => {
            eprintln!("gauntlet: {why:#}");
            ExitCode::from(exit::of(&why))
        }
    }
}
