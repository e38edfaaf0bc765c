// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Builds the driver of a kernel tree against a kernel's headers.
//!
//! Only the driver's folder and the headers that belong to it are taken from the tree; everything
//! else (configuration, exported symbols, other headers) is that of the kernel that is booted. A
//! tree whose driver needs newer core code than that does not build, and the compiler says so.
//!
//! The files are copied into the cache, so that nothing is written into the user's tree; a file
//! that has not changed is left alone there, so that a second build compiles only what changed.

use crate::{exit, headers};
use anyhow::{Context as _, Result, bail};
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use vm::{Cache, Kernel};

/// The driver in a tree.
const DRIVER: &str = "drivers/accel/habanalabs";
/// Headers outside of its folder that only the driver and its users include.
const HEADERS: &[&str] = &[
    "include/linux/habanalabs",
    "include/trace/events/habanalabs.h",
    "include/uapi/drm/habanalabs_accel.h",
];
/// Where such headers are looked for, before those of the kernel.
const INCLUDED: &[&str] = &["include", "include/uapi"];
/// Ends of names of what a build in the user's tree left behind.
const BUILT: &[&str] =
    &[".a", ".cmd", ".ko", ".mod", ".mod.c", ".o", "Module.symvers", "modules.order"];
/// Names what was copied, one path a line.
const TAKEN: &str = "taken";

/// Builds `habanalabs.ko`.
pub fn build(tree: &Path, cache: &Cache, kernel: &Kernel) -> Result<PathBuf> {
    if !tree.join(DRIVER).join("Kconfig").is_file() {
        let tree = tree.display();
        return Err(exit::usage(format!("--tree {tree}: there is no {DRIVER} in it")));
    }
    let tree = tree.canonicalize().with_context(|| tree.display().to_string())?;
    let mut name = DefaultHasher::new();
    tree.hash(&mut name);
    let name = format!("trees/{}-{:016x}", kernel.release, name.finish());
    let folder = cache.path(&name);
    let _lock = cache.lock(&name)?;
    copy(&tree, &folder)
        .with_context(|| format!("cannot copy {} to {}", tree.display(), folder.display()))?;
    let source = folder.join(DRIVER);
    // The first time takes minutes where the machine is small.
    eprintln!("building the driver of {} for {}", tree.display(), kernel.release);
    let included = INCLUDED.iter().map(|part| format!(" -I{}", folder.join(part).display()));
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let output = headers::make(cache, kernel, &source)?
        .args([&format!("-j{jobs}"), "CONFIG_DRM_ACCEL_HABANALABS=m", "modules"])
        .arg(format!("NOSTDINC_FLAGS=-nostdinc{}", included.collect::<String>()))
        .stdin(Stdio::null())
        .output()
        .context("cannot start make; install build-essential")?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        let errors = errors.replace(&*folder.to_string_lossy(), &tree.to_string_lossy());
        let first = errors.lines().find(|line| line.contains("error")).unwrap_or("make failed");
        let log = folder.join("build.log");
        // The first error is on the screen in any case.
        let _ = std::fs::write(&log, &errors);
        bail!("the driver of {} does not build: {first} ({})", tree.display(), log.display());
    }
    Ok(source.join("habanalabs.ko"))
}

/// Makes the copy of a tree what the tree is; what a build left in the copy stays.
fn copy(tree: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    let mut files = BTreeSet::new();
    for part in HEADERS.iter().chain([&DRIVER]) {
        collect(tree, Path::new(part), &mut files)?;
    }
    let taken = to.join(TAKEN);
    let before = std::fs::read_to_string(&taken).unwrap_or_default();
    for gone in before.lines().map(Path::new).filter(|path| !files.contains(*path)) {
        // Somebody may have cleaned the cache.
        let _ = std::fs::remove_file(to.join(gone));
    }
    for path in &files {
        let (source, place) = (std::fs::read(tree.join(path))?, to.join(path));
        if std::fs::read(&place).is_ok_and(|there| there == source) {
            continue;
        }
        if let Some(folder) = place.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&place, source)?;
    }
    let lines: String = files.iter().map(|path| format!("{}\n", path.display())).collect();
    std::fs::write(taken, lines)
}

/// The source files below a path of a tree.
fn collect(tree: &Path, path: &Path, files: &mut BTreeSet<PathBuf>) -> std::io::Result<()> {
    let place = tree.join(path);
    if place.is_dir() {
        for entry in std::fs::read_dir(place)? {
            collect(tree, &path.join(entry?.file_name()), files)?;
        }
    } else if place.is_file() {
        let name = path.to_string_lossy();
        if !BUILT.iter().any(|end| name.ends_with(end)) {
            files.insert(path.into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn put(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn only_what_changed_is_copied_again() {
        let root = tempfile::tempdir().unwrap();
        let (tree, to) = (root.path().join("tree"), root.path().join("copy"));
        let (one, two) = ("drivers/accel/habanalabs/a.c", "drivers/accel/habanalabs/common/b.c");
        let header = "include/uapi/drm/habanalabs_accel.h";
        for (path, text) in [(one, "1"), (two, "2"), (header, "h"), ("mm/slub.c", "other")] {
            put(&tree, path, text);
        }
        put(&tree, "drivers/accel/habanalabs/a.o", "of a build in the tree");
        copy(&tree, &to).unwrap();
        assert_eq!(fs::read_to_string(to.join(header)).unwrap(), "h");
        assert!(!to.join("mm").exists() && !to.join("drivers/accel/habanalabs/a.o").exists());
        put(&to, "drivers/accel/habanalabs/a.o", "of our build");
        let time = |path: &str| fs::metadata(to.join(path)).unwrap().modified().unwrap();
        let old = std::time::SystemTime::UNIX_EPOCH;
        for path in [one, two] {
            let file = fs::File::options().write(true).open(to.join(path)).unwrap();
            file.set_modified(old).unwrap();
        }
        put(&tree, one, "changed");
        fs::remove_file(tree.join(header)).unwrap();
        copy(&tree, &to).unwrap();
        assert_eq!(fs::read_to_string(to.join(one)).unwrap(), "changed");
        assert!(time(one) > old && time(two) == old, "only the changed file is new");
        assert!(!to.join(header).exists(), "what is gone from the tree is gone from the copy");
        assert!(to.join("drivers/accel/habanalabs/a.o").exists());
    }
}
