//! The statements that make a table able to take records.

use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::types::{Field, Stream};
use lockstep_sql_dialect::{names, quote};

use crate::types::column_type;

/// What makes the table. A key of one whole number is the number of the row itself, and needs no index.
pub fn create(table: &str, stream: &Stream) -> Result<String> {
    check_name(table)?;
    if table.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("sqlite_")) {
        let reason = format!("`{table}` cannot be made: names that begin with `sqlite_` are SQLite's own");
        return Err(Error::config(reason).with_code("sqlite.name"));
    }
    let mut lines = Vec::with_capacity(stream.fields.len() + 1);
    for field in &stream.fields {
        let rule = if stream.key.contains(&field.name) { " NOT NULL" } else { "" };
        lines.push(format!("{}{rule}", column(field)?));
    }
    lines.push(format!("PRIMARY KEY ({})", names("", stream.key.iter().map(String::as_str))));
    Ok(format!("CREATE TABLE {} (\n    {}\n)", quote(table), lines.join(",\n    ")))
}

/// What adds columns to the table. They may be empty, for the rows that are there have nothing in them.
pub fn add_columns(table: &str, fields: &[&Field]) -> Result<Vec<String>> {
    fields.iter().map(|field| Ok(format!("ALTER TABLE {} ADD COLUMN {}", quote(table), column(field)?))).collect()
}

fn column(field: &Field) -> Result<String> {
    check_name(&field.name)?;
    Ok(format!("{} {}", quote(&field.name), column_type(field.logical()?)))
}

fn check_name(name: &str) -> Result<()> {
    let reason = match name {
        "" => "a name is empty",
        name if name.contains('\0') => "a name contains a NUL byte",
        _ => return Ok(()),
    };
    Err(Error::config(reason).with_code("sqlite.name").with_property("field", name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_made_with_its_key() {
        let mut stream = Stream::new("t").key(["id"]);
        stream.fields = [("id", "int64"), ("we\"ird", "decimal(12,2)")]
            .map(|(name, logical)| Field::new(name, logical.parse().unwrap()))
            .into();
        assert_eq!(
            create("t", &stream).unwrap(),
            "CREATE TABLE \"t\" (\n    \"id\" INTEGER NOT NULL,\n    \"we\"\"ird\" DECIMAL_TEXT(12,2),\n    PRIMARY KEY (\"id\")\n)"
        );
        assert_eq!(
            add_columns("t", &[&stream.fields[1]]).unwrap(),
            [r#"ALTER TABLE "t" ADD COLUMN "we""ird" DECIMAL_TEXT(12,2)"#]
        );
    }

    #[test]
    fn names_sqlite_does_not_know_are_refused() {
        for name in ["", "a\0b", "sqlite_x", "SQLite_"] {
            assert_eq!(create(name, &Stream::new("t").key(["id"])).unwrap_err().code, "sqlite.name", "{name}");
        }
    }
}
