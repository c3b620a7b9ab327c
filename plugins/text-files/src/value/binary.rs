//! Bytes written as text: `\x00ff` in hexadecimal digits, as PostgreSQL writes them, or base64 with padding.

use lockstep_plugin_sdk::batch::ColumnBuilder;

use super::ValueError;

pub(super) fn push_binary(column: &mut ColumnBuilder, text: &[u8]) -> Result<usize, ValueError> {
    let bytes = match text.strip_prefix(b"\\x") {
        Some(digits) => decode_hex(digits).ok_or_else(|| ValueError::new("not hexadecimal digits in pairs")),
        None => decode_base64(text).ok_or_else(|| ValueError::new("neither base64 nor `\\x` and hexadecimal digits")),
    }?;
    column.push_bytes(&bytes);
    Ok(bytes.len())
}

fn decode_hex(digits: &[u8]) -> Option<Vec<u8>> {
    let (pairs, odd) = digits.as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let decoded = pairs.iter().map(|[high, low]| Some((digit(*high)? << 4 | digit(*low)?) as u8)).collect();
    if odd.is_empty() { decoded } else { None }
}

/// RFC 4648 section 4, padded, without spaces, and with nothing in the bits that are left over.
fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    let (groups, rest) = text.as_chunks::<4>();
    if !rest.is_empty() {
        return None;
    }
    let mut bytes = Vec::with_capacity(groups.len() * 3);
    for (index, group) in groups.iter().enumerate() {
        let kept = match group {
            [_, _, b'=', b'='] => 1,
            [_, _, _, b'='] => 2,
            _ => 3,
        };
        if kept < 3 && index + 1 < groups.len() {
            return None;
        }
        bytes.extend_from_slice(decode_group(group, kept)?.get(..kept)?);
    }
    Some(bytes)
}

/// Three bytes, of which only so many count; the others must be zero.
fn decode_group(group: &[u8; 4], kept: usize) -> Option<[u8; 3]> {
    let mut bits = 0u32;
    for byte in group.iter().take(kept + 1) {
        bits = bits << 6 | sextet(*byte)?;
    }
    let [_, bytes @ ..] = (bits << (6 * (3 - kept))).to_be_bytes();
    bytes.iter().skip(kept).all(|byte| *byte == 0).then_some(bytes)
}

fn sextet(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_rfc_4648() {
        for (text, expected) in [
            ("", Some("")),
            ("Zg==", Some("f")),
            ("Zm8=", Some("fo")),
            ("Zm9v", Some("foo")),
            ("Zm9vYmFy", Some("foobar")),
            ("Zh==", None),
            ("Zg", None),
            ("Zg==Zg==", None),
            ("Zm9 ", None),
            ("====", None),
        ] {
            assert_eq!(decode_base64(text.as_bytes()).as_deref(), expected.map(str::as_bytes), "{text}");
        }
    }

    #[test]
    fn hexadecimal_digits() {
        assert_eq!(decode_hex(b"00fFa0"), Some(vec![0, 0xff, 0xa0]));
        assert_eq!(decode_hex(b"0"), None);
        assert_eq!(decode_hex(b"0g"), None);
    }
}
