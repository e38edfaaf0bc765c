// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Kernels as packages or as files: an image to boot and the modules that belong to it.
//!
//! Package names differ by release: until 6.12 `linux-image-*` holds image and modules, later
//! `linux-binary-*` the image and `linux-modules-*` the modules. Which exists is looked up, not
//! assumed. Flavours (`cloud`, `rt`) and the unsigned builds are not used.

pub mod headers;
pub mod image;
mod spec;

use std::fs;
use std::path::{Path, PathBuf};

use crate::apt::{self, Apt, Suites};
use crate::cache::Cache;
use crate::error::{Error, Result, io};
pub use spec::KernelSpec;

/// The flavour used, as the end of a release.
const FLAVOUR: &str = "-amd64";

/// Packages of one release; all of one row are needed.
struct Layout {
    /// The package whose name is searched for: prefix before the release.
    lead: &'static str,
    /// The others of the same release.
    others: &'static [&'static str],
}

/// Tried in this order.
const LAYOUTS: &[Layout] = &[
    Layout { lead: "linux-binary-", others: &["linux-modules-"] },
    Layout { lead: "linux-image-", others: &[] },
];

/// A kernel on the disk of the host.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// `uname -r` of it.
    pub release: String,
    /// The bzImage or vmlinux as given.
    pub image: PathBuf,
    /// The uncompressed image with a PVH entry, if there is one: boots faster.
    pub vmlinux: Option<PathBuf>,
    /// The folder in which modules are looked for.
    pub modules: PathBuf,
    /// Where it came from, in words, for the run's facts.
    pub origin: String,
}

impl Kernel {
    /// Finds or fetches a kernel. `modules` is needed for images and refused for the others.
    /// A series resolves to the same version until [`refresh`] is called.
    pub fn find(cache: &Cache, spec: &KernelSpec, modules: Option<&Path>) -> Result<Self> {
        match (spec, modules) {
            (KernelSpec::Image(image), Some(modules)) => Self::from_files(cache, image, modules),
            (KernelSpec::Image(image), None) => Err(Error::KernelSpec {
                spec: image.display().to_string(),
                message: "an image needs its modules: add --modules DIR".into(),
            }),
            (KernelSpec::Debian(version), None) => debian(cache, version),
            (KernelSpec::Package(file), None) => package(cache, file),
            (KernelSpec::Debian(_) | KernelSpec::Package(_), Some(_)) => {
                Err(Error::Machine("--modules goes with an image, not with a package".into()))
            }
        }
    }

    /// An image and the folder of its modules (`lib/modules/RELEASE`, a root that has it, a
    /// build tree, or any folder with `drm.ko` and `habanalabs.ko` below it).
    pub fn from_files(cache: &Cache, image: &Path, modules: &Path) -> Result<Self> {
        let bytes = fs::read(image).map_err(io("read", image))?;
        let bad = |message| Error::KernelImage { path: image.to_owned(), message };
        if !modules.is_dir() {
            return Err(Error::Machine(format!("--modules {}: no such folder", modules.display())));
        }
        let (release, vmlinux) = match image::kind(&bytes).map_err(bad)? {
            image::Kind::Vmlinux => {
                if !image::has_pvh_entry(&bytes) {
                    return Err(bad(
                        "a vmlinux without PVH entry (CONFIG_PVH): give the bzImage".into()
                    ));
                }
                (image::banner_release(&bytes), Some(image.to_owned()))
            }
            image::Kind::BzImage => (image::release(&bytes), uncompressed(cache, image, &bytes)?),
        };
        let release = release.ok_or_else(|| bad("it names no release".into()))?;
        let inside = modules.join("lib/modules").join(&release);
        let modules = if inside.is_dir() { inside } else { modules.to_owned() };
        let origin = image.display().to_string();
        Ok(Self { release, image: image.to_owned(), vmlinux, modules, origin })
    }

    /// What QEMU is to load: the vmlinux where possible.
    pub fn boot_image(&self) -> &Path {
        self.vmlinux.as_deref().unwrap_or(&self.image)
    }

    /// Does it export this symbol? `None` where there is no uncompressed image to look into.
    pub fn exports(&self, symbol: &str) -> Result<Option<bool>> {
        let Some(path) = &self.vmlinux else { return Ok(None) };
        let bytes = fs::read(path).map_err(io("read", path))?;
        Ok(Some(image::exports(&bytes, symbol)))
    }
}

/// Forgets which version a series resolved to, so that the next search asks the archive.
pub fn refresh(cache: &Cache, version: &str) -> Result<()> {
    for suites in [Suites::Machine, Suites::Trixie] {
        if let Some(apt) = Apt::open(cache, suites)? {
            apt.update()?;
        }
    }
    cache.forget(&note(version))
}

fn note(version: &str) -> String {
    format!("kernel-debian-{version}")
}

/// The uncompressed form in the cache, by content; `None` when it cannot be had.
fn uncompressed(cache: &Cache, path: &Path, bytes: &[u8]) -> Result<Option<PathBuf>> {
    let name = format!("vmlinux/{:08x}-{}", crc32fast::hash(bytes), bytes.len());
    // An empty file in the cache says: looked at before, there is none.
    let place = cache.file(&name, |temporary| {
        let bad = |message| Error::KernelImage { path: path.to_owned(), message };
        let vmlinux = image::vmlinux(bytes).map_err(bad)?;
        let usable = vmlinux.filter(|v| image::has_pvh_entry(v)).unwrap_or_default();
        fs::write(temporary, usable).map_err(io("write", temporary))
    })?;
    let size = fs::metadata(&place).map_err(io("read", &place))?.len();
    Ok((size > 0).then_some(place))
}

