//! Reads TOML into typed values and notes down everything that does not fit, with its line, instead of stopping at the first.
//!
//! It knows TOML and how to complain; what the keys mean is known by its callers. A value that did not fit gives [`Reported`],
//! which only a report can make: nothing is refused without a reason.

use std::cell::RefCell;
use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use toml_edit::{ArrayOfTables, Document, Item, TableLike, Value};

use super::error::{ProjectError, ProjectErrors};
use super::place::Place;
use super::units::{parse_duration, parse_size};
use crate::error::nearest;

/// The proof that an error has been noted down.
#[derive(Debug)]
pub(super) struct Reported(());

pub(super) type Read<T> = Result<T, Reported>;

/// A key of a later version, and what to say about it: `filter`, `narrows a stream`.
pub(super) type Later = (&'static str, &'static str);

/// A file being read.
pub(super) struct File {
    name: Arc<str>,
    line_starts: Vec<usize>,
    problems: RefCell<Vec<ProjectError>>,
}

impl File {
    pub(super) fn new(name: &str, text: &str) -> Self {
        let behind_breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            name: name.into(),
            line_starts: std::iter::once(0).chain(behind_breaks).collect(),
            problems: RefCell::default(),
        }
    }

    /// Parses the text and lets `read` turn it into a value; every error noted down on the way refuses the file.
    pub(super) fn read<T>(self, text: &str, read: impl FnOnce(&Section<'_>) -> Read<T>) -> Result<T, ProjectErrors> {
        let document = Document::parse(text).map_err(|error| self.syntax_error(text, &error))?;
        let top = Section::new(&self, String::new(), self.place(&(0..0)), document.as_table());
        let outcome = read(&top);
        let problems = without_echoes(self.problems.take());
        match outcome {
            Ok(value) if problems.is_empty() => Ok(value),
            _ => Err(ProjectErrors::new(problems)),
        }
    }

    pub(super) fn report(&self, error: ProjectError) -> Reported {
        self.problems.borrow_mut().push(error);
        Reported(())
    }

    fn place(&self, span: &Range<usize>) -> Place {
        let line = self.line_starts.partition_point(|start| *start <= span.start);
        Place::new(&self.name, u32::try_from(line).unwrap_or(u32::MAX))
    }

    /// Only the parser's sentence: its full text quotes the line, and the line may hold a secret. A key written twice is no
    /// secret, and nobody finds it without its name.
    fn syntax_error(&self, text: &str, error: &toml_edit::TomlError) -> ProjectError {
        let span = error.span().unwrap_or(0..0);
        let place = self.place(&span);
        let line_start =
            place.line().checked_sub(1).and_then(|line| self.line_starts.get(line as usize)).copied().unwrap_or(0);
        let column = text.get(line_start..span.start).map_or(0, |before| before.chars().count()) + 1;
        let key =
            text.get(span).filter(|_| error.message() == "duplicate key").map(|key| format!(" `{}`", shorten(key)));
        let message = format!("not valid TOML at column {column}: {}{}", error.message(), key.unwrap_or_default());
        ProjectError::Syntax { place, message }
    }
}

/// A table and the keys asked of it so far.
pub(super) struct Section<'a> {
    file: &'a File,
    /// `sync.customers`; empty at the top.
    pub(super) path: String,
    pub(super) place: Place,
    table: &'a dyn TableLike,
    asked: RefCell<Vec<&'static str>>,
    /// Keys about which everything has been said.
    refused: RefCell<Vec<String>>,
}

impl<'a> Section<'a> {
    fn new(file: &'a File, path: String, place: Place, table: &'a dyn TableLike) -> Self {
        Self { file, path, place, table, asked: RefCell::default(), refused: RefCell::default() }
    }

