//! Facts about the bytes of a column, block by block, in loops that the compiler turns into vector instructions. They only ever
//! say what might have to be done: a fact may hold without need, but what must be done is never missed.

use std::ops::{BitOr, BitOrAssign, Range};

/// What is known of some bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts(u8);

impl Facts {
    pub const NONE: Self = Self(0);
    /// There is a character beyond ASCII.
    pub const BEYOND_ASCII: Self = Self(1);
    /// There is a character from U+0300 on. None before it is a combining mark, and each is its own normalisation form C.
    pub const COMBINING: Self = Self(2);
    /// There is an ASCII capital letter.
    pub const UPPER: Self = Self(4);
    /// There is an ASCII small letter.
    pub const LOWER: Self = Self(8);
    /// There are two spaces in a row, or white space that is no space.
    pub const GAPS: Self = Self(16);
    /// There is something else than small letters, digits, `.`, `-` and `@`, or two of these three in a row.
    pub const NOT_PLAIN: Self = Self(32);

    /// Whether one of these holds.
    pub fn any(self, of: Self) -> bool {
        self.0 & of.0 != 0
    }

    fn when(self, holds: bool) -> Self {
        if holds { self } else { Self::NONE }
    }
}

impl BitOr for Facts {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Facts {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// Bytes of a block: a few values of usual length, and a few vector registers.
const BLOCK: usize = 64;

/// The facts about the blocks of a column.
#[derive(Debug, Default)]
pub struct Survey(Vec<Facts>);

impl Survey {
    /// Surveys a column for these facts, and returns those of the whole of it.
    #[inline(never)]
    pub fn take(&mut self, data: &[u8], wanted: Facts) -> Facts {
        self.0.clear();
        if wanted == Facts::NONE {
            return wanted;
        }
        self.0.reserve(data.len() / BLOCK + 1);
        let mut all = Facts::NONE;
        for (position, block) in data.chunks(BLOCK).enumerate() {
            // The byte behind the block is the neighbour of its last one.
            let start = position * BLOCK;
            let neighbours = data.get(start + 1..data.len().min(start + BLOCK + 1)).unwrap_or_default();
            let facts = facts(block, neighbours, wanted);
            all |= facts;
            self.0.push(facts);
        }
        all
    }

    /// Where the blocks lie of which one of these facts holds, in order.
    pub fn blocks_with(&self, facts: Facts) -> impl Iterator<Item = Range<u32>> {
        let start = |position: usize| (position * BLOCK) as u32;
        let found = self.0.iter().enumerate().filter(move |(_, of)| of.any(facts));
        found.map(move |(position, _)| start(position)..start(position + 1))
    }
}

#[inline]
fn facts(block: &[u8], neighbours: &[u8], wanted: Facts) -> Facts {
    let mut facts = Facts::NONE;
    if wanted.any(Facts::BEYOND_ASCII | Facts::COMBINING) {
        let greatest = block.iter().copied().fold(0, u8::max);
        // From 0xcc on, UTF-8 encodes characters from U+0300 on.
        facts |= Facts::BEYOND_ASCII.when(greatest >= 0x80) | Facts::COMBINING.when(greatest >= 0xcc);
    }
    if wanted.any(Facts::UPPER) {
        facts |= Facts::UPPER.when(any(block, |byte| byte.wrapping_sub(b'A') < 26));
    }
    if wanted.any(Facts::LOWER) {
        facts |= Facts::LOWER.when(any(block, |byte| byte.wrapping_sub(b'a') < 26));
    }
    if wanted.any(Facts::GAPS) {
        let doubles = any_pair(block, neighbours, |byte| byte == b' ');
        facts |= Facts::GAPS.when(doubles | any(block, is_rare_space));
    }
    if wanted.any(Facts::NOT_PLAIN) {
        let doubles = any_pair(block, neighbours, is_separator);
        facts |= Facts::NOT_PLAIN.when(doubles | any(block, |byte| !is_plain(byte)));
    }
    facts
}

fn is_plain(byte: u8) -> bool {
    (byte.wrapping_sub(b'a') < 26) | (byte.wrapping_sub(b'0') < 10) | is_separator(byte)
}

fn is_separator(byte: u8) -> bool {
    (byte == b'.') | (byte == b'-') | (byte == b'@')
}

#[inline]
fn any(block: &[u8], is: impl Fn(u8) -> bool) -> bool {
    block.iter().fold(false, |found, byte| found | is(*byte))
}

/// Whether there are two in a row.
#[inline]
fn any_pair(block: &[u8], neighbours: &[u8], is: impl Fn(u8) -> bool) -> bool {
    block.iter().zip(neighbours).fold(false, |found, (byte, next)| found | (is(*byte) & is(*next)))
}

/// ASCII white space but the space; 0xc2, 0xe1, 0xe2 and 0xe3 begin the encodings of all other white space.
fn is_rare_space(byte: u8) -> bool {
    (byte.wrapping_sub(9) < 5) | (byte == 0xc2) | (byte.wrapping_sub(0xe1) < 3)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_normalization::char::canonical_combining_class;
    use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};

