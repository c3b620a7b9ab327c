//! Values from their plain text, as URLs and bodies want them.

use lockstep_json::write_string;
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::values::{MICROS_PER_DAY, parse_date, parse_datetime, parse_time, parse_timestamp};

use super::{Edm, Version};
use crate::config::Numbers;

/// A value in a URL, not encoded yet: `'O''Neil'`, `guid'…'`, `5L`.
pub fn literal(version: Version, edm: &Edm, text: &str) -> Result<String> {
    let quoted = |prefix: &str, text: &str| format!("{prefix}'{}'", text.replace('\'', "''"));
    Ok(match (version, edm) {
        (_, Edm::String) => quoted("", text),
        (Version::V2, Edm::Guid) => quoted("guid", text),
        (Version::V2, Edm::Int64) => format!("{text}L"),
        (Version::V2, Edm::Decimal(_)) => format!("{text}M"),
        (Version::V2, Edm::Double) => format!("{text}d"),
        (Version::V2, Edm::Single) => format!("{text}f"),
        (Version::V2, Edm::DateTimeOffset) => quoted("datetimeoffset", text),
        (Version::V2, Edm::DateTime) => quoted("datetime", text),
        (Version::V2, Edm::DateTimeDay) => quoted("datetime", &format!("{text}T00:00:00")),
        (Version::V2, Edm::Time) => quoted("time", &duration(text)?),
        (Version::V2, Edm::Binary) => quoted("X", text),
        (Version::V4, Edm::Binary) => quoted("binary", &base64(&unhex(text), true)),
        (Version::V4, Edm::Duration) => quoted("duration", text),
        (_, Edm::Enum(name)) => quoted(name, text),
        (_, Edm::Other(name)) => {
            let message = format!("a value of type `{name}` cannot be looked for");
            return Err(Error::config(message).with_code("odata.literal"));
        }
        _ => text.to_owned(),
    })
}

/// Appends a value as it stands in the body of a request.
pub fn body_value(out: &mut String, version: Version, edm: &Edm, numbers: Numbers, text: &str) -> Result<()> {
    match (version, edm) {
        (_, Edm::Boolean | Edm::Int(_)) => out.push_str(text),
        (Version::V4, Edm::Int64 | Edm::Decimal(_)) if numbers == Numbers::Numbers => out.push_str(text),
        (Version::V4, Edm::Single | Edm::Double) => match text {
            "inf" => out.push_str("\"INF\""),
            "-inf" => out.push_str("\"-INF\""),
            "NaN" => out.push_str("\"NaN\""),
            finite => out.push_str(finite),
        },
        (_, Edm::Other(_)) => out.push_str(text),
        (_, Edm::Binary) => write_string(out, &base64(&unhex(text), version == Version::V4)),
        (Version::V2, Edm::DateTime) => write_string(out, &date(parse_datetime(text).map_err(Error::from)?, "")?),
        (Version::V2, Edm::DateTimeDay) => {
            let days = parse_date(text).map_err(Error::from)?;
            write_string(out, &date(days.saturating_mul(MICROS_PER_DAY), "")?);
        }
        (Version::V2, Edm::DateTimeOffset) => {
            write_string(out, &date(parse_timestamp(text).map_err(Error::from)?, "+0000")?);
        }
        (Version::V2, Edm::Time) => write_string(out, &duration(text)?),
        _ => write_string(out, text),
    }
    Ok(())
}

/// `/Date(1735689600000)/`
fn date(micros: i64, offset: &str) -> Result<String> {
    if micros % 1000 != 0 {
        let message = "version 2 of the protocol has no digits behind the millisecond";
        return Err(Error::invalid_data(message).with_code("odata.precision"));
    }
    Ok(format!("/Date({}{offset})/", micros / 1000))
}

