// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A run of 3,000 cases: every format tells of every case. The HTML file is left in cargo's folder
//! for tests, where `scripts/check-html` loads it in a browser.

#[path = "common/big.rs"]
mod big;

use render::{Catalogue, Expectations, Format, Run};
use std::path::Path;

#[test]
fn every_format_tells_of_every_case() {
    let catalogue = include_str!("../../../suites/requirements.tsv");
    let catalogue = Catalogue::parse(catalogue).expect("the catalogue of the project");
    let ids: Vec<&str> = catalogue.rows().iter().map(|row| row.id.as_str()).collect();
    let run = Run::from_record(&big::record(&ids), &Expectations::default(), &catalogue);
    let run = run.expect("a run");
    assert_eq!(run.counts().all, big::CASES);
    for &format in Format::ALL {
        let text = run.render(format);
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format.file_name());
        std::fs::write(&path, &text).expect("cargo's folder for tests can be written");
        let told = |marker: &str| text.matches(marker).count();
        let cases = match format {
            Format::Text => continue,
            Format::Ktap => told("  ok ") + told("  not ok "),
            Format::Junit => told("<testcase "),
            Format::Kcidb => told("\"path\": "),
            Format::Lava => told("TEST_CASE_ID="),
            Format::Json => told("\"outcome\": "),
            Format::Html => told("class=\"case ") - run.counts().unaccepted(),
        };
        assert_eq!(cases, big::CASES, "{}", format.name());
    }
}
