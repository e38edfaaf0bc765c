// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Boots a kernel with a static init and prints how long each step took.
//!
//! `cargo run -p vm --example boot -- INIT [KERNEL [MODULES]] [-- QEMU OPTIONS | +PARAMETER ...]`

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use vm::{Accelerator, Archive, Cache, Event, Guest, Kernel, Machine, ModuleSet, Qemu, Sockets};

fn main() {
    if let Err(error) = run() {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

fn run() -> vm::Result<()> {
    let all: Vec<String> = std::env::args().skip(1).collect();
    let cut = all.iter().position(|a| a == "--").unwrap_or(all.len());
    let (words, extra) = (&all[..cut], all.get(cut + 1..).unwrap_or(&[]));
    let init = words.first().ok_or_else(|| vm::Error::Machine("no init given".into()))?;
    let spec = words.get(1).map_or("debian:6.12", String::as_str).parse()?;
    let modules = words.get(2).map(PathBuf::from);

    let mut clock = Clock(Instant::now());
    let cache = Cache::open_default()?;
    let qemu = Qemu::find(&cache)?;
    clock.step(&qemu.version);
    let kernel = Kernel::find(&cache, &spec, modules.as_deref())?;
    clock.step(&format!("{} from {}", kernel.release, kernel.origin));
    let set = ModuleSet::collect(&kernel, None, true)?;
    clock.step(&format!("modules, workaround: {}", set.workaround.describe()));
    let accelerator =
        std::env::var("ACCELERATOR").unwrap_or("auto".into()).parse::<Accelerator>()?;
    let backend = vm::choose(accelerator, &cache, &qemu, &kernel)?;
    clock.step(backend.name());
    let sockets = Sockets::new()?;
    let initramfs = sockets.path("initramfs");
    let mut base = Archive::new();
    base.host_file("/init", Path::new(init))?;
    base.device("/dev/console", 0o600, 5, 1)?;
    base.device("/dev/ttyS1", 0o600, 4, 65)?;
    base.modules(&set)?;
    base.firmware()?;
    let mut plan = Archive::new();
    plan.file("/gauntlet/plan.json", 0o644, "{}")?;
    base.write_joined(&[&plan], &initramfs)?;
    clock.step("initramfs");

    let mut machine = Machine::new(&qemu, backend, kernel.boot_image());
    machine.initramfs = Some(initramfs);
    machine.results = Some(sockets.path("results"));
    for word in extra {
        match word.strip_prefix('+') {
            Some(parameter) => machine.parameters.push(parameter.into()),
            None => machine.options.push(word.clone()),
        }
    }
    println!("{}", machine.command()?);
    let folder = tempfile::tempdir()
        .map_err(|error| vm::Error::Machine(format!("no temporary folder: {error}")))?;
    let guest =
        Guest::start(&machine, &folder.path().join("console.log"), Duration::from_secs(60))?;
    for event in &guest.events {
        match event {
            Event::Init { after } => println!("init after {:.2} s", after.as_secs_f64()),
            Event::Line(line) => println!("line: {line}"),
            Event::Fatal(line) | Event::Panic(line) => println!("panic: {line}"),
            Event::Ended(ended) => {
                println!("{ended}");
                ended.stderr.iter().for_each(|line| println!("qemu: {line}"));
            }
        }
    }
    Ok(())
}

struct Clock(Instant);

impl Clock {
    fn step(&mut self, what: &str) {
        println!("{:6.2} s  {what}", self.0.elapsed().as_secs_f64());
        self.0 = Instant::now();
    }
}
