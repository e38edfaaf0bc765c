// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A planned graph on an open device: host memory, programs, submissions.

use crate::check::Values;
use crate::chip::Chip;
use crate::error::Error;
use crate::graph::{Event, Graph, Role, TensorId};
use crate::plan::{Plan, Room};
use crate::schedule::{HostAddresses, Programs, Syncs, programs};
use crate::stopped::{Fault, Landmarks, Stopped};
use device::{
    Chunk, CommandBuffer, CsRequest, MapGuard, MemoryRequest, Node, Pages, Program, SyncManager,
};
use hw::Generation;
use hw::packet::{Body, LinDma};
use std::collections::BTreeMap;
use std::sync::Arc;
use uapi::accel;

/// Microseconds that a run may take; the kernel's own limit is shorter.
const PATIENCE_US: u64 = 60_000_000;

/// Host memory that the device reaches; unmapped before it is freed.
struct Shared<'a> {
    map: MapGuard<'a>,
    pages: Pages,
}

impl<'a> Shared<'a> {
    fn new(node: &'a Node, bytes: u64) -> Result<Self, Error> {
        let pages = Pages::new(bytes as usize).map_err(Error::refused("mmap"))?;
        // Touched before it is mapped for the device.
        pages.fill(0);
        let request = MemoryRequest::map_host(pages.pointer(0), pages.length() as u64, 0);
        let map = node.map_request(&request).map_err(Error::refused("MAP of host memory"))?;
        Ok(Shared { map, pages })
    }
}

/// A job of a run.
struct Job<'a> {
    queue: u32,
    /// Handle or device address.
    place: u64,
    size: u32,
    /// Where the kernel has it.
    buffer: Option<CommandBuffer<'a>>,
}

/// Memory and sync objects that a graph may use.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    /// Device memory.
    pub room: Room,
    /// Sync objects and monitors.
    pub syncs: Syncs,
}

/// Device memory of a graph where it has to be allocated.
const MEMORY: u64 = 256 << 20;

/// Allocates and maps device memory; it stays until the node is closed.
fn device_memory(node: &Node) -> Result<u64, Error> {
    let made = node.memory(&MemoryRequest::alloc(MEMORY, 0)).map_err(Error::refused("ALLOC"))?;
    let map = MemoryRequest::map_device(made.first, 0);
    Ok(node.memory(&map).map_err(Error::refused("MAP of device memory"))?.first)
}

impl Share {
    /// All that the device has for users; where device memory is virtual, a part of it that is
    /// allocated for this.
    pub fn all(node: &Node, chip: &Chip) -> Result<Self, Error> {
        let info = node.hw_ip().map_err(Error::refused("INFO of the chip"))?;
        let free = node.sync_manager(chip.die).map_err(Error::refused("INFO of the syncs"))?;
        let missing = || Error::Sync { what: "sync managers", needed: 1, free: 0 };
        let manager = SyncManager::new(chip.generation, chip.die).ok_or_else(missing)?;
        let object = free.first_available_sync_object;
        let monitor = free.first_available_monitor;
        let dram = match chip.generation {
            Generation::Gaudi => (info.dram_base_address, info.dram_size),
            Generation::Gaudi2 => (device_memory(node)?, MEMORY),
        };
        let room = Room { sram: (info.sram_base_address, info.sram_size.into()), dram };
        let syncs = Syncs {
            manager,
            objects: (object, manager.objects() - object),
            monitors: (monitor, manager.monitors() - monitor),
        };
        Ok(Share { room, syncs })
    }

    /// Takes device memory out of it, for a tensor that graphs share: its address.
    pub fn section(&mut self, bytes: u64) -> Result<u64, Error> {
        /// Sections begin at multiples of this.
        const ALIGNMENT: u64 = 1 << 13;
        let (start, room) = self.room.dram;
        let end = (start + room).checked_sub(bytes).map(|end| end / ALIGNMENT * ALIGNMENT);
        let address = end.filter(|end| *end >= start).ok_or(Error::NoRoom { bytes, room })?;
        self.room.dram.1 = address - start;
        Ok(address)
    }

