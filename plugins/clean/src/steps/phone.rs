//! Phone numbers in the form of E.164: a plus sign, the calling code, the national number, digits only.
//!
//! Nothing is guessed. A number that lacks what makes it unique (the trunk prefix that tells an area code is there), or that says
//! more than E.164 can (an extension), is refused with the reason rather than changed into another number.

use super::calling_codes::{CallingCode, Region, Trunk, calling_code};
use super::{Outcome, space};

/// Digits of a number with its calling code (E.164, 6).
const DIGITS_MAX: usize = 15;
/// The shortest numbers in use, with their calling codes, have seven digits.
const DIGITS_MIN: usize = 7;
/// Room for an international prefix before the longest number.
const DIALLED_MAX: usize = DIGITS_MAX + 5;

/// The number in the form `+4930123456`. Empty text stays as it is.
pub fn normalize(text: &str, region: Option<Region>, out: &mut String) -> Result<Outcome, &'static str> {
    if is_clean(text.as_bytes()) {
        return Ok(Outcome::Same);
    }
    let kept = space::trimmed(text);
    if kept.is_empty() {
        return Ok(if text.is_empty() { Outcome::Same } else { Outcome::Part(0..0) });
    }
    let dialled = Dialled::read(text.get(kept).unwrap_or_default())?;
    let (code, national) = dialled.international(region)?;
    out.push('+');
    out.push_str(code.digits);
    out.push_str(std::str::from_utf8(national).unwrap_or_default());
    if (DIGITS_MIN + 1..=DIGITS_MAX + 1).contains(&out.len()) {
        Ok(Outcome::Written)
    } else {
        Err("is no phone number: it has too few or too many digits")
    }
}

/// Whether this is a number in the form of E.164.
#[inline(never)]
pub fn is_clean(text: &[u8]) -> bool {
    match text {
        [b'+', digits @ ..] => {
            (DIGITS_MIN..=DIGITS_MAX).contains(&digits.len()) && are_digits(digits) && calling_code(digits).is_some()
        }
        _ => false,
    }
}

/// Without a branch for each byte.
fn are_digits(bytes: &[u8]) -> bool {
    let are_digits = |bytes: &[u8]| bytes.iter().fold(true, |are_digits, byte| are_digits & byte.is_ascii_digit());
    let (blocks, rest) = bytes.as_chunks::<4>();
    blocks.iter().all(|block| are_digits(block)) && are_digits(rest)
}

/// The digits of a number as it was written, without what separates them.
struct Dialled {
    digits: [u8; DIALLED_MAX],
    length: usize,
    /// Whether a plus sign stands before them.
    plus: bool,
    /// How many digits stand before a trunk prefix in parentheses: `+49 (0)30`.
    trunk_at: Option<usize>,
}

