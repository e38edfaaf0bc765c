// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The command line.

use crate::exit;
use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use control::Asic;
use std::path::PathBuf;
use std::process::ExitCode;

/// The exit codes, as the help shows them.
const CODES: &str = "Exit codes:
  0    everything as expected (known issues included)
  1    regression
  2    wrong command line, or nothing has that name
  3    a known issue is gone
  4    nothing ran (all skipped, no device)
  5    a regression took the kernel down
  6    could not be carried out (no boot, QEMU or model died, disk full)
  130  interrupted";

/// Takes the command line; what is wrong with it is said in one line.
pub fn parse() -> Result<Options, ExitCode> {
    Options::try_parse().map_err(|why| {
        if matches!(
            why.kind(),
            ErrorKind::DisplayHelp
                | ErrorKind::DisplayVersion
                | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        ) {
            why.exit();
        }
        eprintln!("gauntlet: {}", one_line(&why.to_string()));
        ExitCode::from(exit::USAGE)
    })
}

/// The words of an error without what stands in the help.
fn one_line(words: &str) -> String {
    let told = |line: &&str| !line.starts_with("Usage:") && !line.starts_with("For more");
    let lines = words.lines().map(str::trim).take_while(told).filter(|line| !line.is_empty());
    let line = lines.collect::<Vec<_>>().join(" ");
    let line = line.strip_prefix("error: ").unwrap_or(&line);
    format!("{}; see --help", line.replace(" tip: ", "; "))
}

/// Checks the habanalabs driver of a kernel: in a virtual machine with a modelled Gaudi, or on a
/// real card.
#[derive(Debug, Parser)]
#[command(name = "gauntlet", version, after_help = CODES)]
pub struct Options {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run cases and report.
    Run(Box<RunOptions>),
    /// Go on with a run that was cut.
    Resume(ResumeOptions),
    /// List the cases.
    List(ListOptions),
    /// Tell everything about one case.
    Describe(DescribeOptions),
    /// Show the requirements and the cases that prove them.
    Plan(PlanOptions),
    /// Run a program inside the guest, against driver and model.
    Exec(ExecOptions),
    /// Open a shell inside the guest.
    Shell(GuestOptions),
    /// Run an ONNX model: a table of its nodes, a timeline, and whether the results are right.
    Graph(Box<GraphOptions>),
    /// Build the modules of a folder against the headers of a kernel.
    Headers(HeadersOptions),
    /// Write the reports of a run directory again.
    Report(ReportOptions),
    /// Compare two runs.
    Compare(CompareOptions),
    /// Serve a modelled card.
    #[command(hide = true)]
    Model(ModelOptions),
    /// Run one case for the runner.
    #[command(hide = true)]
    Case {
        /// Name of the case.
        name: String,
    },
}

/// Which cases.
#[derive(Args, Clone, Debug, Default)]
pub struct Selection {
    /// Parts of names, or patterns with `*`; none: all cases.
    pub filters: Vec<String>,
    /// Leave these out (parts of names, or patterns with `*`).
    #[arg(long, value_name = "FILTER")]
    pub skip: Vec<String>,
    /// Filters are whole names.
    #[arg(long)]
    pub exact: bool,
    /// The chips; default: gaudi.
    #[arg(long, value_name = "CHIP")]
    pub asic: Vec<Asic>,
}

