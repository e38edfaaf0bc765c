// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What DRM core answers on the compute node: a device without display, buffers or fences of
//! DRM's own. Nothing of it may do harm.

use crate::common::buffer::Buffer;
use crate::common::node::Node;
use case::{Case, CaseResult, Context, equal, errno, succeed};
use nix::errno::Errno;
use uapi::drm::*;
use uapi::number::request_name;

/// A request with an argument of zeros, and the errno that it has to give (root, not master).
type Refused = (u32, Errno);

/// `drm_gem.c`: no DRIVER_GEM.
const GEM: &[Refused] = &[
    (DRM_IOCTL_GEM_CLOSE, Errno::EOPNOTSUPP),
    (DRM_IOCTL_GEM_FLINK, Errno::EOPNOTSUPP),
    (DRM_IOCTL_GEM_OPEN, Errno::EOPNOTSUPP),
];

/// `drm_syncobj.c`: no DRIVER_SYNCOBJ.
const SYNCOBJ: &[Refused] = &[
    (DRM_IOCTL_SYNCOBJ_CREATE, Errno::EOPNOTSUPP),
    (DRM_IOCTL_SYNCOBJ_DESTROY, Errno::EOPNOTSUPP),
    (DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, Errno::EOPNOTSUPP),
    (DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE, Errno::EOPNOTSUPP),
    (DRM_IOCTL_SYNCOBJ_TRANSFER, Errno::EOPNOTSUPP),
    (DRM_IOCTL_SYNCOBJ_WAIT, Errno::EOPNOTSUPP),
    (DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT, Errno::EOPNOTSUPP),
    (DRM_IOCTL_SYNCOBJ_EVENTFD, Errno::EOPNOTSUPP),
    (DRM_IOCTL_SYNCOBJ_RESET, Errno::EOPNOTSUPP),
    (DRM_IOCTL_SYNCOBJ_SIGNAL, Errno::EOPNOTSUPP),
    (DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL, Errno::EOPNOTSUPP),
    (DRM_IOCTL_SYNCOBJ_QUERY, Errno::EOPNOTSUPP),
];

