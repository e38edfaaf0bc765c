// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A command line as a list of words, printable so that a shell takes it back unchanged.

use std::ffi::{OsStr, OsString};
use std::fmt;

/// Characters that need no quotes in a POSIX shell.
const PLAIN: &str = "-_=+.,:/@%^";

/// Words of a command, program first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine(pub Vec<OsString>);

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, word) in self.0.iter().enumerate() {
            let space = if number == 0 { "" } else { " " };
            write!(f, "{space}{}", shell_quote(word))?;
        }
        Ok(())
    }
}

/// One word for a POSIX shell. Bytes that are no UTF-8 become replacement characters.
pub fn shell_quote(word: &OsStr) -> String {
    let text = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || PLAIN.contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A value inside a QEMU option: commas are doubled.
pub(super) fn option_value(text: &str) -> String {
    text.replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_shell_gives_every_word_back() {
        let words =
            ["", "a b", "it's", "$(x)`y`", "\"{}\"", "new\nline", "*?[~", "-x=1,2", "\\", "ä"];
        let line = CommandLine(words.iter().map(OsString::from).collect()).to_string();
        let script = format!("printf '%s\\0' {line}");
        let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
        let back = String::from_utf8(output.stdout).unwrap();
        assert_eq!(back.split_terminator('\0').collect::<Vec<_>>(), words);
    }

    #[test]
    fn plain_words_stay_plain() {
        assert_eq!(shell_quote(OsStr::new("-m")), "-m");
        assert_eq!(shell_quote(OsStr::new("/a/b-1.0+x")), "/a/b-1.0+x");
        assert_eq!(option_value("/a,b"), "/a,,b");
    }
}
