//! Takes secrets out of what an upstream sends back: as they are, in base64 wherever they stand in it, percent-encoded, and with the
//! escapes of JSON and HTML, also within each other. What is found is overwritten with `*`, so that lengths and structure stay.
//!
//! It is a safety net, not a wall: whoever wants to hand a secret to a plugin can encode it in a way nobody thought of.

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Shorter secrets are words that stand in other people's data too; to overwrite those would do more harm.
pub const SCRUBBED_BYTES_MIN: usize = 8;
/// A text in base64 goes on at both ends of what certainly belongs to the secret.
const BASE64_EDGE: usize = 4;
/// Escapes within escapes that are undone: a document in a text of a document in a text.
const LAYERS_MAX: usize = 4;
const MASK: u8 = b'*';

/// Finds a set of secrets.
#[derive(Debug, Default)]
pub struct Scrubber {
    finder: Option<AhoCorasick>,
    /// By needle: how many characters around it may belong to it too.
    edges: Vec<usize>,
}

impl Scrubber {
    pub fn new<'a>(secrets: impl Iterator<Item = &'a str>) -> Self {
        let mut needles: Vec<(Vec<u8>, usize)> = secrets.flat_map(needles).collect();
        needles.sort_unstable();
        needles.dedup();
        let finder = AhoCorasick::new(needles.iter().map(|(needle, _)| needle)).ok().filter(|_| !needles.is_empty());
        Self { finder, edges: needles.into_iter().map(|(_, edge)| edge).collect() }
    }

    /// Whether anything was found.
    pub fn scrub(&self, bytes: &mut [u8]) -> bool {
        let Some(finder) = &self.finder else { return false };
        let mut found = Vec::new();
        self.find(finder, bytes, |at| at, &mut found);
        for undo in [View::percent, View::json, View::xml] {
            self.find_beneath(finder, bytes, undo, &mut found);
        }
        for (start, end) in &found {
            if let Some(range) = bytes.get_mut(*start..*end) {
                range.fill(MASK);
            }
        }
        !found.is_empty()
    }

    pub fn scrub_text(&self, text: String) -> String {
        let mut bytes = text.into_bytes();
        self.scrub(&mut bytes);
        // A secret is whole characters; what is overwritten is, too, except for escapes cut at an edge.
        String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }

    /// Undoes one kind of escapes, layer by layer.
    fn find_beneath(
        &self,
        finder: &AhoCorasick,
        bytes: &[u8],
        undo: fn(&[u8]) -> Option<View>,
        found: &mut Vec<(usize, usize)>,
    ) {
        let mut views: Vec<View> = Vec::new();
        while views.len() < LAYERS_MAX
            && let Some(view) = undo(views.last().map_or(bytes, |view| &view.decoded))
        {
            let origin = |at| views.iter().rev().fold(view.origin(at), |at, above| above.origin(at));
            self.find(finder, &view.decoded, origin, found);
            views.push(view);
        }
    }

    fn find(
        &self,
        finder: &AhoCorasick,
        haystack: &[u8],
        origin: impl Fn(usize) -> usize,
        found: &mut Vec<(usize, usize)>,
    ) {
        // Most of what is looked through holds nothing, and this is the fastest way to see it.
        if !finder.is_match(haystack) {
            return;
        }
        for hit in finder.find_overlapping_iter(haystack) {
            let edge = self.edges.get(hit.pattern().as_usize()).copied().unwrap_or(0);
            let before = haystack.get(..hit.start()).unwrap_or_default().iter().rev();
            let after = haystack.get(hit.end()..).unwrap_or_default().iter();
            let start = hit.start() - before.take(edge).take_while(|byte| is_base64(**byte)).count();
            let end = hit.end() + after.take(edge).take_while(|byte| is_base64(**byte)).count();
            found.push((origin(start), origin(end)));
        }
    }
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=')
}

/// The forms of a secret that no decoding of the whole text undoes.
fn needles(secret: &str) -> Vec<(Vec<u8>, usize)> {
    if secret.len() < SCRUBBED_BYTES_MIN {
        return Vec::new();
    }
    let html = secret
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;");
    let plain = [secret.to_owned(), secret.replace(' ', "+"), html.replace("&#39;", "&#x27;"), html];
    let wide = |unit: fn(u16) -> [u8; 2]| (secret.encode_utf16().flat_map(unit).collect(), 0);
    let wide: [(Vec<u8>, usize); 2] = [wide(u16::to_le_bytes), wide(u16::to_be_bytes)];
    let encoded = (0..3).flat_map(|offset| base64_forms(secret.as_bytes(), offset));
    plain
        .into_iter()
        .map(|needle| (needle.into_bytes(), 0))
        .chain(wide)
        .chain(encoded.map(|form| (form, BASE64_EDGE)))
        .collect()
}

