//! What a declared type means, as people declare columns in SQLite.

use crate::record::{DecimalShape, LogicalType};

/// The logical type that a declared type stands for. `_TEXT` at its end, which gives the column the affinity of text, changes
/// nothing: `DECIMAL_TEXT(38,10)`, `JSON_TEXT`.
pub(super) fn natural(declared: &str) -> LogicalType {
    let upper = declared.trim().to_ascii_uppercase();
    let (name, arguments) = split(&upper);
    let name = name.strip_suffix("_TEXT").unwrap_or(&name);
    match name {
        "BOOL" | "BOOLEAN" => LogicalType::Bool,
        "DECIMAL" | "NUMERIC" | "DEC" => LogicalType::Decimal(arguments.and_then(shape)),
        "DATE" => LogicalType::Date,
        "TIME" | "TIME WITHOUT TIME ZONE" => LogicalType::Time,
        "TIMESTAMPTZ" | "TIMESTAMP WITH TIME ZONE" => LogicalType::Timestamp,
        "TIMESTAMP WITHOUT TIME ZONE" => LogicalType::Datetime,
        "UUID" => LogicalType::Uuid,
        "JSON" => LogicalType::Json,
        "BLOB" | "BINARY" | "VARBINARY" | "BYTEA" => LogicalType::Binary,
        "REAL" | "FLOAT" | "FLOAT4" | "FLOAT8" | "DOUBLE" | "DOUBLE PRECISION" => LogicalType::Float64,
        name if is_integer(name) => LogicalType::Int64,
        _ => LogicalType::Text,
    }
}

/// The words, one blank apart, and what stands in parentheses.
fn split(declared: &str) -> (String, Option<&str>) {
    let (head, rest) = declared.split_once('(').unwrap_or((declared, ""));
    let (arguments, tail) = rest.split_once(')').unwrap_or((rest, ""));
    let words: Vec<&str> = head.split_whitespace().chain(tail.split_whitespace()).collect();
    (words.join(" "), (!arguments.is_empty()).then_some(arguments))
}

fn shape(arguments: &str) -> Option<DecimalShape> {
    let (precision, scale) = arguments.split_once(',').unwrap_or((arguments, "0"));
    let shape = DecimalShape { precision: precision.trim().parse().ok()?, scale: scale.trim().parse().ok()? };
    (shape.precision > 0 && shape.scale <= shape.precision).then_some(shape)
}

fn is_integer(name: &str) -> bool {
    let name = name.strip_prefix("UNSIGNED ").unwrap_or(name);
    let name = name.strip_suffix(" UNSIGNED").unwrap_or(name);
    matches!(
        name,
        "INT" | "INTEGER" | "TINYINT" | "SMALLINT" | "MEDIUMINT" | "BIGINT" | "BIG INT" | "INT2" | "INT4" | "INT8"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(declared: &str, expected: &str) {
        assert_eq!(natural(declared).to_string(), expected, "{declared}");
    }

    #[test]
    fn declared_types() {
        for (declared, expected) in [
            ("INTEGER", "int64"),
            ("int", "int64"),
            ("UNSIGNED BIG INT", "int64"),
            ("BIGINT(20)", "int64"),
            ("REAL", "float64"),
            ("double  precision", "float64"),
            ("BOOLEAN", "bool"),
            ("DECIMAL(12,2)", "decimal(12,2)"),
            ("DECIMAL( 12 , 2 )", "decimal(12,2)"),
            ("NUMERIC(5)", "decimal(5,0)"),
            ("NUMERIC", "decimal"),
            ("DECIMAL(2,5)", "decimal"),
            ("DECIMAL_TEXT(38,10)", "decimal(38,10)"),
            ("DATE", "date"),
            ("DATETIME", "text"),
            ("TIMESTAMP", "text"),
            ("TIMESTAMPTZ", "timestamp"),
            ("timestamp with time zone", "timestamp"),
            ("TIMESTAMP(6) WITH TIME ZONE", "timestamp"),
            ("TIMESTAMP WITHOUT TIME ZONE", "datetime"),
            ("TIME", "time"),
            ("UUID", "uuid"),
            ("JSON", "json"),
            ("JSON_TEXT", "json"),
            ("BLOB", "binary"),
            ("VARCHAR(255)", "text"),
            ("TEXT", "text"),
            ("POINT", "text"),
            ("STRING", "text"),
            ("", "text"),
            ("(", "text"),
        ] {
            check(declared, expected);
        }
    }
}
