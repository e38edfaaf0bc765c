// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Options as words of a command line that a shell reads: for the lines that repeat and bisect.

use crate::options::MachineOptions;

/// The options that a machine was asked for with, apart from kernel and driver; a space before each.
pub fn machine(options: &MachineOptions) -> String {
    let MachineOptions {
        kernel: _,
        modules,
        driver: _,
        tree: _,
        no_workarounds,
        personality,
        set,
        accelerator,
        trace: _,
        seed,
        timeout_scale,
    } = options;
    let mut words = String::new();
    let mut add = |option: &str, value: &str| words.push_str(&self::option(option, value));
    seed.iter().for_each(|seed| add("seed", &seed.to_string()));
    modules.iter().for_each(|path| add("modules", &path.to_string_lossy()));
    personality.iter().for_each(|path| add("personality", &path.to_string_lossy()));
    set.iter().for_each(|change| add("set", change));
    if accelerator != "auto" {
        add("accelerator", accelerator);
    }
    timeout_scale.iter().for_each(|factor| add("timeout-scale", &factor.to_string()));
    if *no_workarounds {
        words.push_str(" --no-workarounds");
    }
    words
}

/// An option with its value; a space before it.
pub fn option(name: &str, value: &str) -> String {
    format!(" --{name} {}", quoted(value))
}

/// A word as a shell reads it.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:=,@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.into();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}
