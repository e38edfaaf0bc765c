// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The reference against the outputs that the ONNX project ships: every node test whose operators
//! are there. Without the files it says so and checks nothing.

use onnx::Error;
use onnx::node_test::{NodeTest, all};
use std::collections::BTreeMap;

/// Tests that are known to be within the bounds of the reference; more is better.
const AT_LEAST: usize = 570;

#[test]
fn the_reference_gives_what_is_shipped() {
    let Some(tests) = all().expect("the folder of node tests") else {
        eprintln!("skipped: run ./scripts/setup to fetch the node tests");
        return;
    };
    let (mut good, mut bad, mut other) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
    for (name, path) in tests {
        let result = NodeTest::read(&path).and_then(|test| test.check());
        match result {
            Ok((program, worst)) => {
                let row = good.entry(!program.steps.is_empty()).or_insert((0, 0f64));
                *row = (row.0 + 1, row.1.max(worst));
            }
            Err(why @ (Error::Operator(_) | Error::Type { .. } | Error::Opset(_))) => {
                *other.entry(why.to_string()).or_insert(0) += 1;
            }
            Err(why) => bad.push(format!("{name}: {why}")),
        }
    }
    println!("good: {good:?}; {other:#?}");
    assert!(bad.is_empty(), "{} of them differ:\n{}", bad.len(), bad.join("\n"));
    let on_device = good.get(&true).map_or(0, |row| row.0);
    assert!(on_device >= AT_LEAST, "only {on_device} of them");
}