/// A time of the day as version 2 writes it: `PT13H30M05.5S`.
fn duration(text: &str) -> Result<String> {
    let micros = parse_time(text).map_err(Error::from)?;
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let fraction = format!(".{fraction:06}");
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    Ok(format!("PT{:02}H{:02}M{:02}{fraction}S", seconds / 3600, seconds / 60 % 60, seconds % 60))
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or(0) as u8;
    text.as_bytes().as_chunks::<2>().0.iter().map(|[high, low]| digit(*high) << 4 | digit(*low)).collect()
}

/// RFC 4648, section 4, or with the letters of section 5 and without padding, as version 4 wants it.
fn base64(bytes: &[u8], for_urls: bool) -> String {
    let letters: &[u8; 64] = if for_urls {
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    } else {
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    };
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |place: usize| u32::from(chunk.get(place).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let letter = letters.get((bits >> (18 - 6 * place) & 63) as usize).copied().unwrap_or(b'A');
            match place <= chunk.len() {
                true => text.push(char::from(letter)),
                false if for_urls => {}
                false => text.push('='),
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_plugin_sdk::values::DecimalShape;

    #[test]
    fn literals() {
        let check = |version, edm: &Edm, text: &str, expected: &str| {
            assert_eq!(literal(version, edm, text).unwrap(), expected, "{edm}");
        };
        check(Version::V4, &Edm::String, "O'Neil", "'O''Neil'");
        check(Version::V4, &Edm::Guid, "0b1c", "0b1c");
        check(Version::V4, &Edm::DateTimeOffset, "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z");
        check(Version::V4, &Edm::Enum("a.B".into()), "C", "a.B'C'");
        check(Version::V4, &Edm::Binary, "fbff", "binary'-_8'");
        check(Version::V2, &Edm::Guid, "0b1c", "guid'0b1c'");
        check(Version::V2, &Edm::Int64, "5", "5L");
        check(Version::V2, &Edm::Decimal(None), "1.50", "1.50M");
        check(Version::V2, &Edm::DateTime, "2026-01-01T10:00:00.5", "datetime'2026-01-01T10:00:00.5'");
        check(Version::V2, &Edm::DateTimeDay, "2026-01-01", "datetime'2026-01-01T00:00:00'");
        check(Version::V2, &Edm::Time, "13:05:00.25", "time'PT13H05M00.25S'");
        assert!(literal(Version::V4, &Edm::Other("x".into()), "{}").is_err());
    }

    #[test]
    fn values_in_bodies() {
        let check = |version, edm: &Edm, text: &str, expected: &str| {
            let mut out = String::new();
            body_value(&mut out, version, edm, Numbers::Strings, text).unwrap();
            assert_eq!(out, expected, "{edm}");
        };
        let decimal = Edm::Decimal(Some(DecimalShape { precision: 9, scale: 2 }));
        check(Version::V4, &decimal, "12.50", "\"12.50\"");
        check(Version::V4, &Edm::Int64, "9007199254740993", "\"9007199254740993\"");
        check(Version::V4, &Edm::Int("Int32".into()), "-5", "-5");
        check(Version::V4, &Edm::Double, "inf", "\"INF\"");
        check(Version::V4, &Edm::Double, "1.5", "1.5");
        check(Version::V4, &Edm::Binary, "fbff", "\"-_8\"");
        check(Version::V2, &Edm::Binary, "fbff", "\"+/8=\"");
        check(Version::V2, &Edm::Double, "1.5", "\"1.5\"");
        check(Version::V2, &Edm::DateTime, "1970-01-01T00:00:01.5", "\"/Date(1500)/\"");
        check(Version::V2, &Edm::DateTimeDay, "1969-12-31", "\"/Date(-86400000)/\"");
        check(Version::V2, &Edm::DateTimeOffset, "1970-01-01T00:00:00Z", "\"/Date(0+0000)/\"");
        let mut out = String::new();
        let exact = body_value(&mut out, Version::V2, &Edm::DateTime, Numbers::Strings, "1970-01-01T00:00:00.0001");
        assert_eq!(exact.unwrap_err().code, "odata.precision");
        body_value(&mut out, Version::V4, &decimal, Numbers::Numbers, "12.50").unwrap();
        assert_eq!(out, "12.50");
    }
}
