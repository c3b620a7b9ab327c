//! Numbers as people read them.

use std::time::Duration;

/// `1 204 117`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// `1 row`, `2 rows`.
pub fn noun(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// `0.14 s`, `3.1 s`, `2 min 5 s`, `3 h 20 min`.
pub fn elapsed(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{:.2} s", duration.as_secs_f64().min(0.99)),
        1..60 => format!("{}.{} s", seconds, duration.subsec_millis() / 100),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", count(seconds / 3600), seconds % 3600 / 60),
    }
}

/// `900 B`, `12.3 MB`: powers of a thousand, as disks and networks are sold.
pub fn bytes(number: u64) -> String {
    const UNITS: [(u64, &str); 4] =
        [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match UNITS.iter().find(|(size, _)| number >= *size) {
        Some((size, unit)) => format!("{}.{} {unit}", count(number / size), number % size * 10 / size),
        None => format!("{number} B"),
    }
}

/// Rows per second; none while there is nothing to divide by.
pub(super) fn rate(rows: u64, duration: Duration) -> Option<String> {
    let millis = u64::try_from(duration.as_millis()).ok().filter(|millis| *millis > 0)?;
    Some(format!("{} rows/s", count(rows.saturating_mul(1000) / millis)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: String, expected: &str) {
        assert_eq!(text, expected);
    }

    #[test]
    fn numbers() {
        check(count(0), "0");
        check(count(999), "999");
        check(count(1_204), "1 204");
        check(count(u64::MAX), "18 446 744 073 709 551 615");
        check(noun(1, "row", "rows"), "1 row");
        check(noun(0, "row", "rows"), "0 rows");
        check(bytes(999), "999 B");
        check(bytes(12_345_678), "12.3 MB");
        check(bytes(u64::MAX), "18 446 744.0 TB");
    }

    #[test]
    fn times() {
        let check = |millis, expected| check(elapsed(Duration::from_millis(millis)), expected);
        check(0, "0.00 s");
        check(140, "0.14 s");
        check(999, "0.99 s");
        check(3_149, "3.1 s");
        check(59_999, "59.9 s");
        check(125_000, "2 min 5 s");
        check(12_000_000, "3 h 20 min");
    }

    #[test]
    fn rates() {
        assert_eq!(rate(1_000, Duration::ZERO), None);
        assert_eq!(rate(1_000, Duration::from_millis(500)), Some("2 000 rows/s".to_owned()));
    }
}