/// Which machine.
#[derive(Args, Clone, Debug)]
pub struct MachineOptions {
    /// Kernel: debian:6.12, debian:7.3, a package file, or a vmlinuz with --modules. May repeat.
    #[arg(long, value_name = "KERNEL", default_value = "debian:6.12")]
    pub kernel: Vec<String>,
    /// Folder with the modules of a vmlinuz.
    #[arg(long, value_name = "DIR")]
    pub modules: Option<PathBuf>,
    /// Load this habanalabs.ko instead of the kernel's own.
    #[arg(long, value_name = "FILE.ko", conflicts_with = "tree")]
    pub driver: Option<PathBuf>,
    /// Build the driver of this kernel tree against the kernel's packaged headers.
    #[arg(long, value_name = "DIR")]
    pub tree: Option<PathBuf>,
    /// Load the driver as shipped, without the declared workaround.
    #[arg(long)]
    pub no_workarounds: bool,
    /// A card configured otherwise: JSON file.
    #[arg(long, value_name = "FILE.json")]
    pub personality: Option<PathBuf>,
    /// One property of the card, e.g. card_name=\"X\" or power_mw=1000. May repeat.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// auto, kvm or tcg.
    #[arg(long, default_value = "auto")]
    pub accelerator: String,
    /// Write a line per register access of the device model. Slow.
    #[arg(long)]
    pub trace: bool,
    /// Seed of everything random; given, the cases run in an order drawn from it.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Factor on every time limit; default: 1, under emulation 4.
    #[arg(long, value_name = "FACTOR")]
    pub timeout_scale: Option<f64>,
}

/// `gauntlet run`.
#[derive(Args, Clone, Debug)]
pub struct RunOptions {
    /// Which cases.
    #[command(flatten)]
    pub selection: Selection,
    /// Which machine.
    #[command(flatten)]
    pub machine: MachineOptions,
    /// Say what would run, and stop.
    #[arg(long)]
    pub list_only: bool,
    /// Keep the initramfs of each boot.
    #[arg(long)]
    pub keep: bool,
    /// Where the record goes; default: a new folder in $GAUNTLET_RUNS or ./gauntlet-runs.
    #[arg(long, value_name = "DIR")]
    pub run_dir: Option<PathBuf>,
    /// Write KTAP to standard output, and nothing else.
    #[arg(long)]
    pub ktap: bool,
    /// Run on this machine's card instead of in a guest.
    #[arg(long)]
    pub local: bool,
    /// Which card, e.g. accel0.
    #[arg(long, value_name = "accelN", requires = "local")]
    pub device: Option<String>,
    /// Run the i-th of n parts of the cases.
    #[arg(long, value_name = "i/n")]
    pub shard: Option<String>,
    /// Guests side by side [default: one for each processor, four at most]
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,
    /// Run every case so often.
    #[arg(long, value_name = "TIMES", default_value_t = 1)]
    pub repeat: u32,
    /// Stop at the first case that ends badly, other than as known.
    #[arg(long)]
    pub until_fail: bool,
    /// Run cases, too, that the expectations list as skips.
    #[arg(long)]
    pub run_skipped: bool,
    /// Run a case that failed again, up to so often. All attempts are shown; a pass after a failure
    /// is no pass.
    #[arg(long, value_name = "TIMES", default_value_t = 0, conflicts_with = "until_fail")]
    pub retry: u32,
    /// Run nothing: print the `git bisect run` line that finds the commit which broke these cases.
    #[arg(long, conflicts_with_all = ["local", "list_only"])]
    pub bisect_line: bool,
    /// An earlier run: the HTML page shows what changed since.
    #[arg(long, value_name = "DIR")]
    pub baseline: Option<PathBuf>,
    /// Afterwards write the expectation files anew into this folder, for a person to look over.
    #[arg(long, value_name = "DIR")]
    pub update: Option<PathBuf>,
    /// Stop the whole run after so many seconds.
    #[arg(long, value_name = "SECONDS")]
    pub time_limit: Option<u64>,
}

/// `gauntlet resume`.
#[derive(Args, Debug)]
pub struct ResumeOptions {
    /// The run directory.
    pub dir: PathBuf,
}

/// `gauntlet list`.
#[derive(Args, Debug)]
pub struct ListOptions {
    /// Which cases.
    #[command(flatten)]
    pub selection: Selection,
}

/// `gauntlet describe`.
#[derive(Args, Debug)]
pub struct DescribeOptions {
    /// Name of the case.
    pub case: String,
}

