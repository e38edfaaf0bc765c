// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Words of the device through debugfs: registers and device memory
//! (`debugfs.c: hl_data_read32`, `hl_data_write32`).

use super::files;
use case::{CaseResult, Context, Stop};
use std::path::{Path, PathBuf};

/// The files `addr` and `data32`.
pub struct Window<'a> {
    address: PathBuf,
    data: PathBuf,
    cx: &'a Context,
}

impl<'a> Window<'a> {
    /// Skips where debugfs is not there.
    pub fn new(cx: &'a Context) -> CaseResult<Self> {
        let [address, data] = [files::debugfs(cx, "addr")?, files::debugfs(cx, "data32")?];
        Ok(Window { address, data, cx })
    }

    fn at(&self, address: u64) -> CaseResult<&Path> {
        files::write(&self.address, &format!("{address:#x}"))?;
        Ok(&self.data)
    }

    /// The word at an address of the device.
    pub fn read(&self, address: u64) -> CaseResult<u32> {
        let text = files::read(self.at(address)?)?;
        let word = files::parse(&text).and_then(|number| u32::try_from(number).ok());
        word.ok_or_else(|| Stop::Broken(format!("data32 of {} is {text:?}", self.cx.asic())))
    }

    /// Writes a word.
    pub fn write(&self, address: u64, value: u32) -> CaseResult {
        files::write(self.at(address)?, &format!("{value:#x}"))
    }
}
