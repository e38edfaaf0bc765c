// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What the driver lists of submissions, jobs and buffers in debugfs.

use crate::common::{files, wait};
use case::{CaseResult, Context, equal};
use std::time::Duration;

/// The lists, where there are any (debugfs.c: command_submission_show and its neighbours).
const FILES: [&str; 3] = ["command_submission", "command_submission_jobs", "command_buffers"];

/// How long the driver may take to free what is done.
const SETTLE: Duration = Duration::from_secs(5);

/// The lists at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listings([Option<String>; 3]);

impl Listings {
    /// Reads them; empty where there is no debugfs.
    pub fn read(cx: &Context) -> CaseResult<Self> {
        let mut texts = [None, None, None];
        for (text, name) in texts.iter_mut().zip(FILES) {
            let path = cx.at.debugfs.as_ref().map(|folder| folder.join(name));
            if let Some(path) = path.filter(|path| path.exists()) {
                *text = Some(files::read(&path)?);
            }
        }
        Ok(Listings(texts))
    }

    /// They are as before, at last.
    #[track_caller]
    pub fn are_back(self, cx: &Context) -> CaseResult {
        let back = wait::until(SETTLE, || {
            let now = Listings::read(cx)?;
            Ok((now == self).then_some(()))
        })?;
        if back.is_some() {
            return Ok(());
        }
        let Listings(now) = Listings::read(cx)?;
        for ((name, now), before) in FILES.into_iter().zip(now).zip(self.0) {
            equal(&format!("list {name} in debugfs"), now, before)?;
        }
        Ok(())
    }
}
