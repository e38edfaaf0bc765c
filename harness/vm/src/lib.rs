// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Boots a kernel with the driver under test in a virtual machine that has modelled devices.
//!
//! ```no_run
//! use std::path::Path;
//! use std::time::Duration;
//! use vm::{Accelerator, Archive, Cache, Event, Guest, Kernel, Machine, ModuleSet, Qemu, Sockets};
//!
//! # fn main() -> vm::Result<()> {
//! let cache = Cache::open_default()?;
//! let qemu = Qemu::find(&cache)?; // the host's, else a private copy in the cache
//! let kernel = Kernel::find(&cache, &"debian:6.12".parse()?, None)?;
//! let modules = ModuleSet::collect(&kernel, None, true)?; // modules.workaround says what was done
//!
//! let mut base = Archive::new(); // the same for all boots of a run
//! base.host_file("/init", Path::new("target/guest"))?; // static program
//! base.modules(&modules)?; // /gauntlet/modules/NAME.ko, names in load order in .../order
//! base.firmware()?;
//! let mut plan = Archive::new(); // what this boot is to do
//! plan.file("/gauntlet/plan.json", 0o644, "{}")?;
//! base.write_joined(&[&plan], Path::new("run/boot-1.cpio"))?;
//!
//! let sockets = Sockets::new()?; // short paths, removed on drop
//! let backend = vm::choose(Accelerator::Auto, &cache, &qemu, &kernel)?;
//! let mut machine = Machine::new(&qemu, backend, kernel.boot_image());
//! machine.initramfs = Some("run/boot-1.cpio".into());
//! machine.devices = vec![sockets.path("gaudi0")]; // the model server listens already
//! machine.control = Some(sockets.path("control")); // ttyS2, the model server listens already
//! machine.results = Some(sockets.path("results")); // ttyS1, Guest listens
//! println!("{}", machine.command()?); // shell-quoted
//!
//! let guest = Guest::start(&machine, Path::new("run/console.log"), Duration::from_secs(60))?;
//! for event in &guest.events {
//!     match event {
//!         Event::Init { after } => println!("init after {after:?}"),
//!         Event::Line(line) => println!("{line}"),
//!         Event::Fatal(line) | Event::Panic(line) => println!("{line}"),
//!         Event::Ended(ended) => println!("{ended}"), // always the last one
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The machine knows nothing of cases; what runs in it is the caller's.
//!
//! # What was measured
//! Debian 6.12.117, QEMU 11.1.3, TCG, 2 cores, no modelled device, from spawn to the first line on
//! the results port: 4.4 s when the machine is idle (7.3.4: 4.1 s), of which the kernel's clock
//! shows 0.5 s patching alternatives, 0.2 s bringing up the second processor, 0.25 s ACPI, 0.27 s
//! checking page protections. A loaded machine multiplies this (14 s at a load of 13), so the
//! figures below are seconds of processor time, the lowest of a few runs on a loaded machine:
//! * vmlinux by its PVH entry 5.9, bzImage 7.9;
//! * `i8042=off,hpet=off` 4.9 instead of 5.9: used;
//! * without `tsc=reliable no_timer_check mitigations=off` and the rest 7.0;
//! * `-cpu max` 5.9, `max,la57=off` 5.4, `qemu64` 6.2, `EPYC` 4.8 in another series: no
//!   difference beyond the noise, so `max` (all features) stays;
//! * `-smp 1` costs 3.8, but boots no sooner and hides races: two processors stay;
//! * `quiet`, `loglevel`, 512 MiB instead of 1 GiB, `lsm= audit=0`: nothing beyond the noise;
//! * the initramfs is some MB, written in 10 ms and unpacked in 0.1 s: compression cannot gain.
//!
//! `rodata=off` would save 0.27 s and is not used: a driver that writes to read-only data must
//! be seen. Where `/dev/kvm` exists and cannot run a stock kernel, QEMU says nothing at all and
//! stays silent: trying it costs the probe's deadline, once per machine and kernel.

pub mod accelerator;
pub mod apt;
mod cache;
mod error;
pub mod guest;
pub mod initramfs;
pub mod kernel;
pub mod machine;
pub mod module;
mod qemu;

pub use accelerator::{Accelerator, Backend, choose};
pub use cache::{Cache, Lock};
pub use error::{Error, Result};
pub use guest::{Cause, Ended, Event, Guest};
pub use initramfs::Archive;
pub use kernel::headers::Headers;
pub use kernel::{Kernel, KernelSpec};
pub use machine::{CommandLine, Machine, Sockets, Topology};
pub use module::{Module, ModuleSet, Workaround};
pub use qemu::Qemu;
