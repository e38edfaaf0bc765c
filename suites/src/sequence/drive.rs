// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Asks the driver what the reference was asked, and compares.
//!
//! A sequence starts with a fresh open and ends with a close that leaves nothing behind.

use super::reference::{Expected, Piece, Reference};
use super::step::{QUEUES, Sequence, Step};
use crate::common::submit::{Card, Listings, PATIENCE};
use crate::common::typed::{generation, need};
use crate::common::wait;
use case::{CaseResult, Context, Stop, check, equal, errno, succeed};
use device::procfs::pinned_pages;
use device::{CbRequest, Chunk, CsRequest, Errno, Mapping, MemoryRequest, Node, Pages, Program};
use hw::Generation;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use uapi::accel::{
    HL_CS_CHUNK_FLAGS_USER_ALLOC_CB, HL_WAIT_CS_STATUS_BUSY, HL_WAIT_CS_STATUS_COMPLETED,
};

/// Pieces of memory: bytes and alignment.
const PIECES: [(usize, usize); super::step::MEMORIES as usize] =
    [(4096, 4096), (5 * 4096, 4096), (2 << 20, 2 << 20)];
/// What the device is shown of a piece: the start and the end.
const SAMPLE: usize = 32;
/// Where in the window a job is that does nothing, for chips whose jobs are in memory of the user.
const JOB: usize = 2048;

/// What a sequence is run with.
pub struct Drive<'a> {
    cx: &'a Context,
    pieces: Vec<Pages>,
    window: Pages,
    pinned: u64,
    listings: Listings,
}

/// A session of a thread.
struct Session<'a> {
    drive: &'a Drive<'a>,
    card: &'a Card<'a>,
    reference: Reference,
    /// Mappings of buffers, by the number of the buffer.
    mappings: BTreeMap<usize, Mapping>,
    /// Every address that is mapped now, of all threads, with the bytes.
    taken: &'a Mutex<BTreeMap<u64, u64>>,
    /// Where in the SRAM this thread may copy to.
    scratch: u64,
    /// Where the device sees the window of this thread.
    window: u64,
    place: usize,
}

fn opened(cx: &Context) -> CaseResult<Card<'_>> {
    let node = wait::until(PATIENCE, || Ok(Node::open(&cx.at.compute).ok()))?;
    let node = node.map_or_else(|| case::fail("the device stays in use after a close"), Ok)?;
    Ok(Card { cx, node, chip: generation(cx) })
}

impl<'a> Drive<'a> {
    /// Memory, and what is counted.
    pub fn new(cx: &'a Context) -> CaseResult<Self> {
        let mut pieces = Vec::new();
        for (place, (length, align)) in PIECES.into_iter().enumerate() {
            let piece = need("memory", Pages::aligned(length, align))?;
            for offset in (0..length).step_by(8) {
                let word = ((offset as u64) << 8) | (place as u64 + 1);
                piece.write(offset, &word.to_le_bytes());
            }
            pieces.push(piece);
        }
        let window = need("memory", Pages::new(4096))?;
        window.write(JOB, nothing(cx).bytes());
        let pinned = need("count of pinned pages", pinned_pages())?;
        Ok(Drive { cx, pieces, window, pinned, listings: Listings::read(cx)? })
    }

    fn reference(&self, alone: bool) -> Reference {
        let piece = |pages: &Pages| {
            let huge = pages.pointer(0).address().is_multiple_of(2 << 20);
            Piece { length: pages.length() as u64, align: if huge { 2 << 20 } else { 4096 } }
        };
        Reference::new(alone, jobs_in_buffers(self.cx), self.pieces.iter().map(piece).collect())
    }

    /// Runs one sequence.
    pub fn alone(self, sequence: &Sequence) -> CaseResult {
        let mut reference = self.reference(true);
        let mut steps = sequence.0.as_slice();
        loop {
            // A session ends where the sequence says so.
            let end = steps.iter().position(|step| *step == Step::Reopen);
            let (now, rest) = steps.split_at(end.unwrap_or(steps.len()));
            let card = opened(self.cx)?;
            let taken = Mutex::default();
            let mut session = Session::new(&self, &card, reference, &taken, 0)?;
            let result = session.run(now);
            let ended = session.end();
            reference = result.and(ended)?;
            let Card { node, .. } = card;
            succeed("close", node.close())?;
            match rest.split_first() {
                Some((_, rest)) => steps = rest,
                None => return self.ends_as_it_began(),
            }
        }
    }

