// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What the cases of submission, waits, packets and transfers share: an open card with the
//! queues of its chip, jobs, submissions that must be refused, queues that are held back.
//!
//! What differs between the chips is data here: which queues there are, and whether a job's
//! packets are in a command buffer of the kernel (Gaudi, checked and copied by the driver) or in
//! memory of the user (Gaudi2).

mod counters;
mod held;
mod job;
mod listings;
mod refused;
mod reset;
mod signals;

pub use counters::{Counters, Dropped};
pub use held::Held;
pub use job::Job;
pub use listings::Listings;
pub use refused::Rejection;
pub use reset::{counted, hard_resets, operational};
pub use signals::Beside;

use super::typed::{compute, generation};
use super::wait;
use case::{CaseResult, Context, Stop, check, equal, succeed};
use device::{CsRequest, Node, Program, WaitRequest};
use hw::Generation;
use hw::queue::{Engine, Kind, id};
use std::time::Duration;
use uapi::accel::{HL_WAIT_CS_STATUS_BUSY, HL_WAIT_CS_STATUS_COMPLETED};

/// Longest time that a submission of a healthy card takes; generous, for emulated machines.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What a wait for [`PATIENCE`] passes.
pub const PATIENCE_US: u64 = PATIENCE.as_micros() as u64;

/// Queues that take jobs of users and end them one by one.
struct Streams {
    /// Towards the device.
    upload: [u32; 4],
    /// Towards the host.
    download: [u32; 4],
}

/// The streams of both engines that reach the host.
const GAUDI: Streams = Streams { upload: [0, 1, 2, 3], download: [4, 5, 6, 7] };

/// Two streams of the first engine that reaches the host and one of the second are for users
/// (`gaudi2.c: gaudi2_is_queue_enabled`); streams of device memory's engines follow, which serve
/// jobs that move nothing.
const GAUDI2: Streams = Streams { upload: [0, 1, 8, 9], download: [4, 12, 13, 14] };

/// An open compute node and what its chip offers.
pub struct Card<'a> {
    /// Where things are.
    pub cx: &'a Context,
    /// The open node.
    pub node: Node,
    /// The chip.
    pub chip: Generation,
}

impl<'a> Card<'a> {
    /// Opens the compute node.
    #[track_caller]
    pub fn open(cx: &'a Context) -> CaseResult<Self> {
        Ok(Card { cx, node: compute(cx)?, chip: generation(cx) })
    }

    /// A stream of an engine.
    pub fn stream_of(&self, engine: Engine, number: u16, stream: u8) -> CaseResult<u32> {
        id(self.chip, engine, number, stream)
            .ok_or_else(|| Stop::Broken(format!("{engine:?} {number} has no stream {stream}")))
    }

    /// A stream of the DMA engine that reads host memory (on Gaudi the only one for which the
    /// driver completes and that does not expect its source in the device).
    pub fn upload(&self, stream: u8) -> u32 {
        self.streams().upload[usize::from(stream)]
    }

    /// A stream of the DMA engine that writes host memory.
    pub fn download(&self, stream: u8) -> u32 {
        self.streams().download[usize::from(stream)]
    }

