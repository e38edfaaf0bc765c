// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The module of fixtures/importer, where it is loaded.

use case::{CaseResult, Stop};
use device::{Errno, Importer};

/// The importer; skips without the module.
pub fn importer() -> CaseResult<Importer> {
    match Importer::open() {
        Ok(importer) => Ok(importer),
        Err(Errno::ENOENT) => Err(Stop::Skip("needs the importer module".into())),
        Err(errno) => Err(Stop::Broken(format!("open of the importer gives {errno:?}"))),
    }
}
