// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Files that list what lives (debugfs.c: hl_debugfs_list), and the folder itself.

use super::folder;
use crate::common::beside::in_child;
use crate::common::typed::{compute, generation, need};
use case::{Case, CaseResult, Context, Stop, check, equal, errno, succeed};
use device::sysfs::Attributes;
use device::{Errno, Node, Pages, procfs};

/// A file that lists, and the rows of reading it idle, with something alive, and of writing it.
const LISTS: &[(&str, &str)] = &[
    ("command_buffers", "DBGFS-004"),
    ("command_submission", "DBGFS-007"),
    ("command_submission_jobs", "DBGFS-010"),
    ("userptr", "DBGFS-013"),
    ("vm", "DBGFS-016"),
    ("engines", "DBGFS-019"),
];

/// Every file of an unsecured card and its mode (debugfs.c: add_files_to_device,
/// add_secured_nodes).
pub(crate) const FILES: &[(&str, u32)] = &[
    ("addr", 0o644),
    ("clk_gate", 0o644),
    ("command_buffers", 0o644),
    ("command_submission", 0o644),
    ("command_submission_jobs", 0o644),
    ("data32", 0o644),
    ("data64", 0o644),
    ("data_dma", 0o400),
    ("device", 0o644),
    ("device_release_watchdog_timeout", 0o644),
    ("dma_size", 0o200),
    ("dump_razwi_events", 0o400),
    ("dump_security_violations", 0o400),
    ("engines", 0o644),
    ("i2c_addr", 0o644),
    ("i2c_bus", 0o644),
    ("i2c_data", 0o644),
    ("i2c_len", 0o644),
    ("i2c_reg", 0o644),
    ("led0", 0o200),
    ("led1", 0o200),
    ("led2", 0o200),
    ("memory_scrub", 0o200),
    ("memory_scrub_val", 0o644),
    ("mmu", 0o644),
    ("mmu_error", 0o644),
    ("monitor_dump", 0o400),
    ("monitor_dump_trig", 0o200),
    ("server_type", 0o444),
    ("set_power_state", 0o644),
    ("skip_reset_on_timeout", 0o644),
    ("state_dump", 0o644),
    ("stop_on_err", 0o644),
    ("timeout_locked", 0o644),
    ("userptr", 0o644),
    ("userptr_lookup", 0o644),
    ("vm", 0o644),
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("debugfs/folder/has_every_file", &["DBGFS-001"], files).control_only(),
        Case::new("debugfs/folder/is_closed_to_others", &["DBGFS-098"], others).control_only(),
        Case::new(
            "debugfs/command_buffers/lists_each_buffer",
            &["DBGFS-002", "DBGFS-003"],
            buffers,
        ),
        Case::new("debugfs/userptr/lists_each_range", &["DBGFS-011", "DBGFS-012"], ranges),
        Case::new("debugfs/vm/lists_each_mapping", &["DBGFS-014", "DBGFS-015"], mappings),
        Case::new("debugfs/engines/tells_of_engines", &["DBGFS-017", "DBGFS-018"], engines),
        Case::new("debugfs/command_submission/is_empty_when_idle", &["DBGFS-005"], |cx| {
            idle(cx, "command_submission")
        }),
        Case::new("debugfs/command_submission_jobs/is_empty_when_idle", &["DBGFS-008"], |cx| {
            idle(cx, "command_submission_jobs")
        }),
        Case::new("debugfs/userptr_lookup/finds_the_page", &["DBGFS-020"], lookup),
        Case::new("debugfs/userptr_lookup/rejects_what_is_no_address", &["DBGFS-021"], |cx| {
            let files = folder(cx)?;
            for text in ["x", "0x", "12 34", "-1"] {
                errno(&format!("{text:?}"), files.write("userptr_lookup", text), Errno::EINVAL)?;
            }
            let large = "10000000000000000";
            errno("17 digits", files.write("userptr_lookup", large), Errno::ERANGE)?;
            Ok(())
        })
        .control_only(),
    ];
    cases.extend(LISTS.iter().map(|(name, row)| {
        let rows: &[&str] = vec![*row].leak();
        Case::new(format!("debugfs/{name}/cannot_be_written"), rows, move |cx| {
            let files = folder(cx)?;
            for text in ["1", "0", "x"] {
                errno(&format!("write of {text:?}"), files.write(name, text), Errno::EINVAL)?;
            }
            Ok(())
        })
        .control_only()
    }));
    cases
}

fn files(cx: &Context) -> CaseResult {
    let files = folder(cx)?;
    let names = succeed("list of files", files.names())?;
    for (name, mode) in FILES {
        check(names.iter().any(|known| known == name), &format!("there is a file {name}"))?;
        equal(&format!("mode of {name}"), files.mode(name), Ok(*mode))?;
    }
    Ok(())
}

fn others(cx: &Context) -> CaseResult {
    let files = folder(cx)?;
    let said = in_child(|| {
        nix::unistd::setegid(65534.into())?;
        nix::unistd::seteuid(65534.into())?;
        let open = FILES.iter().filter(|(name, _)| files.text(name) != Err(Errno::EACCES)).count();
        if open == 0 { Ok(()) } else { Err(Errno::EEXIST) }
    })?;
    equal("another user reads nothing", said, Ok(()))
}

