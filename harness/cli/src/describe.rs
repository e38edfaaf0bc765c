// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `list`, `describe` and `plan`: what there is, without running it.

use crate::options::{DescribeOptions, ListOptions, PlanOptions};
use crate::{exit, report, select};
use anyhow::Result;
use case::{Cards, Case};
use control::Asic;
use std::fmt::Write as _;
use std::io::Write as _;
use suites::unreached::Unreached;

/// `gauntlet list`.
pub fn list(options: &ListOptions) -> Result<u8> {
    let all = suites::all();
    let cases = select::cases(&all, &options.selection)?;
    print(&cases, &options.selection.asic)
}

/// Prints the names of the cases that apply to some chip.
pub fn print(cases: &[&Case], asked: &[Asic]) -> Result<u8> {
    let asics = select::asics(asked);
    let mut text = String::new();
    for case in cases.iter().filter(|case| asics.iter().any(|asic| case.applies(*asic))) {
        writeln!(text, "{}", case.name)?;
    }
    say(&text)
}

/// `gauntlet describe`.
pub fn describe(options: &DescribeOptions) -> Result<u8> {
    let all = suites::all();
    let Some(case) = all.iter().find(|case| case.name == options.case) else {
        let name = &options.case;
        let near: Vec<&str> =
            all.iter().map(|case| &*case.name).filter(|other| other.contains(name)).collect();
        let hint = match near.as_slice() {
            [] => "`gauntlet list` shows all names".to_string(),
            [first, ..] => format!("did you mean {first}?"),
        };
        return Err(exit::usage(format!("no case is called {name:?}; {hint}")));
    };
    let Case {
        name,
        rows,
        chip_rows,
        asics,
        budget,
        model,
        compute,
        kernel_log,
        findings,
        resets,
        kernel_export,
        guest,
        body: _,
    } = case;
    let chips: Vec<&str> =
        Asic::ALL.iter().filter(|asic| asics.contains(**asic)).map(|asic| asic.name()).collect();
    let mut text = format!("{name}\n\n");
    writeln!(text, "chips       {}", chips.join(", "))?;
    writeln!(text, "budget      {budget:?}")?;
    writeln!(
        text,
        "opens       {}",
        if *compute { "the compute node" } else { "no compute node" }
    )?;
    writeln!(text, "model       {}", if *model { "needed" } else { "not needed" })?;
    writeln!(text, "resets      {resets}")?;
    if let Some(symbol) = kernel_export {
        writeln!(text, "needs       a kernel that exports {symbol}")?;
    }
    let case::Guest { personality, module_parameters, kernel_parameters, cards, own, as_shipped } =
        guest;
    if let Some((name, _)) = personality {
        writeln!(text, "card        {name}")?;
    }
    if !module_parameters.is_empty() {
        writeln!(text, "module      {module_parameters}")?;
    }
    if !kernel_parameters.is_empty() {
        writeln!(text, "kernel      {kernel_parameters}")?;
    }
    match cards {
        Cards::One => {}
        Cards::Switch => writeln!(text, "cards       two below one PCIe switch")?,
    }
    if *as_shipped {
        writeln!(text, "driver      as shipped, without declared workarounds")?;
    }
    if *own {
        writeln!(text, "guest       that of the cases which may wreck it")?;
    }
    for pattern in *kernel_log {
        writeln!(text, "may log     {pattern}")?;
    }
    for finding in *findings {
        writeln!(text, "may show    {finding:?}")?;
    }
    let catalogue = suites::catalogue::all();
    let about = |id: &str| {
        catalogue.get(id).map_or("(no such row)".to_string(), |row| {
            format!("{} | {} | {} | {}", row.op, row.precondition, row.expected, row.evidence)
        })
    };
    for id in *rows {
        writeln!(text, "proves      {id}: {}", about(id))?;
    }
    for (asic, rows) in chip_rows {
        for id in *rows {
            writeln!(text, "on {asic:<8} {id}: {}", about(id))?;
        }
    }
    for (place, entry) in report::expectations()?.about(name) {
        writeln!(text, "known       {place}, {}: {}", entry.word(), entry.summary())?;
    }
    let asic = match chips.as_slice() {
        [chip] => format!("--asic {chip} "),
        _ => String::new(),
    };
    writeln!(text, "\nrepeat      gauntlet run {asic}--exact {name}")?;
    say(&text)
}

/// How a requirement stands on the chips that were asked for.
struct Standing<'a> {
    /// Names of the cases that prove it.
    by: Vec<&'a str>,
    /// Measured reasons why no case can.
    reasons: Vec<&'static str>,
    /// Chips without case or reason.
    open: Vec<&'static str>,
}

impl<'a> Standing<'a> {
    fn of(id: &str, asics: &[Asic], all: &'a [Case], unreached: &[Unreached]) -> Self {
        let mut standing = Standing { by: Vec::new(), reasons: Vec::new(), open: Vec::new() };
        for asic in asics.iter().copied() {
            let proving =
                |case: &&Case| case.applies(asic) && case.proves(asic).any(|other| other == id);
            let by: Vec<&str> = all.iter().filter(proving).map(|case| &*case.name).collect();
            let reason = unreached.iter().find(|entry| entry.id == id && entry.applies(asic));
            match reason {
                _ if !by.is_empty() => standing.by.extend(by),
                Some(entry) => standing.reasons.push(entry.measured),
                None => standing.open.push(asic.name()),
            }
        }
        standing.by.sort_unstable();
        standing.by.dedup();
        standing.reasons.dedup();
        standing
    }

    fn text(&self) -> String {
        let mut parts = self.by.join(" ");
        for reason in &self.reasons {
            write!(parts, "{}NO CASE: {reason}", if parts.is_empty() { "" } else { "; " }).ok();
        }
        if !self.open.is_empty() {
            let chips = self.open.join(" and ");
            write!(parts, "{}NOT COVERED on {chips}", if parts.is_empty() { "" } else { "; " })
                .ok();
        }
        parts
    }
}

/// `gauntlet plan`.
pub fn plan(options: &PlanOptions) -> Result<u8> {
    let all = suites::all();
    let unreached = suites::unreached::all();
    let asics = select::asics(&options.asic);
    let prefix = options.prefix.as_deref().unwrap_or_default();
    let rows = suites::catalogue::all();
    let (mut text, mut count, mut proven, mut measured) = (String::new(), 0, 0, 0);
    for row in rows.values().filter(|row| row.id.starts_with(prefix)) {
        let chips: Vec<Asic> = asics.iter().copied().filter(|asic| row.applies(*asic)).collect();
        if chips.is_empty() {
            continue;
        }
        let standing = Standing::of(row.id, &chips, &all, &unreached);
        let open = !standing.open.is_empty();
        count += 1;
        measured += usize::from(!open && !standing.reasons.is_empty());
        proven += usize::from(!open && standing.reasons.is_empty());
        if open || !options.missing {
            writeln!(text, "{:<24} {:<40} {}", row.id, row.op, standing.text())?;
        }
    }
    if count == 0 {
        return Err(exit::usage(format!("no requirement starts with {prefix:?}")));
    }
    writeln!(
        text,
        "\n{proven} of {count} requirements are proven by a case, \
         {measured} have a measured reason, {} are not covered",
        count - proven - measured
    )?;
    say(&text)
}

/// Prints; a reader that has seen enough is no error.
fn say(text: &str) -> Result<u8> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(why) if why.kind() != std::io::ErrorKind::BrokenPipe => Err(why.into()),
        Ok(()) | Err(_) => Ok(exit::AS_EXPECTED),
    }
}