    /// The value of a key. `example` is a line that would do.
    pub(super) fn optional(&self, key: &'static str, example: &'static str) -> Option<Entry<'a>> {
        self.asked.borrow_mut().push(key);
        let (name, item) = self.table.get_key_value(key)?;
        Some(self.entry(name, item, example))
    }

    pub(super) fn required(&self, key: &'static str, example: &'static str) -> Read<Entry<'a>> {
        self.optional(key, example).ok_or_else(|| self.missing(key, example))
    }

    pub(super) fn missing(&self, key: &str, example: &str) -> Reported {
        self.file.report(ProjectError::MissingKey {
            place: self.place.clone(),
            table: self.path.clone(),
            key: key.to_owned(),
            example: example.to_owned(),
        })
    }

    /// All keys with their values, in the order of the file: for tables whose keys are names.
    pub(super) fn entries(&self, example: &'static str) -> Vec<Entry<'a>> {
        self.table
            .iter()
            .filter_map(|(key, _)| self.table.get_key_value(key))
            .map(|(name, item)| self.entry(name, item, example))
            .collect()
    }

    /// Notes down keys that belong elsewhere; `reason` says where. To be said before the section is closed.
    pub(super) fn refuse(&self, is_foreign: impl Fn(&str) -> bool, reason: &str, example: &str) {
        for entry in self.entries("").into_iter().filter(|entry| is_foreign(&entry.key)) {
            entry.invalid_with(reason, example);
            self.refused.borrow_mut().push(entry.key);
        }
    }

    /// Notes down every key nobody asked for.
    pub(super) fn close(&self, later: &[Later]) {
        self.close_with(|key| later.iter().find(|(name, _)| *name == key).map(|(_, what)| *what));
    }

    /// The same where the keys of later versions are not known beforehand; `later` says what such a key would do.
    pub(super) fn close_with(&self, later: impl Fn(&str) -> Option<&'static str>) {
        let (asked, refused) = (self.asked.borrow(), self.refused.borrow());
        let is_open = |entry: &Entry<'_>| !asked.contains(&entry.key.as_str()) && !refused.contains(&entry.key);
        for entry in self.entries("").into_iter().filter(is_open) {
            match later(&entry.key) {
                Some(what) => entry.not_yet(what),
                None => entry.unknown(&self.path, &asked),
            };
        }
    }

    /// A complaint about the table as a whole.
    pub(super) fn invalid(&self, reason: impl fmt::Display, example: &str) -> Reported {
        self.file.report(ProjectError::Value {
            place: self.place.clone(),
            path: self.path.clone(),
            reason: reason.to_string(),
            example: example.to_owned(),
        })
    }

    fn entry(&self, name: &toml_edit::Key, item: &'a Item, example: &'static str) -> Entry<'a> {
        let path = join(&self.path, name.get());
        // A header `[a.b]` makes a table `a` that stands nowhere itself; its key does.
        let span = name.span().or_else(|| item.span());
        let place = span.map_or_else(|| self.place.clone(), |span| self.file.place(&span));
        Entry { file: self.file, key: name.get().to_owned(), path, place, node: Node::of(item), example }
    }
}

/// A value where it stands.
#[derive(Clone)]
pub(super) struct Entry<'a> {
    file: &'a File,
    pub(super) key: String,
    /// `sync.customers.source.key`.
    pub(super) path: String,
    pub(super) place: Place,
    node: Node<'a>,
    example: &'static str,
}