fn debian(cache: &Cache, version: &str) -> Result<Kernel> {
    let found = match cache.note(&note(version)) {
        Some(name) if cache.path(&format!("kernels/{name}")).is_dir() => name,
        Some(_) | None => fetch(cache, version)?,
    };
    let mut kernel = extracted(cache, &cache.path(&format!("kernels/{found}")))?;
    kernel.origin = format!("Debian {}", kernel.release);
    Ok(kernel)
}

/// Finds the newest package, fetches it, remembers the answer; returns the release.
fn fetch(cache: &Cache, version: &str) -> Result<String> {
    let mut searched = Vec::new();
    for suites in [Suites::Machine, Suites::Trixie] {
        let apt = match Apt::open(cache, suites) {
            Ok(Some(apt)) => apt,
            Ok(None) => continue,
            // Without a mirror for trixie the machine's own suites still count.
            Err(Error::NoMirror { .. }) if !searched.is_empty() => continue,
            Err(other) => return Err(other),
        };
        if let Some((layout, release)) = newest(&apt, version)? {
            cache.folder(&format!("kernels/{release}"), |folder| {
                let names: Vec<_> = std::iter::once(&layout.lead)
                    .chain(layout.others)
                    .map(|prefix| format!("{prefix}{release}"))
                    .collect();
                apt.unpack(&names.iter().map(String::as_str).collect::<Vec<_>>(), folder)
            })?;
            cache.set_note(&note(version), &release)?;
            return Ok(release);
        }
        searched.push(apt.description().to_owned());
    }
    Err(Error::PackageMissing {
        wanted: format!("linux-image-{version}*{FLAVOUR}"),
        archive: searched.join(", "),
    })
}

/// The newest release of that series in these suites.
fn newest(apt: &Apt, version: &str) -> Result<Option<(&'static Layout, String)>> {
    for layout in LAYOUTS {
        let names = apt.names(&format!("{}{version}", layout.lead))?;
        let releases = names.iter().filter_map(|name| {
            let release = name.strip_prefix(layout.lead)?;
            let bare = release.strip_suffix(FLAVOUR)?;
            // A dash is left in flavours and unsigned builds.
            (!bare.contains('-') && spec::in_series(bare, version)).then_some(release)
        });
        if let Some(release) = releases.max_by_key(|r| spec::version_key(r)) {
            return Ok(Some((layout, release.to_owned())));
        }
    }
    Ok(None)
}

fn package(cache: &Cache, file: &Path) -> Result<Kernel> {
    let bytes = fs::read(file).map_err(io("read", file))?;
    let name = format!("packages/{:08x}-{}", crc32fast::hash(&bytes), bytes.len());
    let folder = cache.folder(&name, |folder| apt::unpack_file(file, folder))?;
    let mut kernel = extracted(cache, &folder).map_err(|error| match error {
        Error::KernelImage { message, .. } => Error::KernelImage { path: file.into(), message },
        other => other,
    })?;
    kernel.origin = file.display().to_string();
    Ok(kernel)
}

/// The kernel in an unpacked package: `boot/vmlinuz-*` and `[usr/]lib/modules/*`.
fn extracted(cache: &Cache, root: &Path) -> Result<Kernel> {
    let bad = |message: &str| Error::KernelImage { path: root.to_owned(), message: message.into() };
    let image = entry(&root.join("boot"), "vmlinuz-")
        .or_else(|| entry(&root.join("usr/lib/modules"), "").map(|m| m.join("vmlinuz")))
        .filter(|image| image.is_file())
        .ok_or_else(|| bad("no boot/vmlinuz-* in it"))?;
    let modules = ["lib/modules", "usr/lib/modules"]
        .iter()
        .find_map(|folder| entry(&root.join(folder), ""))
        .ok_or_else(|| bad("no lib/modules in it (a package of its own: use debian:VERSION)"))?;
    Kernel::from_files(cache, &image, &modules)
}

/// The first entry of a folder that starts so.
fn entry(folder: &Path, prefix: &str) -> Option<PathBuf> {
    let mut names: Vec<_> =
        fs::read_dir(folder).ok()?.filter_map(|e| Some(e.ok()?.path())).collect();
    names.retain(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with(prefix)));
    names.sort();
    names.into_iter().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_images_are_refused_with_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path().join("cache")).unwrap();
        let image = folder.path().join("vmlinuz");
        for content in [&b""[..], &[0; 100], &[0; 4096], b"\x7fELF"] {
            fs::write(&image, content).unwrap();
            let spec = KernelSpec::Image(image.clone());
            let error = Kernel::find(&cache, &spec, Some(folder.path())).unwrap_err();
            let line = error.to_string();
            assert!(line.contains("vmlinuz is no usable kernel image"), "{line}");
            assert_eq!(line.lines().count(), 1, "{line}");
        }
    }

    #[test]
    fn an_image_needs_modules_and_a_package_refuses_them() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path().join("cache")).unwrap();
        let spec = KernelSpec::Image("/x".into());
        let line = Kernel::find(&cache, &spec, None).unwrap_err().to_string();
        assert!(line.contains("--modules DIR"), "{line}");
        let spec = KernelSpec::Debian("6.12".into());
        assert!(Kernel::find(&cache, &spec, Some(folder.path())).is_err());
    }
}
