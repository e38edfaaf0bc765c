// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! From a graph to steps: what runs on which queue, where tensors are, who waits for whom.
//!
//! Each input is loaded by a step, each node is a step, each output is stored by a step. Inner
//! tensors go to SRAM while there is room, else to DRAM; memory is used again as soon as nobody
//! needs its content any more. Kernels of tensor cores and constants have memory of their own. A step waits for all earlier steps that touch the same memory,
//! unless it waits for one that waited for them already.

use crate::chip::Chip;
use crate::contraction::{Contraction, Places};
use crate::error::Error;
use crate::graph::{Event, Graph, Role, Tensor, TensorId, Work};
use crate::kernel::{Call, Routine};
use std::collections::BTreeSet;
use std::sync::Arc;
use tpc::descriptor::Descriptor;
use tpc::isa::Arch;

/// Tensors begin at multiples of this.
const ALIGNMENT: u64 = 128;
/// Kernels begin at multiples of this, as those of the vendor's software do.
const CODE_ALIGNMENT: u64 = 0x2000;

/// Kinds of device memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Store {
    /// On the chip: small.
    Sram,
    /// Device memory.
    Dram,
}

/// Free ranges of both: first byte and bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// On the chip.
    pub sram: (u64, u64),
    /// Device memory.
    pub dram: (u64, u64),
}

/// Where a tensor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// In which memory.
    pub store: Store,
    /// Its device address.
    pub address: u64,
    /// Its bytes.
    pub bytes: u64,
    /// First and last step that touch it.
    pub live: (usize, usize),
}

impl Place {
    fn meets(&self, address: u64, bytes: u64) -> bool {
        self.address < address + bytes && address < self.address + self.bytes
    }
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// From the host.
    Load(TensorId),
    /// To the host.
    Store(TensorId),
    /// Inside of the device.
    Copy(TensorId, TensorId),
    /// Matrix engine: left, right, output.
    Contraction(Box<Contraction>, [TensorId; 3]),
    /// Tensor cores.
    Kernel(Box<Call>),
}

/// A kernel in device memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// Its name.
    pub name: String,
    /// Its device address.
    pub address: u64,
    /// Its machine code.
    pub bytes: Arc<[u8]>,
}

/// A step.
#[derive(Clone, Debug)]
pub struct Step {
    /// For people.
    pub name: String,
    /// What it does.
    pub action: Action,
    /// Steps that it waits for.
    pub after: Vec<usize>,
    /// How often it signals when it is done.
    pub signals: u32,
    /// Queues that work on it.
    pub queues: Vec<u32>,
}

/// A planned graph.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The chip.
    pub chip: Chip,
    /// Its tensors.
    pub tensors: Vec<Tensor>,
    /// Where they are; `None`: nobody touches it.
    pub places: Vec<Option<Place>>,
    /// Kernels that it needs.
    pub code: Vec<Code>,
    /// Its steps.
    pub steps: Vec<Step>,
    /// Events that it waits for.
    pub waits: Vec<Event>,
    /// Events that it signals.
    pub signals: Vec<Event>,
}

impl Action {
    /// Tensors that it reads.
    pub fn reads(&self) -> Vec<TensorId> {
        match self {
            Action::Load(_) => Vec::new(),
            Action::Store(from) | Action::Copy(from, _) => vec![*from],
            Action::Contraction(_, [left, right, _]) => vec![*left, *right],
            Action::Kernel(call) => call.inputs.iter().map(|view| view.tensor).collect(),
        }
    }

    /// The tensor that it writes in device memory.
    pub fn writes(&self) -> Option<TensorId> {
        match self {
            Action::Store(_) => None,
            Action::Load(to) | Action::Copy(_, to) | Action::Contraction(_, [_, _, to]) => {
                Some(*to)
            }
            Action::Kernel(call) => Some(call.output.tensor),
        }
    }
}

impl Plan {
    /// Plans a graph for a chip with this room.
    pub fn new(graph: &Graph, chip: Chip, room: &Room) -> Result<Self, Error> {
        let actions = actions(graph);
        let tensors = graph.tensors.clone();
        let (code, room) = kernels(&actions, room, chip.arch)?;
        let places = place(&tensors, &actions, &room)?;
        let (waits, signals) = (graph.waits.clone(), graph.signals.clone());
        let mut plan = Plan { chip, tensors, places, code, steps: Vec::new(), waits, signals };
        for (name, action) in actions {
            let after = plan.conflicts(&action);
            let (signals, queues) = plan.cost(&name, &action)?;
            plan.steps.push(Step { name, action, after, signals, queues });
        }
        Ok(plan)
    }