/// No DRIVER_MODESET; what needs a master is refused before that is seen.
const MODE: &[Refused] = &[
    (DRM_IOCTL_SET_CLIENT_CAP, Errno::EOPNOTSUPP),
    (DRM_IOCTL_WAIT_VBLANK, Errno::EOPNOTSUPP),
    (DRM_IOCTL_CRTC_GET_SEQUENCE, Errno::EOPNOTSUPP),
    (DRM_IOCTL_CRTC_QUEUE_SEQUENCE, Errno::EOPNOTSUPP),
    (DRM_IOCTL_MODE_GETRESOURCES, Errno::EOPNOTSUPP),
    (DRM_IOCTL_MODE_GETPLANERESOURCES, Errno::EOPNOTSUPP),
    (DRM_IOCTL_MODE_GETCRTC, Errno::EOPNOTSUPP),
    (DRM_IOCTL_MODE_GETPLANE, Errno::EOPNOTSUPP),
    (DRM_IOCTL_MODE_GETGAMMA, Errno::EOPNOTSUPP),
    (DRM_IOCTL_MODE_GETENCODER, Errno::EOPNOTSUPP),
    (DRM_IOCTL_MODE_GETCONNECTOR, Errno::EOPNOTSUPP),
    (DRM_IOCTL_MODE_GETPROPERTY, Errno::EOPNOTSUPP),
    (DRM_IOCTL_MODE_GETPROPBLOB, Errno::EOPNOTSUPP),
    (DRM_IOCTL_MODE_GETFB, Errno::EOPNOTSUPP),
    // The one that says so in its own way (`drm_framebuffer.c: drm_mode_getfb2_ioctl`).
    (DRM_IOCTL_MODE_GETFB2, Errno::EINVAL),
    (DRM_IOCTL_MODE_ADDFB, Errno::EOPNOTSUPP),
    (DRM_IOCTL_MODE_ADDFB2, Errno::EOPNOTSUPP),
    (DRM_IOCTL_MODE_RMFB, Errno::EOPNOTSUPP),
    (DRM_IOCTL_MODE_CLOSEFB, Errno::EOPNOTSUPP),
    (DRM_IOCTL_MODE_OBJ_GETPROPERTIES, Errno::EOPNOTSUPP),
    (DRM_IOCTL_MODE_CREATEPROPBLOB, Errno::EOPNOTSUPP),
    (DRM_IOCTL_MODE_DESTROYPROPBLOB, Errno::EOPNOTSUPP),
    (DRM_IOCTL_MODE_CREATE_DUMB, Errno::ENOSYS),
    (DRM_IOCTL_MODE_MAP_DUMB, Errno::ENOSYS),
    (DRM_IOCTL_MODE_DESTROY_DUMB, Errno::ENOSYS),
    (DRM_IOCTL_MODE_DIRTYFB, Errno::EACCES),
    (DRM_IOCTL_MODE_SETCRTC, Errno::EACCES),
    (DRM_IOCTL_MODE_SETPLANE, Errno::EACCES),
    (DRM_IOCTL_MODE_CURSOR, Errno::EACCES),
    (DRM_IOCTL_MODE_CURSOR2, Errno::EACCES),
    (DRM_IOCTL_MODE_SETGAMMA, Errno::EACCES),
    (DRM_IOCTL_MODE_SETPROPERTY, Errno::EACCES),
    (DRM_IOCTL_MODE_PAGE_FLIP, Errno::EACCES),
    (DRM_IOCTL_MODE_OBJ_SETPROPERTY, Errno::EACCES),
    (DRM_IOCTL_MODE_ATOMIC, Errno::EACCES),
    (DRM_IOCTL_MODE_CREATE_LEASE, Errno::EACCES),
    (DRM_IOCTL_MODE_LIST_LESSEES, Errno::EACCES),
    (DRM_IOCTL_MODE_GET_LEASE, Errno::EACCES),
    (DRM_IOCTL_MODE_REVOKE_LEASE, Errno::EACCES),
];

/// `drm_auth.c`: an accel file has no master.
const MASTER: &[Refused] = &[
    (DRM_IOCTL_SET_MASTER, Errno::EINVAL),
    (DRM_IOCTL_DROP_MASTER, Errno::EINVAL),
    (DRM_IOCTL_AUTH_MAGIC, Errno::EACCES),
    (DRM_IOCTL_SET_VERSION, Errno::EACCES),
    (DRM_IOCTL_SET_UNIQUE, Errno::EACCES),
    (DRM_IOCTL_BLOCK, Errno::EACCES),
    (DRM_IOCTL_UNBLOCK, Errno::EACCES),
];

/// Capabilities and their values (`drm_ioctl.c: drm_getcap`); None: EOPNOTSUPP.
const CAPABILITIES: &[(u32, Option<u64>)] = &[
    (DRM_CAP_TIMESTAMP_MONOTONIC, Some(1)),
    (DRM_CAP_PRIME, Some(3)),
    (DRM_CAP_SYNCOBJ, Some(0)),
    (DRM_CAP_SYNCOBJ_TIMELINE, Some(0)),
    (DRM_CAP_DUMB_BUFFER, None),
    (DRM_CAP_VBLANK_HIGH_CRTC, None),
    (DRM_CAP_DUMB_PREFERRED_DEPTH, None),
    (DRM_CAP_DUMB_PREFER_SHADOW, None),
    (DRM_CAP_ASYNC_PAGE_FLIP, None),
    (DRM_CAP_CURSOR_WIDTH, None),
    (DRM_CAP_CURSOR_HEIGHT, None),
    (DRM_CAP_ADDFB2_MODIFIERS, None),
    (DRM_CAP_PAGE_FLIP_TARGET, None),
    (DRM_CAP_CRTC_IN_VBLANK_EVENT, None),
    (DRM_CAP_ATOMIC_ASYNC_PAGE_FLIP, None),
    (0, None),
    (u32::MAX, None),
];