impl Dialled {
    fn read(text: &str) -> Result<Self, &'static str> {
        let mut dialled = Self { digits: [0; DIALLED_MAX], length: 0, plus: false, trunk_at: None };
        let is_link = text.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("tel:"));
        let mut rest = text.get(if is_link { 4 } else { 0 }..).unwrap_or_default().chars();
        while let Some(character) = rest.next() {
            match character {
                '0'..='9' => dialled.push(character)?,
                '+' if !dialled.plus && dialled.length == 0 && dialled.trunk_at.is_none() => dialled.plus = true,
                '(' if rest.as_str().starts_with("0)") && dialled.trunk_at.is_none() => {
                    dialled.trunk_at = Some(dialled.length);
                    rest.nth(1);
                }
                '-' | '.' | '/' | '(' | ')' | '\u{2010}'..='\u{2015}' | '\u{2212}' => {}
                character if character.is_whitespace() => {}
                _ => return Err("is no phone number: there is a character that belongs to none, or an extension"),
            }
        }
        Ok(dialled)
    }

    fn push(&mut self, digit: char) -> Result<(), &'static str> {
        let slot = self.digits.get_mut(self.length).ok_or("is no phone number: it has too many digits")?;
        *slot = digit as u8;
        self.length += 1;
        Ok(())
    }

    fn digits(&self) -> &[u8] {
        self.digits.get(..self.length).unwrap_or_default()
    }

    /// The calling code and the national number.
    fn international(&self, region: Option<Region>) -> Result<(&'static CallingCode, &[u8]), &'static str> {
        let prefix = region.and_then(|region| region.code().international_prefix).filter(|_| !self.plus);
        let dialled = prefix.and_then(|prefix| self.digits().strip_prefix(prefix.as_bytes()));
        match dialled {
            Some(digits) => self.with_code(digits),
            None if self.plus => self.with_code(self.digits()),
            None => {
                self.in_region(region.ok_or("is not certain: it has no calling code, and no default is configured")?)
            }
        }
    }

    /// Behind a plus sign, or the digits that stand for it.
    fn with_code<'a>(&'a self, digits: &'a [u8]) -> Result<(&'static CallingCode, &'a [u8]), &'static str> {
        let code = calling_code(digits).ok_or("is no phone number: there is no such calling code")?;
        let national = digits.get(code.digits.len()..).unwrap_or_default();
        let Some(trunk_at) = self.trunk_at else { return Ok((code, national)) };
        // Dialled from abroad, the prefix in parentheses is left out; it must stand right behind the calling code.
        let prefix_length = self.length - digits.len();
        if trunk_at == prefix_length + code.digits.len() && code.trunk.prefix() == Some("0") {
            Ok((code, national))
        } else {
            Err("is not certain: what the zero in parentheses means is not known")
        }
    }

    /// As people of the region dial it.
    fn in_region(&self, region: Region) -> Result<(&'static CallingCode, &[u8]), &'static str> {
        let code = region.code();
        let digits = self.digits();
        // A trunk prefix in parentheses at the beginning is one like any other.
        let (written, digits) = match (self.trunk_at, code.trunk.prefix()) {
            (None, Some(prefix)) => match digits.strip_prefix(prefix.as_bytes()) {
                Some(rest) => (true, rest),
                None => (false, digits),
            },
            (None, None) => (false, digits),
            (Some(0), Some("0")) => (true, digits),
            _ => return Err("is not certain: what the zero in parentheses means is not known"),
        };
        match code.trunk {
            Trunk::Never(least, most) if (least..=most).contains(&digits.len()) => Ok((code, digits)),
            Trunk::Always(_) if !written => Err("is not certain: without a trunk prefix its area code may be missing"),
            Trunk::Always(_) if digits.first() != Some(&b'0') => Ok((code, digits)),
            Trunk::Sometimes(_, least, most) if (least..=most).contains(&digits.len()) => Ok((code, digits)),
            Trunk::Unknown => {
                Err("is not certain: numbers of this country are understood only with their calling code")
            }
            _ => Err("is no phone number of the default country"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::calling_codes::region;
    use super::super::testing::shown;
    use super::super::{Fallback, fall_back};
    use super::*;

    fn check(text: &str, default: &str) -> String {
        shown(text, |text, out| fall_back(normalize(text, region(default), out), Fallback::Reject, ""))
    }

    #[test]
    fn numbers_are_brought_into_form() {
        for (text, default, expected) in [
            ("+49 30 123456", "", "+4930123456"),
            ("+49 (0)30 / 1234-56", "", "+4930123456"),
            ("(+49) 30 123456", "", "+4930123456"),
            ("tel:+1-555-010-0199", "", "+15550100199"),
            ("0049 30 123456", "DE", "+4930123456"),
            ("0049 (0)30 123456", "DE", "+4930123456"),
            ("030 123456", "DE", "+4930123456"),
            ("(0)30 123456", "DE", "+4930123456"),
            ("(030) 12.34\u{2011}56\u{a0}", "+49", "+4930123456"),
            ("(555) 010-0199", "US", "+15550100199"),
            ("1 555 010 0199", "CA", "+15550100199"),
            ("011 44 20 7946 0000", "US", "+442079460000"),
            ("020 7946 0000", "GB", "+442079460000"),
            ("06 1234 5678", "IT", "+390612345678"),
            ("612 34 56 78", "ES", "+34612345678"),
            ("8 (495) 123-45-67", "RU", "+74951234567"),
            ("495 123-45-67", "RU", "+74951234567"),
            ("06 1 234 5678", "HU", "+3612345678"),
            ("13812345678", "CN", "+8613812345678"),
            ("044 668 18 00", "CH", "+41446681800"),
            ("", "DE", ""),
            (" ", "DE", ""),
        ] {
            assert_eq!(check(text, default), expected, "{text} {default}");
        }
    }

    #[test]
    fn what_is_not_certain_is_refused() {
        for (text, default) in [
            ("030 123456", ""),
            ("30 123456", "DE"),
            ("123456", "DE"),
            ("010-0199", "US"),
            ("+39 (0)6 1234 5678", ""),
            ("+34 (0)612 34 56 78", ""),
            ("+4 (0)930 123456", ""),
            ("030 (0)123456", "DE"),
            ("8 029 123 45 67", "BY"),
            ("011 15 1234 5678", "AR"),
        ] {
            assert!(check(text, default).starts_with("!is "), "{text} {default}: {}", check(text, default));
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "x",
            "+",
            "+0 123 4567",
            "+999 1234567",
            "+49 30 12345678901234",
            "+49 12",
            "030 123456 ext. 7",
            "030 123456 x7",
            "1-800-FLOWERS",
            "4.93012e+11",
            "++49 30 123456",
            "+49+30 123456",
            "030 0123456 +",
            "+210 1234567",
            "00 30",
            "٠٣٠١٢٣٤٥٦",
        ] {
            assert!(check(text, "DE").starts_with("!is "), "{text}: {}", check(text, "DE"));
        }
    }

    proptest! {
        #[test]
        fn a_clean_number_is_left_alone(digits in "[0-9+() -]{0,24}", default in prop::sample::select(vec!["", "DE", "US", "IT", "CN"])) {
            let once = check(&digits, default);
            if !once.starts_with('!') {
                prop_assert_eq!(check(&once, default), once);
            }
        }
    }
}
