//! The plain part of a string, eight bytes at a time.

/// How many bytes stand before the first quote, backslash or control character.
#[inline]
pub fn plain_length(text: &[u8]) -> usize {
    let (words, rest) = text.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let special = special_bytes(u64::from_le_bytes(*word));
        if special != 0 {
            return index * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    words.len() * 8 + rest.iter().position(|byte| is_special(*byte)).unwrap_or(rest.len())
}

fn is_special(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || byte < 0x20
}

/// The high bit of the first special byte is set, and none below it. Those above may be wrong: a borrow goes upwards ("Hacker's
/// Delight", section 6-1).
#[inline]
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word;
    let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (below(word, 0x20) | equal(b'"') | equal(b'\\')) & (ONES << 7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_special_byte_is_found(text in prop::collection::vec(prop_oneof![9 => any::<u8>(), 20 => 0x1fu8..0x24, 20 => 0x5bu8..0x5e], 0..40)) {
            let expected = text.iter().position(|byte| is_special(*byte)).unwrap_or(text.len());
            prop_assert_eq!(plain_length(&text), expected);
        }

        #[test]
        fn plain_text_is_plain(text in "[a-zü \u{7f}]{0,60}") {
            prop_assert_eq!(plain_length(text.as_bytes()), text.len());
        }
    }
}
