// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What a process prints, kept within bounds: the first and the last bytes.

use std::collections::VecDeque;

/// Bytes kept of the beginning, and as many of the end.
pub const HALF: usize = 32 * 1024;

/// A bounded record of a stream.
#[derive(Debug, Default)]
pub struct Output {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    dropped: u64,
}

impl Output {
    /// Takes what came.
    pub fn push(&mut self, mut bytes: &[u8]) {
        let room = HALF - self.head.len();
        let first = bytes.len().min(room);
        self.head.extend(&bytes[..first]);
        bytes = &bytes[first..];
        if bytes.len() > HALF {
            self.dropped += (bytes.len() - HALF) as u64;
            bytes = &bytes[bytes.len() - HALF..];
        }
        let over = (self.tail.len() + bytes.len()).saturating_sub(HALF);
        self.tail.drain(..over);
        self.dropped += over as u64;
        self.tail.extend(bytes);
    }

    /// As text; says how much is missing.
    pub fn text(self) -> String {
        let mut text = String::from_utf8_lossy(&self.head).into_owned();
        if self.dropped > 0 {
            text.push_str(&format!("\n[... {} bytes left out ...]\n", self.dropped));
        }
        text.push_str(&String::from_utf8_lossy(&Vec::from(self.tail)));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_output_is_kept_whole() {
        let mut output = Output::default();
        output.push(b"one ");
        output.push(b"two");
        assert_eq!(output.text(), "one two");
    }

    #[test]
    fn a_flood_keeps_both_ends() {
        for piece in [1usize, 7, 4096, 3 * HALF] {
            let mut output = Output::default();
            let all: Vec<u8> = (0..4 * HALF).map(|i| b'a' + (i % 26) as u8).collect();
            all.chunks(piece).for_each(|part| output.push(part));
            let text = output.text();
            assert!(text.as_bytes().starts_with(&all[..HALF]), "{piece}");
            assert!(text.as_bytes().ends_with(&all[3 * HALF..]), "{piece}");
            assert!(text.contains(&format!("{} bytes left out", 2 * HALF)), "{piece}");
        }
    }
}
