// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Names of cases with `*` for any text.

use std::fmt;

/// A name, or a name with `*` in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern(String);

impl Pattern {
    /// A pattern of the characters of a case name and `*`; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let good = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_' | '/' | '*');
        (!text.is_empty() && text.chars().all(good)).then(|| Pattern(text.into()))
    }

    /// Does it name one case?
    pub fn is_exact(&self) -> bool {
        !self.0.contains('*')
    }

    /// Does it match this name?
    pub fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else { return false };
        let mut parts = parts.peekable();
        if parts.peek().is_none() {
            return rest.is_empty();
        }
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                return rest.ends_with(part);
            }
            match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        true
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name, matches) in [
            ("a/b", "a/b", true),
            ("a/b", "a/bc", false),
            ("a/*", "a/b/c", true),
            ("a/*", "b/a/", false),
            ("*/c", "a/b/c", true),
            ("a/*/c", "a/b/c", true),
            ("a/*/c", "a/c", false),
            ("*b*", "abc", true),
            ("*aa", "a", false),
            ("a*a", "a", false),
            ("*", "", true),
        ] {
            let parsed = Pattern::parse(pattern).expect("a pattern");
            assert_eq!(parsed.matches(name), matches, "{pattern} on {name}");
        }
        assert_eq!(Pattern::parse("Upper"), None);
        assert_eq!(Pattern::parse(""), None);
    }
}