/// The text of a list without blanks at its ends.
fn list(files: &Attributes, name: &str) -> CaseResult<String> {
    succeed(name, files.value(name))
}

/// Lines of a list that hold all of these words.
fn lines(text: &str, words: &[String]) -> usize {
    let has = |line: &str| words.iter().all(|word| line.split_whitespace().any(|w| w == word));
    text.lines().filter(|line| has(line)).count()
}

fn idle(cx: &Context, name: &str) -> CaseResult {
    let _node = compute(cx)?;
    equal(name, list(&folder(cx)?, name)?.as_str(), "")
}

fn buffers(cx: &Context) -> CaseResult {
    let files = folder(cx)?;
    let node = compute(cx)?;
    let before = list(&files, "command_buffers")?;
    let buffer = succeed("CREATE", node.create_cb(0x3000, 0))?;
    // Handle, context, size, references, mapped or not, submissions that use it.
    let listed = |references: u32, mapped: u32| {
        let handle = buffer.handle();
        let wanted = format!("{handle} 1 0x00003000 {references} {mapped} 0");
        let text = list(&files, "command_buffers")?;
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        equal("lines of the buffer", text.lines().filter(|line| words(line) == wanted).count(), 1)
            .map_err(|stop| stop.request(&text))
    };
    listed(1, 0)?;
    let other = succeed("CREATE", node.create_cb(0x5000, 0))?;
    listed(1, 0)?;
    let mapping = succeed("mmap", buffer.map())?;
    listed(2, 1)?;
    succeed("munmap", mapping.unmap())?;
    listed(1, 0)?;
    succeed("DESTROY", other.destroy())?;
    succeed("DESTROY", buffer.destroy())?;
    equal("list afterwards", list(&files, "command_buffers")?, before)
}

/// A mapped page range with what the lists say of it.
fn with_range(
    cx: &Context,
    rule: impl Fn(&Attributes, &Pages, u64) -> CaseResult,
    list_of: &str,
) -> CaseResult {
    let files = folder(cx)?;
    let node: Node = compute(cx)?;
    let before = list(&files, list_of)?;
    let pages = need("memory", Pages::new(5 * 4096))?;
    pages.fill(7);
    let map = succeed("MAP", node.map_host(&pages, 0, 0))?;
    rule(&files, &pages, map.address())?;
    succeed("UNMAP", map.unmap())?;
    equal("list afterwards", list(&files, list_of)?, before)
}

fn ranges(cx: &Context) -> CaseResult {
    let rule = |files: &Attributes, pages: &Pages, _: u64| {
        let words = [
            std::process::id().to_string(),
            format!("{:#x}", pages.pointer(0).address()),
            pages.length().to_string(),
        ];
        equal("lines of the range", lines(&list(files, "userptr")?, &words), 1)
    };
    with_range(cx, rule, "userptr")
}

fn mappings(cx: &Context) -> CaseResult {
    let rule = |files: &Attributes, pages: &Pages, address: u64| {
        let words = [format!("{address:#x}"), pages.length().to_string()];
        equal("lines of the mapping", lines(&list(files, "vm")?, &words), 1)
    };
    with_range(cx, rule, "vm")
}

fn engines(cx: &Context) -> CaseResult {
    let _node = compute(cx)?;
    let text = list(&folder(cx)?, "engines")?;
    for word in ["TPC", "MME", "DMA", "is_idle"] {
        check(text.contains(word), &format!("the list speaks of {word}"))?;
    }
    Ok(())
}

fn lookup(cx: &Context) -> CaseResult {
    let host = hw::memory::map(generation(cx));
    let rule = |files: &Attributes, pages: &Pages, _: u64| {
        for offset in [0, 1, 4096, 5 * 4096 - 1] {
            let address = pages.pointer(offset).address();
            let write = files.write("userptr_lookup", &format!("{address:#x}"));
            succeed("write of the address", write)?;
            let words = [
                format!("{address:#x}"),
                std::process::id().to_string(),
                format!("{:#x}", pages.pointer(0).address()),
                pages.length().to_string(),
            ];
            let text = list(files, "userptr_lookup")?;
            equal("lines of the range", lines(&text, &words), 1)?;
            let line = text.lines().find(|line| lines(line, &words) == 1).unwrap_or_default();
            let dma = line.split_whitespace().nth(1).and_then(|word| word.strip_prefix("0x"));
            let dma = dma.and_then(|hex| u64::from_str_radix(hex, 16).ok());
            let dma = dma.ok_or_else(|| Stop::Fail(case::Failure::new("no DMA address")))?;
            let frame = need("physical page", procfs::frames(address & !4095, 1))?[0];
            let place = host.host_base + frame * 4096 + address % 4096;
            equal("DMA address", dma, place).map_err(|stop| stop.request(&line))?;
        }
        let (first, end) = (pages.pointer(0).address(), pages.pointer(5 * 4096).address());
        for outside in [first - 4096, first - 1, end] {
            let write = files.write("userptr_lookup", &format!("{outside:x}"));
            succeed("write of the address", write)?;
            equal("what is found outside", list(files, "userptr_lookup")?.as_str(), "")?;
        }
        Ok(())
    };
    with_range(cx, rule, "userptr")
}