    /// Runs sequences side by side, in one session.
    pub fn together(self, sequences: &[Sequence]) -> CaseResult {
        let card = opened(self.cx)?;
        let taken = Mutex::default();
        let one = |(place, sequence): (usize, &Sequence)| -> CaseResult {
            let mut session = Session::new(&self, &card, self.reference(false), &taken, place)?;
            let result = session.run(&sequence.0);
            result.and(session.end().map(drop))
        };
        let one = &one;
        let results = std::thread::scope(|scope| {
            let threads: Vec<_> =
                sequences.iter().enumerate().map(|job| scope.spawn(move || one(job))).collect();
            threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect::<Vec<_>>()
        });
        let Card { node, .. } = card;
        succeed("close", node.close())?;
        for result in results {
            result.map_err(|_| Stop::Broken("a thread panicked".into()))??;
        }
        self.ends_as_it_began()
    }

    fn ends_as_it_began(self) -> CaseResult {
        let unpinned = wait::until(PATIENCE, || {
            Ok((need("count", pinned_pages())? == self.pinned).then_some(()))
        })?;
        if unpinned.is_none() {
            equal("pages pinned", need("count", pinned_pages())?, self.pinned)?;
        }
        self.listings.are_back(self.cx)
    }
}

impl<'a> Session<'a> {
    fn new(
        drive: &'a Drive<'a>,
        card: &'a Card<'a>,
        reference: Reference,
        taken: &'a Mutex<BTreeMap<u64, u64>>,
        place: usize,
    ) -> CaseResult<Self> {
        let sram = succeed("INFO HW_IP", card.node.hw_ip())?.sram_base_address;
        let request = MemoryRequest::map_host(drive.window.pointer(0), 4096, 0);
        let window = succeed("MAP of the window", card.node.memory(&request))?.first;
        taken.lock().unwrap_or_else(PoisonError::into_inner).insert(window, 4096);
        let scratch = sram + (place * 4096) as u64;
        let mappings = BTreeMap::new();
        Ok(Session { drive, card, reference, mappings, taken, scratch, window, place })
    }

    fn run(&mut self, steps: &[Step]) -> CaseResult {
        for (number, step) in steps.iter().enumerate() {
            let at = |stop: Stop| stop.request(&format_args!("step {number}: {step}"));
            match self.reference.expect(*step) {
                Expected::Nothing => {}
                Expected::Done => self.does(*step).map_err(at)?,
                Expected::Refused(why) => {
                    self.refuses(*step, why).map_err(at)?;
                    self.reference.refused(*step);
                }
            }
        }
        Ok(())
    }

