//! Values of a column that tells when rows were changed: numbers or texts, as SQLite holds them, and how far back from one of them
//! a reading looks.
//!
//! SQLite has no times of its own. What is found is taken for what it looks like: text that begins with an ISO date is a time in
//! exactly that form, a whole number near the clock is one of seconds, milli-, micro- or nanoseconds since 1970, any other number
//! counts.

use lockstep_plugin_sdk::values::{MICROS_PER_DAY, format_date, parse_date, parse_datetime};
use lockstep_sql_dialect::{FromJson, Unfit};
use serde_json::Value as Json;

/// Rows that become visible after rows with a later time are looked for so far back, unless the project says otherwise.
const LOOKBACK_MS_DEFAULT: i64 = 10 * 60 * 1000;
/// As [`LOOKBACK_MS_DEFAULT`], where a number counts instead of telling a time.
const LOOKBACK_STEPS: i64 = 10_000;
/// Numbers tell a time if it lies between so long before the clock and so long behind it, in seconds.
const PAST_SECONDS_MAX: i64 = 30 * 366 * 86_400;
const FUTURE_SECONDS_MAX: i64 = 10 * 366 * 86_400;

/// A value as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moment {
    Int(i64),
    Text(String),
}

impl Moment {
    /// The value itself, or the clock if that is earlier: a value in the future must not hide what is written until then.
    /// `clock` in microseconds since 1970. None if it is a text that tells no time.
    pub fn not_after(self, clock: i64) -> Option<Self> {
        match self {
            Self::Int(value) => Some(Self::Int(match per_second(value, clock) {
                Some(per_second) => value.min(scale(clock, per_second)),
                None => value,
            })),
            Self::Text(text) => {
                let time = Time::parse(&text)?;
                let ceiling = time.form.ceiling(clock);
                Some(Self::Text(if time.micros <= ceiling { text } else { Time { micros: ceiling, ..time }.format() }))
            }
        }
    }

    /// The first value that is looked at.
    pub fn since(&self, clock: i64, lookback_ms: Option<i64>) -> Self {
        let lookback_ms = lookback_ms.unwrap_or(LOOKBACK_MS_DEFAULT);
        match self {
            Self::Int(value) => Self::Int(match per_second(*value, clock) {
                Some(per_second) => value.saturating_sub(scale(lookback_ms.saturating_mul(1000), per_second)),
                None => value.saturating_sub(LOOKBACK_STEPS),
            }),
            Self::Text(text) => Self::Text(Time::parse(text).map_or_else(
                || text.clone(),
                |time| {
                    let micros = time.micros.saturating_sub(lookback_ms.saturating_mul(1000));
                    Time { micros: micros.max(YEAR_0), ..time }.format()
                },
            )),
        }
    }
}

impl Moment {
    pub fn to_json(&self) -> Json {
        match self {
            Self::Int(value) => Json::from(*value),
            Self::Text(text) => Json::from(text.as_str()),
        }
    }
}

impl FromJson for Moment {
    fn from_json(json: Json) -> Result<Self, Unfit> {
        match json.as_i64() {
            Some(value) => Ok(Self::Int(value)),
            None => String::from_json(json).map(Self::Text),
        }
    }
}

/// Years before the first have no place in four digits.
const YEAR_0: i64 = -719_528 * MICROS_PER_DAY;

/// A text that every ISO time until the day after tomorrow sorts before.
pub fn text_ceiling(clock: i64) -> String {
    format_date(clock.div_euclid(MICROS_PER_DAY) + 2)
}

/// The unit a number counts in, if it tells a time.
fn per_second(value: i64, clock: i64) -> Option<i64> {
    let now = clock / 1_000_000;
    [1, 1000, 1_000_000, 1_000_000_000].into_iter().find(|unit| {
        let seconds = value / unit;
        seconds > now.saturating_sub(PAST_SECONDS_MAX) && seconds < now.saturating_add(FUTURE_SECONDS_MAX)
    })
}

/// Microseconds in another unit, rounded up.
fn scale(micros: i64, per_second: i64) -> i64 {
    if per_second >= 1_000_000 {
        micros.saturating_mul(per_second / 1_000_000)
    } else {
        let unit = 1_000_000 / per_second;
        micros.saturating_add(unit - 1).div_euclid(unit)
    }
}

/// A time, and how it is written.
#[derive(Clone, Debug)]
struct Time<'a> {
    /// On the clock that is written, whatever its offset.
    micros: i64,
    form: Form<'a>,
}

#[derive(Clone, Copy, Debug)]
struct Form<'a> {
    /// `T` or a blank; none = a date alone.
    separator: Option<char>,
    has_seconds: bool,
    /// Digits behind the point.
    digits: usize,
    /// `Z`, `+01:00` or nothing.
    zone: &'a str,
}

impl Form<'_> {
    /// A wall clock somewhere on the earth is less than a day ahead of ours.
    fn ceiling(self, clock: i64) -> i64 {
        if matches!(self.zone, "Z" | "+00:00") { clock } else { clock.saturating_add(MICROS_PER_DAY) }
    }
}

