// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A run of 3,000 cases: reading it, judging it, and each format. All together stay below 1 s.

#[path = "../tests/common/big.rs"]
mod big;

use criterion::Criterion;
use render::{Catalogue, Comparison, Expectations, Format, Run};
use std::hint::black_box;

fn reports(criterion: &mut Criterion) {
    let catalogue = include_str!("../../../suites/requirements.tsv");
    let catalogue = Catalogue::parse(catalogue).expect("the catalogue of the project");
    let ids: Vec<&str> = catalogue.rows().iter().map(|row| row.id.as_str()).collect();
    let expectations = Expectations::default();
    let record = big::record(&ids);
    let mut journal = Vec::new();
    for line in &record.lines {
        serde_json::to_writer(&mut journal, line).expect("a line is always JSON");
        journal.push(b'\n');
    }
    let judge = || Run::from_record(&record, &expectations, &catalogue).expect("a run");
    let run = judge();

    let mut group = criterion.benchmark_group("3000_cases");
    group.sample_size(10);
    group.bench_function("read", |bench| bench.iter(|| record::read(black_box(&journal[..]))));
    group.bench_function("judge", |bench| bench.iter(judge));
    for &format in Format::ALL {
        group.bench_function(format.name(), |bench| bench.iter(|| run.render(format)));
    }
    group.bench_function("compare", |bench| bench.iter(|| Comparison::new(&run, &run).html()));
    group.bench_function("everything", |bench| {
        bench.iter(|| {
            let record = record::read(black_box(&journal[..])).expect("a record");
            let run = Run::from_record(&record, &expectations, &catalogue).expect("a run");
            Format::ALL.iter().map(|&format| run.render(format).len()).sum::<usize>()
        })
    });
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    reports(&mut criterion);
    criterion.final_summary();
}
