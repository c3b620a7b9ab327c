//! Pure functions on records.

use std::cell::RefCell;

use serde::de::DeserializeOwned;

pub use crate::bindings::transform::exports::lockstep::plugin::transform::Transformed;

use crate::error::Result;
use crate::types::{Changes, Stream};

/// A pure function on records: no clock, no randomness, no input or output. The same input gives the same bytes.
pub trait Transform {
    type Config: DeserializeOwned;
    type Transformer: Transformer;

    /// What comes out if `input` goes in.
    fn describe(config: Self::Config, input: Stream) -> Result<Stream>;

    fn open(config: Self::Config, input: Stream) -> Result<Self::Transformer>;
}

pub trait Transformer: 'static {
    fn apply(&mut self, changes: Changes) -> Result<Transformed>;
}

impl Transformed {
    /// Every row went through.
    pub fn row_by_row(changes: Changes) -> Self {
        Self { changes, origins: None, rejected: Vec::new() }
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
