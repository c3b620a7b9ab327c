//! Declared types and what they mean: the same reading as the host's driver has.

use lockstep_plugin_sdk::types::LogicalType;
use lockstep_plugin_sdk::values::DecimalShape;

/// What SQLite makes of values when it stores them in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Affinity {
    Integer,
    Text,
    Real,
    Numeric,
    /// Values stay as they come.
    None,
}

impl Affinity {
    /// By the rules of SQLite's documentation, section 3.1 of "Datatypes in SQLite", in their order.
    pub fn of(declared: &str) -> Self {
        let upper = declared.to_ascii_uppercase();
        let has = |parts: &[&str]| parts.iter().any(|part| upper.contains(part));
        match () {
            () if has(&["INT"]) => Self::Integer,
            () if has(&["CHAR", "CLOB", "TEXT"]) => Self::Text,
            () if has(&["BLOB"]) || upper.trim().is_empty() => Self::None,
            () if has(&["REAL", "FLOA", "DOUB"]) => Self::Real,
            () => Self::Numeric,
        }
    }
}

/// The logical type that a declared type stands for. `_TEXT` at its end gives a column the affinity of text and changes nothing
/// else.
pub fn natural(declared: &str) -> LogicalType {
    let upper = declared.trim().to_ascii_uppercase();
    let (name, arguments) = split(&upper);
    match name.strip_suffix("_TEXT").unwrap_or(&name) {
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

/// The type a column is created with: one that means the logical type again, and in which SQLite turns no value into another.
pub fn column_type(logical: LogicalType) -> String {
    match logical {
        LogicalType::Bool => "BOOLEAN",
        LogicalType::Int64 => "INTEGER",
        LogicalType::Float64 => "DOUBLE",
        // In a column of numbers, a decimal would be a floating point number.
        LogicalType::Decimal(Some(shape)) => return format!("DECIMAL_TEXT({},{})", shape.precision, shape.scale),
        LogicalType::Decimal(None) => "DECIMAL_TEXT",
        LogicalType::Timestamp => "TIMESTAMPTZ",
        LogicalType::Datetime => "TIMESTAMP WITHOUT TIME ZONE",
        LogicalType::Date => "DATE",
        LogicalType::Time => "TIME",
        LogicalType::Uuid => "UUID",
        LogicalType::Text => "TEXT",
        LogicalType::Binary => "BLOB",
        // `JSON` alone is a column of numbers: the document `1.0` would become 1.
        LogicalType::Json => "JSON_TEXT",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(declared: &str, logical: &str, affinity: Affinity) {
        assert_eq!((natural(declared).to_string().as_str(), Affinity::of(declared)), (logical, affinity), "{declared}");
    }

    #[test]
    fn declared_types_mean_what_the_driver_takes_them_for() {
        use Affinity::{Integer, None, Numeric, Real, Text};
        for (declared, logical, affinity) in [
            ("INTEGER", "int64", Integer),
            ("unsigned big int", "int64", Integer),
            ("VARCHAR(30)", "text", Text),
            ("DATETIME", "text", Numeric),
            ("TIMESTAMP", "text", Numeric),
            ("TIMESTAMP(6) WITH TIME ZONE", "timestamp", Numeric),
            ("DECIMAL( 12 , 2 )", "decimal(12,2)", Numeric),
            ("NUMERIC(5)", "decimal(5,0)", Numeric),
            ("double  precision", "float64", Real),
            ("BLOB", "binary", None),
            ("", "text", None),
            ("POINT", "text", Integer),
        ] {
            check(declared, logical, affinity);
        }
    }

    #[test]
    fn columns_are_created_with_types_that_mean_the_same_again() {
        for logical in [
            "bool",
            "int64",
            "float64",
            "decimal",
            "decimal(12,2)",
            "decimal(38,10)",
            "timestamp",
            "datetime",
            "date",
            "time",
            "uuid",
            "text",
            "binary",
            "json",
        ] {
            let logical: LogicalType = logical.parse().unwrap();
            assert_eq!(natural(&column_type(logical)), logical);
        }
    }

    #[test]
    fn nothing_that_travels_as_text_becomes_a_number() {
        for logical in ["decimal", "decimal(12,2)", "text", "json"] {
            assert_eq!(Affinity::of(&column_type(logical.parse().unwrap())), Affinity::Text, "{logical}");
        }
    }
}
