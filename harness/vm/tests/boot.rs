// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The real thing: fetches what is missing, boots the packaged kernel to a static init. Ignored
//! because it needs the network the first time; run with `cargo test -p vm -- --ignored`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use vm::{Accelerator, Archive, Cache, Cause, Event, Guest, Kernel, Machine, ModuleSet, Qemu};
use vm::{Sockets, Workaround};

/// Says hello on the results port, lists its modules, powers off.
const INIT: &str = r#"
#include <fcntl.h>
#include <sys/reboot.h>
#include <unistd.h>
int main(void) {
    int port = open("/dev/ttyS1", O_RDWR | O_NOCTTY);
    char text[256];
    int order = open("/gauntlet/modules/order", O_RDONLY);
    int size = read(order, text, sizeof text);
    if (write(port, "hello\n", 6) != 6 || write(port, text, size) != size) return 1;
    reboot(RB_AUTOBOOT);
    for (;;) pause();
}
"#;
const DEADLINE: Duration = Duration::from_secs(120);

fn init(folder: &Path) -> std::path::PathBuf {
    let (source, program) = (folder.join("init.c"), folder.join("init"));
    std::fs::write(&source, INIT).unwrap();
    let status =
        Command::new("cc").arg("-static").arg("-o").args([&program, &source]).status().unwrap();
    assert!(status.success(), "cc -static");
    program
}

#[test]
#[ignore = "needs the network or a filled cache, and a minute"]
fn a_packaged_kernel_reaches_init_and_a_truncated_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open_default().unwrap();
    let qemu = Qemu::find(&cache).unwrap();
    let kernel = Kernel::find(&cache, &"debian:6.12".parse().unwrap(), None).unwrap();
    assert!(kernel.vmlinux.is_some(), "the packaged kernel has a PVH entry");
    let modules = ModuleSet::collect(&kernel, None, true).unwrap();
    assert_eq!(modules.workaround, Workaround::Applied);
    let plain = ModuleSet::collect(&kernel, None, false).unwrap();
    assert_eq!(plain.workaround, Workaround::Declined);

    let mut base = Archive::new();
    base.host_file("/init", &init(folder.path())).unwrap();
    base.device("/dev/console", 0o600, 5, 1).unwrap();
    base.device("/dev/ttyS1", 0o600, 4, 65).unwrap();
    base.modules(&modules).unwrap();
    let initramfs = folder.path().join("initramfs");
    base.write_joined(&[], &initramfs).unwrap();

    let sockets = Sockets::new().unwrap();
    let backend = vm::choose(Accelerator::Auto, &cache, &qemu, &kernel).unwrap();
    let mut machine = Machine::new(&qemu, backend, kernel.boot_image());
    machine.initramfs = Some(initramfs);
    machine.results = Some(sockets.path("results"));
    let guest = Guest::start(&machine, &folder.path().join("console"), DEADLINE).unwrap();
    let mut lines = Vec::new();
    let ended = loop {
        match guest.next(DEADLINE).expect("an event") {
            Event::Init { .. } => {}
            Event::Line(line) => lines.push(line),
            Event::Fatal(line) | Event::Panic(line) => panic!("{line}"),
            Event::Ended(ended) => break ended,
        }
    };
    assert!(matches!(ended.cause, Cause::PoweredOff), "{ended}\n{:#?}", ended.console);
    assert_eq!(lines, ["hello", "drm", "habanalabs"]);

    let cut = folder.path().join("vmlinuz");
    let whole = std::fs::read(&kernel.image).unwrap();
    std::fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    let error = Kernel::from_files(&cache, &cut, &kernel.modules).unwrap_err().to_string();
    assert!(error.contains("cut off: the payload ends at byte"), "{error}");
}
