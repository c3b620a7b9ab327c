//! Durations (`1h30m`) and sizes (`64MiB`) as people write them in a project file.

use std::time::Duration;

/// Units of time in milliseconds, greatest first.
const TIME_UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Units of size in bytes, greatest first.
const SIZE_UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Why a text is not a duration or a size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    #[error("a duration is a whole number with `d`, `h`, `m`, `s` or `ms`, or several of them, greatest unit first")]
    NotADuration,
    #[error("a size is a whole number with `B`, `KiB`, `MiB` or `GiB`")]
    NotASize,
    #[error("the number is too big")]
    TooBig,
}

/// Reads `250ms`, `10m`, `1h30m`, `2d`. Every unit at most once, greatest first; no fractions, no spaces.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let mut rest = text;
    let mut units = TIME_UNITS.iter();
    let mut total_ms: u64 = 0;
    while !rest.is_empty() || rest.len() == text.len() {
        let (number, unit, behind) = split_quantity(rest).ok_or(UnitError::NotADuration)?;
        let (_, unit_ms) = units.find(|(name, _)| *name == unit).ok_or(UnitError::NotADuration)?;
        total_ms = product(number, *unit_ms).and_then(|ms| total_ms.checked_add(ms)).ok_or(UnitError::TooBig)?;
        rest = behind;
    }
    Ok(Duration::from_millis(total_ms))
}

/// Writes a duration so that [`parse_duration`] reads it again; what is shorter than a millisecond is cut.
pub fn write_duration(duration: Duration) -> String {
    let mut rest_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (name, unit_ms) in TIME_UNITS {
        if rest_ms >= unit_ms {
            text.push_str(&format!("{}{name}", rest_ms / unit_ms));
            rest_ms %= unit_ms;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// Reads `64MiB` as a number of bytes.
pub fn parse_size(text: &str) -> Result<u64, UnitError> {
    let (number, unit, rest) = split_quantity(text).ok_or(UnitError::NotASize)?;
    match SIZE_UNITS.iter().find(|(name, _)| *name == unit) {
        Some((_, bytes)) if rest.is_empty() => product(number, *bytes).ok_or(UnitError::TooBig),
        _ => Err(UnitError::NotASize),
    }
}

/// Writes a size so that [`parse_size`] reads it again: the greatest unit without a remainder.
pub fn write_size(bytes: u64) -> String {
    SIZE_UNITS
        .iter()
        .find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit))
        .map_or_else(|| "0B".to_owned(), |(name, unit)| format!("{}{name}", bytes / unit))
}

/// `12ms5` → `12`, `ms`, `5`.
fn split_quantity(text: &str) -> Option<(&str, &str, &str)> {
    let (number, behind) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let (unit, rest) = behind.split_at(behind.find(|c: char| c.is_ascii_digit()).unwrap_or(behind.len()));
    (!number.is_empty()).then_some((number, unit, rest))
}

/// None if it does not fit 64 bits.
fn product(number: &str, unit: u64) -> Option<u64> {
    number.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expected_ms: Result<u64, UnitError>) {
        assert_eq!(parse_duration(text), expected_ms.map(Duration::from_millis), "{text}");
    }

    #[test]
    fn durations() {
        check("10m", Ok(600_000));
        check("30s", Ok(30_000));
        check("1h30m", Ok(5_400_000));
        check("250ms", Ok(250));
        check("2d", Ok(172_800_000));
        check("1m5ms", Ok(60_005));
        for bad in ["", "10", "m", "1.5h", "10 m", "30m1h", "1h1h", "-1s", "1H", "1s ", "1µs", "٣s"] {
            check(bad, Err(UnitError::NotADuration));
        }
        check("99999999999999999999d", Err(UnitError::TooBig));
        check("18446744073709551615d", Err(UnitError::TooBig));
    }

    #[test]
    fn sizes() {
        assert_eq!(parse_size("64MiB"), Ok(64 << 20));
        assert_eq!(parse_size("0B"), Ok(0));
        for bad in ["", "64", "64MB", "64 MiB", "1GiB1MiB", "1.5MiB", "mib"] {
            assert_eq!(parse_size(bad), Err(UnitError::NotASize), "{bad}");
        }
        assert_eq!(parse_size("99999999999999999GiB"), Err(UnitError::TooBig));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(ms in any::<u64>()) {
            let duration = Duration::from_millis(ms);
            prop_assert_eq!(parse_duration(&write_duration(duration)), Ok(duration));
            prop_assert_eq!(parse_size(&write_size(ms)), Ok(ms));
        }

        #[test]
        fn nothing_panics(text in "\\PC{0,40}") {
            let _ = (parse_duration(&text), parse_size(&text));
        }
    }
}
