//! Reads JSON (RFC 8259), strictly, into positions: nothing is copied, and numbers stay the text they are.
//!
//! Must not know columns or types. Stricter than the standard where it leaves things open: a key occurs once in an object,
//! escapes make whole characters, and objects and arrays are nested at most [`DEPTH_MAX`] deep. The text must be UTF-8.

use std::borrow::Cow;

use crate::escape::{unescape, unicode_unit};
use crate::plain::plain_length;

/// Deeper nesting is nearly always a mistake, and costs stack in whatever reads it later.
pub const DEPTH_MAX: usize = 64;

/// Up to so many keys are compared with each other; more are sorted.
const COMPARED_KEYS_MAX: usize = 16;

/// A key and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    pub key: Text,
    pub value: Value,
}

/// The inside of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text {
    start: u32,
    end: u32,
    is_escaped: bool,
}

/// A value and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value {
    start: u32,
    end: u32,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Null,
    Bool(bool),
    /// Digits with an optional minus.
    Integer,
    /// A number with a fraction or an exponent.
    Number,
    Text(Text),
    Object,
    Array,
}

/// Why a text is not what was expected. Positions are bytes of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Something else was expected.
    Syntax {
        at: usize,
        expected: &'static str,
    },
    /// Another value than an object.
    NotAnObject,
    TooDeep {
        at: usize,
    },
    /// Half a surrogate pair.
    Surrogate {
        at: usize,
    },
    /// A key that is there already.
    DuplicateKey {
        key: Text,
    },
}

impl Kind {
    /// In a sentence: `a number`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Integer | Self::Number => "a number",
            Self::Text(_) => "a string",
            Self::Object => "an object",
            Self::Array => "an array",
        }
    }
}

impl Value {
    /// The value as it is written.
    #[inline]
    pub fn of(self, line: &[u8]) -> &[u8] {
        line.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

impl Text {
    /// As it is written, without the quotes.
    #[inline]
    pub fn raw(self, line: &[u8]) -> &[u8] {
        line.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// As it is meant.
    #[inline]
    pub fn of(self, line: &[u8]) -> Cow<'_, [u8]> {
        let raw = self.raw(line);
        if self.is_escaped { Cow::Owned(unescape(raw)) } else { Cow::Borrowed(raw) }
    }
}

/// Reads an object and appends its members. Whether keys occur twice among them is not looked at: [`find_duplicate`] does.
pub fn read_object(line: &[u8], members: &mut Vec<Member>) -> Result<(), Fault> {
    let mut scanner = Scanner::new(line);
    scanner.skip_space();
    if scanner.peek() != Some(b'{') {
        return match scanner.value(0) {
            Ok(_) => Err(Fault::NotAnObject),
            Err(fault) => Err(fault),
        };
    }
    scanner.members(1, |_, member| members.push(member))?;
    scanner.skip_space();
    if scanner.at < line.len() { Err(scanner.expected("nothing behind the object")) } else { Ok(()) }
}

/// A key that occurs twice.
pub fn find_duplicate(line: &[u8], keys: impl Iterator<Item = Text> + Clone) -> Option<Text> {
    if keys.clone().nth(COMPARED_KEYS_MAX).is_some() {
        return find_duplicate_sorted(keys.map(|key| (key.of(line), key)).collect());
    }
    let mut rest = keys;
    while let Some(key) = rest.next() {
        if rest.clone().any(|other| is_same(line, key, other)) {
            return Some(key);
        }
    }
    None
}

fn is_same(line: &[u8], one: Text, other: Text) -> bool {
    if one.is_escaped || other.is_escaped { one.of(line) == other.of(line) } else { one.raw(line) == other.raw(line) }
}

/// Once in the code, whoever asks: sorting takes room.
#[inline(never)]
fn find_duplicate_sorted(mut sorted: Vec<(Cow<'_, [u8]>, Text)>) -> Option<Text> {
    sorted.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    let mut pairs = sorted.iter().zip(sorted.iter().skip(1));
    pairs.find(|((one, _), (other, _))| one == other).map(|(_, (_, key))| *key)
}

pub(crate) struct Scanner<'a> {
    line: &'a [u8],
    pub(crate) at: usize,
    /// The keys of the nested objects that are being read.
    keys: Vec<Text>,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(line: &'a [u8]) -> Self {
        Self { line, at: 0, keys: Vec::new() }
    }

    pub(crate) fn line(&self) -> &'a [u8] {
        self.line
    }

    /// Goes back to where a value begins, to read it in another way.
    pub(crate) fn rewind(&mut self, at: usize) {
        self.at = at;
        self.keys.clear();
    }

    #[inline]
    pub(crate) fn peek(&self) -> Option<u8> {
        self.line.get(self.at).copied()
    }

    #[inline]
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    #[inline]
    pub(crate) fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    #[cold]
    pub(crate) fn expected(&self, expected: &'static str) -> Fault {
        Fault::Syntax { at: self.at, expected }
    }

    pub(crate) fn value(&mut self, depth: usize) -> Result<Value, Fault> {
        let start = self.at as u32;
        let kind = match self.peek() {
            Some(b'"') => Kind::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b'{' | b'[') if depth == DEPTH_MAX => return Err(Fault::TooDeep { at: self.at }),
            Some(b'{') => self.object(depth + 1)?,
            Some(b'[') => self.array(depth + 1)?,
            Some(b't') => self.word(b"true", Kind::Bool(true))?,
            Some(b'f') => self.word(b"false", Kind::Bool(false))?,
            Some(b'n') => self.word(b"null", Kind::Null)?,
            _ => return Err(self.expected("a value")),
        };
        Ok(Value { start, end: self.at as u32, kind })
    }

