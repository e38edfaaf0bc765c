// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Names that writers and readers of a record share.

/// Names of facts. Any other name is shown as it stands.
pub mod fact {
    /// Run: version of gauntlet.
    pub const GAUNTLET: &str = "gauntlet";
    /// Run: what was asked for, when it was not everything (filters, shard). A run with this fact
    /// does not miss the cases that it did not plan.
    pub const SELECTION: &str = "selection";
    /// Run: the command that repeats one case, with `{asic}`, `{kernel}` and `{case}` for the rest.
    pub const REPEAT: &str = "repeat";
    /// Boot: `uname -r` of the kernel; picks the expectations (`6.12.117+deb13-amd64`).
    pub const KERNEL_RELEASE: &str = "kernel_release";
    /// Boot: names of the declared workarounds, with a blank between them.
    pub const WORKAROUNDS: &str = "workarounds";
    /// Boot: what the kernel complained about before the first case, one headline after the other.
    pub const BOOT_FAULTS: &str = "boot_faults";
}

/// Ways for a boot or a run to end.
pub mod end {
    /// Everything that was asked for is done.
    pub const DONE: &str = "done";
    /// The kernel of the guest died; the case that ran is to blame.
    pub const PANIC: &str = "panic";
    /// The guest stopped to answer; the case that ran is to blame.
    pub const HANG: &str = "hang";
    /// The guest never came up.
    pub const NO_BOOT: &str = "no_boot";
    /// QEMU ended by itself.
    pub const QEMU_DIED: &str = "qemu_died";
    /// The device model ended by itself.
    pub const MODEL_DIED: &str = "model_died";
    /// The guest gave up after a case that left its kernel or device unusable; the console says why.
    pub const WRECKED: &str = "wrecked";
    /// The guest came up, but the driver made no usable device; the console says why.
    pub const NO_DEVICE: &str = "no_device";
    /// The time of the run was over.
    pub const TIME: &str = "time";
    /// Somebody stopped the run.
    pub const INTERRUPTED: &str = "interrupted";
}