    fn streams(&self) -> &'static Streams {
        match self.chip {
            Generation::Gaudi => &GAUDI,
            Generation::Gaudi2 => &GAUDI2,
        }
    }

    /// Does the driver refuse every job for a queue, though there is one?
    pub fn closed(&self, queue: u32) -> bool {
        hw::queue::closed(self.chip, queue)
    }

    /// An empty program.
    pub fn program(&self) -> Program {
        Program::new(self.chip)
    }

    /// A job of a program for a queue that the driver completes.
    #[track_caller]
    pub fn job(&self, queue: u32, program: &Program) -> CaseResult<Job<'_>> {
        Job::new(self, queue, program)
    }

    /// A job that does nothing.
    #[track_caller]
    pub fn nop(&self, queue: u32) -> CaseResult<Job<'_>> {
        self.job(queue, &self.program().nop())
    }

    /// Submits; gives the sequence number.
    #[track_caller]
    pub fn submit(&self, request: &CsRequest) -> CaseResult<u64> {
        let result = succeed("CS", self.node.submit(request));
        result.map_err(|stop| stop.request(request))
    }

    /// Submits a job; gives the sequence number.
    #[track_caller]
    pub fn start(&self, job: &Job<'_>) -> CaseResult<u64> {
        self.submit(&CsRequest::execute([job.chunk()]))
    }

    /// Waits until a submission is completed.
    #[track_caller]
    pub fn finish(&self, sequence: u64) -> CaseResult {
        let request = WaitRequest::cs(sequence, PATIENCE_US);
        let answer = self.node.wait(&request);
        let at = |stop: Stop| stop.request(&request);
        succeed("WAIT_CS", answer.result).map_err(at)?;
        equal("status of the submission", answer.status, HL_WAIT_CS_STATUS_COMPLETED).map_err(at)
    }

    /// A submission that must not be completed yet.
    #[track_caller]
    pub fn is_busy(&self, sequence: u64) -> CaseResult {
        let status = succeed("WAIT_CS", self.node.wait_cs(sequence, 0))?;
        equal("status of the submission", status, HL_WAIT_CS_STATUS_BUSY)
    }

    /// Submits a job and waits for it.
    #[track_caller]
    pub fn run(&self, job: &Job<'_>) -> CaseResult<u64> {
        let sequence = self.start(job)?;
        self.finish(sequence)?;
        Ok(sequence)
    }

    /// Waits until no engine works: also not on jobs that the driver does not complete.
    #[track_caller]
    pub fn idle(&self) -> CaseResult {
        let idle = wait::until(PATIENCE, || {
            let info = succeed("INFO HW_IDLE", self.node.hw_idle())?;
            Ok((info.is_idle != 0).then_some(()))
        })?;
        check(idle.is_some(), "the device becomes idle")
    }

    /// The device still executes on this queue.
    #[track_caller]
    pub fn still_runs(&self, queue: u32) -> CaseResult {
        let job = self.nop(queue)?;
        self.run(&job).map(drop)
    }

    /// The ids of all queues, those that are none included.
    pub fn queues(&self) -> std::ops::Range<u32> {
        match self.chip {
            Generation::Gaudi => 0..hw::queue::GAUDI_COUNT,
            Generation::Gaudi2 => 0..hw::queue::GAUDI2_COUNT,
        }
    }

    /// The offset of a queue's sync object in the answer of the driver must be this kind of number:
    /// that of Gaudi2 tells nobody where its objects are (`gaudi2.c: gaudi2_get_sob_addr`).
    pub fn names_object(&self, offset: u32) -> CaseResult {
        match self.chip {
            Generation::Gaudi => check(offset != 0, "the answer names a sync object"),
            Generation::Gaudi2 => equal("offset of the sync object in the answer", offset, 0),
        }
    }

    /// How the driver treats a queue; `None` for what is no queue of users.
    pub fn kind(&self, queue: u32) -> Option<Kind> {
        hw::queue::queue(self.chip, queue).map(|queue| queue.kind)
    }

    /// Does the driver sign signals and waits on this queue (`supports_sync_stream`)?
    pub fn synchronises(&self, queue: u32) -> bool {
        match self.chip {
            // gaudi.c: gaudi_set_fixed_properties: external queues only.
            Generation::Gaudi => self.kind(queue) == Some(Kind::External),
            // gaudi2.c: gaudi2_set_queues_properties: all but network ports and the device CPU.
            Generation::Gaudi2 => {
                let queue = hw::queue::queue(self.chip, queue);
                queue.is_some_and(|queue| queue.engine != Engine::Nic)
            }
        }
    }
}
