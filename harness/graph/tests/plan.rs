// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Plans: memory is shared only in turns, order is kept, nothing waits for itself.

#![allow(clippy::unwrap_used, reason = "test")]

use device::SyncManager;
use graph::chip::{GAUDI, GAUDI2};
use graph::contraction::SIGNALS;
use graph::plan::{Action, Plan, Room, Store};
use graph::schedule::{HostAddresses, Syncs, programs};
use graph::{DataType, Error, Graph, Product, Shape, TensorId};
use hw::packet::{Body, decode};
use std::collections::BTreeSet;

const ROOM: Room = Room { sram: (0x1000, 0x8000), dram: (0x2000_0000, 0x10_0000) };

/// `count` products in a row of a 32x32 bf16 matrix with itself: 2 KiB each.
fn chain(count: usize) -> (Graph, TensorId) {
    let mut g = Graph::new();
    let mut last = g.input("x", Shape::dense(DataType::Bf16, &[32, 32]));
    let options = Product { output: DataType::Bf16, ..Product::default() };
    for n in 0..count {
        last = g.product(&format!("square {n}"), last, last, options).unwrap();
    }
    g.output(last);
    (g, last)
}

fn syncs(objects: u32, monitors: u32) -> Syncs {
    let manager = SyncManager::new(hw::Generation::Gaudi, GAUDI.die).unwrap();
    Syncs { manager, objects: (8, objects), monitors: (16, monitors) }
}

/// Do the steps wait, directly or not?
fn waits(plan: &Plan, later: usize, earlier: usize) -> bool {
    later == earlier || plan.steps[later].after.iter().any(|step| waits(plan, *step, earlier))
}

#[test]
fn tensors_share_memory_only_in_turns() {
    let (g, _) = chain(40);
    let plan = Plan::new(&g, GAUDI, &ROOM).unwrap();
    let places: Vec<_> = plan.places.iter().flatten().collect();
    assert_eq!(places.len(), 41);
    for (n, a) in places.iter().enumerate() {
        for b in &places[n + 1..] {
            let together = a.live.0 <= b.live.1 && b.live.0 <= a.live.1;
            let apart = a.address + a.bytes <= b.address || b.address + b.bytes <= a.address;
            assert!(a.store != b.store || !together || apart, "{a:?} meets {b:?}");
        }
    }
    // 39 inner tensors of 2 KiB live in turns in two places.
    let inner: BTreeSet<u64> =
        places.iter().filter(|place| place.store == Store::Sram).map(|p| p.address).collect();
    assert_eq!(inner.len(), 2);
}

#[test]
fn whoever_reuses_memory_waits_for_its_users() {
    let (g, _) = chain(12);
    let plan = Plan::new(&g, GAUDI, &ROOM).unwrap();
    for later in 0..plan.steps.len() {
        assert!(plan.steps[later].after.iter().all(|step| *step < later));
        for earlier in 0..later {
            assert!(waits(&plan, later, earlier), "{later} does not wait for {earlier}");
        }
        // What is waited for through others is left out.
        assert!(plan.steps[later].after.len() <= 1);
    }
    assert!(matches!(plan.steps[0].action, Action::Load(_)));
    assert!(matches!(plan.steps[13].action, Action::Store(_)));
}

#[test]
fn independent_nodes_do_not_wait_for_each_other() {
    let mut g = Graph::new();
    // The results of b are too large for what a leaves free.
    let a = g.input("a", Shape::dense(DataType::F32, &[8, 8]));
    let b = g.input("b", Shape::dense(DataType::F32, &[16, 16]));
    let left = g.product("left", a, a, Product::default()).unwrap();
    let right = g.product("right", b, b, Product::default()).unwrap();
    g.output(left);
    g.output(right);
    let plan = Plan::new(&g, GAUDI, &ROOM).unwrap();
    assert_eq!(plan.steps[2].after, [0]);
    assert_eq!(plan.steps[3].after, [1]);
}

#[test]
fn programs_decode_and_every_wait_has_its_fence() {
    let (g, _) = chain(3);
    let plan = Plan::new(&g, GAUDI, &ROOM).unwrap();
    let programs = programs(&plan, &syncs(100, 100), &HostAddresses::default()).unwrap();
    // A product of 32 rows is one tile: the second master has nothing to do.
    let queues: Vec<u32> = programs.keys().copied().collect();
    assert_eq!(queues, [GAUDI.down, GAUDI.up, GAUDI.matrix.unwrap().masters[0]]);
    assert!(plan.steps[1..4].iter().all(|step| step.signals == SIGNALS));
    let mut fences = 0;
    let mut armed = 0;
    for program in programs.values() {
        let mut rest = program.bytes();
        while !rest.is_empty() {
            let (packet, size) = decode(hw::Generation::Gaudi, rest).unwrap();
            rest = &rest[size..];
            match packet.body {
                Body::Fence { .. } => fences += 1,
                Body::MsgLong { address, .. } => {
                    let first = syncs(1, 1).manager.arm(0);
                    armed += usize::from((first..first + 4 * 512).contains(&address));
                }
                _ => {}
            }
        }
    }
    // Three products, the store, the count of these four, and the end waits for the count.
    assert_eq!((fences, armed), (9, 9));
}

#[test]
fn what_does_not_fit_is_said() {
    let (g, _) = chain(3);
    let small = Room { sram: (0, 0), dram: (0, 2048) };
    assert!(matches!(Plan::new(&g, GAUDI, &small), Err(Error::NoRoom { .. })));
    let plan = Plan::new(&g, GAUDI, &ROOM).unwrap();
    let few = programs(&plan, &syncs(3, 100), &HostAddresses::default());
    assert_eq!(few, Err(Error::Sync { what: "sync objects", needed: 6, free: 3 }));
    let few = programs(&plan, &syncs(100, 1), &HostAddresses::default());
    assert_eq!(few, Err(Error::Sync { what: "monitors", needed: 2, free: 1 }));
    let mut g = Graph::new();
    let a = g.input("a", Shape::dense(DataType::F32, &[2, 3]));
    let wrong = g.product("product", a, a, Product::default());
    assert!(matches!(wrong, Err(Error::Shape { .. })));
    let (g, _) = chain(1);
    assert!(
        matches!(Plan::new(&g, GAUDI2, &ROOM), Err(Error::Missing { node, .. }) if node == "square 0")
    );
}
