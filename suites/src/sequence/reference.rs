// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The reference: what the interface promises, without any of the driver's means.
//!
//! Handles and addresses are the driver's to choose, so the reference is told of them and says
//! what has to hold: who is alive, what is refused and how.

use super::step::Step;
use device::Errno;
use uapi::accel::HL_MAX_CB_SIZE;

/// What a step must come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// It succeeds.
    Done,
    /// It is refused.
    Refused(Errno),
    /// There is nothing of that number: it is left out.
    Nothing,
}

/// A command buffer.
#[derive(Clone, Copy, Debug)]
pub struct Buffer {
    /// As the driver gave it.
    pub handle: u64,
    /// Bytes, whole pages.
    pub length: usize,
    destroyed: bool,
    mapped: bool,
}

impl Buffer {
    /// A mapping keeps a destroyed buffer (memory_mgr.c: hl_mem_mgr_vm_close).
    fn lives(&self) -> bool {
        !self.destroyed || self.mapped
    }
}

/// A mapping of memory.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// As the driver gave it.
    pub address: u64,
    /// Which piece of memory.
    pub memory: usize,
    alive: bool,
}

/// A piece of memory to map.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    /// Bytes, whole pages.
    pub length: u64,
    /// What its device address is a multiple of (memory.c: map_device_va).
    pub align: u64,
}

/// The state of a session.
#[derive(Debug)]
pub struct Reference {
    /// Nobody else uses the session: handles and addresses that were given back are nobody's.
    alone: bool,
    /// Jobs are in buffers of the kernel, not in memory of the user.
    jobs_in_buffers: bool,
    pieces: Vec<Piece>,
    buffers: Vec<Buffer>,
    ranges: Vec<Range>,
    /// Sequence numbers of submissions.
    works: Vec<u64>,
    /// Submissions that were refused: they may have used up a number each.
    refused: u64,
}

fn pick<T>(list: &[T], n: u8) -> Option<usize> {
    usize::from(n).checked_rem(list.len())
}

impl Reference {
    /// A fresh session.
    pub fn new(alone: bool, jobs_in_buffers: bool, pieces: Vec<Piece>) -> Self {
        let (buffers, ranges, works) = (vec![], vec![], vec![]);
        Reference { alone, jobs_in_buffers, pieces, buffers, ranges, works, refused: 0 }
    }

    /// What a step must come to.
    pub fn expect(&self, step: Step) -> Expected {
        use Expected::{Done, Nothing, Refused};
        let invalid = if self.alone { Refused(Errno::EINVAL) } else { Nothing };
        let done = |holds: bool| if holds { Done } else { invalid };
        match step {
            Step::Create(size) if size > HL_MAX_CB_SIZE => Refused(Errno::EINVAL),
            Step::Create(_) | Step::Map(_) | Step::Signal(_) => Done,
            Step::Destroy(n) => self.with(n, |found| done(found.is_some_and(|b| !b.destroyed))),
            Step::Mmap(n) => self.with(n, |found| done(found.is_some_and(|b| !b.mapped))),
            // Memory of the user stays where it is.
            Step::Submit(..) if !self.jobs_in_buffers => Done,
            Step::Usage(n) | Step::Submit(_, n) => self.with(n, |found| done(found.is_some())),
            Step::Munmap(n) => match pick(&self.buffers, n) {
                Some(n) if self.buffers[n].mapped => Done,
                Some(_) | None => Nothing,
            },
            // A hint that is not forced is only a wish.
            Step::MapAt(_, n) => pick(&self.ranges, n).map_or(Nothing, |_| Done),
            Step::Unmap(n) => match pick(&self.ranges, n) {
                Some(n) => done(self.at(self.ranges[n].address).is_some()),
                None => Nothing,
            },
            Step::Show(n) => match pick(&self.ranges, n) {
                Some(n) if self.ranges[n].alive => Done,
                Some(_) | None => Nothing,
            },
            Step::Wait(n) | Step::Poll(n) => pick(&self.works, n).map_or(Nothing, |_| Done),
            // Others may submit in between.
            Step::Future => invalid,
            Step::Reopen => {
                if self.alone {
                    Done
                } else {
                    Nothing
                }
            }
        }
    }

    /// The rule for the buffer that a number's handle leads to now, if it leads to one.
    fn with(&self, n: u8, rule: impl Fn(Option<&Buffer>) -> Expected) -> Expected {
        match pick(&self.buffers, n) {
            Some(n) => rule(self.living(self.buffers[n].handle).map(|n| &self.buffers[n])),
            None => Expected::Nothing,
        }
    }

    fn living(&self, handle: u64) -> Option<usize> {
        self.buffers.iter().rposition(|buffer| buffer.handle == handle && buffer.lives())
    }

    fn at(&self, address: u64) -> Option<usize> {
        self.ranges.iter().rposition(|range| range.address == address && range.alive)
    }

    /// A piece of memory.
    pub fn piece(&self, memory: u8) -> Piece {
        self.pieces[usize::from(memory) % self.pieces.len()]
    }

    /// The buffer of a number.
    pub fn buffer(&self, n: u8) -> Option<(usize, Buffer)> {
        pick(&self.buffers, n).map(|n| (n, self.buffers[n]))
    }

    /// The mapping of a number.
    pub fn range(&self, n: u8) -> Option<Range> {
        pick(&self.ranges, n).map(|n| self.ranges[n])
    }

