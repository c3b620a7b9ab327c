//! When two records are one: fields made comparable, digests to look them up by, and how alike two values are.

use std::collections::BTreeSet;

use crate::record::Value;

/// What of a value counts when records are matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Normaliser {
    /// Trimmed, and without regard to case.
    Text,
    /// As it is.
    Exact,
    /// Only the digits, without leading zeros.
    Digits,
    /// Only letters and digits, without regard to case.
    Name,
}

/// What equal match fields have in common.
pub type MatchDigest = [u8; 16];

/// The part of a value that counts; none if nothing is left of it, and a record without it matches nobody.
pub fn normalise(value: &Value, normaliser: Normaliser) -> Option<String> {
    let text = match value {
        Value::Null => return None,
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(bits) => f64::from_bits(*bits).to_string(),
        Value::Text(text) => text.to_string(),
        Value::Bytes(bytes) => format!("{bytes:?}"),
    };
    let text = match normaliser {
        Normaliser::Exact => text,
        Normaliser::Text => text.trim().to_lowercase(),
        Normaliser::Digits => {
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            digits.trim_start_matches('0').to_owned()
        }
        Normaliser::Name => text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect(),
    };
    (!text.is_empty()).then_some(text)
}

/// The digest of a rule's fields; none if one of them is missing.
pub fn match_digest(rule: usize, fields: &[(Option<&Value>, Normaliser)]) -> Option<MatchDigest> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(rule as u64).to_le_bytes());
    for (value, normaliser) in fields {
        let text = normalise((*value)?, *normaliser)?;
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.finalize().as_bytes().first_chunk::<16>().copied()
}

/// How alike two values are, from 0 to 1: the share of pairs of neighbouring letters they have in common.
pub fn similarity(left: &Value, right: &Value, normaliser: Normaliser) -> f64 {
    let (Some(left), Some(right)) = (normalise(left, normaliser), normalise(right, normaliser)) else { return 0.0 };
    if left == right {
        return 1.0;
    }
    let (left, right) = (pairs(&left), pairs(&right));
    let all = left.len() + right.len();
    if all == 0 {
        return 0.0;
    }
    2.0 * left.intersection(&right).count() as f64 / all as f64
}

/// Whether a system may show one value where it was given the other: in another case or spelling, cut off, rounded.
pub fn is_like(shown: &Value, given: &Value) -> bool {
    match (shown, given) {
        _ if shown == given => true,
        (Value::Int(left), Value::Int(right)) => is_near(*left as f64, *right as f64) && is_rounded(*left, *right),
        (Value::Float(left), Value::Float(right)) => {
            let (left, right) = (f64::from_bits(*left), f64::from_bits(*right));
            is_near(left, right) && left.to_string().len() < right.to_string().len()
        }
        _ => match (normalise(shown, Normaliser::Name), normalise(given, Normaliser::Name)) {
            (None, None) => true,
            (Some(left), Some(right)) if left.len() == right.len() => left == right,
            (Some(shown), Some(given)) => {
                let (shown, given) = (shown.trim_start_matches('0'), given.trim_start_matches('0'));
                // Something may be put before it, as a country's code is, or be left out; what comes after it is somebody's.
                let is_cut = !shown.is_empty() && (given.starts_with(shown) || given.ends_with(shown));
                is_cut || (!given.is_empty() && shown.ends_with(given))
            }
            _ => false,
        },
    }
}

/// Within a hundredth.
fn is_near(left: f64, right: f64) -> bool {
    (left - right).abs() <= left.abs().max(right.abs()) / 100.0
}

/// Whether a number is what another is rounded to, or cut off to: by powers of ten, or to a minute, an hour or a day of microseconds.
fn is_rounded(shown: i64, given: i64) -> bool {
    let times = [60_000_000, 3_600_000_000, 86_400_000_000];
    let steps = (1..=18).map(|digits| 10_i64.pow(digits)).chain(times);
    steps.into_iter().any(|step| shown % step == 0 && shown.abs_diff(given) < step.unsigned_abs())
}

fn pairs(text: &str) -> BTreeSet<(char, char)> {
    text.chars().zip(text.chars().skip(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, normaliser: Normaliser, expected: Option<&str>) {
        assert_eq!(normalise(&Value::text(text), normaliser).as_deref(), expected);
    }

    #[test]
    fn values_are_made_comparable() {
        check(" Ann@X.de ", Normaliser::Text, Some("ann@x.de"));
        check("  ", Normaliser::Text, None);
        check("+49 (0)30 / 12-34", Normaliser::Digits, Some("490301234"));
        check("O'Neill, Ann", Normaliser::Name, Some("oneillann"));
        check(" a", Normaliser::Exact, Some(" a"));
    }

    #[test]
    fn forms_are_like_what_they_stand_for() {
        let is_like = |shown: &str, given: &str| is_like(&Value::text(shown), &Value::text(given));
        assert!(is_like("ANN LEE", " Ann Lee"));
        assert!(is_like("+49 30 1234", "0301234"));
        assert!(is_like("never on Mon", "never on Mondays, please"));
        assert!(is_like("", "  "));
        assert!(!is_like("t97;t176", "t97"));
        assert!(!is_like("Bob", "Ann"));
        assert!(!is_like("000057", "000005"));
        assert!(!is_like("", "Ann"));
        assert!(super::is_like(&Value::Int(1230), &Value::Int(1235)));
        assert!(!super::is_like(&Value::Int(1235), &Value::Int(1230)));
        assert!(super::is_like(&Value::Int(1235), &Value::Int(1235)));
        assert!(!super::is_like(&Value::Int(105), &Value::Int(104)));
        assert!(super::is_like(&Value::Int(1_700_000_000_000_000), &Value::Int(1_700_000_000_123_456)));
        assert!(!super::is_like(&Value::Int(9), &Value::Int(13)));
    }

    #[test]
    fn neighbouring_fields_do_not_run_into_each_other() {
        let digest = |left: &str, right: &str| {
            let (left, right) = (Value::text(left), Value::text(right));
            match_digest(0, &[(Some(&left), Normaliser::Text), (Some(&right), Normaliser::Text)])
        };
        assert_ne!(digest("ab", "c"), digest("a", "bc"));
        assert_eq!(digest("A", "b"), digest("a", "B "));
        assert_eq!(digest("", "b"), None);
    }

    proptest! {
        #[test]
        fn likeness_is_mutual_and_bounded(left in ".{0,12}", right in ".{0,12}") {
            let (left, right) = (Value::text(&left), Value::text(&right));
            let likeness = similarity(&left, &right, Normaliser::Name);
            prop_assert!((0.0..=1.0).contains(&likeness));
            prop_assert_eq!(likeness, similarity(&right, &left, Normaliser::Name));
        }
    }
}
