//! The types of the contract, with ways to make them.

pub use crate::bindings::capabilities::lockstep::plugin::types::{
    Batch, BytesColumn, Changes, Column, Field, Limits, Page, ReadRequest, Rejection, RowError, Stream, Values,
};
pub use lockstep_values::LogicalType;

use crate::error::{Error, Result};

/// Finds a named value in a list of options or properties.
pub fn option<'a>(options: &'a [(String, String)], name: &str) -> Option<&'a str> {
    options.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

impl Stream {
    /// A stream without key and fields.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), key: Vec::new(), fields: Vec::new(), properties: Vec::new() }
    }

    /// Sets the fields that identify a record.
    pub fn key<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.key = names.into_iter().map(Into::into).collect();
        self
    }

    /// Adds a nullable field.
    pub fn field(mut self, name: impl Into<String>, logical: LogicalType) -> Self {
        self.fields.push(Field::new(name, logical));
        self
    }

    /// Adds a field that is never null.
    pub fn required_field(mut self, name: impl Into<String>, logical: LogicalType) -> Self {
        self.fields.push(Field { nullable: false, ..Field::new(name, logical) });
        self
    }

    /// Adds a property such as `modified`.
    pub fn property(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.push((name.into(), value.into()));
        self
    }
}

impl Field {
    /// A nullable field without properties.
    pub fn new(name: impl Into<String>, logical: LogicalType) -> Self {
        Self { name: name.into(), logical_type: logical.to_string(), nullable: true, properties: Vec::new() }
    }

    /// The type as a value; an unknown one is an error of kind `config`.
    pub fn logical(&self) -> Result<LogicalType> {
        self.logical_type
            .parse()
            .map_err(|error| Error::config(format!("{error}")).with_property("field", self.name.clone()))
    }

    /// A property such as `native-type`.
    pub fn property(&self, name: &str) -> Option<&str> {
        option(&self.properties, name)
    }
}

impl ReadRequest {
    /// Whether only what changed since the cursor is wanted.
    pub fn is_incremental(&self) -> bool {
        self.mode == "incremental"
    }

    /// An option such as `modified`.
    pub fn option(&self, name: &str) -> Option<&str> {
        option(&self.options, name)
    }
}

impl Changes {
    /// All upserts, with nothing else known.
    pub fn upserts(data: Batch) -> Self {
        Self { kinds: None, ids: None, versions: None, changed_at: None, origins: None, data }
    }
}

impl Batch {
    /// No columns, no rows.
    pub fn none() -> Self {
        Self { rows: 0, columns: Vec::new() }
    }
}

/// What a page says about what follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Call again.
    More,
    /// Nothing more for now.
    CaughtUp,
    /// The last page of a reading, begun at the beginning, that showed every record there is.
    EnumerationComplete,
}

impl Page {
    /// A page of upserts without rejected records. `next_cursor` is the position behind it.
    pub fn new(data: Batch, next_cursor: Vec<u8>, status: Status) -> Self {
        let status = match status {
            Status::More => "more",
            Status::CaughtUp => "caught-up",
            Status::EnumerationComplete => "enumeration-complete",
        };
        Self { changes: Changes::upserts(data), rejected: Vec::new(), next_cursor, status: status.to_owned() }
    }

    /// The only page of a stream that is always read from the beginning.
    pub fn complete(data: Batch) -> Self {
        Self::new(data, Vec::new(), Status::EnumerationComplete)
    }
}

impl BytesColumn {
    /// The bytes of a row, whether they are null or not; none if there is no such row.
    #[inline]
    pub fn value(&self, row: usize) -> Option<&[u8]> {
        let &[start, end] = self.offsets.get(row..row + 2)? else { return None };
        self.data.get(start as usize..end as usize)
    }
}

impl RowError {
    /// A row that could not be processed, by its position in the batch.
    pub fn new(row: u32, error: Error) -> Self {
        Self { row, error }
    }
}

impl Rejection {
    /// A record that could not become a row: where it stands in the source (`line 12`), and as it was found.
    pub fn new(position: impl std::fmt::Display, raw: &[u8], error: Error) -> Self {
        Self { position: position.to_string(), raw: raw.to_vec(), error }
    }
}
