//! What a project may say about its CSV files.

use std::collections::BTreeMap;

use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_text_files::value::BoolWords;
use lockstep_text_files::{Encoding, Extensions, quoted};
use serde::Deserialize;

/// The connection's configuration: settings for all files, and for single ones.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Settings")]
pub struct Config {
    all: Settings,
    extensions: Extensions,
}

/// How files are read, as far as it has been said.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    delimiter: Option<String>,
    quote: Option<String>,
    header: Option<bool>,
    columns: Option<Vec<String>>,
    encoding: Option<Encoding>,
    null: Option<Vec<String>>,
    null_quoted: Option<bool>,
    comment: Option<String>,
    skip_lines: Option<u32>,
    true_words: Option<Vec<String>>,
    false_words: Option<Vec<String>>,
    /// For the connection as a whole only.
    extensions: Option<Vec<String>>,
    /// For the connection as a whole only.
    streams: BTreeMap<String, Settings>,
}

/// The extensions of files that are streams unless the project says otherwise.
const EXTENSIONS: [&str; 2] = ["csv", "tsv"];

impl TryFrom<Settings> for Config {
    type Error = String;

    fn try_from(all: Settings) -> Result<Self, String> {
        let nests = |settings: &Settings| settings.extensions.is_some() || !settings.streams.is_empty();
        if let Some((path, _)) = all.streams.iter().find(|(_, settings)| nests(settings)) {
            return Err(format!("`extensions` and `streams` are not for a single stream such as `{path}`"));
        }
        let extensions = all.extensions.as_ref().map_or_else(|| Extensions::new(EXTENSIONS), Extensions::new);
        Ok(Self { all, extensions })
    }
}

impl Config {
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// How a file is read.
    pub fn dialect_of(&self, path: &str) -> Result<FileDialect> {
        let own = self.all.streams.get(path).cloned().unwrap_or_default();
        own.over(&self.all).resolve(path)
    }
}

impl Settings {
    /// These settings, and for those that are not said, the others.
    fn over(self, others: &Self) -> Self {
        let others = others.clone();
        Self {
            delimiter: self.delimiter.or(others.delimiter),
            quote: self.quote.or(others.quote),
            header: self.header.or(others.header),
            columns: self.columns.or(others.columns),
            encoding: self.encoding.or(others.encoding),
            null: self.null.or(others.null),
            null_quoted: self.null_quoted.or(others.null_quoted),
            comment: self.comment.or(others.comment),
            skip_lines: self.skip_lines.or(others.skip_lines),
            true_words: self.true_words.or(others.true_words),
            false_words: self.false_words.or(others.false_words),
            extensions: None,
            streams: BTreeMap::new(),
        }
    }

    fn resolve(self, path: &str) -> Result<FileDialect> {
        let quote = self.quote.map_or(Ok(Some(b'"')), |text| parse_quote(&text))?;
        let delimiter = parse_delimiter(self.delimiter.as_deref().unwrap_or("auto"), quote, path)?;
        Ok(FileDialect {
            delimiter,
            quote,
            header: if self.header.unwrap_or(true) { Header::FirstLine } else { Header::None },
            columns: self.columns,
            encoding: self.encoding.unwrap_or_default(),
            nulls: self
                .null
                .map_or_else(|| vec![Vec::new()], |texts| texts.into_iter().map(String::into_bytes).collect()),
            null_quoted: self.null_quoted.unwrap_or(false),
            comment: self.comment.unwrap_or_default().into_bytes(),
            skip_lines: self.skip_lines.unwrap_or(0),
            words: BoolWords::default().with(self.true_words, self.false_words),
        })
    }
}

/// How one file is read, as far as it can be known without looking at it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FileDialect {
    /// None: found out from the first line.
    pub delimiter: Option<u8>,
    pub quote: Option<u8>,
    pub header: Header,
    /// Names that replace those of the header.
    pub columns: Option<Vec<String>>,
    pub encoding: Encoding,
    /// Texts that mean null.
    pub nulls: Vec<Vec<u8>>,
    /// Whether they do so in quotes, too.
    pub null_quoted: bool,
    pub comment: Vec<u8>,
    pub skip_lines: u32,
    pub words: BoolWords,
}

