// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Kernels made ready to boot, and cards configured as asked.

use crate::options::MachineOptions;
use crate::{exit, guest_program, importer, tree};
use anyhow::Result;
use control::{Asic, Personality};
use serde_json::Value;
use std::path::{Path, PathBuf};
use vm::{
    Accelerator, Archive, Backend, Cache, Kernel, KernelSpec, Module, ModuleSet, Qemu, Workaround,
};

/// Name of the declared workaround in facts and in `Environment::workarounds`.
const WORKAROUND: &str = "fop_unsigned_offset";
/// Factor on time limits under emulation.
const EMULATED: f64 = 4.0;

/// What every boot needs.
pub struct Host {
    /// Things that were fetched.
    pub cache: Cache,
    /// The machine.
    pub qemu: Qemu,
    /// The guest's program.
    program: PathBuf,
}

/// A driver ready to be loaded, and the part of the initramfs that all its boots share.
pub struct Load {
    /// The driver and what it needs.
    pub modules: ModuleSet,
    /// The initramfs without the plan.
    pub base: Archive,
}

/// A kernel ready to boot.
pub struct ReadyKernel {
    /// As asked for.
    pub name: String,
    /// The files.
    pub kernel: Kernel,
    /// How it is run.
    pub backend: Backend,
    usual: Load,
    /// Where it differs from the usual one.
    shipped: Option<Load>,
}

impl Host {
    /// Finds QEMU or fetches it.
    pub fn find(cases: &[case::Case]) -> Result<Self> {
        let program = guest_program::find(cases)?;
        let cache = Cache::open_default()?;
        let qemu = Qemu::find(&cache)?;
        Ok(Host { cache, qemu, program })
    }

    /// Makes the kernels of the command line ready.
    pub fn kernels(&self, options: &MachineOptions) -> Result<Vec<ReadyKernel>> {
        options.kernel.iter().map(|name| self.kernel(name, options)).collect()
    }

    fn kernel(&self, name: &str, options: &MachineOptions) -> Result<ReadyKernel> {
        let spec: KernelSpec =
            name.parse().map_err(|why: vm::Error| exit::usage(why.to_string()))?;
        let kernel = Kernel::find(&self.cache, &spec, options.modules.as_deref()).map_err(named)?;
        if let Some(driver) = options.driver.as_ref().filter(|driver| !driver.is_file()) {
            return Err(exit::usage(format!("--driver {}: no such file", driver.display())));
        }
        let built = match &options.tree {
            None => None,
            Some(tree) => Some(tree::build(tree, &self.cache, &kernel)?),
        };
        let driver = built.as_deref().or(options.driver.as_deref());
        let importer = importer::module(&self.cache, &kernel);
        let load =
            |workarounds| Load::new(&kernel, driver, workarounds, importer.as_ref(), &self.program);
        let usual = load(!options.no_workarounds)?;
        let shipped = match usual.modules.workaround {
            Workaround::Applied => Some(load(false)?),
            Workaround::NotNeeded | Workaround::Declined => None,
        };
        let accelerator: Accelerator =
            options.accelerator.parse().map_err(|why: vm::Error| exit::usage(why.to_string()))?;
        let backend = vm::choose(accelerator, &self.cache, &self.qemu, &kernel)?;
        Ok(ReadyKernel { name: name.into(), kernel, backend, usual, shipped })
    }
}

/// A kernel that there is not is a wrong command line.
fn named(why: vm::Error) -> anyhow::Error {
    match matches!(why, vm::Error::KernelSpec { .. } | vm::Error::PackageMissing { .. }) {
        true => exit::usage(why.to_string()),
        false => why.into(),
    }
}

impl Load {
    fn new(
        kernel: &Kernel,
        driver: Option<&Path>,
        workarounds: bool,
        importer: Option<&Module>,
        program: &Path,
    ) -> Result<Self> {
        let mut modules = ModuleSet::collect(kernel, driver, workarounds)?;
        // The driver stays the last: parameters of the case are for it.
        let before = modules.modules.len().saturating_sub(1);
        modules.modules.splice(before..before, importer.cloned());
        let mut base = Archive::new();
        base.host_file("/init", program)?;
        base.modules(&modules)?;
        base.firmware()?;
        Ok(Load { modules, base })
    }

    /// The workarounds of this load of the driver.
    pub fn workarounds(&self) -> Vec<String> {
        match self.modules.workaround {
            Workaround::Applied => vec![WORKAROUND.into()],
            Workaround::NotNeeded | Workaround::Declined => Vec::new(),
        }
    }
}

impl ReadyKernel {
    /// The usual load of the driver, or the one without workarounds.
    pub fn load(&self, as_shipped: bool) -> &Load {
        self.shipped.as_ref().filter(|_| as_shipped).unwrap_or(&self.usual)
    }

    /// Factor on time limits where none was given.
    pub fn scale(&self) -> f64 {
        match self.backend {
            Backend::Kvm => 1.0,
            Backend::Tcg => EMULATED,
        }
    }
}

/// The card of a chip with the changes of the command line.
pub fn personality(asic: Asic, options: &MachineOptions) -> Result<Personality> {
    let mut card = serde_json::to_value(Personality::of(asic))?;
    if let Some(path) = &options.personality {
        let text = std::fs::read(path)
            .map_err(|why| exit::usage(format!("--personality {}: {why}", path.display())))?;
        let changes: Value = serde_json::from_slice(&text)
            .map_err(|why| exit::usage(format!("--personality {}: {why}", path.display())))?;
        let Value::Object(changes) = changes else {
            return Err(exit::usage(format!("--personality {}: no object", path.display())));
        };
        changes.into_iter().for_each(|(key, value)| card[key] = value);
    }
    for change in &options.set {
        let (key, value) = change
            .split_once('=')
            .ok_or_else(|| exit::usage(format!("--set {change}: give KEY=VALUE")))?;
        card[key] = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.into()));
    }
    let card: Personality =
        serde_json::from_value(card).map_err(|why| exit::usage(format!("the card: {why}")))?;
    if card.asic != asic {
        let other = card.asic;
        return Err(exit::usage(format!(
            "the card is a {other}, the run is for {asic}: add --asic {other}"
        )));
    }
    Ok(card)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Command, Options};
    use clap::Parser;

    fn machine(words: &[&str]) -> MachineOptions {
        let words = ["gauntlet", "run"].iter().chain(words);
        match Options::try_parse_from(words).unwrap().command {
            Command::Run(run) => run.machine,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_card_can_be_changed() {
        let card = personality(Asic::Gaudi2, &machine(&[])).unwrap();
        assert_eq!(card, Personality::of(Asic::Gaudi2));
        let options = machine(&[
            "--set",
            "card_name=X1",
            "--set",
            "power_mw=5",
            "--set",
            "fuse_version=\"7\"",
        ]);
        let card = personality(Asic::Gaudi, &options).unwrap();
        assert_eq!(
            (card.card_name.as_str(), card.power_mw, card.fuse_version.as_str()),
            ("X1", 5, "7")
        );
    }

    #[test]
    fn a_wrong_card_is_refused() {
        for (words, part) in [
            (["--set", "nonsense=1"], "nonsense"),
            (["--set", "power_mw"], "KEY=VALUE"),
            (["--set", "power_mw=many"], "many"),
            (["--set", "asic=gaudi2"], "--asic gaudi2"),
            (["--personality", "/nonexistent"], "/nonexistent"),
        ] {
            let why = personality(Asic::Gaudi, &machine(&words)).unwrap_err();
            assert_eq!(exit::of(&why), exit::USAGE);
            assert!(why.to_string().contains(part), "{why}");
        }
    }
}
