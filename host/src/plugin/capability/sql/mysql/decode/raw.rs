//! Values as they lie in a row of the binary protocol.

use super::super::native::code;
use super::super::packet::Reader;
use crate::plugin::capability::sql::value::format_float;
use crate::record::{MICROS_PER_DAY, days_from_civil, format_time};

const MICROS_PER_SECOND: i64 = 1_000_000;

/// One value that is not null.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Raw<'a> {
    Int(i64),
    /// Without a sign, in 64 bits.
    Big(u64),
    /// The bits of a `bit(n)`.
    Bits(u64),
    Float4(f32),
    Float8(f64),
    Bytes(&'a [u8]),
    Moment(Moment),
    /// Microseconds, of either sign.
    Span(i64),
}

/// A day, which may be none of the calendar, and the time of that day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    year: u16,
    month: u8,
    day: u8,
    micros: i64,
    has_time: bool,
}

impl<'a> Raw<'a> {
    /// The next value of a row; none if the row is broken.
    #[inline]
    pub fn read(code: u8, is_unsigned: bool, row: &mut Reader<'a>) -> Option<Self> {
        Some(match (code, is_unsigned) {
            (code::LONGLONG, false) => Self::Int(i64::from_le_bytes(row.fixed()?)),
            (code::LONGLONG, true) => Self::Big(u64::from_le_bytes(row.fixed()?)),
            (code::LONG | code::INT24, false) => Self::Int(i64::from(i32::from_le_bytes(row.fixed()?))),
            (code::LONG | code::INT24, true) => Self::Int(i64::from(u32::from_le_bytes(row.fixed()?))),
            (code::SHORT, false) => Self::Int(i64::from(i16::from_le_bytes(row.fixed()?))),
            (code::SHORT | code::YEAR, _) => Self::Int(i64::from(u16::from_le_bytes(row.fixed()?))),
            (code::TINY, false) => Self::Int(i64::from(i8::from_le_bytes(row.fixed()?))),
            (code::TINY, true) => Self::Int(i64::from(row.u8()?)),
            (code::FLOAT, _) => Self::Float4(f32::from_le_bytes(row.fixed()?)),
            (code::DOUBLE, _) => Self::Float8(f64::from_le_bytes(row.fixed()?)),
            (code::DATE | code::DATETIME | code::TIMESTAMP, _) => Self::Moment(moment(code, row)?),
            (code::TIME, _) => Self::Span(span(row)?),
            (code::BIT, _) => Self::Bits(bits(row.counted()?)?),
            _ => Self::Bytes(row.counted()?),
        })
    }

    /// As the server writes it.
    pub fn spell(self) -> String {
        match self {
            Self::Int(value) => value.to_string(),
            Self::Big(value) | Self::Bits(value) => value.to_string(),
            Self::Float4(value) => format!("{value:?}").trim_end_matches(".0").to_owned(),
            Self::Float8(value) => format_float(value),
            Self::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Self::Moment(moment) => moment.spell(),
            Self::Span(micros) if (0..MICROS_PER_DAY).contains(&micros) => format_time(micros),
            Self::Span(micros) => spell_span(micros),
        }
    }
}

impl Moment {
    /// Days since 1970.
    pub fn days(self) -> Option<i64> {
        days_from_civil(i64::from(self.year), i64::from(self.month), i64::from(self.day))
    }

    /// Microseconds since 1970.
    pub fn micros(self) -> Option<i64> {
        Some(self.days()? * MICROS_PER_DAY + self.micros)
    }

    fn spell(self) -> String {
        let day = format!("{:04}-{:02}-{:02}", self.year, self.month, self.day);
        if self.has_time { format!("{day}T{}", format_time(self.micros)) } else { day }
    }
}

/// A count of bytes, then as many parts as are not zero.
fn moment(code: u8, row: &mut Reader<'_>) -> Option<Moment> {
    let length = usize::from(row.u8()?);
    let mut parts = Reader(row.bytes(length)?);
    let has_time = code != code::DATE;
    if length == 0 {
        return Some(Moment { year: 0, month: 0, day: 0, micros: 0, has_time });
    }
    let (year, month, day) = (parts.u16()?, parts.u8()?, parts.u8()?);
    let micros = if parts.0.is_empty() { 0 } else { clock(&mut parts)? };
    Some(Moment { year, month, day, micros, has_time })
}

