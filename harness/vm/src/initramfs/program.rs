// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Which files a program of the host needs to run elsewhere: its loader and its libraries, found
//! the way ld.so(8) finds them, without running anything.
//!
//! Limits: files that are opened at run time (dlopen, NSS, locales) are not found; `$LIB` and
//! `$PLATFORM` in a RUNPATH are not expanded; hwcaps variants are not used.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::{Endianness, elf};

use crate::error::{Error, Result, io};

/// Searched last, after /etc/ld.so.conf.
const DEFAULT_FOLDERS: &[&str] = &[
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
];
/// Interpreter chains of scripts longer than this are refused by the kernel, too.
const SCRIPT_DEPTH: usize = 4;

/// What the dynamic section of a file asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Needs {
    interpreter: Option<String>,
    libraries: Vec<String>,
    folders: Vec<String>,
}

/// The program, its loader and all libraries: path in the guest, file on the host.
pub fn collect(program: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let absolute = std::path::absolute(program).map_err(io("find", program))?;
    let mut found = BTreeMap::new();
    let mut file = absolute;
    for _ in 0..SCRIPT_DEPTH {
        let bytes = fs::read(&file).map_err(io("read", &file))?;
        insert(&mut found, &file);
        match script_interpreter(&bytes) {
            Some(interpreter) => file = PathBuf::from(interpreter),
            None => {
                libraries(&file, &bytes, &mut found)?;
                return Ok(found);
            }
        }
    }
    Err(Error::Program { path: program.to_owned(), message: "interpreters nest too deep".into() })
}

fn insert(found: &mut BTreeMap<String, PathBuf>, file: &Path) {
    found.insert(file.to_string_lossy().into_owned(), file.to_owned());
}

/// The program named in `#!`.
fn script_interpreter(bytes: &[u8]) -> Option<String> {
    let line = bytes.strip_prefix(b"#!")?.split(|&b| b == b'\n').next()?;
    let text = std::str::from_utf8(line).ok()?;
    text.split_whitespace().next().filter(|p| p.starts_with('/')).map(str::to_owned)
}

fn libraries(program: &Path, bytes: &[u8], found: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    let bad = |message: String| Error::Program { path: program.to_owned(), message };
    let first = needs(bytes).map_err(bad)?;
    if let Some(interpreter) = &first.interpreter {
        insert(found, Path::new(interpreter));
    }
    let system = system_folders();
    let mut done = BTreeMap::new();
    let mut open = vec![(program.to_owned(), first)];
    while let Some((user, needs)) = open.pop() {
        let origin = user.parent().unwrap_or(Path::new("/")).to_string_lossy().into_owned();
        let own = needs
            .folders
            .iter()
            .map(|f| PathBuf::from(f.replace("${ORIGIN}", &origin).replace("$ORIGIN", &origin)));
        let own: Vec<_> = own.collect();
        for name in needs.libraries {
            if done.contains_key(&name) {
                continue;
            }
            let file = own.iter().chain(&system).map(|f| f.join(&name)).find(|p| p.is_file());
            let file = file.ok_or_else(|| bad(format!("its library {name} is not installed")))?;
            let bytes = fs::read(&file).map_err(io("read", &file))?;
            let next = self::needs(&bytes).map_err(|m| bad(format!("{}: {m}", file.display())))?;
            insert(found, &file);
            done.insert(name, ());
            open.push((file, next));
        }
    }
    Ok(())
}

