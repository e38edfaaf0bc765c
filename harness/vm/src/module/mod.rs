// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The modules that the guest loads: the driver (as shipped or one of the user's), what it
//! depends on, in load order, uncompressed (the guest's own decompression is slow under TCG).

mod info;
mod workaround;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, io};
use crate::kernel::Kernel;
use crate::kernel::image::Packing;
pub use info::{Info, without_signature};
pub use workaround::Workaround;

/// The driver under test.
pub const DRIVER: &str = "habanalabs";
/// Endings of module files.
const ENDINGS: &[&str] = &[".ko", ".ko.xz", ".ko.zst", ".ko.gz"];

/// One module, ready for `finit_module` without flags.
#[derive(Debug, Clone)]
pub struct Module {
    /// Name as in /proc/modules.
    pub name: String,
    /// Where it came from.
    pub path: PathBuf,
    /// The ELF file.
    pub bytes: Vec<u8>,
    /// Its `.modinfo`.
    pub info: Info,
}

/// What to load and what was done to it.
#[derive(Debug, Clone)]
pub struct ModuleSet {
    /// In load order; the driver is the last.
    pub modules: Vec<Module>,
    /// What became of the workaround.
    pub workaround: Workaround,
}

impl ModuleSet {
    /// Collects the driver and its dependencies. `driver` replaces only the driver itself;
    /// `workarounds` says whether the missing flag may be set.
    pub fn collect(kernel: &Kernel, driver: Option<&Path>, workarounds: bool) -> Result<Self> {
        let files = find_all(&kernel.modules)?;
        let path = match driver {
            Some(path) => path,
            None => files.get(DRIVER).ok_or_else(|| Error::NoModule {
                name: DRIVER.into(),
                folder: kernel.modules.clone(),
            })?,
        };
        let path = &path.to_owned();
        let mut last = read(DRIVER, path)?;
        check_release(&last, &kernel.release)?;
        let bad = |message| Error::Module { path: path.to_owned(), message };
        let workaround = {
            let (body, _) = without_signature(&last.bytes).map_err(bad)?;
            let mut edited = body.to_vec();
            let workaround =
                workaround::apply(&mut edited, &kernel.release, workarounds).map_err(bad)?;
            if workaround == Workaround::Applied {
                last.bytes = edited;
            }
            workaround
        };
        let builtin = builtin(&kernel.modules);
        let mut walk = Walk { kernel, files, builtin, seen: BTreeSet::new(), order: Vec::new() };
        for name in last.info.depends() {
            walk.visit(&name)?;
        }
        let mut modules = walk.order;
        modules.push(last);
        Ok(Self { modules, workaround })
    }

    /// The module under test.
    pub fn driver(&self) -> &Module {
        self.modules.last().expect("collect() puts the driver last")
    }
}

/// Orders dependencies depth first.
struct Walk<'a> {
    kernel: &'a Kernel,
    files: BTreeMap<String, PathBuf>,
    builtin: BTreeSet<String>,
    seen: BTreeSet<String>,
    order: Vec<Module>,
}

impl Walk<'_> {
    fn visit(&mut self, name: &str) -> Result<()> {
        if self.builtin.contains(name) || !self.seen.insert(name.to_owned()) {
            return Ok(());
        }
        let path = self.files.get(name).cloned().ok_or_else(|| Error::NoModule {
            name: name.into(),
            folder: self.kernel.modules.clone(),
        })?;
        let module = read(name, &path)?;
        check_release(&module, &self.kernel.release)?;
        for dependency in module.info.depends() {
            self.visit(&dependency)?;
        }
        self.order.push(module);
        Ok(())
    }
}

/// Reads and unpacks one module file.
pub fn read(name: &str, path: &Path) -> Result<Module> {
    let raw = fs::read(path).map_err(io("read", path))?;
    let bad = |message| Error::Module { path: path.to_owned(), message };
    let bytes = match Packing::of(&raw) {
        Some(packing) => packing.unpack(&raw).map_err(bad)?,
        None => raw,
    };
    let info = Info::read(&bytes).map_err(bad)?;
    Ok(Module { name: name.to_owned(), path: path.to_owned(), bytes, info })
}

