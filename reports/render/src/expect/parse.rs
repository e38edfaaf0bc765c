// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reads expectation files; every error with its file and line.

use super::{Entry, Expectations, File, Pattern, Problem, Problems, Status};
use crate::Version;
use record::Outcome;
use std::collections::{BTreeMap, BTreeSet};

/// Words of the second column, and the notes that each demands.
const STATUSES: &[(&str, Status, &[&str])] = &[
    ("fail", Status::Known(Outcome::Fail), KNOWN),
    ("kernel_fault", Status::Known(Outcome::KernelFault), KNOWN),
    ("device_finding", Status::Known(Outcome::DeviceFinding), KNOWN),
    ("crash", Status::Known(Outcome::Crash), KNOWN),
    ("timeout", Status::Known(Outcome::Timeout), KNOWN),
    ("skip", Status::Skip, &["reason", "link", "since"]),
    ("flake", Status::Flake, &["rate", "link", "reason", "since"]),
];

/// A known issue names the defect, where it is discussed, what was seen, and with which kernels.
const KNOWN: &[&str] = &["defect", "link", "evidence", "seen"];

/// A note, what its value must satisfy, and that in words.
type Shape = (&'static str, fn(&str) -> bool, &'static str);

/// What the value of a note must look like.
const SHAPES: &[Shape] = &[
    ("link", is_link, "an http or https address"),
    ("seen", is_range, "the first and the last kernel, such as 6.12.115..7.3.4"),
    ("rate", is_rate, "failures in runs, such as 1/200"),
    ("since", |value| Version::find(value).is_some(), "a kernel, such as 6.12"),
    ("defect", is_filled, "a name such as D1"),
    ("evidence", is_filled, "what was seen, in words"),
    ("reason", is_filled, "why, in words"),
];

fn is_filled(value: &str) -> bool {
    !value.is_empty() && !value.starts_with("TODO")
}

fn is_link(value: &str) -> bool {
    let address = value.strip_prefix("https://").or_else(|| value.strip_prefix("http://"));
    address.is_some_and(|rest| !rest.is_empty() && !rest.contains(char::is_whitespace))
}

fn is_range(value: &str) -> bool {
    match value.split_once("..") {
        Some((first, last)) => match (Version::find(first), Version::find(last)) {
            (Some(first), Some(last)) => first <= last,
            (None, _) | (_, None) => false,
        },
        None => false,
    }
}

fn is_rate(value: &str) -> bool {
    match value.split_once('/') {
        Some((bad, all)) => match (bad.parse::<u32>(), all.parse::<u32>()) {
            (Ok(bad), Ok(all)) => bad > 0 && bad < all,
            (Err(_), _) | (_, Err(_)) => false,
        },
        None => false,
    }
}

pub(super) fn files<'a>(
    files: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Expectations, Problems> {
    let mut all = Expectations::default();
    let mut problems = Vec::new();
    for (name, text) in files {
        let mut problem =
            |line, what: String| problems.push(Problem { file: name.into(), line, what });
        if let Some(asic) = name.strip_suffix(".cases") {
            all.cases.insert(asic.into(), case_list(text, &mut problem));
        } else if let Some((asic, kernel)) =
            name.strip_suffix(".expect").and_then(|stem| stem.split_once('-'))
            && let Some(version) = Version::find(kernel)
            && kernel.starts_with(|c: char| c.is_ascii_digit())
        {
            let entries = entries(name, text, &mut problem);
            all.files.push(File { asic: asic.into(), kernel: kernel.into(), version, entries });
        } else {
            problem(0, "is not named <chip>-<kernel>.expect or <chip>.cases".into());
        }
    }
    if problems.is_empty() { Ok(all) } else { Err(Problems(problems)) }
}

fn case_list(text: &str, problem: &mut dyn FnMut(usize, String)) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (line, name) in lines(text) {
        if !Pattern::parse(name).is_some_and(|pattern| pattern.is_exact()) {
            problem(line, format!("{name:?} is not the name of a case"));
        } else if names.last().is_some_and(|last: &String| last.as_str() >= name) {
            problem(line, format!("{name} must be listed once and in sorted order"));
        }
        names.insert(name.to_string());
    }
    names
}

fn entries(file: &str, text: &str, problem: &mut dyn FnMut(usize, String)) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for (line, text) in lines(text) {
        match entry(file, line, text) {
            Ok(entry) => {
                if let Some(same) = entries.iter().find(|other| other.pattern == entry.pattern) {
                    problem(line, format!("repeats {} of line {}", entry.pattern, same.line));
                } else if entries.last().is_some_and(|last| last.pattern > entry.pattern) {
                    problem(line, format!("{} is not in sorted order", entry.pattern));
                }
                entries.push(entry);
            }
            Err(what) => problem(line, what),
        }
    }
    entries
}

/// Lines with something on them, counted from 1; a line that starts with `#` is a comment.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = (1..).zip(text.lines().map(str::trim));
    lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

fn entry(file: &str, line: usize, text: &str) -> Result<Entry, String> {
    let (rule, notes) = text.split_once('#').unwrap_or((text, ""));
    let (pattern, word) =
        rule.trim().split_once(',').ok_or("has no comma: write name,outcome  # notes")?;
    let pattern = Pattern::parse(pattern.trim())
        .ok_or_else(|| format!("{pattern:?} is not the name of a case or a pattern"))?;
    let word = word.trim();
    let (_, status, demanded) = STATUSES
        .iter()
        .find(|(name, ..)| *name == word)
        .ok_or_else(|| format!("{word:?} is not one of {}", words()))?;
    let notes = parse_notes(notes)?;
    for name in *demanded {
        if !notes.contains_key(*name) {
            return Err(format!("{pattern} needs the note `{name}`"));
        }
    }
    for (name, value) in &notes {
        if !demanded.contains(&name.as_str()) {
            return Err(format!("`{name}` is no note of {word}: it has {}", demanded.join(", ")));
        }
        if let Some((_, good, shape)) = SHAPES.iter().find(|(shaped, ..)| shaped == name)
            && !good(value)
        {
            return Err(format!("`{name}` is {value:?}, expected {shape}"));
        }
    }
    Ok(Entry { pattern, status: *status, notes, file: file.into(), line })
}

fn words() -> String {
    STATUSES.iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(", ")
}

/// `name value; name value`.
fn parse_notes(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut notes = BTreeMap::new();
    for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once(' ').unwrap_or((part, ""));
        if notes.insert(name.to_string(), value.trim().to_string()).is_some() {
            return Err(format!("has the note `{name}` twice"));
        }
    }
    Ok(notes)
}

/// The word of a status in the second column.
pub(super) fn word(status: Status) -> &'static str {
    match status {
        Status::Known(outcome) => outcome.name(),
        Status::Skip => "skip",
        Status::Flake => "flake",
    }
}