    /// Takes a sync object out of it, for an event between graphs.
    pub fn event(&mut self) -> Result<Event, Error> {
        let (first, count) = self.syncs.objects;
        let left = count.checked_sub(1);
        let left = left.ok_or(Error::Sync { what: "sync objects", needed: 1, free: 0 })?;
        self.syncs.objects.1 = left;
        Ok(Event(first + left))
    }

    /// One of two equal parts, so that two graphs do not meet.
    pub fn half(mut self, second: bool) -> Self {
        let halve =
            |(first, count): (u32, u32)| (first + if second { count / 2 } else { 0 }, count / 2);
        let cut = |(first, size): (u64, u64)| (first + if second { size / 2 } else { 0 }, size / 2);
        self.room = Room { sram: cut(self.room.sram), dram: cut(self.room.dram) };
        self.syncs.objects = halve(self.syncs.objects);
        self.syncs.monitors = halve(self.syncs.monitors);
        self
    }
}

/// A graph that is ready to run, any number of times.
pub struct Session<'a> {
    node: &'a Node,
    plan: Plan,
    jobs: Vec<Job<'a>>,
    tensors: BTreeMap<usize, Shared<'a>>,
    /// How many steps are done.
    progress: Shared<'a>,
    marks: Landmarks,
    /// Memory that tensors had before they moved.
    old: Vec<Pages>,
    _code: Option<Shared<'a>>,
}

impl<'a> Session<'a> {
    /// Plans a graph and puts all that runs need where it belongs.
    pub fn new(node: &'a Node, chip: Chip, share: &Share, graph: &Graph) -> Result<Self, Error> {
        Self::of(node, share, Plan::new(graph, chip, &share.room)?, |_programs| ())
    }

    /// The same with a plan, and with programs that `change` may change, for tests of what
    /// happens when they are wrong.
    pub fn of(
        node: &'a Node,
        share: &Share,
        plan: Plan,
        change: impl FnOnce(&mut Programs),
    ) -> Result<Self, Error> {
        let mut tensors = BTreeMap::new();
        for (index, tensor) in plan.tensors.iter().enumerate() {
            match tensor.role {
                Role::Input | Role::Output => {
                    tensors.insert(index, Shared::new(node, tensor.shape.bytes())?);
                }
                Role::Inner | Role::Constant | Role::Section(_) => {}
            }
        }
        let progress = Shared::new(node, 8)?;
        let host = HostAddresses {
            tensors: tensors.iter().map(|(index, one)| (*index, one.map.address())).collect(),
            progress: progress.map.address(),
        };
        let mut programs = programs(&plan, &share.syncs, &host)?;
        change(&mut programs);
        let (jobs, code) = load(node, &plan.chip, &programs)?;
        upload(node, &plan)?;
        let marks = landmarks(&plan, &host, code.as_ref());
        let old = Vec::new();
        Ok(Session { node, plan, jobs, tensors, progress, marks, old, _code: code })
    }

    /// How it was planned.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Sets what the host has of an input or output; inputs stay for later runs.
    pub fn set(&self, id: TensorId, bytes: &[u8]) -> Result<(), Error> {
        let tensor = &self.plan.tensors[id.0];
        let (expected, got) = (tensor.shape.bytes(), bytes.len() as u64);
        match self.tensors.get(&id.0) {
            Some(shared) if expected == got => {
                shared.pages.write(0, bytes);
                Ok(())
            }
            Some(_) | None => Err(Error::Values { tensor: tensor.name.clone(), expected, got }),
        }
    }

    /// The values of an output.
    pub fn get(&self, id: TensorId) -> Vec<u8> {
        let bytes = self.plan.tensors[id.0].shape.bytes() as usize;
        self.tensors.get(&id.0).map(|shared| shared.pages.bytes(0, bytes)).unwrap_or_default()
    }

    /// Numbers of all tensors that the host has, gaps included.
    pub fn values(&self) -> Values {
        let all = self.plan.tensors.iter().enumerate();
        let numbers = all.filter_map(|(index, tensor)| {
            let (id, data) = (TensorId(index), tensor.shape.data);
            match tensor.role {
                Role::Input | Role::Output => Some((id, data.decode(&self.get(id)))),
                Role::Constant => Some((id, data.decode(&tensor.content))),
                Role::Inner | Role::Section(_) => None,
            }
        });
        numbers.collect()
    }

