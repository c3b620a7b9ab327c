//! White space, as Unicode defines it.

use std::ops::Range;

use super::Outcome;

pub fn trim(text: &str) -> Outcome {
    let kept = trimmed(text);
    if kept.len() == text.len() { Outcome::Same } else { Outcome::Part(kept) }
}

/// Where the text begins and ends without white space around it.
pub fn trimmed(text: &str) -> Range<usize> {
    let bytes = text.as_bytes();
    let is_other = |byte: &u8| !is_ascii_space(*byte);
    let Some(start) = bytes.iter().position(is_other) else { return 0..0 };
    let end = bytes.iter().rposition(is_other).map_or(start, |last| last + 1);
    // Other white space begins and ends beyond ASCII.
    let is_ascii = |index: usize| bytes.get(index).is_some_and(u8::is_ascii);
    if is_ascii(start) && is_ascii(end - 1) {
        return start..end;
    }
    let end = text.trim_end().len();
    let start = text.len() - text.trim_start().len();
    start.min(end)..end
}

/// ASCII, and not one of its six kinds of white space.
#[inline]
pub const fn is_clean_end(byte: u8) -> bool {
    byte.is_ascii() & !is_ascii_space(byte)
}

const fn is_ascii_space(byte: u8) -> bool {
    (byte == b' ') | (byte.wrapping_sub(9) < 5)
}

/// Every run of white space becomes one space.
pub fn collapse(text: &str, out: &mut String) -> Outcome {
    let mut clean = 0;
    let mut was_space = false;
    for (at, character) in text.char_indices() {
        let is_space = character.is_whitespace();
        if is_space && (was_space || character != ' ') {
            out.push_str(text.get(clean..at).unwrap_or_default());
            clean = at + character.len_utf8();
            if !was_space {
                out.push(' ');
            }
        }
        was_space = is_space;
    }
    if clean == 0 {
        return Outcome::Same;
    }
    out.push_str(text.get(clean..).unwrap_or_default());
    Outcome::Written
}

#[cfg(test)]
mod tests {
    use super::super::testing::shown;
    use super::*;

    #[test]
    fn ends_are_trimmed() {
        for character in '\0'..='\u{3010}' {
            for text in
                [format!("{character}a{character}"), format!(" {character}é{character} "), format!(" {character}")]
            {
                assert_eq!(text.get(trimmed(&text)), Some(text.trim()), "{text:?}");
            }
        }
        for (text, expected) in
            [("", ""), (" \t", ""), ("\u{a0}a b\u{3000}", "a b"), ("a", "a"), ("\u{feff}a", "\u{feff}a")]
        {
            assert_eq!(shown(text, |text, _| trim(text)), expected, "{text:?}");
        }
    }

    #[test]
    fn runs_become_one_space() {
        for (text, expected) in [
            ("a b", "a b"),
            ("a  b", "a b"),
            ("a\tb", "a b"),
            (" \u{a0} a\n\r\nb ", " a b "),
            ("\t", " "),
            ("", ""),
            ("ü\u{2003}ü", "ü ü"),
        ] {
            assert_eq!(shown(text, collapse), expected, "{text:?}");
        }
    }
}
