//! What plugins for SQL databases share: names in quotes, values as parameters, positions in cursors, pages from rows.
//!
//! It must not know any dialect: no statement stands here. What it promises: a value that goes into a cursor or a parameter
//! comes out as the very same value, and no row of a result gets lost between a record and a rejection.

mod answer;
mod batches;
mod change;
mod cursor;
mod document;
mod identifier;
mod identify;
mod load;
mod open;
mod order;
mod parameters;
mod record;
mod selection;
mod transaction;
mod value;

pub use answer::{Answer, read_all, read_batch, read_row};
pub use batches::{Kinds, batch_of, join, keep_columns, keep_rows, row_of, split_kinds};
pub use change::{ChangeColumns, Expected, expected_field, free_name, is_same, number_rows, rows_by_kind, value_at};
pub use cursor::{decode_cursor, encode_cursor, name_to_json, names_to_json, stale};
pub use document::{FromJson, Members, Unfit, choice, object, read_document, texts_to_json};
pub use identifier::{Quotes, names, quote, quote_path};
pub use identify::identify_all;
pub use load::{Load, in_page, renumber};
pub use open::open;
pub use order::KeyOrder;
pub use parameters::Arguments;
pub use record::{key_to_json, row_to_json};
pub use selection::{Selection, Taken};
pub use transaction::Transaction;
pub use value::{Value, values_from_json, values_to_json};
