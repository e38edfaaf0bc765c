// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What a run means, and how it is told: verdicts, expectations, every report format, comparison.
//!
//! A report is made from the record alone, together with two sets of data of the project: the
//! expectations (`suites/expectations`) and the requirement catalogue (`suites/requirements.tsv`).
//! The same inputs give the same bytes.
//!
//! ```
//! use render::{Catalogue, Expectations, Format, Run};
//!
//! let journal = r#"{"at_ms":0,"event":"run_start","version":1,"started":"2026-01-02T03:04:05Z",
//!     "command":["gauntlet","run"],"seed":1,"targets":[{"asic":"gaudi2","kernel":"debian:6.12"}],
//!     "plan":[{"target":0,"case":"open/compute/opens","rows":["OPEN-001"]}],"facts":{}}"#;
//! let record = record::read((journal.replace('\n', "") + "\n").as_bytes()).unwrap();
//! let expectations = Expectations::parse([]).unwrap(); // or Expectations::load(folder)
//! let catalogue = Catalogue::parse("id\top\tprecondition\texpected\tevidence\tany\tsince\n").unwrap();
//!
//! let run = Run::from_record(&record, &expectations, &catalogue).unwrap();
//! println!("{}", run.render(Format::Text));
//! assert_eq!(run.conclusion().exit_code(), 6); // the record stops before anything ran
//! ```
//!
//! | To | Use |
//! |---|---|
//! | know before a run what is listed as a skip | [`Expectations::skip`] |
//! | check the expectation files against the names of the cases | [`Expectations::lint`] |
//! | write new expectation files for a person to look over | [`update`] |
//! | decide the exit code | [`Run::conclusion`], [`Conclusion::exit_code`] |
//! | write a report | [`Run::render`], [`Format::ALL`], [`Format::file_name`] |
//! | write the page of a graph | [`GraphRun::html`] |
//! | compare with an earlier run | [`Comparison::new`], [`Comparison::result`] |
//!
//! Who decides what: [`Outcome`](record::Outcome) is what happened, [`Verdict`] is what it means
//! for the target ([`judge`], one table), [`Conclusion`] is what the run means for whoever waits
//! for its exit code.

mod catalogue;
mod compare;
mod conclusion;
mod expect;
mod format;
mod kernel;
mod run;
mod verdict;

pub use catalogue::{Catalogue, CatalogueError, Row};
pub use compare::{Change, Changed, CompareResult, Comparison, Side};
pub use conclusion::Conclusion;
pub use expect::{Entry, Expectations, Pattern, Problem, Problems, Status, update};
pub use format::{Format, GraphRun, GraphStep};
pub use kernel::Version;
pub use run::outcome_of_end;
pub use run::{Attempt, Boot, CaseRun, Counts, PROBE, RowRun, RowState, Run, RunError, TargetRun};
pub use verdict::{Expectation, Verdict, judge};
