//! The part of a file that is in memory, as UTF-8, with the way back to lines and to bytes of the source.

use std::ops::Range;

use crate::encoding::Encoding;

/// Whether more text may follow what is in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    More,
    End,
}

/// Text in memory. Positions are bytes from its beginning and hold until more text is read.
///
/// Lines and bytes of the source are counted only where somebody asks, each stretch once.
#[derive(Debug)]
pub struct Text {
    pub(crate) bytes: Vec<u8>,
    /// Everything before has been dealt with.
    at: usize,
    /// Up to here `offset` and `line` have been counted.
    settled: usize,
    offset: u64,
    line: u64,
    /// Everything before, down to `at`, is known to be UTF-8.
    utf8_to: usize,
    pub(crate) tail: Tail,
    encoding: Encoding,
    version: u64,
}

impl Text {
    /// Nothing in memory yet; it will begin at this byte and this line of the source.
    pub(crate) fn new(encoding: Encoding, offset: u64, line: u64) -> Self {
        Self { bytes: Vec::new(), at: 0, settled: 0, offset, line, utf8_to: 0, tail: Tail::More, encoding, version: 0 }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Nothing at all for a range outside.
    pub fn slice(&self, range: Range<usize>) -> &[u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    /// Where the next record begins.
    pub fn at(&self) -> usize {
        self.at
    }

    pub fn tail(&self) -> Tail {
        self.tail
    }

    /// Changes whenever positions lose their meaning.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The line of a position at or behind `at`; the first is 1.
    pub fn line_of(&self, position: usize) -> u64 {
        self.line + line_ends(self.slice(self.settled..position))
    }

    /// Whether a stretch at or behind `at` is UTF-8. It begins and ends beside ASCII bytes, as records and fields do, and therefore
    /// never inside of a character.
    #[inline]
    pub fn is_utf8(&self, range: Range<usize>) -> bool {
        range.end <= self.utf8_to || std::str::from_utf8(self.slice(range)).is_ok()
    }

    /// Deals with everything before a position.
    #[inline]
    pub fn advance(&mut self, to: usize) {
        self.at = to;
    }

    /// Counts up to `at` and answers its byte in the source and its line.
    pub(crate) fn settle(&mut self) -> (u64, u64) {
        let passed = self.slice(self.settled..self.at);
        let (bytes, lines) = (self.encoding.source_bytes(passed), line_ends(passed));
        self.offset += bytes;
        self.line += lines;
        self.settled = self.at;
        (self.offset, self.line)
    }

    /// Drops what has been dealt with.
    pub(crate) fn compact(&mut self) {
        self.settle();
        self.bytes.drain(..self.at);
        self.utf8_to = self.utf8_to.saturating_sub(self.at);
        self.at = 0;
        self.settled = 0;
        self.version += 1;
    }

    /// To be called when `bytes` has grown.
    pub(crate) fn check_utf8(&mut self) {
        let unchecked = self.bytes.get(self.utf8_to..).unwrap_or_default();
        self.utf8_to += match std::str::from_utf8(unchecked) {
            Ok(text) => text.len(),
            Err(error) => error.valid_up_to(),
        };
    }
}

/// LF, CRLF and CR each end a line.
fn line_ends(bytes: &[u8]) -> u64 {
    let feeds = memchr::memchr_iter(b'\n', bytes).count();
    let returns = memchr::memchr_iter(b'\r', bytes).filter(|index| bytes.get(index + 1) != Some(&b'\n')).count();
    (feeds + returns) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(content: &[u8]) -> Text {
        let mut text = Text::new(Encoding::Utf8, 0, 1);
        text.bytes = content.to_vec();
        text.check_utf8();
        text
    }

    #[test]
    fn lines_end_in_three_ways() {
        for (content, lines) in [("", 0), ("a", 0), ("a\nb", 1), ("a\r\nb\r\n", 2), ("a\rb\r", 2), ("\n\r\n\r", 3)] {
            assert_eq!(line_ends(content.as_bytes()), lines, "{content:?}");
        }
    }

    #[test]
    fn places_are_counted_from_the_source() {
        let mut text = text(b"a\nb\nc\n");
        text.advance(4);
        assert_eq!(text.line_of(4), 3);
        assert_eq!(text.settle(), (4, 3));
        text.compact();
        assert_eq!((text.bytes(), text.at(), text.line_of(2)), (&b"c\n"[..], 0, 4));
    }

    proptest! {
        #[test]
        fn utf8_is_known_whatever_comes_when(
            content in prop::collection::vec(prop_oneof![Just(b'a'), Just(0xc3), Just(0xbc), Just(0xff)], 0..40),
            cuts in prop::collection::vec(0usize..40, 3),
        ) {
            let mut text = Text::new(Encoding::Utf8, 0, 1);
            let mut dropped = 0;
            for part in content.chunks(7) {
                text.bytes.extend_from_slice(part);
                text.check_utf8();
                text.advance(cuts[0].min(text.bytes.len()));
                dropped += text.at();
                text.compact();
                for cut in &cuts {
                    let cut = (*cut).min(text.bytes.len());
                    let (before, behind) = content.split_at(dropped + cut);
                    let expected = std::str::from_utf8(&before[dropped..]).is_ok();
                    // What begins or ends inside of a character is not asked for.
                    if std::str::from_utf8(&content[..dropped]).is_ok() && behind.first() != Some(&0xbc) {
                        prop_assert_eq!(text.is_utf8(0..cut), expected);
                    }
                }
            }
        }
    }
}
