// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The CS ioctl: submission of work (command_submission.c: hl_cs_ioctl).
//!
//! The kernel only reads the arrays that a submission points to, so their addresses may be any
//! number. It copies its answer back even when it refuses, so an answer always has both.

use crate::{Errno, Node};
use uapi::accel;

/// One job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunk {
    /// Handle of a command buffer, device address, address of an array of sequence numbers, or
    /// the sequence number of a reservation.
    pub buffer: u64,
    /// The sequence numbers to wait for; when there are any, their address replaces `buffer`.
    pub signals: Vec<u64>,
    /// `*_QUEUE_ID_*`.
    pub queue: u32,
    /// Bytes of packets, entries of the array, or offset into a reservation.
    pub size: u32,
    /// `HL_CS_CHUNK_FLAGS_*`.
    pub flags: u32,
    /// The engine of a collective wait.
    pub collective_engine: u32,
    /// Padding; not looked at by the driver.
    pub pad: [u32; 10],
}

impl Chunk {
    /// A job whose command buffer is a handle or a device address.
    pub fn job(queue: u32, buffer: u64, size: u32) -> Self {
        Chunk { buffer, queue, size, ..Default::default() }
    }

    /// A signal.
    pub fn signal(queue: u32) -> Self {
        Chunk { queue, ..Default::default() }
    }

    /// A wait for these signals.
    pub fn wait(queue: u32, signals: &[u64]) -> Self {
        let size = u32::try_from(signals.len()).unwrap_or(u32::MAX);
        Chunk { queue, size, signals: signals.to_vec(), ..Default::default() }
    }

    /// A wait for a part of a reservation.
    pub fn wait_encapsulated(queue: u32, sequence: u64, offset: u32) -> Self {
        Chunk { buffer: sequence, queue, size: offset, ..Default::default() }
    }

    /// The same with these flags.
    pub fn flags(mut self, flags: u32) -> Self {
        self.flags = flags;
        self
    }

    /// The same with this collective engine.
    pub fn engine(mut self, engine: u32) -> Self {
        self.collective_engine = engine;
        self
    }

    /// What goes to the kernel; valid as long as `self`.
    pub fn arguments(&self) -> accel::hl_cs_chunk {
        let Chunk { buffer, ref signals, queue, size, flags, collective_engine, pad } = *self;
        let mut chunk = accel::hl_cs_chunk {
            queue_index: queue,
            cs_chunk_flags: flags,
            collective_engine_id: collective_engine,
            pad,
            ..Default::default()
        };
        chunk.__bindgen_anon_1.cb_handle =
            if signals.is_empty() { buffer } else { signals.as_ptr() as u64 };
        chunk.__bindgen_anon_2.cb_size = size;
        chunk
    }
}

/// What is submitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Jobs.
    Jobs {
        /// For the phase of restoring a context.
        restore: Vec<Chunk>,
        /// For execution.
        execute: Vec<Chunk>,
    },
    /// A command for engines or engine cores.
    Engines {
        /// `*_ENGINE_ID_*` or numbers of cores.
        ids: Vec<u32>,
        /// `HL_ENGINE_*`.
        command: u32,
    },
}

/// Lies about the arrays, for tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forged {
    /// Address of the restore chunks or of the engines.
    pub first_address: Option<u64>,
    /// Address of the execute chunks.
    pub execute_address: Option<u64>,
    /// Number of restore chunks.
    pub restore_count: Option<u32>,
    /// Number of execute chunks.
    pub execute_count: Option<u32>,
    /// Number of engines.
    pub engine_count: Option<u32>,
}

/// A submission. Start from a constructor and change what should be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsRequest {
    /// The work.
    pub work: Work,
    /// Sequence number of a staged submission, handle of a reservation, or count and queue of a
    /// reservation to make, in their 8 bytes.
    pub sequence: u64,
    /// Seconds, with `HL_CS_FLAGS_CUSTOM_TIMEOUT`.
    pub timeout: u32,
    /// `HL_CS_FLAGS_*`.
    pub flags: u32,
    /// The context; unused by the driver.
    pub ctx_id: u32,
    /// Must be 0 (command_submission.c: hl_cs_sanity_checks).
    pub pad: [u8; 4],
    /// Lies.
    pub forged: Forged,
}

