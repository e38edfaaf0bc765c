// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The guest's file system: a cpio archive (newc) that the kernel unpacks into its root.
//!
//! Two archives are joined for a boot: the base (guest program, modules, firmware, the user's
//! files), the same for all boots of a run, and a small one with what this boot is to do. The
//! kernel takes concatenated archives; a later file replaces an earlier one of the same path.
//! Not compressed: packing and unpacking cost more than reading (see the crate's module doc).
//!
//! Limits: files below 4 GiB; owner is root, times are 0, so that the same content gives the
//! same bytes.

mod program;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use cpio::newc;

use crate::error::{Error, Result, io};
pub use program::collect as program_files;

/// Firmware that the driver asks for by name and that the modelled device does not interpret
/// (`gaudi.c`, `gaudi2P.h`: `*_FW_FILE`, `*_BOOT_FIT_FILE`; `firmware_if.c:
/// hl_request_fw` refuses sizes that are no multiple of 4).
pub const FIRMWARE: &[&str] = &[
    "habanalabs/gaudi/gaudi-boot-fit.itb",
    "habanalabs/gaudi/gaudi-fit.itb",
    TENSOR_FIRMWARE,
    "habanalabs/gaudi2/gaudi2-boot-fit.itb",
    "habanalabs/gaudi2/gaudi2-fit.itb",
];
/// A kernel that all tensor cores execute (`gaudi.c: gaudi_init_tpc_mem`).
const TENSOR_FIRMWARE: &str = "habanalabs/gaudi/gaudi_tpc.bin";
/// Size of each stand-in.
const FIRMWARE_SIZE: usize = 4096;
/// Where modules go: `MODULES/NAME.ko`, in load order listed in `MODULES/order`.
pub const MODULES: &str = "/gauntlet/modules";
/// Archives are padded to this, as cpio(1) does.
const BLOCK: usize = 512;
/// PATH_MAX without the final NUL.
const LONGEST_PATH: usize = 4095;

/// File types of st_mode.
const DIRECTORY: u32 = 0o040000;
const REGULAR: u32 = 0o100000;
const SYMLINK: u32 = 0o120000;
const CHARACTER: u32 = 0o020000;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    mode: u32,
    rdev: (u32, u32),
    bytes: Vec<u8>,
}

/// An archive being put together. Paths are sorted, parents are added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Archive {
    entries: BTreeMap<String, Entry>,
}

impl Archive {
    /// An empty archive.
    pub fn new() -> Self {
        Self::default()
    }

    /// A regular file; `mode` is the permission bits. Replaces one of the same path.
    pub fn file(&mut self, path: &str, mode: u32, bytes: impl Into<Vec<u8>>) -> Result<()> {
        self.add(path, REGULAR | (mode & 0o7777), (0, 0), bytes.into())
    }

    /// A file of the host under this path, with its permission bits.
    pub fn host_file(&mut self, path: &str, host: &Path) -> Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let bytes = std::fs::read(host).map_err(io("read", host))?;
        let data = std::fs::metadata(host).map_err(io("read", host))?;
        self.file(path, data.permissions().mode(), bytes)
    }

    /// A folder with mode 0755.
    pub fn folder(&mut self, path: &str) -> Result<()> {
        self.add(path, DIRECTORY | 0o755, (0, 0), Vec::new())
    }

    /// A symbolic link.
    pub fn symlink(&mut self, path: &str, target: &str) -> Result<()> {
        self.add(path, SYMLINK | 0o777, (0, 0), target.as_bytes().to_vec())
    }

    /// A character device node.
    pub fn device(&mut self, path: &str, mode: u32, major: u32, minor: u32) -> Result<()> {
        self.add(path, CHARACTER | (mode & 0o7777), (major, minor), Vec::new())
    }

    /// The modules of a set and the list of their names in load order.
    pub fn modules(&mut self, set: &crate::module::ModuleSet) -> Result<()> {
        let mut order = String::new();
        for module in &set.modules {
            self.file(&format!("{MODULES}/{}.ko", module.name), 0o644, module.bytes.clone())?;
            order.push_str(&format!("{}\n", module.name));
        }
        self.file(&format!("{MODULES}/order"), 0o644, order)
    }

    /// A stand-in for every firmware file of [`FIRMWARE`]; what tensor cores run at the start is a
    /// kernel that ends at once.
    pub fn firmware(&mut self) -> Result<()> {
        FIRMWARE.iter().try_for_each(|name| {
            let mut bytes =
                if *name == TENSOR_FIRMWARE { tpc::kernels::boot() } else { Vec::new() };
            bytes.resize(FIRMWARE_SIZE, 0);
            self.file(&format!("/lib/firmware/{name}"), 0o644, bytes)
        })
    }

    /// A program of the host with its loader and libraries, at the same paths as on the host.
    pub fn program(&mut self, host: &Path) -> Result<()> {
        for (path, file) in program_files(host)? {
            self.host_file(&path, &file)?;
        }
        Ok(())
    }

    fn add(&mut self, path: &str, mode: u32, rdev: (u32, u32), bytes: Vec<u8>) -> Result<()> {
        let bad = |message: &str| Error::Archive { path: path.into(), message: message.into() };
        let name = clean(path).map_err(bad)?;
        if u32::try_from(bytes.len()).is_err() {
            return Err(bad("larger than 4 GiB"));
        }
        for (at, _) in name.match_indices('/') {
            let parent = Entry { mode: DIRECTORY | 0o755, rdev: (0, 0), bytes: Vec::new() };
            let parent = self.entries.entry(name[..at].to_owned()).or_insert(parent);
            if parent.mode & 0o170000 == REGULAR {
                return Err(bad("a part of the path is a file"));
            }
        }
        self.entries.insert(name, Entry { mode, rdev, bytes });
        Ok(())
    }

    /// Writes the archive, padded so that another one may follow.
    pub fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        let mut count = Counter { out, written: 0 };
        for (number, (name, entry)) in self.entries.iter().enumerate() {
            let size = u32::try_from(entry.bytes.len()).map_err(std::io::Error::other)?;
            let ino = u32::try_from(number + 1).map_err(std::io::Error::other)?;
            let builder = newc::Builder::new(name)
                .ino(ino)
                .mode(entry.mode)
                .nlink(if entry.mode & 0o170000 == DIRECTORY { 2 } else { 1 })
                .rdev_major(entry.rdev.0)
                .rdev_minor(entry.rdev.1);
            let mut writer = builder.write(&mut count, size);
            writer.write_all(&entry.bytes)?;
            writer.finish()?;
        }
        newc::trailer(&mut count)?;
        let padding = count.written.next_multiple_of(BLOCK) - count.written;
        count.write_all(&vec![0; padding])
    }

    /// Writes this archive and those behind it into one file.
    pub fn write_joined(&self, behind: &[&Archive], path: &Path) -> Result<()> {
        let file = File::create(path).map_err(io("create", path))?;
        let mut out = BufWriter::with_capacity(1 << 20, file);
        let result = self.write(&mut out).and_then(|()| {
            behind.iter().try_for_each(|archive| archive.write(&mut out))?;
            out.flush()
        });
        result.map_err(io("write", path))
    }
}

