// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The file `device`: switches the device off and on (debugfs.c: hl_device_write).

use super::folder;
use crate::common::files::attribute;
use crate::common::typed::{compute, still_works};
use case::{Case, CaseResult, Context, equal, errno, succeed};
use device::{CbRequest, Errno};

pub(super) fn cases() -> Vec<Case> {
    vec![Case::new("debugfs/device/disables_and_enables", &["DBGFS-064", "DBGFS-065"], switches)]
}

fn switches(cx: &Context) -> CaseResult {
    let files = folder(cx)?;
    let node = compute(cx)?;
    for (off, on) in [("disable", "enable"), ("disable\n", "enable\n"), ("disabled", "enabled")] {
        succeed("write", files.write("device", off))?;
        let seen = errno("CREATE", node.cb(&CbRequest::create(4096)), Errno::EBUSY)
            .and_then(|()| equal("status", attribute(cx, "status")?.as_str(), "Disabled"));
        succeed("write", files.write("device", on))?;
        seen?;
        equal("status", attribute(cx, "status")?.as_str(), "Operational")?;
        still_works(&node)?;
    }
    Ok(())
}
