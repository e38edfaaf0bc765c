// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A 32-bit caller: the same calls through the 32-bit system call gate.
//!
//! A 64-bit process may use that gate (`int 0x80`), so no 32-bit program is needed. Where the
//! kernel has no 32-bit emulation the gate kills the child that tries.

use crate::common::beside::{Child, Said};
use crate::common::node::Node;
use crate::info::call::Request;
use case::{Case, CaseResult, Context, Stop, succeed};
use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd};
use uapi::accel;

/// Number of ioctl for 32-bit callers (`arch/x86/entry/syscalls/syscall_32.tbl`).
const IOCTL_32: u32 = 54;

/// The cases.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new("dispatch/compute/serves_32_bit_callers", &["DISP-012"], |cx| {
            serves(&Node::compute(cx)?)
        }),
        Case::new("dispatch/control/serves_32_bit_callers", &["DISP-012"], |cx: &Context| {
            serves(&Node::control(cx)?)
        })
        .control_only(),
    ]
}

fn serves(node: &Node) -> CaseResult {
    let answer = Child::start(|| ask_status(node))?.answer();
    match answer {
        Ok(said) => succeed("INFO of a 32-bit caller", said),
        Err(_) => Err(Stop::Skip("needs a kernel with 32-bit emulation (int 0x80)".into())),
    }
}

/// Argument and answer lie below 4 GiB, where such a caller can point to.
fn ask_status(node: &Node) -> Said {
    let size = NonZeroUsize::new(4096).ok_or(Errno::EINVAL)?;
    let rights = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_32BIT;
    // SAFETY: the kernel picks an unused range.
    let page = unsafe { mmap_anonymous(None, size, rights, flags) }?;
    let argument = page.cast::<Request>();
    let status = page.cast::<[u8; 8]>().as_ptr().wrapping_add(8);
    let request = Request::new(accel::HL_INFO_DEVICE_STATUS, status as u64, 8);
    // SAFETY: both lie in the page that was just mapped, apart from each other.
    unsafe {
        argument.write_volatile(request);
        status.write_volatile([0xff; 8]);
    }
    gate(node.as_fd().as_raw_fd(), accel::DRM_IOCTL_HL_INFO, argument.as_ptr() as u32)?;
    // SAFETY: as above.
    let got = unsafe { status.read_volatile() };
    if got == [0; 8] { Ok(()) } else { Err(Errno::EPROTO) }
}

/// ioctl through the 32-bit gate.
fn gate(fd: i32, request: u32, argument: u32) -> Said {
    let result: i32;
    // SAFETY: the gate takes ioctl's three arguments in ebx, ecx and edx and answers in eax; rbx
    // belongs to the compiler and is put back; r8 to r11 may change.
    unsafe {
        std::arch::asm!(
            "xchg rbx, {fd:r}",
            "int 0x80",
            "xchg rbx, {fd:r}",
            fd = inout(reg) u64::from(fd as u32) => _,
            inlateout("eax") IOCTL_32 => result,
            in("ecx") request,
            in("edx") argument,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    if result < 0 { Err(Errno::from_raw(-result)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_reaches_the_kernel_or_kills_the_child() {
        let node =
            Node::from(std::os::fd::OwnedFd::from(std::fs::File::open("/dev/null").unwrap()));
        match Child::start(|| ask_status(&node)).unwrap().answer() {
            Ok(said) => assert_eq!(said, Err(Errno::ENOTTY)),
            Err(Stop::Broken(_)) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
}