impl CsRequest {
    /// Executes these jobs.
    pub fn execute(jobs: impl Into<Vec<Chunk>>) -> Self {
        CsRequest {
            work: Work::Jobs { restore: Vec::new(), execute: jobs.into() },
            sequence: 0,
            timeout: 0,
            flags: 0,
            ctx_id: 0,
            pad: [0; 4],
            forged: Forged::default(),
        }
    }

    /// Restores with these jobs first.
    pub fn restore(mut self, jobs: impl Into<Vec<Chunk>>) -> Self {
        if let Work::Jobs { restore, .. } = &mut self.work {
            *restore = jobs.into();
        }
        self
    }

    /// Signals on a queue.
    pub fn signal(queue: u32) -> Self {
        CsRequest::execute([Chunk::signal(queue)]).flags(accel::HL_CS_FLAGS_SIGNAL)
    }

    /// Lets a queue wait for signals.
    pub fn wait(queue: u32, signals: &[u64]) -> Self {
        CsRequest::execute([Chunk::wait(queue, signals)]).flags(accel::HL_CS_FLAGS_WAIT)
    }

    /// Lets a queue and an engine wait for signals, together with all network ports.
    pub fn collective_wait(queue: u32, engine: u32, signals: &[u64]) -> Self {
        CsRequest::execute([Chunk::wait(queue, signals).engine(engine)])
            .flags(accel::HL_CS_FLAGS_COLLECTIVE_WAIT)
    }

    /// Lets a queue wait for a part of a reservation.
    pub fn wait_encapsulated(queue: u32, sequence: u64, offset: u32) -> Self {
        CsRequest::execute([Chunk::wait_encapsulated(queue, sequence, offset)])
            .flags(accel::HL_CS_FLAGS_WAIT | accel::HL_CS_FLAGS_ENCAP_SIGNALS)
    }

    /// Reserves signals on a queue.
    pub fn reserve_signals(queue: u32, count: u32) -> Self {
        CsRequest::execute([])
            .flags(accel::HL_CS_FLAGS_RESERVE_SIGNALS_ONLY)
            .sequence(u64::from(queue) << 32 | u64::from(count))
    }

    /// Gives a reservation back.
    pub fn unreserve_signals(handle: u32) -> Self {
        CsRequest::execute([])
            .flags(accel::HL_CS_FLAGS_UNRESERVE_SIGNALS_ONLY)
            .sequence(handle.into())
    }

    /// The first stage of a staged submission.
    pub fn first_stage(jobs: impl Into<Vec<Chunk>>) -> Self {
        CsRequest::execute(jobs).flags(
            accel::HL_CS_FLAGS_STAGED_SUBMISSION | accel::HL_CS_FLAGS_STAGED_SUBMISSION_FIRST,
        )
    }

    /// The first stage of a staged submission that uses a reservation.
    pub fn first_stage_encapsulated(jobs: impl Into<Vec<Chunk>>, handle: u32) -> Self {
        CsRequest::first_stage(jobs).flags(accel::HL_CS_FLAGS_ENCAP_SIGNALS).sequence(handle.into())
    }

    /// A middle stage of the staged submission that started with `sequence`.
    pub fn next_stage(jobs: impl Into<Vec<Chunk>>, sequence: u64) -> Self {
        CsRequest::execute(jobs).flags(accel::HL_CS_FLAGS_STAGED_SUBMISSION).sequence(sequence)
    }

    /// The last stage of the staged submission that started with `sequence`.
    pub fn last_stage(jobs: impl Into<Vec<Chunk>>, sequence: u64) -> Self {
        CsRequest::next_stage(jobs, sequence).flags(accel::HL_CS_FLAGS_STAGED_SUBMISSION_LAST)
    }

    /// Halts or runs engine cores.
    pub fn engine_cores(cores: &[u32], command: u32) -> Self {
        CsRequest {
            work: Work::Engines { ids: cores.to_vec(), command },
            ..CsRequest::execute([]).flags(accel::HL_CS_FLAGS_ENGINE_CORE_COMMAND)
        }
    }

    /// Stalls or resumes engines.
    pub fn engines(engines: &[u32], command: u32) -> Self {
        CsRequest {
            work: Work::Engines { ids: engines.to_vec(), command },
            ..CsRequest::execute([]).flags(accel::HL_CS_FLAGS_ENGINES_COMMAND)
        }
    }

    /// Flushes writes of the device to the host.
    pub fn flush_pci_writes() -> Self {
        CsRequest::execute([]).flags(accel::HL_CS_FLAGS_FLUSH_PCI_HBW_WRITES)
    }

