//! Records by their keys: one statement, however many keys.
//!
//! The keys travel as one JSON document, for a statement has no other way to take a table of parameters without writing
//! anything, and a standby server cannot write. The server reads them as the columns' own types, so that the index is used. A key
//! its type cannot even spell, such as a label an enum does not have, is the key of no row: then all are compared as texts.

use lockstep_plugin_sdk::batch::BatchView;
use lockstep_plugin_sdk::capabilities::sql::Session;
use lockstep_plugin_sdk::error::{ErrorKind, Result};
use lockstep_plugin_sdk::types::{Batch, Changes, Field, LogicalType, ReadRequest};
use lockstep_plugin_sdk::values::{Decimal, format_date, format_datetime, format_time, format_timestamp};
use lockstep_sql_dialect::{Arguments, Selection, Value, names, quote};
use serde_json::Value as Json;

use crate::catalog::{self, Table};
use crate::open_session;
use crate::read::wanted_fields;
use crate::types::Family;

const PAGE_ROWS: u32 = 10_000;
const PAGE_BYTES: u64 = 64 << 20;
const NO_OPERATOR: &str = "42883";

pub fn lookup(request: &ReadRequest, keys: &Batch) -> Result<Changes> {
    let session = open_session()?;
    let table = catalog::require_table(&session, &request.stream)?;
    let selection = Selection::new(&wanted_fields(&table, request)?, &[], &[])?;
    let key = key_fields(&table, request, keys)?;
    let document = keys_to_json(&key, keys)?;
    let find =
        |spelling| find(&session, &selection, &statement(&table, selection.fields(), &key, spelling)?, &document);
    let found = match find(Spelling::Native) {
        // Only the server itself has codes: for what it cannot read, and for types that know no equality.
        Err(error) if error.is(ErrorKind::InvalidData) && !error.code.is_empty() => find(Spelling::Text)?,
        Err(error) if error.code == NO_OPERATOR => find(Spelling::Text)?,
        found => found?,
    };
    Ok(Changes::upserts(found))
}

fn find(session: &Session, selection: &Selection, statement: &str, document: &str) -> Result<Batch> {
    let mut arguments = Arguments::new();
    arguments.push(LogicalType::Json, Value::Text(document.to_owned()));
    let parameters = arguments.finish()?;
    let rows = session.query(statement, parameters.as_ref(), &selection.type_names())?;
    let mut found = Vec::new();
    while let Some(page) = rows.next(PAGE_ROWS, PAGE_BYTES)? {
        let taken = selection.take(page)?;
        if let Some(rejection) = taken.rejected.into_iter().next() {
            return Err(rejection.error);
        }
        found.push(taken.data);
    }
    Ok(lockstep_sql_dialect::join(found))
}

/// How keys that come as texts are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spelling {
    /// As values of the column's type.
    Native,
    /// As texts, which no index serves.
    Text,
}

/// The fields of the key in the types their values come in: the request's, else their own.
fn key_fields(table: &Table, request: &ReadRequest, keys: &Batch) -> Result<Vec<Field>> {
    let field = |name: &String| match request.fields.iter().find(|field| field.name == *name) {
        Some(field) => Ok(field.clone()),
        None => Ok(Field { name: name.clone(), ..table.require_column(name)?.field() }),
    };
    keys.columns.iter().map(|column| field(&column.name)).collect()
}

fn statement(table: &Table, fields: &[Field], key: &[Field], spelling: Spelling) -> Result<String> {
    let mut columns = Vec::with_capacity(key.len());
    let mut conditions = Vec::with_capacity(key.len());
    for field in key {
        let column = table.require_column(&field.name)?;
        let name = quote(&field.name);
        let is_document = matches!(column.family(), Family::Json | Family::Jsonb);
        if is_document || spelling == Spelling::Text && comes_as_text(column, field.logical()?) {
            columns.push(format!("{name} pg_catalog.text"));
            conditions.push(format!("t.{name}::pg_catalog.text = k.{name}"));
        } else {
            columns.push(format!("{name} {}", column.comparable_type()));
            conditions.push(format!("t.{name} = k.{name}"));
        }
    }
    Ok(format!(
        "SELECT {} FROM pg_catalog.json_to_recordset($1::pg_catalog.json) AS k({}) JOIN {} AS t ON {}",
        names("t.", fields.iter().map(|field| field.name.as_str())),
        columns.join(", "),
        table.quoted(),
        conditions.join(" AND ")
    ))
}

fn comes_as_text(column: &catalog::Column, logical: LogicalType) -> bool {
    logical == LogicalType::Text && !matches!(column.family(), Family::Text | Family::PaddedText)
}