    fn node(&self) -> &'a Node {
        &self.card.node
    }

    fn queue(&self, queue: u8) -> u32 {
        match queue % QUEUES {
            stream @ 0..4 => self.card.upload(stream),
            stream => self.card.download(stream - 4),
        }
    }

    fn handle(&self, n: u8) -> u64 {
        self.reference.buffer(n).map_or(0, |(_, buffer)| buffer.handle)
    }

    fn length(&self, n: u8) -> usize {
        self.reference.buffer(n).map_or(4096, |(_, buffer)| buffer.length)
    }

    fn job(&self, queue: u8, n: u8) -> CsRequest {
        let (queue, size) = (self.queue(queue), nothing(self.drive.cx).size());
        let chunk = if jobs_in_buffers(self.drive.cx) {
            Chunk::job(queue, self.handle(n), size)
        } else {
            let chunk = Chunk::job(queue, self.window + JOB as u64, size);
            chunk.flags(HL_CS_CHUNK_FLAGS_USER_ALLOC_CB)
        };
        CsRequest::execute([chunk])
    }

    fn map(&self, memory: u8, at: Option<u8>) -> MemoryRequest {
        let pages = &self.drive.pieces[usize::from(memory) % self.drive.pieces.len()];
        let hint = at.and_then(|n| self.reference.range(n)).map(|range| range.address);
        MemoryRequest::map_host(pages.pointer(0), pages.length() as u64, hint.unwrap_or(0))
    }

    fn address(&self, n: u8) -> u64 {
        self.reference.range(n).map_or(0, |range| range.address)
    }

    /// A step that must succeed, and what follows from it.
    fn does(&mut self, step: Step) -> CaseResult {
        let node = self.node();
        match step {
            Step::Create(size) => self.create(size),
            Step::Destroy(n) => {
                succeed("DESTROY", node.destroy_cb(self.handle(n)))?;
                self.reference.destroyed(self.handle(n));
                Ok(())
            }
            Step::Mmap(n) => {
                let length = self.living_length(n);
                let mapping = succeed("mmap", node.map(self.handle(n), length))?;
                if let Some(n) = self.reference.mapped(self.handle(n)) {
                    self.mappings.insert(n, mapping);
                }
                Ok(())
            }
            Step::Munmap(n) => {
                let Some((n, _)) = self.reference.buffer(n) else { return Ok(()) };
                if let Some(mapping) = self.mappings.remove(&n) {
                    succeed("munmap", mapping.unmap())?;
                }
                self.reference.unmapped(n);
                Ok(())
            }
            Step::Usage(n) => equal("usage", node.cb_usage(self.handle(n)), Ok(0)),
            Step::Map(memory) => self.attach(memory, None),
            Step::MapAt(memory, n) => self.attach(memory, Some(n)),
            Step::Unmap(n) => self.detach(self.address(n)),
            Step::Show(n) => self.show(n),
            Step::Submit(queue, n) => self.submitted(&self.job(queue, n)),
            Step::Signal(queue) => self.submitted(&CsRequest::signal(self.queue(queue))),
            Step::Wait(n) => self.wait(n, PATIENCE.as_micros() as u64),
            Step::Poll(n) => self.wait(n, 0),
            Step::Future | Step::Reopen => Ok(()),
        }
    }

    /// A step that must be refused.
    fn refuses(&self, step: Step, why: Errno) -> CaseResult {
        let node = self.node();
        let result = match step {
            Step::Create(size) => node.cb(&CbRequest::create(size)).map(drop),
            Step::Destroy(n) => node.destroy_cb(self.handle(n)),
            Step::Mmap(n) => node.map(self.handle(n), self.length(n)).map(drop),
            Step::Usage(n) => node.cb_usage(self.handle(n)).map(drop),
            Step::Unmap(n) => node.unmap(self.address(n)),
            Step::Submit(queue, n) => node.submit(&self.job(queue, n)).map(drop),
            Step::Future => node.wait_cs(self.reference.future(), 0).map(drop),
            Step::Map(_)
            | Step::MapAt(..)
            | Step::Munmap(_)
            | Step::Show(_)
            | Step::Signal(_)
            | Step::Wait(_)
            | Step::Poll(_)
            | Step::Reopen => return Ok(()),
        };
        errno("the call", result, why)
    }

    fn create(&mut self, size: u32) -> CaseResult {
        let handle = succeed("CREATE", self.node().cb(&CbRequest::create(size)))?;
        let length = (size as usize).max(1).next_multiple_of(4096);
        self.reference.created(handle, length);
        let mapping = succeed("mmap of a new buffer", self.node().map(handle, length))?;
        check(mapping.bytes(0, 64) == [0; 64], "a new buffer is empty")?;
        mapping.write(0, nothing(self.drive.cx).bytes());
        succeed("munmap", mapping.unmap())
    }

    /// Pages of the buffer that a number's handle leads to now.
    fn living_length(&self, n: u8) -> usize {
        let handle = self.handle(n);
        let of = |n: u8| self.reference.buffer(n).filter(|(_, buffer)| buffer.handle == handle);
        // The last one with the handle: the others are gone.
        (0..=u8::MAX)
            .filter_map(of)
            .max_by_key(|(n, _)| *n)
            .map_or(4096, |(_, buffer)| buffer.length)
    }

    fn attach(&mut self, memory: u8, at: Option<u8>) -> CaseResult {
        let request = self.map(memory, at);
        let answer = succeed("MAP", self.node().memory(&request))?.first;
        let piece = self.reference.piece(memory);
        check(answer.is_multiple_of(piece.align), "the address is aligned")
            .map_err(|stop| stop.request(&request))?;
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let clash = taken
            .iter()
            .any(|(start, length)| answer < start + length && *start < answer + piece.length);
        check(!clash, "the address is not in use").map_err(|stop| stop.request(&answer))?;
        taken.insert(answer, piece.length);
        drop(taken);
        self.reference.attached(memory, answer);
        Ok(())
    }

    fn detach(&mut self, address: u64) -> CaseResult {
        // Before the call: another thread may get the address as soon as it is free.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(&address);
        succeed("UNMAP", self.node().unmap(address))?;
        self.reference.detached(address);
        Ok(())
    }

    /// The device reads the start and the end of a mapping.
    fn show(&mut self, n: u8) -> CaseResult {
        let Some(range) = self.reference.range(n) else { return Ok(()) };
        let pages = &self.drive.pieces[range.memory];
        let at = 2 * SAMPLE * self.place;
        let (mut up, mut down) = (self.card.program(), self.card.program());
        let mut expected = Vec::new();
        for (k, offset) in [0, pages.length() - SAMPLE].into_iter().enumerate() {
            let (k, size) = ((k * SAMPLE) as u64, SAMPLE as u32);
            up = up.copy(range.address + offset as u64, self.scratch + k, size);
            down = down.copy(self.scratch + k, self.window + at as u64 + k, size);
            expected.extend(pages.bytes(offset, SAMPLE));
        }
        self.drive.window.write(at, &[0; 2 * SAMPLE]);
        for (queue, program) in [(self.card.upload(0), up), (self.card.download(0), down)] {
            let job = self.card.job(queue, &program)?;
            self.submitted(&CsRequest::execute([job.chunk()]))?;
            let last = self.reference.works().last().copied().unwrap_or(0);
            self.card.finish(last)?;
            // The buffer of the job is given back; the reference never knew of it.
        }
        let seen = self.drive.window.bytes(at, 2 * SAMPLE);
        check(seen == expected, "the device sees the memory of the mapping")
            .map_err(|stop| stop.request(&format_args!("{seen:x?}, expected {expected:x?}")))
    }

    fn submitted(&mut self, request: &CsRequest) -> CaseResult {
        let sequence = succeed("CS", self.node().submit(request))?;
        check(self.reference.submitted(sequence), "a sequence number is new")
            .map_err(|stop| stop.request(&sequence))
    }

    fn wait(&self, n: u8, limit: u64) -> CaseResult {
        let Some(sequence) = self.reference.work(n) else { return Ok(()) };
        let status = succeed("WAIT_CS", self.node().wait_cs(sequence, limit))?;
        let busy = limit == 0 && status == HL_WAIT_CS_STATUS_BUSY;
        check(busy || status == HL_WAIT_CS_STATUS_COMPLETED, "a submission is completed")
            .map_err(|stop| stop.request(&status))
    }

    /// Everything that would keep the device in use is ended; the rest is left to the close.
    fn end(mut self) -> CaseResult<Reference> {
        for work in self.reference.works() {
            self.card.finish(*work)?;
        }
        for (_, mapping) in std::mem::take(&mut self.mappings) {
            succeed("munmap", mapping.unmap())?;
        }
        self.reference.closed();
        Ok(self.reference)
    }
}

/// A packet that does nothing.
fn nothing(cx: &Context) -> Program {
    Program::new(generation(cx)).nop()
}

/// Does the chip take jobs out of buffers of the kernel (`gaudi2.c: gaudi2_cs_parser` does not)?
fn jobs_in_buffers(cx: &Context) -> bool {
    match generation(cx) {
        Generation::Gaudi => true,
        Generation::Gaudi2 => false,
    }
}
