// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Packaged kernel headers, prepared so that a module can be built against them without
//! installing them: absolute paths inside the packages lead into the cache, and build tools that
//! need a newer C library than the host's run through the loader of the private QEMU.
//!
//! Limits: the compiler is the host's. The kernel's own (`gcc-12` for Debian 12, `gcc-14` for
//! Debian 13) is used if it is installed, else `gcc`, which may refuse options of a newer one.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{FLAVOUR, Kernel};
use crate::apt::{Apt, Suites};
use crate::cache::{Cache, remove};
use crate::error::{Error, Result, io};
use crate::qemu;

/// Files of the packages that name absolute paths below `/usr/src`, relative to the build folder.
const FILES_WITH_PATHS: &[&str] = &["Makefile"];
/// Links of the packages that are absolute, relative to `lib/modules/RELEASE`.
const ABSOLUTE_LINKS: &[&str] = &["build", "source"];
/// Where the build tools of the packages are.
const TOOLS: &str = "usr/lib";
/// How programs name the version of the C library that they need.
const LIBRARY: &[u8] = b"GLIBC_2.";
/// Compilers before GCC 14 lack `-fmin-function-alignment`, which the configuration of a newer
/// kernel asks for: without this they get the older option with the same end.
const OLD_COMPILER: &str = "CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=";
/// Type information of modules needs a vmlinux, which the packages lack, and the pahole of the
/// kernel's own distribution; nothing here reads it.
const NO_BTF: &str = "CONFIG_DEBUG_INFO_BTF_MODULES=";
/// What only a newer compiler takes.
const NEW_OPTION: &str = "-fmin-function-alignment=16";

/// Headers of one kernel.
#[derive(Debug, Clone)]
pub struct Headers {
    /// The folder for `make -C`.
    pub build: PathBuf,
    /// Release that modules built here are for.
    pub release: String,
    /// The compiler to use.
    pub compiler: String,
}

impl Headers {
    /// Finds or fetches the headers of this kernel.
    pub fn find(cache: &Cache, kernel: &Kernel) -> Result<Self> {
        let release = kernel.release.as_str();
        let name = format!("headers/{release}");
        let root = match cache.path(&name) {
            root if root.is_dir() => root,
            root => {
                fetch(cache, release, &name, &root)?;
                root
            }
        };
        let build = root.join("usr/src").join(format!("linux-headers-{release}"));
        let compiler = compiler(&build);
        Ok(Self { build, release: release.to_owned(), compiler })
    }

    /// `make` for the modules of a source folder; further targets and variables may be added.
    pub fn make(&self, source: &Path) -> Command {
        let mut command = Command::new("make");
        command.arg("-C").arg(&self.build);
        command.arg(format!("M={}", source.display())).arg(format!("CC={}", self.compiler));
        command.arg(NO_BTF);
        if !takes(&self.compiler, NEW_OPTION) {
            command.arg(OLD_COMPILER);
        }
        command
    }
}

fn fetch(cache: &Cache, release: &str, name: &str, place: &Path) -> Result<()> {
    let wanted = format!("linux-headers-{release}");
    // Held beside the lock of `name`: the private QEMU may be fetched in between.
    let _lock = cache.lock(&format!("fetch-{name}"))?;
    if place.is_dir() {
        return Ok(());
    }
    let mut searched = Vec::new();
    for suites in [Suites::Machine, Suites::Trixie] {
        let Some(apt) = Apt::open(cache, suites)? else { continue };
        if !apt.names(&wanted)?.contains(&wanted) {
            searched.push(apt.description().to_owned());
            continue;
        }
        // The packages of this very build; the compiler and the kernel itself are not needed.
        let bare = release.strip_suffix(FLAVOUR).unwrap_or(release);
        let mut packages = apt.depends(&wanted)?;
        packages.retain(|p| p.contains(bare) && !p.starts_with("linux-image"));
        packages.push(wanted.clone());
        let packages: Vec<_> = packages.iter().map(String::as_str).collect();
        let unpacked = cache.root().join("tmp").join(format!("unpacked-{wanted}"));
        remove(&unpacked)?;
        fs::create_dir_all(&unpacked).map_err(io("create", &unpacked))?;
        apt.unpack(&packages, &unpacked)?;
        // Without this lock of ours the private QEMU can be fetched inside.
        drop(apt);
        prepare(cache, &unpacked, release, place)?;
        cache.folder(name, |folder| {
            fs::remove_dir(folder).map_err(io("remove", folder))?;
            fs::rename(&unpacked, folder).map_err(io("write", folder))
        })?;
        return Ok(());
    }
    Err(Error::PackageMissing { wanted, archive: searched.join(", ") })
}

