// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The device nodes themselves: where they are, what numbers they have, who may open them.

use crate::common::beside::in_child;
use crate::common::files;
use crate::common::node::Node;
use case::{Case, CaseResult, Context, Stop, check, equal, errno};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, SFlag, major, makedev, minor, mknod, stat};
use std::path::{Path, PathBuf};

/// Major number of accelerators (`drm_accel.h: ACCEL_MAJOR`).
const ACCEL_MAJOR: u64 = 261;

/// A minor that no device has: DRM and the driver count from 0 (`habanalabs.h: HL_MAX_MINORS`).
const NO_DEVICE: u64 = 201;

/// The cases.
pub fn cases() -> Vec<Case> {
    let cases = [
        Case::new("open/nodes/are_character_devices_of_class_accel", &["OPEN-032"], there),
        Case::new("open/nodes/belong_to_the_same_pci_function", &["OPEN-032"], same_function),
        Case::new("open/nodes/are_closed_to_other_users", &["OPEN-041"], other_users),
        Case::new("open/nodes/of_no_device_give_enodev", &["OPEN-013"], |cx| {
            no_device(cx, &cx.at.compute, Errno::ENODEV)
        }),
        Case::new("open/nodes/of_no_control_device_give_enxio", &["OPEN-030"], |cx| {
            no_device(cx, &cx.at.control, Errno::ENXIO)
        })
        .logs(&["Couldn't find device"]),
    ];
    cases.into_iter().map(Case::control_only).collect()
}

/// Device number of a node.
fn number(path: &Path) -> CaseResult<(u64, u64)> {
    let found =
        stat(path).map_err(|why| Stop::Broken(format!("cannot stat {}: {why}", path.display())))?;
    let kind = SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT;
    equal(&format!("type of {}", path.display()), kind, SFlag::S_IFCHR)?;
    Ok((major(found.st_rdev), minor(found.st_rdev)))
}

/// Name of a node and its folder in sysfs.
fn class_folder(path: &Path) -> CaseResult<(String, PathBuf)> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let folder = Path::new("/sys/class/accel").join(&name);
    check(folder.exists(), &format!("{} exists", folder.display()))?;
    Ok((name, folder))
}

fn there(cx: &Context) -> CaseResult {
    let index = |name: &str, prefix: &str| {
        let index = name.strip_prefix(prefix).and_then(|index| index.parse::<u64>().ok());
        index.ok_or_else(|| Stop::Broken(format!("{name} is no {prefix}N")))
    };
    let mut indices = Vec::new();
    for (path, prefix) in [(&cx.at.compute, "accel"), (&cx.at.control, "accel_controlD")] {
        let (major, minor) = number(path)?;
        let (name, folder) = class_folder(path)?;
        let expected = format!("{major}:{minor}");
        equal(&format!("dev of {name}"), files::read(&folder.join("dev"))?, expected)?;
        indices.push((index(&name, prefix)?, major, minor));
    }
    let [(compute, compute_major, compute_minor), (control, control_major, control_minor)] =
        indices[..]
    else {
        return Err(Stop::Broken("two nodes have two numbers".into()));
    };
    equal("index of the control node", control, compute)?;
    equal("major of the compute node", compute_major, ACCEL_MAJOR)?;
    check(control_major != ACCEL_MAJOR, "the control node has a major of its own")?;
    equal("minors", (compute_minor, control_minor), (compute, control))
}

fn same_function(cx: &Context) -> CaseResult {
    let (name, folder) = class_folder(&cx.at.compute)?;
    let real = |path: PathBuf| {
        std::fs::canonicalize(&path)
            .map_err(|why| Stop::Broken(format!("cannot resolve {}: {why}", path.display())))
    };
    let device = real(folder.join("device"))?;
    equal(&format!("device of {name}"), &device, &real(cx.at.pci.clone())?)?;
    let address = device.file_name().unwrap_or_default().to_string_lossy().into_owned();
    equal("pci_addr", files::attribute(cx, "pci_addr")?, address)
}

/// The kernel makes the nodes for root alone; udev may open them to a group, not to everybody.
fn other_users(cx: &Context) -> CaseResult {
    for path in [&cx.at.compute, &cx.at.control] {
        let said = in_child(|| {
            nix::unistd::setgroups(&[])?;
            nix::unistd::setgid(nix::unistd::Gid::from_raw(65_534))?;
            nix::unistd::setuid(nix::unistd::Uid::from_raw(65_534))?;
            Node::open(path, OFlag::O_RDWR).map(drop)
        })?;
        errno(&format!("open of {} as nobody", path.display()), said, Errno::EACCES)?;
    }
    Ok(())
}

/// A node of our own making, removed at the end.
struct Made(PathBuf);

impl Drop for Made {
    fn drop(&mut self) {
        // What is left in /dev of a guest harms nobody.
        let _ = std::fs::remove_file(&self.0);
    }
}

fn no_device(_cx: &Context, like: &Path, expected: Errno) -> CaseResult {
    let (major, _) = number(like)?;
    let path = PathBuf::from(format!("/dev/gauntlet-{}-{major}", std::process::id()));
    mknod(&path, SFlag::S_IFCHR, Mode::S_IRUSR | Mode::S_IWUSR, makedev(major, NO_DEVICE))
        .map_err(|why| Stop::Broken(format!("mknod {}: {why}", path.display())))?;
    let made = Made(path);
    let minor = NO_DEVICE;
    errno(&format!("open of {major}:{minor}"), Node::open(&made.0, OFlag::O_RDWR), expected)
}
