//! Encodings: everything becomes UTF-8 on its way in, and every position in the UTF-8 text leads back to a byte of the source.
//!
//! What is wrong in the source stays visible as bytes that are not UTF-8, of a length that still leads back: half a surrogate
//! pair becomes its three bytes of generalised UTF-8 (as in WTF-8), an odd byte at the end becomes `0xFF`.

use serde::Deserialize;

/// How a file is encoded.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// As the byte order mark says, else UTF-8.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    #[serde(rename = "utf-8")]
    Utf8,
    #[serde(rename = "utf-16le")]
    Utf16Le,
    #[serde(rename = "utf-16be")]
    Utf16Be,
    #[serde(rename = "latin-1")]
    Latin1,
    #[serde(rename = "windows-1252")]
    Windows1252,
}

impl Encoding {
    /// The encoding of a file that begins with these bytes, and the length of its byte order mark.
    pub fn resolve(self, head: &[u8]) -> (Self, usize) {
        let (marked, length) = match head {
            [0xef, 0xbb, 0xbf, ..] => (Self::Utf8, 3),
            [0xff, 0xfe, ..] => (Self::Utf16Le, 2),
            [0xfe, 0xff, ..] => (Self::Utf16Be, 2),
            _ => (Self::Utf8, 0),
        };
        match self {
            Self::Auto => (marked, length),
            declared if declared == marked => (declared, length),
            declared => (declared, 0),
        }
    }

    /// The bytes of the source that became this text.
    pub fn source_bytes(self, text: &[u8]) -> u64 {
        match self {
            Self::Auto | Self::Utf8 => text.len() as u64,
            Self::Latin1 | Self::Windows1252 => text.iter().filter(|byte| !is_continuation(**byte)).count() as u64,
            Self::Utf16Le | Self::Utf16Be => text.iter().map(|byte| utf16_bytes(*byte)).sum(),
        }
    }

    /// Where a character may begin at or before `offset`, seen from `origin`, which is the beginning of one.
    pub fn align(self, origin: u64, offset: u64) -> u64 {
        match self {
            Self::Utf16Le | Self::Utf16Be => offset - (offset.saturating_sub(origin) % 2),
            _ => offset,
        }
    }
}

fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

fn utf16_bytes(lead: u8) -> u64 {
    match lead {
        0x80..=0xbf => 0,
        0xf0..=0xf7 => 4,
        0xff => 1,
        _ => 2,
    }
}

/// Turns a source into UTF-8, piece by piece.
#[derive(Clone, Debug)]
pub struct Decoder {
    encoding: Encoding,
    /// A byte of UTF-16 whose other half has not come yet.
    half_unit: Option<u8>,
    /// The first half of a surrogate pair.
    high_surrogate: Option<u16>,
}

impl Decoder {
    pub fn new(encoding: Encoding) -> Self {
        Self { encoding, half_unit: None, high_surrogate: None }
    }

    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Appends the text of the next piece.
    pub fn decode(&mut self, source: &[u8], text: &mut Vec<u8>) {
        match self.encoding {
            Encoding::Auto | Encoding::Utf8 => text.extend_from_slice(source),
            Encoding::Latin1 => decode_single_bytes(source, text, u16::from),
            Encoding::Windows1252 => decode_single_bytes(source, text, windows_1252),
            Encoding::Utf16Le => self.decode_units(source, text, u16::from_le_bytes),
            Encoding::Utf16Be => self.decode_units(source, text, u16::from_be_bytes),
        }
    }

    /// Appends what is left at the end of the source.
    pub fn finish(&mut self, text: &mut Vec<u8>) {
        self.flush_surrogate(text);
        if self.half_unit.take().is_some() {
            text.push(0xff);
        }
    }

    fn decode_units(&mut self, source: &[u8], text: &mut Vec<u8>, unit: fn([u8; 2]) -> u16) {
        let mut rest = source;
        if let (Some(first), [second, behind @ ..]) = (self.half_unit, rest) {
            self.half_unit = None;
            self.push_unit(unit([first, *second]), text);
            rest = behind;
        }
        let (units, odd) = rest.as_chunks::<2>();
        for bytes in units {
            self.push_unit(unit(*bytes), text);
        }
        self.half_unit = odd.first().copied().or(self.half_unit);
    }

    #[inline]
    fn push_unit(&mut self, unit: u16, text: &mut Vec<u8>) {
        if unit < 0x80 && self.high_surrogate.is_none() {
            return text.push(unit as u8);
        }
        self.push_rare_unit(unit, text);
    }

    fn push_rare_unit(&mut self, unit: u16, text: &mut Vec<u8>) {
        match (self.high_surrogate, unit) {
            (Some(high), 0xdc00..=0xdfff) => {
                self.high_surrogate = None;
                let code = 0x10000 + ((u32::from(high) - 0xd800) << 10) + (u32::from(unit) - 0xdc00);
                push_code(code, text);
            }
            (_, 0xd800..=0xdbff) => {
                self.flush_surrogate(text);
                self.high_surrogate = Some(unit);
            }
            _ => {
                self.flush_surrogate(text);
                push_code(u32::from(unit), text);
            }
        }
    }

