//! What the plugins that read text files share: getting at the bytes of a file (plain or gzip, in several encodings), going
//! through them record by record with a cursor that survives a restart, and turning text into typed values.
//!
//! This crate must not know how records are written: that is the part of a [`Format`].
//!
//! Invariants:
//! - A cursor always points at the beginning of a record, in bytes of the (unpacked) source.
//! - A page never ends inside of a record, and a record is either a row, a rejection or, by the rules of the format, nothing.
//! - What a reading shows is one version of the file: a file that changes while it is read ends in an error.

pub mod classify;
mod cursor;
mod encoding;
mod input;
pub mod memory;
mod names;
mod reader;
mod refusal;
mod sample;
mod store;
mod streams;
pub mod testing;
mod text;
pub mod value;
mod window;

pub use cursor::{Cursor, Fingerprint};
pub use encoding::Encoding;
pub use input::CHUNK_BYTES;
pub use names::{Extensions, NAME_MAX_BYTES, is_gzip};
pub use reader::{Format, Opening, Step, TextReader};
pub use refusal::{Reason, Refusal, quoted};
pub use sample::{Sample, samples};
pub use store::{ALIAS, FileRead, Granted, Store, StoredFile};
pub use streams::{describe_streams, guessed};
pub use text::{Tail, Text};
pub use window::Window;

/// The most bytes a record may have. One that is longer is nearly always a quote that nobody closed; it is refused, and
/// reading goes on behind it. The number is far above real records and far below the memory a plugin is given.
pub const RECORD_BYTES_MAX: usize = 8 << 20;
