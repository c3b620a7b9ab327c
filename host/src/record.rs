//! Records as the host sees them: typed columns in Arrow's layout, their schema, keys, digests and mapping.
//!
//! Pure: no clock, no chance, no input or output. It must not know plugins, projects or stores.

mod batch;
mod cast;
mod expression;
mod json;
mod key;
mod mapping;
mod presence;
mod projection;
mod schema;
mod value;

pub use batch::{Batch, BatchError, ChangeKind, Changes, Column};
pub use cast::{Cast, CastError, Castable, cast, castable};
pub use expression::{Expression, ExpressionError};
pub use json::{JsonError, batch_from_json, row_to_json};
pub use key::{Digest, KeyError, Keys, RowDigester};
pub use lockstep_values::{
    Decimal, DecimalError, DecimalShape, Layout, LogicalType, LogicalTypeError, MICROS_PER_DAY, TimeError,
    days_from_civil, format_date, format_datetime, format_time, format_timestamp, parse_date, parse_datetime,
    parse_time, parse_timestamp,
};
pub use mapping::{FieldMap, MappedChanges, Mapping, MappingError, RejectedValue};
pub use presence::{Uniform, project, split_uniform};
pub use projection::{ColumnRule, Flow, Projection, ProjectionError, Purpose, ReadRows, Row, VALUE_VARIABLE};
pub use schema::{Field, Properties, Stream, arrow_type};
pub use value::{
    Value, batch_of_values, read_byte, read_bytes, read_count, read_int, read_value, values_of, write_bytes,
    write_count, write_int, write_value,
};