/// Turns absolute paths into those of the final place and makes the tools run here.
fn prepare(cache: &Cache, root: &Path, release: &str, place: &Path) -> Result<()> {
    let build = root.join("usr/src").join(format!("linux-headers-{release}"));
    let sources = format!("{}/usr/src/", place.display());
    for file in FILES_WITH_PATHS {
        let path = build.join(file);
        let text = fs::read_to_string(&path).map_err(io("read", &path))?;
        fs::write(&path, text.replace("/usr/src/", &sources)).map_err(io("write", &path))?;
    }
    for link in ABSOLUTE_LINKS {
        let path = root.join("lib/modules").join(release).join(link);
        let Ok(target) = fs::read_link(&path) else { continue };
        if let Ok(inside) = target.strip_prefix("/") {
            fs::remove_file(&path).map_err(io("remove", &path))?;
            symlink(place.join(inside), &path).map_err(io("write", &path))?;
        }
    }
    let host = host_library();
    let mut open = vec![root.join(TOOLS)];
    while let Some(folder) = open.pop() {
        // The whole list first: wrapping adds files to the folder.
        let entries: std::io::Result<Vec<_>> = fs::read_dir(&folder).and_then(Iterator::collect);
        for entry in entries.map_err(io("read", &folder))? {
            let data = entry.metadata().map_err(io("read", &folder))?;
            let path = entry.path();
            if data.is_dir() {
                open.push(path);
            } else if data.is_file()
                && data.permissions().mode() & 0o111 != 0
                && needs(&fs::read(&path).map_err(io("read", &path))?) > host
            {
                wrap(&qemu::private_root(cache)?, root, place, &path)?;
            }
        }
    }
    Ok(())
}

/// Puts a script in the place of a program, which runs it through the private loader.
fn wrap(private: &Path, root: &Path, place: &Path, program: &Path) -> Result<()> {
    let mut moved = program.as_os_str().to_owned();
    moved.push(".bin");
    let moved = PathBuf::from(moved);
    fs::rename(program, &moved).map_err(io("write", &moved))?;
    let inside = moved.strip_prefix(root).unwrap_or(&moved);
    let mut words = qemu::through_loader(private);
    words.push(place.join(inside).into());
    let script = format!("#!/bin/sh\nexec {} \"$@\"\n", crate::machine::CommandLine(words));
    fs::write(program, script).map_err(io("write", program))?;
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).map_err(io("write", program))
}

/// The newest version 2.x of the C library that a program asks for; 0 for what is no program.
fn needs(bytes: &[u8]) -> u32 {
    if !bytes.starts_with(&object::elf::ELFMAG) {
        return 0;
    }
    let mut newest = 0;
    for (at, _) in bytes.windows(LIBRARY.len()).enumerate().filter(|(_, name)| *name == LIBRARY) {
        let digits = bytes[at + LIBRARY.len()..].iter().take_while(|b| b.is_ascii_digit()).take(4);
        newest = newest.max(digits.fold(0, |n, b| n * 10 + u32::from(b - b'0')));
    }
    newest
}

/// Version 2.x of this machine's C library.
fn host_library() -> u32 {
    // SAFETY: it gives a string that lives as long as the program.
    let version = unsafe { std::ffi::CStr::from_ptr(libc::gnu_get_libc_version()) };
    let minor = version.to_str().ok().and_then(|v| v.split('.').nth(1)?.parse().ok());
    minor.unwrap_or(0)
}

