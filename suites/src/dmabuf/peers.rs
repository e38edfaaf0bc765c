// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Importers on the PCI bus of the card (memory.c: hl_dmabuf_attach, which asks the kernel for the
//! distance of the two devices): another card behind the same PCIe switch, and an endpoint to which
//! the way is through the host bridge.
//!
//! Not covered: that the other card reaches the memory; the importer only reports addresses.

use super::bus::{P2PDMA, Piece, Sibling, apart, importing, p2pdma, pieces, sibling, window};
use super::import::{freed, never};
use super::{PAGE, export, still_exports};
use crate::common::files;
use crate::common::importer::importer;
use crate::common::typed::compute;
use case::{Cards, Case, CaseResult, Context, Stop, equal, errno, require, succeed};
use device::importer::{Attach, Direction, Importing};
use device::{DmaBuf, Errno, Importer, Node};
use std::os::fd::AsFd;
use std::path::Path;

/// What the kernel says of two devices without a way.
const NO_WAY: &str = "cannot be used for peer-to-peer DMA";

pub(super) fn cases() -> Vec<Case> {
    let cases = [
        Case::new("dmabuf/peers/behind_one_switch_get_addresses_in_the_bar", &["DMABUF-026"], near),
        Case::new("dmabuf/peers/each_card_gives_addresses_of_its_own_bar", &["DMABUF-026"], both),
        Case::new("dmabuf/peers/must_ask_for_peer_to_peer", &["DMABUF-025"], unasked),
        Case::new("dmabuf/peers/behind_the_host_bridge_need_its_leave", &["DMABUF-025"], far)
            .logs(&[NO_WAY]),
        Case::new("dmabuf/peers/a_mapping_outlives_device_and_dmabuf", &["DMABUF-029"], outlives),
    ];
    cases.into_iter().map(|case| case.cards(Cards::Switch).kernel_exports(P2PDMA)).collect()
}

const SIZES: &[u64] = &[PAGE, 3 * PAGE, (1 << 20) + PAGE, 64 << 20];
const DIRECTIONS: &[Direction] = &[Direction::Both, Direction::ToDevice, Direction::FromDevice];
/// Largest segments that the importing device takes; none: as its driver told the kernel.
const SEGMENTS: &[Option<u32>] = &[None, Some(1 << 20), Some((2 << 20) - 1), Some(u32::MAX)];

/// The other card, where the kernel can find a way to it at all.
fn other(cx: &Context) -> CaseResult<Sibling> {
    require(p2pdma()?, "needs CONFIG_PCI_P2PDMA")?;
    sibling(cx)
}

/// The importer, attached as a peer.
fn attached(buffer: &DmaBuf, device: Importing) -> CaseResult<Importer> {
    let importer = importer()?;
    let told = importer.attach(buffer.as_fd(), Attach::Peer, device);
    equal("peer-to-peer", succeed("attach", told)?.peer, true)?;
    Ok(importer)
}

/// Maps, checks that all of it is in the BAR of the card, unmaps.
fn mapped(
    importer: &Importer,
    direction: Direction,
    segment: Option<u32>,
    (pci, size): (&Path, u64),
) -> CaseResult<Vec<Piece>> {
    let entries = succeed("map", importer.map(direction))?;
    let pieces = pieces(&entries, segment)?;
    let (bar, room) = window(pci)?;
    for (start, bytes) in &pieces {
        let inside = *start >= bar && start + bytes <= bar + room;
        let place = format!("{bytes} bytes at {start:#x} are in the {room} at {bar:#x}");
        equal(&place, inside, true)?;
    }
    equal("bytes of all entries", pieces.iter().map(|(_, bytes)| bytes).sum(), size)?;
    succeed("unmap", importer.unmap())?;
    Ok(pieces)
}

