// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! KVM where it works, TCG elsewhere. Whether KVM works is tried, not guessed: `/dev/kvm` may
//! exist and still be unable to run a stock kernel (nested, paravirtual KVM), in which case QEMU
//! reports an internal error and stays paused for ever. The answer is remembered in the cache.

use std::fs::OpenOptions;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::guest::{Cause, Guest};
use crate::kernel::Kernel;
use crate::machine::Machine;
use crate::qemu::Qemu;

/// A stock kernel under KVM needs about a second to look for its root file system.
const PROBE_DEADLINE: Duration = Duration::from_secs(6);
/// What the kernel says when it is up and finds neither initramfs nor disk (init/do_mounts.c).
const PROBE_WORDS: &str = "VFS: Unable to mount root fs";

/// What the user asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Accelerator {
    /// KVM if it works, else TCG.
    #[default]
    Auto,
    /// KVM or an error.
    Kvm,
    /// Emulation.
    Tcg,
}

impl FromStr for Accelerator {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(Self::Auto),
            "kvm" => Ok(Self::Kvm),
            "tcg" => Ok(Self::Tcg),
            other => Err(Error::Machine(format!("accelerator {other:?}: use auto, kvm or tcg"))),
        }
    }
}

/// What is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// Hardware virtualisation.
    Kvm,
    /// Emulation.
    Tcg,
}

impl Backend {
    /// Its options for QEMU. A wide processor has room on the bus for the windows of bridges above
    /// several cards with the largest memory: `max` has 40 address bits, of which the BIOS uses half
    /// and rounds each window up to a power of two. A real processor has what it has.
    pub(crate) fn options(self, wide: bool) -> &'static [(&'static str, &'static str)] {
        const TCG: (&str, &str) = ("-accel", "tcg,thread=multi,tb-size=256");
        match (self, wide) {
            (Self::Kvm, _) => &[("-accel", "kvm"), ("-cpu", "host")],
            (Self::Tcg, false) => &[TCG, ("-cpu", "max")],
            (Self::Tcg, true) => &[TCG, ("-cpu", "max,phys-bits=44")],
        }
    }

    /// For notes and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        }
    }
}

/// Decides, by trying KVM once per machine, host kernel, QEMU and guest release.
pub fn choose(asked: Accelerator, cache: &Cache, qemu: &Qemu, kernel: &Kernel) -> Result<Backend> {
    match asked {
        Accelerator::Tcg => Ok(Backend::Tcg),
        Accelerator::Kvm => match try_kvm(qemu, kernel)? {
            None => Ok(Backend::Kvm),
            Some(why) => Err(Error::Machine(format!("KVM does not work here: {why}"))),
        },
        Accelerator::Auto => {
            let note = note(qemu, kernel);
            if let Some(answer) = cache.note(&note) {
                return Ok(if answer == "kvm" { Backend::Kvm } else { Backend::Tcg });
            }
            let (backend, answer) = match try_kvm(qemu, kernel)? {
                None => (Backend::Kvm, "kvm".to_owned()),
                Some(why) => (Backend::Tcg, format!("tcg: {why}")),
            };
            cache.set_note(&note, &answer)?;
            Ok(backend)
        }
    }
}

/// Forgets that KVM worked, after a machine failed with it.
pub fn distrust_kvm(cache: &Cache, qemu: &Qemu, kernel: &Kernel, why: &str) -> Result<()> {
    cache.set_note(&note(qemu, kernel), &format!("tcg: {why}"))
}

/// Everything the answer depends on.
fn note(qemu: &Qemu, kernel: &Kernel) -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let processor = read("/proc/cpuinfo");
    let model = processor.lines().find(|l| l.starts_with("model name")).unwrap_or("").to_owned();
    let usable = openable().is_ok();
    let facts = [
        read("/etc/machine-id"),
        read("/proc/sys/kernel/osrelease"),
        model,
        usable.to_string(),
        qemu.version.clone(),
        kernel.release.clone(),
    ];
    format!("accelerator-{:08x}", crc32fast::hash(facts.join("\n").as_bytes()))
}

fn openable() -> std::io::Result<()> {
    OpenOptions::new().read(true).write(true).open("/dev/kvm").map(drop)
}

/// Boots the kernel without a file system; `None` when it gets as far as missing one.
fn try_kvm(qemu: &Qemu, kernel: &Kernel) -> Result<Option<String>> {
    if let Err(error) = openable() {
        return Ok(Some(Error::io("open", Path::new("/dev/kvm"), error).to_string()));
    }
    let machine = Machine::new(qemu, Backend::Kvm, kernel.boot_image());
    let guest = Guest::start(&machine, Path::new("/dev/null"), PROBE_DEADLINE)?;
    let ended = guest.wait();
    let up = ended.console.iter().any(|line| line.contains(PROBE_WORDS));
    match ended.cause {
        Cause::Panic(_) if up => Ok(None),
        Cause::Panic(_)
        | Cause::NoBoot(_)
        | Cause::PoweredOff
        | Cause::Killed
        | Cause::KvmFailed(_)
        | Cause::QemuFailed(_)
        | Cause::Harness(_) => Ok(Some(ended.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed() {
        assert_eq!("auto".parse::<Accelerator>().unwrap(), Accelerator::Auto);
        assert!("hvf".parse::<Accelerator>().unwrap_err().to_string().contains("auto, kvm or tcg"));
    }
}
