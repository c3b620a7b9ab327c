//! Pure functions on records.

use std::cell::RefCell;

use serde::de::DeserializeOwned;

pub use crate::bindings::transform::exports::lockstep::plugin::transform::Transformed;

use crate::error::Result;
use crate::types::{Changes, RowError, Stream};

/// A pure function on records: no clock, no randomness, no input or output. The same input gives the same bytes.
///
/// ```
/// use lockstep_plugin_sdk::prelude::*;
/// use lockstep_plugin_sdk::testing;
/// use serde_json::json;
///
/// struct Plugin;
///
/// /// Refuses records without a name.
/// struct Named;
///
/// impl Transform for Plugin {
///     type Config = NoConfig;
///     type Transformer = Named;
///
///     fn describe(_config: NoConfig, input: Stream) -> Result<Stream> {
///         Ok(input)
///     }
///
///     fn open(_config: NoConfig, input: Stream) -> Result<Named> {
///         match input.fields.iter().any(|field| field.name == "name") {
///             true => Ok(Named),
///             false => Err(Error::config("the stream has no field `name`")),
///         }
///     }
/// }
///
/// impl Transformer for Named {
///     fn apply(&mut self, changes: Changes) -> Result<Transformed> {
///         let view = BatchView::new(&changes.data);
///         let names = view.column("name").ok_or_else(|| Error::config("the stream has no field `name`"))?;
///         let nameless = (0..view.rows()).filter(|row| names.text(*row).is_none());
///         let refused = |row| RowError::new(row as u32, Error::invalid_data("it has no name").with_field("name"));
///         let refused = nameless.map(refused).collect();
///         Ok(Transformed::without(changes, refused))
///     }
/// }
///
/// let people = Stream::new("people").key(["id"]).field("id", LogicalType::Int64).field("name", LogicalType::Text);
/// let rows = [json!({"id": 1, "name": null}), json!({"id": 2, "name": "Bo"})];
/// let outcome = testing::transform::<Plugin>(json!({}), &people, &rows)?;
/// assert_eq!((&outcome.rows[..], &outcome.origins[..]), (&rows[1..], &[1][..]));
/// assert_eq!(outcome.rejected[0].row, 0);
/// # Ok::<(), Error>(())
/// ```
pub trait Transform {
    /// Read from the `config` of the transform.
    type Config: DeserializeOwned;
    /// Does the work for one stream.
    type Transformer: Transformer;

    /// What comes out if `input` goes in.
    fn describe(config: Self::Config, input: Stream) -> Result<Stream>;

    /// Begins to transform records of `input`. What the configuration says wrongly about it is an error of kind `config`.
    fn open(config: Self::Config, input: Stream) -> Result<Self::Transformer>;
}

/// A transform at work on one stream.
pub trait Transformer: 'static {
    /// Transforms a page. A row that cannot go on is rejected, and the others go on: see [`Transformed::without`].
    fn apply(&mut self, changes: Changes) -> Result<Transformed>;
}

impl Transformed {
    /// Every row went through.
    pub fn row_by_row(changes: Changes) -> Self {
        Self { changes, origins: None, rejected: Vec::new() }
    }

    /// Every row went through but the rejected ones, which are still in `changes` and are taken out here.
    pub fn without(mut changes: Changes, rejected: Vec<RowError>) -> Self {
        if rejected.is_empty() {
            return Self::row_by_row(changes);
        }
        let mut dropped: Vec<u32> = rejected.iter().map(|error| error.row).collect();
        dropped.sort_unstable();
        let origins = changes.drop_rows(&dropped);
        Self { changes, origins: Some(origins), rejected }
    }
}

/// A transformer behind a handle.
#[doc(hidden)]
pub struct TransformerResource(RefCell<Box<dyn Transformer>>);

impl TransformerResource {
    pub fn new(transformer: impl Transformer) -> Self {
        Self(RefCell::new(Box::new(transformer)))
    }
}

impl crate::bindings::transform::exports::lockstep::plugin::transform::GuestTransformer for TransformerResource {
    fn apply(&self, changes: Changes) -> Result<Transformed> {
        self.0.borrow_mut().apply(changes)
    }
}
