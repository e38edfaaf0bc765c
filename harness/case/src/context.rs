// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What a body is given.

use crate::{CaseResult, ModelPort, Stop};
use control::Asic;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

/// Where the device is and how the run was asked for; travels from runner to case as JSON in the
/// environment variable [`Environment::VARIABLE`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// The chip.
    pub asic: Asic,
    /// The compute node, e.g. `/dev/accel/accel0`.
    pub compute: PathBuf,
    /// The control node, e.g. `/dev/accel/accel_controlD0`.
    pub control: PathBuf,
    /// The PCI device in sysfs.
    pub pci: PathBuf,
    /// The class device in sysfs that holds the driver's attributes.
    pub sysfs: PathBuf,
    /// The device's folder in debugfs, where mounted.
    pub debugfs: Option<PathBuf>,
    /// The serial line of the control port; none on metal.
    pub port: Option<PathBuf>,
    /// Seed of everything random in the case.
    pub seed: u64,
    /// Loads of a declared workaround, by name (`fop_unsigned_offset`).
    pub workarounds: Vec<String>,
}

impl Environment {
    /// Carries the environment from the runner to the process of a case.
    pub const VARIABLE: &'static str = "GAUNTLET_CASE";
}

/// What a body is given.
pub struct Context {
    /// Where things are.
    pub at: Environment,
    model: Option<Mutex<ModelPort>>,
}

impl Context {
    /// The context of an environment; opens the control port where there is one.
    pub fn new(at: Environment) -> CaseResult<Self> {
        let model = match &at.port {
            None => None,
            Some(path) => Some(Mutex::new(ModelPort::open(path).map_err(|why| {
                Stop::Broken(format!("cannot open the control port {}: {why}", path.display()))
            })?)),
        };
        Ok(Context { at, model })
    }

    /// The chip.
    pub fn asic(&self) -> Asic {
        self.at.asic
    }

    /// The control port of the model; skips where there is none.
    pub fn model(&self) -> CaseResult<MutexGuard<'_, ModelPort>> {
        match &self.model {
            Some(port) => Ok(port.lock().unwrap_or_else(std::sync::PoisonError::into_inner)),
            None => Err(Stop::Skip("needs the device model (control port)".into())),
        }
    }

    /// A generator of random numbers with the seed of the run.
    pub fn rng(&self) -> StdRng {
        StdRng::seed_from_u64(self.at.seed)
    }
}
