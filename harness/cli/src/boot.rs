// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! One guest with the models of its cards: started together, watched together, ended together.

use crate::model::{ModelProcess, ModelStart};
use crate::target::{Host, Load, ReadyKernel};
use anyhow::Result;
use case::Cards;
use control::{Asic, Personality};
use runner::{Message, Module, Plan, Settings, Work};
use std::path::{Path, PathBuf};
use std::time::Duration;
use vm::{Archive, Event, Guest, Machine, Sockets, Topology};

/// Time from power-on to the first word of the guest program.
const TO_INIT: Duration = Duration::from_secs(60);
/// Serial lines as the guest names them (`vm::Machine`).
const RESULTS: &str = "/dev/ttyS1";
const CONTROL: &str = "/dev/ttyS2";

/// What a boot is for.
pub struct BootPlan<'a> {
    /// QEMU and the cache.
    pub host: &'a Host,
    /// The kernel.
    pub kernel: &'a ReadyKernel,
    /// How the driver is loaded.
    pub load: &'a Load,
    /// Number of the boot in its run.
    pub number: u32,
    /// The card.
    pub personality: &'a Personality,
    /// Parameters of the driver's module.
    pub module_parameters: &'a str,
    /// Parameters of the kernel.
    pub kernel_parameters: &'a str,
    /// The cards of the machine; they are alike.
    pub cards: Cards,
    /// Seed, clocks, workarounds.
    pub settings: Settings,
    /// What the guest is to do.
    pub work: Work,
    /// More files for the guest.
    pub files: Option<&'a Archive>,
    /// Where console, trace and so on go.
    pub folder: &'a Path,
    /// Trace the register accesses.
    pub trace: bool,
    /// Keep the initramfs.
    pub keep: bool,
    /// The shell's line is wanted.
    pub shell: bool,
}

/// A running guest with its model.
pub struct Booted {
    /// The guest; ends before the model does.
    pub guest: Guest,
    /// The model of each card.
    models: Vec<ModelProcess>,
    _sockets: Sockets,
    _initramfs: Initramfs,
}

/// The initramfs of one boot, made again by whoever needs it.
struct Initramfs {
    path: PathBuf,
    keep: bool,
}

impl Drop for Initramfs {
    fn drop(&mut self) {
        if !self.keep {
            // What does not go away does no harm.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl BootPlan<'_> {
    fn asic(&self) -> Asic {
        self.personality.asic
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("boot-{:03}.{name}", self.number))
    }

    /// The plan as the guest reads it.
    fn guest_plan(&self) -> Plan {
        let set = &self.load.modules.modules;
        let module = |module: &vm::Module| Module {
            path: format!("/gauntlet/modules/{}.ko", module.name).into(),
            parameters: String::new(),
        };
        let mut modules: Vec<Module> = set.iter().map(module).collect();
        if let Some(driver) = modules.last_mut() {
            driver.parameters = self.module_parameters.into();
        }
        Plan {
            boot: self.number,
            asic: self.asic(),
            modules,
            results: RESULTS.into(),
            control: Some(CONTROL.into()),
            settings: self.settings.clone(),
            work: self.work.clone(),
        }
    }

    /// Starts the model of a card. The first has the control port, and files without a number.
    fn model(&self, card: usize, socket: &Path, control: &Path) -> Result<ModelProcess> {
        let file = |name: &str| match card {
            0 => self.file(name),
            other => self.file(&format!("{other}.{name}")),
        };
        let trace = self.trace.then(|| file("trace"));
        ModelProcess::start(&ModelStart {
            socket,
            control: (card == 0).then_some(control),
            personality: self.personality,
            card: &file("card.json"),
            log: &file("model.log"),
            trace: trace.as_deref(),
            seed: self.settings.seed,
        })
    }

    /// Starts models and guest; `begun` hears the command line and the sockets before QEMU runs.
    pub fn start(&self, begun: impl FnOnce(&[String], &Sockets) -> Result<()>) -> Result<Booted> {
        let mut own = Archive::new();
        own.file(Plan::PATH, 0o644, serde_json::to_vec(&self.guest_plan())?)?;
        let initramfs = Initramfs { path: self.file("cpio"), keep: self.keep };
        let mut behind: Vec<&Archive> = self.files.into_iter().collect();
        behind.push(&own);
        self.load.base.write_joined(&behind, &initramfs.path)?;
        let sockets = Sockets::new()?;
        let control = sockets.path("control");
        let (names, topology): (&[&str], _) = match self.cards {
            Cards::One => (&["gaudi0"], Topology::RootBus),
            Cards::Switch => (&["gaudi0", "gaudi1"], Topology::Switch),
        };
        let devices: Vec<PathBuf> = names.iter().map(|name| sockets.path(name)).collect();
        let cards = devices.iter().enumerate();
        let models = cards
            .map(|(card, socket)| self.model(card, socket, &control))
            .collect::<Result<Vec<_>>>()?;
        let mut machine =
            Machine::new(&self.host.qemu, self.kernel.backend, self.kernel.kernel.boot_image());
        machine.initramfs = Some(initramfs.path.clone());
        machine.devices = devices;
        machine.topology = topology;
        machine.control = Some(control);
        machine.results = Some(sockets.path("results"));
        machine.shell = self.shell.then(|| sockets.path("shell"));
        machine.fatal = runner::is_fatal;
        let parameters = self.kernel_parameters.split_whitespace();
        machine.parameters = parameters.map(str::to_string).collect();
        let words = machine.command()?.0;
        let command: Vec<String> =
            words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        begun(&command, &sockets)?;
        let deadline = self.settings.clocks.scaled(TO_INIT);
        let guest = Guest::start(&machine, &self.file("console.log"), deadline)?;
        Ok(Booted { guest, models, _sockets: sockets, _initramfs: initramfs })
    }
}

/// What the guest says, apart from what the machine does.
pub enum Heard {
    /// A message of the guest program.
    Said(Box<Message>),
    /// A line that is no message.
    Garbled(String),
    /// The kernel says on the console that it is beyond trust; the runner in the guest has the
    /// same line in its log, if it can still read it.
    Fatal(String),
    /// The machine panicked; its end follows.
    Panic,
    /// The machine is gone.
    Ended(vm::Ended),
    /// Nothing within the time.
    Nothing,
}

impl Booted {
    /// How a model ended, if one did.
    pub fn model_ended(&mut self) -> Option<String> {
        self.models.iter_mut().find_map(ModelProcess::ended)
    }

    /// The next thing that happens.
    pub fn next(&self, patience: Duration) -> Heard {
        match self.guest.next(patience) {
            None => Heard::Nothing,
            Some(Event::Init { .. }) => Heard::Said(Box::new(Message::Up)),
            Some(Event::Fatal(line)) => Heard::Fatal(line),
            Some(Event::Panic(_)) => Heard::Panic,
            Some(Event::Ended(ended)) => Heard::Ended(ended),
            Some(Event::Line(line)) => match serde_json::from_str(&line) {
                Ok(message) => Heard::Said(Box::new(message)),
                Err(_) => Heard::Garbled(line),
            },
        }
    }
}
