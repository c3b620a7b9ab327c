//! Write Lockstep plugins in Rust.
//!
//! A plugin is a WebAssembly component that exports any of [`source`], [`sink`], [`transform`], [`lookup`] and [`compare`].
//! Implement the traits of those modules and name them in [`export!`]:
//!
//! ```
//! use lockstep_plugin_sdk::prelude::*;
//!
//! struct Hello;
//! struct Greetings;
//!
//! impl Source for Hello {
//!     type Config = NoConfig;
//!     type Reader = Greetings;
//!
//!     fn discover(_config: NoConfig, _names: Vec<String>) -> Result<Vec<Stream>> {
//!         Ok(vec![Stream::new("greetings").key(["id"]).field("id", LogicalType::Int64).field("text", LogicalType::Text)])
//!     }
//!
//!     fn open(_config: NoConfig, _request: ReadRequest) -> Result<Greetings> {
//!         Ok(Greetings)
//!     }
//! }
//!
//! impl Reader for Greetings {
//!     fn next(&mut self, _limits: Limits) -> Result<Page> {
//!         let mut batch = BatchBuilder::new([("id", LogicalType::Int64), ("text", LogicalType::Text)]);
//!         batch.column(0).push_int64(1);
//!         batch.column(1).push_text("hello");
//!         batch.end_row();
//!         Ok(Page::complete(batch.finish()?))
//!     }
//! }
//!
//! # #[cfg(any())]
//! export!(Hello: source);
//! ```
//!
//! The plugin's `plugin.toml` is embedded by `export!`. Build with `cargo build --target wasm32-wasip2 --release`.

#![deny(missing_docs)]

pub mod batch;
pub mod bindings;
pub mod capabilities;
pub mod compare;
pub mod config;
mod drop_rows;
pub mod error;
mod export;
pub mod http;
#[cfg(feature = "json")]
pub mod json;
#[cfg(feature = "json")]
pub mod list;
pub mod lookback;
pub mod lookup;
pub mod outcome;
pub mod page;
pub mod record;
pub mod rows;
#[cfg(feature = "json")]
pub mod since;
pub mod sink;
pub mod source;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod transform;
pub mod types;

// The derive's output names the SDK from outside; the SDK's own tests and examples use it too.
extern crate self as lockstep_plugin_sdk;

#[cfg(feature = "derive")]
pub use lockstep_plugin_sdk_derive::Record;
pub use lockstep_values as values;

/// What nearly every plugin needs.
pub mod prelude {
    pub use crate::batch::{BatchBuilder, BatchView, ColumnBuilder, ColumnView};
    pub use crate::config::NoConfig;
    pub use crate::error::{Error, ErrorKind, Result};
    pub use crate::export;
    pub use crate::page::{Filled, PageBuilder, RecordReader};
    pub use crate::record::{Date, Datetime, Decimal, Json, Maybe, Record, Records, Time, Timestamp, Uuid};
    pub use crate::sink::{Flushed, Sink, WriteMode, WriteRequest, WriteResults, Writer};
    pub use crate::source::{ReadMode, Reader, Source};
    pub use crate::transform::{Transform, Transformed, Transformer};
    pub use crate::types::{Batch, Changes, Field, Limits, Page, ReadRequest, Rejection, RowError, Status, Stream};
    #[cfg(feature = "derive")]
    pub use lockstep_plugin_sdk_derive::Record;
    pub use lockstep_values::LogicalType;
}
