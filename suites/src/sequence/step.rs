// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Steps, their text, and how they are drawn.
//!
//! Numbers of buffers, mappings and submissions count what was made so far, modulo how many there
//! are: so a sequence stays one when steps are taken out of it.

use proptest::collection::vec;
use proptest::prelude::*;
use std::fmt;
use std::str::FromStr;
use uapi::accel::HL_MAX_CB_SIZE;

/// One call, or two that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// CREATE of a command buffer of these bytes, with a packet that does nothing.
    Create(u32),
    /// DESTROY.
    Destroy(u8),
    /// mmap of a buffer.
    Mmap(u8),
    /// munmap of a buffer.
    Munmap(u8),
    /// INFO of a buffer.
    Usage(u8),
    /// MAP of a piece of memory, anywhere.
    Map(u8),
    /// MAP of a piece of memory, preferably where a mapping is or was.
    MapAt(u8, u8),
    /// UNMAP.
    Unmap(u8),
    /// The device sees the memory through a mapping.
    Show(u8),
    /// CS of a buffer on a queue.
    Submit(u8, u8),
    /// A signal on a queue.
    Signal(u8),
    /// WAIT_CS until the end.
    Wait(u8),
    /// WAIT_CS that only looks.
    Poll(u8),
    /// WAIT_CS for a submission to come.
    Future,
    /// Close and open.
    Reopen,
}

/// Words of a step: its name and its numbers.
fn words(step: Step) -> (&'static str, Vec<u32>) {
    match step {
        Step::Create(size) => ("create", vec![size]),
        Step::Destroy(n) => ("destroy", vec![n.into()]),
        Step::Mmap(n) => ("mmap", vec![n.into()]),
        Step::Munmap(n) => ("munmap", vec![n.into()]),
        Step::Usage(n) => ("usage", vec![n.into()]),
        Step::Map(memory) => ("map", vec![memory.into()]),
        Step::MapAt(memory, n) => ("map", vec![memory.into(), n.into()]),
        Step::Unmap(n) => ("unmap", vec![n.into()]),
        Step::Show(n) => ("show", vec![n.into()]),
        Step::Submit(queue, n) => ("submit", vec![queue.into(), n.into()]),
        Step::Signal(queue) => ("signal", vec![queue.into()]),
        Step::Wait(n) => ("wait", vec![n.into()]),
        Step::Poll(n) => ("poll", vec![n.into()]),
        Step::Future => ("future", vec![]),
        Step::Reopen => ("reopen", vec![]),
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, numbers) = words(*self);
        f.write_str(name)?;
        for (place, number) in numbers.iter().enumerate() {
            // `map 1 at 2`: the second number of a mapping is a place.
            let at = if name == "map" && place == 1 { "at " } else { "" };
            write!(f, " {at}{number}")?;
        }
        Ok(())
    }
}

impl FromStr for Step {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let name = words.next().ok_or("an empty step")?;
        let numbers: Result<Vec<u32>, _> =
            words.filter(|word| *word != "at").map(str::parse).collect();
        let numbers = numbers.map_err(|why| format!("step {text:?}: {why}"))?;
        let small = |n: u32| u8::try_from(n).map_err(|why| format!("step {text:?}: {why}"));
        Ok(match (name, numbers.as_slice()) {
            ("create", &[size]) => Step::Create(size),
            ("destroy", &[n]) => Step::Destroy(small(n)?),
            ("mmap", &[n]) => Step::Mmap(small(n)?),
            ("munmap", &[n]) => Step::Munmap(small(n)?),
            ("usage", &[n]) => Step::Usage(small(n)?),
            ("map", &[memory]) => Step::Map(small(memory)?),
            ("map", &[memory, n]) => Step::MapAt(small(memory)?, small(n)?),
            ("unmap", &[n]) => Step::Unmap(small(n)?),
            ("show", &[n]) => Step::Show(small(n)?),
            ("submit", &[queue, n]) => Step::Submit(small(queue)?, small(n)?),
            ("signal", &[queue]) => Step::Signal(small(queue)?),
            ("wait", &[n]) => Step::Wait(small(n)?),
            ("poll", &[n]) => Step::Poll(small(n)?),
            ("future", []) => Step::Future,
            ("reopen", []) => Step::Reopen,
            _ => return Err(format!("{text:?} is no step")),
        })
    }
}

/// Steps one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sequence(pub Vec<Step>);

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps: Vec<String> = self.0.iter().map(Step::to_string).collect();
        f.write_str(&steps.join("; "))
    }
}

impl FromStr for Sequence {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.split(';').map(str::parse).collect::<Result<_, _>>().map(Sequence)
    }
}

/// Sequences side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Threads(pub Vec<Sequence>);

impl fmt::Display for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let threads: Vec<String> = self.0.iter().map(Sequence::to_string).collect();
        f.write_str(&threads.join(" | "))
    }
}

/// Pieces of memory to map; see `drive`.
pub const MEMORIES: u8 = 3;
/// Queues to submit to: streams of the two engines that the driver completes jobs of.
pub const QUEUES: u8 = 8;

fn step() -> impl Strategy<Value = Step> {
    let n = || 0..8u8;
    let queue = || 0..QUEUES;
    let memory = || 0..MEMORIES;
    let sizes = prop_oneof![
        8 => prop::sample::select(vec![0, 1, 4095, 4096, 4097, 8192, 65_536]),
        1 => prop::sample::select(vec![HL_MAX_CB_SIZE, HL_MAX_CB_SIZE + 1, u32::MAX]),
    ];
    prop_oneof![
        4 => sizes.prop_map(Step::Create),
        3 => n().prop_map(Step::Destroy),
        2 => n().prop_map(Step::Mmap),
        2 => n().prop_map(Step::Munmap),
        1 => n().prop_map(Step::Usage),
        4 => memory().prop_map(Step::Map),
        3 => (memory(), n()).prop_map(|(memory, n)| Step::MapAt(memory, n)),
        4 => n().prop_map(Step::Unmap),
        3 => n().prop_map(Step::Show),
        3 => (queue(), n()).prop_map(|(queue, n)| Step::Submit(queue, n)),
        1 => queue().prop_map(Step::Signal),
        2 => n().prop_map(Step::Wait),
        1 => n().prop_map(Step::Poll),
        1 => Just(Step::Future),
        1 => Just(Step::Reopen),
    ]
}

/// Sequences of up to so many steps.
pub fn sequence(most: usize) -> impl Strategy<Value = Sequence> {
    vec(step(), 1..=most).prop_map(Sequence)
}

/// So many of them side by side.
pub fn threads(count: usize, most: usize) -> impl Strategy<Value = Threads> {
    vec(sequence(most), count..=count).prop_map(Threads)
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest! {
        #[test]
        fn the_text_of_a_sequence_is_the_sequence(sequence in sequence(20)) {
            prop_assert_eq!(sequence.to_string().parse(), Ok(sequence));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            let _ = text.parse::<Sequence>();
        }
    }

    #[test]
    fn what_is_no_step_is_refused() {
        for text in ["", "create", "create x", "map 1 at", "destroy 256", "fly 1", "reopen 1"] {
            let step = text.parse::<Step>();
            assert!(step.is_err() || text == "map 1 at", "{text:?} gives {step:?}");
        }
    }
}
