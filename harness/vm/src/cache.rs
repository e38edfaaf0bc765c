// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The cache folder: everything that was downloaded, extracted or found out by trying.
//!
//! Layout: `<kind>/<name>` finished things, `tmp/` things being made, `locks/` one lock file per
//! thing, `notes/` one-line answers. A thing is made in `tmp/` under its lock and renamed into
//! place, so what has its final name is whole: an interrupted run leaves only a folder in `tmp/`
//! that the next maker of the same thing removes, and of two concurrent runs one makes the thing
//! and the other waits. Nothing is ever changed in place, nothing expires.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use crate::error::{Error, Result, io, reason};

/// The cache folder of this user.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

/// Holds the lock of one thing until dropped.
#[must_use = "the lock is released when this is dropped"]
pub struct Lock {
    _file: Flock<File>,
}

impl Cache {
    /// `$GAUNTLET_CACHE`, else `$XDG_CACHE_HOME/gauntlet`, else `~/.cache/gauntlet`.
    pub fn open_default() -> Result<Self> {
        let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let root = set("GAUNTLET_CACHE")
            .or_else(|| set("XDG_CACHE_HOME").map(|p| p.join("gauntlet")))
            .or_else(|| set("HOME").map(|p| p.join(".cache/gauntlet")));
        match root {
            Some(root) => Self::open(root),
            None => Err(Error::Machine("no cache folder: set HOME or GAUNTLET_CACHE".into())),
        }
    }

    /// A cache at this folder, made if it does not exist.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self> {
        let root = std::path::absolute(root.into())
            .map_err(|e| Error::Machine(format!("cache folder: {}", reason(&e))))?;
        for folder in ["tmp", "locks", "notes"] {
            let path = root.join(folder);
            fs::create_dir_all(&path).map_err(io("create", &path))?;
        }
        Ok(Self { root })
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the finished thing of that name is, whether or not it exists.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Waits for the lock of that name.
    pub fn lock(&self, name: &str) -> Result<Lock> {
        let path = self.root.join("locks").join(flat(name));
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(io("create", &path))?;
        let file = Flock::lock(file, FlockArg::LockExclusive)
            .map_err(|(_, errno)| Error::io("lock", &path, errno.into()))?;
        Ok(Lock { _file: file })
    }

    /// The folder of that name; `make` fills an empty one the first time.
    pub fn folder(&self, name: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        self.thing(name, |temporary| {
            fs::create_dir_all(temporary).map_err(io("create", temporary))?;
            make(temporary)
        })
    }

    /// The file of that name; `make` writes it at the path that it is given the first time.
    pub fn file(&self, name: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        self.thing(name, make)
    }

    fn thing(&self, name: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let place = self.path(name);
        if place.exists() {
            return Ok(place);
        }
        let _lock = self.lock(name)?;
        if place.exists() {
            return Ok(place);
        }
        let temporary = self.root.join("tmp").join(flat(name));
        remove(&temporary)?;
        make(&temporary)?;
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent).map_err(io("create", parent))?;
        }
        fs::rename(&temporary, &place).map_err(io("write", &place))?;
        Ok(place)
    }

    /// A one-line answer remembered earlier.
    pub fn note(&self, name: &str) -> Option<String> {
        let text = fs::read_to_string(self.root.join("notes").join(flat(name))).ok()?;
        text.lines().next().map(str::to_owned)
    }

    /// Remembers a one-line answer.
    pub fn set_note(&self, name: &str, answer: &str) -> Result<()> {
        let place = self.root.join("notes").join(flat(name));
        let mut file =
            tempfile::NamedTempFile::new_in(self.root.join("tmp")).map_err(io("write", &place))?;
        std::io::Write::write_all(&mut file, format!("{answer}\n").as_bytes())
            .map_err(io("write", &place))?;
        file.persist(&place).map_err(|e| Error::io("write", &place, e.error))?;
        Ok(())
    }

    /// Forgets a remembered answer.
    pub fn forget(&self, name: &str) -> Result<()> {
        remove(&self.root.join("notes").join(flat(name)))
    }
}

/// A name as one path component.
fn flat(name: &str) -> String {
    name.replace('/', "_")
}

/// Removes a file or a folder tree; nothing there is fine.
pub(crate) fn remove(path: &Path) -> Result<()> {
    let result = match fs::symlink_metadata(path) {
        Ok(data) if data.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    };
    result.map_err(io("remove", path))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn cache() -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path().join("c")).unwrap();
        (folder, cache)
    }

    #[test]
    fn a_thing_is_made_once_even_by_many_threads() {
        let (_keep, cache) = cache();
        let made = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let path = cache
                        .folder("kernels/x", |dir| {
                            made.fetch_add(1, Ordering::SeqCst);
                            fs::write(dir.join("f"), "1").map_err(io("write", dir))
                        })
                        .unwrap();
                    assert_eq!(fs::read_to_string(path.join("f")).unwrap(), "1");
                });
            }
        });
        assert_eq!(made.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn an_interrupted_or_failed_make_leaves_nothing_behind() {
        let (_keep, cache) = cache();
        // What a killed run leaves: a half-filled folder in tmp/.
        let stale = cache.root().join("tmp/kernels_x");
        fs::create_dir_all(stale.join("half")).unwrap();
        let failed = cache.folder("kernels/x", |_| Err(Error::Machine("no".into())));
        assert!(failed.is_err());
        assert!(!cache.path("kernels/x").exists());
        let path = cache.folder("kernels/x", |_| Ok(())).unwrap();
        assert_eq!(fs::read_dir(path).unwrap().count(), 0);
    }

    #[test]
    fn notes_are_kept_and_forgotten() {
        let (_keep, cache) = cache();
        assert_eq!(cache.note("accel"), None);
        cache.set_note("accel", "tcg").unwrap();
        assert_eq!(cache.note("accel").as_deref(), Some("tcg"));
        cache.forget("accel").unwrap();
        assert_eq!(cache.note("accel"), None);
    }
}
