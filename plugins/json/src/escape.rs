//! Escapes in strings of JSON.

/// The number in `\u00fc`.
pub fn unicode_unit(text: &[u8]) -> Option<u32> {
    let [b'\\', b'u', digits @ ..] = text.first_chunk::<6>()? else { return None };
    digits.iter().try_fold(0, |unit, byte| Some(unit << 4 | char::from(*byte).to_digit(16)?))
}

/// The characters that are meant by the inside of a string that has been read.
pub fn unescape(raw: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(index) = memchr::memchr(b'\\', rest) {
        let (plain, escape) = rest.split_at(index);
        text.extend_from_slice(plain);
        let (character, length) = escaped_character(escape);
        text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        rest = escape.get(length..).unwrap_or_default();
    }
    text.extend_from_slice(rest);
    text
}

/// The character that an escape means, and how long the escape is.
fn escaped_character(escape: &[u8]) -> (char, usize) {
    let short = |character| (character, 2);
    match escape.get(1) {
        Some(b'b') => short('\u{8}'),
        Some(b'f') => short('\u{c}'),
        Some(b'n') => short('\n'),
        Some(b'r') => short('\r'),
        Some(b't') => short('\t'),
        Some(b'u') => unicode_character(escape),
        Some(byte) => short(char::from(*byte)),
        None => ('\\', 1),
    }
}

fn unicode_character(escape: &[u8]) -> (char, usize) {
    let unit = unicode_unit(escape).unwrap_or_default();
    if let Some(character) = char::from_u32(unit) {
        return (character, 6);
    }
    let low = escape.get(6..).and_then(unicode_unit).unwrap_or_default();
    let code = 0x10000 + ((unit & 0x3ff) << 10) + (low & 0x3ff);
    (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12)
}
