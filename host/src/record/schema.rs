//! Fields and streams.

use arrow_schema::DataType;
use lockstep_values::{Layout, LogicalType};

/// The Arrow type that holds values of a logical type.
pub fn arrow_type(logical: LogicalType) -> DataType {
    match logical.layout() {
        Layout::Bits => DataType::Boolean,
        Layout::Int64 => DataType::Int64,
        Layout::Float64 => DataType::Float64,
        Layout::Utf8 => DataType::Utf8,
        Layout::Bytes => DataType::Binary,
    }
}

/// Named values a plugin attaches to a field or a stream: `native-type`, `comment`, `modified`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Properties(pub Vec<(String, String)>);

impl Properties {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Replaces the value if the name is there already.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        let value = value.into();
        match self.0.iter_mut().find(|(key, _)| key == name) {
            Some(entry) => entry.1 = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.set(name, value);
        self
    }
}

/// One field of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub name: String,
    pub logical: LogicalType,
    pub nullable: bool,
    pub properties: Properties,
}

impl Field {
    pub fn new(name: impl Into<String>, logical: LogicalType) -> Self {
        Self { name: name.into(), logical, nullable: true, properties: Properties::default() }
    }
}

/// A named collection of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    pub name: String,
    /// The fields that identify a record; empty if the system knows none.
    pub key: Vec<String>,
    pub fields: Vec<Field>,
    pub properties: Properties,
}

impl Stream {
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}