    /// Where a tensor is.
    pub fn place(&self, id: TensorId) -> Place {
        let nowhere =
            Place { store: Store::Sram, address: 0, bytes: 0, live: (usize::MAX, usize::MAX) };
        self.places[id.0].unwrap_or(nowhere)
    }

    /// The places of a contraction's operands.
    pub fn operands(&self, ids: &[TensorId; 3], signal: u64) -> Places {
        Places { base: ids.map(|id| self.place(id).address), signal }
    }

    /// The jobs of a kernel and the queues of their cores. Small ones begin with another core each
    /// time, by the number of the step, so that they need not wait for each other.
    pub fn jobs(
        &self,
        call: &Call,
        step: usize,
        message: (u32, u32),
    ) -> Result<Vec<(u32, Descriptor)>, Error> {
        let code = self.code.iter().find(|code| code.name == call.routine.name);
        let code = code.map_or(0, |code| code.address);
        let (_, cores) = self.chip.cores;
        let jobs =
            call.jobs((self.chip.arch, cores.into()), |id| self.place(id).address, code, message)?;
        let queue = |n: usize| self.chip.core(((step + n) % usize::from(cores)) as u16);
        Ok((0..).map_while(queue).zip(jobs).collect())
    }

    fn cost(&self, name: &str, action: &Action) -> Result<(u32, Vec<u32>), Error> {
        match action {
            Action::Load(_) => Ok((1, vec![self.chip.down])),
            Action::Store(_) => Ok((1, vec![self.chip.up])),
            Action::Copy(..) => Ok((1, vec![self.chip.inside])),
            Action::Contraction(work, ids) => {
                let matrix = self.chip.matrix.ok_or_else(|| Error::Missing {
                    node: name.to_string(),
                    what: "a descriptor of its matrix engine: what is published does not suffice",
                })?;
                let launches = work.launches(&self.operands(ids, 0))?;
                let masters: BTreeSet<usize> = launches.iter().map(|one| one.master).collect();
                let queues = masters.into_iter().map(|n| matrix.masters[n]).collect();
                Ok((crate::contraction::SIGNALS * launches.len() as u32, queues))
            }
            Action::Kernel(call) => {
                let jobs = self.jobs(call, self.steps.len(), (0, 0))?;
                Ok((jobs.len() as u32, jobs.into_iter().map(|(queue, _)| queue).collect()))
            }
        }
    }

    /// Earlier steps that touch the same memory in a way that matters, without those that are
    /// waited for through others.
    fn conflicts(&self, action: &Action) -> Vec<usize> {
        let touch = |action: &Action| {
            let reads = action.reads().into_iter().map(|id| (self.place(id), false));
            let writes = action.writes().into_iter().map(|id| (self.place(id), true));
            reads.chain(writes).collect::<Vec<_>>()
        };
        let mine = touch(action);
        let mut reached = BTreeSet::new();
        let mut after = Vec::new();
        for (index, step) in self.steps.iter().enumerate().rev() {
            let theirs = touch(&step.action);
            let conflict = mine.iter().any(|(a, writes)| {
                theirs.iter().any(|(b, wrote)| {
                    (*writes || *wrote) && a.store == b.store && a.meets(b.address, b.bytes)
                })
            });
            if conflict && !reached.contains(&index) {
                after.push(index);
                self.reach(index, &mut reached);
            }
        }
        after
    }

    fn reach(&self, index: usize, reached: &mut BTreeSet<usize>) {
        if reached.insert(index) {
            self.steps[index].after.iter().for_each(|before| self.reach(*before, reached));
        }
    }
}

