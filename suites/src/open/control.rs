// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The control node has as many users as like (`habanalabs_drv.c: hl_device_open_ctrl`).

use super::close::process_ids;
use super::compute::works;
use crate::common::files::Disabled;
use crate::common::node::Node;
use case::{Case, CaseResult, Context, errno, succeed};
use nix::errno::Errno;

/// Users at once.
const USERS: usize = 200;

/// Threads in the count of leaked process ids.
const THREADS: u32 = 600;

/// The cases.
pub fn cases() -> Vec<Case> {
    let cases = [
        Case::new("open/control/takes_many_users", &["OPEN-027"], many),
        Case::new("open/control/closes_in_any_order", &["OPEN-027"], any_order),
        Case::new("open/control/is_refused_while_the_device_is_disabled", &["OPEN-029"], |cx| {
            let off = Disabled::new(cx)?;
            errno("open of a disabled device", Node::try_control(cx), Errno::EPERM)?;
            drop(off);
            works(&Node::control(cx)?)
        }),
        Case::new("open/control/close_gives_back_its_process_id", &["OPEN-027"], |cx| {
            process_ids(cx, THREADS, Node::try_control)
        })
        .budget(60),
    ];
    let mut cases: Vec<_> = cases.into_iter().map(Case::control_only).collect();
    cases.push(Case::new("open/control/works_beside_the_compute_node", &["OPEN-027"], |cx| {
        let compute = Node::compute(cx)?;
        let control = Node::control(cx)?;
        works(&control)?;
        drop(compute);
        works(&control)?;
        let compute = Node::compute(cx)?;
        drop(control);
        works(&compute)
    }));
    cases
}

fn many(cx: &Context) -> CaseResult {
    let nodes: Vec<_> = (0..USERS).map(|_| Node::control(cx)).collect::<Result<_, _>>()?;
    nodes.iter().try_for_each(works)
}

/// Users are linked in a list; one that stays in it after its close is a user of freed memory.
fn any_order(cx: &Context) -> CaseResult {
    use rand::seq::SliceRandom;
    let mut rng = cx.rng();
    for _ in 0..10 {
        let mut nodes: Vec<_> = (0..40).map(|_| Node::control(cx)).collect::<Result<_, _>>()?;
        nodes.shuffle(&mut rng);
        // Others come while these go.
        let mut later = Vec::new();
        for (index, node) in nodes.into_iter().enumerate() {
            succeed("close", node.close())?;
            if index % 4 == 0 {
                later.push(Node::control(cx)?);
            }
        }
        later.iter().try_for_each(works)?;
    }
    works(&Node::control(cx)?)
}
