// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Describes the virtual machine and turns the description into QEMU's command line.
//!
//! A lean q35: no disk, no network, no display, no USB. Four serial ports, which every kernel
//! has built in: `ttyS0` console (QEMU's stdout), `ttyS1` results, `ttyS2` control, `ttyS3` shell
//! (UNIX sockets; only those that are asked for exist). Guest memory is shared, because the
//! device model reads and writes it.

mod clock;
mod command;
mod sockets;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::accelerator::Backend;
use crate::error::{Error, Result};
use crate::qemu::Qemu;
pub use command::{CommandLine, shell_quote};
pub use sockets::Sockets;

/// sockaddr_un holds this many bytes, the final NUL included.
const SOCKET_PATH: usize = 108;

/// The machine without what no case needs.
const LEAN: &str =
    "q35,memory-backend=ram,sata=off,smbus=off,usb=off,vmport=off,i8042=off,hpet=off";

/// Options that are the same for every machine.
const FIXED: &[&str] = &[
    "-nodefaults",
    "-no-user-config",
    "-display",
    "none",
    "-no-reboot",
    "-chardev",
    "stdio,id=console,signal=off",
    "-device",
    "isa-serial,chardev=console,index=0",
];

/// Kernel parameters that are the same for every machine: `panic=-1` with `-no-reboot` ends
/// QEMU at once, the rest saves time under emulation (measured: see the crate's module doc).
const PARAMETERS: &[&str] = &[
    "console=ttyS0",
    "panic=-1",
    "nokaslr",
    "mitigations=off",
    "tsc=reliable",
    "no_timer_check",
    "random.trust_cpu=on",
    "cryptomgr.notests",
];

/// The serial ports behind the console: name, index (`ttyS<index>`).
const RESULTS: (&str, u32) = ("results", 1);
const CONTROL: (&str, u32) = ("control", 2);
const SHELL: (&str, u32) = ("shell", 3);

/// Where the devices sit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Topology {
    /// Each on the root bus.
    #[default]
    RootBus,
    /// Each below its own port of one switch below one root port, so that the kernel finds a
    /// way for peer-to-peer DMA between them. On the root bus sits an endpoint of QEMU's own,
    /// `edu`, to which the way is through the host bridge; Linux has no driver for it.
    Switch,
}

/// The description of one machine. Fields are public: set what differs from [`Machine::new`].
#[derive(Debug, Clone)]
pub struct Machine {
    /// Which QEMU.
    pub qemu: Qemu,
    /// KVM or TCG, from [`crate::accelerator::choose`].
    pub backend: Backend,
    /// bzImage or vmlinux, from [`crate::kernel::Kernel::boot_image`].
    pub kernel: PathBuf,
    /// The guest's file system.
    pub initramfs: Option<PathBuf>,
    /// Number of processors.
    pub processors: u32,
    /// Memory in MiB.
    pub memory: u32,
    /// Socket of each modelled device; a server listens there before the machine starts.
    pub devices: Vec<PathBuf>,
    /// Where the devices sit.
    pub topology: Topology,
    /// ttyS1: a socket on which [`crate::guest::Guest`] listens.
    pub results: Option<PathBuf>,
    /// ttyS2: a socket on which the model server listens.
    pub control: Option<PathBuf>,
    /// ttyS3: a socket on which the caller listens.
    pub shell: Option<PathBuf>,
    /// Says of a line of the console, without its time, that the guest is beyond help.
    pub fatal: fn(&str) -> bool,
    /// Further kernel parameters.
    pub parameters: Vec<String>,
    /// Further words of QEMU's command line.
    pub options: Vec<String>,
}

impl Machine {
    /// Two processors, 1 GiB, no devices, no ports but the console.
    pub fn new(qemu: &Qemu, backend: Backend, kernel: &Path) -> Self {
        Self {
            qemu: qemu.clone(),
            backend,
            kernel: kernel.to_owned(),
            initramfs: None,
            processors: 2,
            memory: 1024,
            devices: Vec::new(),
            topology: Topology::RootBus,
            results: None,
            control: None,
            shell: None,
            fatal: |_| false,
            parameters: Vec::new(),
            options: Vec::new(),
        }
    }

