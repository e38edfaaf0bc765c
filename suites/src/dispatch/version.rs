// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! DRM_IOCTL_VERSION: what the driver calls itself.

use crate::common::buffer::{Buffer, FILLINGS};
use crate::common::node::Node;
use case::{Case, CaseResult, Context, Stop, check, equal, errno, succeed};
use nix::errno::Errno;
use uapi::drm::{DRM_IOCTL_VERSION, drm_version};

/// The cases.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new("dispatch/version/names_the_driver_and_the_kernel", &["DISP-013"], identity),
        Case::new("dispatch/version/has_a_short_date_or_none", &["DISP-014"], date),
        Case::new("dispatch/version/copies_no_more_than_asked_for", &["DISP-013"], short),
    ]
}

/// One call with three buffers of this many bytes each.
struct Version {
    buffers: [Buffer; 3],
    numbers: (i32, i32, i32),
    lengths: [usize; 3],
}

impl Version {
    fn ask(node: &Node, room: usize) -> CaseResult<Self> {
        let buffers = [Buffer::new(room)?, Buffer::new(room)?, Buffer::new(room)?];
        let mut request = drm_version::default();
        let [name, date, description] = buffers.each_ref().map(|b| b.before_end(room) as *mut _);
        (request.name, request.date, request.desc) = (name, date, description);
        (request.name_len, request.date_len, request.desc_len) = (room as _, room as _, room as _);
        let argument = std::ptr::from_mut(&mut request) as u64;
        succeed("VERSION", node.ioctl(DRM_IOCTL_VERSION, argument))?;
        let lengths = [request.name_len, request.date_len, request.desc_len].map(|l| l as usize);
        let numbers = (request.version_major, request.version_minor, request.version_patchlevel);
        Ok(Version { buffers, numbers, lengths })
    }

    fn text(&self, field: usize, room: usize) -> String {
        let buffer = &self.buffers[field];
        let bytes = buffer.read(buffer.before_end(room), self.lengths[field].min(room));
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

fn identity(cx: &Context) -> CaseResult {
    let version = Version::ask(&Node::compute(cx)?, 256)?;
    equal("name", version.text(0, 256).as_str(), "habanalabs")?;
    check(!version.text(2, 256).is_empty(), "there is a description")?;
    let kernel = running()?;
    equal("major, minor", (version.numbers.0, version.numbers.1), (kernel.0, kernel.1))?;
    // Distributions do not count stable releases in the name of the release.
    let patch = kernel.2.unwrap_or(version.numbers.2);
    equal("patch level", version.numbers.2, patch)
}

/// The version of the running kernel.
pub fn running() -> CaseResult<(i32, i32, Option<i32>)> {
    let system = nix::sys::utsname::uname().map_err(|why| Stop::Broken(format!("uname: {why}")))?;
    let release = system.release().to_string_lossy().into_owned();
    kernel_version(&release)
        .ok_or_else(|| Stop::Broken(format!("{release:?} is no kernel release")))
}

/// `6.12.117+deb13-amd64`: three numbers; `7.3-amd64`: the third is not said.
fn kernel_version(release: &str) -> Option<(i32, i32, Option<i32>)> {
    let numbers = release.split(|c: char| !c.is_ascii_digit() && c != '.').next()?;
    let mut parts = numbers.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??, parts.next().flatten()))
}

/// 6.12 as first released: 20190505. Later stable releases: "0". 7.3: nothing or "0".
fn date(cx: &Context) -> CaseResult {
    let version = Version::ask(&Node::compute(cx)?, 64)?;
    let date = version.text(1, 64);
    check(["20190505", "0", ""].contains(&date.as_str()), &format!("the date {date:?} is known"))
}

fn short(cx: &Context) -> CaseResult {
    let node = Node::compute(cx)?;
    let version = Version::ask(&node, 3)?;
    equal("name_len", version.lengths[0], "habanalabs".len())?;
    equal("name", version.text(0, 3).as_str(), "hab")?;
    for buffer in &version.buffers {
        let before = buffer.read(buffer.start(), buffer.bytes() - 3);
        check(before.iter().all(|b| *b == FILLINGS[0]), "bytes before the buffers are left alone")?;
    }
    // NULL with a length asks for the lengths; a bad pointer is an error.
    let mut request = drm_version { name_len: 100, ..Default::default() };
    succeed("VERSION", node.ioctl(DRM_IOCTL_VERSION, std::ptr::from_mut(&mut request) as u64))?;
    equal("name_len", request.name_len as usize, "habanalabs".len())?;
    request.name = version.buffers[0].forbidden() as *mut _;
    let argument = std::ptr::from_mut(&mut request) as u64;
    errno("VERSION", node.ioctl(DRM_IOCTL_VERSION, argument), Errno::EFAULT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_releases_are_understood() {
        assert_eq!(kernel_version("6.12.117+deb13-amd64"), Some((6, 12, Some(117))));
        assert_eq!(kernel_version("7.3.4"), Some((7, 3, Some(4))));
        assert_eq!(kernel_version("7.3-amd64"), Some((7, 3, None)));
        assert_eq!(kernel_version("x"), None);
        assert_eq!(kernel_version("6"), None);
    }
}
