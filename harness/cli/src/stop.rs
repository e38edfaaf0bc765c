// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Somebody wants to stop: Ctrl-C, SIGTERM, or a rule of the run.

use anyhow::Context as _;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Asked to stop or not.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    asked: Arc<AtomicBool>,
    signalled: Arc<AtomicBool>,
}

impl Stop {
    /// Listens to SIGINT and SIGTERM. The second one ends the program at once; QEMU and the model
    /// notice by themselves that it is gone.
    pub fn on_signals() -> anyhow::Result<Self> {
        let stop = Stop::default();
        for signal in [SIGINT, SIGTERM] {
            let again = stop.signalled.clone();
            let code = i32::from(crate::exit::INTERRUPTED);
            signal_hook::flag::register_conditional_shutdown(signal, code, again)
                .and_then(|_| signal_hook::flag::register(signal, stop.signalled.clone()))
                .context("cannot listen to signals")?;
        }
        Ok(stop)
    }

    /// Asks to stop.
    pub fn ask(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    /// Was it asked for, by whomever?
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed) || self.is_signalled()
    }

    /// Did a signal ask for it?
    pub fn is_signalled(&self) -> bool {
        self.signalled.load(Ordering::Relaxed)
    }
}