    /// QEMU's command line.
    pub fn command(&self) -> Result<CommandLine> {
        let mut words = self.qemu.command.clone();
        let mut add = |option: &str, value: String| {
            words.extend([OsString::from(option), value.into()]);
        };
        add("-M", LEAN.into());
        add("-object", format!("memory-backend-memfd,id=ram,size={}M,share=on", self.memory));
        add("-m", format!("{}M", self.memory));
        add("-smp", self.processors.to_string());
        for (option, value) in self.backend.options(self.topology == Topology::Switch) {
            add(option, (*value).into());
        }
        add("-kernel", text(&self.kernel)?);
        if let Some(path) = &self.initramfs {
            add("-initrd", text(path)?);
        }
        let own = self.parameters.iter().map(String::as_str);
        let parameters: Vec<_> = PARAMETERS.iter().copied().chain(own).collect();
        let mut parameters = parameters.join(" ");
        if let (Backend::Tcg, Some(khz)) = (self.backend, clock::khz()) {
            parameters.push_str(&format!(" tsc_early_khz={khz}"));
        }
        add("-append", parameters);
        for (port, path) in
            [(RESULTS, &self.results), (CONTROL, &self.control), (SHELL, &self.shell)]
        {
            let (Some(path), (name, index)) = (path, port) else { continue };
            let path = command::option_value(&socket(path)?);
            add("-chardev", format!("socket,id={name},path={path}"));
            add("-device", format!("isa-serial,chardev={name},index={index}"));
        }
        for (option, value) in self.device_options()? {
            add(option, value);
        }
        words.extend(FIXED.iter().map(OsString::from));
        words.extend(self.options.iter().map(OsString::from));
        Ok(CommandLine(words))
    }

    /// The modelled devices and the bridges above them.
    fn device_options(&self) -> Result<Vec<(&'static str, String)>> {
        let mut options = Vec::new();
        let switch = match self.topology {
            Topology::RootBus => false,
            Topology::Switch => true,
        };
        if switch && !self.devices.is_empty() {
            options.push(("-device", "pcie-root-port,id=root0,chassis=1,slot=1".into()));
            options.push(("-device", "x3130-upstream,id=up0,bus=root0".into()));
            options.push(("-device", "edu,id=apart0".into()));
        }
        for (number, path) in self.devices.iter().enumerate() {
            let mut device = serde_json::json!({
                "driver": "vfio-user-pci",
                "id": format!("gaudi{number}"),
                "socket": { "type": "unix", "path": socket(path)? },
            });
            if switch {
                let slot = number + 2;
                let port = format!("down{number}");
                options.push((
                    "-device",
                    format!("xio3130-downstream,id={port},bus=up0,chassis={slot},slot={slot}"),
                ));
                device["bus"] = port.into();
            }
            options.push(("-device", device.to_string()));
        }
        Ok(options)
    }
}

fn text(path: &Path) -> Result<String> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| Error::Machine(format!("{}: the path is no UTF-8", path.display())))
}

fn socket(path: &Path) -> Result<String> {
    let text = text(path)?;
    if text.len() >= SOCKET_PATH {
        let length = text.len();
        return Err(Error::Machine(format!(
            "socket path of {length} bytes, a socket takes {}: {text}",
            SOCKET_PATH - 1
        )));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        let qemu = Qemu { command: vec!["qemu".into()], version: String::new() };
        Machine::new(&qemu, Backend::Tcg, Path::new("/k"))
    }

    #[test]
    fn the_ports_and_devices_asked_for_are_there() {
        let mut machine = machine();
        machine.results = Some("/s/results".into());
        machine.control = Some("/s/a,b".into());
        machine.devices = vec!["/s/g\"0".into()];
        machine.parameters = vec!["habanalabs.timeout_locked=5".into()];
        let words = machine.command().unwrap().0;
        let has = |w: &str| words.iter().any(|x| x == w);
        assert!(has("socket,id=results,path=/s/results"));
        assert!(has("socket,id=control,path=/s/a,,b"));
        assert!(has("isa-serial,chardev=control,index=2"));
        assert!(!words.iter().any(|w| w.to_string_lossy().contains("shell")));
        let device = words.iter().find(|w| w.to_string_lossy().contains("vfio-user-pci")).unwrap();
        let device: serde_json::Value = serde_json::from_str(device.to_str().unwrap()).unwrap();
        assert_eq!(device["socket"]["path"], "/s/g\"0");
        let parameters = "habanalabs.timeout_locked=5 tsc_early_khz=";
        assert!(words.iter().any(|w| w.to_string_lossy().contains(parameters)));
    }

    #[test]
    fn two_devices_below_a_switch() {
        let mut machine = machine();
        machine.devices = vec!["/s/0".into(), "/s/1".into()];
        machine.topology = Topology::Switch;
        let line = machine.command().unwrap().to_string();
        for part in [
            "pcie-root-port",
            "edu,id=apart0",
            "max,phys-bits=44",
            "x3130-upstream",
            "id=down1,bus=up0,chassis=3",
        ] {
            assert!(line.contains(part), "{part} not in {line}");
        }
        assert!(line.contains(r#""bus":"down0""#), "{line}");
    }

    #[test]
    fn a_socket_path_that_cannot_work_is_refused() {
        let mut machine = machine();
        machine.control = Some(PathBuf::from(format!("/{}", "x".repeat(107))));
        assert!(machine.command().unwrap_err().to_string().contains("socket path of 108 bytes"));
    }
}
