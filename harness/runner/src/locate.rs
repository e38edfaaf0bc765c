// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Finds the device: nodes, sysfs, debugfs, and what the driver counts there.

use case::Environment;
use control::Asic;
use std::path::{Path, PathBuf};

/// PCI ids that the driver binds to (`habanalabs_drv.c`: `ids`), vendor 1da3.
pub const DEVICES: &[(u16, Asic)] =
    &[(0x1000, Asic::Gaudi), (0x1010, Asic::Gaudi), (0x1020, Asic::Gaudi2)];

/// Where a machine keeps its things; the real paths but in tests.
#[derive(Clone, Debug)]
pub struct Roots {
    /// `/sys`.
    pub sys: PathBuf,
    /// `/dev`.
    pub dev: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Roots { sys: "/sys".into(), dev: "/dev".into() }
    }
}

/// A device that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its chip.
    pub asic: Asic,
    /// Name of the compute node, e.g. `accel0`.
    pub name: String,
    /// The nodes and folders.
    pub compute: PathBuf,
    /// The control node.
    pub control: PathBuf,
    /// The PCI device in sysfs.
    pub pci: PathBuf,
    /// The folder in sysfs with the attributes of the driver.
    pub sysfs: PathBuf,
    /// The folder in debugfs.
    pub debugfs: Option<PathBuf>,
}

/// Why no device was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Missing {
    /// No accelerator of this driver.
    NoDevice(String),
    /// There is one, but not in a usable state.
    NotOperational(String),
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Missing::NoDevice(why) | Missing::NotOperational(why) => f.write_str(why),
        }
    }
}

/// Finds the device called `wanted` (`accel0`), or the one with the lowest PCI address: cards are
/// probed side by side (`habanalabs_drv.c: hl_pci_driver`), so that their numbers are in any order.
pub fn find(roots: &Roots, wanted: Option<&str>) -> Result<Found, Missing> {
    let class = roots.sys.join("class/accel");
    let mut names: Vec<String> = std::fs::read_dir(&class)
        .map(|folder| folder.flatten().filter_map(|e| e.file_name().into_string().ok()).collect())
        .unwrap_or_default();
    names.retain(|name| wanted.map_or(!name.contains("control"), |wanted| name == wanted));
    let found = names.iter().filter_map(|name| look(roots, &class.join(name), name));
    found.min_by(|a, b| a.pci.file_name().cmp(&b.pci.file_name())).ok_or_else(|| {
        let wanted = wanted.unwrap_or("accelerator of the habanalabs driver");
        Missing::NoDevice(format!("no {wanted} in {}; is the module loaded?", class.display()))
    })
}

fn look(roots: &Roots, folder: &Path, name: &str) -> Option<Found> {
    let pci = folder.join("device").canonicalize().ok()?;
    if hex(&pci.join("vendor"))? != 0x1da3 {
        return None;
    }
    let id = hex(&pci.join("device"))?;
    let (_, asic) = DEVICES.iter().find(|(known, _)| *known == id)?;
    let number = name.strip_prefix("accel")?;
    // `device_add_groups(hdev->dev, ...)` of `sysfs.c` hangs them on the PCI device.
    let folders = [pci.clone(), folder.to_path_buf()];
    let sysfs = folders.into_iter().find(|folder| folder.join("status").exists())?;
    let debugfs = roots.sys.join("kernel/debug/accel").join(pci.file_name()?);
    let accel = roots.dev.join("accel");
    Some(Found {
        asic: *asic,
        name: name.into(),
        compute: accel.join(name),
        control: accel.join(format!("accel_controlD{number}")),
        debugfs: debugfs.is_dir().then_some(debugfs),
        sysfs,
        pci,
    })
}

fn hex(path: &Path) -> Option<u16> {
    let text = std::fs::read_to_string(path).ok()?;
    u16::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok()
}

impl Found {
    /// What a case is told.
    pub fn environment(
        &self,
        port: Option<PathBuf>,
        seed: u64,
        workarounds: Vec<String>,
    ) -> Environment {
        let Found { asic, name: _, compute, control, pci, sysfs, debugfs } = self.clone();
        Environment { asic, compute, control, pci, sysfs, debugfs, port, seed, workarounds }
    }

    /// An attribute of the driver.
    pub fn attribute(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.sysfs.join(name)).ok().map(|text| text.trim().to_string())
    }

    /// How often the driver has reset the device.
    pub fn hard_resets(&self) -> Option<u32> {
        self.attribute("hard_reset_cnt")?.parse().ok()
    }

    /// `Operational`, `In reset`, `Disabled` ... (`sysfs.c: status_show` writes a capital first).
    pub fn status(&self) -> Option<String> {
        self.attribute("status")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use tempfile::TempDir;

    /// The folder goes with the first value.
    fn machine(vendor: &str, device: &str) -> (TempDir, Roots) {
        let root = tempfile::tempdir().unwrap();
        let sys = root.path().join("sys");
        card(&sys, 0, "0000:00:02.0", (vendor, device));
        (root, Roots { sys, dev: "/dev".into() })
    }

    /// A card with the number that the driver gave it.
    fn card(sys: &Path, number: u32, address: &str, (vendor, device): (&str, &str)) {
        let pci = sys.join("devices/pci0000:00").join(address);
        let class = sys.join("class/accel");
        let node = class.join(format!("accel{number}"));
        fs::create_dir_all(&pci).unwrap();
        fs::create_dir_all(&node).unwrap();
        fs::create_dir_all(class.join(format!("accel_controlD{number}"))).unwrap();
        fs::write(pci.join("vendor"), vendor).unwrap();
        fs::write(pci.join("device"), device).unwrap();
        fs::write(pci.join("status"), "Operational\n").unwrap();
        fs::write(pci.join("hard_reset_cnt"), "2\n").unwrap();
        std::os::unix::fs::symlink(&pci, node.join("device")).unwrap();
    }

    #[test]
    fn a_card_is_found() {
        let (_root, roots) = machine("0x1da3\n", "0x1020\n");
        let found = find(&roots, None).unwrap();
        assert_eq!(found.asic, Asic::Gaudi2);
        assert_eq!(found.compute, Path::new("/dev/accel/accel0"));
        assert_eq!(found.control, Path::new("/dev/accel/accel_controlD0"));
        assert_eq!(found.hard_resets(), Some(2));
        assert_eq!(found.status().as_deref(), Some("Operational"));
        assert_eq!(find(&roots, Some("accel0")), Ok(found));
        assert!(find(&roots, Some("accel1")).is_err());
    }

    #[test]
    fn of_two_cards_the_one_with_the_lower_address_is_taken() {
        let (_root, roots) = machine("0x1da3\n", "0x1020\n");
        card(&roots.sys, 1, "0000:00:01.0", ("0x1da3\n", "0x1020\n"));
        assert_eq!(find(&roots, None).unwrap().name, "accel1");
        assert_eq!(find(&roots, Some("accel0")).unwrap().name, "accel0");
    }

    #[test]
    fn what_is_no_gaudi_is_not_found() {
        for (vendor, device) in [("0x8086", "0x1020"), ("0x1da3", "0x9999"), ("", "\u{fffd}")] {
            let (_root, roots) = machine(vendor, device);
            assert!(find(&roots, None).is_err(), "{vendor:?} {device:?}");
        }
        let roots = Roots { sys: "/nonexistent".into(), dev: "/dev".into() };
        let message = find(&roots, None).unwrap_err().to_string();
        assert!(message.contains("/nonexistent/class/accel"), "{message}");
    }
}
