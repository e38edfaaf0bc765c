// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The real program with a real guest. Ignored because it needs the network or a filled cache, and
//! minutes; run with `cargo test -p gauntlet --test guest -- --ignored` after `scripts/build`.

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
