// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! EXPORT_DMABUF_FD: what is accepted and what is refused.

use super::{FLAGS, PAGE, export, still_exports};
use crate::common::typed::{compute, device_memory, need};
use case::{Case, CaseResult, Context, check, equal, errno, succeed};
use control::{Asics, Personality};
use device::procfs::descriptors;
use device::{Errno, MemoryRequest, Node};
use hw::memory::GAUDI;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Whence, lseek};

/// Where the users' part of the memory of Gaudi begins.
const USERS: u64 = GAUDI.dram_base + GAUDI.dram_user_offset;

/// Address, size and offset of an export.
type Place = (u64, u64, u64);

/// A rule with places that break it.
struct Refused {
    rule: &'static str,
    row: &'static [&'static str],
    places: &'static [Place],
}

/// All on Gaudi: addresses are physical there.
const REFUSED: &[Refused] = &[
    Refused {
        rule: "rejects_addresses_inside_a_page",
        row: &["DMABUF-007"],
        places: &[(USERS + 1, PAGE, 0), (USERS + 2048, PAGE, 0), (USERS + PAGE - 1, PAGE, 0)],
    },
    Refused {
        rule: "rejects_no_bytes",
        row: &["DMABUF-008"],
        places: &[(USERS, 0, 0), (0, 0, 0), (USERS + 1, 0, 0)],
    },
    Refused {
        rule: "rejects_parts_of_pages",
        row: &["DMABUF-009"],
        places: &[(USERS, 1, 0), (USERS, PAGE - 1, 0), (USERS, PAGE + 1, 0), (USERS, 3 << 9, 0)],
    },
    Refused {
        rule: "rejects_offsets_inside_a_page",
        row: &["DMABUF-010"],
        places: &[(USERS, PAGE, 1), (USERS, PAGE, PAGE - 1), (USERS, PAGE, u64::MAX)],
    },
    Refused {
        rule: "rejects_offsets_without_an_mmu",
        row: &["DMABUF-015"],
        places: &[
            (USERS, PAGE, PAGE),
            (USERS, 2 * PAGE, PAGE),
            (USERS, PAGE, 1 << 63),
            (USERS, PAGE, u64::MAX - PAGE + 1),
        ],
    },
    Refused {
        rule: "rejects_memory_below_the_users_part",
        row: &["DMABUF-016"],
        places: &[
            (0, PAGE, 0),
            (USERS - PAGE, PAGE, 0),
            (USERS - PAGE, 2 * PAGE, 0),
            (GAUDI.dram_base + GAUDI.page_tables, PAGE, 0),
        ],
    },
    Refused {
        rule: "rejects_memory_behind_the_end",
        row: &["DMABUF-017"],
        places: &[
            (1 << 40, PAGE, 0),
            (USERS, 1 << 40, 0),
            (GAUDI.cfg_base, PAGE, 0),
            (GAUDI.sram_base, PAGE, 0),
            (GAUDI.host_va.0, PAGE, 0),
        ],
    },
    Refused {
        rule: "rejects_ranges_that_wrap",
        row: &["DMABUF-017"],
        places: &[
            (USERS, u64::MAX - PAGE + 1, 0),
            (USERS, USERS.wrapping_neg(), 0),
            (USERS, (USERS - PAGE).wrapping_neg(), 0),
            (u64::MAX - PAGE + 1, PAGE, 0),
            (1 << 63, 1 << 63, 0),
        ],
    },
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new(
            "dmabuf/export/gives_a_descriptor_of_the_size",
            &["DMABUF-014", "ABI-030"],
            sizes,
        )
        .on(Asics::GAUDI),
        Case::new("dmabuf/export/takes_the_last_page", &["DMABUF-014", "DMABUF-017"], last)
            .on(Asics::GAUDI)
            .model(),
        Case::new("dmabuf/export/rejects_memory_outside_of_the_bar", &["DMABUF-013"], outside)
            .on(Asics::GAUDI)
            .model()
            .personality("small_bar", small_bar),
        Case::new("dmabuf/export/closes_on_exec_when_asked", &["DMABUF-018"], cloexec),
        Case::new("dmabuf/export/takes_any_flags", &["DMABUF-020"], flags),
        Case::new("dmabuf/export/refusal_leaves_no_descriptor", &["DMABUF-022"], refusal),
        Case::new("dmabuf/export/fails_when_descriptors_run_out", &["DMABUF-019"], exhausted)
            .logs(&["failed to get a file descriptor for a dma-buf"])
            .budget(30),
        Case::new("dmabuf/export/gives_everything_back", &["DMABUF-014"], repeated)
            .on(Asics::GAUDI)
            .budget(30),
        Case::new("dmabuf/export/survives_a_thread_that_closes", &["DMABUF-020"], race).budget(60),
    ];
    cases.extend(REFUSED.iter().map(|rule| {
        let name = format!("dmabuf/export/{}", rule.rule);
        Case::new(name, rule.row, move |cx| refused(cx, rule.places)).on(Asics::GAUDI)
    }));
    cases
}

