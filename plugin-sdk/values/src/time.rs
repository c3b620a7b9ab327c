//! Civil time over the whole range of `i64` microseconds, proleptic Gregorian, years -290308 to 294247.
//!
//! Calendar libraries stop at year 262142 or earlier; databases do not. The day algorithms are Howard Hinnant's
//! ("chrono-Compatible Low-Level Date Algorithms", `days_from_civil` and `civil_from_days`).

use std::fmt::{self, Write as _};

/// A day without leap seconds.
pub const MICROS_PER_DAY: i64 = 86_400_000_000;
const MICROS_PER_SECOND: i64 = 1_000_000;

/// Why text is not a date or time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeError {
    /// Not written as a date or time.
    Syntax,
    /// Written correctly, but there is no such day, hour, minute or second.
    NoSuchTime,
    /// Outside of what 64 bits of microseconds hold.
    Range,
    /// More than six digits of a second.
    Lossy,
}

impl fmt::Display for TimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "not a date or time as ISO 8601 writes it",
            Self::NoSuchTime => "there is no such date or time",
            Self::Range => "a date out of range",
            Self::Lossy => "finer than a microsecond",
        })
    }
}

impl std::error::Error for TimeError {}

/// Days since 1970-01-01 of `2026-11-21`. `infinity` and `-infinity` are the greatest and least `i64`.
pub fn parse_date(text: &str) -> Result<i64, TimeError> {
    if let Some(infinite) = parse_infinity(text) {
        return Ok(infinite);
    }
    let mut cursor = Cursor(text.as_bytes());
    let days = cursor.date()?;
    cursor.end()?;
    Ok(days)
}

/// The one time that is not before the end of its day, as [`format_time`] writes it.
const END_OF_DAY: &str = "24:00:00";

/// Microseconds since midnight of `13:45`, `13:45:10`, `13:45:10.123456`.
pub fn parse_time(text: &str) -> Result<i64, TimeError> {
    if text == END_OF_DAY {
        return Ok(MICROS_PER_DAY);
    }
    let mut cursor = Cursor(text.as_bytes());
    let micros = cursor.time()?;
    cursor.end()?;
    Ok(micros)
}

/// Microseconds of `2026-11-21T13:45:10` or with a space; an offset is an error, for it would be lost.
pub fn parse_datetime(text: &str) -> Result<i64, TimeError> {
    if let Some(infinite) = parse_infinity(text) {
        return Ok(infinite);
    }
    let mut cursor = Cursor(text.as_bytes());
    let micros = cursor.datetime()?;
    cursor.end()?;
    Ok(micros)
}

/// Microseconds in UTC of `2026-11-21T13:45:10+01:00` (RFC 3339, or with a space); without an offset it is an error, for
/// nobody knows which instant is meant.
pub fn parse_timestamp(text: &str) -> Result<i64, TimeError> {
    if let Some(infinite) = parse_infinity(text) {
        return Ok(infinite);
    }
    let mut cursor = Cursor(text.as_bytes());
    let local = cursor.datetime()?;
    let offset = cursor.offset()?;
    cursor.end()?;
    local.checked_sub(offset).filter(|micros| !matches!(*micros, i64::MIN | i64::MAX)).ok_or(TimeError::Range)
}

/// `2026-11-22`; years beyond four digits have a sign.
pub fn format_date(days: i64) -> String {
    if let Some(infinite) = format_infinity(days) {
        return infinite;
    }
    let mut text = String::with_capacity(10);
    push_date(&mut text, days);
    text
}

/// `14:17:38`, with a fraction if there is one.
pub fn format_time(micros: i64) -> String {
    let mut text = String::with_capacity(15);
    push_time(&mut text, micros);
    text
}

/// `2026-11-22T14:17:38`, with a fraction if there is one.
pub fn format_datetime(micros: i64) -> String {
    if let Some(infinite) = format_infinity(micros) {
        return infinite;
    }
    let mut text = String::with_capacity(27);
    push_date(&mut text, micros.div_euclid(MICROS_PER_DAY));
    text.push('T');
    push_time(&mut text, micros.rem_euclid(MICROS_PER_DAY));
    text
}

/// RFC 3339 in UTC: `2026-11-21T12:45:10.5Z`.
pub fn format_timestamp(micros: i64) -> String {
    let mut text = format_datetime(micros);
    if micros != i64::MAX && micros != i64::MIN {
        text.push('Z');
    }
    text
}

fn parse_infinity(text: &str) -> Option<i64> {
    match text {
        "infinity" => Some(i64::MAX),
        "-infinity" => Some(i64::MIN),
        _ => None,
    }
}