/// The other card is told the same addresses as the card itself, whatever it asks for.
fn near(cx: &Context) -> CaseResult {
    let other = other(cx)?;
    let own = importing(&files::pci_name(cx)?)?;
    let node = compute(cx)?;
    for size in SIZES {
        let buffer = export(cx, &node, *size)?;
        let place = (cx.at.pci.as_path(), *size);
        let wanted = mapped(&attached(&buffer, own)?, Direction::Both, None, place)?;
        for segment in SEGMENTS {
            let importer = attached(&buffer, other.importing)?;
            if let Some(bytes) = segment {
                succeed("limit of segments", importer.limit_segments(*bytes))?;
            }
            for direction in DIRECTIONS {
                let got = mapped(&importer, *direction, *segment, place)?;
                equal("pieces on the bus", &got, &wanted)?;
            }
            succeed("detach", importer.detach())?;
        }
    }
    still_exports(cx, &node)
}

/// Two cards export and import from each other at the same time.
fn both(cx: &Context) -> CaseResult {
    let other = other(cx)?;
    let own = importing(&files::pci_name(cx)?)?;
    let node = compute(cx)?;
    let second = succeed("open of the other card", Node::open(&other.compute))?;
    let size = 3 * PAGE;
    let (buffer, theirs) = (export(cx, &node, size)?, export(cx, &second, size)?);
    let (there, here) = (attached(&buffer, other.importing)?, attached(&theirs, own)?);
    for direction in DIRECTIONS {
        mapped(&there, *direction, None, (&cx.at.pci, size))?;
        mapped(&here, *direction, None, (&other.pci, size))?;
    }
    drop((there, here, buffer, theirs));
    still_exports(cx, &second)?;
    still_exports(cx, &node)
}

/// The way alone is not enough.
fn unasked(cx: &Context) -> CaseResult {
    let other = other(cx)?;
    never(cx, Attach::Static, other.importing)?;
    never(cx, Attach::Dynamic, other.importing)
}

/// Host bridges pass requests of peers on where the kernel knows the processor to do so.
fn far(cx: &Context) -> CaseResult {
    require(p2pdma()?, "needs CONFIG_PCI_P2PDMA")?;
    let apart = apart()?;
    if !passes_on()? {
        return never(cx, Attach::Peer, apart);
    }
    let node = compute(cx)?;
    let buffer = export(cx, &node, PAGE)?;
    let importer = attached(&buffer, apart)?;
    for direction in DIRECTIONS {
        mapped(&importer, *direction, None, (&cx.at.pci, PAGE))?;
    }
    drop((importer, buffer));
    still_exports(cx, &node)
}

/// Does the kernel take the processor's host bridge to pass requests of peers on? The chipset of
/// the machine is on none of its lists (p2pdma.c: cpu_supports_p2pdma, host_bridge_whitelist).
fn passes_on() -> CaseResult<bool> {
    let text = files::read("/proc/cpuinfo".as_ref())?;
    let value = |key: &str| {
        let line = text.lines().find(|line| line.split(':').next().map(str::trim) == Some(key));
        line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim())
    };
    let family = value("cpu family").and_then(|family| family.parse::<u32>().ok());
    match (value("vendor_id"), family) {
        (Some("AuthenticAMD"), Some(family)) => Ok(family >= ZEN),
        (Some("GenuineIntel"), Some(_)) => Ok(false),
        other => Err(Stop::Skip(format!("needs a processor of AMD or Intel, not {other:?}"))),
    }
}

/// The first family of AMD's processors whose host bridges are trusted.
const ZEN: u32 = 0x17;

fn outlives(cx: &Context) -> CaseResult {
    let other = other(cx)?;
    let node = compute(cx)?;
    let buffer = export(cx, &node, PAGE)?;
    let importer = attached(&buffer, other.importing)?;
    let before = succeed("map", importer.map(Direction::Both))?;
    drop(buffer);
    succeed("close of the device", node.close())?;
    errno("open while it is mapped", Node::open(&cx.at.compute), Errno::EBUSY)?;
    drop(succeed("open of the other card meanwhile", Node::open(&other.compute))?);
    succeed("unmap", importer.unmap())?;
    let again = succeed("map again", importer.map(Direction::Both))?;
    equal("addresses", again, before)?;
    succeed("detach", importer.detach())?;
    still_exports(cx, &freed(cx)?)
}
