// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Command buffers: the CB ioctl (command_buffer.c: hl_cb_ioctl).
//!
//! Not covered: running out of addresses of mapped buffers.

mod create;
mod destroy;
mod flight;
mod info;

use crate::common::files::Disabled;
use crate::common::typed::{compute, need, still_works};
use case::{Case, CaseResult, Context, equal, errno, succeed};
use device::procfs::descriptors;
use device::{CbRequest, Errno};

/// Every case of the area.
pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("cb/any/rejects_unknown_operations", &["CB-GEN-001"], unknown_operations),
        Case::new(
            "cb/any/is_refused_while_the_device_is_disabled",
            &["CB-CREATE-016", "CB-DESTROY-009", "CB-INFO-007"],
            disabled,
        ),
        Case::new("cb/any/threads_create_and_destroy_at_once", &["CB-GEN-002"], threads).budget(60),
    ];
    cases.extend(create::cases());
    cases.extend(destroy::cases());
    cases.extend(flight::cases());
    cases.extend(info::cases());
    cases
}

fn unknown_operations(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    for op in [3, 4, 0x8000_0000, u32::MAX] {
        let request = CbRequest { op, handle: 1, size: 4096, ctx_id: 0, flags: 0 };
        let (result, words) = node.cb_words(&request);
        let at = |stop: case::Stop| stop.request(&request);
        errno("CB with an unknown operation", result, Errno::EINVAL).map_err(at)?;
        equal("first word", words[0], 1).map_err(at)?;
        equal("second word", words[1], u64::from(op) | 4096 << 32).map_err(at)?;
    }
    still_works(&node)
}

fn disabled(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let buffer = succeed("CREATE", node.create_cb(4096, 0))?;
    let off = Disabled::new(cx)?;
    errno("CREATE", node.cb(&CbRequest::create(4096)), Errno::EBUSY)?;
    errno("INFO", node.cb(&CbRequest::usage(buffer.handle())), Errno::EBUSY)?;
    errno("DESTROY", node.cb(&CbRequest::destroy(buffer.handle())), Errno::EBUSY)?;
    drop(off);
    succeed("DESTROY when it is enabled again", buffer.destroy())?;
    still_works(&node)
}

/// Threads and rounds of each.
const THREADS: usize = 4;
const ROUNDS: usize = 250;

fn threads(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let before = need("list of descriptors", descriptors())?;
    let work = || -> Result<Vec<u64>, Errno> {
        let mut handles = Vec::new();
        for round in 0..ROUNDS {
            let size = 4096 << (round % 4);
            let buffer = node.create_cb(size, 0)?;
            handles.push(buffer.handle());
            buffer.write(&[round as u8; 64])?;
            buffer.destroy()?;
        }
        Ok(handles)
    };
    let results = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join()).collect::<Vec<_>>()
    });
    for result in results {
        let result = result.map_err(|_| case::Stop::Broken("a thread panicked".into()))?;
        for handle in succeed("a round of a thread", result)? {
            errno("DESTROY of a destroyed buffer", node.destroy_cb(handle), Errno::EINVAL)?;
        }
    }
    equal("open descriptors", need("list of descriptors", descriptors())?, before)?;
    still_works(&node)
}
