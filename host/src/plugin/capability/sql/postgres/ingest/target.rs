//! The table that is loaded: what its columns take, as the server's catalog says, and the statement that copies into it.

use std::collections::HashMap;

use super::super::encode::ColumnEncoder;
use super::super::messages::Format;
use super::super::native::{Native, TextLimit};
use super::super::wire::Wire;
use crate::connector::{Failure, FailureKind};
use crate::error::codes;
use crate::plugin::capability::sql::{quote, unfit_type};
use crate::record::Field;

/// Name, type, modifier, the function that reads its binary form, and its name for people, of every column. A domain is what
/// it stands for. The catalog is asked in any case: a type that somebody only believes in would turn eight bytes of a time
/// into a number without a word.
const COLUMNS: &str = "\
    WITH RECURSIVE columns (name, type, modifier, shown) AS ( \
        SELECT a.attname::text, a.atttypid, a.atttypmod, pg_catalog.format_type(a.atttypid, a.atttypmod) \
        FROM pg_catalog.pg_attribute a \
        WHERE a.attrelid = pg_catalog.to_regclass($1::pg_catalog.text) AND a.attnum > 0 AND NOT a.attisdropped \
        UNION ALL \
        SELECT c.name, t.typbasetype, t.typtypmod, c.shown \
        FROM columns c JOIN pg_catalog.pg_type t ON t.oid = c.type AND t.typtype = 'd' \
    ) \
    SELECT c.name, c.type::pg_catalog.int8, c.modifier, t.typreceive::pg_catalog.oid::pg_catalog.regproc::pg_catalog.text, c.shown \
    FROM columns c JOIN pg_catalog.pg_type t ON t.oid = c.type AND t.typtype <> 'd'";

/// Types whose binary form is their text: enums and what extensions make of text.
const TEXT_RECEIVERS: [&str; 3] = ["enum_recv", "textrecv", "citextrecv"];

struct TargetColumn {
    native: Native,
    shown: String,
}

/// How to write each of the fields into its column.
pub(super) async fn encoders(
    wire: &mut Wire,
    table: &[String],
    fields: &[Field],
) -> Result<Vec<ColumnEncoder>, Failure> {
    check_names(wire, table, fields)?;
    let columns = read_columns(wire, &quote(table)).await?;
    if columns.is_empty() {
        let text = format!("there is no table {}", quote(table));
        return Err(wire.failure(FailureKind::NotFound, &codes::SQL_STATEMENT, text));
    }
    let encoder = |field: &Field| {
        let column = columns.get(&field.name).ok_or_else(|| {
            let text = format!("there is no column `{}` in {}", field.name, quote(table));
            wire.failure(FailureKind::NotFound, &codes::SQL_STATEMENT, text)
        })?;
        ColumnEncoder::new(&field.name, column.native, field.logical)
            .ok_or_else(|| unfit_type(&wire.origin, &field.name, &column.shown, field.logical))
    };
    fields.iter().map(encoder).collect()
}

fn check_names(wire: &Wire, table: &[String], fields: &[Field]) -> Result<(), Failure> {
    let names = table.iter().chain(fields.iter().map(|field| &field.name));
    let is_broken =
        table.is_empty() || fields.is_empty() || names.into_iter().any(|name| name.is_empty() || name.contains('\0'));
    if is_broken {
        let text = "a load needs the name of a table and of at least one column, without NUL bytes";
        return Err(wire.failure(FailureKind::Permanent, &codes::SQL_STATEMENT, text));
    }
    Ok(())
}

async fn read_columns(wire: &mut Wire, table: &str) -> Result<HashMap<String, TargetColumn>, Failure> {
    let rows = wire.fetch_text(COLUMNS, &[table]).await?;
    Ok(rows.into_iter().filter_map(|row| read_column(&row)).collect())
}

fn read_column(row: &[Option<String>]) -> Option<(String, TargetColumn)> {
    let [Some(name), Some(id), Some(modifier), receive, Some(shown)] = row else { return None };
    let native = match Native::of(id.parse().ok()?, modifier.parse().ok()?) {
        Native::Other if receive.as_deref().is_some_and(reads_text) => Native::Text(TextLimit::None),
        native => native,
    };
    Some((name.clone(), TargetColumn { native, shown: shown.clone() }))
}

/// The function may be shown with its schema.
fn reads_text(receive: &str) -> bool {
    TEXT_RECEIVERS.contains(&receive.rsplit('.').next().unwrap_or_default())
}

pub(super) fn copy_statement(table: &[String], fields: &[Field], format: Format) -> String {
    let columns: Vec<String> = fields.iter().map(|field| quote(std::slice::from_ref(&field.name))).collect();
    let format = match format {
        Format::Binary => "binary",
        Format::Text => "text",
    };
    format!("COPY {} ({}) FROM STDIN (FORMAT {format})", quote(table), columns.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::LogicalType;

    #[test]
    fn names_are_quoted() {
        let fields = [Field::new("a\"b", LogicalType::Text), Field::new("select", LogicalType::Text)];
        assert_eq!(
            copy_statement(&["s".into(), "T.x".into()], &fields, Format::Binary),
            r#"COPY "s"."T.x" ("a""b", "select") FROM STDIN (FORMAT binary)"#
        );
    }

    #[test]
    fn types_that_read_text_are_text() {
        let row = |receive: &str| -> Vec<Option<String>> {
            ["a", "90001", "-1", receive, "mood"].map(|text| Some(text.to_owned())).to_vec()
        };
        let native = |receive| read_column(&row(receive)).unwrap().1.native;
        assert_eq!(native("enum_recv"), Native::Text(TextLimit::None));
        assert_eq!(native("ext.citextrecv"), Native::Text(TextLimit::None));
        assert_eq!(native("range_recv"), Native::Other);
    }
}
