// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Kernel images: the setup header of a bzImage, its compressed payload, and whether the
//! uncompressed vmlinux can be started by its PVH entry (which saves the guest's own
//! decompression, about 40 % of the boot under TCG).
//!
//! Facts: Documentation/arch/x86/boot.rst (offsets of the setup header), include/xen/interface
//! /elfnote.h (`XEN_ELFNOTE_PHYS32_ENTRY`).
//!
//! Not read: payloads packed with bzip2, lzma, lzo or lz4. Such kernels boot as bzImage.

use std::io::Read;

use memchr::memmem;
use object::elf;
use object::read::elf::{FileHeader, ProgramHeader};

/// Fields of the setup header: offset, size. Multi-byte fields are little endian.
const SETUP_SECTS: usize = 0x1f1;
const MAGIC: (usize, &[u8]) = (0x202, b"HdrS");
const VERSION: usize = 0x206;
const KERNEL_VERSION: usize = 0x20e;
const PAYLOAD_OFFSET: usize = 0x248;
const PAYLOAD_LENGTH: usize = 0x24c;
/// payload_offset and payload_length exist since boot protocol 2.08.
const PAYLOAD_SINCE: u16 = 0x0208;
/// kernel_version is counted from here.
const VERSION_BASE: usize = 0x200;
/// setup_sects of 0 means 4.
const OLD_SETUP_SECTS: usize = 4;
const SECTOR: usize = 512;

/// The first bytes of the payload and what packs it.
const PACKINGS: &[(&[u8], Packing)] = &[
    (&[0x28, 0xb5, 0x2f, 0xfd], Packing::Zstd),
    (&[0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], Packing::Xz),
    (&[0x1f, 0x8b], Packing::Gzip),
];

/// How a kernel or a module is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Zstandard.
    Zstd,
    /// LZMA2 in the .xz container.
    Xz,
    /// DEFLATE in the gzip container.
    Gzip,
}

impl Packing {
    /// Looks at the first bytes.
    pub fn of(data: &[u8]) -> Option<Self> {
        PACKINGS.iter().find(|(magic, _)| data.starts_with(magic)).map(|&(_, packing)| packing)
    }

    /// Unpacks one stream; what follows it (a bzImage appends the size) is ignored.
    pub fn unpack(self, data: &[u8]) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        let result = match self {
            Self::Zstd => ruzstd::decoding::StreamingDecoder::new(data)
                .map_err(|e| e.to_string())?
                .read_to_end(&mut out),
            Self::Xz => liblzma::read::XzDecoder::new(data).read_to_end(&mut out),
            Self::Gzip => flate2::read::GzDecoder::new(data).read_to_end(&mut out),
        };
        result.map_err(|e| format!("{self:?} data: {e}"))?;
        Ok(out)
    }
}

/// What kind of image a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// With a setup header, for the boot protocol.
    BzImage,
    /// An ELF file.
    Vmlinux,
}

/// Tells the kind; the message says why it is neither.
pub fn kind(image: &[u8]) -> Result<Kind, String> {
    if image.starts_with(&elf::ELFMAG) {
        return Ok(Kind::Vmlinux);
    }
    if get(image, MAGIC.0, 4) == Some(MAGIC.1) {
        let sectors = setup_sectors(image);
        if image.len() < (sectors + 1) * SECTOR + SECTOR {
            return Err(format!("a bzImage cut off after {} bytes", image.len()));
        }
        return Ok(Kind::BzImage);
    }
    Err(match image.len() {
        0 => "it is empty".into(),
        1..0x250 => format!("it has only {} bytes", image.len()),
        _ => "neither bzImage (HdrS at 0x202) nor ELF".into(),
    })
}

/// The release a bzImage names, such as `6.12.117+deb12-amd64`.
pub fn release(image: &[u8]) -> Option<String> {
    let pointer = usize::from(u16_at(image, KERNEL_VERSION)?);
    let text = image.get(VERSION_BASE + pointer..)?;
    release_word(&text[..text.len().min(256)])
}

/// The release a vmlinux names in its banner.
pub fn banner_release(vmlinux: &[u8]) -> Option<String> {
    let banner = b"Linux version ";
    let at = vmlinux.windows(banner.len()).position(|w| w == banner)? + banner.len();
    release_word(&vmlinux[at..vmlinux.len().min(at + 256)])
}

/// Does a vmlinux export this symbol? The names of exported symbols stand in it as strings
/// (include/linux/export.h: `__ksymtab_strings`); those of all others are packed (kallsyms).
pub fn exports(vmlinux: &[u8], symbol: &str) -> bool {
    let name = [b"\0", symbol.as_bytes(), b"\0"].concat();
    memmem::find(vmlinux, &name).is_some()
}

fn release_word(text: &[u8]) -> Option<String> {
    let end = text.iter().position(|&b| b == 0 || b == b' ')?;
    let word = std::str::from_utf8(&text[..end]).ok()?;
    word.starts_with(|c: char| c.is_ascii_digit()).then(|| word.to_owned())
}

/// The vmlinux packed in a bzImage. `Ok(None)` if it is packed in a way not read here.
pub fn vmlinux(image: &[u8]) -> Result<Option<Vec<u8>>, String> {
    if u16_at(image, VERSION).is_none_or(|v| v < PAYLOAD_SINCE) {
        return Ok(None);
    }
    let number = |at| u32_at(image, at).map(|v| v as usize);
    let (Some(offset), Some(length)) = (number(PAYLOAD_OFFSET), number(PAYLOAD_LENGTH)) else {
        return Err("its setup header is cut off".into());
    };
    let start = (setup_sectors(image) + 1) * SECTOR + offset;
    let payload = get(image, start, length).ok_or_else(|| {
        format!("cut off: the payload ends at byte {}, the file at {}", start + length, image.len())
    })?;
    let Some(packing) = Packing::of(payload) else { return Ok(None) };
    let vmlinux = packing.unpack(payload)?;
    if !vmlinux.starts_with(&elf::ELFMAG) {
        return Err("its payload is no ELF file".into());
    }
    Ok(Some(vmlinux))
}