/// The characters that depend on the secret alone if it stands `offset` bytes behind the beginning of a group of three.
fn base64_forms(secret: &[u8], offset: usize) -> Vec<Vec<u8>> {
    let padded = [vec![0; offset].as_slice(), secret].concat();
    let first = (offset * 8).div_ceil(6);
    let last = padded.len() * 8 / 6;
    let inner = |text: String| text.as_bytes().get(first..last).unwrap_or_default().to_vec();
    [inner(STANDARD_NO_PAD.encode(&padded)), inner(URL_SAFE_NO_PAD.encode(&padded))].into()
}

/// A text with its escapes undone, and where each of its bytes came from.
struct View {
    decoded: Vec<u8>,
    /// From this byte on, the origin is as far ahead as at the second position: one entry per escape.
    jumps: Vec<(usize, usize)>,
}

impl View {
    /// None if there is nothing to undo.
    fn percent(bytes: &[u8]) -> Option<Self> {
        Self::of(bytes, b'%', |rest| match rest {
            [_, high, low, ..] => Some((vec![hex(&[*high, *low])? as u8], 3)),
            _ => None,
        })
    }

    fn json(bytes: &[u8]) -> Option<Self> {
        Self::of(bytes, b'\\', |rest| match rest {
            [_, b'u', code @ ..] => {
                let c = char::from_u32(hex(code.get(..4)?)?)?;
                Some((c.to_string().into_bytes(), 6))
            }
            [_, b'n', ..] => Some((vec![b'\n'], 2)),
            [_, b'r', ..] => Some((vec![b'\r'], 2)),
            [_, b't', ..] => Some((vec![b'\t'], 2)),
            [_, escaped @ (b'"' | b'\\' | b'/'), ..] => Some((vec![*escaped], 2)),
            _ => None,
        })
    }