/// Reads interpreter, DT_NEEDED and DT_RUNPATH of a 64-bit x86 ELF file.
fn needs(bytes: &[u8]) -> std::result::Result<Needs, String> {
    if !bytes.starts_with(&elf::ELFMAG) {
        return Err("neither an ELF program nor a script".into());
    }
    let text = |e: object::read::Error| e.to_string();
    let header = elf::FileHeader64::<Endianness>::parse(bytes)
        .map_err(|_| "no 64-bit ELF program".to_owned())?;
    let endian = header.endian().map_err(text)?;
    if header.e_machine(endian) != elf::EM_X86_64 {
        return Err("built for another processor than x86-64".into());
    }
    let segments = header.program_headers(endian, bytes).map_err(text)?;
    let mut found = Needs::default();
    for segment in segments {
        if let Some(path) = segment.interpreter(endian, bytes).map_err(text)? {
            found.interpreter = Some(String::from_utf8_lossy(path).into_owned());
        }
        let Some(entries) = segment.dynamic(endian, bytes).map_err(text)? else { continue };
        let value = |tag: u32| {
            entries
                .iter()
                .find(|d| d.tag32(endian) == Some(tag))
                .map(|d| d.d_val(endian))
                .ok_or("a dynamic section without string table")
        };
        let (address, size) = (value(elf::DT_STRTAB)?, value(elf::DT_STRSZ)?);
        let strings = segments
            .iter()
            .find_map(|s| s.data_range(endian, bytes, address, size).ok().flatten())
            .ok_or("its string table is cut off")?;
        let string = |entry: &elf::Dyn64<Endianness>| {
            let at = usize::try_from(entry.d_val(endian)).ok()?;
            let tail = strings.get(at..)?;
            let end = tail.iter().position(|&b| b == 0)?;
            String::from_utf8(tail[..end].to_vec()).ok()
        };
        for entry in entries {
            match entry.tag32(endian) {
                Some(elf::DT_NEEDED) => {
                    found.libraries.push(string(entry).ok_or("a library name is cut off")?);
                }
                Some(elf::DT_RUNPATH | elf::DT_RPATH) => {
                    let paths = string(entry).ok_or("its library path is cut off")?;
                    found.folders.extend(paths.split(':').map(str::to_owned));
                }
                Some(_) | None => {}
            }
        }
    }
    Ok(found)
}

/// The folders of /etc/ld.so.conf and what it includes, then the built-in ones.
fn system_folders() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    read_configuration(Path::new("/etc/ld.so.conf"), &mut folders);
    let mut included: Vec<_> = fs::read_dir("/etc/ld.so.conf.d")
        .map(|entries| entries.filter_map(|e| Some(e.ok()?.path())).collect())
        .unwrap_or_default();
    included.sort();
    included.iter().for_each(|file| read_configuration(file, &mut folders));
    folders.extend(DEFAULT_FOLDERS.iter().map(PathBuf::from));
    folders
}

fn read_configuration(file: &Path, folders: &mut Vec<PathBuf>) {
    let text = fs::read_to_string(file).unwrap_or_default();
    let lines = text.lines().map(|l| l.split('#').next().unwrap_or("").trim());
    folders.extend(lines.filter(|l| l.starts_with('/')).map(PathBuf::from));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dynamic_program_brings_loader_and_libraries() {
        let files = collect(Path::new("/bin/ls")).unwrap();
        assert!(files.contains_key("/bin/ls"));
        assert!(files.keys().any(|p| p.contains("ld-linux-x86-64")), "{files:?}");
        assert!(files.keys().any(|p| p.ends_with("/libc.so.6")), "{files:?}");
    }

    #[test]
    fn a_script_brings_its_interpreter() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("s");
        fs::write(&script, "#!/bin/sh -e\necho\n").unwrap();
        let files = collect(&script).unwrap();
        assert!(files.contains_key("/bin/sh"));
        fs::write(&script, format!("#!{}\n", script.display())).unwrap();
        assert!(collect(&script).unwrap_err().to_string().contains("too deep"));
    }

    #[test]
    fn truncated_programs_never_panic() {
        let whole = fs::read("/bin/true").unwrap();
        let steps = (0..4096).chain((4096..whole.len()).step_by(509));
        for length in steps {
            let _ = needs(&whole[..length.min(whole.len())]);
        }
        assert!(needs(b"MZ").unwrap_err().contains("neither"));
        let mut other = whole;
        other[18] = 0xb7;
        assert!(needs(&other).unwrap_err().contains("another processor"));
    }

    #[test]
    fn what_is_missing_is_named() {
        let line = collect(Path::new("/nonexistent/p")).unwrap_err().to_string();
        assert_eq!(line, "cannot read /nonexistent/p: ENOENT");
    }
}
