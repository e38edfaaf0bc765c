// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What a module file says about itself: the `.modinfo` section, the appended signature.

use object::{Object, ObjectSection};

/// Ends every signed module (include/linux/module_signature.h).
const SIGNATURE_MARK: &[u8] = b"~Module signature appended~\n";
/// Size of `struct module_signature`, which stands before the mark; its last 4 bytes are the
/// signature's length, big endian.
const SIGNATURE_TRAILER: usize = 12;

/// The `key=value` strings of `.modinfo`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Info {
    pairs: Vec<(String, String)>,
}

impl Info {
    /// Reads an uncompressed module.
    pub fn read(module: &[u8]) -> Result<Self, String> {
        let file = object::File::parse(module).map_err(|e| e.to_string())?;
        let section = file.section_by_name(".modinfo").ok_or("it has no .modinfo section")?;
        let data = section.data().map_err(|e| e.to_string())?;
        let pairs = data
            .split(|&b| b == 0)
            .filter_map(|text| std::str::from_utf8(text).ok()?.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        Ok(Self { pairs })
    }

    /// All values of a key, in file order.
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    /// The first value of a key, or the empty text.
    pub fn get<'a>(&'a self, key: &'a str) -> &'a str {
        self.all(key).next().unwrap_or("")
    }

    /// The modules that must be loaded before.
    pub fn depends(&self) -> Vec<String> {
        self.get("depends").split(',').filter(|d| !d.is_empty()).map(str::to_owned).collect()
    }

    /// The release of the kernel it was built for: the first word of `vermagic`.
    pub fn release(&self) -> &str {
        self.get("vermagic").split(' ').next().unwrap_or("")
    }
}

/// The module without its appended signature, and whether it had one.
pub fn without_signature(module: &[u8]) -> Result<(&[u8], bool), String> {
    let Some(signed) = module.strip_suffix(SIGNATURE_MARK) else { return Ok((module, false)) };
    let cut = || {
        let (_, trailer) = signed.split_last_chunk::<SIGNATURE_TRAILER>()?;
        let length = u32::from_be_bytes(*trailer.last_chunk::<4>()?);
        let end = signed.len().checked_sub(SIGNATURE_TRAILER + length as usize)?;
        signed.get(..end)
    };
    cut().map(|body| (body, true)).ok_or_else(|| "its signature is cut off".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_cut_off_exactly() {
        let mut signed = b"BODYsig!!".to_vec();
        signed.extend_from_slice(&[0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 5]);
        signed.extend_from_slice(SIGNATURE_MARK);
        assert_eq!(without_signature(&signed), Ok((&b"BODY"[..], true)));
        assert_eq!(without_signature(b"BODY"), Ok((&b"BODY"[..], false)));
        // A length beyond the file, a mark with nothing before it.
        let end = signed.len() - SIGNATURE_MARK.len();
        signed[end - 4..end].copy_from_slice(&u32::MAX.to_be_bytes());
        assert!(without_signature(&signed).is_err());
        assert!(without_signature(SIGNATURE_MARK).is_err());
    }

    #[test]
    fn random_bytes_are_no_module() {
        for length in 0..64 {
            let bytes: Vec<u8> = (0..length).map(|i| (i * 37 + 11) as u8).collect();
            assert!(Info::read(&bytes).is_err());
        }
    }
}