    /// Characters by their numbers; those with names are needles of their own.
    fn xml(bytes: &[u8]) -> Option<Self> {
        Self::of(bytes, b'&', |rest| {
            let end = rest.iter().take(10).position(|byte| *byte == b';')?;
            let number = std::str::from_utf8(rest.get(..end)?).ok()?.strip_prefix("&#")?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            };
            Some((char::from_u32(code)?.to_string().into_bytes(), end + 1))
        })
    }

    /// `undo` is given the text from a mark on; it answers what that means and how long it is.
    fn of(bytes: &[u8], mark: u8, undo: impl Fn(&[u8]) -> Option<(Vec<u8>, usize)>) -> Option<Self> {
        let mut view = Self { decoded: Vec::new(), jumps: vec![(0, 0)] };
        let mut rest = bytes;
        let mut at = 0;
        while let Some(plain) = rest.iter().position(|byte| *byte == mark) {
            let (before, escape) = rest.split_at(plain);
            view.decoded.extend_from_slice(before);
            let (meant, length) = undo(escape).unwrap_or((vec![mark], 1));
            view.decoded.extend(meant);
            at += plain + length;
            if length > 1 {
                view.jumps.push((view.decoded.len(), at));
            }
            rest = escape.get(length..).unwrap_or_default();
        }
        view.decoded.extend_from_slice(rest);
        (view.jumps.len() > 1).then_some(view)
    }

    /// Where a byte of the decoded text came from. A position just behind an escape is the one behind all of it.
    fn origin(&self, at: usize) -> usize {
        let jump = self.jumps.partition_point(|(decoded, _)| *decoded <= at).saturating_sub(1);
        let (decoded, origin) = self.jumps.get(jump).copied().unwrap_or((0, 0));
        origin + (at - decoded.min(at))
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u32::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    use proptest::prelude::*;

    fn scrubbed(secret: &str, text: &str) -> String {
        Scrubber::new([secret].into_iter()).scrub_text(text.to_owned())
    }

    fn check(text: &str, expected: &str) {
        assert_eq!(scrubbed("s3cr&t/\"tök en", text), expected, "{text}");
    }

    #[test]
    fn every_form_is_found() {
        check("Bearer s3cr&t/\"tök en.", "Bearer ***************.");
        check("q=s3cr%26t%2F%22t%C3%B6k%20en&x=1", "q=***************************&x=1");
        check("q=s3cr%26t%2f%22t%c3%b6k+en", "q=*************************");
        check(r#"{"a":"s3cr&t\/\"t\u00f6k en"}"#, r#"{"a":"*********************"}"#);
        check(r#"{"a":"s3cr&t/\"tök en"}"#, r#"{"a":"****************"}"#);
        check("<p>s3cr&amp;t/&quot;tök en</p>", "<p>************************</p>");
        check("<p>&#115;3cr&#x26;t/&#34;tök en</p>", "<p>*****************************</p>");
        check("nothing of this kind", "nothing of this kind");
    }

    #[test]
    fn wide_characters_are_found() {
        for unit in [u16::to_le_bytes, u16::to_be_bytes] {
            let mut bytes: Vec<u8> = "<a>correct horse</a>".encode_utf16().flat_map(unit).collect();
            assert!(Scrubber::new(["correct horse"].into_iter()).scrub(&mut bytes));
            assert_eq!(bytes[6..32], [MASK; 26]);
        }
    }

    #[test]
    fn base64_is_found_wherever_the_secret_stands_in_it() {
        for before in ["", "a", "ab", "user:", "Bearer "] {
            for after in ["", "x", "yz", ":rest of a longer text"] {
                let text = format!("{before}correct horse battery{after}");
                for encoded in [STANDARD.encode(&text), URL_SAFE.encode(&text), STANDARD_NO_PAD.encode(&text)] {
                    let left = scrubbed("correct horse battery", &encoded);
                    let stars = left.bytes().filter(|byte| *byte == MASK).count();
                    assert!(stars >= 28, "{before}|{after}: {left}");
                }
            }
        }
    }

    #[test]
    fn escapes_within_escapes_are_undone() {
        let secret = "s3cr&t/\"tök\\en";
        for layers in 1..=LAYERS_MAX {
            let (mut json, mut percent, mut slashed) = (secret.to_owned(), secret.to_owned(), secret.to_owned());
            for _ in 0..layers {
                json = serde_json::json!({ "body": json }).to_string();
                slashed = serde_json::json!([slashed]).to_string().replace('/', "\\/").replace('ö', "\\u00f6");
                percent = percent.bytes().map(|byte| format!("%{byte:02x}")).collect();
            }
            for text in [json, slashed, percent] {
                let left = scrubbed(secret, &text);
                assert!(left.contains(&"*".repeat(secret.len())) && !left.contains("3cr"), "{layers}: {text}: {left}");
            }
        }
    }

    #[test]
    fn short_secrets_and_other_text_are_left_alone() {
        assert_eq!(scrubbed("shop", "the shop's shop"), "the shop's shop");
        assert_eq!(scrubbed("customer-key", "customer"), "customer");
    }

    #[test]
    fn broken_escapes_do_no_harm() {
        for text in ["%", "%4", "%zz%", "\\", "\\u12", "\\ud800", "%73ecret-token", "\\u0073ecret-token"] {
            let left = scrubbed("secret-token", text);
            assert_eq!(left.len(), text.len());
            assert!(!left.contains("ecret-token"), "{left}");
        }
    }

    /// A byte in one of the ways an upstream might write it.
    fn written(byte: u8, way: u8) -> String {
        match way {
            0 => format!("%{byte:02X}"),
            1 => format!("%{byte:02x}"),
            _ => char::from(byte).to_string(),
        }
    }

    proptest! {
        #[test]
        fn no_mixture_of_encodings_gets_through(
            secret in "[!-~]{8,40}",
            ways in prop::collection::vec(0u8..3, 40),
            before in "[a-z ]{0,10}",
            after in "[a-z ]{0,10}",
        ) {
            prop_assume!(!secret.contains(['%', '\\']));
            let inner: String = secret.bytes().zip(&ways).map(|(byte, way)| written(byte, *way)).collect();
            let expected = format!("{before}{}{after}", "*".repeat(inner.len()));
            prop_assert_eq!(scrubbed(&secret, &format!("{before}{inner}{after}")), expected);
        }

        #[test]
        fn json_is_found_however_it_is_written(secret in "\\PC{8,20}", escaped in any::<bool>()) {
            prop_assume!(secret.len() >= SCRUBBED_BYTES_MIN && !secret.contains('%'));
            let mut text = serde_json::to_string(&secret).unwrap();
            if escaped {
                text = secret.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
                prop_assume!(secret.chars().all(|c| c.len_utf16() == 1));
            }
            let left = scrubbed(&secret, &text);
            prop_assert!(left.trim_matches('"').bytes().all(|byte| byte == MASK), "{}", left);
        }

        #[test]
        fn what_holds_no_secret_is_not_touched(text in "\\PC{0,200}") {
            let scrubber = Scrubber::new(["a secret nobody writes"].into_iter());
            prop_assert_eq!(scrubber.scrub_text(text.clone()), text);
        }

        #[test]
        fn nothing_panics_and_no_length_changes(secret in "\\PC{0,20}", mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let length = bytes.len();
            Scrubber::new([secret.as_str()].into_iter()).scrub(&mut bytes);
            prop_assert_eq!(bytes.len(), length);
        }
    }
}
