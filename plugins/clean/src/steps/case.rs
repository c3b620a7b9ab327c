//! Upper and lower case.

use super::{Outcome, written_or_same};

pub fn lower(text: &str, out: &mut String) -> Outcome {
    if text.is_ascii() {
        return ascii(text, out, u8::is_ascii_uppercase, str::make_ascii_lowercase);
    }
    // At the end of a word this letter has another form, which only the whole text tells.
    if text.contains('Σ') {
        out.push_str(&text.to_lowercase());
    } else {
        out.extend(text.chars().flat_map(char::to_lowercase));
    }
    written_or_same(text, out)
}

pub fn upper(text: &str, out: &mut String) -> Outcome {
    if text.is_ascii() {
        return ascii(text, out, u8::is_ascii_lowercase, str::make_ascii_uppercase);
    }
    out.extend(text.chars().flat_map(char::to_uppercase));
    written_or_same(text, out)
}

fn ascii(text: &str, out: &mut String, differs: fn(&u8) -> bool, change: fn(&mut str)) -> Outcome {
    if !text.as_bytes().iter().any(differs) {
        return Outcome::Same;
    }
    out.push_str(text);
    change(out);
    Outcome::Written
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::shown;
    use super::*;

    #[test]
    fn letters_change_case() {
        for (text, low, up) in
            [("Ab", "ab", "AB"), ("Straße", "straße", "STRASSE"), ("ÄΣ", "äς", "ÄΣ"), ("ǆ1", "ǆ1", "Ǆ1"), ("", "", "")]
        {
            assert_eq!(shown(text, lower), low);
            assert_eq!(shown(text, upper), up);
        }
    }

    proptest! {
        #[test]
        fn case_is_that_of_the_standard_library(text in ".*") {
            prop_assert_eq!(shown(&text, lower), text.to_lowercase());
            prop_assert_eq!(shown(&text, upper), text.to_uppercase());
        }
    }
}
