//! The table that is loaded: what its columns take, as the server says, and how a statement that fills it begins.

use std::collections::HashMap;

use super::super::encode::ColumnEncoder;
use super::super::native::Native;
use super::super::wire::Wire;
use crate::connector::{Failure, FailureKind};
use crate::error::codes;
use crate::plugin::capability::sql::unfit_type;
use crate::record::Field;

struct TargetColumn {
    native: Native,
    shown: String,
}

/// How to write each of the fields into its column.
pub async fn encoders(wire: &mut Wire, table: &[String], fields: &[Field]) -> Result<Vec<ColumnEncoder>, Failure> {
    check_names(wire, table, fields)?;
    // The server is asked in any case, and this way it also knows tables that only this session has.
    let rows = wire.fetch_text(&format!("SHOW FULL COLUMNS FROM {}", quote(table))).await?;
    let columns: HashMap<String, TargetColumn> = rows.into_iter().filter_map(|row| read_column(&row)).collect();
    let encoder = |field: &Field| {
        let column = columns.get(&field.name.to_lowercase()).ok_or_else(|| {
            let text = format!("there is no column `{}` in {}", field.name, quote(table));
            wire.failure(FailureKind::NotFound, &codes::SQL_STATEMENT, text)
        })?;
        ColumnEncoder::new(&field.name, column.native.clone(), field.logical, &wire.server)
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

/// Name, type, collation. Names of columns are the same in any case.
fn read_column(row: &[Option<String>]) -> Option<(String, TargetColumn)> {
    let [Some(name), Some(shown), collation, ..] = row else { return None };
    let native = Native::declared(shown, collation.as_deref());
    Some((name.to_lowercase(), TargetColumn { native, shown: shown.clone() }))
}

/// ``INSERT INTO `schema`.`table` (`a`, `b`) VALUES ``.
pub fn head(table: &[String], fields: &[Field]) -> Vec<u8> {
    let columns: Vec<String> = fields.iter().map(|field| quote(std::slice::from_ref(&field.name))).collect();
    format!("INSERT INTO {} ({}) VALUES ", quote(table), columns.join(", ")).into_bytes()
}

/// A name of one or more parts as the server quotes it.
fn quote(parts: &[String]) -> String {
    let quoted: Vec<String> = parts.iter().map(|part| format!("`{}`", part.replace('`', "``"))).collect();
    quoted.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::LogicalType;

    #[test]
    fn names_are_quoted() {
        let fields = [Field::new("a`b", LogicalType::Text), Field::new("select", LogicalType::Text)];
        let head = String::from_utf8(head(&["s".into(), "T.x".into()], &fields)).unwrap();
        assert_eq!(head, "INSERT INTO `s`.`T.x` (`a``b`, `select`) VALUES ");
    }

    #[test]
    fn columns_are_read_as_they_are_shown() {
        let row = |values: [Option<&str>; 3]| values.map(|value| value.map(str::to_owned)).to_vec();
        let (name, column) = read_column(&row([Some("Id"), Some("bigint(20)"), None])).unwrap();
        assert_eq!((name.as_str(), column.native.name().as_str()), ("id", "bigint"));
        assert!(read_column(&row([None, None, None])).is_none());
    }
}
