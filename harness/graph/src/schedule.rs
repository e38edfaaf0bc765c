// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! From steps to packets: one program for each queue.
//!
//! Each step has a sync object, which whoever works on it increments. A queue that has to wait for
//! a step arms a monitor on that object, which adds to the queue's own fence counter, and then
//! waits at the fence; one monitor for each queue is enough, as it is free again then. The last program, on the queue to the host, waits for everything and sets
//! all sync objects to 0 again: so the same programs can be submitted any number of times.

use crate::contraction::{Launch, SIGNALS};
use crate::error::Error;
use crate::graph::Event;
use crate::plan::{Action, Plan, Step};
use device::{Compare, Program, SyncManager};
use hw::packet::{Barriers, Body, LinDma, Packet};
use std::collections::{BTreeMap, BTreeSet};
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

/// Where tensors are on the host, as the device sees them, by tensor.
pub type HostAddresses = BTreeMap<usize, u64>;

struct Writer<'a> {
    plan: &'a Plan,
    syncs: &'a Syncs,
    /// Monitors by queue.
    monitors: BTreeMap<u32, u32>,
    programs: Programs,
}

/// Writes the programs of a plan.
pub fn programs(plan: &Plan, syncs: &Syncs, host: &HostAddresses) -> Result<Programs, Error> {
    enough("sync objects", plan.steps.len(), syncs.objects.1)?;
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

/// Writes of many registers in a row.
fn bulk(register: u16, words: &[u32]) -> Body {
    let pairs = words.as_chunks::<2>().0.iter();
    let values = pairs.map(|[low, high]| u64::from(*low) | u64::from(*high) << 32).collect();
    Body::WregBulk { register, values }
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
        let on_host = |id: crate::TensorId| host.get(&id.0).copied().unwrap_or(0);
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
        let chip = self.plan.chip;
        for Launch { master, descriptor } in launches {
            let bulk = bulk(chip.descriptor, &descriptor.words());
            let start = Body::Wreg32 { register: chip.command, value: 1 };
            self.put(chip.masters[*master], [after_all(bulk), after_all(start)]);
        }
    }

    /// Starts tensor cores: the descriptor, all caches invalidated, go.
    fn jobs(&mut self, jobs: &[(u32, Descriptor)]) {
        let registers = self.plan.chip.tensor;
        let write = |register: u32, value| Body::Wreg32 { register: register as u16, value };
        for (queue, descriptor) in jobs {
            let bulk = bulk(registers.queued as u16, &descriptor.words());
            let fresh = write(registers.command, INVALIDATE);
            let start = write(registers.execute, 1);
            self.put(*queue, [bulk, fresh, start].map(after_all));
        }
    }

    /// Waits for all steps that nobody waited for, then sets all sync objects to 0, those of events
    /// that were waited for, too, and signals the others.
    fn finish(&mut self) -> Result<(), Error> {
        let waited: BTreeSet<usize> =
            self.plan.steps.iter().flat_map(|step| step.after.iter().copied()).collect();
        let up = self.plan.chip.up;
        for index in (0..self.plan.steps.len()).filter(|index| !waited.contains(index)) {
            self.wait(up, index)?;
        }
        let own = (0..self.plan.steps.len()).map(|index| self.object(index));
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
