// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A submission that the driver must refuse, and all that has to hold then.

use super::{Card, Counters, Dropped, Listings};
use case::{CaseResult, Stop, equal, errno};
use device::{CsRequest, Errno};

/// What a refusal looks like (command_submission.c: hl_cs_ioctl).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The errno; the status has it, too.
    pub errno: Errno,
    /// The counter that moves, if any.
    pub counts: Option<Dropped>,
    /// The first word of the answer: no sequence number.
    pub sequence: u64,
}

impl Rejection {
    /// With this errno, counted nowhere.
    pub const fn new(errno: Errno) -> Self {
        Rejection { errno, counts: None, sequence: u64::MAX }
    }

    /// Wrong argument.
    pub const fn invalid(errno: Errno) -> Self {
        Rejection { counts: Some(Dropped::Validation), ..Rejection::new(errno) }
    }

    /// Packets or address not allowed.
    pub const fn unparsable(errno: Errno) -> Self {
        Rejection { counts: Some(Dropped::Parsing), ..Rejection::new(errno) }
    }

    /// A refused reservation: its answer has no sequence number but a handle and a count, both 0.
    pub const fn reservation(errno: Errno) -> Self {
        Rejection { sequence: 0, ..Rejection::new(errno) }
    }
}

impl Card<'_> {
    /// Submits what must be refused: exact errno and status, no sequence number, one counter (or
    /// none) moves, nothing stays in the lists of the driver.
    #[track_caller]
    pub fn rejects(&self, request: &CsRequest, rejection: Rejection) -> CaseResult {
        let Rejection { errno: expected, counts, sequence } = rejection;
        let at = |stop: Stop| stop.request(request);
        let counters = Counters::read(&self.node)?;
        let listings = Listings::read(self.cx)?;
        let answer = self.node.cs(request);
        errno("CS", answer.result, expected).map_err(at)?;
        if expected != Errno::EAGAIN {
            equal("sequence number of a refused CS", answer.sequence, sequence).map_err(at)?;
            equal("status of a refused CS", answer.status as i32, -(expected as i32))
                .map_err(at)?;
        }
        counters.grew(&self.node, counts, 1).map_err(at)?;
        listings.are_back(self.cx).map_err(at)
    }
}