    /// Adds flags.
    pub fn flags(mut self, flags: u32) -> Self {
        self.flags |= flags;
        self
    }

    /// Sets the sequence number (or what shares its place).
    pub fn sequence(mut self, sequence: u64) -> Self {
        self.sequence = sequence;
        self
    }

    /// Sets its own timeout in seconds.
    pub fn custom_timeout(mut self, seconds: u32) -> Self {
        self.timeout = seconds;
        self.flags(accel::HL_CS_FLAGS_CUSTOM_TIMEOUT)
    }

    /// Asks for a timestamp of its completion.
    pub fn timestamp(self) -> Self {
        self.flags(accel::HL_CS_FLAGS_TIMESTAMP)
    }

    /// Lies about the arrays.
    pub fn forged(mut self, forged: Forged) -> Self {
        self.forged = forged;
        self
    }
}

/// The arrays of a submission, in the kernel's layout; they must live during the call.
struct Arrays {
    restore: Vec<accel::hl_cs_chunk>,
    execute: Vec<accel::hl_cs_chunk>,
}

fn address<T>(list: &[T]) -> u64 {
    if list.is_empty() { 0 } else { list.as_ptr() as u64 }
}

fn count<T>(list: &[T]) -> u32 {
    u32::try_from(list.len()).unwrap_or(u32::MAX)
}

impl CsRequest {
    fn arrays(&self) -> Arrays {
        let layout = |chunks: &[Chunk]| chunks.iter().map(Chunk::arguments).collect();
        match &self.work {
            Work::Jobs { restore, execute } => {
                Arrays { restore: layout(restore), execute: layout(execute) }
            }
            Work::Engines { .. } => Arrays { restore: Vec::new(), execute: Vec::new() },
        }
    }

    fn arguments(&self, arrays: &Arrays) -> accel::hl_cs_args {
        let CsRequest { ref work, sequence, timeout, flags, ctx_id, pad, forged } = *self;
        let Forged { first_address, execute_address, restore_count, execute_count, engine_count } =
            forged;
        let mut input = accel::hl_cs_in {
            num_chunks_restore: restore_count.unwrap_or(count(&arrays.restore)),
            num_chunks_execute: execute_count.unwrap_or(count(&arrays.execute)),
            timeout,
            cs_flags: flags,
            ctx_id,
            pad,
            ..Default::default()
        };
        input.__bindgen_anon_2.seq = sequence;
        match work {
            Work::Jobs { restore: _, execute: _ } => {
                input.__bindgen_anon_1.__bindgen_anon_1 =
                    accel::hl_cs_in__bindgen_ty_1__bindgen_ty_1 {
                        chunks_restore: first_address.unwrap_or(address(&arrays.restore)),
                        chunks_execute: execute_address.unwrap_or(address(&arrays.execute)),
                    };
            }
            Work::Engines { ids, command } => {
                input.__bindgen_anon_1.__bindgen_anon_3 =
                    accel::hl_cs_in__bindgen_ty_1__bindgen_ty_3 {
                        engines: first_address.unwrap_or(address(ids)),
                        num_engines: engine_count.unwrap_or(count(ids)),
                        engine_command: *command,
                    };
            }
        }
        accel::hl_cs_args { in_: input }
    }
}

/// What a submission answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CsAnswer {
    /// Accepted or refused.
    pub result: Result<(), Errno>,
    /// The sequence number, or handle and count of a reservation, in their 8 bytes. When the
    /// kernel wrote no answer these are bytes of the request.
    pub sequence: u64,
    /// `HL_CS_STATUS_*`.
    pub status: u32,
    /// Offset of the sync object from the start of the configuration space.
    pub sob_offset: u32,
    /// Signals in the sync object before this one.
    pub sob_count: u16,
}

impl CsAnswer {
    /// The sequence number of an accepted submission.
    pub fn accepted(&self) -> Result<u64, Errno> {
        self.result.map(|()| self.sequence)
    }

    /// The handle of a reservation.
    pub fn reservation(&self) -> u32 {
        self.sequence as u32
    }

    /// The number of reserved signals.
    pub fn reserved(&self) -> u32 {
        (self.sequence >> 32) as u32
    }
}

/// The arguments as words.
fn words(arguments: &accel::hl_cs_args) -> [u64; size_of::<accel::hl_cs_args>() / 8] {
    // SAFETY: all members are integers, and the union is initialised as a whole.
    unsafe { std::mem::transmute(*arguments) }
}

