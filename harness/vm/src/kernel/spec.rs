// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The text after `--kernel`.

use std::path::PathBuf;
use std::str::FromStr;

use crate::error::Error;

/// Which kernel is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KernelSpec {
    /// `debian:6.12` (the newest of that series) or `debian:6.12.117`, `debian:6.12.117+deb12`.
    Debian(String),
    /// A package file with a kernel image and its modules.
    Package(PathBuf),
    /// A `vmlinuz`, `bzImage` or `vmlinux`; the modules come from `--modules`.
    Image(PathBuf),
}

impl FromStr for KernelSpec {
    type Err = Error;

    fn from_str(spec: &str) -> Result<Self, Error> {
        let bad = |message: &str| Error::KernelSpec { spec: spec.into(), message: message.into() };
        if let Some(version) = spec.strip_prefix("debian:") {
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '~');
            if !version.starts_with(|c: char| c.is_ascii_digit()) || !version.chars().all(allowed) {
                return Err(bad("no version after debian:"));
            }
            return Ok(Self::Debian(version.to_owned()));
        }
        let path = PathBuf::from(spec);
        if path.is_dir() {
            return Err(bad("is a folder"));
        }
        if !path.is_file() {
            let message = if spec.contains(':') { "unknown form" } else { "no such file" };
            return Err(bad(message));
        }
        match path.extension().is_some_and(|e| e == "deb") {
            true => Ok(Self::Package(path)),
            false => Ok(Self::Image(path)),
        }
    }
}

/// Orders version texts: runs of digits by value, the rest by bytes.
pub(super) fn version_key(version: &str) -> Vec<(u64, String)> {
    let mut key = Vec::new();
    let mut rest = version;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = rest.split_at(digits);
        let words = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (word, tail) = tail.split_at(words);
        key.push((number.parse().unwrap_or(u64::MAX), word.to_owned()));
        rest = tail;
    }
    key
}

/// Whether `version` is `wanted` itself or belongs to the series `wanted`.
pub(super) fn in_series(version: &str, wanted: &str) -> bool {
    version.strip_prefix(wanted).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_are_told_apart() {
        let parse = |s: &str| s.parse::<KernelSpec>();
        assert_eq!(parse("debian:6.12").unwrap(), KernelSpec::Debian("6.12".into()));
        assert_eq!(parse("debian:7.3.4+deb13").unwrap(), KernelSpec::Debian("7.3.4+deb13".into()));
        for bad in ["debian:", "debian:../x", "debian:a", "fedora:6", "/nonexistent", "/", ""] {
            let message = parse(bad).unwrap_err().to_string();
            assert!(message.contains("debian:6.12"), "{bad}: {message}");
        }
    }

    #[test]
    fn versions_are_ordered_by_number() {
        let mut versions = ["6.12.9+deb12", "6.12.117+deb12", "6.12.94+deb13", "7.3.4"];
        versions.sort_by_key(|v| version_key(v));
        assert_eq!(versions, ["6.12.9+deb12", "6.12.94+deb13", "6.12.117+deb12", "7.3.4"]);
        assert_eq!(version_key("99999999999999999999").len(), 1);
    }

    #[test]
    fn a_series_is_no_prefix_of_digits() {
        assert!(in_series("6.12.117+deb12", "6.12"));
        assert!(in_series("6.12.117+deb12", "6.12.117"));
        assert!(!in_series("6.12.117+deb12", "6.1"));
        assert!(!in_series("6.12.117+deb12", "6.12.11"));
    }
}
