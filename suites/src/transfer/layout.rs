// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Copies of host memory whose physical pages are in long runs: the driver maps with huge pages
//! where it can (memory.c: init_phys_pg_pack_from_userptr), and must not where a run begins or
//! ends inside of one.

use super::{places, same};
use crate::common::submit::Card;
use crate::common::typed::need;
use case::{Case, CaseResult, Context, Stop, succeed};
use control::Asics;
use device::{Pages, procfs};
use rand::RngCore;

pub(super) fn cases() -> Vec<Case> {
    let rows = &["MEM-MAPH-003", "MEM-MAPH-004", "GRAPH-001"];
    vec![
        Case::new("transfer/copy/runs_of_pages_that_begin_anywhere", rows, runs)
            .on(Asics::GAUDI)
            .budget(60),
    ]
}

/// Bytes of a huge page of host and device.
const HUGE: usize = 2 << 20;
const PAGE: usize = 4096;
/// Huge pages in which a pair is looked for that lies side by side in the host's memory.
const PLACES: usize = 16;

/// Parts of two huge pages side by side: where they begin, and their bytes.
const PARTS: &[(usize, usize)] = &[
    (0, HUGE),
    (0, 2 * HUGE),
    // As long as a huge page, and one run, but not where a huge page is.
    (PAGE, HUGE),
    (HUGE / 2, HUGE),
    (HUGE - PAGE, HUGE),
    // Behind a start that is no huge page's there is one.
    (PAGE, 2 * HUGE - PAGE),
    (HUGE - PAGE, HUGE + PAGE),
    // One, and a part.
    (0, HUGE + PAGE),
    (PAGE, PAGE),
];

/// Where the first of two huge pages begins whose physical pages are all in a row.
fn pair(pages: &Pages) -> CaseResult<usize> {
    let count = 2 * HUGE / PAGE;
    for at in 0..PLACES - 1 {
        let address = pages.pointer(at * HUGE).address();
        let frames = need("physical pages", procfs::frames(address, count))?;
        let row = |pair: &[u64]| pair[0] != 0 && pair[1] == pair[0] + 1;
        if frames[0] % (HUGE / PAGE) as u64 == 0 && frames.windows(2).all(row) {
            return Ok(at * HUGE);
        }
    }
    Err(Stop::Skip("needs two huge pages side by side in the memory of the host".into()))
}

fn runs(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let (_, dram) = places(&card)?;
    let pages = need("memory", Pages::aligned(PLACES * HUGE, HUGE))?;
    need("huge pages", pages.prefer_huge())?;
    pages.fill(0);
    let start = pair(&pages)?;
    let mut content = vec![0; 2 * HUGE];
    let mut random = cx.rng();
    for &(from, size) in PARTS {
        let at = |stop: Stop| stop.request(&format_args!("{size:#x} bytes from {from:#x} on"));
        random.fill_bytes(&mut content);
        pages.write(start, &content);
        let map = succeed("MAP", card.node.map_host_part(&pages, start + from, size, 0, 0))
            .map_err(at)?;
        let up = card.program().copy(map.address(), dram, size as u32);
        card.run(&card.job(card.upload(0), &up)?).map_err(at)?;
        // Other bytes there; the device brings back those from before.
        pages.write(start, &vec![0x5c; 2 * HUGE]);
        let down = card.program().copy(dram, map.address(), size as u32);
        card.run(&card.job(card.download(0), &down)?).map_err(at)?;
        let mut expected = vec![0x5c; 2 * HUGE];
        expected[from..from + size].copy_from_slice(&content[from..from + size]);
        same("both huge pages", &pages.bytes(start, 2 * HUGE), &expected).map_err(at)?;
        succeed("UNMAP", map.unmap()).map_err(at)?;
    }
    Ok(())
}