impl Node {
    /// Submits.
    pub fn cs(&self, request: &CsRequest) -> CsAnswer {
        let arrays = request.arrays();
        self.cs_raw(&mut request.arguments(&arrays))
    }

    /// Submits and gives the sequence number.
    pub fn submit(&self, request: &CsRequest) -> Result<u64, Errno> {
        self.cs(request).accepted()
    }

    /// Submits; tells besides whether the kernel left the arguments as they were.
    pub fn cs_unchanged(&self, request: &CsRequest) -> (CsAnswer, bool) {
        let arrays = request.arrays();
        let mut arguments = request.arguments(&arrays);
        let before = words(&arguments);
        let answer = self.cs_raw(&mut arguments);
        (answer, words(&arguments) == before)
    }

    /// Submits arguments in the kernel's own layout.
    pub fn cs_raw(&self, arguments: &mut accel::hl_cs_args) -> CsAnswer {
        // SAFETY: the kernel only reads at the addresses inside.
        let result = unsafe { self.ioctl(accel::DRM_IOCTL_HL_CS, arguments) }.map(|_| ());
        // SAFETY: all members are integers, and the union is initialised as a whole.
        let (out, sequence) = unsafe { (arguments.out, arguments.out.__bindgen_anon_1.seq) };
        CsAnswer {
            result,
            sequence,
            status: out.status,
            sob_offset: out.sob_base_addr_offset,
            sob_count: out.sob_count_before_submission,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes that go to the kernel, as words.
    fn words(request: &CsRequest) -> (Vec<u64>, Arrays) {
        let arrays = request.arrays();
        let arguments = request.arguments(&arrays);
        let words = (0..size_of::<accel::hl_cs_args>() / 8).map(|index| {
            // SAFETY: the arguments are fully initialised integers, 8-byte aligned.
            unsafe { std::ptr::from_ref(&arguments).cast::<u64>().add(index).read() }
        });
        (words.collect(), arrays)
    }

    #[test]
    fn jobs() {
        let request = CsRequest::execute([Chunk::job(1, 2, 3), Chunk::job(4, 5, 6)])
            .restore([Chunk::job(7, 8, 9)])
            .custom_timeout(10);
        let (words, arrays) = words(&request);
        assert_eq!(words[0], address(&arrays.restore));
        assert_eq!(words[1], address(&arrays.execute));
        assert_eq!(words[3], 2 << 32 | 1);
        assert_eq!(words[4], u64::from(accel::HL_CS_FLAGS_CUSTOM_TIMEOUT) << 32 | 10);
        let chunk = arrays.execute[1];
        // SAFETY: all members are integers.
        assert_eq!(unsafe { chunk.__bindgen_anon_1.cb_handle }, 5);
        // SAFETY: all members are integers.
        assert_eq!(unsafe { chunk.__bindgen_anon_2.cb_size }, 6);
        assert_eq!(chunk.queue_index, 4);
    }

    #[test]
    fn engines() {
        let request = CsRequest::engines(&[7, 8], accel::HL_ENGINE_STALL);
        let (words, _) = words(&request);
        let Work::Engines { ids, .. } = &request.work else { return };
        assert_eq!(words[0], address(ids));
        assert_eq!(words[1], 3 << 32 | 2);
        assert_eq!(words[4] >> 32, u64::from(accel::HL_CS_FLAGS_ENGINES_COMMAND));
    }

    #[test]
    fn reservations() {
        let (words, _) = words(&CsRequest::reserve_signals(7, 200));
        assert_eq!(words[2], 7 << 32 | 200);
        assert_eq!(words[4] >> 32, u64::from(accel::HL_CS_FLAGS_RESERVE_SIGNALS_ONLY));
    }

    #[test]
    fn lies() {
        let forged = Forged {
            first_address: Some(1),
            execute_address: Some(2),
            restore_count: Some(3),
            execute_count: Some(4),
            engine_count: None,
        };
        let (words, _) = words(&CsRequest::execute([Chunk::signal(0)]).forged(forged));
        assert_eq!((words[0], words[1], words[3]), (1, 2, 4 << 32 | 3));
    }

    #[test]
    fn a_file_without_ioctls_answers_with_its_errno() -> Result<(), Errno> {
        let node = Node::open(std::path::Path::new("/dev/null"))?;
        assert_eq!(node.submit(&CsRequest::signal(0)), Err(Errno::ENOTTY));
        Ok(())
    }
}
