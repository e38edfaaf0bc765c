// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Attributes of the driver in sysfs and debugfs. What a case switches is switched back.

use case::{CaseResult, Context, Stop};
use std::path::{Path, PathBuf};

/// The text of an attribute without its last newline.
pub fn attribute(cx: &Context, name: &str) -> CaseResult<String> {
    read(&cx.at.sysfs.join(name))
}

/// A number in an attribute, decimal or with 0x.
pub fn number(cx: &Context, name: &str) -> CaseResult<u64> {
    let text = attribute(cx, name)?;
    parse(&text).ok_or_else(|| Stop::Broken(format!("attribute {name} is {text:?}, not a number")))
}

/// A number in an attribute of the PCI device.
pub fn pci_number(cx: &Context, name: &str) -> CaseResult<u64> {
    let text = read(&cx.at.pci.join(name))?;
    parse(&text).ok_or_else(|| Stop::Broken(format!("PCI attribute {name} is {text:?}")))
}

/// A file of the device in debugfs; skips where it is not there.
pub fn debugfs(cx: &Context, name: &str) -> CaseResult<PathBuf> {
    let missing = |where_: &Path| Stop::Skip(format!("needs debugfs file {}", where_.display()));
    let Some(folder) = &cx.at.debugfs else {
        return Err(missing(&Path::new("/sys/kernel/debug/accel").join(name)));
    };
    let path = folder.join(name);
    if path.exists() { Ok(path) } else { Err(missing(&path)) }
}

/// The text of a file.
pub fn read(path: &Path) -> CaseResult<String> {
    let bytes = std::fs::read(path)
        .map_err(|why| Stop::Broken(format!("cannot read {}: {why}", path.display())))?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(text.strip_suffix('\n').map(str::to_string).unwrap_or(text))
}

/// The text without its newline; some of the driver's files hand out the zero behind it, too.
pub fn trimmed(text: &str) -> &str {
    text.trim_end_matches(['\0', '\n'])
}

/// Writes a file with one write.
pub fn write(path: &Path, text: &str) -> CaseResult {
    std::fs::write(path, text)
        .map_err(|why| Stop::Broken(format!("cannot write {text:?} to {}: {why}", path.display())))
}

/// The address of the card's PCI device: the name of its own folder, whatever link leads there.
pub fn pci_name(cx: &Context) -> CaseResult<String> {
    let broken = |why: String| Stop::Broken(format!("{} {why}", cx.at.pci.display()));
    let folder = cx.at.pci.canonicalize().map_err(|why| broken(why.to_string()))?;
    let name = folder.file_name().ok_or_else(|| broken("is no folder".into()))?;
    Ok(name.to_string_lossy().into_owned())
}

/// A number as text of the driver has it: hexadecimal with 0x, else decimal.
pub fn parse(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// The device is disabled (debugfs `device`) as long as this lives.
///
/// The driver then reports the status "malfunction" and refuses what needs an operational
/// device; nothing is reset (`debugfs.c: hl_device_write`, `device.c: hl_device_status`).
#[derive(Debug)]
pub struct Disabled {
    switch: PathBuf,
}

impl Disabled {
    /// Disables the device.
    pub fn new(cx: &Context) -> CaseResult<Self> {
        let switch = debugfs(cx, "device")?;
        write(&switch, "disable")?;
        Ok(Disabled { switch })
    }
}

impl Drop for Disabled {
    fn drop(&mut self) {
        // Nothing is left to be done when this fails: the next case says that the device is off.
        let _ = std::fs::write(&self.switch, "enable");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_both_bases_are_read() {
        assert_eq!(parse("0x1da3"), Some(0x1da3));
        assert_eq!(parse("12"), Some(12));
        assert_eq!(parse(""), None);
        assert_eq!(parse("0x"), None);
        assert_eq!(parse("12a"), None);
    }
}
