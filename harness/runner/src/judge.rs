// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! From what was seen of a case to its outcome.
//!
//! Every observation has an outcome of its own; the worst one (order of [`Outcome::ALL`]) is the
//! case's, and the others are kept in the details.

use crate::child::{Cut, Ended, signal};
use crate::fault::Fault;
use crate::taint::{Taint, Weight};
use case::{Report, Stop};
use control::{Finding, FindingKind};
use record::Outcome;
use std::collections::BTreeMap;

/// What the case declared, as far as the verdict needs it.
#[derive(Clone, Debug, Default)]
pub struct Declared {
    /// Findings that belong to it.
    pub findings: Vec<FindingKind>,
    /// Hard resets that it causes.
    pub resets: u32,
}

/// What was seen around a case.
#[derive(Clone, Debug, Default)]
pub struct Around {
    /// Faults in the kernel log.
    pub faults: Vec<Fault>,
    /// New taint.
    pub taint: Taint,
    /// What the device found.
    pub findings: Vec<Finding>,
    /// Hard resets counted, where the driver counts them.
    pub resets: Option<u32>,
    /// The device did not come back; why.
    pub lost: Option<String>,
    /// References to the driver's module that were left behind.
    pub references: i64,
    /// The control port failed; why.
    pub port: Option<String>,
}

/// The outcome of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// What happened.
    pub outcome: Outcome,
    /// Why.
    pub message: String,
    /// Request, expected, got and so on.
    pub details: BTreeMap<String, String>,
}

type Seen = (Outcome, String);

/// Judges a case.
pub fn judge(ended: &Ended, declared: &Declared, around: &Around) -> Judgement {
    let mut details = BTreeMap::new();
    let mut seen: Vec<Seen> = body(ended, &mut details).into_iter().collect();
    seen.extend(surroundings(declared, around));
    // The first of the worst: what happened in the body comes before what was seen around it.
    let rank = |outcome: Outcome| Outcome::ALL.iter().position(|known| *known == outcome);
    let worst = (0..seen.len()).rev().max_by_key(|index| rank(seen[*index].0));
    let (outcome, message) = worst.map_or((Outcome::Pass, String::new()), |i| seen.remove(i));
    if !seen.is_empty() {
        let others = seen.iter().map(|(outcome, why)| format!("{}: {why}", outcome.name()));
        details.insert("also".into(), others.collect::<Vec<_>>().join("\n"));
    }
    if let Some(stacks) = &ended.stacks {
        details.insert("stacks".into(), stacks.clone());
    }
    if ended.orphans > 0 {
        details.insert("orphans".into(), ended.orphans.to_string());
    }
    Judgement { outcome, message, details }
}

/// How the process ended and what it reported.
fn body(ended: &Ended, details: &mut BTreeMap<String, String>) -> Option<Seen> {
    let took = ended.duration.as_secs_f64();
    let Some(status) = ended.status else {
        return Some((Outcome::Timeout, format!("still there {took:.1} s after SIGKILL")));
    };
    match ended.cut {
        Some(Cut::Budget) => {
            return Some((Outcome::Timeout, format!("did not end within {took:.1} s")));
        }
        Some(Cut::Silence) => {
            return Some((Outcome::Timeout, format!("printed nothing for too long ({took:.1} s)")));
        }
        Some(Cut::Run) => {
            return Some((Outcome::Timeout, "the time of the whole run was over".into()));
        }
        Some(Cut::Asked) => return Some((Outcome::NotRun, "interrupted".into())),
        // The kernel's own words say why.
        Some(Cut::Fault) => return None,
        None => {}
    }
    if let Some(signal) = signal(status) {
        return Some((Outcome::Crash, format!("its process died by {signal}")));
    }
    let text = String::from_utf8_lossy(&ended.report);
    match serde_json::from_str::<Report>(text.trim_end()) {
        Ok(Report { stop: None }) => None,
        Ok(Report { stop: Some(Stop::Fail(failure)) }) => {
            details.extend(failure.details);
            Some((Outcome::Fail, failure.message))
        }
        Ok(Report { stop: Some(Stop::Broken(why)) }) => Some((Outcome::Broken, why)),
        Ok(Report { stop: Some(Stop::Skip(why)) }) => Some((Outcome::Skip, why)),
        Err(_) if text.is_empty() => {
            Some((Outcome::Broken, format!("its process ended without a report ({status})")))
        }
        Err(why) => Some((Outcome::Broken, format!("its report makes no sense: {why}"))),
    }
}

/// What the kernel, the device and the driver's counters say.
fn surroundings(declared: &Declared, around: &Around) -> Vec<Seen> {
    let Around { faults, taint, findings, resets, lost, references, port } = around;
    let mut seen = Vec::new();
    let undeclared = faults.iter().filter(|fault| !fault.declared);
    seen.extend(undeclared.map(|fault| (Outcome::KernelFault, fault.headline.clone())));
    // A declared warning taints, too.
    let warned = if faults.iter().any(|fault| fault.declared) {
        Taint::default()
    } else {
        taint.of(Weight::Warned)
    };
    for new in [taint.of(Weight::Fatal), warned] {
        if !new.is_empty() {
            seen.push((Outcome::KernelFault, format!("the kernel is now tainted: {new}")));
        }
    }
    if let Some(why) = lost {
        seen.push((Outcome::Fail, format!("the device is not usable afterwards: {why}")));
    }
    for finding in findings.iter().filter(|finding| !declared.findings.contains(&finding.kind)) {
        seen.push((Outcome::DeviceFinding, line(finding)));
    }
    if let Some(count) = resets.filter(|count| *count != declared.resets) {
        let expected = declared.resets;
        seen.push((
            Outcome::Fail,
            format!("the driver reset the device {count} times, expected {expected}"),
        ));
    }
    if *references > 0 {
        let message = format!("{references} references to the driver's module are left behind");
        seen.push((Outcome::Fail, message));
    }
    if let Some(why) = port {
        seen.push((Outcome::Broken, format!("the control port failed: {why}")));
    }
    seen
}

