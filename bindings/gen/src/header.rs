// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The header generations, and the C text handed to clang for each.

use anyhow::{Context, ensure};
use std::fmt::Write;
use std::path::PathBuf;

/// One header of one range of kernels.
pub struct Generation {
    /// The name of the Rust module.
    pub name: &'static str,
    /// The header, as included.
    pub header: &'static str,
    /// One line for the head of the generated files.
    pub about: &'static str,
    /// Headers whose macros become constants.
    pub macros: &'static [&'static str],
    /// Macros that become constants: all that start with one of these; empty means all.
    pub prefixes: &'static [&'static str],
    /// Types to emit, as a regular expression of bindgen.
    pub types: &'static str,
}

/// The header generations that the project knows.
pub const GENERATIONS: &[Generation] = &[
    Generation {
        name: "accel",
        header: "drm/habanalabs_accel.h",
        about: "The habanalabs interface of Linux 6.12 to 7.3 (drm/habanalabs_accel.h).",
        macros: &["drm/habanalabs_accel.h"],
        prefixes: &[],
        types: "^(hl|goya|gaudi|gaudi2)_.*",
    },
    Generation {
        name: "misc",
        header: "misc/habanalabs.h",
        about: "The habanalabs interface of Linux 6.1 (misc/habanalabs.h).",
        macros: &["misc/habanalabs.h"],
        prefixes: &[],
        types: "^(hl|goya|gaudi|gaudi2)_.*",
    },
    Generation {
        name: "drm",
        header: "drm/drm.h",
        about: "What the DRM core itself offers on every node (drm/drm.h, drm/drm_mode.h).",
        macros: &["drm/drm.h"],
        prefixes: &["DRM_IOCTL_", "DRM_CAP_", "DRM_CLIENT_CAP_", "DRM_COMMAND_"],
        types: "^drm_(version|unique|auth|set_version|get_cap|set_client_cap|gem_.*|prime_handle|\
                syncobj_.*|mode_(card_res|get_plane_res|create_dumb|map_dumb|destroy_dumb))$",
    },
];

/// Macros of the kernel that the headers use without defining them (linux/bits.h,
/// linux/limits.h, linux/sizes.h); `__user` is stripped when a kernel installs its headers.
const MISSING: &str = "\
#define __user
#define BIT(nr) (1UL << (nr))
#define U16_MAX ((__u16)~0U)
#define SZ_1M 0x00100000
";

/// The type of the constant of a macro: 64 bits where the header says `ULL`, because it is then a
/// mask for a 64-bit field, or where the value needs it; else 32 bits.
const CARRIER_TYPE: &str = "\
#define CARRIER(x) __typeof__(__builtin_choose_expr( \\
    __builtin_types_compatible_p(__typeof__(x), unsigned long long) || (x) > 0xffffffffULL, \\
    0ULL, 0U))
";

/// Prefix of the C constants that carry the value of a macro.
pub const CARRIER: &str = "gauntlet_";

/// The C text: the header, and one constant per macro, because bindgen alone cannot evaluate
/// macros with `sizeof` or casts.
pub fn wrapper(generation: &Generation, include: &[PathBuf]) -> anyhow::Result<String> {
    let mut text = format!(
        "#include <linux/types.h>\n{MISSING}{CARRIER_TYPE}#include <{}>\n",
        generation.header
    );
    let mut count = 0;
    for header in generation.macros {
        let path = include
            .iter()
            .map(|folder| folder.join(header))
            .find(|path| path.exists())
            .with_context(|| format!("no {header} below the given folders"))?;
        let source = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        for name in macro_names(&source) {
            let prefixes = generation.prefixes;
            if prefixes.is_empty() || prefixes.iter().any(|prefix| name.starts_with(prefix)) {
                writeln!(text, "static const CARRIER({name}) {CARRIER}{name} = {name};")?;
                count += 1;
            }
        }
    }
    ensure!(count > 0, "no macros found in {:?}", generation.macros);
    Ok(text)
}

/// Names of the object-like macros with a body, in order of their first definition.
fn macro_names(source: &str) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for line in source.lines() {
        let Some(rest) = line.strip_prefix("#define") else { continue };
        let rest = rest.trim_start();
        let end =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let (name, body) = rest.split_at(end);
        let body = body.split("/*").next().unwrap_or_default();
        if body.starts_with([' ', '\t']) && !body.trim().is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_object_like_macros_only() {
        let source = "#define GUARD_H_\n#define A 1\n#define\tB\t\t(1 << 3) /* x */\n\
                      #define F(x) x\n #define not_at_the_start 3\n#define A 1\n#define C /* */\n#define";
        assert_eq!(macro_names(source), ["A", "B"]);
    }
}
