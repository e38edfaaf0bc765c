// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The real program with a real guest. Ignored because it needs the network or a filled cache, and
//! minutes; after `scripts/build`: `cargo test -p gauntlet --test guest -- --ignored --test-threads 1`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn gauntlet(words: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_gauntlet")).args(words).output();
    let output = output.expect("it starts");
    eprintln!("{words:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    output
}

fn compiled(folder: &Path, name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/user");
    let program = folder.join(name);
    let source = root.join(format!("{name}.c"));
    let status = Command::new("cc").arg("-o").args([&program, &source]).status();
    assert!(status.expect("a C compiler").success());
    program
}

#[test]
#[ignore = "needs a guest"]
fn a_program_of_a_user_meets_driver_and_card() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = compiled(folder.path(), "hw_ip_info");
    let words = ["exec", "--set", "card_name=HL-test", "--", program.to_str().expect("plain")];
    let output = gauntlet(&words);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.starts_with("card HL-test\n") && said.contains("device id 0x10"), "{said}");
    let refused = gauntlet(&[&words[..], &["/dev/null"]].concat());
    assert_eq!(refused.status.code(), Some(1), "its exit code is ours");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("/dev/null: Inappropriate ioctl"), "{said}");
}

#[test]
#[ignore = "needs the program of the guest"]
fn what_cannot_be_booted_is_said_in_one_line() {
    for (words, part) in [
        (["run", "--kernel", "/no/such", "info/any"], "no such file"),
        (["run", "--kernel", "/etc/passwd", "info/any"], "add --modules"),
        (["run", "--driver", "/no/such.ko", "info/any"], "no such file"),
    ] {
        let output = gauntlet(&words);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(part) && said.lines().count() == 1, "{said}");
    }
}

#[test]
#[ignore = "needs a guest"]
fn a_case_runs_and_its_record_can_be_compared() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = folder.path().join("run");
    let place = run.to_str().expect("plain");
    let case = "info/any_opcode/rejects_nonzero_pad";
    let words = ["run", "--asic", "gaudi", "--exact", case, "--run-dir", place, "--repeat", "2"];
    let output = gauntlet(&words);
    assert_eq!(output.status.code(), Some(0));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.starts_with("As expected: 1 case"), "{said}");
    assert_eq!(gauntlet(&["compare", place, place]).status.code(), Some(0));
    let resumed = gauntlet(&["resume", place]);
    assert_eq!(resumed.status.code(), Some(0), "nothing is left to do");
}

/// A process of QEMU that some process has started.
fn qemu_of(pid: u32) -> Option<nix::unistd::Pid> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let children = threads
        .flatten()
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    let children: Vec<String> = children.collect();
    let pids = children.iter().flat_map(|pids| pids.split_whitespace());
    let mut pids = pids.filter_map(|pid| pid.parse().ok());
    let is_qemu = |pid: &i32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains("vfio-user-pci")
    };
    pids.find(is_qemu).map(nix::unistd::Pid::from_raw)
}

#[test]
#[ignore = "needs a guest"]
fn a_run_whose_qemu_was_killed_is_completed_by_resume() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = folder.path().join("run");
    let place = run.to_str().expect("plain");
    let mut child = Command::new(env!("CARGO_BIN_EXE_gauntlet"))
        .args(["run", "--asic", "gaudi", "open/nodes", "open/control", "--run-dir", place])
        .spawn()
        .expect("it starts");
    let ended = || {
        let record = std::fs::read_to_string(run.join("journal.jsonl")).unwrap_or_default();
        record.matches("\"case_end\"").count()
    };
    while ended() < 2 {
        assert_eq!(child.try_wait().expect("it can be asked"), None, "it ended too early");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let qemu = qemu_of(child.id()).expect("a guest that runs");
    nix::sys::signal::kill(qemu, nix::sys::signal::Signal::SIGKILL).expect("it can be killed");
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(6), "nothing is said about the driver");
    let resumed = gauntlet(&["resume", place]);
    let said = String::from_utf8_lossy(&resumed.stdout).into_owned();
    assert_eq!(resumed.status.code(), Some(0), "{said}");
    assert!(said.starts_with("As expected: "), "{said}");
}

#[test]
#[ignore = "needs a guest"]
fn a_shell_takes_commands_from_a_pipe() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gauntlet"));
    let (input, output) = (std::process::Stdio::piped(), std::process::Stdio::piped());
    let mut child = command.arg("shell").stdin(input).stdout(output).spawn().expect("it starts");
    let mut input = child.stdin.take().expect("piped");
    std::io::Write::write_all(&mut input, b"ls /dev/accel\nexit 3\n").expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("accel_controlD0"), "{said}");
}
