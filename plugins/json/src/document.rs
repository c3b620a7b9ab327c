//! A document gone through from front to end, without a tree: whoever reads it says what to do with each member and element.

use std::ops::Range;

use crate::scan::{Fault, Kind, Member, Scanner, Text, Value};

/// How deep records stand in a document: their own nesting has the rest of the limit.
const RECORD_DEPTH: usize = 4;

/// A document and where in it we are.
pub struct Document<'a>(Scanner<'a>);

/// An element of a list that ought to be an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Element {
    /// Its members were appended; whether keys occur twice among them is not looked at.
    Object(Range<usize>),
    /// Another value.
    Other(Value),
    /// It cannot be used, but its end is known: the next one may be fine.
    Broken(Range<usize>, Fault),
}

impl<'a> Document<'a> {
    pub fn new(text: &'a [u8]) -> Self {
        let mut scanner = Scanner::new(text);
        scanner.skip_space();
        Self(scanner)
    }

    pub fn text(&self) -> &'a [u8] {
        self.0.line()
    }

    /// Whether the next value begins like this: `{`, `[`, `"`.
    pub fn is_next(&self, byte: u8) -> bool {
        self.0.peek() == Some(byte)
    }

    /// The next value, whatever it is.
    pub fn value(&mut self) -> Result<Value, Fault> {
        let value = self.0.value(1)?;
        self.0.skip_space();
        Ok(value)
    }

    /// The members of the object that is next. `visit` has to read the value of each.
    pub fn object<E: From<Fault>>(&mut self, mut visit: impl FnMut(&mut Self, Text) -> Result<(), E>) -> Result<(), E> {
        if !self.0.take(b'{') {
            return Err(self.not_an_object().into());
        }
        self.0.skip_space();
        if self.close(b'}') {
            return Ok(());
        }
        loop {
            if self.0.peek() != Some(b'"') {
                return Err(self.0.expected("a key in quotes").into());
            }
            let key = self.0.string()?;
            self.0.skip_space();
            if !self.0.take(b':') {
                return Err(self.0.expected("`:`").into());
            }
            self.0.skip_space();
            visit(self, key)?;
            if self.close(b'}') {
                return Ok(());
            }
            self.comma("`,` or `}`")?;
        }
    }

    /// The elements of the list that is next. `visit` has to read each.
    pub fn array<E: From<Fault>>(&mut self, mut visit: impl FnMut(&mut Self) -> Result<(), E>) -> Result<(), E> {
        if !self.0.take(b'[') {
            return Err(self.0.expected("`[`").into());
        }
        self.0.skip_space();
        if self.close(b']') {
            return Ok(());
        }
        loop {
            visit(self)?;
            if self.close(b']') {
                return Ok(());
            }
            self.comma("`,` or `]`")?;
        }
    }

    /// A record of a list. One that is broken in itself does not break the list.
    pub fn element(&mut self, members: &mut Vec<Member>) -> Result<Element, Fault> {
        let start = self.0.at;
        let read = if self.is_next(b'{') {
            self.0.members(RECORD_DEPTH, |_, member| members.push(member)).map(|()| None)
        } else {
            self.0.value(RECORD_DEPTH).map(Some)
        };
        let element = match read {
            Ok(None) => Element::Object(start..self.0.at),
            Ok(Some(value)) => Element::Other(value),
            Err(fault @ Fault::Syntax { .. }) => return Err(fault),
            Err(fault) => {
                self.0.rewind(start);
                skip(&mut self.0)?;
                Element::Broken(start..self.0.at, fault)
            }
        };
        self.0.skip_space();
        Ok(element)
    }

    /// Nothing may follow.
    pub fn end(&mut self) -> Result<(), Fault> {
        if self.0.peek().is_some() { Err(self.0.expected("nothing behind the end")) } else { Ok(()) }
    }

    fn not_an_object(&mut self) -> Fault {
        match self.0.value(1) {
            Ok(_) => Fault::NotAnObject,
            Err(fault) => fault,
        }
    }

    fn close(&mut self, bracket: u8) -> bool {
        let is_closed = self.0.take(bracket);
        if is_closed {
            self.0.skip_space();
        }
        is_closed
    }

    fn comma(&mut self, expected: &'static str) -> Result<(), Fault> {
        if !self.0.take(b',') {
            return Err(self.0.expected(expected));
        }
        self.0.skip_space();
        Ok(())
    }
}