/// Whether the first line is about names or already about data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Header {
    FirstLine,
    None,
}

fn parse_quote(text: &str) -> Result<Option<u8>> {
    match text.as_bytes() {
        [] => Ok(None),
        [byte] if is_separator(*byte) => Ok(Some(*byte)),
        _ => Err(config_error(
            "quote",
            text,
            "must be one ASCII character that is no letter, digit or line end, or empty for no quoting",
        )),
    }
}

fn parse_delimiter(text: &str, quote: Option<u8>, path: &str) -> Result<Option<u8>> {
    match text.as_bytes() {
        b"auto" if is_tab_separated(path) => Ok(Some(b'\t')),
        b"auto" => Ok(None),
        [byte] if is_separator(*byte) && Some(*byte) != quote => Ok(Some(*byte)),
        _ => Err(config_error(
            "delimiter",
            text,
            "must be `auto` or one ASCII character that is no letter, digit, line end or quote",
        )),
    }
}

fn is_tab_separated(path: &str) -> bool {
    Extensions::new(["tsv", "tab"]).cover(path)
}

fn is_separator(byte: u8) -> bool {
    byte.is_ascii() && !byte.is_ascii_alphanumeric() && !matches!(byte, b'\n' | b'\r' | 0)
}

fn config_error(key: &str, value: &str, rule: &str) -> Error {
    Error::config(format!("`{key}` is {}, but {rule}", quoted(value.as_bytes())))
        .with_code("csv.config")
        .with_property("field", key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(toml_like: &str) -> Result<Config> {
        lockstep_plugin_sdk::config::parse(toml_like)
    }

    fn check(json: &str, path: &str, expect: impl Fn(&FileDialect) -> bool) {
        let dialect = config(json).and_then(|config| config.dialect_of(path)).unwrap();
        assert!(expect(&dialect), "{json} {path}: {dialect:?}");
    }

    #[test]
    fn defaults() {
        check("{}", "a.csv", |d| d.delimiter.is_none() && d.quote == Some(b'"') && d.header == Header::FirstLine);
        check("", "a.csv", |d| d.nulls == [b""] && !d.null_quoted && d.encoding == Encoding::Auto);
        check("{}", "a.tsv.gz", |d| d.delimiter == Some(b'\t'));
    }

    #[test]
    fn a_file_may_differ() {
        let json = r#"{ "delimiter": ";", "null": ["-"], "streams": { "x/y.csv": { "delimiter": "|", "header": false, "quote": "" } } }"#;
        check(json, "x/y.csv", |d| d.delimiter == Some(b'|') && d.header == Header::None && d.quote.is_none());
        check(json, "x/y.csv", |d| d.nulls == [b"-"]);
        check(json, "y.csv", |d| d.delimiter == Some(b';') && d.header == Header::FirstLine);
    }

    #[test]
    fn extensions_are_the_projects_choice() {
        assert!(!config("{}").unwrap().extensions().cover("a.txt"));
        assert!(config(r#"{ "extensions": ["txt"] }"#).unwrap().extensions().cover("a.txt"));
    }

    #[test]
    fn nonsense_is_refused() {
        for json in [
            r#"{ "delimiters": "," }"#,
            r#"{ "streams": { "a.csv": { "delimitre": "," } } }"#,
            r#"{ "streams": { "a.csv": { "extensions": [] } } }"#,
            r#"{ "encoding": "ebcdic" }"#,
            r#"{ "delimiter": ",," }"#,
            r#"{ "delimiter": "\"" }"#,
            r#"{ "delimiter": "x" }"#,
            r#"{ "quote": "ä" }"#,
            r#"{ "header": "yes" }"#,
        ] {
            let error = config(json).and_then(|config| config.dialect_of("a.csv")).unwrap_err();
            assert_eq!(error.kind, "config", "{json}");
        }
    }
}
