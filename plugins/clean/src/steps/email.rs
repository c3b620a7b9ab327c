//! E-mail addresses: RFC 5321's form, with letters of any language (RFC 6531). Only what cannot be an address is refused:
//! whether somebody reads it, no syntax tells.

use lockstep_plugin_sdk::types::BytesColumn;

use super::{Outcome, space};
use crate::config::LocalPart;
use crate::facts::{Facts, Survey};

/// Bytes of the part before the `@` (RFC 5321, 4.5.3.1.1).
const LOCAL_MAX: usize = 64;
/// Bytes of the domain (RFC 5321, 4.5.3.1.2).
const DOMAIN_MAX: usize = 255;
/// Bytes of a label of the domain (RFC 1035, 2.3.4).
const LABEL_MAX: usize = 63;

/// The address without white space around it and with its domain in lower case (ASCII letters; names of other letters are left
/// alone). Empty text stays as it is.
pub fn normalize(text: &str, local: LocalPart, out: &mut String) -> Result<Outcome, &'static str> {
    let kept = space::trimmed(text);
    let address = text.get(kept.clone()).unwrap_or_default();
    if address.is_empty() {
        return Ok(space::trim(text));
    }
    let (name, domain) = address.rsplit_once('@').ok_or("is no e-mail address: it has no `@`")?;
    check_local(name)?;
    check_domain(domain)?;
    let has_upper = |part: &str| part.bytes().any(|byte| byte.is_ascii_uppercase());
    let lowers_name = local == LocalPart::Lower && has_upper(name);
    if !lowers_name && !has_upper(domain) {
        return Ok(if kept.len() == text.len() { Outcome::Same } else { Outcome::Part(kept) });
    }
    out.push_str(address);
    let changed = if lowers_name { Some(out.as_mut_str()) } else { out.get_mut(name.len()..) };
    if let Some(changed) = changed {
        changed.make_ascii_lowercase();
    }
    Ok(Outcome::Written)
}

/// Marks the rows whose values are not certain to be addresses in their form. The survey knows where something is not plain; where
/// nothing is, only `@`s have to be counted.
#[inline(never)]
pub fn mark(values: &BytesColumn, survey: &Survey, local: LocalPart, marks: &mut [u8]) {
    let BytesColumn { offsets, data } = values;
    let mut ats = memchr::memchr_iter(b'@', data).peekable();
    let mut odd = survey.blocks_with(Facts::NOT_PLAIN).peekable();
    for (mark, pair) in marks.iter_mut().zip(offsets.windows(2)) {
        let &[start, end] = pair else { continue };
        let (mut count, mut at) = (0, start as usize);
        while let Some(found) = ats.next_if(|found| *found < end as usize) {
            (count, at) = (count + 1, found);
        }
        while odd.next_if(|block| block.end <= start).is_some() {}
        let is_odd = odd.peek().is_some_and(|block| block.start < end);
        let bytes = data.get(start as usize..end as usize).unwrap_or_default();
        let is_clean = || match is_odd {
            true => is_clean(bytes, local),
            false => count == 1 && is_clean_around(bytes, at - start as usize),
        };
        *mark |= u8::from(!bytes.is_empty() && !is_clean());
    }
}

/// Whether plain text, in which separators stand alone, is an address with its `@` there.
fn is_clean_around(plain: &[u8], at: usize) -> bool {
    let is_end = |byte: Option<&u8>| byte.is_some_and(|byte| !matches!(byte, b'.' | b'-'));
    let domain = plain.len().saturating_sub(at + 1);
    (1..=LOCAL_MAX).contains(&at) && (1..=LABEL_MAX).contains(&domain) && is_end(plain.first()) && is_end(plain.last())
}

/// Whether this is a plain address in its form: ASCII, without quotes, brackets and two separators in a row. A clean address may
/// be of another kind.
#[inline(never)]
pub fn is_clean(bytes: &[u8], local: LocalPart) -> bool {
    let Some(at) = bytes.iter().position(|byte| *byte == b'@') else { return false };
    let (name, domain) = bytes.split_at(at);
    let domain = domain.get(1..).unwrap_or_default();
    let fits = (1..=LOCAL_MAX).contains(&name.len()) && (1..=LABEL_MAX).contains(&domain.len());
    let kept = if local == LocalPart::Keep { CAPITAL } else { 0 };
    fits && is_plain(name, SMALL | SIGN | DOT | HYPHEN | kept, DOT)
        && is_plain(domain, SMALL | DOT | HYPHEN, DOT | HYPHEN)
}

/// Whether all bytes are of the allowed classes, and separators stand alone between others.
fn is_plain(part: &[u8], allowed: u8, separators: u8) -> bool {
    let mut before = separators;
    // Without a branch for each byte.
    let mut is_plain = |bytes: &[u8]| {
        bytes.iter().fold(true, |is_plain, byte| {
            let class = CLASSES.get(usize::from(*byte)).copied().unwrap_or_default();
            let stands_alone = (class & separators == 0) | (before & separators == 0);
            before = class;
            is_plain & (class & allowed != 0) & stands_alone
        })
    };
    let (blocks, rest) = part.as_chunks::<8>();
    blocks.iter().all(|block| is_plain(block)) && is_plain(rest) && before & separators == 0
}

const SMALL: u8 = 1;
const CAPITAL: u8 = 2;
const DOT: u8 = 4;
const HYPHEN: u8 = 8;
const SIGN: u8 = 16;

/// What a byte is in an address; nothing is 0.
static CLASSES: [u8; 256] = classes();

