//! Where rows stand: the columns by which they are ordered, and values exactly as SQLite holds them.
//!
//! SQLite orders values as they are stored, which is not always as they are meant: `2026-11-21T12:00:00Z` and
//! `2026-11-21T12:00:00.000000Z` are the same instant and two texts, and a column may hold numbers beside texts. So a position keeps
//! what is stored. Where the type of a value already says that, it is read as it is; else as the literal SQLite itself writes.

use lockstep_plugin_sdk::error::Result;
use lockstep_plugin_sdk::types::{Field, LogicalType};
use lockstep_sql_dialect::{Arguments, Value, quote, stale};

use crate::catalog::Column;
use crate::types::Affinity;

/// A column that tells where a row stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub name: String,
    /// The collation of the index by which rows are ordered; none = the column's own.
    collation: Option<String>,
    pub form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The value itself.
    Plain(LogicalType),
    /// A literal: `1`, `'it''s'`, `X'00FF'`, `0.5`.
    Quoted,
}

/// The property of a field that is selected by an expression.
pub const EXPRESSION: &str = "expression";

impl Place {
    /// `wanted`: the fields that are read anyway.
    pub fn new(column: &Column, collation: Option<&str>, wanted: &[Field]) -> Self {
        let plain = plain_type(column).filter(|logical| {
            let name = logical.to_string();
            wanted.iter().any(|field| field.name == column.name && field.logical_type == name)
        });
        let is_text = column.affinity() != Affinity::Integer;
        Self {
            name: column.name.clone(),
            collation: collation.filter(|_| is_text).map(str::to_owned),
            form: plain.map_or(Form::Quoted, Form::Plain),
        }
    }

    /// How a query reads it.
    pub fn field(&self) -> Field {
        match self.form {
            Form::Plain(logical) => Field::new(&self.name, logical),
            Form::Quoted => {
                let expression = format!("nullif(quote(t.{}), 'NULL')", quote(&self.name));
                let mut field = Field::new(&expression, LogicalType::Text);
                field.properties.push((EXPRESSION.to_owned(), expression));
                field
            }
        }
    }

    /// The type of its values in a cursor.
    pub fn stored_type(&self) -> LogicalType {
        match self.form {
            Form::Plain(logical) => logical,
            Form::Quoted => LogicalType::Text,
        }
    }

    /// The column in a comparison or an order.
    pub fn term(&self) -> String {
        match &self.collation {
            Some(collation) => format!("t.{} COLLATE {}", quote(&self.name), quote(collation)),
            None => format!("t.{}", quote(&self.name)),
        }
    }

    /// Adds the value as a parameter and answers what stands for it in the statement.
    pub fn argument(&self, value: &Value, arguments: &mut Arguments) -> Result<String> {
        let (logical, value) = match (self.form, value) {
            (Form::Plain(logical), value) => (logical, value.clone()),
            (Form::Quoted, Value::Text(literal)) => parse_literal(literal)
                .ok_or_else(|| stale(format!("the cursor holds `{literal}`, which is no value")))?,
            (Form::Quoted, _) => return Err(stale("the cursor holds a value of another type")),
        };
        Ok(format!("?{}", arguments.push(logical, value)))
    }
}

/// The type in which every value of a column is read as it is stored; what is not of this type is no position.
fn plain_type(column: &Column) -> Option<LogicalType> {
    match (column.logical(), column.affinity()) {
        (LogicalType::Int64, Affinity::Integer) => Some(LogicalType::Int64),
        (LogicalType::Text, Affinity::Text) => Some(LogicalType::Text),
        (LogicalType::Binary, _) => Some(LogicalType::Binary),
        _ => None,
    }
}

/// The value that `quote()` wrote.
fn parse_literal(literal: &str) -> Option<(LogicalType, Value)> {
    if let Some(text) = literal.strip_prefix('\'') {
        return Some((LogicalType::Text, Value::Text(text.strip_suffix('\'')?.replace("''", "'"))));
    }
    if let Some(digits) = literal.strip_prefix("X'") {
        return Some((LogicalType::Binary, Value::Binary(parse_hex(digits.strip_suffix('\'')?)?)));
    }
    if let Ok(value) = literal.parse() {
        return Some((LogicalType::Int64, Value::Int64(value)));
    }
    let value: f64 = literal.parse().ok()?;
    (!value.is_nan()).then_some((LogicalType::Float64, Value::Float64(value)))
}

fn parse_hex(digits: &str) -> Option<Vec<u8>> {
    if !digits.is_ascii() || !digits.len().is_multiple_of(2) {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::tests::table;

    fn check(literal: &str, expected: Option<Value>) {
        assert_eq!(parse_literal(literal).map(|(_, value)| value), expected, "{literal}");
    }

    #[test]
    fn literals_are_read_as_sqlite_writes_them() {
        check("-9223372036854775808", Some(Value::Int64(i64::MIN)));
        check("0.5", Some(Value::Float64(0.5)));
        check("9.0e+999", Some(Value::Float64(f64::INFINITY)));
        check("'it''s'", Some(Value::Text("it's".into())));
        check("''", Some(Value::Text(String::new())));
        check("X'00FF'", Some(Value::Binary(vec![0, 255])));
        for nonsense in ["", "'", "X'0'", "X'0g'", "NULL", "NaN", "1; DROP TABLE t"] {
            check(nonsense, None);
        }
    }

    #[test]
    fn values_are_read_plainly_only_where_their_type_says_how_they_are_stored() {
        let table = table(
            &[
                ("id", "INTEGER", true),
                ("name", "TEXT", true),
                ("at", "TIMESTAMPTZ", true),
                ("any", "", true),
                ("raw", "BLOB", true),
            ],
            &[],
        );
        let wanted: Vec<Field> = table.columns.iter().map(Column::field).collect();
        let forms: Vec<bool> =
            table.columns.iter().map(|column| Place::new(column, None, &wanted).form != Form::Quoted).collect();
        assert_eq!(forms, [true, true, false, false, true]);
        // A value that does not fit must not refuse a record that was not asked for it.
        assert_eq!(Place::new(&table.columns[0], None, &[]).form, Form::Quoted);
    }

    #[test]
    fn terms_compare_as_the_index_does() {
        let table = table(&[("id", "INTEGER", true), ("na\"me", "TEXT", true)], &[]);
        assert_eq!(Place::new(&table.columns[0], Some("BINARY"), &[]).term(), "t.\"id\"");
        let name = Place::new(&table.columns[1], Some("NOCASE"), &[]);
        assert_eq!(name.term(), r#"t."na""me" COLLATE "NOCASE""#);
        assert_eq!(name.field().property(EXPRESSION), Some(r#"nullif(quote(t."na""me"), 'NULL')"#));
    }
}