fn refused(cx: &Context, places: &[Place]) -> CaseResult {
    let node = compute(cx)?;
    let open = need("list of descriptors", descriptors())?;
    for (address, size, offset) in places {
        let request = MemoryRequest::export(*address, *size, *offset, FLAGS);
        let result = node.export(&request);
        errno("EXPORT", result, Errno::EINVAL).map_err(|stop| stop.request(&request))?;
    }
    equal("open descriptors", need("list of descriptors", descriptors())?, open)?;
    still_exports(cx, &node)
}

fn sizes(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    for size in [PAGE, 3 * PAGE, 2 << 20, (2 << 20) + PAGE, 1 << 30, 8 << 30] {
        for address in [USERS, USERS + PAGE, USERS + (1 << 30)] {
            let request = MemoryRequest::export(address, size, 0, FLAGS);
            let buffer =
                succeed("EXPORT", node.export(&request)).map_err(|stop| stop.request(&request))?;
            let end = succeed("lseek to the end", lseek(&buffer, 0, Whence::SeekEnd))?;
            equal("size of the dma-buf", end as u64, size)?;
        }
    }
    still_exports(cx, &node)
}

fn last(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let end = GAUDI.dram_base + cx.model()?.personality()?.dram_bytes;
    let page = MemoryRequest::export(end - PAGE, PAGE, 0, FLAGS);
    succeed("EXPORT of the last page", node.export(&page))?;
    let all = MemoryRequest::export(USERS, end - USERS, 0, FLAGS);
    succeed("EXPORT of everything", node.export(&all))?;
    for (address, size) in [(end, PAGE), (end - PAGE, 2 * PAGE), (USERS, end - USERS + PAGE)] {
        let request = MemoryRequest::export(address, size, 0, FLAGS);
        let result = node.export(&request);
        errno("EXPORT", result, Errno::EINVAL).map_err(|stop| stop.request(&request))?;
    }
    still_exports(cx, &node)
}

/// Bytes of the window in [`small_bar`].
const WINDOW: u64 = 4 << 30;

fn small_bar(card: &mut Personality) {
    card.dram_bar_bytes = WINDOW;
}

fn outside(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let end = GAUDI.dram_base + WINDOW;
    let inside = MemoryRequest::export(end - PAGE, PAGE, 0, FLAGS);
    succeed("EXPORT of the last page of the window", node.export(&inside))?;
    for (address, size) in [(end, PAGE), (end - PAGE, 2 * PAGE), (USERS, WINDOW)] {
        let request = MemoryRequest::export(address, size, 0, FLAGS);
        let result = node.export(&request);
        errno("EXPORT", result, Errno::EINVAL).map_err(|stop| stop.request(&request))?;
    }
    still_exports(cx, &node)
}

fn closes_on_exec(buffer: &device::DmaBuf) -> CaseResult<bool> {
    use nix::fcntl::{FcntlArg, FdFlag, fcntl};
    let bits = need("F_GETFD", fcntl(buffer, FcntlArg::F_GETFD))?;
    Ok(FdFlag::from_bits_retain(bits).contains(FdFlag::FD_CLOEXEC))
}

fn cloexec(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let address = device_memory(cx, &node, PAGE)?;
    let cases = [(FLAGS, true), (libc::O_RDWR as u32, false), (libc::O_CLOEXEC as u32, true)];
    for (flags, wanted) in cases {
        let request = MemoryRequest::export(address, PAGE, 0, flags);
        let buffer =
            succeed("EXPORT", node.export(&request)).map_err(|stop| stop.request(&request))?;
        equal(&format!("FD_CLOEXEC with flags {flags:#x}"), closes_on_exec(&buffer)?, wanted)?;
    }
    still_exports(cx, &node)
}

/// Bits of the access mode and of `O_NONBLOCK`: what a dma-buf takes over
/// (`dma-buf.c: dma_buf_getfile`).
const KEPT: i32 = libc::O_ACCMODE | libc::O_NONBLOCK;