/// `gauntlet plan`.
#[derive(Args, Debug)]
pub struct PlanOptions {
    /// Only rows whose id starts with this.
    pub prefix: Option<String>,
    /// Only rows without a case and without a measured reason.
    #[arg(long)]
    pub missing: bool,
    /// The chips; default: gaudi.
    #[arg(long, value_name = "CHIP")]
    pub asic: Vec<Asic>,
}

/// A guest for a program of the user's.
#[derive(Args, Debug)]
pub struct GuestOptions {
    /// Take this file along, to the same path; a program comes with its libraries.
    #[arg(long, value_name = "FILE")]
    pub add: Vec<PathBuf>,
    /// The chip.
    #[arg(long, value_name = "CHIP", default_value = "gaudi")]
    pub asic: Asic,
    /// Which machine.
    #[command(flatten)]
    pub machine: MachineOptions,
}

/// `gauntlet exec`.
#[derive(Args, Debug)]
pub struct ExecOptions {
    /// The guest.
    #[command(flatten)]
    pub guest: GuestOptions,
    /// The command line of the program.
    #[arg(last = true, required = true)]
    pub command: Vec<String>,
}

/// `gauntlet graph`.
#[derive(Args, Debug)]
pub struct GraphOptions {
    /// The model.
    pub file: PathBuf,
    /// Value of an input; others are random. May repeat.
    #[arg(long, value_name = "NAME=FILE.pb")]
    pub input: Vec<String>,
    /// Where the report goes; default: the model's name with .html, here.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write the timeline of the report to a file of its own, too.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// The guest.
    #[command(flatten)]
    pub guest: GuestOptions,
    /// Run on this machine's card instead of in a guest.
    #[arg(long)]
    pub local: bool,
    /// Which card, e.g. accel0.
    #[arg(long, value_name = "accelN", requires = "local")]
    pub device: Option<String>,
}

/// `gauntlet headers`.
#[derive(Args, Debug)]
pub struct HeadersOptions {
    /// Kernel, as for `gauntlet run`.
    pub kernel: String,
    /// Folder with the source of the modules.
    pub folder: PathBuf,
    /// Folder with the modules of a vmlinuz.
    #[arg(long, value_name = "DIR")]
    pub modules: Option<PathBuf>,
    /// More arguments for make.
    #[arg(last = true)]
    pub arguments: Vec<String>,
}

/// `gauntlet report`.
#[derive(Args, Debug)]
pub struct ReportOptions {
    /// The run directory.
    pub dir: PathBuf,
    /// Print this format instead of writing files: text, ktap, junit, json ...
    #[arg(long)]
    pub format: Option<String>,
    /// An earlier run: the HTML page shows what changed since.
    #[arg(long, value_name = "DIR")]
    pub baseline: Option<PathBuf>,
    /// Also write the expectation files anew into this folder, for a person to look over.
    #[arg(long, value_name = "DIR")]
    pub update: Option<PathBuf>,
}

/// `gauntlet compare`.
#[derive(Args, Debug)]
pub struct CompareOptions {
    /// The run directory of the run to compare with.
    pub base: PathBuf,
    /// The run directory of the run in question.
    pub head: PathBuf,
    /// Print this format instead of text: json or html.
    #[arg(long)]
    pub format: Option<String>,
    /// Where compare.html and compare.json go; default: the run directory of the run in question.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// `gauntlet model`.
#[derive(Args, Debug)]
pub struct ModelOptions {
    /// Socket for QEMU.
    #[arg(long)]
    pub socket: PathBuf,
    /// Socket for the control port.
    #[arg(long)]
    pub control: Option<PathBuf>,
    /// The chip.
    #[arg(long, default_value = "gaudi")]
    pub asic: Asic,
    /// JSON file with the card's properties.
    #[arg(long)]
    pub personality: Option<PathBuf>,
    /// Seed.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// File for the trace.
    #[arg(long)]
    pub trace: Option<PathBuf>,
    /// End with the first machine.
    #[arg(long)]
    pub once: bool,
    /// End when standard input is closed.
    #[arg(long)]
    pub watch_input: bool,
}
