//! Dates and times. The form with four-digit years is read straight from the bytes; everything else, errors included, goes
//! through the shared parsers.

use lockstep_plugin_sdk::values::{
    MICROS_PER_DAY, TimeError, days_from_civil, parse_date, parse_datetime, parse_time, parse_timestamp,
};

use super::ValueError;

const MICROS_PER_SECOND: i64 = 1_000_000;

#[inline]
pub(super) fn date(text: &[u8]) -> Result<i64, ValueError> {
    let quick = text.first_chunk().filter(|_| text.len() == 10).and_then(date_part);
    quick.map_or_else(|| slow(text, parse_date), Ok)
}

#[inline]
pub(super) fn datetime(text: &[u8]) -> Result<i64, ValueError> {
    let quick = datetime_part(text).filter(|(_, behind)| behind.is_empty()).map(|(micros, _)| micros);
    quick.map_or_else(|| slow(text, parse_datetime), Ok)
}

#[inline]
pub(super) fn timestamp(text: &[u8]) -> Result<i64, ValueError> {
    let quick = datetime_part(text).and_then(|(micros, behind)| Some(micros - offset_part(behind)?));
    quick.map_or_else(|| slow(text, parse_timestamp), Ok)
}

pub(super) fn time(text: &[u8]) -> Result<i64, ValueError> {
    slow(text, parse_time)
}

fn slow(text: &[u8], parse: fn(&str) -> Result<i64, TimeError>) -> Result<i64, ValueError> {
    let text = std::str::from_utf8(text).map_err(|_| ValueError::of(TimeError::Syntax))?;
    parse(text).map_err(ValueError::of)
}

/// `2026-11-21`
#[inline]
fn date_part(text: &[u8; 10]) -> Option<i64> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text else { return None };
    days_from_civil(two(y1, y2)? * 100 + two(y3, y4)?, two(m1, m2)?, two(d1, d2)?)
}

/// `2026-11-21T13:45:10.123456` and what stands behind it.
#[inline]
fn datetime_part(text: &[u8]) -> Option<(i64, &[u8])> {
    let (date, rest) = text.split_first_chunk()?;
    let (clock, rest) = rest.split_first_chunk()?;
    let [b'T' | b' ', h1, h2, b':', m1, m2, b':', s1, s2] = *clock else { return None };
    let (hour, minute, second) = (two(h1, h2)?, two(m1, m2)?, two(s1, s2)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (micros, rest) = fraction_part(rest)?;
    let seconds = (hour * 60 + minute) * 60 + second;
    Some((date_part(date)? * MICROS_PER_DAY + seconds * MICROS_PER_SECOND + micros, rest))
}

/// `.5`, up to six digits, or nothing.
#[inline]
fn fraction_part(text: &[u8]) -> Option<(i64, &[u8])> {
    let [b'.', rest @ ..] = text else { return Some((0, text)) };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (fraction, behind) = rest.split_at_checked(digits)?;
    let missing = 6u32.checked_sub(digits as u32).filter(|_| digits > 0)?;
    let value = fraction.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
    Some((value * 10i64.pow(missing), behind))
}

/// `Z`, `+01:00`, in microseconds.
#[inline]
fn offset_part(text: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match *text {
        [b'Z'] => return Some(0),
        [b'+', h1, h2, b':', m1, m2] => (1, two(h1, h2)?, two(m1, m2)?),
        [b'-', h1, h2, b':', m1, m2] => (-1, two(h1, h2)?, two(m1, m2)?),
        _ => return None,
    };
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 60 + minutes) * 60 * MICROS_PER_SECOND)
}

#[inline]
fn two(tens: u8, ones: u8) -> Option<i64> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then_some(i64::from(tens * 10 + ones))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_plugin_sdk::values::{format_date, format_datetime, format_timestamp};
    use proptest::prelude::*;

    const TIMES: &str = "[0-9]{4}-[01][0-9]-[0-3][0-9]([T ][0-2][0-9]:[0-6][0-9](:[0-6][0-9](\\.[0-9]{0,8})?)?(Z|z|[-+][0-2][0-9]:?([0-6][0-9])?)?)?";

    proptest! {
        #[test]
        fn the_quick_way_says_what_the_slow_way_says(text in TIMES) {
            let bytes = text.as_bytes();
            prop_assert_eq!(date(bytes).ok(), parse_date(&text).ok());
            prop_assert_eq!(datetime(bytes).ok(), parse_datetime(&text).ok());
            prop_assert_eq!(timestamp(bytes).ok(), parse_timestamp(&text).ok());
        }

        #[test]
        fn written_times_are_read(micros in -62_000_000_000_000_000i64..200_000_000_000_000_000) {
            let days = micros.div_euclid(MICROS_PER_DAY);
            prop_assert_eq!(date(format_date(days).as_bytes()), Ok(days));
            prop_assert_eq!(datetime(format_datetime(micros).as_bytes()), Ok(micros));
            prop_assert_eq!(timestamp(format_timestamp(micros).as_bytes()), Ok(micros));
        }
    }
}
