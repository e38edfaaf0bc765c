// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What an importer is told (memory.c: hl_dmabuf_attach, hl_map_dmabuf). The importer is the
//! module of fixtures/importer.
//!
//! Memory behind the BAR has no pages, so only peer-to-peer importers may map it, and only where
//! the kernel finds a way between the two devices. Kernels without CONFIG_PCI_P2PDMA find none.

use super::bus::{P2PDMA, importing, p2pdma, pieces, window};
use super::mapped::{DEVICE_PAGE, mapping};
use super::{FLAGS, PAGE, export, still_exports};
use crate::common::importer::importer;
use crate::common::typed::compute;
use crate::common::{files, wait};
use case::{Case, CaseResult, Context, Stop, check, equal, errno, require, succeed};
use control::Asics;
use device::importer::{Attach, Direction, Entry, Importing};
use device::{DmaBuf, Errno, Importer, MemoryRequest, Node};
use hw::memory::GAUDI;
use std::os::fd::AsFd;
use std::time::Duration;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("dmabuf/import/static_importers_attach_but_cannot_map", &["DMABUF-025"], fixed),
        Case::new(
            "dmabuf/import/importers_without_peer_to_peer_cannot_map",
            &["DMABUF-025"],
            |cx| never(cx, Attach::Dynamic, Importing::Own),
        ),
        Case::new("dmabuf/import/no_way_between_devices_is_refused", &["DMABUF-025"], |cx| {
            never(cx, Attach::Peer, Importing::Own)
        }),
        Case::new("dmabuf/import/without_p2pdma_even_the_card_is_refused", &["DMABUF-025"], |cx| {
            require(!p2pdma()?, "needs a kernel without CONFIG_PCI_P2PDMA")?;
            never(cx, Attach::Peer, card(cx)?)
        }),
        Case::new("dmabuf/import/an_attachment_keeps_the_device_in_use", &["DMABUF-029"], keeps),
        Case::new("dmabuf/import/peers_get_addresses_in_the_bar", &["DMABUF-026"], peers)
            .kernel_exports(P2PDMA)
            .on(Asics::GAUDI),
        Case::new("dmabuf/import/pages_apart_are_entries_apart", &["DMABUF-028"], apart)
            .kernel_exports(P2PDMA)
            .on(Asics::GAUDI2),
        Case::new("dmabuf/import/rejects_importers_of_less_than_a_page", &["DMABUF-027"], tiny)
            .kernel_exports(P2PDMA)
            .logs(&["can't be smaller than PAGE_SIZE"]),
        Case::new("dmabuf/import/a_mapping_outlives_device_and_dmabuf", &["DMABUF-029"], outlives)
            .kernel_exports(P2PDMA),
    ]
}

/// The card itself as the importing device: the shortest way there is.
fn card(cx: &Context) -> CaseResult<Importing> {
    importing(&files::pci_name(cx)?)
}

/// Attachments and mappings of a case that repeats.
const ROUNDS: usize = 50;

fn fixed(cx: &Context) -> CaseResult {
    let importer = importer()?;
    let node = compute(cx)?;
    let buffer = export(cx, &node, 3 * PAGE)?;
    for _ in 0..ROUNDS {
        let attached = importer.attach(buffer.as_fd(), Attach::Static, Importing::Own);
        let attached = succeed("attach", attached)?;
        equal("size", attached.size, 3 * PAGE)?;
        equal("peer-to-peer", attached.peer, false)?;
        for direction in [Direction::Both, Direction::ToDevice, Direction::FromDevice] {
            errno("map", importer.map(direction), Errno::EPERM)?;
        }
        succeed("detach", importer.detach())?;
    }
    drop(buffer);
    still_exports(cx, &node)
}

/// Attaching or mapping is refused. Where kernels do not let dynamic importers map later
/// (CONFIG_DMABUF_MOVE_NOTIFY, or an exporter that cannot pin), attaching maps.
pub(super) fn never(cx: &Context, mode: Attach, device: Importing) -> CaseResult {
    let importer = importer()?;
    let node = compute(cx)?;
    let buffer = export(cx, &node, PAGE)?;
    for _ in 0..ROUNDS {
        match importer.attach(buffer.as_fd(), mode, device) {
            Err(refused) => equal("errno of attach", refused, Errno::EPERM)?,
            Ok(attached) => {
                equal("peer-to-peer", attached.peer, false)?;
                errno("map", importer.map(Direction::Both), Errno::EPERM)?;
                succeed("detach", importer.detach())?;
            }
        }
    }
    drop(buffer);
    still_exports(cx, &node)
}

fn keeps(cx: &Context) -> CaseResult {
    let importer = importer()?;
    let node = compute(cx)?;
    let buffer = export(cx, &node, PAGE)?;
    succeed("attach", importer.attach(buffer.as_fd(), Attach::Static, Importing::Own))?;
    drop(buffer);
    succeed("close of the device", node.close())?;
    errno("open while it is attached", Node::open(&cx.at.compute), Errno::EBUSY)?;
    errno("map", importer.map(Direction::Both), Errno::EPERM)?;
    succeed("detach", importer.detach())?;
    still_exports(cx, &freed(cx)?)
}

