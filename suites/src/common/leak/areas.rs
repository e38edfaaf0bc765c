// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Areas of vmalloc by the function that asked for them (`/proc/vmallocinfo`).

use crate::common::files;
use case::{CaseResult, Stop};
use std::collections::BTreeMap;

/// How many areas each function holds.
pub type Areas = BTreeMap<String, u64>;

/// Stacks of threads, which come and go with the kernel's own workers.
const STACKS: [&str; 3] = ["dup_task_struct", "alloc_thread_stack_node", "copy_process"];

/// Those of all functions but stacks; skips where the kernel does not tell.
pub fn all() -> CaseResult<Areas> {
    let areas = parse(&files::read("/proc/vmallocinfo".as_ref())?, "");
    if areas.is_empty() {
        return Err(Stop::Skip("needs areas in /proc/vmallocinfo".into()));
    }
    Ok(areas)
}

/// Those of the driver's functions.
pub fn of_driver() -> CaseResult<Areas> {
    Ok(parse(&files::read("/proc/vmallocinfo".as_ref())?, "[habanalabs]"))
}

/// A line: range, bytes, function+offset, module. Areas that wait to be freed have no function.
fn parse(text: &str, module: &str) -> Areas {
    let mut areas = Areas::new();
    for line in text.lines().filter(|line| line.contains(module)) {
        let function = line.split_whitespace().nth(2).and_then(|word| word.split_once('+'));
        let Some((function, _)) = function else { continue };
        if !STACKS.contains(&function) {
            *areas.entry(function.to_string()).or_default() += 1;
        }
    }
    areas
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "0x00000000a-0x00000000b    8192 gen_pool_add_owner+0x42/0xc0 pages=1 vmalloc\n\
        0x00000000c-0x00000000d   20480 dup_task_struct+0x5b/0x1b0 pages=4 vmalloc\n\
        0x00000000e-0x00000000f  135168 unpurged vm_area\n\
        0x00000000e-0x00000000f    8192 hl_ts_alloc_buf+0x7/0x9 [habanalabs] pages=1 vmalloc\n\
        0x00000000e-0x00000000f    8192 gen_pool_add_owner+0x42/0xc0 pages=1 vmalloc";

    #[test]
    fn areas_are_counted_by_function() {
        let pool = ("gen_pool_add_owner".to_string(), 2);
        let driver = ("hl_ts_alloc_buf".to_string(), 1);
        assert_eq!(parse(TEXT, ""), Areas::from([pool, driver.clone()]));
        assert_eq!(parse(TEXT, "[habanalabs]"), Areas::from([driver]));
        assert!(parse("", "").is_empty());
    }
}
