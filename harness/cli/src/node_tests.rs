// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The node tests of ONNX travel to the guest: only those that its cases read.

use anyhow::Result;
use case::Case;
use onnx::node_test;
use vm::Archive;

/// The files that these cases read; `None`: none do, or they were not fetched.
pub fn files<'a>(cases: impl Iterator<Item = &'a Case>) -> Result<Option<Archive>> {
    let names: Vec<&str> = cases.map(|case| &*case.name).collect();
    let wanted = |operator: &str| {
        let area = format!("{}{operator}/", suites::onnx::AREA);
        names.iter().any(|name| name.starts_with(&area))
    };
    let tests: Vec<&str> =
        suites::onnx::tests().filter(|row| wanted(row.0)).flat_map(|row| row.1).collect();
    let Some(folder) = node_test::folder().filter(|_| !tests.is_empty()) else { return Ok(None) };
    let mut archive = Archive::new();
    for file in tests.into_iter().flat_map(|test| node_test::files(&folder, test)) {
        let path = format!("{}/{}", node_test::GUEST, file.display());
        archive.host_file(&path, &folder.join(&file))?;
    }
    Ok(Some(archive))
}
