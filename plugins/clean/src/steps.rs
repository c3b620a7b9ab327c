//! What single steps do to one value. Each step looks first whether there is anything to do.

pub mod calling_codes;
mod case;
pub mod email;
pub mod phone;
pub mod space;

use std::ops::Range;

use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};

use crate::config::{Fallback, Longer, Map, Step};
use crate::facts::Facts;

/// What a step made of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing: it was clean.
    Same,
    /// A part of it, in bytes.
    Part(Range<usize>),
    /// Something else, which is in the output.
    Written,
    /// Null.
    Null,
    /// The value cannot go on.
    Refused(Refusal),
}

/// Why a value cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub code: &'static str,
    /// To be read behind the value: `is no e-mail address`.
    pub reason: &'static str,
}

/// A step, ready for work.
#[derive(Clone, Debug)]
pub struct Operation(Step);

impl Operation {
    /// The operations of a field's steps.
    pub fn all(steps: &[Step]) -> Vec<Self> {
        let mut operations = Vec::with_capacity(steps.len() + 1);
        for (position, step) in steps.iter().enumerate() {
            operations.push(Self::new(step));
            // Another case may decompose what the normal form has composed.
            let was_normal = steps.iter().take(position).any(|earlier| *earlier == Step::Nfc);
            if was_normal && matches!(step, Step::Lower | Step::Upper) {
                operations.push(Self(Step::Nfc));
            }
        }
        operations
    }

    fn new(step: &Step) -> Self {
        let mut step = step.clone();
        if let Step::Map(map) = &mut step {
            // A new value is clean already.
            let new: Vec<String> = map.values.values().flatten().cloned().collect();
            for value in new {
                map.values.entry(value.clone()).or_insert(Some(value));
            }
        }
        Self(step)
    }

    /// The facts of which one must hold for the step to have anything to do; none if no fact tells.
    pub fn triggers(&self) -> Option<Facts> {
        match self.0 {
            Step::Nfc => Some(Facts::COMBINING),
            Step::Collapse => Some(Facts::GAPS),
            Step::Lower => Some(Facts::UPPER | Facts::BEYOND_ASCII),
            Step::Upper => Some(Facts::LOWER | Facts::BEYOND_ASCII),
            _ => None,
        }
    }

    /// The facts that tell whether a value is certain to be left as it is, beside those that trigger the step.
    pub fn clues(&self) -> Facts {
        if matches!(self.0, Step::Email(_)) { Facts::NOT_PLAIN } else { Facts::NONE }
    }

    /// Whether what the step makes of a value consists of bytes of the value.
    pub fn only_removes(&self) -> bool {
        matches!(self.0, Step::Trim | Step::EmptyAsNull | Step::MaxLength(..))
    }

    /// The step.
    pub fn step(&self) -> &Step {
        &self.0
    }

    /// Applies the step to a value. `out` is empty, and used if the outcome is [`Outcome::Written`].
    pub fn apply(&self, text: &str, out: &mut String) -> Outcome {
        match &self.0 {
            Step::Trim => space::trim(text),
            Step::Collapse => space::collapse(text, out),
            Step::Nfc => nfc(text, out),
            Step::Lower => case::lower(text, out),
            Step::Upper => case::upper(text, out),
            Step::EmptyAsNull if text.is_empty() => Outcome::Null,
            Step::EmptyAsNull => Outcome::Same,
            Step::Email(options) => {
                fall_back(email::normalize(text, options.local, out), options.invalid, "clean.email")
            }
            Step::Phone(options) => {
                fall_back(phone::normalize(text, options.default, out), options.invalid, "clean.phone")
            }
            Step::Map(map) => replace(text, map, out),
            Step::MaxLength(most, longer) => shorten(text, *most as usize, *longer),
        }
    }
}

