// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Kernel releases as numbers that can be compared.

use std::fmt;

/// The leading numbers of a kernel release: `6.12.117+deb13-amd64` is 6.12.117. What follows them
/// (`-rc3`, a distributor's suffix) does not order releases here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(Vec<u32>);

impl Version {
    /// The first dotted number in a text: a release, or a kernel as asked for (`debian:6.12`).
    pub fn find(text: &str) -> Option<Self> {
        let start = text.find(|c: char| c.is_ascii_digit())?;
        let rest = &text[start..];
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let numbers = rest[..end].trim_end_matches('.').split('.').map(|part| part.parse().ok());
        numbers.collect::<Option<Vec<u32>>>().map(Version)
    }

    /// Is this within `line` (6.12.117 is within 6.12 and within 6.12.117)?
    pub fn is_within(&self, line: &Version) -> bool {
        self.0.starts_with(&line.0)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&parts.join("."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_leading_numbers_count() {
        for (text, shown) in [
            ("6.12.117+deb13-amd64", "6.12.117"),
            ("debian:6.12", "6.12"),
            ("7.4.0-rc3", "7.4.0"),
            ("6.12.", "6.12"),
            ("v7", "7"),
        ] {
            assert_eq!(
                Version::find(text).map(|v| v.to_string()).as_deref(),
                Some(shown),
                "{text}"
            );
        }
        for text in ["", "local", "6..12", "99999999999"] {
            assert_eq!(Version::find(text), None, "{text}");
        }
    }

    #[test]
    fn they_order_as_numbers() {
        let version = |text| Version::find(text).expect("a version");
        assert!(version("6.12") < version("6.12.115"));
        assert!(version("6.12.115") < version("7.3.4"));
        assert!(version("6.9") < version("6.12"));
        assert!(version("6.12.115").is_within(&version("6.12")));
        assert!(!version("6.120").is_within(&version("6.12")));
    }
}
