// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! From steps to packets: one program for each queue.
//!
//! Each step has a sync object, which whoever works on it increments. A queue that has to wait for
//! a step arms a monitor on that object, which adds to the queue's own fence counter, and then
//! waits at the fence; one monitor for each queue is enough, as it is free again then.
//!
//! The queue from the host, which has nothing to do after the loads, waits for one step after the
//! other and writes how many are done into memory of the host: so it is known which node was the
//! first that did not finish, whatever becomes of the device. The last program, on the queue to the
//! host, waits for the end of that and sets all sync objects to 0 again: so the same programs can
//! be submitted any number of times.

use crate::chip::Chip;
use crate::contraction::{Launch, SIGNALS};
use crate::error::Error;
use crate::graph::Event;
use crate::plan::{Action, Plan, Step};
use device::{Compare, Program, SyncManager};
use hw::packet::{Barriers, Body, LinDma, Packet};
use std::collections::BTreeMap;
use tpc::descriptor::Descriptor;

/// The fence counter that waits use; the kernel's own use others.
const FENCE: u8 = 0;
/// `TPC_CMD`: invalidates the caches of instructions, data, tables and tensors.
const INVALIDATE: u32 = 0xf;

/// Sync objects and monitors that the graph may use: first and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Syncs {
    /// The manager.
    pub manager: SyncManager,
    /// Objects.
    pub objects: (u32, u32),
    /// Monitors.
    pub monitors: (u32, u32),
}

/// Programs by queue, in the order in which they are submitted.
pub type Programs = BTreeMap<u32, Program>;

/// Memory of the host, as the device sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostAddresses {
    /// Where tensors are, by tensor.
    pub tensors: BTreeMap<usize, u64>,
    /// Where the number of steps that are done goes: 8 bytes.
    pub progress: u64,
}

struct Writer<'a> {
    plan: &'a Plan,
    syncs: &'a Syncs,
    /// Monitors by queue.
    monitors: BTreeMap<u32, u32>,
    programs: Programs,
}

/// Writes the programs of a plan.
pub fn programs(plan: &Plan, syncs: &Syncs, host: &HostAddresses) -> Result<Programs, Error> {
    // One for each step, and one for the count of them.
    enough("sync objects", plan.steps.len() + 1, syncs.objects.1)?;
    let mut writer = Writer { plan, syncs, monitors: BTreeMap::new(), programs: Programs::new() };
    for (index, step) in plan.steps.iter().enumerate() {
        for queue in &step.queues {
            for Event(object) in plan.waits.iter().filter(|_| step.after.is_empty()) {
                writer.arm(*queue, *object, 1, &step.name)?;
            }
            for before in &step.after {
                writer.wait(*queue, *before)?;
            }
        }
        writer.work(index, host)?;
        writer.count(index, host)?;
    }
    writer.finish()?;
    Ok(writer.programs)
}

fn enough(what: &'static str, needed: usize, free: u32) -> Result<(), Error> {
    let free = free as usize;
    if needed > free { Err(Error::Sync { what, needed, free }) } else { Ok(()) }
}

/// All barriers: what came before is done.
fn after_all(body: Body) -> Packet {
    Packet::new(Barriers::ALL, body)
}

/// Writes of many registers in a row: two words each time from a multiple of 8, what is left at
/// the ends alone.
fn bulk(register: u16, words: &[u32]) -> Vec<Body> {
    let first = usize::from(register % 8 / 4).min(words.len());
    let (ahead, words) = words.split_at(first);
    let at = |n: usize| register + 4 * n as u16;
    let one = |(n, value): (usize, &u32)| Body::Wreg32 { register: at(n), value: *value };
    let (pairs, behind) = words.as_chunks::<2>();
    let two = |[low, high]: &[u32; 2]| u64::from(*low) | u64::from(*high) << 32;
    let middle = Body::WregBulk { register: at(first), values: pairs.iter().map(two).collect() };
    let last = first + 2 * pairs.len();
    let behind = behind.iter().enumerate().map(|(n, value)| one((last + n, value)));
    ahead.iter().enumerate().map(one).chain([middle]).chain(behind).collect()
}