/// Does the compiler take this option?
fn takes(compiler: &str, option: &str) -> bool {
    succeeds(Command::new(compiler).args([option, "-E", "-x", "c", "/dev/null"]))
}

fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// The compiler that the packages name, if the host has it.
fn compiler(build: &Path) -> String {
    let text = fs::read_to_string(build.join(".kernelvariables")).unwrap_or_default();
    let line = text.lines().find(|l| l.starts_with("CC ") || l.starts_with("CC="));
    let named = line.and_then(|l| l.rsplit(['=', ' ', ')']).next()).unwrap_or("gcc").trim();
    let works = succeeds(Command::new(named).arg("--version"));
    if works { named.to_owned() } else { "gcc".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(root: &Path) -> PathBuf {
        let build = root.join("usr/src/linux-headers-1.0-amd64");
        let tools = root.join("usr/lib/linux-kbuild-1.0/scripts/basic");
        let modules = root.join("lib/modules/1.0-amd64");
        for folder in [&build, &tools, &modules] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::write(build.join("Makefile"), "include /usr/src/linux-headers-1.0-common/Makefile\n")
            .unwrap();
        symlink("../../lib/linux-kbuild-1.0/scripts", build.join("scripts")).unwrap();
        symlink("/usr/src/linux-headers-1.0-amd64", modules.join("build")).unwrap();
        fs::copy("/bin/true", tools.join("fixdep")).unwrap();
        build
    }

    #[test]
    fn absolute_paths_lead_into_the_cache() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path().join("c")).unwrap();
        let root = folder.path().join("r");
        let build = tree(&root);
        prepare(&cache, &root, "1.0-amd64", Path::new("/c/h")).unwrap();
        let text = fs::read_to_string(build.join("Makefile")).unwrap();
        assert_eq!(text, "include /c/h/usr/src/linux-headers-1.0-common/Makefile\n");
        let link = fs::read_link(root.join("lib/modules/1.0-amd64/build")).unwrap();
        assert_eq!(link, Path::new("/c/h/usr/src/linux-headers-1.0-amd64"));
    }

    #[test]
    fn a_wrapped_tool_calls_its_new_place() {
        let folder = tempfile::tempdir().unwrap();
        tree(folder.path());
        let tool = folder.path().join("usr/lib/linux-kbuild-1.0/scripts/basic/fixdep");
        wrap(Path::new("/q"), folder.path(), Path::new("/c/h"), &tool).unwrap();
        let script = fs::read_to_string(&tool).unwrap();
        let end = "/c/h/usr/lib/linux-kbuild-1.0/scripts/basic/fixdep.bin \"$@\"\n";
        assert!(script.starts_with("#!/bin/sh\nexec /q/") && script.ends_with(end), "{script}");
    }

    #[test]
    fn the_newest_library_that_is_asked_for_counts() {
        assert_eq!(needs(b"\x7fELF..GLIBC_2.4\0GLIBC_2.38\0GLIBC_2.17\0"), 38);
        assert_eq!(needs(b"\x7fELF GLIBC_2."), 0);
        assert_eq!(needs(b"#!/bin/sh GLIBC_2.99"), 0);
        let here = needs(&fs::read("/bin/true").unwrap());
        assert!(0 < here && here <= host_library(), "{here} > {}", host_library());
    }

    #[test]
    fn a_compiler_is_asked_for_its_options() {
        assert!(takes("gcc", "-O2"));
        assert!(!takes("gcc", "-fno-such-option"));
        assert!(!takes("no-such-gcc", "-O2"));
    }

    #[test]
    fn the_named_compiler_is_used_only_if_it_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".kernelvariables");
        fs::write(&path, "CC = $(if $(X),$(Y)) $(CROSS_COMPILE)no-such-gcc-99\n").unwrap();
        assert_eq!(compiler(folder.path()), "gcc");
        fs::write(&path, "CC = $(CROSS_COMPILE)true\n").unwrap();
        assert_eq!(compiler(folder.path()), "true");
    }
}