/// A finding in one line.
pub fn line(finding: &Finding) -> String {
    let kind = serde_json::to_value(finding.kind).ok();
    let kind = kind.as_ref().and_then(|kind| kind.as_str()).unwrap_or("finding");
    format!("{kind}: {}", finding.message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use case::Failure;
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;
    use std::time::Duration;

    fn ended(stop: Option<Stop>) -> Ended {
        Ended {
            status: Some(ExitStatus::from_raw(0)),
            cut: None,
            report: serde_json::to_vec(&Report { stop }).unwrap(),
            output: String::new(),
            stacks: None,
            orphans: 0,
            duration: Duration::from_millis(1500),
        }
    }

    fn outcome(ended: &Ended, around: &Around) -> Outcome {
        judge(ended, &Declared::default(), around).outcome
    }

    fn warning(declared: bool) -> Around {
        let fault = Fault { headline: "WARNING: here".into(), fatal: false, declared };
        Around { faults: vec![fault], taint: Taint(1 << 9), ..Around::default() }
    }

    #[test]
    fn the_four_ends_of_a_body() {
        let clean = Around::default();
        assert_eq!(outcome(&ended(None), &clean), Outcome::Pass);
        let fail = Stop::Fail(Failure::new("wrong").with("got", 3));
        let judgement = judge(&ended(Some(fail)), &Declared::default(), &clean);
        assert_eq!((judgement.outcome, judgement.message.as_str()), (Outcome::Fail, "wrong"));
        assert_eq!(judgement.details["got"], "3");
        assert_eq!(outcome(&ended(Some(Stop::Broken("b".into()))), &clean), Outcome::Broken);
        assert_eq!(outcome(&ended(Some(Stop::Skip("s".into()))), &clean), Outcome::Skip);
    }

    #[test]
    fn a_process_without_a_report_is_broken_and_one_killed_is_a_crash() {
        let clean = Around::default();
        let mut silent = ended(None);
        silent.report.clear();
        assert_eq!(outcome(&silent, &clean), Outcome::Broken);
        let mut cut_short = ended(None);
        cut_short.report.pop();
        assert_eq!(outcome(&cut_short, &clean), Outcome::Broken);
        let crashed = Ended { status: Some(ExitStatus::from_raw(libc::SIGSEGV)), ..ended(None) };
        let judgement = judge(&crashed, &Declared::default(), &clean);
        assert_eq!(judgement.outcome, Outcome::Crash);
        assert!(judgement.message.contains("SIGSEGV"), "{}", judgement.message);
        let late = Ended { cut: Some(Cut::Budget), ..ended(None) };
        assert_eq!(outcome(&late, &clean), Outcome::Timeout);
        assert_eq!(outcome(&Ended { status: None, ..ended(None) }, &clean), Outcome::Timeout);
    }

    #[test]
    fn a_pass_with_a_warning_is_a_kernel_fault_unless_declared() {
        assert_eq!(outcome(&ended(None), &warning(false)), Outcome::KernelFault);
        assert_eq!(outcome(&ended(None), &warning(true)), Outcome::Pass);
        let silent = Around { taint: Taint(1 << 7), ..Around::default() };
        assert_eq!(outcome(&ended(None), &silent), Outcome::KernelFault);
        let loaded = Around { taint: Taint(1 << 13), ..Around::default() };
        assert_eq!(outcome(&ended(None), &loaded), Outcome::Pass);
    }

    #[test]
    fn the_worst_counts_and_the_rest_is_told() {
        let fail = ended(Some(Stop::Fail(Failure::new("wrong"))));
        let judgement = judge(&fail, &Declared::default(), &warning(false));
        assert_eq!(judgement.outcome, Outcome::KernelFault);
        assert!(judgement.details["also"].contains("fail: wrong"));
    }

    #[test]
    fn the_device_has_a_say() {
        let finding = Finding { kind: FindingKind::BadPacket, message: "opcode 31".into() };
        let around = Around { findings: vec![finding], ..Around::default() };
        let judgement = judge(&ended(None), &Declared::default(), &around);
        assert_eq!(judgement.outcome, Outcome::DeviceFinding);
        assert_eq!(judgement.message, "bad_packet: opcode 31");
        let declared = Declared { findings: vec![FindingKind::BadPacket], resets: 0 };
        assert_eq!(judge(&ended(None), &declared, &around).outcome, Outcome::Pass);
    }

    #[test]
    fn resets_are_counted() {
        let once = Around { resets: Some(1), ..Around::default() };
        assert_eq!(outcome(&ended(None), &once), Outcome::Fail);
        let declared = Declared { resets: 1, ..Declared::default() };
        assert_eq!(judge(&ended(None), &declared, &once).outcome, Outcome::Pass);
        let none = Around { resets: Some(0), ..Around::default() };
        assert_eq!(judge(&ended(None), &declared, &none).outcome, Outcome::Fail);
        assert_eq!(judge(&ended(None), &declared, &Around::default()).outcome, Outcome::Pass);
    }
}
