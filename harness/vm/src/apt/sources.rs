// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reads the machine's apt sources (one-line and deb822 format, see sources.list(5)) to learn
//! which Debian mirror this machine already uses. No host name stands in this project.
//!
//! Not read: `mirror+file:` indirections are passed through as they are, `cdrom:` is ignored.

use std::fs;
use std::path::Path;

/// Suites that name a Debian release (not a derivative's).
const DEBIAN_SUITES: &[&str] =
    &["bookworm", "trixie", "forky", "duke", "stable", "testing", "unstable", "sid"];

/// One source: every URI combined with every suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Where the archive is.
    pub uris: Vec<String>,
    /// Release names as written, such as `bookworm-updates`.
    pub suites: Vec<String>,
    /// Such as `main`.
    pub components: Vec<String>,
    /// Path of a keyring, if the source names one.
    pub signed_by: Option<String>,
}

impl Source {
    /// Whether this is part of Debian: a known release name, with or without `-updates`,
    /// `-security` or `-backports`, and the component `main`.
    pub fn is_debian(&self) -> bool {
        let known = |suite: &String| {
            let base = suite.split(['-', '/']).next().unwrap_or(suite);
            DEBIAN_SUITES.contains(&base)
        };
        self.suites.iter().any(known) && self.components.iter().any(|c| c == "main")
    }

    /// Whether the URI is the main archive's, which also holds the other releases (the
    /// security archive holds only `-security` suites).
    fn is_main_archive(&self) -> bool {
        self.suites.iter().any(|s| DEBIAN_SUITES.contains(&s.as_str()))
    }
}

/// Every binary source of this machine, `/etc/apt` unless `root` says otherwise.
pub fn read(root: &Path) -> Vec<Source> {
    let mut files = vec![root.join("sources.list")];
    if let Ok(entries) = fs::read_dir(root.join("sources.list.d")) {
        files.extend(entries.filter_map(|e| Some(e.ok()?.path())));
    }
    files.sort();
    let mut sources = Vec::new();
    for file in files {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        match file.extension().and_then(|e| e.to_str()) {
            Some("list") => sources.extend(text.lines().filter_map(one_line)),
            Some("sources") => sources.extend(deb822(&text)),
            Some(_) | None => {}
        }
    }
    sources
}

/// The source whose URI also holds the other Debian releases.
pub fn mirror(sources: &[Source]) -> Option<&Source> {
    sources.iter().find(|s| s.is_debian() && s.is_main_archive())
}

/// `deb [option=value ...] uri suite component...`
fn one_line(line: &str) -> Option<Source> {
    let line = line.split('#').next().unwrap_or("").trim();
    let rest = line.strip_prefix("deb")?;
    if !rest.starts_with([' ', '\t', '[']) {
        return None;
    }
    let rest = rest.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(inner) => inner.split_once(']')?,
        None => ("", rest),
    };
    let signed_by = options
        .split_whitespace()
        .find_map(|o| o.strip_prefix("signed-by="))
        .map(|v| v.split(',').next().unwrap_or(v).to_owned());
    let mut words = rest.split_whitespace().map(str::to_owned);
    let uri = words.next()?;
    let suite = words.next()?;
    if uri.starts_with("cdrom:") {
        return None;
    }
    let components = words.collect();
    Some(Source { uris: vec![uri], suites: vec![suite], components, signed_by })
}

/// Stanzas of `Field: value` lines, continued by indentation, separated by blank lines.
fn deb822(text: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut stanza: Vec<(String, String)> = Vec::new();
    for line in text.lines().chain([""]) {
        if line.starts_with('#') {
            continue;
        }
        if line.trim().is_empty() {
            sources.extend(stanza_source(&stanza));
            stanza.clear();
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = stanza.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((field, value)) = line.split_once(':') {
            stanza.push((field.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    sources
}

fn stanza_source(stanza: &[(String, String)]) -> Option<Source> {
    let get = |name: &str| stanza.iter().find(|(f, _)| f == name).map(|(_, v)| v.as_str());
    let words = |name: &str| -> Vec<String> {
        get(name).unwrap_or("").split_whitespace().map(str::to_owned).collect()
    };
    if get("enabled").is_some_and(|v| matches!(v, "no" | "false" | "0")) {
        return None;
    }
    if !words("types").iter().any(|t| t == "deb") {
        return None;
    }
    let mut uris = words("uris");
    uris.retain(|u| !u.starts_with("cdrom:"));
    // A key embedded in the stanza starts with a PGP banner instead of a path.
    let signed_by = words("signed-by").into_iter().next().filter(|v| v.starts_with('/'));
    let source =
        Source { uris, suites: words("suites"), components: words("components"), signed_by };
    (!source.uris.is_empty() && !source.suites.is_empty()).then_some(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEB822: &str = "# comment\nTypes: deb deb-src\nURIs: http://a.example/debian\nSuites: \
        bookworm\n bookworm-updates\nComponents: main\nSigned-By: /k.gpg\n\nTypes: deb\nURIs: \
        http://a.example/debian-security\nSuites: bookworm-security\nComponents: main\n\nEnabled: \
        no\nTypes: deb\nURIs: http://off.example\nSuites: sid\nComponents: main\n";

    #[test]
    fn deb822_stanzas_are_read() {
        let sources = deb822(DEB822);
        assert_eq!(sources.len(), 2);
        assert_eq!(sources[0].suites, ["bookworm", "bookworm-updates"]);
        assert_eq!(sources[0].signed_by.as_deref(), Some("/k.gpg"));
        assert_eq!(mirror(&sources).unwrap().uris, ["http://a.example/debian"]);
        // The security archive alone is Debian, but does not hold the other releases.
        assert!(sources[1].is_debian());
        assert_eq!(mirror(&sources[1..]), None);
    }

    #[test]
    fn one_line_sources_are_read() {
        let line = "deb [arch=amd64 signed-by=/k.gpg] http://a.example/debian trixie main # x";
        let source = one_line(line).unwrap();
        assert_eq!(source.uris, ["http://a.example/debian"]);
        assert_eq!(source.signed_by.as_deref(), Some("/k.gpg"));
        assert!(mirror(&[source]).is_some());
        for bad in
            ["", "# deb x y z", "deb-src http://a b c", "deb", "deb [x", "deb cdrom:[x]/ a b"]
        {
            assert_eq!(one_line(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn other_distributions_are_not_taken_for_debian() {
        let ubuntu = one_line("deb http://u.example/ubuntu noble main universe").unwrap();
        assert!(!ubuntu.is_debian());
        let vendor = one_line("deb http://v.example/apt bookworm contrib").unwrap();
        assert!(!vendor.is_debian());
    }
}
