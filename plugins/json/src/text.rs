//! Strings as JSON writes them, and lists of them: all that positions and remembered facts need.

use crate::document::Document;
use crate::scan::Fault;

/// Appends a string in quotes.
pub fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if u32::from(control) < 0x20 => {
                out.push_str("\\u00");
                for digit in [u32::from(control) >> 4, u32::from(control) & 15] {
                    out.push(char::from_digit(digit, 16).unwrap_or('0'));
                }
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

/// A list of strings.
pub fn write_strings<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> String {
    let mut out = String::from("[");
    for text in texts {
        if out.len() > 1 {
            out.push(',');
        }
        write_string(&mut out, text.as_ref());
    }
    out.push(']');
    out
}

/// The list of strings that [`write_strings`] wrote; none if it is anything else.
pub fn read_strings(text: &[u8]) -> Option<Vec<String>> {
    let (mut document, mut texts) = (Document::new(text), Vec::new());
    let read = document.array::<Fault>(|document| {
        texts.push(document.value()?.string(text));
        Ok(())
    });
    read.and_then(|()| document.end()).ok()?;
    texts.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_list_of_strings_is_none() {
        for text in ["", "{}", "[1]", "[\"a\"", "[\"a\"]x", "[\"a\",null]"] {
            assert_eq!(read_strings(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn lists_survive(texts in prop::collection::vec(any::<String>(), 0..4)) {
            prop_assert_eq!(read_strings(write_strings(&texts).as_bytes()), Some(texts));
        }

        #[test]
        fn others_read_what_is_written(text in any::<String>(), odd in "[\u{0}-\u{1f}\"\\\\\u{7f}\u{2028}]{0,8}") {
            for text in [text, odd] {
                let mut out = String::new();
                write_string(&mut out, &text);
                prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
            }
        }
    }
}
