//! Writing to a system.

use std::cell::RefCell;

use serde::de::DeserializeOwned;

pub use crate::bindings::sink::exports::lockstep::plugin::sink::{Flushed, Prepared, WriteRequest, WriteResults};

use crate::error::Result;
use crate::types::{Changes, Stream, option};

/// A system to write to.
///
/// ```
/// use std::collections::BTreeMap;
///
/// use lockstep_plugin_sdk::prelude::*;
/// use lockstep_plugin_sdk::rows::{Done, Tally};
/// use lockstep_plugin_sdk::sink::{PrepareOptions, Prepared};
/// use lockstep_plugin_sdk::testing;
/// use serde_json::json;
///
/// #[derive(PartialEq, Record)]
/// struct Note {
///     #[record(key)]
///     id: i64,
///     text: String,
/// }
///
/// struct Plugin;
///
/// #[derive(Default)]
/// struct Notes {
///     rows: BTreeMap<i64, Note>,
///     tally: Tally,
/// }
///
/// impl Sink for Plugin {
///     type Config = NoConfig;
///     type Writer = Notes;
///
///     fn describe(_config: NoConfig, name: String) -> Result<Option<Stream>> {
///         Ok((name == "notes").then(|| Note::stream(name).property("write", "upsert,delete")))
///     }
///
///     fn prepare(_config: NoConfig, wanted: Stream, options: PrepareOptions) -> Result<Prepared> {
///         // Here a database would make a table; there is nothing to make.
///         assert!(!options.evolve && !options.dry_run);
///         Note::check_fields(&wanted.fields)?;
///         Ok(Prepared { stream: wanted, actions: Vec::new() })
///     }
///
///     fn open(_config: NoConfig, request: WriteRequest) -> Result<Notes> {
///         assert_eq!(request.write_mode(), WriteMode::Upsert, "no other is asked for that `write` does not list");
///         Ok(Notes::default())
///     }
/// }
///
/// impl Writer for Notes {
///     fn write(&mut self, changes: Changes) -> Result<WriteResults> {
///         let rows = &mut self.rows;
///         self.tally.write::<Note>(&changes, |row| match row.is_delete {
///             true if rows.remove(&row.values.id).is_some() => Ok(Done::Deleted),
///             false if rows.get(&row.values.id) != Some(&row.values) => {
///                 rows.insert(row.values.id, row.values);
///                 Ok(Done::Written)
///             }
///             _ => Ok(Done::Unchanged),
///         })
///     }
///
///     fn flush(&mut self) -> Result<Flushed> {
///         Ok(self.tally.flush())
///     }
/// }
///
/// let wanted = Plugin::describe(NoConfig {}, "notes".to_owned())?.unwrap();
/// let page = testing::batch(&wanted.fields, &[json!({"id": 1, "text": "hello"})])?;
/// let prepared = Plugin::prepare(NoConfig {}, wanted, PrepareOptions { evolve: false, dry_run: false })?;
/// let request = WriteRequest { stream: prepared.stream, mode: "upsert".to_owned(), options: Vec::new() };
/// let mut writer = Plugin::open(NoConfig {}, request)?;
/// assert_eq!(writer.write(Changes::upserts(page))?.statuses, None);
/// assert_eq!(writer.flush()?.written, 1);
/// # Ok::<(), Error>(())
/// ```
pub trait Sink {
    /// Read from the connection's `config`.
    type Config: DeserializeOwned;
    /// Writes into one stream; [`crate::rows::Tally`] does what is the same in all that write row by row.
    type Writer: Writer;

    /// The stream as it is; none if it does not exist. The property `empty` says whether it holds records.
    fn describe(config: Self::Config, name: String) -> Result<Option<Stream>>;

    /// Makes the stream able to take the wanted fields: creates it with its key if it is missing; adds missing fields if
    /// [`PrepareOptions::evolve`]. Never removes, retypes or empties anything.
    fn prepare(config: Self::Config, wanted: Stream, options: PrepareOptions) -> Result<Prepared>;

    /// Begins to write.
    fn open(config: Self::Config, request: WriteRequest) -> Result<Self::Writer>;
}

/// Dropping a writer undoes whatever has not been flushed, where the system can.
pub trait Writer: 'static {
    /// Takes a page. Every row carries a value for each column; columns that are missing are left untouched by an update. No key
    /// occurs twice between two flushes.
    fn write(&mut self, changes: Changes) -> Result<WriteResults>;

    /// Makes everything written so far durable. After an error nothing since the last flush counts as written.
    fn flush(&mut self) -> Result<Flushed>;
}

/// What `prepare` may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrepareOptions {
    /// Add fields that are missing.
    pub evolve: bool,
    /// Only say what would be done.
    pub dry_run: bool,
}

impl PrepareOptions {
    /// As the host's options say.
    ///
    /// ```
    /// let options = lockstep_plugin_sdk::sink::PrepareOptions::from_options(&[("evolve".to_owned(), "true".to_owned())]);
    /// assert!(options.evolve && !options.dry_run);
    /// ```
    pub fn from_options(options: &[(String, String)]) -> Self {
        let is_set = |name| option(options, name) == Some("true");
        Self { evolve: is_set("evolve"), dry_run: is_set("dry-run") }
    }
}

/// What a writer may assume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteMode {
    /// Insert or update by key; equal records are not written again.
    Upsert,
    /// The target is empty: append; answer `conflict` if a record is there already.
    Load,
    /// Every row is a new record; answer the keys in `ids`, and status 1 for a record that is there already.
    Insert,
    /// Every row changes or deletes the record of its key if the columns `expected:…` agree; else answer status 1.
    Update,
}

/// A column of this name and a field's holds what the field must still be for a row to be written.
pub const EXPECTED_PREFIX: &str = "expected:";

impl WriteRequest {
    /// What the writer may assume.
    pub fn write_mode(&self) -> WriteMode {
        match self.mode.as_str() {
            "load" => WriteMode::Load,
            "insert" => WriteMode::Insert,
            "update" => WriteMode::Update,
            _ => WriteMode::Upsert,
        }
    }

    /// An option by its name.
    pub fn option(&self, name: &str) -> Option<&str> {
        option(&self.options, name)
    }
}

impl WriteResults {
    /// Every row is fine.
    pub fn all_ok() -> Self {
        Self { statuses: None, errors: Vec::new(), ids: None, versions: None }
    }
}

impl Flushed {
    /// Counts of records.
    pub fn new(written: u64, unchanged: u64, deleted: u64) -> Self {
        Self { written, unchanged, deleted, properties: Vec::new() }
    }
}

/// A writer behind a handle.
#[doc(hidden)]
pub struct WriterResource(RefCell<Box<dyn Writer>>);

impl WriterResource {
    pub fn new(writer: impl Writer) -> Self {
        Self(RefCell::new(Box::new(writer)))
    }
}

impl crate::bindings::sink::exports::lockstep::plugin::sink::GuestWriter for WriterResource {
    fn write(&self, changes: Changes) -> Result<WriteResults> {
        self.0.borrow_mut().write(changes)
    }

    fn flush(&self) -> Result<Flushed> {
        self.0.borrow_mut().flush()
    }
}
