// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Folders of attributes: those of the driver in sysfs, of the PCI device, of hwmon, and the
//! files of the driver in debugfs, which are read and written the same way.

use crate::Errno;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// A folder of attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributes {
    root: PathBuf,
}

fn errno(why: &std::io::Error) -> Errno {
    why.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

impl Attributes {
    /// The attributes below a folder.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Attributes { root: root.into() }
    }

    /// A folder below this one.
    pub fn below(&self, name: &str) -> Self {
        Attributes { root: self.root.join(name) }
    }

    /// Where an attribute is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Is there such an attribute?
    pub fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// All names, sorted.
    pub fn names(&self) -> Result<Vec<String>, Errno> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.root).map_err(|why| errno(&why))? {
            let entry = entry.map_err(|why| errno(&why))?;
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    /// The permission bits.
    pub fn mode(&self, name: &str) -> Result<u32, Errno> {
        use std::os::unix::fs::PermissionsExt;
        let metadata = std::fs::metadata(self.path(name)).map_err(|why| errno(&why))?;
        Ok(metadata.permissions().mode() & 0o7777)
    }

    /// The bytes.
    pub fn bytes(&self, name: &str) -> Result<Vec<u8>, Errno> {
        let mut file = std::fs::File::open(self.path(name)).map_err(|why| errno(&why))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|why| errno(&why))?;
        Ok(bytes)
    }

    /// The text as it is.
    pub fn text(&self, name: &str) -> Result<String, Errno> {
        self.bytes(name).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The text without white space around it.
    pub fn value(&self, name: &str) -> Result<String, Errno> {
        self.text(name).map(|text| text.trim().to_string())
    }

    /// Writes with one write call.
    pub fn write(&self, name: &str, value: &str) -> Result<(), Errno> {
        self.write_bytes(name, value.as_bytes()).map(|_| ())
    }

    /// Writes with one write call; gives what the kernel took.
    pub fn write_bytes(&self, name: &str, value: &[u8]) -> Result<usize, Errno> {
        let mut file =
            std::fs::File::options().write(true).open(self.path(name)).map_err(|w| errno(&w))?;
        file.write(value).map_err(|why| errno(&why))
    }

    /// Writes, and puts the old value back when the guard is dropped.
    pub fn change(&self, name: &str, value: &str) -> Result<Changed, Errno> {
        let old = self.value(name)?;
        self.write(name, value)?;
        Ok(Changed { attributes: self.clone(), name: name.to_string(), old })
    }
}

impl AsRef<Path> for Attributes {
    fn as_ref(&self) -> &Path {
        &self.root
    }
}

/// A changed attribute; put back when dropped.
#[derive(Debug)]
pub struct Changed {
    attributes: Attributes,
    name: String,
    old: String,
}

impl Changed {
    /// The value that will be put back.
    pub fn old(&self) -> &str {
        &self.old
    }
}

impl Drop for Changed {
    fn drop(&mut self) {
        // The device may be gone; the runner's leak check reports a value that stays changed.
        let _ = self.attributes.write(&self.name, &self.old);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_put_back() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("limit"), "12\n")?;
        let attributes = Attributes::new(folder.path());
        let changed = attributes.change("limit", "34")?;
        assert_eq!((changed.old(), attributes.value("limit")?.as_str()), ("12", "34"));
        drop(changed);
        assert_eq!(attributes.value("limit")?, "12");
        assert_eq!(attributes.value("missing"), Err(Errno::ENOENT));
        assert_eq!(attributes.write("missing", "1"), Err(Errno::ENOENT));
        assert_eq!(attributes.names()?, ["limit"]);
        Ok(())
    }
}
