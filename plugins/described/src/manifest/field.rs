//! Fields: where they stand in a record, of which type they are, and how the API writes their values.

use super::Read;
use lockstep_json::Node;
use lockstep_plugin_sdk::types::LogicalType;

use super::place::Place;

/// How a value is written where JSON, or the type, leaves it open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    #[default]
    Plain,
    /// Times in seconds since 1970.
    Seconds,
    /// Times in milliseconds since 1970.
    Milliseconds,
    /// Times in UTC that do not say so: `2026-01-31T10:00:00`.
    Utc,
    /// The same with a space, and without fractions: `2026-01-31 10:00:00`.
    UtcSpace,
    /// Numbers and truth as strings.
    Text,
}

const FORMS: &[(&str, Form)] = &[
    ("plain", Form::Plain),
    ("seconds", Form::Seconds),
    ("milliseconds", Form::Milliseconds),
    ("utc", Form::Utc),
    ("utc-space", Form::UtcSpace),
    ("text", Form::Text),
];

impl Form {
    pub fn read(place: &Place<'_>) -> Read<Self> {
        place.choice(FORMS)
    }

    pub fn name(self) -> &'static str {
        FORMS.iter().find(|(_, form)| *form == self).map_or("plain", |(name, _)| name)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldSpec {
    pub name: String,
    pub logical: LogicalType,
    /// Where it is read.
    pub path: Vec<String>,
    /// Where it is written, if that is elsewhere.
    pub to: Option<Vec<String>>,
    pub form: Form,
    pub is_written: bool,
    /// What stands for null.
    pub null: Option<Node>,
    /// It is what this field of the parent is.
    pub parent: Option<String>,
    pub comment: Option<String>,
}

const KEYS: &[&str] = &["type", "path", "to", "form", "write", "null", "parent", "comment"];

impl FieldSpec {
    pub fn new(name: &str, logical: LogicalType, path: Vec<String>) -> Self {
        Self {
            name: name.to_owned(),
            logical,
            path,
            to: None,
            form: Form::Plain,
            is_written: true,
            null: None,
            parent: None,
            comment: None,
        }
    }

    /// `"text"`, or an object with more; `at` is where the fields of the stream stand.
    pub fn read(name: &str, place: &Place<'_>, at: &[String], base: &Self) -> Read<Self> {
        let own = || at.iter().cloned().chain(place.split(name)).collect::<Vec<String>>();
        let mut field = Self { name: name.to_owned(), path: own(), ..base.clone() };
        if place.node.as_text().is_some() {
            field.logical = logical(place)?;
            return Ok(field);
        }
        place.close(KEYS)?;
        field.logical = match place.optional("type") {
            Some(logical_type) => logical(&logical_type)?,
            None => LogicalType::Text,
        };
        if let Some(path) = place.optional_path("path")? {
            field.path = path;
        }
        field.to = place.optional_path("to")?;
        if let Some(form) = place.optional("form") {
            field.form = Form::read(&form)?;
        }
        if let Some(write) = place.optional("write") {
            field.is_written = write.flag()?;
        }
        if let Some(null) = place.optional("null") {
            field.null = Some(null.node.clone());
        }
        field.parent = place.optional_text("parent")?;
        field.comment = place.optional_text("comment")?;
        if field.parent.is_some() {
            field.is_written = false;
        }
        Ok(field)
    }

    /// As a manifest writes it, for being remembered.
    pub fn to_node(&self) -> Node {
        let path = |path: &[String]| Node::List(path.iter().map(Node::text).collect());
        let mut members = vec![
            ("type".to_owned(), Node::text(self.logical.to_string())),
            ("path".to_owned(), path(&self.path)),
            ("form".to_owned(), Node::text(self.form.name())),
            ("write".to_owned(), Node::Bool(self.is_written)),
        ];
        members.extend(self.to.as_ref().map(|to| ("to".to_owned(), path(to))));
        members.extend(self.null.clone().map(|null| ("null".to_owned(), null)));
        members.extend(self.parent.clone().map(|parent| ("parent".to_owned(), Node::Text(parent))));
        Node::Object(members)
    }

    /// Where it is written.
    pub fn target(&self) -> &[String] {
        self.to.as_deref().unwrap_or(&self.path)
    }
}

pub fn logical(place: &Place<'_>) -> Read<LogicalType> {
    let expected =
        "a type: `text`, `int64`, `decimal`, `decimal(18,2)`, `bool`, `timestamp`, `date`, `float64`, `uuid` or `json`";
    place.text()?.parse().map_err(|_| place.expected(expected))
}
