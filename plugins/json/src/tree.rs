//! Small documents as trees: settings, envelopes of answers, bodies of requests. Records are read without any.

use crate::document::Document;
use crate::scan::{Fault, Kind, Value};
use crate::text::write_string;

/// A value. Numbers are the digits they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Node {
    #[default]
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Node>),
    /// In the order in which it was written.
    Object(Vec<(String, Node)>),
}

impl Node {
    /// Reads a whole document.
    pub fn read(text: &[u8]) -> Result<Self, Fault> {
        let mut document = Document::new(text);
        let node = Self::next(&mut document)?;
        document.end()?;
        Ok(node)
    }

    /// Reads the next value of a document.
    pub fn next(document: &mut Document<'_>) -> Result<Self, Fault> {
        let text = document.text();
        document.value().and_then(|value| Self::of(value, text))
    }

    /// A value that was read; depth and keys were checked then.
    pub fn of(value: Value, text: &[u8]) -> Result<Self, Fault> {
        let raw = value.of(text);
        Ok(match value.kind {
            Kind::Null => Self::Null,
            Kind::Bool(is) => Self::Bool(is),
            Kind::Integer | Kind::Number => Self::Number(String::from_utf8_lossy(raw).into_owned()),
            Kind::Text(inside) => Self::Text(String::from_utf8_lossy(&inside.of(text)).into_owned()),
            Kind::Array => {
                let (mut document, mut list) = (Document::new(raw), Vec::new());
                document.array::<Fault>(|document| {
                    list.push(Self::next(document)?);
                    Ok(())
                })?;
                Self::List(list)
            }
            Kind::Object => {
                let (mut document, mut members) = (Document::new(raw), Vec::new());
                document.object::<Fault>(|document, key| {
                    let name = String::from_utf8_lossy(&key.of(document.text())).into_owned();
                    members.push((name, Self::next(document)?));
                    Ok(())
                })?;
                Self::Object(members)
            }
        })
    }

    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// In a sentence: `a number`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }

    /// A member of an object.
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.iter().find(|(known, _)| known == name).map(|(_, node)| node),
            _ => None,
        }
    }

    /// What a path of names and places leads to: `errors`, `0`, `message`.
    pub fn at<S: AsRef<str>>(&self, path: &[S]) -> Option<&Self> {
        path.iter().try_fold(self, |node, step| match node {
            Self::List(list) => list.get(usize::try_from(step.as_ref().parse::<i64>().ok()?).ok()?),
            _ => node.get(step.as_ref()),
        })
    }

    /// Puts a value where a path leads, through objects that are made where there are none.
    pub fn set<S: AsRef<str>>(&mut self, path: &[S], value: Self) {
        let Some((step, rest)) = path.split_first() else {
            *self = value;
            return;
        };
        if !matches!(self, Self::Object(_)) {
            *self = Self::Object(Vec::new());
        }
        let Self::Object(members) = self else { return };
        let place = members.iter().position(|(known, _)| known == step.as_ref()).unwrap_or_else(|| {
            members.push((step.as_ref().to_owned(), Self::Null));
            members.len() - 1
        });
        if let Some((_, member)) = members.get_mut(place) {
            member.set(rest, value);
        }
    }

    /// Lays another document over this one (RFC 7396): objects are merged, null takes away, everything else replaces.
    pub fn merge(&mut self, patch: Self) {
        let Self::Object(changes) = patch else {
            *self = patch;
            return;
        };
        if !matches!(self, Self::Object(_)) {
            *self = Self::Object(Vec::new());
        }
        let Self::Object(members) = self else { return };
        for (name, change) in changes {
            let place = members.iter().position(|(known, _)| *known == name);
            match (place.and_then(|place| members.get_mut(place)), change) {
                (_, Self::Null) => members.retain(|(known, _)| *known != name),
                (Some((_, member)), change) => member.merge(change),
                (None, change) => {
                    let mut member = Self::Null;
                    member.merge(change);
                    members.push((name, member));
                }
            }
        }
    }

    /// What it says: the inside of a string, numbers and truth as they are written; none of null, lists and objects.
    pub fn said(&self) -> Option<String> {
        match self {
            Self::Text(text) | Self::Number(text) => Some(text.clone()),
            Self::Bool(is) => Some(is.to_string()),
            Self::Null | Self::List(_) | Self::Object(_) => None,
        }
    }

    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub fn list(&self) -> &[Self] {
        if let Self::List(list) = self { list } else { &[] }
    }

    pub fn members(&self) -> &[(String, Self)] {
        if let Self::Object(members) = self { members } else { &[] }
    }

    /// Whether there is something: not null, false, 0, nor without content.
    pub fn is_something(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(is) => *is,
            Self::Number(number) => number.bytes().any(|digit| matches!(digit, b'1'..=b'9')),
            Self::Text(text) => !text.is_empty(),
            Self::List(list) => !list.is_empty(),
            Self::Object(members) => !members.is_empty(),
        }
    }

    pub fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(is) => out.push_str(if *is { "true" } else { "false" }),
            Self::Number(number) => out.push_str(number),
            Self::Text(text) => write_string(out, text),
            Self::List(list) => {
                out.push('[');
                for (place, node) in list.iter().enumerate() {
                    if place > 0 {
                        out.push(',');
                    }
                    node.write(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (place, (name, node)) in members.iter().enumerate() {
                    if place > 0 {
                        out.push(',');
                    }
                    write_string(out, name);
                    out.push(':');
                    node.write(out);
                }
                out.push('}');
            }
        }
    }

    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str) -> Node {
        Node::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn documents_come_back_as_they_were() {
        for text in ["{}", "[]", r#"{"a":[1,2.50,-3e9,{"b":null}],"c":"x\ny","d":true,"":"ü"}"#, "1.10", "\"a\""] {
            assert_eq!(node(text).to_json(), text);
        }
        for text in ["", "{", "{}x", r#"{"a":1,"a":2}"#, &"[".repeat(100)] {
            assert!(Node::read(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn paths_lead_into_lists_and_objects() {
        let tree = node(r#"{"a":[{"b":"c"}],"0":{"d":1}}"#);
        assert_eq!(tree.at(&["a", "0", "b"]).and_then(Node::as_text), Some("c"));
        assert_eq!(tree.at(&["0", "d"]).and_then(Node::said).as_deref(), Some("1"));
        for path in [&["a", "1"][..], &["a", "b"], &["x"], &["a", "0", "b", "c"]] {
            assert_eq!(tree.at(path), None);
        }
        let mut tree = node(r#"{"a":1}"#);
        tree.set(&["b", "c"], node("2"));
        tree.set(&["a", "x"], node("3"));
        assert_eq!(tree.to_json(), r#"{"a":{"x":3},"b":{"c":2}}"#);
    }

    #[test]
    fn patches_are_laid_over_documents() {
        // Examples of RFC 7396.
        for (target, patch, expected) in [
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            let mut tree = node(target);
            tree.merge(node(patch));
            assert_eq!(tree.to_json(), expected);
        }
    }

    #[test]
    fn something_is_more_than_nothing() {
        for nothing in ["null", "false", "0", "0.00", "\"\"", "[]", "{}"] {
            assert!(!node(nothing).is_something(), "{nothing}");
        }
        for something in ["true", "1", "0.5", "\"0\"", "[null]", "{\"a\":null}"] {
            assert!(node(something).is_something(), "{something}");
        }
    }
}