    fn word(&mut self, word: &'static [u8], kind: Kind) -> Result<Kind, Fault> {
        if !self.line.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            return Err(self.expected("a value"));
        }
        self.at += word.len();
        Ok(kind)
    }

    /// The members of an object whose brace is next.
    pub(crate) fn members(&mut self, depth: usize, mut found: impl FnMut(&mut Self, Member)) -> Result<(), Fault> {
        self.at += 1;
        self.skip_space();
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.expected("a key in quotes"));
            }
            let key = self.string()?;
            self.skip_space();
            if !self.take(b':') {
                return Err(self.expected("`:`"));
            }
            self.skip_space();
            let value = self.value(depth)?;
            found(self, Member { key, value });
            self.skip_space();
            if self.take(b'}') {
                return Ok(());
            }
            if !self.take(b',') {
                return Err(self.expected("`,` or `}`"));
            }
            self.skip_space();
        }
    }

    fn object(&mut self, depth: usize) -> Result<Kind, Fault> {
        let before = self.keys.len();
        self.members(depth, |scanner, member| scanner.keys.push(member.key))?;
        let keys = self.keys.get(before..).unwrap_or_default();
        if let Some(key) = find_duplicate(self.line, keys.iter().copied()) {
            return Err(Fault::DuplicateKey { key });
        }
        self.keys.truncate(before);
        Ok(Kind::Object)
    }

    fn array(&mut self, depth: usize) -> Result<Kind, Fault> {
        self.at += 1;
        self.skip_space();
        if self.take(b']') {
            return Ok(Kind::Array);
        }
        loop {
            self.skip_space();
            self.value(depth)?;
            self.skip_space();
            if self.take(b']') {
                return Ok(Kind::Array);
            }
            if !self.take(b',') {
                return Err(self.expected("`,` or `]`"));
            }
        }
    }

    fn number(&mut self) -> Result<Kind, Fault> {
        self.take(b'-');
        // A zero stands alone.
        if !self.take(b'0') {
            self.digits()?;
        }
        let mut kind = Kind::Integer;
        if self.take(b'.') {
            self.digits()?;
            kind = Kind::Number;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
            kind = Kind::Number;
        }
        Ok(kind)
    }

    /// One digit or more.
    #[inline]
    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.expected("a digit")) } else { Ok(()) }
    }

    /// The string whose quote is next.
    pub(crate) fn string(&mut self) -> Result<Text, Fault> {
        self.at += 1;
        let start = self.at as u32;
        let mut is_escaped = false;
        loop {
            self.at += plain_length(self.line.get(self.at..).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Text { start, end: self.at as u32 - 1, is_escaped });
                }
                Some(b'\\') => {
                    is_escaped = true;
                    self.escape()?;
                }
                Some(_) => return Err(self.expected("an escape instead of a control character")),
                None => return Err(self.expected("the end of the string")),
            }
        }
    }

    /// The escape whose backslash is next.
    fn escape(&mut self) -> Result<(), Fault> {
        match self.line.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 2;
                Ok(())
            }
            Some(b'u') => self.unicode_escape(),
            _ => Err(self.expected("an escape that exists")),
        }
    }

    fn unicode_escape(&mut self) -> Result<(), Fault> {
        let rest = self.line.get(self.at..).unwrap_or_default();
        let unit = unicode_unit(rest).ok_or_else(|| self.expected("an escape with four hexadecimal digits"))?;
        self.at += match unit {
            0xdc00..=0xdfff => return Err(Fault::Surrogate { at: self.at }),
            0xd800..=0xdbff => match rest.get(6..).and_then(unicode_unit) {
                Some(0xdc00..=0xdfff) => 12,
                _ => return Err(Fault::Surrogate { at: self.at }),
            },
            _ => 6,
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(line: &str) -> Result<Vec<(String, String)>, Fault> {
        let mut members = Vec::new();
        read_object(line.as_bytes(), &mut members)?;
        if let Some(key) = find_duplicate(line.as_bytes(), members.iter().map(|member| member.key)) {
            return Err(Fault::DuplicateKey { key });
        }
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let value = |value: Value| match value.kind {
            Kind::Text(inside) => text(&inside.of(line.as_bytes())),
            _ => text(value.of(line.as_bytes())),
        };
        Ok(members.into_iter().map(|member| (text(&member.key.of(line.as_bytes())), value(member.value))).collect())
    }

    fn check(line: &str, expected: &[(&str, &str)]) {
        let expected = expected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        assert_eq!(read(line), Ok(expected), "{line}");
    }

    fn refuse(line: &str, expected: Fault) {
        assert_eq!(read(line), Err(expected), "{line}");
    }

    #[test]
    fn values_stay_as_they_are_written() {
        check("{}", &[]);
        check(" { \"a\" : 12.50 , \"b\":[1, {\"c\":null}] }\r", &[("a", "12.50"), ("b", "[1, {\"c\":null}]")]);
        check("{\"a\":-0,\"b\":1e400,\"c\":true}", &[("a", "-0"), ("b", "1e400"), ("c", "true")]);
    }

    #[test]
    fn escapes_mean_characters() {
        check(r#"{"\u0061":"\"\\\/\b\f\n\r\t\u00fc\ud834\udd1e\u0000"}"#, &[("a", "\"\\/\u{8}\u{c}\n\r\tü𝄞\0")]);
    }

    #[test]
    fn what_is_not_an_object_is_refused() {
        for line in ["1", "\"a\"", "[{}]", "null", "true"] {
            refuse(line, Fault::NotAnObject);
        }
        let syntax = |at, expected| Fault::Syntax { at, expected };
        refuse("{\"a\":1}}", syntax(7, "nothing behind the object"));
        refuse("{\"a\":1} {\"a\":2}", syntax(8, "nothing behind the object"));
        refuse("{\"a\":01}", syntax(6, "`,` or `}`"));
        refuse("{\"a\":1.}", syntax(7, "a digit"));
        refuse("{\"a\":+1}", syntax(5, "a value"));
        refuse("{\"a\":NaN}", syntax(5, "a value"));
        refuse("{\"a\":1,}", syntax(7, "a key in quotes"));
        refuse("{\"a\" 1}", syntax(5, "`:`"));
        refuse("{\"a\":[1,]}", syntax(8, "a value"));
        refuse("{\"a\":\"x", syntax(7, "the end of the string"));
        refuse("{\"a\":\"\t\"}", syntax(6, "an escape instead of a control character"));
        refuse("{\"a\":\"\\x\"}", syntax(6, "an escape that exists"));
        refuse("{\"a\":\"\\u12\"}", syntax(6, "an escape with four hexadecimal digits"));
        refuse("{\"a\":1", syntax(6, "`,` or `}`"));
        refuse("", syntax(0, "a value"));
    }

    #[test]
    fn half_surrogate_pairs_are_refused() {
        for escape in [r"\ud800", r"\udc00", r"\ud800\ud800", r"\ud800x", r"\ud800\n"] {
            refuse(&format!("{{\"a\":[\"{escape}\"]}}"), Fault::Surrogate { at: 7 });
        }
    }

    #[test]
    fn nesting_has_a_limit() {
        let nested = |depth| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&nested(DEPTH_MAX - 1)).is_ok());
        refuse(&nested(DEPTH_MAX), Fault::TooDeep { at: 5 + DEPTH_MAX - 1 });
    }

    #[test]
    fn keys_occur_once() {
        for line in
            [r#"{"a":1,"b":2,"a":3}"#, r#"{"a":1,"\u0061":3}"#, r#"{"x":{"a":1,"a":1}}"#, r#"{"x":[{"":1,"":1}]}"#]
        {
            assert!(matches!(read(line), Err(Fault::DuplicateKey { .. })), "{line}");
        }
        let many: String = (0..100).map(|number| format!("\"{number}\":1,")).collect();
        assert!(read(&format!("{{{many}\"x\":1}}")).is_ok());
        assert!(matches!(read(&format!("{{{many}\"7\":1}}")), Err(Fault::DuplicateKey { .. })));
        assert!(read(r#"{"x":{"a":1},"y":{"a":1},"a":{}}"#).is_ok());
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            "\\PC{0,6}|[\"\\\\\n\u{1}\u{1f600}]{0,4}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                prop::collection::vec(("[a-c\"\n]{0,2}", inner), 0..4)
                    .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read(value in json()) {
            let line = format!("{{\"value\":{value}}}");
            let mut members = Vec::new();
            prop_assert_eq!(read_object(line.as_bytes(), &mut members), Ok(()));
            let found = members[0].value;
            let written = value.to_string();
            prop_assert_eq!(found.of(line.as_bytes()), written.as_bytes());
            if let (Kind::Text(text), Some(expected)) = (found.kind, value.as_str()) {
                prop_assert_eq!(&*text.of(line.as_bytes()), expected.as_bytes());
            }
        }

        #[test]
        fn nothing_is_read_that_others_refuse(line in "[\\[\\]{}:,\"a1 .e-]{0,20}|\\{\"a\":[-0-9.eE+]{1,8}\\}|\\{\"a\":\"[\\\\ud89c0-9a-f\"]{0,14}\"\\}") {
            let other: Result<serde_json::Map<String, serde_json::Value>, _> = serde_json::from_str(&line);
            match read(&line) {
                // The other reader has numbers only as far as a float goes.
                Ok(_) => prop_assert!(other.is_ok() || line.contains(['e', 'E']), "{}", line),
                Err(Fault::DuplicateKey { .. } | Fault::Surrogate { .. }) => {}
                Err(fault) => prop_assert!(other.is_err(), "{} {:?}", line, fault),
            }
        }
    }
}