/// Loads, nodes, stores, in an order in which they could run one by one.
fn actions(graph: &Graph) -> Vec<(String, Action)> {
    let with = |role| {
        let all = graph.tensors.iter().enumerate();
        all.filter(move |(_, tensor)| tensor.role == role).map(|(n, tensor)| (TensorId(n), tensor))
    };
    let loads = with(Role::Input).map(|(id, t)| (format!("load {}", t.name), Action::Load(id)));
    let nodes = graph.nodes.iter().map(|node| {
        let action = match &node.work {
            Work::Copy => Action::Copy(node.reads[0], node.writes),
            Work::Contraction(work) => {
                Action::Contraction(work.clone(), [node.reads[0], node.reads[1], node.writes])
            }
            Work::Kernel(call) => Action::Kernel(call.clone()),
        };
        (node.name.clone(), action)
    });
    let stores = with(Role::Output).map(|(id, t)| (format!("store {}", t.name), Action::Store(id)));
    loads.chain(nodes).chain(stores).collect()
}

/// Puts kernels at the beginning of DRAM; gives what is left.
fn kernels(
    actions: &[(String, Action)],
    room: &Room,
    arch: Arch,
) -> Result<(Vec<Code>, Room), Error> {
    let mut code: Vec<Code> = Vec::new();
    let mut assembled: Vec<&Routine> = Vec::new();
    let (start, size) = room.dram;
    let end = start + size;
    let mut address = start;
    for (_, action) in actions {
        let Action::Kernel(call) = action else { continue };
        let routine = &call.routine;
        if assembled.contains(&routine) {
            continue;
        }
        assembled.push(routine);
        let bytes = routine.code(arch)?;
        match code.iter().find(|code| code.name == routine.name) {
            Some(same) if same.bytes == bytes => continue,
            Some(_) => {
                let why = "another kernel has the same name".to_string();
                return Err(Error::Shape { node: routine.name.clone(), why });
            }
            None => {}
        }
        address = address.next_multiple_of(CODE_ALIGNMENT);
        let size = bytes.len() as u64;
        code.push(Code { name: routine.name.clone(), address, bytes });
        address += size;
    }
    match end.checked_sub(address) {
        Some(left) => Ok((code, Room { dram: (address, left), ..*room })),
        None => Err(Error::NoRoom { bytes: address - start, room: size }),
    }
}

/// Finds a place for every tensor: the first that is free as long as it lives.
fn place(
    tensors: &[Tensor],
    actions: &[(String, Action)],
    room: &Room,
) -> Result<Vec<Option<Place>>, Error> {
    let mut places: Vec<Option<Place>> = vec![None; tensors.len()];
    for (index, tensor) in tensors.iter().enumerate() {
        let touching = actions.iter().enumerate().filter(|(_, (_, action))| {
            action.reads().contains(&TensorId(index)) || action.writes() == Some(TensorId(index))
        });
        let steps: Vec<usize> = touching.map(|(step, _)| step).collect();
        let (Some(first), Some(last)) = (steps.first(), steps.last()) else { continue };
        let live = match tensor.role {
            Role::Constant | Role::Section(_) => (0, usize::MAX),
            Role::Input | Role::Output | Role::Inner => (*first, *last),
        };
        let bytes = tensor.shape.bytes().next_multiple_of(ALIGNMENT).max(ALIGNMENT);
        let inner = match tensor.role {
            Role::Inner => fit(&places, Store::Sram, room.sram, bytes, live).ok(),
            Role::Section(address) => Some(Place { store: Store::Dram, address, bytes, live }),
            Role::Input | Role::Output | Role::Constant => None,
        };
        let found = match inner {
            Some(found) => found,
            None => fit(&places, Store::Dram, room.dram, bytes, live)?,
        };
        places[index] = Some(found);
    }
    Ok(places)
}

fn fit(
    places: &[Option<Place>],
    store: Store,
    (start, size): (u64, u64),
    bytes: u64,
    live: (usize, usize),
) -> Result<Place, Error> {
    let mut busy: Vec<&Place> = places
        .iter()
        .flatten()
        .filter(|place| place.store == store)
        .filter(|place| place.live.0 <= live.1 && live.0 <= place.live.1)
        .collect();
    busy.sort_by_key(|place| place.address);
    let mut address = start.next_multiple_of(ALIGNMENT);
    for place in busy {
        if address + bytes <= place.address {
            break;
        }
        address = address.max((place.address + place.bytes).next_multiple_of(ALIGNMENT));
    }
    let room = (start + size).saturating_sub(address);
    if bytes > room {
        Err(Error::NoRoom { bytes, room })
    } else {
        Ok(Place { store, address, bytes, live })
    }
}