fn format_infinity(value: i64) -> Option<String> {
    match value {
        i64::MAX => Some("infinity".to_owned()),
        i64::MIN => Some("-infinity".to_owned()),
        _ => None,
    }
}

fn push_date(text: &mut String, days: i64) {
    let (year, month, day) = civil_from_days(days);
    // Writing to a string cannot fail.
    let _ = if year < 0 {
        write!(text, "-{:04}-{month:02}-{day:02}", -year)
    } else {
        write!(text, "{year:04}-{month:02}-{day:02}")
    };
}

fn push_time(text: &mut String, micros: i64) {
    let seconds = micros / MICROS_PER_SECOND;
    let fraction = micros % MICROS_PER_SECOND;
    let _ = write!(text, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction != 0 {
        let _ = write!(text, ".{fraction:06}");
        text.truncate(text.trim_end_matches('0').len());
    }
}

/// The text that is still to be read.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn end(&self) -> Result<(), TimeError> {
        if self.0.is_empty() { Ok(()) } else { Err(TimeError::Syntax) }
    }

    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    fn skip(&mut self) {
        self.0 = self.0.get(1..).unwrap_or_default();
    }

    fn expect(&mut self, byte: u8) -> Result<(), TimeError> {
        if self.peek() != Some(byte) {
            return Err(TimeError::Syntax);
        }
        self.skip();
        Ok(())
    }

    /// Between `least` and `most` digits.
    fn number(&mut self, least: usize, most: usize) -> Result<i64, TimeError> {
        let mut value = 0i64;
        let mut count = 0;
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            if count == most {
                return Err(TimeError::Syntax);
            }
            value = value * 10 + i64::from(digit - b'0');
            count += 1;
            self.skip();
        }
        if count < least { Err(TimeError::Syntax) } else { Ok(value) }
    }

    fn date(&mut self) -> Result<i64, TimeError> {
        let negative = self.peek() == Some(b'-');
        if negative || self.peek() == Some(b'+') {
            self.skip();
        }
        let year = self.number(4, 9)? * if negative { -1 } else { 1 };
        self.expect(b'-')?;
        let month = self.number(2, 2)?;
        self.expect(b'-')?;
        let day = self.number(2, 2)?;
        days_from_civil(year, month, day).ok_or(TimeError::NoSuchTime)
    }

    fn time(&mut self) -> Result<i64, TimeError> {
        let hour = self.number(2, 2)?;
        self.expect(b':')?;
        let minute = self.number(2, 2)?;
        let mut second = 0;
        let mut micros = 0;
        if self.peek() == Some(b':') {
            self.skip();
            second = self.number(2, 2)?;
            micros = self.fraction()?;
        }
        if hour > 23 || minute > 59 || second > 59 {
            return Err(TimeError::NoSuchTime);
        }
        Ok(((hour * 60 + minute) * 60 + second) * MICROS_PER_SECOND + micros)
    }

    fn fraction(&mut self) -> Result<i64, TimeError> {
        if !matches!(self.peek(), Some(b'.' | b',')) {
            return Ok(0);
        }
        self.skip();
        let mut micros = 0;
        let mut digits = 0;
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            if digits < 6 {
                micros = micros * 10 + i64::from(digit - b'0');
            } else if digit != b'0' {
                return Err(TimeError::Lossy);
            }
            digits += 1;
            self.skip();
        }
        if digits == 0 {
            return Err(TimeError::Syntax);
        }
        Ok(micros * 10i64.pow(6u32.saturating_sub(digits)))
    }

    fn datetime(&mut self) -> Result<i64, TimeError> {
        let days = self.date()?;
        match self.peek() {
            Some(b'T' | b't' | b' ') => self.skip(),
            _ => return Err(TimeError::Syntax),
        }
        let time = self.time()?;
        let micros = i128::from(days) * i128::from(MICROS_PER_DAY) + i128::from(time);
        i64::try_from(micros).ok().filter(|micros| !matches!(*micros, i64::MIN | i64::MAX)).ok_or(TimeError::Range)
    }

    /// Microseconds east of UTC: `Z`, `+01`, `+0130`, `+01:30`, `+01:30:15`.
    fn offset(&mut self) -> Result<i64, TimeError> {
        let sign = match self.peek() {
            Some(b'Z' | b'z') => {
                self.skip();
                return Ok(0);
            }
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return Err(TimeError::Syntax),
        };
        self.skip();
        let hours = self.number_of_two()?;
        let minutes = self.offset_part()?;
        let seconds = self.offset_part()?;
        if hours > 23 || minutes > 59 || seconds > 59 {
            return Err(TimeError::NoSuchTime);
        }
        Ok(sign * ((hours * 60 + minutes) * 60 + seconds) * MICROS_PER_SECOND)
    }

    fn offset_part(&mut self) -> Result<i64, TimeError> {
        match self.peek() {
            Some(b':') => {
                self.skip();
                self.number_of_two()
            }
            Some(digit) if digit.is_ascii_digit() => self.number_of_two(),
            _ => Ok(0),
        }
    }

    /// Exactly two digits; more may follow.
    fn number_of_two(&mut self) -> Result<i64, TimeError> {
        match self.0 {
            [tens, ones, rest @ ..] if tens.is_ascii_digit() && ones.is_ascii_digit() => {
                self.0 = rest;
                Ok(i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
            }
            _ => Err(TimeError::Syntax),
        }
    }
}