/// Rows with a null in their key are left out, for they equal none; so are those with a NUL, which the server cannot have.
fn keys_to_json(key: &[Field], keys: &Batch) -> Result<String> {
    let types: Vec<LogicalType> = key.iter().map(Field::logical).collect::<Result<_>>()?;
    let names: Vec<String> = key.iter().map(|field| Json::from(field.name.as_str()).to_string()).collect();
    let view = BatchView::new(keys);
    let mut objects = Vec::with_capacity(view.rows());
    for row in 0..view.rows() {
        let values = names.iter().zip(&types).zip(view.columns());
        let members: Option<Vec<String>> = values
            .map(|((name, logical), column)| {
                Some(format!("{name}:{}", server_text(*logical, Value::of(column, *logical, row))?))
            })
            .collect();
        objects.extend(members.map(|members| format!("{{{}}}", members.join(","))));
    }
    Ok(format!("[{}]", objects.join(",")))
}

/// A value as the server reads it out of JSON.
fn server_text(logical: LogicalType, value: Value) -> Option<Json> {
    Some(match (value, logical) {
        (Value::Null, _) => return None,
        (Value::Int64(value), LogicalType::Timestamp) => Json::String(before_christ(format_timestamp(value))),
        (Value::Int64(value), LogicalType::Datetime) => Json::String(before_christ(format_datetime(value))),
        (Value::Int64(value), LogicalType::Date) => Json::String(before_christ(format_date(value))),
        (Value::Int64(value), LogicalType::Time) => Json::String(format_time(value)),
        (Value::Int64(value), LogicalType::Decimal(Some(shape))) => {
            Json::String(Decimal::from_scaled(value, shape.scale).to_string())
        }
        (Value::Binary(bytes), _) => {
            Json::String(bytes.iter().fold("\\x".to_owned(), |text, byte| format!("{text}{byte:02x}")))
        }
        (Value::Text(text), _) if text.contains('\0') => return None,
        (value, _) => value.to_json(),
    })
}

/// Years before the first one are counted backwards by the server: our year 0 is its 1 BC.
fn before_christ(text: String) -> String {
    let (is_negative, digits) = text.strip_prefix('-').map_or((false, text.as_str()), |rest| (true, rest));
    let Some((year, rest)) = digits.split_once('-') else { return text };
    match year.parse::<u32>() {
        Ok(year) if is_negative || year == 0 => format!("{:04}-{rest} BC", year + 1),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::tests::table;
    use lockstep_sql_dialect::batch_of;

    fn field(name: &str, logical: &str) -> Field {
        Field::new(name, logical.parse().unwrap())
    }

    #[test]
    fn keys_are_joined_in_types_that_fit_everything() {
        let table = table(&[("id", 23, true), ("line", 25, true), ("note", 25, false)], &[&["id", "line"]]);
        let key = [field("id", "int64"), field("line", "text")];
        assert_eq!(
            statement(&table, &[field("note", "text")], &key, Spelling::Native).unwrap(),
            r#"SELECT t."note" FROM pg_catalog.json_to_recordset($1::pg_catalog.json) AS k("id" pg_catalog.int8, "line" pg_catalog.text) JOIN "public"."t" AS t ON t."id" = k."id" AND t."line" = k."line""#
        );
        assert!(statement(&table, &[], &[field("nowhere", "text")], Spelling::Native).is_err());
    }

    #[test]
    fn only_keys_that_come_as_text_are_compared_as_text() {
        let table = table(&[("id", 23, true), ("mood", 90_001, true), ("day", 1082, true)], &[&["id"]]);
        let key = [field("id", "int64"), field("mood", "text"), field("day", "date")];
        let text = statement(&table, &[field("id", "int64")], &key, Spelling::Text).unwrap();
        assert!(
            text.ends_with(r#"t."id" = k."id" AND t."mood"::pg_catalog.text = k."mood" AND t."day" = k."day""#),
            "{text}"
        );
    }

    #[test]
    fn keys_are_written_as_the_server_reads_them() {
        let fields = [
            field("a", "int64"),
            field("b", "text"),
            field("c", "date"),
            field("d", "binary"),
            field("e", "decimal(9,2)"),
        ];
        let row = |a: Value, b: &str| {
            vec![a, Value::Text(b.into()), Value::Int64(-719_163), Value::Binary(vec![0, 255]), Value::Int64(-150)]
        };
        let rows = [row(Value::Int64(i64::MAX), "it's \"1\""), row(Value::Null, "x"), row(Value::Int64(1), "a\0b")];
        let keys = batch_of(&fields, &rows).unwrap();
        assert_eq!(
            keys_to_json(&fields, &keys).unwrap(),
            r#"[{"a":9223372036854775807,"b":"it's \"1\"","c":"0001-12-31 BC","d":"\\x00ff","e":"-1.50"}]"#
        );
    }

    #[test]
    fn years_are_counted_as_the_server_counts() {
        for (own, server) in [
            ("2026-11-21", "2026-11-21"),
            ("0000-12-31", "0001-12-31 BC"),
            ("-0043-03-15T00:00:00Z", "0044-03-15T00:00:00Z BC"),
            ("-infinity", "-infinity"),
            ("infinity", "infinity"),
        ] {
            assert_eq!(before_christ(own.to_owned()), server);
        }
    }
}