#[derive(Clone, Copy)]
enum Node<'a> {
    Value(&'a Value),
    Table(&'a dyn TableLike),
    Tables(&'a ArrayOfTables),
    Nothing,
}

impl<'a> Node<'a> {
    fn of(item: &'a Item) -> Self {
        match item {
            Item::Value(value) => Self::of_value(value),
            Item::Table(table) => Self::Table(table),
            Item::ArrayOfTables(tables) => Self::Tables(tables),
            Item::None => Self::Nothing,
        }
    }

    fn of_value(value: &'a Value) -> Self {
        match value {
            Value::InlineTable(table) => Self::Table(table),
            other => Self::Value(other),
        }
    }

    /// For a person. Strings are not repeated: one of them may be a secret in the wrong place.
    fn describe(&self) -> String {
        match self {
            Self::Value(Value::String(_)) => "a string".to_owned(),
            Self::Value(Value::Integer(number)) => format!("the number `{}`", number.value()),
            Self::Value(Value::Float(number)) => format!("the number `{}`", number.value()),
            Self::Value(Value::Boolean(flag)) => format!("`{}`", flag.value()),
            Self::Value(Value::Datetime(time)) => format!("the time `{}`", time.value()),
            Self::Value(Value::Array(_)) => "a list".to_owned(),
            Self::Value(Value::InlineTable(_)) | Self::Table(_) => "a table".to_owned(),
            Self::Tables(_) => "a list of tables".to_owned(),
            Self::Nothing => "nothing".to_owned(),
        }
    }
}

impl<'a> Entry<'a> {
    pub(super) fn text(&self) -> Read<&'a str> {
        self.as_text().ok_or_else(|| self.wrong_type("a string"))
    }

    pub(super) fn as_text(&self) -> Option<&'a str> {
        match self.node {
            Node::Value(value) => value.as_str(),
            _ => None,
        }
    }

    /// A text that is not empty.
    pub(super) fn filled_text(&self) -> Read<&'a str> {
        match self.text()? {
            "" => Err(self.invalid("must not be empty")),
            text => Ok(text),
        }
    }

    /// A string that `T` can read; T's error ends the sentence.
    pub(super) fn parsed<T: FromStr<Err: fmt::Display>>(&self) -> Read<T> {
        let text = self.text()?;
        text.parse().map_err(|error| self.invalid(format_args!("is `{}`: {error}", shorten(text))))
    }

    /// The key itself, where it is a name.
    pub(super) fn name<T: FromStr<Err: fmt::Display>>(&self) -> Read<T> {
        self.key.parse().map_err(|error| self.invalid(format_args!("has no valid name: {error}")))
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Read<T> {
        let text = self.text()?;
        choices.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice).ok_or_else(|| {
            let words: Vec<String> = choices.iter().map(|(word, _)| format!("`{word}`")).collect();
            self.invalid(format_args!("must be {}, found `{}`", words.join(" or "), shorten(text)))
        })
    }

    pub(super) fn flag(&self) -> Read<bool> {
        match self.node {
            Node::Value(value) => value.as_bool(),
            _ => None,
        }
        .ok_or_else(|| self.wrong_type("`true` or `false`"))
    }

    pub(super) fn whole_number(&self, range: RangeInclusive<u64>) -> Read<u64> {
        let Node::Value(Value::Integer(number)) = self.node else {
            return Err(self.wrong_type("a whole number"));
        };
        u64::try_from(*number.value()).ok().filter(|number| range.contains(number)).ok_or_else(|| {
            let (least, most) = (range.start(), range.end());
            self.invalid(format_args!("must be between {least} and {most}, found `{}`", number.value()))
        })
    }

    pub(super) fn number(&self, range: RangeInclusive<f64>) -> Read<f64> {
        let number = match self.node {
            Node::Value(Value::Float(number)) => *number.value(),
            // Only small whole numbers make sense where a fraction is wanted; these convert exactly.
            Node::Value(Value::Integer(number)) => i32::try_from(*number.value()).map_or(f64::INFINITY, f64::from),
            _ => return Err(self.wrong_type("a number")),
        };
        let (least, most) = (range.start(), range.end());
        range.contains(&number).then_some(number).ok_or_else(|| {
            self.invalid(format_args!("must be between {least} and {most}, found {}", self.node.describe()))
        })
    }

    pub(super) fn duration(&self) -> Read<Duration> {
        let text = self.text()?;
        parse_duration(text).map_err(|error| self.invalid(format_args!("is `{}`: {error}", shorten(text))))
    }

    /// In bytes.
    pub(super) fn size(&self) -> Read<u64> {
        let text = self.text()?;
        parse_size(text).map_err(|error| self.invalid(format_args!("is `{}`: {error}", shorten(text))))
    }

    pub(super) fn section(&self) -> Read<Section<'a>> {
        self.as_section().ok_or_else(|| self.wrong_type("a table"))
    }

    pub(super) fn as_section(&self) -> Option<Section<'a>> {
        match self.node {
            Node::Table(table) => Some(Section::new(self.file, self.path.clone(), self.place.clone(), table)),
            _ => None,
        }
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self.node, Node::Value(Value::Array(_)) | Node::Tables(_))
    }

    /// The elements of a list, whichever way TOML writes it.
    pub(super) fn elements(&self) -> Read<Vec<Entry<'a>>> {
        match self.node {
            Node::Value(Value::Array(array)) => Ok(array
                .iter()
                .enumerate()
                .map(|(n, value)| self.element(n, value.span(), Node::of_value(value)))
                .collect()),
            Node::Tables(tables) => Ok(tables
                .iter()
                .enumerate()
                .map(|(n, table)| self.element(n, table.span(), Node::Table(table)))
                .collect()),
            _ => Err(self.wrong_type("a list")),
        }
    }

    fn element(&self, number: usize, span: Option<Range<usize>>, node: Node<'a>) -> Entry<'a> {
        let place = span.map_or_else(|| self.place.clone(), |span| self.file.place(&span));
        let path = format!("{}[{number}]", self.path);
        Entry { file: self.file, key: self.key.clone(), path, place, node, example: self.example }
    }

    /// A list of field names: not empty, none empty, none twice.
    pub(super) fn names(&self) -> Read<Vec<String>> {
        let mut names: Vec<String> = Vec::new();
        for element in self.elements()? {
            let name = element.filled_text()?;
            if names.iter().any(|known| known == name) {
                return Err(element.invalid(format_args!("names `{}` a second time", shorten(name))));
            }
            names.push(name.to_owned());
        }
        if names.is_empty() { Err(self.invalid("must name at least one field")) } else { Ok(names) }
    }

    /// The value as JSON; times become strings.
    pub(super) fn json(&self) -> Read<serde_json::Value> {
        use serde_json::Value as Json;
        Ok(match &self.node {
            Node::Value(Value::String(text)) => Json::from(text.value().as_str()),
            Node::Value(Value::Integer(number)) => Json::from(*number.value()),
            Node::Value(Value::Float(number)) => serde_json::Number::from_f64(*number.value())
                .map(Json::Number)
                .ok_or_else(|| self.invalid(format_args!("must be finite, found {}", self.node.describe())))?,
            Node::Value(Value::Boolean(flag)) => Json::from(*flag.value()),
            Node::Value(Value::Datetime(time)) => Json::from(time.value().to_string()),
            Node::Value(Value::Array(_)) | Node::Tables(_) => {
                Json::Array(self.elements()?.iter().map(Entry::json).collect::<Read<_>>()?)
            }
            Node::Value(Value::InlineTable(_)) | Node::Table(_) => {
                let entries = self.section()?.entries(self.example);
                Json::Object(entries.iter().map(|entry| Ok((entry.key.clone(), entry.json()?))).collect::<Read<_>>()?)
            }
            Node::Nothing => Json::Null,
        })
    }

    /// The entries below this one: those of a table, the elements of a list, none otherwise.
    pub(super) fn children(&self) -> Vec<Entry<'a>> {
        match self.node {
            Node::Table(_) => self.as_section().map(|section| section.entries(self.example)).unwrap_or_default(),
            Node::Value(Value::Array(_)) | Node::Tables(_) => self.elements().unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    /// The entry some keys further down, or the last one on the way that is there.
    pub(super) fn below(&self, keys: &[&str]) -> Entry<'a> {
        let Some((key, rest)) = keys.split_first() else { return self.clone() };
        let child = self.children().into_iter().find(|child| child.key == *key);
        child.map_or_else(|| self.clone(), |child| child.below(rest))
    }

    /// `reason` ends the sentence that begins with the key.
    pub(super) fn invalid(&self, reason: impl fmt::Display) -> Reported {
        self.invalid_with(reason, self.example)
    }

    /// The same where the key's own example would not help.
    pub(super) fn invalid_with(&self, reason: impl fmt::Display, example: &str) -> Reported {
        self.file.report(ProjectError::Value {
            place: self.place.clone(),
            path: self.path.clone(),
            reason: reason.to_string(),
            example: example.to_owned(),
        })
    }

    fn wrong_type(&self, expected: &str) -> Reported {
        self.invalid(format_args!("must be {expected}, found {}", self.node.describe()))
    }

    pub(super) fn not_yet(&self, what: &str) -> Reported {
        let (place, path) = (self.place.clone(), self.path.clone());
        self.file.report(ProjectError::NotYet { place, path, what: what.to_owned() })
    }

    pub(super) fn secret_value(&self, hints: Vec<String>) -> Reported {
        let (place, path) = (self.place.clone(), self.path.clone());
        self.file.report(ProjectError::SecretValue { place, path, hints })
    }

    /// The entry names something of a kind (`connection`) that is not among those defined.
    pub(super) fn undefined(&self, kind: &'static str, name: &str, defined: &[String]) -> Reported {
        self.file.report(ProjectError::Reference {
            place: self.place.clone(),
            path: self.path.clone(),
            kind,
            name: shorten(name),
            nearest: nearest(name, defined.iter().map(String::as_str)).map(str::to_owned),
            defined: defined.to_vec(),
        })
    }

    /// The entry stands in `table`, which has other keys.
    pub(super) fn unknown(&self, table: &str, known: &[&str]) -> Reported {
        self.file.report(ProjectError::UnknownKey {
            place: self.place.clone(),
            table: table.to_owned(),
            key: shorten(&self.key),
            nearest: nearest(&self.key, known.iter().copied()).map(str::to_owned),
            known: known.iter().map(|key| (*key).to_owned()).collect(),
        })
    }
}

/// A misspelt key is also a missing one; once is enough.
fn without_echoes(problems: Vec<ProjectError>) -> Vec<ProjectError> {
    let misspelt: Vec<(String, String)> = problems
        .iter()
        .filter_map(|problem| match problem {
            ProjectError::UnknownKey { table, nearest: Some(meant), .. } => Some((table.clone(), meant.clone())),
            _ => None,
        })
        .collect();
    let is_echo = |problem: &ProjectError| match problem {
        ProjectError::MissingKey { table, key, .. } => {
            misspelt.iter().any(|(place, meant)| place == table && meant == key)
        }
        _ => false,
    };
    problems.into_iter().filter(|problem| !is_echo(problem)).collect()
}

/// `sync` and `a.b` → `sync."a.b"`.
fn join(path: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let key = if bare { shorten(key) } else { format!("{:?}", shorten(key)) };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// Enough of a text to recognise it, on one line.
fn shorten(text: &str) -> String {
    /// About half a line of a terminal.
    const CHARS_MAX: usize = 40;
    let mut short: String = text.chars().take(CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(CHARS_MAX).is_some() {
        short.push('…');
    }
    short
}