    /// The sequence number of a number.
    pub fn work(&self, n: u8) -> Option<u64> {
        pick(&self.works, n).map(|n| self.works[n])
    }

    /// A step was refused as it had to be.
    pub fn refused(&mut self, step: Step) {
        self.refused += u64::from(matches!(step, Step::Submit(..)));
    }

    /// A number that no submission has yet.
    pub fn future(&self) -> u64 {
        self.works.iter().max().copied().unwrap_or(0) + self.refused + 1
    }

    /// All sequence numbers.
    pub fn works(&self) -> &[u64] {
        &self.works
    }

    /// A buffer was made.
    pub fn created(&mut self, handle: u64, length: usize) {
        self.buffers.push(Buffer { handle, length, destroyed: false, mapped: false });
    }

    /// The buffer of a handle was destroyed.
    pub fn destroyed(&mut self, handle: u64) {
        if let Some(n) = self.living(handle) {
            self.buffers[n].destroyed = true;
        }
    }

    /// The buffer of a handle was mapped; which one that is.
    pub fn mapped(&mut self, handle: u64) -> Option<usize> {
        let n = self.living(handle)?;
        self.buffers[n].mapped = true;
        Some(n)
    }

    /// The mapping of a buffer ended.
    pub fn unmapped(&mut self, n: usize) {
        self.buffers[n].mapped = false;
    }

    /// Memory was mapped.
    pub fn attached(&mut self, memory: u8, address: u64) {
        let memory = usize::from(memory) % self.pieces.len();
        self.ranges.push(Range { address, memory, alive: true });
    }

    /// A mapping of memory ended.
    pub fn detached(&mut self, address: u64) {
        if let Some(n) = self.at(address) {
            self.ranges[n].alive = false;
        }
    }

    /// Something was submitted. Gives whether its number is new and, alone, larger than all.
    pub fn submitted(&mut self, sequence: u64) -> bool {
        let fresh = match self.alone {
            true => self.works.iter().all(|work| *work < sequence),
            false => !self.works.contains(&sequence),
        };
        self.works.push(sequence);
        fresh
    }

    /// The session ended: numbers still count what was made, but none of it is left.
    pub fn closed(&mut self) {
        self.buffers.iter_mut().for_each(|buffer| {
            buffer.destroyed = true;
            buffer.mapped = false;
        });
        self.ranges.iter_mut().for_each(|range| range.alive = false);
        self.works.clear();
        self.refused = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::Expected::{Done, Nothing, Refused};
    use super::*;

    fn fresh() -> Reference {
        let pieces = vec![Piece { length: 4096, align: 4096 }, Piece { length: 8192, align: 8192 }];
        Reference::new(true, true, pieces)
    }

    #[test]
    fn a_mapping_keeps_a_destroyed_buffer() {
        let mut reference = fresh();
        assert_eq!(reference.expect(Step::Destroy(0)), Nothing);
        reference.created(7, 4096);
        assert_eq!(reference.mapped(7), Some(0));
        reference.destroyed(7);
        assert_eq!(reference.expect(Step::Usage(0)), Done);
        assert_eq!(reference.expect(Step::Destroy(0)), Refused(Errno::EINVAL));
        reference.unmapped(0);
        assert_eq!(reference.expect(Step::Usage(0)), Refused(Errno::EINVAL));
    }

    #[test]
    fn a_handle_that_is_given_out_again_leads_to_the_new_buffer() {
        let mut reference = fresh();
        reference.created(7, 4096);
        reference.destroyed(7);
        reference.created(7, 8192);
        assert_eq!(reference.expect(Step::Destroy(0)), Done);
        reference.destroyed(7);
        assert_eq!(reference.expect(Step::Usage(1)), Refused(Errno::EINVAL));
    }

    #[test]
    fn an_address_leads_to_the_mapping_that_has_it_now() {
        let mut reference = fresh();
        reference.attached(0, 0x3000);
        reference.detached(0x3000);
        assert_eq!(reference.expect(Step::Unmap(0)), Refused(Errno::EINVAL));
        assert_eq!(reference.expect(Step::Show(0)), Nothing);
        reference.attached(1, 0x3000);
        assert_eq!(reference.expect(Step::Unmap(0)), Done);
        assert_eq!(reference.range(1).map(|range| range.memory), Some(1));
    }

    #[test]
    fn others_may_hold_what_was_given_back() {
        let mut reference = Reference { alone: false, ..fresh() };
        reference.created(7, 4096);
        reference.destroyed(7);
        assert_eq!(reference.expect(Step::Destroy(0)), Nothing);
        assert_eq!(reference.expect(Step::Reopen), Nothing);
    }

    #[test]
    fn jobs_in_memory_of_the_user_need_no_buffer() {
        let reference = Reference { jobs_in_buffers: false, ..fresh() };
        assert_eq!(reference.expect(Step::Submit(0, 0)), Done);
        assert_eq!(fresh().expect(Step::Submit(0, 0)), Nothing);
    }

    #[test]
    fn sequence_numbers_grow() {
        let mut reference = fresh();
        assert_eq!(reference.future(), 1);
        assert!(reference.submitted(1) && reference.submitted(3) && !reference.submitted(3));
        reference.refused(Step::Submit(0, 0));
        reference.refused(Step::Usage(0));
        assert_eq!(reference.future(), 5);
    }
}
