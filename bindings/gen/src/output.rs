// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Writes the generated files, or compares them.

use anyhow::{Context, bail};
use std::path::{Path, PathBuf};

/// Where files go.
pub struct Output {
    root: PathBuf,
    check: bool,
    stale: Vec<String>,
}

impl Output {
    /// Files below `root`; with `check` nothing is written.
    pub fn new(root: PathBuf, check: bool) -> Self {
        Output { root, check, stale: Vec::new() }
    }

    /// One file.
    pub fn put(&mut self, name: &str, text: String) -> anyhow::Result<()> {
        let path = self.root.join(name);
        if self.check {
            let old = std::fs::read_to_string(&path).unwrap_or_default();
            if let Some(difference) = first_difference(&old, &text) {
                self.stale.push(format!("{}: {difference}", path.display()));
            }
            return Ok(());
        }
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Fails when a compared file differed.
    pub fn finish(self) -> anyhow::Result<()> {
        let Output { root: _, check: _, stale } = self;
        if stale.is_empty() {
            return Ok(());
        }
        bail!("stale, run scripts/regen-bindings:\n{}", stale.join("\n"))
    }
}

/// The first line that differs, with its number.
fn first_difference(old: &str, new: &str) -> Option<String> {
    if old == new {
        return None;
    }
    let (mut a, mut b) = (old.lines(), new.lines());
    for number in 1.. {
        let (x, y) = (a.next(), b.next());
        if x != y || x.is_none() {
            let show = |line: Option<&str>| line.unwrap_or("(end of file)").to_string();
            return Some(format!("line {number}: committed `{}`, header `{}`", show(x), show(y)));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_first_difference() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        let text = first_difference("a\nb\n", "a\nc\n").unwrap_or_default();
        assert_eq!(text, "line 2: committed `b`, header `c`");
        assert!(first_difference("a\n", "a\nb\n").is_some());
        assert!(first_difference("a", "a\n").is_some());
    }

    #[test]
    fn check_reports_and_does_not_write() -> anyhow::Result<()> {
        let mut output = Output::new(PathBuf::from("/nonexistent"), true);
        output.put("file", "text".into())?;
        assert!(output.finish().is_err());
        Ok(())
    }
}