/// What becomes of a value that could not be brought into form. Empty text is no value; whether there must be one is not decided
/// here.
fn fall_back(outcome: Result<Outcome, &'static str>, fallback: Fallback, code: &'static str) -> Outcome {
    match (outcome, fallback) {
        (Ok(outcome), _) => outcome,
        (Err(_), Fallback::Keep) => Outcome::Same,
        (Err(_), Fallback::Null) => Outcome::Null,
        (Err(reason), Fallback::Reject) => Outcome::Refused(Refusal { code, reason }),
    }
}

fn nfc(text: &str, out: &mut String) -> Outcome {
    // Before U+0300, where UTF-8 begins to use 0xcc, every character is normal.
    if text.bytes().all(|byte| byte < 0xcc) || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        return Outcome::Same;
    }
    out.extend(text.nfc());
    written_or_same(text, out)
}

fn written_or_same(text: &str, out: &str) -> Outcome {
    if text == out { Outcome::Same } else { Outcome::Written }
}

fn replace(text: &str, map: &Map, out: &mut String) -> Outcome {
    match map.values.get(text) {
        Some(Some(new)) if new == text => Outcome::Same,
        Some(Some(new)) => {
            out.push_str(new);
            Outcome::Written
        }
        Some(None) => Outcome::Null,
        None if map.default == Fallback::Keep => Outcome::Same,
        None if map.default == Fallback::Null => Outcome::Null,
        None => Outcome::Refused(Refusal { code: "clean.map", reason: "is no value the map knows" }),
    }
}

fn shorten(text: &str, most: usize, longer: Longer) -> Outcome {
    if text.len() <= most {
        return Outcome::Same;
    }
    match (text.char_indices().nth(most), longer) {
        (None, _) => Outcome::Same,
        (Some(_), Longer::Reject) => Outcome::Refused(Refusal { code: "clean.max_length", reason: "is too long" }),
        (Some((end, _)), Longer::Cut) => Outcome::Part(0..text.get(..end).map_or(0, |kept| kept.trim_end().len())),
    }
}

#[cfg(test)]
pub mod testing {
    use super::Outcome;

    /// The value a step makes, or `!` and the reason, or `null`.
    pub fn shown(text: &str, step: impl FnOnce(&str, &mut String) -> Outcome) -> String {
        let mut out = String::new();
        match step(text, &mut out) {
            Outcome::Same => text.to_owned(),
            Outcome::Part(range) => text[range].to_owned(),
            Outcome::Written => out,
            Outcome::Null => "null".to_owned(),
            Outcome::Refused(refusal) => format!("!{}", refusal.reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::shown;
    use super::*;

    #[test]
    fn text_becomes_normal() {
        for (text, expected) in
            [("e\u{301}", "é"), ("é", "é"), ("\u{212b}", "Å"), ("\u{ac00}", "가"), ("a\u{316}\u{301}", "á\u{316}")]
        {
            assert_eq!(shown(text, nfc), expected);
        }
    }

    #[test]
    fn values_are_mapped() {
        let values = [("Mr.", Some("mr")), ("-", None)].map(|(old, new)| (old.to_owned(), new.map(str::to_owned)));
        let map = |default| Map { values: values.clone().into(), default };
        for (text, default, expected) in [
            ("Mr.", Fallback::Reject, "mr"),
            ("mr", Fallback::Reject, "mr"),
            ("-", Fallback::Keep, "null"),
            ("Dr.", Fallback::Keep, "Dr."),
            ("Dr.", Fallback::Null, "null"),
            ("Dr.", Fallback::Reject, "!is no value the map knows"),
        ] {
            let operation = Operation::new(&Step::Map(map(default)));
            assert_eq!(shown(text, |text, out| operation.apply(text, out)), expected, "{text} {default:?}");
        }
    }

    #[test]
    fn what_is_too_long_is_cut_only_if_asked() {
        let check = |text, longer| shown(text, |text, _| shorten(text, 3, longer));
        assert_eq!(check("äöü", Longer::Reject), "äöü");
        assert_eq!(check("abcd", Longer::Reject), "!is too long");
        assert_eq!(check("äöüß", Longer::Cut), "äöü");
        assert_eq!(check("a  bc", Longer::Cut), "a");
    }
}
