//! Bytes as text: by their byte order mark, by what the header says, by their own declaration, and else as UTF-8.

use std::borrow::Cow;

/// The text of a document. None if it is not what it says it is, or something nobody writes any more.
pub fn decode<'b>(bytes: &'b [u8], content_type: &str) -> Option<Cow<'b, str>> {
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let (units, rest) = bytes.as_chunks::<2>();
        let text = String::from_utf16(&units.iter().map(|pair| unit(*pair)).collect::<Vec<u16>>()).ok();
        text.filter(|_| rest.is_empty()).map(Cow::Owned)
    };
    match bytes {
        [0xfe, 0xff, rest @ ..] => return utf16(rest, u16::from_be_bytes),
        [0xff, 0xfe, rest @ ..] => return utf16(rest, u16::from_le_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => return std::str::from_utf8(rest).ok().map(Cow::Borrowed),
        // A document begins with `<`, whose place tells the order.
        [0, b'<', ..] => return utf16(bytes, u16::from_be_bytes),
        [b'<', 0, ..] => return utf16(bytes, u16::from_le_bytes),
        _ => {}
    }
    let said = parameter(content_type, "charset").or_else(|| declared(bytes)).unwrap_or_default();
    match said.to_ascii_lowercase().as_str() {
        "iso-8859-1" | "latin1" => Some(bytes.iter().map(|byte| char::from(*byte)).collect::<String>().into()),
        "us-ascii" if !bytes.is_ascii() => None,
        // Whoever says UTF-16 and sends bytes that begin as a single-byte text does has forgotten to change one of the two.
        _ => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
    }
}

/// `text/xml; charset="utf-16"`
fn parameter(header: &str, name: &str) -> Option<String> {
    header.split(';').skip(1).find_map(|parameter| {
        let (known, value) = parameter.split_once('=')?;
        known.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
    })
}

/// `<?xml version="1.0" encoding="iso-8859-1"?>`
fn declared(bytes: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(bytes.get(..200.min(bytes.len()))?);
    let declaration = head.trim_start().strip_prefix("<?xml")?.split_once("?>")?.0.to_owned();
    let behind = declaration.split_once("encoding")?.1.trim_start().strip_prefix('=')?.trim_start();
    let quote = behind.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    behind.split(quote).nth(1).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(unit).collect()
    }

    #[test]
    fn a_text_is_read_as_what_it_says_it_is() {
        let text = "<?xml version='1.0' encoding='UTF-16'?><a>ü€𝄞</a>";
        let mark = "\u{feff}".to_owned() + text;
        for bytes in [
            utf16(&mark, u16::to_le_bytes),
            utf16(&mark, u16::to_be_bytes),
            utf16(text, u16::to_le_bytes),
            utf16(text, u16::to_be_bytes),
            mark.clone().into_bytes(),
            text.as_bytes().to_vec(),
        ] {
            for header in ["", "text/xml; charset=utf-16"] {
                assert_eq!(decode(&bytes, header).as_deref(), Some(text));
            }
        }
        let latin = b"<a>\xfc</a>";
        assert_eq!(decode(latin, "text/xml; charset=\"ISO-8859-1\"").as_deref(), Some("<a>ü</a>"));
        assert_eq!(
            decode(b"<?xml version=\"1.0\" encoding = 'iso-8859-1'?>\xfc", "").unwrap().chars().last(),
            Some('ü')
        );
        assert_eq!(decode(latin, "text/xml"), None);
    }

    #[test]
    fn half_a_character_is_none() {
        let lone = utf16("<a>x</a>", u16::to_le_bytes);
        assert_eq!(decode(&lone[..lone.len() - 1], ""), None);
        let mut broken = lone.clone();
        broken[6..8].copy_from_slice(&[0x00, 0xd8]);
        assert_eq!(decode(&broken, ""), None);
    }
}