#[allow(clippy::indexing_slicing, reason = "evaluated while compiling")]
const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 128 {
        classes[byte] = match byte as u8 {
            b'a'..=b'z' | b'0'..=b'9' => SMALL,
            b'A'..=b'Z' => CAPITAL,
            b'.' => DOT,
            b'-' => HYPHEN,
            b'!' | b'#'..=b'\'' | b'*' | b'+' | b'/' | b'=' | b'?' | b'^'..=b'`' | b'{'..=b'~' => SIGN,
            _ => 0,
        };
        byte += 1;
    }
    classes
}

fn check_local(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name.len() > LOCAL_MAX {
        return Err("is no e-mail address: the part before the `@` is empty or too long");
    }
    if let Some(quoted) = name.strip_prefix('"') {
        return check_quoted(quoted);
    }
    let mut before = b'.';
    for byte in name.bytes() {
        if !is_local(byte) || (byte == b'.' && before == b'.') {
            return Err("is no e-mail address: the part before the `@` has a character that cannot be there");
        }
        before = byte;
    }
    if before == b'.' { Err("is no e-mail address: there is a dot before the `@`") } else { check_spaces(name) }
}

/// RFC 5322's `atext`, the dot, and everything beyond ASCII.
fn is_local(byte: u8) -> bool {
    byte >= 0x80 || CLASSES.get(usize::from(byte)).is_some_and(|class| *class != 0)
}

/// `"john doe"@example.com`: anything printable, with a backslash before quotes and backslashes.
fn check_quoted(rest: &str) -> Result<(), &'static str> {
    const REASON: &str = "is no e-mail address: its quotes do not fit";
    let inside = rest.strip_suffix('"').ok_or(REASON)?;
    let mut bytes = inside.bytes();
    while let Some(byte) = bytes.next() {
        let fits = match byte {
            b'\\' => bytes.next().is_some_and(|escaped| (b' '..0x7f).contains(&escaped)),
            b'"' => false,
            byte => byte >= b' ' && byte != 0x7f,
        };
        if !fits {
            return Err(REASON);
        }
    }
    Ok(())
}

fn check_domain(domain: &str) -> Result<(), &'static str> {
    if domain.is_empty() || domain.len() > DOMAIN_MAX {
        return Err("is no e-mail address: the domain is empty or too long");
    }
    if let Some(literal) = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let fits =
            !literal.is_empty() && literal.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:-".contains(&byte));
        return if fits { Ok(()) } else { Err("is no e-mail address: what is in brackets is no network address") };
    }
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        (1..=LABEL_MAX).contains(&bytes.len())
            && bytes.first() != Some(&b'-')
            && bytes.last() != Some(&b'-')
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-' || *byte >= 0x80)
    };
    if domain.split('.').all(is_label) {
        check_spaces(domain)
    } else {
        Err("is no e-mail address: the domain cannot be a domain")
    }
}

/// White space and control characters beyond ASCII; those of ASCII were refused before.
fn check_spaces(part: &str) -> Result<(), &'static str> {
    let odd = |character: char| character.is_whitespace() || character.is_control();
    if !part.is_ascii() && part.contains(odd) {
        return Err("is no e-mail address: it has a space or a control character inside");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::shown;
    use super::super::{Fallback, fall_back};
    use super::*;

    fn check(text: &str, local: LocalPart) -> String {
        shown(text, |text, out| fall_back(normalize(text, local, out), Fallback::Reject, ""))
    }

    #[test]
    fn addresses_are_brought_into_form() {
        for (text, expected) in [
            ("John.Doe@Example.COM", "John.Doe@example.com"),
            (" a@b.c\u{a0}", "a@b.c"),
            ("\tA@B.c ", "A@b.c"),
            ("a@b.c", "a@b.c"),
            ("o'brien+tag@x-y.example", "o'brien+tag@x-y.example"),
            ("\"john @ doe\"@EXAMPLE.com", "\"john @ doe\"@example.com"),
            ("müller@Bücher.Example", "müller@bücher.example"),
            ("root@[192.168.0.1]", "root@[192.168.0.1]"),
            ("root@localhost", "root@localhost"),
            ("", ""),
            ("  ", ""),
        ] {
            assert_eq!(check(text, LocalPart::Keep), expected, "{text}");
        }
        assert_eq!(check("John@Example.com", LocalPart::Lower), "john@example.com");
        assert_eq!(check("ÄB@x.y", LocalPart::Lower), "Äb@x.y");
    }

    #[test]
    fn what_cannot_be_an_address_is_refused() {
        for text in [
            "a",
            "@",
            "a@",
            "@b.c",
            "a b@c.d",
            "a@b..c",
            "a@.b",
            "a@b.",
            "a@-b.c",
            "a@b-.c",
            ".a@b.c",
            "a.@b.c",
            "a..b@c.d",
            "a@b@c.d",
            "Joe <joe@x.y>",
            "a@b_c.d",
            "a\u{a0}b@c.d",
            "a@b\u{2003}c.d",
            "\"a@b.c",
            "a@[]",
            "a@[x y]",
            "a,b@c.d",
            "a\tb@c.d",
        ] {
            assert!(check(text, LocalPart::Keep).starts_with("!is no e-mail address: "), "{text}");
        }
        assert!(check(&format!("{}@x.y", "a".repeat(65)), LocalPart::Keep).starts_with('!'));
        assert!(check(&format!("a@{}.y", "b".repeat(64)), LocalPart::Keep).starts_with('!'));
    }
}