/// Days since 1970-01-01 of a day of the proleptic Gregorian calendar; none if there is no such day.
pub fn days_from_civil(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days.saturating_add(719_468);
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates() {
        for (text, days) in [
            ("1970-01-01", 0),
            ("1969-12-31", -1),
            ("2000-02-29", 11_016),
            ("2026-11-21", 20_778),
            ("0001-01-01", -719_162),
            ("0000-01-01", -719_528),
            ("9999-12-31", 2_932_896),
            ("infinity", i64::MAX),
            ("-infinity", i64::MIN),
        ] {
            assert_eq!(parse_date(text), Ok(days), "{text}");
            assert_eq!(format_date(days), text);
        }
        assert_eq!(parse_date("2023-02-29"), Err(TimeError::NoSuchTime));
        assert_eq!(parse_date("2023-13-01"), Err(TimeError::NoSuchTime));
        for text in ["", "2023", "2023-1-1", "21.11.2026", "2026-11-21 ", "2026-11-21T00:00"] {
            assert_eq!(parse_date(text), Err(TimeError::Syntax), "{text}");
        }
    }

    #[test]
    fn times() {
        for (text, micros) in [("00:00:00", 0), ("23:59:59.999999", MICROS_PER_DAY - 1), ("13:45:10.5", 49_510_500_000)]
        {
            assert_eq!(parse_time(text), Ok(micros), "{text}");
            assert_eq!(format_time(micros), text);
        }
        assert_eq!(parse_time("13:45"), Ok(49_500_000_000));
        // The end of a day is a time of its own in PostgreSQL; what is written has to be readable.
        assert_eq!(parse_time(&format_time(MICROS_PER_DAY)), Ok(MICROS_PER_DAY));
        assert_eq!(parse_time("24:00:01"), Err(TimeError::NoSuchTime));
        assert_eq!(parse_time("24:00"), Err(TimeError::NoSuchTime));
        assert_eq!(parse_time("23:59:60"), Err(TimeError::NoSuchTime));
        assert_eq!(parse_time("10:00:00.1234567"), Err(TimeError::Lossy));
        assert_eq!(parse_time("10:00:00.1234560"), Ok(36_000_123_456));
    }

    #[test]
    fn timestamps_need_an_offset_and_datetimes_refuse_one() {
        let noon = 20_778 * MICROS_PER_DAY + 43_200_000_000;
        for text in
            ["2026-11-21T12:00:00Z", "2026-11-21 13:00:00+01", "2026-11-21T07:30:00-0430", "2026-11-21t12:00:00.000z"]
        {
            assert_eq!(parse_timestamp(text), Ok(noon), "{text}");
        }
        assert_eq!(parse_timestamp("2026-11-21T12:00:00"), Err(TimeError::Syntax));
        assert_eq!(parse_datetime("2026-11-21T12:00:00Z"), Err(TimeError::Syntax));
        assert_eq!(parse_datetime("2026-11-21 12:00:00"), Ok(noon));
        assert_eq!(format_timestamp(noon), "2026-11-21T12:00:00Z");
        assert_eq!(parse_datetime("294248-01-01T00:00:00"), Err(TimeError::Range));
    }

    proptest! {
        #[test]
        fn timestamps_round_trip(micros in any::<i64>()) {
            prop_assert_eq!(parse_timestamp(&format_timestamp(micros)), Ok(micros));
        }

        #[test]
        fn dates_round_trip(days in -300_000_000i64..300_000_000) {
            prop_assert_eq!(parse_date(&format_date(days)), Ok(days));
        }

        #[test]
        fn parsing_never_panics(text in "[-+0-9TZ:. ]{0,40}|\\PC{0,40}") {
            let _ = (parse_date(&text), parse_time(&text), parse_datetime(&text), parse_timestamp(&text));
        }
    }
}
