// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The expectation files of the project can be read, and say what they are meant to say.

use record::Outcome;
use render::{Expectation, Expectations, Status};
use std::path::Path;

const SHIPPED: &str = "open/compute/can_be_opened_as_shipped";

fn expectations() -> Expectations {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../suites/expectations");
    Expectations::load(&folder).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn stock_kernels_are_known_to_refuse_every_open() {
    let all = expectations();
    for asic in ["gaudi", "gaudi2"] {
        for kernel in ["6.12.115+deb13-amd64", "6.12.117", "7.3.4", "debian:6.12", "debian:7.3"] {
            let entry = all.entry(asic, kernel, SHIPPED).expect("defect D1 is listed");
            assert_eq!(entry.note("defect"), "D1");
            assert_eq!(entry.status, Status::Known(Outcome::KernelFault));
        }
        let fixed = all.expect(asic, "7.4.0-rc1", SHIPPED);
        assert_eq!(fixed, Expectation::KnownElsewhere(Outcome::KernelFault), "{asic}");
    }
}
