// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Builds the modules of a source folder against the packaged headers of a kernel.
//!
//! `cargo run -p vm --example headers -- KERNEL SOURCE [MAKE ARGUMENT ...]`

use std::path::Path;

use vm::{Cache, Error, Headers, Kernel};

fn main() {
    match run() {
        Ok(code) => std::process::exit(code),
        Err(error) => {
            eprintln!("error: {error}");
            std::process::exit(1);
        }
    }
}

fn run() -> vm::Result<i32> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [spec, source, rest @ ..] = words.as_slice() else {
        return Err(Error::Machine("give a kernel and a source folder".into()));
    };
    let cache = Cache::open_default()?;
    let kernel = Kernel::find(&cache, &spec.parse()?, None)?;
    let headers = Headers::find(&cache, &kernel)?;
    let status = headers.make(Path::new(source)).args(rest).status().map_err(|source| {
        Error::Start { program: "make".into(), source, hint: "install make and gcc" }
    })?;
    Ok(status.code().unwrap_or(1))
}
