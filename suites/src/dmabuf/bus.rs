// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Where importers sit on the PCI bus, as sysfs tells it, and where they find a buffer.

use super::PAGE;
use crate::common::files;
use case::{CaseResult, Context, Stop, check, require};
use device::importer::{Entry, Importing};
use std::path::{Path, PathBuf};

/// The kernel's symbol behind `pci_p2pdma_distance`; it is there with CONFIG_PCI_P2PDMA only.
pub(super) const P2PDMA: &str = "pci_p2pdma_distance_many";

/// PCI class of bridges (pci_ids.h: PCI_BASE_CLASS_BRIDGE).
const BRIDGE: u64 = 0x06;

/// Was the kernel built with peer-to-peer DMA?
pub(super) fn p2pdma() -> CaseResult<bool> {
    let symbols = files::read("/proc/kallsyms".as_ref())?;
    require(symbols.lines().count() > 1000, "needs /proc/kallsyms")?;
    Ok(symbols.lines().any(|line| line.split_whitespace().nth(2) == Some(P2PDMA)))
}

/// A PCI device as the importing device, by its address.
pub(super) fn importing(address: &str) -> CaseResult<Importing> {
    let parse = |address: &str| {
        let (domain, rest) = address.split_once(':')?;
        let (bus, rest) = rest.split_once(':')?;
        let (slot, function) = rest.split_once('.')?;
        let number = |text: &str| u8::from_str_radix(text, 16).ok();
        Some(Importing::Pci {
            domain: u16::from_str_radix(domain, 16).ok()?,
            bus: number(bus)?,
            devfn: number(slot)? << 3 | number(function)?,
        })
    };
    parse(address).ok_or_else(|| Stop::Broken(format!("{address} is no PCI address")))
}

/// Start and bytes of BAR 4, as the PCI device says.
pub(super) fn window(pci: &Path) -> CaseResult<(u64, u64)> {
    let text = files::read(&pci.join("resource"))?;
    let words: Option<Vec<u64>> =
        text.lines().nth(4).and_then(|line| line.split_whitespace().map(files::parse).collect());
    match words.as_deref() {
        Some([start, end, ..]) => Ok((*start, end - start + 1)),
        Some([] | [_]) | None => Err(Stop::Broken("the PCI device has no BAR 4".into())),
    }
}

/// Another card of the driver.
pub(super) struct Sibling {
    /// Its compute node.
    pub compute: PathBuf,
    /// Its PCI device in sysfs.
    pub pci: PathBuf,
    /// The same as an importing device.
    pub importing: Importing,
}

/// Another card below the root port of this one. A machine of ours has it, others skip without.
pub(super) fn sibling(cx: &Context) -> CaseResult<Sibling> {
    let card = real(&cx.at.pci)?;
    let driver = real(&card.join("driver"))?;
    for class in entries("/sys/class/accel")? {
        let name = name(&class);
        let Ok(pci) = class.join("device").canonicalize() else { continue };
        let same_driver = pci.join("driver").canonicalize().ok().as_ref() == Some(&driver);
        let below_one = root_port(&pci).is_some_and(|port| root_port(&card) == Some(port));
        if pci == card || !same_driver || !below_one || name.contains("control") {
            continue;
        }
        let importing = importing(&self::name(&pci))?;
        let compute = cx.at.compute.with_file_name(&name);
        return Ok(Sibling { compute, pci, importing });
    }
    match cx.at.port {
        Some(_) => Err(Stop::Broken("the driver made no device of the other card".into())),
        None => Err(Stop::Skip("needs another card behind the same PCIe switch".into())),
    }
}

/// An endpoint on a root bus that no driver has; skips without.
pub(super) fn apart() -> CaseResult<Importing> {
    for link in entries("/sys/bus/pci/devices")? {
        let pci = real(&link)?;
        let class = files::parse(&files::read(&pci.join("class"))?);
        let on_root = pci.parent().is_some_and(|parent| name(parent).starts_with("pci"));
        let bridge = class.is_none_or(|class| class >> 16 == BRIDGE);
        if on_root && !bridge && !pci.join("driver").exists() {
            return importing(&name(&pci));
        }
    }
    Err(Stop::Skip("needs a PCI endpoint without driver on the root bus".into()))
}

/// The function on the root bus above a device; none for one that sits on the root bus itself.
fn root_port(pci: &Path) -> Option<PathBuf> {
    let on_root = |path: &Path| path.parent().is_some_and(|bus| name(bus).starts_with("pci"));
    pci.ancestors().skip(1).find(|path| on_root(path)).map(Path::to_path_buf)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn real(path: &Path) -> CaseResult<PathBuf> {
    path.canonicalize().map_err(|why| Stop::Broken(format!("{}: {why}", path.display())))
}

/// What a folder holds, in order.
fn entries(folder: &str) -> CaseResult<Vec<PathBuf>> {
    let read = || -> std::io::Result<Vec<PathBuf>> {
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
    };
    let mut paths = read().map_err(|why| Stop::Broken(format!("{folder}: {why}")))?;
    paths.sort();
    Ok(paths)
}

/// A run of bytes on the bus: start, bytes.
pub(super) type Piece = (u64, u64);

/// Where a mapped buffer is, entries that follow on each other taken together. `segment` are the
/// bytes that the importing device takes at a time.
pub(super) fn pieces(entries: &[Entry], segment: Option<u32>) -> CaseResult<Vec<Piece>> {
    let most = u64::from(segment.unwrap_or(u32::MAX));
    let mut pieces: Vec<Piece> = Vec::new();
    for Entry { address, length, has_pages } in entries {
        check(!has_pages, "device memory has no pages of the host")?;
        check(*length > 0 && length % PAGE == 0, "an entry has whole pages")?;
        check(*length <= most, "an entry is no larger than the importing device takes")?;
        match pieces.last_mut() {
            Some((start, bytes)) if *start + *bytes == *address => *bytes += length,
            Some(_) | None => pieces.push((*address, *length)),
        }
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_port_is_the_bridge_on_the_root_bus() {
        let below = "/sys/devices/pci0000:00/0000:00:03.0/0000:01:00.0/0000:02:00.0/0000:03:00.0";
        let port = Path::new("/sys/devices/pci0000:00/0000:00:03.0");
        assert_eq!(root_port(Path::new(below)).as_deref(), Some(port));
        assert_eq!(root_port(port), None);
    }

    #[test]
    fn an_address_is_taken_apart() {
        let wanted = Importing::Pci { domain: 1, bus: 0x1f, devfn: 0x1a };
        assert_eq!(importing("0001:1f:03.2").ok(), Some(wanted));
        assert!(importing("0000:00").is_err());
    }
}