impl Writer<'_> {
    fn put(&mut self, queue: u32, packets: impl IntoIterator<Item = Packet>) {
        let empty = || Program::new(self.plan.chip.generation);
        let program = self.programs.remove(&queue).unwrap_or_else(empty);
        let program = packets.into_iter().fold(program, |program, packet| program.packet(&packet));
        self.programs.insert(queue, program);
    }

    fn object(&self, step: usize) -> u32 {
        self.syncs.objects.0 + step as u32
    }

    /// Lets a queue wait until a step is done.
    fn wait(&mut self, queue: u32, step: usize) -> Result<(), Error> {
        let Step { name, signals, .. } = &self.plan.steps[step];
        self.arm(queue, self.object(step), *signals, name)
    }

    /// Lets a queue wait until a sync object has been signalled so often.
    fn arm(&mut self, queue: u32, object: u32, signals: u32, name: &str) -> Result<(), Error> {
        let chip = &self.plan.chip;
        let next = self.monitors.len();
        let monitor = *self.monitors.entry(queue).or_insert(self.syncs.monitors.0 + next as u32);
        enough("monitors", self.monitors.len(), self.syncs.monitors.1)?;
        let no_fence = || Error::Shape {
            node: name.to_string(),
            why: format!("{} has no fence that is known", chip.name(queue)),
        };
        let fence = chip.fence(queue, FENCE.into()).ok_or_else(no_fence)?;
        let target = Compare::AtLeast(signals as u16);
        let armed = self.syncs.manager.monitor(monitor, object, target, fence, 1);
        self.put(queue, armed);
        let fence = Body::Fence { id: FENCE, target: 1, decrement: 1 };
        self.put(queue, [Packet::new(Barriers::NONE, fence)]);
        Ok(())
    }

    /// What a step does.
    fn work(&mut self, index: usize, host: &HostAddresses) -> Result<(), Error> {
        let step = &self.plan.steps[index];
        let queue = step.queues[0];
        let at = |id| self.plan.place(id).address;
        let on_host = |id: crate::TensorId| host.tensors.get(&id.0).copied().unwrap_or(0);
        let bytes = |id: crate::TensorId| self.plan.tensors[id.0].shape.bytes();
        let (from, to, bytes) = match &step.action {
            Action::Load(id) => (on_host(*id), at(*id), bytes(*id)),
            Action::Store(id) => (at(*id), on_host(*id), bytes(*id)),
            Action::Copy(from, to) => (at(*from), at(*to), bytes(*from)),
            Action::Contraction(work, ids) => {
                let signal = self.syncs.manager.object(self.object(index));
                let launches = work.launches(&self.plan.operands(ids, signal))?;
                self.launch(&launches);
                return Ok(());
            }
            Action::Kernel(call) => {
                let add = hw::sync::INCREMENT.mask() | 1;
                let object = self.syncs.manager.object(self.object(index));
                let jobs = self.plan.jobs(call, index, (add, object as u32))?;
                self.jobs(&jobs);
                return Ok(());
            }
        };
        let size = u32::try_from(bytes).map_err(|_| Error::TooLarge {
            what: "bytes of a transfer",
            value: bytes,
            limit: u32::MAX.into(),
        })?;
        let dma = LinDma { size, source: from, destination: to, linear: true, ..LinDma::default() };
        let done = self.syncs.manager.add(self.object(index), 1);
        self.put(queue, [Packet::new(Barriers::NONE, Body::LinDma(dma)), after_all(done.body)]);
        Ok(())
    }

    /// Starts the matrix engine.
    fn launch(&mut self, launches: &[Launch]) {
        debug_assert_eq!(SIGNALS, 2);
        let Some(matrix) = self.plan.chip.matrix else { return };
        for Launch { master, descriptor } in launches {
            let bulk = bulk(matrix.descriptor, &descriptor.words());
            let start = Body::Wreg32 { register: matrix.command, value: 1 };
            self.put(matrix.masters[*master], bulk.into_iter().chain([start]).map(after_all));
        }
    }

    /// Starts tensor cores: the descriptor, all caches invalidated, go.
    fn jobs(&mut self, jobs: &[(u32, Descriptor)]) {
        let Chip { arch, tensor: registers, window, .. } = self.plan.chip;
        let at = |register: u32| (window + register) as u16;
        let write = |register: u32, value| Body::Wreg32 { register: at(register), value };
        for (queue, descriptor) in jobs {
            let bulk = bulk(at(registers.queued), &descriptor.words(arch));
            let fresh = write(registers.command, INVALIDATE);
            let start = write(registers.execute, 1);
            self.put(*queue, bulk.into_iter().chain([fresh, start]).map(after_all));
        }
    }

    /// Counts a step once it is done.
    fn count(&mut self, index: usize, host: &HostAddresses) -> Result<(), Error> {
        let down = self.plan.chip.down;
        if self.plan.steps[index].queues != [down] {
            self.wait(down, index)?;
        }
        let number = LinDma {
            size: 8,
            source: index as u64 + 1,
            destination: host.progress,
            linear: true,
            memset: true,
            ..LinDma::default()
        };
        self.put(down, [Packet::new(Barriers::NONE, Body::LinDma(number))]);
        Ok(())
    }

    /// Waits until all steps are counted, then sets all sync objects to 0, those of events that were
    /// waited for, too, and signals the others.
    fn finish(&mut self) -> Result<(), Error> {
        let Chip { down, up, .. } = self.plan.chip;
        let counted = self.object(self.plan.steps.len());
        let add = self.syncs.manager.add(counted, 1);
        self.put(down, [after_all(add.body)]);
        self.arm(up, counted, 1, "end")?;
        let own = (0..=self.plan.steps.len()).map(|index| self.object(index));
        let taken = self.plan.waits.iter().map(|Event(object)| *object);
        for object in own.chain(taken).collect::<Vec<_>>() {
            let zero = self.syncs.manager.store(object, 0);
            self.put(up, [zero]);
        }
        for Event(object) in &self.plan.signals {
            let add = self.syncs.manager.add(*object, 1);
            self.put(up, [after_all(add.body)]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_in_a_row_begin_and_end_anywhere() {
        let bulk = |register, count| bulk(register, &(1..=count).collect::<Vec<u32>>());
        let pairs = |register, values: &[u64]| Body::WregBulk { register, values: values.into() };
        let one = |register, value| Body::Wreg32 { register, value };
        assert_eq!(bulk(0xa00, 4), [pairs(0xa00, &[1 | 2 << 32, 3 | 4 << 32])]);
        assert_eq!(
            bulk(0xb5dc, 4),
            [one(0xb5dc, 1), pairs(0xb5e0, &[2 | 3 << 32]), one(0xb5e8, 4)]
        );
    }
}
