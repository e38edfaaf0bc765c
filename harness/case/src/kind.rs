// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A case and what it declares.

use crate::{CaseResult, Context};
use control::{Asic, Asics, FindingKind, Personality};
use std::borrow::Cow;
use std::time::Duration;

/// The body of a case. It starts in a fresh process, from a fresh open.
pub type Body = Box<dyn Fn(&Context) -> CaseResult + Send + Sync>;

/// Changes the default personality of a chip.
pub type Change = fn(&mut Personality);

/// The cards of a machine and where they sit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cards {
    /// One card on the root bus.
    #[default]
    One,
    /// Two cards of the same kind, each below its own port of one PCIe switch, and on the root bus
    /// an endpoint that no driver binds. The case is given the card with the lower PCI address.
    Switch,
}

/// The machine that a case needs. Cases with equal needs share a guest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guest {
    /// Changes the default personality of the chip; the name groups cases and is printed.
    pub personality: Option<(&'static str, Change)>,
    /// Parameters of the habanalabs module, as on its command line.
    pub module_parameters: &'static str,
    /// Parameters of the kernel, as on its command line.
    pub kernel_parameters: &'static str,
    /// The cards.
    pub cards: Cards,
    /// The case may wreck the kernel: only cases like it run in its guest.
    pub own: bool,
    /// The driver runs as it is shipped: no declared workaround is applied in this guest.
    pub as_shipped: bool,
}

/// A rule about the driver. Built with [`Case::new`] and the methods that declare needs.
pub struct Case {
    /// `area/subject/rule`: lower case, digits, underscores. An interface: never renamed silently.
    pub name: Cow<'static, str>,
    /// Requirement rows that it proves on each of its chips, by id.
    pub rows: &'static [&'static str],
    /// Rows that it proves on one of its chips only.
    pub chip_rows: Vec<(Asic, &'static [&'static str])>,
    /// Chips that it applies to.
    pub asics: Asics,
    /// Wall clock that it may take on real hardware; the runner scales it for slow machines.
    pub budget: Duration,
    /// It asks the model for something (control port): skipped on metal.
    pub model: bool,
    /// It opens the compute node (impossible with defect D1 and no workaround).
    pub compute: bool,
    /// Patterns (plain substrings) of kernel log lines of level warning or worse that belong to it.
    pub kernel_log: &'static [&'static str],
    /// Findings of the device model that belong to it.
    pub findings: &'static [FindingKind],
    /// Hard resets of the device that it causes.
    pub resets: u32,
    /// A symbol that the kernel must export for it: where the image is known not to, no machine is
    /// booted for the case.
    pub kernel_export: Option<&'static str>,
    /// The machine that it needs.
    pub guest: Guest,
    /// What it does.
    pub body: Body,
}

impl Case {
    /// A case of every chip that opens the compute node, with a budget of 10 s, a clean kernel
    /// log, no findings and no reset.
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        rows: &'static [&'static str],
        body: impl Fn(&Context) -> CaseResult + Send + Sync + 'static,
    ) -> Self {
        Case {
            name: name.into(),
            rows,
            chip_rows: Vec::new(),
            asics: Asics::ALL,
            budget: Duration::from_secs(10),
            model: false,
            compute: true,
            kernel_log: &[],
            findings: &[],
            resets: 0,
            kernel_export: None,
            guest: Guest::default(),
            body: Box::new(body),
        }
    }

    /// Restricts it to some chips.
    pub fn on(mut self, asics: Asics) -> Self {
        self.asics = asics;
        self
    }

    /// It proves further rows on one of its chips: the catalogue has a row a chip, or the other
    /// chip does not know the thing.
    pub fn rows_on(mut self, asic: Asic, rows: &'static [&'static str]) -> Self {
        self.chip_rows.push((asic, rows));
        self
    }

    /// Ids of the rows that it proves on a chip.
    pub fn proves(&self, asic: Asic) -> impl Iterator<Item = &'static str> {
        let here = self.chip_rows.iter().filter(move |(chip, _)| *chip == asic);
        self.rows.iter().chain(here.flat_map(|(_, rows)| *rows)).copied()
    }

    /// Does it apply to this chip?
    pub fn applies(&self, asic: Asic) -> bool {
        self.asics.contains(asic)
    }

    /// It uses the control node or no node at all.
    pub fn control_only(mut self) -> Self {
        self.compute = false;
        self
    }

    /// It needs the control port of the model.
    pub fn model(mut self) -> Self {
        self.model = true;
        self
    }

    /// It may take this long.
    pub fn budget(mut self, seconds: u64) -> Self {
        self.budget = Duration::from_secs(seconds);
        self
    }

    /// It makes the driver log these.
    pub fn logs(mut self, patterns: &'static [&'static str]) -> Self {
        self.kernel_log = patterns;
        self
    }

    /// It makes the device see these.
    pub fn finds(mut self, findings: &'static [FindingKind]) -> Self {
        self.findings = findings;
        self
    }

    /// It causes this many hard resets.
    pub fn resets(mut self, count: u32) -> Self {
        self.resets = count;
        self
    }

    /// It needs a card configured in its own way.
    pub fn personality(mut self, name: &'static str, change: Change) -> Self {
        self.guest.personality = Some((name, change));
        self
    }

    /// It needs these parameters of the habanalabs module.
    pub fn module_parameters(mut self, parameters: &'static str) -> Self {
        self.guest.module_parameters = parameters;
        self
    }

    /// It needs these parameters of the kernel.
    pub fn kernel_parameters(mut self, parameters: &'static str) -> Self {
        self.guest.kernel_parameters = parameters;
        self
    }

    /// It needs these cards.
    pub fn cards(mut self, cards: Cards) -> Self {
        self.guest.cards = cards;
        self
    }

    /// It needs a kernel that exports this symbol.
    pub fn kernel_exports(mut self, symbol: &'static str) -> Self {
        self.kernel_export = Some(symbol);
        self
    }

    /// It runs apart from all cases that are not like it, because it may wreck the kernel.
    pub fn own_guest(mut self) -> Self {
        self.guest.own = true;
        self
    }

    /// It needs the driver as it is shipped, without declared workarounds.
    pub fn as_shipped(mut self) -> Self {
        self.guest.as_shipped = true;
        self
    }
}