/// The cases.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new("dispatch/core/has_no_gem_objects", &["DISP-017"], |cx| all(cx, GEM)),
        Case::new("dispatch/core/has_no_sync_objects", &["DISP-019"], |cx| all(cx, SYNCOBJ)),
        Case::new("dispatch/core/has_no_displays", &["DISP-020"], |cx| all(cx, MODE)),
        Case::new("dispatch/core/has_no_master", &["DISP-021"], |cx| all(cx, MASTER)),
        Case::new("dispatch/core/has_no_prime_handles", &["DISP-018"], prime),
        Case::new("dispatch/core/reports_its_capabilities", &["DISP-015"], capabilities),
        // A NULL dereference in DRM core kills the process while it holds a lock of the device.
        Case::new("dispatch/core/survives_get_unique", &["DISP-016"], |cx| {
            survives(cx, DRM_IOCTL_GET_UNIQUE)
        })
        .own_guest(),
        Case::new("dispatch/core/survives_get_magic", &["DISP-029"], |cx| {
            survives(cx, DRM_IOCTL_GET_MAGIC)
        })
        .own_guest(),
    ]
}

fn all(cx: &Context, table: &[Refused]) -> CaseResult {
    let node = Node::compute(cx)?;
    for (request, expected) in table {
        let mut buffer = Buffer::new(4096)?;
        buffer.fill(0);
        errno(&request_name(*request), node.ioctl(*request, buffer.start()), *expected)?;
        let content = buffer.read(buffer.start(), buffer.bytes());
        equal("bytes written", content.iter().filter(|byte| **byte != 0).count(), 0)?;
    }
    Ok(())
}

/// No handle is known, and no file is a buffer of this device.
fn prime(cx: &Context) -> CaseResult {
    let node = Node::compute(cx)?;
    for handle in [0, 1, u32::MAX] {
        let mut request = drm_prime_handle { handle, ..Default::default() };
        let argument = std::ptr::from_mut(&mut request) as u64;
        let result = node.ioctl(DRM_IOCTL_PRIME_HANDLE_TO_FD, argument);
        errno("PRIME_HANDLE_TO_FD", result, Errno::ENOENT)?;
    }
    let mut request = drm_prime_handle { fd: -1, ..Default::default() };
    let argument = std::ptr::from_mut(&mut request) as u64;
    errno("PRIME_FD_TO_HANDLE", node.ioctl(DRM_IOCTL_PRIME_FD_TO_HANDLE, argument), Errno::EBADF)
}

fn capabilities(cx: &Context) -> CaseResult {
    let node = Node::compute(cx)?;
    for (capability, value) in CAPABILITIES {
        let mut request = drm_get_cap { capability: u64::from(*capability), value: u64::MAX };
        let result = node.ioctl(DRM_IOCTL_GET_CAP, std::ptr::from_mut(&mut request) as u64);
        let what = format!("GET_CAP {capability}");
        match value {
            Some(value) => {
                succeed(&what, result)?;
                equal(&what, request.value, *value)?;
            }
            None => {
                errno(&what, result, Errno::EOPNOTSUPP)?;
                equal(&what, request.value, 0)?;
            }
        }
    }
    Ok(())
}

/// Whatever the answer is, the process and the node live on.
fn survives(cx: &Context, request: u32) -> CaseResult {
    let node = Node::compute(cx)?;
    let mut buffer = Buffer::new(4096)?;
    buffer.fill(0);
    let _any = node.ioctl(request, buffer.start());
    drop(node);
    let node = Node::compute(cx)?;
    let _any = node.ioctl(request, buffer.start());
    super::numbers::refused(&node, uapi::Number::of(DRM_IOCTL_VERSION).nr(0xff), Errno::EINVAL)
}