/// The name inside the archive: no leading slash, nothing that climbs.
fn clean(path: &str) -> std::result::Result<String, &'static str> {
    let parts: Vec<_> = path.split('/').filter(|p| !p.is_empty() && *p != ".").collect();
    let name = parts.join("/");
    if parts.contains(&"..") {
        Err("it contains ..")
    } else if name.contains('\0') {
        Err("it contains a NUL byte")
    } else if name.is_empty() {
        Err("the path is empty")
    } else if name == "TRAILER!!!" {
        Err("this name ends an archive")
    } else if name.len() > LONGEST_PATH {
        Err("the path is too long")
    } else {
        Ok(name)
    }
}

/// Counts the bytes on their way.
struct Counter<'a, W: Write> {
    out: &'a mut W,
    written: usize,
}

impl<W: Write> Write for Counter<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.written += count;
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn names(bytes: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
        let mut rest = std::io::Cursor::new(bytes);
        let mut found = Vec::new();
        loop {
            let mut reader = newc::Reader::new(rest).unwrap();
            if reader.entry().is_trailer() {
                return found;
            }
            let mut data = Vec::new();
            reader.read_to_end(&mut data).unwrap();
            found.push((reader.entry().name().to_owned(), reader.entry().mode(), data));
            rest = reader.finish().unwrap();
        }
    }

    #[test]
    fn parents_are_added_and_the_end_is_padded() {
        let mut archive = Archive::new();
        archive.file("/a/b/c.txt", 0o640, "hello").unwrap();
        archive.symlink("/a/link", "b").unwrap();
        archive.device("dev/console", 0o600, 5, 1).unwrap();
        let mut out = Vec::new();
        archive.write(&mut out).unwrap();
        assert_eq!(out.len() % BLOCK, 0);
        let listed = names(&out);
        let paths: Vec<_> = listed.iter().map(|(n, _, _)| n.as_str()).collect();
        assert_eq!(paths, ["a", "a/b", "a/b/c.txt", "a/link", "dev", "dev/console"]);
        assert_eq!(listed[2].1, 0o100640);
        assert_eq!(listed[2].2, b"hello");
        let mut again = Vec::new();
        archive.clone().write(&mut again).unwrap();
        assert_eq!(out, again);
    }

    #[test]
    fn hostile_names_are_refused() {
        let mut archive = Archive::new();
        let long = "a/".repeat(3000);
        for path in ["", "/", "../x", "/a/../../x", "a\0b", "/TRAILER!!!", "./.", &long] {
            assert!(archive.file(path, 0o644, "").is_err(), "{path:?}");
        }
        assert_eq!(archive, Archive::new());
        archive.file("/a", 0o644, "").unwrap();
        assert!(archive.file("/a/b", 0o644, "").is_err());
        // Odd but harmless.
        archive.file("/weird name\n/ä", 0o644, "").unwrap();
    }

    #[test]
    fn a_full_disk_is_reported() {
        let mut archive = Archive::new();
        archive.file("/a", 0o644, vec![1; 100_000]).unwrap();
        let error = archive.write_joined(&[], Path::new("/dev/full")).unwrap_err();
        assert!(matches!(error, Error::DiskFull { .. }), "{error}");
    }

    #[test]
    fn firmware_sizes_are_words() {
        let mut archive = Archive::new();
        archive.firmware().unwrap();
        let files = archive.entries.iter().filter(|(n, _)| n.contains("habanalabs/g"));
        for (name, entry) in files.filter(|(_, e)| e.mode & REGULAR == REGULAR) {
            assert!(entry.bytes.len() % 4 == 0 && !entry.bytes.is_empty(), "{name}");
        }
    }
}