/// The compute node, which the last user is just leaving.
pub(super) fn freed(cx: &Context) -> CaseResult<Node> {
    let node = wait::until(Duration::from_secs(5), || Ok(Node::open(&cx.at.compute).ok()))?;
    match node {
        Some(node) => Ok(node),
        None => case::fail("the device is still in use 5 s after the importer let go"),
    }
}

/// Attached as a peer; skips where the kernel or the machine cannot.
fn attached(cx: &Context, importer: &Importer, buffer: &DmaBuf) -> CaseResult {
    require(p2pdma()?, "needs CONFIG_PCI_P2PDMA")?;
    succeed("attach", importer.attach(buffer.as_fd(), Attach::Peer, card(cx)?)).map(drop)
}

fn peers(cx: &Context) -> CaseResult {
    let importer = importer()?;
    let node = compute(cx)?;
    let users = GAUDI.dram_user_offset;
    let (start, _) = window(&cx.at.pci)?;
    for (offset, size) in [(users, PAGE), (users + (1 << 30), 3 * PAGE), (users, 6 << 30)] {
        let request = MemoryRequest::export(GAUDI.dram_base + offset, size, 0, FLAGS);
        let buffer = succeed("EXPORT", node.export(&request))?;
        attached(cx, &importer, &buffer)?;
        let entries = succeed("map", importer.map(Direction::Both))?;
        let mut next = start + offset;
        for Entry { address, length, has_pages } in &entries {
            equal("address", *address, next)?;
            check(length % PAGE == 0 && *length > 0, "an entry has whole pages")?;
            check(!has_pages, "device memory has no pages of the host")?;
            next += length;
        }
        equal("bytes of all entries", next - start - offset, size)?;
        succeed("unmap", importer.unmap())?;
        succeed("detach", importer.detach())?;
    }
    still_exports(cx, &node)
}

/// A buffer of two pages of the device with a third between them that is another's: pages are taken
/// one by one, the lowest first (memory.c: alloc_device_memory).
fn apart(cx: &Context) -> CaseResult {
    let importer = importer()?;
    let node = compute(cx)?;
    let mut pages = Vec::new();
    for _ in 0..3 {
        pages.push(succeed("ALLOC of a page", node.alloc(1, 0, 0))?);
    }
    drop((pages.remove(2), pages.remove(0)));
    let map = mapping(&node, 2 * DEVICE_PAGE)?;
    let exported = |size, offset| {
        let request = MemoryRequest::export(map.address(), size, offset, FLAGS);
        let buffer = succeed("EXPORT", node.export(&request))?;
        attached(cx, &importer, &buffer)?;
        let found = pieces(&succeed("map", importer.map(Direction::Both))?, None)?;
        succeed("detach", importer.detach())?;
        Ok::<_, Stop>(found)
    };
    let whole = exported(2 * DEVICE_PAGE, 0)?;
    let [(first, _), (second, _)] = whole[..] else {
        return case::fail(format!("two pages apart are {whole:?}"));
    };
    equal("bytes of the pieces", &whole, &vec![(first, DEVICE_PAGE), (second, DEVICE_PAGE)])?;
    let part = exported(2 * PAGE, DEVICE_PAGE - PAGE)?;
    let wanted = vec![(first + DEVICE_PAGE - PAGE, PAGE), (second, PAGE)];
    equal("the end of one page and the start of the other", part, wanted)?;
    drop((map, pages));
    still_exports(cx, &node)
}

fn tiny(cx: &Context) -> CaseResult {
    let importer = importer()?;
    let node = compute(cx)?;
    let buffer = export(cx, &node, 3 * PAGE)?;
    attached(cx, &importer, &buffer)?;
    for bytes in [1, PAGE as u32 - 1] {
        succeed("limit of segments", importer.limit_segments(bytes))?;
        errno("map", importer.map(Direction::Both), Errno::EINVAL)?;
    }
    for (bytes, entries) in [(PAGE as u32, 3), (2 * PAGE as u32 - 1, 3), (2 * PAGE as u32, 2)] {
        succeed("limit of segments", importer.limit_segments(bytes))?;
        let map = succeed("map", importer.map(Direction::Both))?;
        equal(&format!("entries of at most {bytes} bytes"), map.len(), entries)?;
        succeed("unmap", importer.unmap())?;
    }
    succeed("detach", importer.detach())?;
    drop(buffer);
    still_exports(cx, &node)
}

fn outlives(cx: &Context) -> CaseResult {
    let importer = importer()?;
    let node = compute(cx)?;
    let buffer = export(cx, &node, PAGE)?;
    attached(cx, &importer, &buffer)?;
    let before = succeed("map", importer.map(Direction::Both))?;
    drop(buffer);
    succeed("close of the device", node.close())?;
    errno("open while it is mapped", Node::open(&cx.at.compute), Errno::EBUSY)?;
    succeed("unmap", importer.unmap())?;
    let again = succeed("map again", importer.map(Direction::Both))?;
    equal("addresses", again, before)?;
    succeed("detach", importer.detach())?;
    still_exports(cx, &freed(cx)?)
}