/// Goes behind a value by its brackets alone, however deep it is and whatever its strings hold.
fn skip(scanner: &mut Scanner<'_>) -> Result<(), Fault> {
    let mut open: usize = 0;
    loop {
        match scanner.peek() {
            Some(b'{' | b'[') => open += 1,
            Some(b'}' | b']') => open = open.saturating_sub(1),
            Some(b'"') => skip_string(scanner)?,
            Some(_) => {}
            None => return Err(scanner.expected("the end of the record")),
        }
        scanner.at += 1;
        if open == 0 {
            return Ok(());
        }
    }
}

/// Up to the quote that ends the string.
fn skip_string(scanner: &mut Scanner<'_>) -> Result<(), Fault> {
    loop {
        scanner.at += 1;
        match scanner.peek() {
            Some(b'"') => return Ok(()),
            Some(b'\\') => scanner.at += 1,
            Some(_) => {}
            None => return Err(scanner.expected("the end of the string")),
        }
    }
}

impl Value {
    /// A string as it is meant; none if it is no string.
    pub fn string(self, text: &[u8]) -> Option<String> {
        match self.kind {
            Kind::Text(inside) => String::from_utf8(inside.of(text).into_owned()).ok(),
            _ => None,
        }
    }

    /// What it says: the inside of a string, and the text of anything else but null.
    pub fn said(self, text: &[u8]) -> Option<String> {
        match self.kind {
            Kind::Null => None,
            Kind::Text(_) => self.string(text),
            _ => String::from_utf8(self.of(text).to_vec()).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(text: &str) -> Result<Vec<Element>, Fault> {
        let mut found = Vec::new();
        let mut document = Document::new(text.as_bytes());
        document.object::<Fault>(|document, _| {
            document.array(|document| {
                found.push(document.element(&mut Vec::new())?);
                Ok(())
            })
        })?;
        document.end()?;
        Ok(found)
    }

    #[test]
    fn a_document_is_gone_through() {
        let text = br#" { "a" : [ 1 , {"b":2} ] , "next" : "x" , "n" : null } "#;
        let mut document = Document::new(text);
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        document
            .object::<Fault>(|document, key| {
                keys.push(String::from_utf8(key.of(text).into_owned()).unwrap());
                values.push(document.value()?.said(text));
                Ok(())
            })
            .unwrap();
        document.end().unwrap();
        assert_eq!(keys, ["a", "next", "n"]);
        assert_eq!(values, [Some("[ 1 , {\"b\":2} ]".to_owned()), Some("x".to_owned()), None]);
    }

    #[test]
    fn a_broken_record_does_not_break_its_list() {
        let text = r#"{"v":[{"a":1},{"x":{"a":1,"a":2}},{"s":"\ud800\"]}"},3,{"b":[]}]}"#;
        let found = records(text).unwrap();
        assert!(matches!(&found[0], Element::Object(range) if &text[range.clone()] == "{\"a\":1}"));
        assert!(
            matches!(&found[1], Element::Broken(range, Fault::DuplicateKey { .. }) if text[range.clone()].len() == 19)
        );
        assert!(matches!(&found[2], Element::Broken(_, Fault::Surrogate { .. })));
        assert!(matches!(&found[3], Element::Other(_)) && matches!(&found[4], Element::Object(_)));
        let deep = format!("{{\"v\":[{{\"a\":{}{}}},{{}}]}}", "[".repeat(5000), "]".repeat(5000));
        let found = records(&deep).unwrap();
        assert!(
            matches!(&found[0], Element::Broken(_, Fault::TooDeep { .. })) && matches!(&found[1], Element::Object(_))
        );
    }

    #[test]
    fn what_is_cut_off_is_no_document() {
        let text = r#"{"v":[{"a":"\ud800"},{"b":"c"}]}"#;
        for end in 0..text.len() {
            assert!(records(&text[..end]).is_err(), "{}", &text[..end]);
        }
        assert!(records(text).is_ok() && records("{\"v\":[]}x").is_err());
    }
}
