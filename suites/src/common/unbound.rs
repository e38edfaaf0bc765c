// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The card without its driver, and bound again (`/sys/bus/pci/drivers/habanalabs`).

use super::submit::operational;
use super::{files, wait};
use case::{CaseResult, Context, Stop, check};
use nix::errno::Errno;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a probe may take.
const LIMIT: Duration = Duration::from_secs(60);

/// The device without its driver, which comes back when this is dropped.
pub struct Unbound<'a> {
    cx: &'a Context,
    driver: PathBuf,
    device: String,
}

impl<'a> Unbound<'a> {
    /// Unbinds.
    pub fn new(cx: &'a Context) -> CaseResult<Self> {
        let driver = cx.at.pci.join("driver").canonicalize();
        let driver = driver
            .map_err(|why| Stop::Broken(format!("{} has no driver: {why}", cx.at.pci.display())))?;
        let unbound = Unbound { cx, driver, device: files::pci_name(cx)? };
        files::write(&unbound.driver.join("unbind"), &unbound.device)?;
        Ok(unbound)
    }

    /// Binds the driver again; the device is operational afterwards.
    pub fn bind(self) -> CaseResult {
        let cx = self.cx;
        self.bind_as(&cx.at.compute, &cx.at.control)?;
        operational(cx)
    }

    /// What the kernel says to a bind.
    pub fn try_bind(&self) -> Result<(), Errno> {
        let result = std::fs::write(self.driver.join("bind"), &self.device);
        result.map_err(|why| Errno::from_raw(why.raw_os_error().unwrap_or(0)))
    }

    /// Binds the driver again, which makes these nodes.
    pub fn bind_as(self, compute: &Path, control: &Path) -> CaseResult {
        files::write(&self.driver.join("bind"), &self.device)?;
        let back = wait::until(LIMIT, || Ok((compute.exists() && control.exists()).then_some(())))?;
        check(back.is_some(), "both nodes are there after bind")
    }
}

impl Drop for Unbound<'_> {
    fn drop(&mut self) {
        if !self.cx.at.pci.join("driver").exists() {
            // The next case says when the device does not come back.
            let _ = std::fs::write(self.driver.join("bind"), &self.device);
        }
    }
}