/// Whether a vmlinux names a PVH entry, as QEMU's loader wants it.
pub fn has_pvh_entry(vmlinux: &[u8]) -> bool {
    /// include/xen/interface/elfnote.h
    const XEN_ELFNOTE_PHYS32_ENTRY: u32 = 18;
    let Ok(header) = elf::FileHeader64::<object::Endianness>::parse(vmlinux) else { return false };
    let Ok(endian) = header.endian() else { return false };
    let Ok(segments) = header.program_headers(endian, vmlinux) else { return false };
    segments.iter().any(|segment| {
        let Ok(Some(mut notes)) = segment.notes(endian, vmlinux) else { return false };
        while let Ok(Some(note)) = notes.next() {
            if note.name() == b"Xen" && note.n_type(endian) == XEN_ELFNOTE_PHYS32_ENTRY {
                return true;
            }
        }
        false
    })
}

fn setup_sectors(image: &[u8]) -> usize {
    match image.get(SETUP_SECTS) {
        Some(0) | None => OLD_SETUP_SECTS,
        Some(&n) => usize::from(n),
    }
}

fn get(data: &[u8], at: usize, length: usize) -> Option<&[u8]> {
    data.get(at..at.checked_add(length)?)
}

fn u16_at(data: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(get(data, at, 2)?.try_into().ok()?))
}

fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(get(data, at, 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bzImage of 1 setup sector with this payload.
    pub(crate) fn bzimage(payload: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 2 * SECTOR + SECTOR];
        image[SETUP_SECTS] = 1;
        image[MAGIC.0..MAGIC.0 + 4].copy_from_slice(MAGIC.1);
        image[VERSION..VERSION + 2].copy_from_slice(&0x20fu16.to_le_bytes());
        image[KERNEL_VERSION..KERNEL_VERSION + 2].copy_from_slice(&0x180u16.to_le_bytes());
        image[0x380..0x380 + 14].copy_from_slice(b"6.12.1-test (x");
        image[PAYLOAD_OFFSET..PAYLOAD_OFFSET + 4].copy_from_slice(&512u32.to_le_bytes());
        let length = (payload.len() as u32).to_le_bytes();
        image[PAYLOAD_LENGTH..PAYLOAD_LENGTH + 4].copy_from_slice(&length);
        image.extend_from_slice(payload);
        image
    }

    fn xz(data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        liblzma::read::XzEncoder::new(data, 1).read_to_end(&mut out).unwrap();
        out
    }

    #[test]
    fn a_symbol_is_exported_by_its_whole_name() {
        let vmlinux = b"\x7fELF\0dma_map_sg_attrs\0dma_unmap\0";
        assert!(exports(vmlinux, "dma_map_sg_attrs") && exports(vmlinux, "dma_unmap"));
        assert!(!exports(vmlinux, "dma_map_sg") && !exports(vmlinux, "attrs"));
    }

    #[test]
    fn the_payload_comes_out() {
        let mut inner = elf::ELFMAG.to_vec();
        inner.extend_from_slice(&[7; 1000]);
        let mut payload = xz(&inner);
        payload.extend_from_slice(&1004u32.to_le_bytes());
        let image = bzimage(&payload);
        assert_eq!(kind(&image), Ok(Kind::BzImage));
        assert_eq!(release(&image).as_deref(), Some("6.12.1-test"));
        assert_eq!(vmlinux(&image).unwrap().unwrap(), inner);
        assert_eq!(vmlinux(&bzimage(b"LZO?")).unwrap(), None);
        assert!(vmlinux(&bzimage(&xz(b"no elf"))).is_err());
    }

    #[test]
    fn every_truncation_is_an_error_or_a_fallback_never_a_panic() {
        let mut inner = elf::ELFMAG.to_vec();
        inner.extend_from_slice(&[7; 64]);
        let image = bzimage(&xz(&inner));
        for length in 0..image.len() {
            let cut = &image[..length];
            let _ = (kind(cut), release(cut), banner_release(cut), has_pvh_entry(cut));
            assert!(!matches!(vmlinux(cut), Ok(Some(_))), "cut at {length}");
        }
        let message = vmlinux(&image[..image.len() - 1]).unwrap_err();
        assert!(message.contains("cut off"), "{message}");
    }

    #[test]
    fn hostile_headers_do_not_overflow() {
        let mut image = bzimage(&[]);
        for at in [PAYLOAD_OFFSET, PAYLOAD_LENGTH] {
            image[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        }
        image[KERNEL_VERSION..KERNEL_VERSION + 2].copy_from_slice(&u16::MAX.to_le_bytes());
        assert!(vmlinux(&image).is_err());
        assert_eq!(release(&image), None);
    }

    #[test]
    fn what_is_no_kernel_is_said() {
        assert_eq!(kind(b""), Err("it is empty".into()));
        assert!(kind(&[0; 100]).unwrap_err().contains("100 bytes"));
        assert!(kind(&[0; 1000]).unwrap_err().contains("HdrS"));
        assert!(kind(&bzimage(&[])[..1100]).unwrap_err().contains("cut off"));
        assert!(!has_pvh_entry(b"\x7fELF"));
    }
}
