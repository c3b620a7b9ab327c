//! Record ids: fifteen characters in which case matters, or the same with three more, so that it does not.

/// The letters of which each stands for five characters and says which of them are capitals.
const CHECKS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";

/// The form of eighteen characters; none if it is no record id. The last three of one that has them are made anew: somebody may have
/// changed its case.
pub fn long(id: &str) -> Option<String> {
    let bytes = id.as_bytes();
    let is_long = bytes.len() == 18;
    if !(is_long || bytes.len() == 15) || !bytes.iter().all(u8::is_ascii_alphanumeric) {
        return None;
    }
    let (body, checks) = id.split_at_checked(15)?;
    let body = if is_long { recased(body, checks)? } else { body.to_owned() };
    let mut long = body.clone();
    long.extend(body.as_bytes().chunks(5).filter_map(|part| CHECKS.get(capitals(part)).copied().map(char::from)));
    Some(long)
}

/// One bit for each capital.
fn capitals(part: &[u8]) -> usize {
    part.iter().enumerate().map(|(place, byte)| usize::from(byte.is_ascii_uppercase()) << place).sum()
}

/// The characters with the case that the last three say they have.
fn recased(body: &str, checks: &str) -> Option<String> {
    let mut recased = String::with_capacity(18);
    for (part, check) in body.as_bytes().chunks(5).zip(checks.bytes()) {
        let bits = CHECKS.iter().position(|known| *known == check.to_ascii_uppercase())?;
        for (place, byte) in part.iter().enumerate() {
            let is_capital = bits >> place & 1 == 1;
            recased.push(char::from(if is_capital { byte.to_ascii_uppercase() } else { byte.to_ascii_lowercase() }));
        }
    }
    Some(recased)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_forms_are_one() {
        for (given, expected) in [
            ("001A000000AbCdE", "001A000000AbCdEIAV"),
            ("001A000000AbCdEIAV", "001A000000AbCdEIAV"),
            ("001a000000abcdeiav", "001A000000AbCdEIAV"),
            ("001000000000000", "001000000000000AAA"),
            ("00130000001ABCD", "00130000001ABCDAA4"),
        ] {
            assert_eq!(long(given).as_deref(), Some(expected), "{given}");
        }
        for none in ["", "001", "001A000000AbCd!", "001A000000AbCdEIA9", "001A000000AbCdEIAVx", "ä01A000000AbCd"] {
            assert_eq!(long(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn case_is_never_lost(id in "[a-zA-Z0-9]{15}") {
            let long_form = long(&id).unwrap();
            prop_assert_eq!(&long_form[..15], &id);
            prop_assert_eq!(long(&long_form.to_ascii_uppercase()), Some(long_form.clone()));
            prop_assert_eq!(long(&long_form), Some(long_form.clone()));
        }
    }
}