    /// Overwrites what the host sees of a tensor, so that a run which stores nothing is noticed.
    pub fn spoil(&self, id: TensorId) -> Result<(), Error> {
        self.set(id, &vec![0xff; self.plan.tensors[id.0].shape.bytes() as usize])
    }

    /// Submits a run; gives its number. A run has to end before the next of the same session
    /// begins, as both use the same sync objects.
    pub fn submit(&self) -> Result<u64, Error> {
        self.node.submit(&self.request()).map_err(Error::refused("CS"))
    }

    /// What a run submits. Steps are counted anew.
    pub fn request(&self) -> CsRequest {
        self.progress.pages.fill(0);
        execute(&self.jobs)
    }

    /// Gives an input or output other memory of the host, at the same device address, with the
    /// same content.
    pub fn moved(&mut self, id: TensorId) -> Result<(), Error> {
        let Some(Shared { map, pages }) = self.tensors.remove(&id.0) else { return Ok(()) };
        let address = map.address();
        let other = Pages::new(pages.length()).map_err(Error::refused("mmap"))?;
        other.write(0, &pages.bytes(0, pages.length()));
        drop(map);
        let request = MemoryRequest::map_host(other.pointer(0), other.length() as u64, address);
        let map = self.node.map_request(&request);
        let map = map.map_err(Error::refused("MAP of host memory"))?;
        let (expected, got) = (address, map.address());
        if expected != got {
            let why = format!("its memory moved from {expected:#x} to {got:#x}");
            return Err(Error::Shape { node: self.plan.tensors[id.0].name.clone(), why });
        }
        // The old pages live on as long as the new ones, so that whoever reads them reads zeroes.
        pages.fill(0);
        self.old.push(pages);
        self.tensors.insert(id.0, Shared { map, pages: other });
        Ok(())
    }

    /// Takes the memory of an input or output away from the device; what the host has stays.
    pub fn unmap(&mut self, id: TensorId) {
        if let Some(Shared { map, pages }) = self.tensors.remove(&id.0) {
            drop(map);
            self.old.push(pages);
        }
    }

    /// Waits for a run.
    pub fn wait(&self, sequence: u64) -> Result<(), Error> {
        finish(self.node, sequence)
            .map_err(|why| Error::Stopped { why: Box::new(why), stopped: self.stopped() })
    }

    /// Where a run stands that did not end.
    pub fn stopped(&self) -> Stopped {
        let done = self.progress.pages.bytes(0, 4);
        let done = done.into_iter().rev().fold(0, |word, byte| word << 8 | usize::from(byte));
        let step = self.plan.steps.get(done);
        let fault = self.node.page_fault_event().ok().filter(|fault| fault.timestamp != 0);
        let fault = fault.map(|fault| Fault {
            address: fault.addr,
            engine: fault.engine_id,
            what: self.marks.at(fault.addr),
        });
        Stopped {
            node: step.map(|step| step.name.clone()),
            queues: step.map(|step| self.plan.chip.names(&step.queues)).unwrap_or_default(),
            fault,
        }
    }

    /// Runs it once.
    pub fn run(&self) -> Result<(), Error> {
        self.wait(self.submit()?)
    }
}

/// What is where.
fn landmarks(plan: &Plan, host: &HostAddresses, code: Option<&Shared<'_>>) -> Landmarks {
    let mut marks = Landmarks::default();
    for (index, address) in &host.tensors {
        let tensor = &plan.tensors[*index];
        marks.add(*address, tensor.shape.bytes(), format!("{} of the host", tensor.name));
    }
    for code in &plan.code {
        marks.add(code.address, code.bytes.len() as u64, format!("kernel {}", code.name));
    }
    for (tensor, place) in plan.tensors.iter().zip(&plan.places) {
        if let Some(place) = place {
            marks.add(place.address, place.bytes, format!("tensor {}", tensor.name));
        }
    }
    if let Some(code) = code {
        marks.add(code.map.address(), code.pages.length() as u64, "a program");
    }
    marks.add(host.progress, 8, "the count of steps");
    marks
}

