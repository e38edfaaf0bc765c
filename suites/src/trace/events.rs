// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Events as tracefs shows them.

use crate::common::files;
use case::{CaseResult, Context, Stop};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where tracefs is mounted.
const ROOT: &str = "/sys/kernel/tracing";

/// Events that are recorded until this is dropped.
pub struct Tracing {
    switches: Vec<PathBuf>,
    device: String,
}

/// One event: its name, and its fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Without the driver's name before it.
    pub name: String,
    /// By name.
    pub fields: BTreeMap<String, String>,
}

impl Event {
    /// A field that is a number.
    pub fn number(&self, field: &str) -> CaseResult<u64> {
        let text = self.fields.get(field).map_or("", String::as_str);
        files::parse(text).ok_or_else(|| {
            case::Stop::Fail(case::Failure::new(format!("no number {field} in {self:?}")))
        })
    }
}

impl Tracing {
    /// Records these; skips where tracefs is not there.
    pub fn of(cx: &Context, names: &[&str]) -> CaseResult<Self> {
        let folder = Path::new(ROOT).join("events/habanalabs");
        if !folder.exists() {
            return Err(Stop::Skip(format!("needs tracefs at {ROOT}")));
        }
        let device = files::pci_name(cx)?;
        files::write(&Path::new(ROOT).join("trace"), "")?;
        let mut tracing = Tracing { switches: Vec::new(), device };
        for name in names {
            let switch = folder.join(format!("habanalabs_{name}/enable"));
            files::write(&switch, "1")?;
            tracing.switches.push(switch);
        }
        Ok(tracing)
    }

    /// What this device has recorded so far, oldest first.
    pub fn events(&self) -> CaseResult<Vec<Event>> {
        let text = files::read(&Path::new(ROOT).join("trace"))?;
        Ok(text.lines().filter_map(|line| parse(line, &self.device)).collect())
    }
}

impl Drop for Tracing {
    fn drop(&mut self) {
        for switch in &self.switches {
            // An event that stays on costs time, nothing else.
            let _ = std::fs::write(switch, "0");
        }
    }
}

/// `task-pid [cpu] flags time: habanalabs_name: device: field: value, field: value`.
fn parse(line: &str, device: &str) -> Option<Event> {
    let (_, rest) = line.split_once(": habanalabs_")?;
    let (name, rest) = rest.split_once(": ")?;
    let fields = rest.strip_prefix(device)?.strip_prefix(": ")?;
    let fields = fields.split(", ").filter_map(|field| {
        let (name, value) = field.split_once(": ")?;
        Some((name.trim().to_string(), value.trim().to_string()))
    });
    Some(Event { name: name.to_string(), fields: fields.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_an_event() {
        let line =
            "  exe-91  [000] .....   12.5: habanalabs_rreg32: 0000:00:01.0: addr: 0x10, val: 7";
        let event = parse(line, "0000:00:01.0").unwrap();
        assert_eq!(event.name, "rreg32");
        assert_eq!((event.number("addr").unwrap(), event.number("val").unwrap()), (16, 7));
        assert!(event.number("size").is_err());
        assert_eq!(parse(line, "0000:00:02.0"), None);
        assert_eq!(parse("# tracer: nop", "0000:00:01.0"), None);
    }
}