    fn flush_surrogate(&mut self, text: &mut Vec<u8>) {
        if let Some(high) = self.high_surrogate.take() {
            push_code(u32::from(high), text);
        }
    }
}

fn decode_single_bytes(source: &[u8], text: &mut Vec<u8>, code: impl Fn(u8) -> u16) {
    text.reserve(source.len());
    for byte in source {
        if byte.is_ascii() { text.push(*byte) } else { push_code(u32::from(code(*byte)), text) }
    }
}

/// Appends a code point, half surrogate pairs included, as UTF-8 would write it.
fn push_code(code: u32, text: &mut Vec<u8>) {
    let continuation = |shift: u32| 0x80 | (code >> shift & 0x3f) as u8;
    match code {
        0..0x80 => text.push(code as u8),
        0x80..0x800 => text.extend([0xc0 | (code >> 6) as u8, continuation(0)]),
        0x800..0x10000 => text.extend([0xe0 | (code >> 12) as u8, continuation(6), continuation(0)]),
        _ => text.extend([0xf0 | (code >> 18) as u8, continuation(12), continuation(6), continuation(0)]),
    }
}

/// The characters of 0x80 to 0x9F; the five that Windows does not define are the control characters of Latin-1, as the WHATWG
/// encoding standard has it.
const WINDOWS_1252_HIGH: [u16; 32] = [
    0x20ac, 0x81, 0x201a, 0x192, 0x201e, 0x2026, 0x2020, 0x2021, 0x2c6, 0x2030, 0x160, 0x2039, 0x152, 0x8d, 0x17d,
    0x8f, 0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x2dc, 0x2122, 0x161, 0x203a, 0x153, 0x9d,
    0x17e, 0x178,
];

fn windows_1252(byte: u8) -> u16 {
    let high = usize::from(byte).checked_sub(0x80).and_then(|index| WINDOWS_1252_HIGH.get(index));
    high.copied().unwrap_or(u16::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(encoding: Encoding, source: &[u8], piece: usize) -> Vec<u8> {
        let mut decoder = Decoder::new(encoding);
        let mut text = Vec::new();
        for part in source.chunks(piece.max(1)) {
            decoder.decode(part, &mut text);
        }
        decoder.finish(&mut text);
        text
    }

    fn check(encoding: Encoding, source: &[u8], expected: &str) {
        assert_eq!(String::from_utf8(decode(encoding, source, 100)).unwrap(), expected);
    }

    #[test]
    fn single_bytes() {
        check(Encoding::Latin1, b"Z\xfcrich", "Zürich");
        check(Encoding::Windows1252, b"\x80 5 \x96 \x81", "€ 5 – \u{81}");
    }

    #[test]
    fn byte_order_marks() {
        assert_eq!(Encoding::Auto.resolve(b"\xef\xbb\xbfa"), (Encoding::Utf8, 3));
        assert_eq!(Encoding::Auto.resolve(b"\xff\xfea\0"), (Encoding::Utf16Le, 2));
        assert_eq!(Encoding::Auto.resolve(b"\xfe\xff\0a"), (Encoding::Utf16Be, 2));
        assert_eq!(Encoding::Auto.resolve(b"a"), (Encoding::Utf8, 0));
        assert_eq!(Encoding::Utf8.resolve(b"\xef\xbb\xbfa"), (Encoding::Utf8, 3));
        assert_eq!(Encoding::Latin1.resolve(b"\xff\xfe"), (Encoding::Latin1, 0));
    }

    #[test]
    fn what_is_not_utf16_is_not_utf8() {
        for source in [&b"a\0\x00\xd8"[..], b"\x00\xd8a\0", b"\x00\xdc", b"a\0b"] {
            let text = decode(Encoding::Utf16Le, source, 3);
            assert!(String::from_utf8(text.clone()).is_err(), "{source:?}");
            assert_eq!(Encoding::Utf16Le.source_bytes(&text), source.len() as u64);
        }
    }

    proptest! {
        #[test]
        fn utf16_round_trips_whatever_the_pieces(text in "\\PC{0,40}", piece in 1usize..7) {
            let units: Vec<u16> = text.encode_utf16().collect();
            let le: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
            let be: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
            prop_assert_eq!(decode(Encoding::Utf16Le, &le, piece), text.as_bytes());
            prop_assert_eq!(decode(Encoding::Utf16Be, &be, piece), text.as_bytes());
        }

        #[test]
        fn positions_lead_back_to_the_source(source in prop::collection::vec(any::<u8>(), 0..60), piece in 1usize..7) {
            for encoding in [Encoding::Utf8, Encoding::Utf16Le, Encoding::Utf16Be, Encoding::Latin1, Encoding::Windows1252] {
                let text = decode(encoding, &source, piece);
                prop_assert_eq!(encoding.source_bytes(&text), source.len() as u64);
            }
        }
    }
}
