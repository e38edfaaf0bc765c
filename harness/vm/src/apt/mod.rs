// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A private apt: own state, own cache, an empty package status, the machine's own mirror and
//! keyring. It needs no root, changes nothing on the machine, and checks every download against
//! the archive's signature, because apt does.
//!
//! Limits: needs `apt-get`, `apt-cache` and `dpkg-deb` on the host (Debian, Ubuntu and their
//! kin); amd64 packages only.

pub mod sources;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cache::{Cache, Lock};
use crate::error::{Error, Result, io};
use sources::Source;

/// Keyrings that may verify Debian's archives, first match wins.
const KEYRINGS: &[&str] = &[
    "/usr/share/keyrings/debian-archive-keyring.gpg",
    "/usr/share/keyrings/debian-archive-keyring.pgp",
];

/// The environment variable that names a Debian mirror on machines that are no Debian.
pub const MIRROR_VARIABLE: &str = "GAUNTLET_DEBIAN_MIRROR";

/// apt's words (LC_ALL=C) and what they mean.
const NETWORK_WORDS: &[&str] = &[
    "Temporary failure resolving",
    "Could not resolve",
    "Could not connect",
    "Unable to connect",
    "Connection timed out",
    "Connection failed",
    "Network is unreachable",
];
const KEY_WORDS: &[&str] = &["NO_PUBKEY", "is not signed", "public key is not available"];
const FULL_WORDS: &[&str] =
    &["No space left on device", "enough free space", "Disk quota exceeded"];
const MISSING_WORDS: &[&str] = &["Unable to locate package", "Couldn't find any package"];

/// Which set of suites.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suites {
    /// The Debian suites that this machine itself uses.
    Machine,
    /// trixie and trixie-backports, from the same mirror.
    Trixie,
}

impl Suites {
    fn name(self) -> &'static str {
        match self {
            Self::Machine => "machine",
            Self::Trixie => "trixie",
        }
    }
}

/// One private apt. Holds its lock: one user at a time.
pub struct Apt {
    root: PathBuf,
    description: String,
    _lock: Lock,
}

impl Apt {
    /// Sets the private apt up in the cache and fetches its package lists if it has none.
    /// `None` if this machine has no sources for these suites.
    pub fn open(cache: &Cache, suites: Suites) -> Result<Option<Self>> {
        let Some(lines) = lines(suites, &sources::read(Path::new("/etc/apt")))? else {
            return Ok(None);
        };
        let name = format!("apt/{}", suites.name());
        let lock = cache.lock(&name)?;
        let root = cache.path(&name);
        for folder in ["state/lists/partial", "cache/archives/partial", "etc"] {
            let path = root.join(folder);
            fs::create_dir_all(&path).map_err(io("create", &path))?;
        }
        let apt = Self { root, description: description(&lines), _lock: lock };
        apt.write("status", "")?;
        apt.write("apt.conf", &configuration(&apt.root))?;
        let list = apt.path("etc/sources.list");
        let known = fs::read_to_string(&list).is_ok_and(|old| old == lines);
        if !known || !apt.path("updated").exists() {
            apt.write("etc/sources.list", &lines)?;
            apt.update()?;
        }
        Ok(Some(apt))
    }

    fn write(&self, file: &str, text: &str) -> Result<()> {
        let path = self.path(file);
        fs::write(&path, text).map_err(io("write", &path))
    }