    use super::*;

    const ALL: Facts = Facts(63);

    fn of(text: &str) -> Facts {
        Survey::default().take(text.as_bytes(), ALL)
    }

    #[test]
    fn every_white_space_is_suspected() {
        let is_rare = |character: &char| character.is_whitespace() && *character != ' ';
        let rare: Vec<char> = ('\0'..=char::MAX).filter(is_rare).collect();
        assert!(rare.len() > 20);
        for character in rare {
            assert!(of(&character.to_string()).any(Facts::GAPS), "{character:?}");
        }
        assert!(!of("a b ü").any(Facts::GAPS) && of("a  b").any(Facts::GAPS));
    }

    #[test]
    fn before_the_first_combining_mark_everything_is_normal() {
        for character in '\0'..'\u{300}' {
            assert!(!of(&character.to_string()).any(Facts::COMBINING));
            assert!(std::iter::once(character).nfc().eq([character]), "{character:?}");
            assert_eq!(is_nfc_quick(std::iter::once(character)), IsNormalized::Yes, "{character:?}");
            assert_eq!(canonical_combining_class(character), 0, "{character:?}");
        }
        assert!(of("\u{300}").any(Facts::COMBINING));
    }

    #[test]
    fn letters_are_found() {
        for (text, facts) in [
            ("aZ", Facts::UPPER | Facts::LOWER | Facts::NOT_PLAIN),
            ("AZ", Facts::UPPER | Facts::NOT_PLAIN),
            ("az@[`{", Facts::LOWER | Facts::NOT_PLAIN),
            ("az", Facts::LOWER),
            ("", Facts::NONE),
            ("É", Facts::BEYOND_ASCII | Facts::NOT_PLAIN),
        ] {
            assert_eq!(of(text), facts, "{text}");
        }
    }

    #[test]
    fn plain_characters_stand_apart() {
        for text in ["", "a", "a.b-c@d9", "z0", ".a-", "@"] {
            assert!(!of(text).any(Facts::NOT_PLAIN), "{text}");
        }
        for text in ["A", "a b", "a_b", "a..b", "a.-b", "a@.b", "a@@b", "ä", "`", "{", "/", ":"] {
            assert!(of(text).any(Facts::NOT_PLAIN), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_holds_of_a_value_holds_of_a_block_in_which_it_lies(
            texts in prop::collection::vec("[a-zA-Z .@\u{300}\u{e9}]{0,40}", 1..20),
        ) {
            let mut survey = Survey::default();
            let all = survey.take(texts.concat().as_bytes(), ALL);
            for fact in (0..6).map(|bit| Facts(1 << bit)).filter(|fact| survey.blocks_with(*fact).next().is_some()) {
                prop_assert!(all.any(fact));
            }
            let mut start = 0;
            for text in texts {
                let end = start + text.len() as u32;
                for fact in (0..6).map(|bit| Facts(1 << bit)).filter(|fact| of(&text).any(*fact)) {
                    prop_assert!(all.any(fact));
                    prop_assert!(survey.blocks_with(fact).any(|block| block.start < end && block.end > start));
                }
                start = end;
            }
        }
    }
}
