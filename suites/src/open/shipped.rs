// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The compute node of the driver as it is shipped, without the declared workaround of the run.
//!
//! Defect D1: `hl_fops` lacks FOP_UNSIGNED_OFFSET. Since 641bb4394f40 (6.12-rc1) DRM core warns and
//! refuses every open of such a driver with EINVAL (`drm_file.c: drm_open_helper`). Trees with the
//! fix pass here, stock kernels do not: a known issue of theirs.

use super::compute::works;
use crate::common::node::Node;
use case::{Case, CaseResult, Context, succeed};

/// The cases.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new("open/compute/can_be_opened_as_shipped", &["OPEN-002"], as_shipped)
            .control_only()
            .as_shipped(),
    ]
}

fn as_shipped(cx: &Context) -> CaseResult {
    let node = succeed("open of the compute node, driver as shipped", Node::try_compute(cx))?;
    works(&node)?;
    succeed("close", node.close())
}