impl<'a> Time<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (date, rest) = text.split_at_checked(10)?;
        let days = parse_date(date).ok()?;
        let Some(separator) = rest.chars().next() else {
            let form = Form { separator: None, has_seconds: false, digits: 0, zone: "" };
            return Some(Self { micros: days.checked_mul(MICROS_PER_DAY)?, form });
        };
        let rest = rest.strip_prefix(['T', ' '])?;
        let (clock, zone) = rest.split_at(rest.find(['Z', '+', '-', ' ']).unwrap_or(rest.len()));
        let (whole, fraction) = clock.split_once('.').unwrap_or((clock, ""));
        let has_seconds = whole.len() > 5;
        let seconds = if has_seconds { "" } else { ":00" };
        // Digits beyond microseconds are looked at as zeros, which is earlier.
        let micros: String = fraction.chars().chain("000000".chars()).take(6).collect();
        let micros = parse_datetime(&format!("{date}T{whole}{seconds}.{micros}")).ok()?;
        Some(Self { micros, form: Form { separator: Some(separator), has_seconds, digits: fraction.len(), zone } })
    }

    /// Cut, not rounded, to the digits of the form.
    fn format(&self) -> String {
        let Form { separator, has_seconds, digits, zone } = self.form;
        let date = format_date(self.micros.div_euclid(MICROS_PER_DAY));
        let Some(separator) = separator else { return date };
        let micros = self.micros.rem_euclid(MICROS_PER_DAY);
        let seconds = micros / 1_000_000;
        let mut text = format!("{date}{separator}{:02}:{:02}", seconds / 3600, seconds / 60 % 60);
        if has_seconds {
            text.push_str(&format!(":{:02}", seconds % 60));
        }
        if digits > 0 {
            text.push('.');
            text.extend(format!("{:06}", micros % 1_000_000).chars().chain(std::iter::repeat('0')).take(digits));
        }
        text.push_str(zone);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CLOCK: i64 = 1_795_262_400_000_000; // 2026-11-21T12:00:00Z

    fn text(text: &str) -> Moment {
        Moment::Text(text.to_owned())
    }

    fn check(stored: &str, since: &str) {
        assert_eq!(text(stored).since(CLOCK, None), text(since), "{stored}");
    }

    #[test]
    fn times_keep_their_form() {
        check("2026-11-21 12:00:00", "2026-11-21 11:50:00");
        check("2026-11-21T00:05:00.123Z", "2026-11-20T23:55:00.123Z");
        check("2026-11-21T12:00:00.000000Z", "2026-11-21T11:50:00.000000Z");
        check("2026-11-21T12:00:00.123456789+01:00", "2026-11-21T11:50:00.123456000+01:00");
        check("2026-11-21 12:00", "2026-11-21 11:50");
        check("2026-11-21", "2026-11-20");
        check("0000-01-01", "0000-01-01");
        assert_eq!(text("2026-11-21 12:00:00").since(CLOCK, Some(0)), text("2026-11-21 12:00:00"));
    }

    #[test]
    fn numbers_near_the_clock_are_times_and_others_count() {
        let seconds = CLOCK / 1_000_000;
        for (per_second, value) in
            [(1, seconds), (1000, seconds * 1000), (1_000_000, CLOCK), (1_000_000_000, CLOCK * 1000)]
        {
            assert_eq!(Moment::Int(value).since(CLOCK, None), Moment::Int(value - 600 * per_second));
            assert_eq!(Moment::Int(value + 7200 * per_second).not_after(CLOCK), Some(Moment::Int(value)));
        }
        assert_eq!(Moment::Int(50_000).since(CLOCK, None), Moment::Int(40_000));
        assert_eq!(Moment::Int(i64::MAX).not_after(CLOCK), Some(Moment::Int(i64::MAX)));
        assert_eq!(Moment::Int(i64::MIN).since(CLOCK, None), Moment::Int(i64::MIN));
    }

    #[test]
    fn times_in_the_future_hide_nothing() {
        for (stored, capped) in [
            ("2026-11-21T13:00:00Z", "2026-11-21T12:00:00Z"),
            ("2026-11-21T11:00:00Z", "2026-11-21T11:00:00Z"),
            // Whose clock that is nobody knows.
            ("2026-11-22 11:00:00", "2026-11-22 11:00:00"),
            ("2999-01-01", "2026-11-22"),
        ] {
            assert_eq!(text(stored).not_after(CLOCK), Some(text(capped)));
        }
        assert_eq!(text_ceiling(CLOCK), "2026-11-23");
    }

    #[test]
    fn other_texts_tell_no_time() {
        for stored in
            ["", "yesterday", "21.11.2026", "2026-13-01", "2026-11-21x", "2026-11-21 25:00", "infinity", "2026-11-2é"]
        {
            assert_eq!(text(stored).not_after(CLOCK), None, "{stored}");
        }
    }

    proptest! {
        #[test]
        fn looking_back_goes_back_in_the_order_of_text(micros in 0..CLOCK, back in 0i64..100_000_000, digits in 0usize..8) {
            let form = Form { separator: Some('T'), has_seconds: true, digits, zone: "Z" };
            let stored = Time { micros, form }.format();
            let since = text(&stored).since(CLOCK, Some(back));
            prop_assert!(matches!(since, Moment::Text(since) if since <= stored && since.len() == stored.len()));
        }
    }
}
