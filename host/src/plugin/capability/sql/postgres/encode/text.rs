//! Values as text: in our own spelling, in one the server reads, and escaped for COPY.

use crate::plugin::capability::sql::value::{format_float, hex_digit};
use crate::plugin::capability::sql::view::View;
use crate::record::{Decimal, Layout, LogicalType, format_date, format_datetime, format_time, format_timestamp};

/// Appends a value as the host spells it everywhere.
pub(super) fn write(logical: LogicalType, view: &View<'_>, row: usize, out: &mut Vec<u8>) {
    let text = match logical {
        LogicalType::Bool => view.bool(row).to_string(),
        LogicalType::Int64 => view.int(row).to_string(),
        LogicalType::Float64 => format_float(view.float(row)),
        LogicalType::Decimal(Some(shape)) if logical.layout() == Layout::Int64 => {
            Decimal::from_scaled(view.int(row), shape.scale).to_string()
        }
        LogicalType::Timestamp => format_timestamp(view.int(row)),
        LogicalType::Datetime => format_datetime(view.int(row)),
        LogicalType::Date => format_date(view.int(row)),
        LogicalType::Time => format_time(view.int(row)),
        _ => return out.extend_from_slice(view.bytes(row)),
    };
    out.extend_from_slice(text.as_bytes());
}

/// Appends a value as the server reads it: years before the first one are counted backwards, bytes are in hex.
pub(super) fn write_for_server(logical: LogicalType, view: &View<'_>, row: usize, out: &mut Vec<u8>) {
    match logical {
        LogicalType::Binary => {
            out.extend_from_slice(b"\\x");
            out.extend(view.bytes(row).iter().flat_map(|byte| [hex_digit(byte >> 4), hex_digit(byte & 15)]));
        }
        LogicalType::Timestamp | LogicalType::Datetime | LogicalType::Date => {
            let start = out.len();
            write(logical, view, row, out);
            let own = out.split_off(start);
            out.extend_from_slice(years_before_christ(&String::from_utf8_lossy(&own)).as_bytes());
        }
        _ => write(logical, view, row, out),
    }
}

/// The year 0 is 1 BC, -1 is 2 BC.
fn years_before_christ(text: &str) -> String {
    let (is_negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    match digits.split_once('-') {
        Some((year, rest)) => match year.parse::<u32>() {
            Ok(year) if is_negative || year == 0 => format!("{:04}-{rest} BC", year + 1),
            _ => text.to_owned(),
        },
        None => text.to_owned(),
    }
}

/// Appends text as a field of COPY's text format.
pub(super) fn escape(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\\' | b'\n' | b'\r' | b'\t')) {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain);
        out.extend_from_slice(match special.first() {
            Some(b'\n') => b"\\n",
            Some(b'\r') => b"\\r",
            Some(b'\t') => b"\\t",
            _ => b"\\\\",
        });
        rest = special.get(1..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn years_are_counted_as_the_server_counts() {
        for (own, server) in [
            ("2026-11-21", "2026-11-21"),
            ("0001-01-01", "0001-01-01"),
            ("0000-12-31", "0001-12-31 BC"),
            ("-0043-03-15T00:00:00Z", "0044-03-15T00:00:00Z BC"),
            ("-infinity", "-infinity"),
            ("infinity", "infinity"),
        ] {
            assert_eq!(years_before_christ(own), server);
        }
    }

    #[test]
    fn fields_are_escaped() {
        let escaped = |text: &str| {
            let mut out = Vec::new();
            escape(text.as_bytes(), &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(escaped("a\tb\nc\rd\\e"), "a\\tb\\nc\\rd\\\\e");
        assert_eq!(escaped("\\N"), "\\\\N");
        assert_eq!(escaped("\\."), "\\\\.");
        assert_eq!(escaped(""), "");
    }
}