/// Puts kernels and constants into the memory of the device.
fn upload(node: &Node, plan: &Plan) -> Result<(), Error> {
    let code = plan.code.iter().map(|code| (code.address, &code.bytes));
    let constants = plan.tensors.iter().zip(&plan.places);
    let constants = constants.filter(|(tensor, _)| tensor.role == Role::Constant);
    let constants =
        constants.filter_map(|(tensor, place)| place.map(|place| (place.address, &tensor.content)));
    let all: Vec<(u64, &Arc<[u8]>)> =
        code.chain(constants).filter(|(_, bytes)| !bytes.is_empty()).collect();
    let place = |bytes: &[u8]| (bytes.len() as u64).next_multiple_of(256);
    let total = all.iter().map(|(_, bytes)| place(bytes)).sum();
    if total == 0 {
        return Ok(());
    }
    let staging = Shared::new(node, total)?;
    let mut program = Program::new(plan.chip.generation);
    let mut at = 0;
    for (destination, bytes) in all {
        staging.pages.write(at as usize, bytes);
        let (source, size) = (staging.map.address() + at, bytes.len() as u32);
        let dma = LinDma { size, source, destination, linear: true, ..LinDma::default() };
        program = program.body(Body::LinDma(dma));
        at += place(bytes);
    }
    let (jobs, _code) = load(node, &plan.chip, &Programs::from([(plan.chip.down, program)]))?;
    let answer = node.submit(&execute(&jobs));
    finish(node, answer.map_err(Error::refused("CS"))?)
}

fn execute(jobs: &[Job<'_>]) -> CsRequest {
    let chunk = |job: &Job<'_>| {
        let chunk = Chunk::job(job.queue, job.place, job.size);
        match job.buffer {
            Some(_) => chunk,
            // Ignored where there is no choice (command_submission.c: validate_queue_index).
            None => chunk.flags(accel::HL_CS_CHUNK_FLAGS_USER_ALLOC_CB),
        }
    };
    CsRequest::execute(jobs.iter().map(chunk).collect::<Vec<_>>())
}

/// Waits for a submission.
fn finish(node: &Node, sequence: u64) -> Result<(), Error> {
    match node.wait_cs(sequence, PATIENCE_US).map_err(Error::refused("WAIT_CS"))? {
        accel::HL_WAIT_CS_STATUS_COMPLETED => Ok(()),
        status => Err(Error::Unfinished { sequence, status }),
    }
}

/// Puts programs where their queues fetch them: external queues from buffers of the kernel, the
/// others from mapped memory of the host.
fn load<'a>(
    node: &'a Node,
    chip: &Chip,
    programs: &Programs,
) -> Result<(Vec<Job<'a>>, Option<Shared<'a>>), Error> {
    let inner = || programs.iter().filter(|(queue, _)| !chip.external(**queue));
    let place = |bytes: u64| bytes.next_multiple_of(256);
    // Each may need a packet that feeds it to another processor.
    let room = |program: &Program| place(program.size().into()) + place(1);
    let total: u64 = inner().map(|(_, program)| room(program)).sum();
    let code = if total > 0 { Some(Shared::new(node, total)?) } else { None };
    let mut jobs = Vec::new();
    let mut offset = 0;
    for (queue, program) in programs {
        let (queue, size) = (*queue, program.size());
        if chip.external(queue) {
            let buffer = program.load(node).map_err(Error::refused("CB"))?;
            jobs.push(Job { queue, place: buffer.handle(), size, buffer: Some(buffer) });
        } else if let Some(code) = &code {
            let mut place_of = |program: &Program| {
                let at = offset;
                code.pages.write(at as usize, program.bytes());
                offset += place(program.size().into());
                code.map.address() + at
            };
            let (place, size) = match chip.lower(queue) {
                false => (place_of(program), size),
                true => {
                    let feed = Body::CpDma { source: place_of(program), size };
                    let feed = Program::new(chip.generation).body(feed);
                    (place_of(&feed), feed.size())
                }
            };
            jobs.push(Job { queue, place, size, buffer: None });
        }
    }
    Ok((jobs, code))
}