fn flags(cx: &Context) -> CaseResult {
    use nix::fcntl::{FcntlArg, fcntl};
    let node = compute(cx)?;
    let address = device_memory(cx, &node, PAGE)?;
    let single = (0..32).map(|bit| 1u32 << bit);
    for flags in single.chain([0, 2, 3, 0xffff_0000, u32::MAX]) {
        let request = MemoryRequest::export(address, PAGE, 0, flags);
        let buffer =
            succeed("EXPORT", node.export(&request)).map_err(|stop| stop.request(&request))?;
        let got = need("F_GETFL", fcntl(&buffer, FcntlArg::F_GETFL))? & KEPT;
        equal(&format!("mode with flags {flags:#x}"), got, flags as i32 & KEPT)?;
    }
    still_exports(cx, &node)
}

fn refusal(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let address = device_memory(cx, &node, PAGE)?;
    for (address, size) in [(address, 0), (address + 1, PAGE), (address, PAGE + 1), (0, PAGE)] {
        let request = MemoryRequest::export(address, size, 0, FLAGS);
        let (result, words) = node.memory_words(&request);
        errno("EXPORT", result, Errno::EINVAL).map_err(|stop| stop.request(&request))?;
        let bad = u64::from((-(Errno::EBADF as i32)) as u32);
        equal("answer", words, [bad, 0, 0, 0, 0]).map_err(|stop| stop.request(&request))?;
    }
    still_exports(cx, &node)
}

/// Exports of a case that repeats.
const ROUNDS: usize = 300;

fn exhausted(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let address = device_memory(cx, &node, PAGE)?;
    let (soft, hard) = need("RLIMIT_NOFILE", getrlimit(Resource::RLIMIT_NOFILE))?;
    let highest = need("list of descriptors", descriptors())?;
    let highest = highest.last().map_or(0, |(number, _)| u64::from(*number));
    // Every number up to the highest in use is taken first.
    let mut fill = Vec::new();
    loop {
        let next = need("dup", node.duplicate())?;
        let number = std::os::fd::AsRawFd::as_raw_fd(&std::os::fd::AsFd::as_fd(&next));
        if number as u64 > highest {
            break;
        }
        fill.push(next);
    }
    need("lower limit", setrlimit(Resource::RLIMIT_NOFILE, highest + 1, hard))?;
    let request = MemoryRequest::export(address, PAGE, 0, FLAGS);
    let mut results = Vec::new();
    for _ in 0..ROUNDS {
        results.push(node.memory_words(&request));
    }
    need("limit as before", setrlimit(Resource::RLIMIT_NOFILE, soft, hard))?;
    drop(fill);
    let bad = u64::from((-(Errno::EBADF as i32)) as u32);
    for (result, words) in results {
        errno("EXPORT without a free descriptor", result, Errno::EMFILE)?;
        equal("answer", words, [bad, 0, 0, 0, 0])?;
    }
    still_exports(cx, &node)
}

fn repeated(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    for _ in 0..ROUNDS {
        export(cx, &node, 1 << 30)?;
    }
    let many: Vec<_> = (0..100).map(|_| export(cx, &node, PAGE)).collect::<CaseResult<_>>()?;
    check(many.len() == 100, "many exports of the same memory live at once")?;
    drop(many);
    let open = need("list of descriptors", descriptors())?;
    let left = open.iter().filter(|(_, target)| target.contains("dmabuf")).count();
    equal("descriptors of dma-bufs", left, 0)?;
    still_exports(cx, &node)
}

/// A second thread closes descriptors as soon as they may be there.
fn race(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let address = device_memory(cx, &node, PAGE)?;
    let request = MemoryRequest::export(address, PAGE, 0, FLAGS);
    let probe = need("dup", node.duplicate())?;
    let number = std::os::fd::AsRawFd::as_raw_fd(&std::os::fd::AsFd::as_fd(&probe));
    drop(probe);
    let done = std::sync::atomic::AtomicBool::new(false);
    let results: Vec<Result<(), Errno>> = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                // Only the exports of the other thread ever have this number.
                // SAFETY: nothing of this process owns the descriptor.
                unsafe { libc::close(number) };
            }
        });
        let results = (0..ROUNDS).map(|_| one_of_race(&node, &request)).collect();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        results
    });
    for result in results {
        succeed("EXPORT", result)?;
    }
    still_exports(cx, &node)
}

/// Exports, and waits until the other thread has closed.
fn one_of_race(node: &Node, request: &MemoryRequest) -> Result<(), Errno> {
    let (result, words) = node.memory_words(request);
    result?;
    // SAFETY: asks about a number; whoever has it is left alone.
    while unsafe { libc::fcntl(words[0] as i32, libc::F_GETFD) } >= 0 {
        std::thread::yield_now();
    }
    Ok(())
}
