// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! How long the program takes to say what there is. The bar for `list` is 50 ms.

use criterion::Criterion;
use std::process::Command;

const WORDS: &[&[&str]] = &[&["list"], &["plan"], &["run", "--list-only", "--shard", "1/2"]];

fn main() {
    let mut criterion = Criterion::default().configure_from_args().sample_size(10);
    for words in WORDS {
        criterion.bench_function(&words.join(" "), |bench| {
            bench.iter(|| {
                let output = Command::new(env!("CARGO_BIN_EXE_gauntlet")).args(*words).output();
                assert!(output.expect("it starts").status.success());
            })
        });
    }
    criterion.final_summary();
}