    /// The suites in words, for messages.
    pub fn description(&self) -> &str {
        &self.description
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Fetches the package lists.
    pub fn update(&self) -> Result<()> {
        let done = self.path("updated");
        crate::cache::remove(&done)?;
        self.run("apt-get", &["-o", "APT::Update::Error-Mode=any", "-qq", "update"], None)?;
        fs::write(&done, "").map_err(io("write", &done))
    }

    /// The names of all packages that start so.
    pub fn names(&self, prefix: &str) -> Result<Vec<String>> {
        let text = self.run("apt-cache", &["pkgnames", prefix], None)?;
        let mut names: Vec<_> = text.lines().map(str::to_owned).collect();
        names.sort();
        Ok(names)
    }

    /// The direct dependencies of a package, alternatives included.
    pub fn depends(&self, package: &str) -> Result<Vec<String>> {
        let text = self.run("apt-cache", &["depends", package], None)?;
        let names = text.lines().filter_map(|l| l.split_once("Depends: ")).map(|(_, n)| n.trim());
        Ok(names.map(str::to_owned).collect())
    }

    /// Downloads these packages, nothing else, and unpacks them into the folder.
    pub fn unpack(&self, packages: &[&str], into: &Path) -> Result<()> {
        let folder = self.path("download");
        crate::cache::remove(&folder)?;
        fs::create_dir_all(&folder).map_err(io("create", &folder))?;
        let mut args = vec!["-qq", "download"];
        args.extend(packages);
        self.with_fresh_lists(|| self.run("apt-get", &args, Some(&folder)))?;
        unpack_all(&folder, into)?;
        crate::cache::remove(&folder)
    }

    /// Downloads a package with everything it depends on and unpacks all of it into the folder.
    pub fn unpack_closure(&self, package: &str, release: &str, into: &Path) -> Result<()> {
        let options =
            ["-qq", "-y", "--download-only", "--no-install-recommends", "-t", release, "install"];
        let mut args = options.to_vec();
        args.push(package);
        self.with_fresh_lists(|| self.run("apt-get", &args, None))?;
        unpack_all(&self.path("cache/archives"), into)?;
        self.run("apt-get", &["clean"], None).map(drop)
    }

    /// A list that is older than the archive names files that are gone: update once and retry.
    fn with_fresh_lists<T>(&self, mut work: impl FnMut() -> Result<T>) -> Result<T> {
        match work() {
            Err(Error::Tool { .. }) => {
                self.update()?;
                work()
            }
            other => other,
        }
    }

    fn run(&self, tool: &str, args: &[&str], folder: Option<&Path>) -> Result<String> {
        let mut command = Command::new(tool);
        command.args(args).env("APT_CONFIG", self.path("apt.conf")).env("LC_ALL", "C");
        command.current_dir(folder.unwrap_or(&self.root));
        let output = run(command, "the package manager of Debian or Ubuntu is needed for this")?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(self.explain(tool, &String::from_utf8_lossy(&output.stderr)))
    }

    fn explain(&self, tool: &str, stderr: &str) -> Error {
        let errors = || stderr.lines().filter(|l| l.starts_with("E:") || l.starts_with("W:"));
        let find = |words: &[&str]| errors().find(|l| words.iter().any(|w| l.contains(w)));
        let text = |line: &str| line[2..].trim().to_owned();
        if find(FULL_WORDS).is_some() {
            Error::DiskFull { path: self.root.clone() }
        } else if let Some(line) = find(KEY_WORDS) {
            Error::Keyring { message: text(line) }
        } else if let Some(line) = find(NETWORK_WORDS) {
            Error::NoNetwork { message: text(line) }
        } else if let Some(line) = find(MISSING_WORDS) {
            let wanted = line.rsplit(' ').next().unwrap_or(line).to_owned();
            Error::PackageMissing { wanted, archive: self.description.clone() }
        } else {
            let line = errors().next().map_or("ended with an error".to_owned(), text);
            Error::Tool { program: tool.to_owned(), message: line }
        }
    }
}

/// The configuration file. It is read before the machine's own (so proxies stay in force), and
/// everything that points at the machine's state is moved here.
fn configuration(root: &Path) -> String {
    let root = root.display();
    format!(
        "Dir::State \"{root}/state\";\nDir::State::status \"{root}/status\";\n\
         Dir::Cache \"{root}/cache\";\nDir::Etc::sourcelist \"{root}/etc/sources.list\";\n\
         Dir::Etc::sourceparts \"/nonexistent\";\nDir::Etc::preferences \"/nonexistent\";\n\
         Dir::Etc::preferencesparts \"/nonexistent\";\nAPT::Sandbox::User \"root\";\n\
         APT::Architecture \"amd64\";\nAPT::Architectures {{ \"amd64\"; }};\n\
         Acquire::Languages \"none\";\nAcquire::IndexTargets::deb::DEP-11::DefaultEnabled \
         \"false\";\nAcquire::Retries \"3\";\n"
    )
}

/// The private sources.list, or `None` if the machine itself uses no Debian.
fn lines(suites: Suites, machine: &[Source]) -> Result<Option<String>> {
    let keyring = KEYRINGS.iter().find(|k| Path::new(k).exists()).map(|k| (*k).to_owned());
    let mut text = String::new();
    let mut add = |uri: &str, suite: &str, signed_by: Option<&String>| {
        let option = signed_by.map_or(String::new(), |k| format!("[signed-by={k}] "));
        text.push_str(&format!("deb {option}{uri} {suite} main\n"));
    };
    match suites {
        Suites::Machine => {
            for source in machine.iter().filter(|s| s.is_debian()) {
                let key = source.signed_by.as_ref().or(keyring.as_ref());
                for (uri, suite) in
                    source.uris.iter().flat_map(|u| source.suites.iter().map(move |s| (u, s)))
                {
                    add(uri, suite, key);
                }
            }
        }
        Suites::Trixie => {
            let named = std::env::var(MIRROR_VARIABLE).ok().filter(|v| !v.is_empty());
            let mirror = sources::mirror(machine);
            let uri = named.or_else(|| mirror.and_then(|m| m.uris.first().cloned()));
            let uri = uri.ok_or(Error::NoMirror {
                instead: "give a kernel as file (--kernel VMLINUZ --modules DIR) and install QEMU \
                          10.1 or later",
            })?;
            let key = mirror.and_then(|m| m.signed_by.as_ref()).or(keyring.as_ref());
            for suite in ["trixie", "trixie-backports"] {
                add(&uri, suite, key);
            }
        }
    }
    Ok((!text.is_empty()).then_some(text))
}

fn description(lines: &str) -> String {
    let suites: Vec<_> = lines.lines().filter_map(|l| l.split(' ').rev().nth(1)).collect();
    suites.join(", ")
}

/// Unpacks every package file of a folder.
fn unpack_all(folder: &Path, into: &Path) -> Result<()> {
    let entries = fs::read_dir(folder).map_err(io("read", folder))?;
    let mut packages: Vec<_> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    packages.retain(|p| p.extension().is_some_and(|e| e == "deb"));
    packages.sort();
    packages.iter().try_for_each(|package| unpack_file(package, into))
}

/// Unpacks one package file.
pub fn unpack_file(package: &Path, into: &Path) -> Result<()> {
    let mut command = Command::new("dpkg-deb");
    command.arg("-x").arg(package).arg(into).env("LC_ALL", "C");
    let output = run(command, "install dpkg")?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    if FULL_WORDS.iter().any(|w| stderr.contains(w)) {
        return Err(Error::DiskFull { path: into.to_owned() });
    }
    let message = stderr.lines().next().unwrap_or("ended with an error").to_owned();
    Err(Error::Tool { program: format!("dpkg-deb -x {}", package.display()), message })
}

fn run(mut command: Command, hint: &'static str) -> Result<std::process::Output> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdin(std::process::Stdio::null());
    command.output().map_err(|source| Error::Start { program, source, hint })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(uri: &str, suite: &str) -> Source {
        Source {
            uris: vec![uri.into()],
            suites: vec![suite.into()],
            components: vec!["main".into()],
            signed_by: Some("/k.gpg".into()),
        }
    }

    #[test]
    fn the_machines_mirror_serves_the_other_release() {
        let machine = [
            source("http://s.example/sec", "bookworm-security"),
            source("http://m.example/d", "bookworm"),
        ];
        let text = lines(Suites::Trixie, &machine).unwrap().unwrap();
        assert_eq!(
            text,
            "deb [signed-by=/k.gpg] http://m.example/d trixie main\n\
             deb [signed-by=/k.gpg] http://m.example/d trixie-backports main\n"
        );
        assert_eq!(description(&text), "trixie, trixie-backports");
        let own = lines(Suites::Machine, &machine).unwrap().unwrap();
        assert!(own.contains("http://s.example/sec bookworm-security main"), "{own}");
    }

    #[test]
    fn a_machine_without_debian_says_what_to_do() {
        let ubuntu = [source("http://u.example/ubuntu", "noble")];
        assert_eq!(lines(Suites::Machine, &ubuntu).unwrap(), None);
        if std::env::var_os(MIRROR_VARIABLE).is_none() {
            let message = lines(Suites::Trixie, &ubuntu).unwrap_err().to_string();
            assert!(message.contains("GAUNTLET_DEBIAN_MIRROR"), "{message}");
        }
    }

    #[test]
    fn a_damaged_package_is_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let package = folder.path().join("x.deb");
        fs::write(&package, "!<arch>\ntruncated").unwrap();
        let message = unpack_file(&package, folder.path()).unwrap_err().to_string();
        assert_eq!(message.lines().count(), 1, "{message}");
        assert!(message.contains("x.deb"), "{message}");
    }
}
