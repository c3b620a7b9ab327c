//! Values of columns as plain text, the same for the same value.

use lockstep_plugin_sdk::batch::ColumnView;
use lockstep_plugin_sdk::types::LogicalType;
use lockstep_plugin_sdk::values::{Decimal, Layout, format_date, format_datetime, format_time, format_timestamp};

/// A value as text: whole numbers and decimals by their digits, times as ISO 8601 has them, bytes in hexadecimal digits. None where
/// there is none.
pub fn plain(column: ColumnView<'_>, logical: LogicalType, row: usize) -> Option<String> {
    match (logical, logical.layout()) {
        (LogicalType::Bool, _) => column.bool(row).map(|value| value.to_string()),
        (LogicalType::Date, _) => column.int64(row).map(format_date),
        (LogicalType::Time, _) => column.int64(row).map(format_time),
        (LogicalType::Datetime, _) => column.int64(row).map(format_datetime),
        (LogicalType::Timestamp, _) => column.int64(row).map(format_timestamp),
        (LogicalType::Decimal(shape), Layout::Int64) => {
            let scale = shape.map_or(0, |shape| shape.scale);
            column.int64(row).map(|value| Decimal::from_scaled(value, scale).to_string())
        }
        (_, Layout::Int64) => column.int64(row).map(|value| value.to_string()),
        #[cfg(any(test, feature = "floats"))]
        (_, Layout::Float64) => column.float64(row).map(crate::float::float),
        (LogicalType::Binary, _) => {
            column.bytes(row).map(|bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect())
        }
        _ => column.text(row).map(str::to_owned),
    }
}
