// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What a guest (or, on metal, the local machine) is asked to do.
//!
//! The host writes the plan as JSON into the initramfs ([`Plan::PATH`]); the guest program reads
//! it and knows nothing else.

use control::Asic;
use record::Event;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// A kernel module, in load order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Module {
    /// Where it is in the guest (`.ko`, or compressed: then the kernel decompresses it).
    pub path: PathBuf,
    /// Its parameters, as on the command line of `insmod`.
    #[serde(default)]
    pub parameters: String,
}

/// The three clocks of a runner.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Clocks {
    /// Factor on every budget: 1 on metal, more on an emulated machine.
    pub scale: f64,
    /// A case that prints nothing for so long (times `scale`) is taken as hung.
    pub silence: Duration,
    /// The whole work may take so long; unscaled, because a person waits for it.
    pub run: Option<Duration>,
}

impl Default for Clocks {
    fn default() -> Self {
        Clocks { scale: 1.0, silence: Duration::from_secs(120), run: None }
    }
}

impl Clocks {
    /// A duration on this machine.
    pub fn scaled(&self, duration: Duration) -> Duration {
        duration.mul_f64(self.scale)
    }
}

/// What holds for every case of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Seed of everything random.
    pub seed: u64,
    /// The clocks.
    pub clocks: Clocks,
    /// Declared workarounds of this load of the driver, by name.
    pub workarounds: Vec<String>,
}

/// What is to be done once the device is there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Run these cases, in this order.
    Cases(Vec<String>),
    /// Run a program of the user's; its output and exit code go to the host.
    Program {
        /// Its command line.
        argv: Vec<String>,
        /// Its working folder.
        folder: PathBuf,
    },
    /// Hand the console to a shell.
    Shell(PathBuf),
}

/// What a guest is asked to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Number of the boot in the run.
    pub boot: u32,
    /// The chip that should be there.
    pub asic: Asic,
    /// Modules to load.
    pub modules: Vec<Module>,
    /// Serial line that takes one [`Message`] a line.
    pub results: PathBuf,
    /// Serial line of the control port.
    pub control: Option<PathBuf>,
    /// What holds for every case.
    pub settings: Settings,
    /// What to do.
    pub work: Work,
}

impl Plan {
    /// Where the guest program finds it.
    pub const PATH: &'static str = "/gauntlet/plan.json";
}

/// What the guest says to the host: one JSON line each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// The guest program runs and has read its plan; the driver is not loaded yet.
    Up,
    /// An event for the journal.
    Event(Box<Event>),
    /// Something that the user's program printed.
    Output {
        /// 1 or 2.
        stream: u8,
        /// The bytes.
        bytes: Bytes,
    },
    /// The user's program ended with this code (128 + signal when killed).
    Exit(i32),
    /// The guest could not do its work; nothing is said about the driver.
    Failed(String),
}

/// Bytes that travel as text where they are text, as hexadecimal digits where not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bytes {
    /// UTF-8.
    Text(String),
    /// Anything else.
    Hex(String),
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Bytes::Text(text.into()),
            Err(_) => Bytes::Hex(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        }
    }
}

impl Bytes {
    /// The bytes again; a digit that is none ends them.
    pub fn decode(&self) -> Vec<u8> {
        match self {
            Bytes::Text(text) => text.as_bytes().to_vec(),
            Bytes::Hex(digits) => digits
                .as_bytes()
                .chunks_exact(2)
                .map_while(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_the_way() {
        let all: Vec<u8> = (0..=255).collect();
        for bytes in [&b""[..], b"plain\n", &all] {
            let text = serde_json::to_string(&Bytes::from(bytes)).unwrap();
            assert!(!text.contains('\n'), "one line each");
            assert_eq!(serde_json::from_str::<Bytes>(&text).unwrap().decode(), bytes);
        }
        assert_eq!(Bytes::Hex("41zz42".into()).decode(), b"A");
    }

    #[test]
    fn a_plan_survives_the_way() {
        let plan = Plan {
            boot: 3,
            asic: Asic::Gaudi2,
            modules: vec![Module { path: "/drm.ko.xz".into(), parameters: "a=1".into() }],
            results: "/dev/ttyS1".into(),
            control: None,
            settings: Settings::default(),
            work: Work::Program { argv: vec!["ls".into()], folder: "/".into() },
        };
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
        for cut in 0..text.len() {
            assert!(serde_json::from_str::<Plan>(&text[..cut]).is_err());
        }
    }
}