/// Hour, minute, second, and microseconds if there are any.
fn clock(parts: &mut Reader<'_>) -> Option<i64> {
    let [hour, minute, second] = parts.fixed::<3>()?.map(i64::from);
    let micros = if parts.0.is_empty() { 0 } else { i64::from(parts.u32()?) };
    Some(((hour * 60 + minute) * 60 + second) * MICROS_PER_SECOND + micros)
}

fn span(row: &mut Reader<'_>) -> Option<i64> {
    let length = usize::from(row.u8()?);
    let mut parts = Reader(row.bytes(length)?);
    if length == 0 {
        return Some(0);
    }
    let is_negative = parts.u8()? == 1;
    let days = i64::from(parts.u32()?);
    let micros = days.checked_mul(MICROS_PER_DAY)?.checked_add(clock(&mut parts)?)?;
    Some(if is_negative { -micros } else { micros })
}

fn bits(bytes: &[u8]) -> Option<u64> {
    (bytes.len() <= 8).then(|| bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

/// `-838:59:59`, `25:00:00.500000`.
fn spell_span(micros: i64) -> String {
    let (sign, micros) = if micros < 0 { ("-", micros.unsigned_abs()) } else { ("", micros.unsigned_abs()) };
    let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
    let text = format!("{sign}{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if rest == 0 { text } else { format!("{text}.{rest:06}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(code: u8, bytes: &[u8]) -> Option<Raw<'_>> {
        Raw::read(code, false, &mut Reader(bytes))
    }

    #[test]
    fn moments_leave_out_what_is_zero() {
        let micros = |bytes: &[u8]| match read(code::DATETIME, bytes) {
            Some(Raw::Moment(moment)) => moment.micros(),
            other => panic!("{other:?}"),
        };
        assert_eq!(micros(&[4, 0xb2, 0x07, 1, 1]), Some(0));
        assert_eq!(micros(&[7, 0xb2, 0x07, 1, 1, 0, 0, 1]), Some(1_000_000));
        assert_eq!(micros(&[11, 0xb2, 0x07, 1, 2, 0, 0, 0, 5, 0, 0, 0]), Some(MICROS_PER_DAY + 5));
        // Days that are none.
        assert_eq!(micros(&[0]), None);
        assert_eq!(micros(&[4, 0xea, 0x07, 0, 0]), None);
        assert_eq!(micros(&[4, 0xea, 0x07, 2, 30]), None);
    }

    #[test]
    fn spans_have_a_sign_and_days() {
        assert_eq!(read(code::TIME, &[0]), Some(Raw::Span(0)));
        let long = read(code::TIME, &[8, 1, 34, 0, 0, 0, 22, 59, 59]).unwrap();
        assert_eq!(long.spell(), "-838:59:59");
        assert_eq!(read(code::TIME, &[12, 0, 1, 0, 0, 0, 1, 0, 0, 32, 161, 7, 0]).unwrap().spell(), "25:00:00.500000");
        assert_eq!(Raw::Span(3_600_000_000).spell(), "01:00:00");
    }

    #[test]
    fn what_is_no_day_is_still_spelled() {
        assert_eq!(read(code::DATE, &[0]).unwrap().spell(), "0000-00-00");
        assert_eq!(read(code::DATETIME, &[0]).unwrap().spell(), "0000-00-00T00:00:00");
    }

    #[test]
    fn numbers_are_read_with_and_without_a_sign() {
        assert_eq!(read(code::TINY, &[255]), Some(Raw::Int(-1)));
        assert_eq!(Raw::read(code::TINY, true, &mut Reader(&[255])), Some(Raw::Int(255)));
        assert_eq!(Raw::read(code::LONGLONG, true, &mut Reader(&[255; 8])), Some(Raw::Big(u64::MAX)));
        assert_eq!(read(code::BIT, &[2, 1, 0]), Some(Raw::Bits(256)));
        assert_eq!(Raw::Float4(0.1).spell(), "0.1");
    }

    proptest! {
        #[test]
        fn broken_values_are_none(code in any::<u8>(), is_unsigned in any::<bool>(), bytes in any::<Vec<u8>>()) {
            let _ = Raw::read(code, is_unsigned, &mut Reader(&bytes)).map(Raw::spell);
        }
    }
}