fn check_release(module: &Module, kernel: &str) -> Result<()> {
    let found = module.info.get("vermagic").trim();
    if module.info.release() == kernel {
        return Ok(());
    }
    let (found, kernel) = (found.to_owned(), kernel.to_owned());
    Err(Error::Vermagic { path: module.path.clone(), found, kernel })
}

/// Every module file below a folder by name, dashes as underscores like the kernel does.
fn find_all(folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).map_err(io("read", &folder))? {
            let entry = entry.map_err(io("read", &folder))?;
            let kind = entry.file_type().map_err(io("read", &folder))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // Links inside a modules folder (`build`, `source`) lead out of it.
            if kind.is_dir() {
                open.push(entry.path());
            } else if let Some(stem) = ENDINGS.iter().find_map(|e| name.strip_suffix(e)) {
                found.insert(stem.replace('-', "_"), entry.path());
            }
        }
    }
    Ok(found)
}

/// Names in `modules.builtin`, which stands next to the modules.
fn builtin(folder: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(folder.join("modules.builtin")).unwrap_or_default();
    let stem = |line: &str| {
        let name = line.rsplit('/').next().unwrap_or(line);
        name.strip_suffix(".ko").map(|n| n.replace('-', "_"))
    };
    text.lines().filter_map(stem).collect()
}

#[cfg(test)]
mod tests {
    use object::write::Object as Writer;
    use object::{Architecture, BinaryFormat, Endianness, SectionKind};

    use super::*;

    fn file(depends: &str, release: &str) -> Vec<u8> {
        let mut file = Writer::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
        let section = file.add_section(vec![], b".modinfo".to_vec(), SectionKind::ReadOnlyData);
        let text = format!("license=GPL\0depends={depends}\0vermagic={release} SMP mod_unload \0");
        file.append_section_data(section, text.as_bytes(), 1);
        file.write().unwrap()
    }

    fn kernel(folder: &Path) -> Kernel {
        Kernel {
            release: "6.8.1".into(),
            image: "/k".into(),
            vmlinux: None,
            modules: folder.into(),
            origin: String::new(),
        }
    }

    #[test]
    fn dependencies_come_first_and_once() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, depends: &str| {
            fs::write(folder.path().join(name), file(depends, "6.8.1")).unwrap();
        };
        put("habanalabs.ko", "drm,a-x".replace('-', "_").as_str());
        put("drm.ko", "quirks,builtin_one");
        put("a-x.ko", "quirks,drm");
        put("quirks.ko", "");
        fs::write(folder.path().join("modules.builtin"), "kernel/d/builtin-one.ko\n").unwrap();
        let set = ModuleSet::collect(&kernel(folder.path()), None, true).unwrap();
        let names: Vec<_> = set.modules.iter().map(|m| m.name.as_str()).collect();
        assert_eq!(names, ["quirks", "drm", "a_x", "habanalabs"]);
        assert_eq!(set.workaround, Workaround::NotNeeded);
    }

    #[test]
    fn a_driver_for_another_kernel_is_one_clear_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.ko");
        fs::write(&path, file("", "6.9.0")).unwrap();
        let line = ModuleSet::collect(&kernel(folder.path()), Some(&path), true).unwrap_err();
        let line = line.to_string();
        assert!(line.contains("mine.ko was built for another kernel"), "{line}");
        assert!(line.contains("6.9.0 SMP mod_unload") && line.contains("6.8.1"), "{line}");
    }

    #[test]
    fn a_missing_or_damaged_module_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let line = ModuleSet::collect(&kernel(folder.path()), None, true).unwrap_err().to_string();
        assert!(line.contains("no habanalabs.ko under"), "{line}");
        let whole = file("", "6.8.1");
        fs::write(folder.path().join("habanalabs.ko"), &whole[..whole.len() / 2]).unwrap();
        let line = ModuleSet::collect(&kernel(folder.path()), None, true).unwrap_err().to_string();
        assert!(line.contains("no usable kernel module"), "{line}");
    }

    #[test]
    fn a_dependency_loop_ends() {
        let folder = tempfile::tempdir().unwrap();
        for (name, depends) in [("habanalabs", "a"), ("a", "b"), ("b", "a")] {
            let path = folder.path().join(format!("{name}.ko"));
            fs::write(path, file(depends, "6.8.1")).unwrap();
        }
        let set = ModuleSet::collect(&kernel(folder.path()), None, true).unwrap();
        assert_eq!(set.modules.len(), 3);
    }
}
