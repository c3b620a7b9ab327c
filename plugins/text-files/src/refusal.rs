//! Records that cannot become rows, and what is said about them.

use std::ops::Range;

use lockstep_plugin_sdk::batch::ColumnBuilder;
use lockstep_plugin_sdk::error::Error;
use lockstep_plugin_sdk::types::Rejection;

use crate::names::NAME_MAX_BYTES;
use crate::text::Text;
use crate::value::ValueError;

/// So much of a record that is too long is kept to show where it begins.
const TOO_LONG_SHOWN_BYTES: usize = 64 << 10;

/// A record that is refused while the rest goes on.
#[derive(Debug)]
pub struct Refusal {
    /// Where the record begins.
    pub line: u64,
    /// The record as it stands in the file, as UTF-8 if it can be read as such.
    pub raw: Vec<u8>,
    pub error: Error,
}

/// What is wrong with a record, to be read behind its file and line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    code: &'static str,
    message: String,
    hint: String,
    field: Option<String>,
}

impl Refusal {
    /// Refuses the record that stands in this range of the text.
    pub fn new(path: &str, text: &Text, record: Range<usize>, reason: Reason) -> Self {
        let line = text.line_of(record.start);
        let message = format!("`{path}` line {line}: {}", reason.message);
        let mut error = Error::invalid_data(message).with_code(reason.code).with_hint(reason.hint);
        if let Some(field) = reason.field {
            error = error.with_property("field", field);
        }
        Self { line, raw: text.slice(record).to_vec(), error }
    }

    /// Refuses a record of more than [`crate::RECORD_BYTES_MAX`], of which only the beginning is kept.
    pub fn too_long(path: &str, text: &Text, start: usize, code: &'static str) -> Self {
        let message =
            format!("the record is longer than {} MiB; only its beginning is shown", crate::RECORD_BYTES_MAX >> 20);
        let end = text.bytes().len().min(start + TOO_LONG_SHOWN_BYTES);
        Self::new(path, text, start..end, Reason::new(code, message, "look for a line end that is missing"))
    }

    pub(crate) fn into_rejection(self) -> Rejection {
        Rejection { position: format!("line {}", self.line), raw: self.raw, error: self.error }
    }

    /// What it adds to a page, roughly.
    pub(crate) fn bytes(&self) -> u64 {
        (self.raw.len() + self.error.message.len()) as u64
    }
}

impl Reason {
    pub fn new(code: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: hint.into(), field: None }
    }

    /// A value that is not what its column needs.
    pub fn value(code: &'static str, column: &ColumnBuilder, value: &[u8], error: &ValueError) -> Self {
        let (name, logical) = (column.name(), column.logical());
        let message = format!("{} is {}, which is not {logical}: {error}", quoted(name.as_bytes()), quoted(value));
        let hint = format!("declare the column's type beside the stream: types = {{ {} = \"text\" }}", toml_key(name));
        Self::new(code, message, hint).in_field(name)
    }

    pub fn in_field(mut self, name: &str) -> Self {
        self.field = Some(name.to_owned());
        self
    }
}

/// A piece of a file for a message: in back-quotes, on one line, and not too long.
pub fn quoted(bytes: &[u8]) -> String {
    let cut = bytes.get(..NAME_MAX_BYTES);
    let text = String::from_utf8_lossy(cut.unwrap_or(bytes));
    let more = if cut.is_some_and(|cut| cut.len() < bytes.len()) { "…" } else { "" };
    let mut visible = String::new();
    for character in text.chars() {
        if character.is_control() { visible.extend(character.escape_default()) } else { visible.push(character) }
    }
    format!("`{visible}{more}`")
}

/// A name as a key of TOML. A string of JSON is one of TOML, too.
fn toml_key(name: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !name.is_empty() && name.bytes().all(is_bare) {
        return name.to_owned();
    }
    serde_json::to_string(name).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_stay_short_and_on_one_line() {
        assert_eq!(quoted(b"abc"), "`abc`");
        assert_eq!(quoted("Zürich\r\n".as_bytes()), "`Zürich\\r\\n`");
        assert_eq!(quoted(b"a\xff"), "`a\u{fffd}`");
        assert_eq!(quoted(&[b'x'; 100]), format!("`{}…`", "x".repeat(80)));
    }

    #[test]
    fn names_are_quoted_where_toml_needs_it() {
        assert_eq!(toml_key("zip_code-2"), "zip_code-2");
        assert_eq!(toml_key("zip code"), "\"zip code\"");
        assert_eq!(toml_key("a\"b"), "\"a\\\"b\"");
        assert_eq!(toml_key(""), "\"\"");
    }
}
