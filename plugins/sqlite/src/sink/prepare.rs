//! Making a table able to take records. Nothing is ever removed, retyped or emptied.

use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::sink::{PrepareOptions, Prepared};
use lockstep_plugin_sdk::types::{Field, Stream};
use lockstep_sql_dialect::{names, quote};

use super::definition;
use crate::catalog::{self, Table};
use crate::open_session;

pub fn prepare(wanted: &Stream, options: PrepareOptions) -> Result<Prepared> {
    let session = open_session()?;
    let table = catalog::find_table(&session, &wanted.name)?;
    check_wanted(wanted, table.as_ref())?;
    let actions = match &table {
        Some(table) => adapt(table, wanted, options)?,
        None => vec![definition::create(catalog::table_name(&wanted.name), wanted)?],
    };
    if options.dry_run || actions.is_empty() {
        let stream = table.map_or_else(|| wanted.clone(), |table| table.stream(&wanted.name));
        return Ok(Prepared { stream, actions });
    }
    session.script(&format!("BEGIN IMMEDIATE;\n{};\nCOMMIT", actions.join(";\n")))?;
    Ok(Prepared { stream: catalog::require_table(&session, &wanted.name)?.stream(&wanted.name), actions })
}

/// The key of a table that is there need not be among the fields: SQLite may fill it in.
fn check_wanted(wanted: &Stream, table: Option<&Table>) -> Result<()> {
    if wanted.key.is_empty() {
        return Err(Error::config(format!("`{}` is to be written without a key", wanted.name))
            .with_code("sqlite.no-key")
            .with_hint("name the fields that identify a record: `key = [\"id\"]`"));
    }
    let is_kept = |name: &str| table.is_some_and(|table| table.column(name).is_some());
    let is_there = |name: &&String| wanted.fields.iter().any(|field| field.name == **name) || is_kept(name);
    match wanted.key.iter().find(|name| !is_there(name)) {
        Some(name) => Err(Error::config(format!("the key field `{name}` is not among the fields to write"))
            .with_code("sqlite.no-column")
            .with_property("field", name.as_str())),
        None => Ok(()),
    }
}

fn adapt(table: &Table, wanted: &Stream, options: PrepareOptions) -> Result<Vec<String>> {
    let missing: Vec<&Field> = wanted.fields.iter().filter(|field| table.column(&field.name).is_none()).collect();
    check(table, &wanted.key, &wanted.fields)?;
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let statements = definition::add_columns(&table.name, &missing)?;
    if options.evolve {
        return Ok(statements);
    }
    let names: Vec<String> = missing.iter().map(|field| format!("`{}`", field.name)).collect();
    Err(Error::config(format!("`{}` has no column {}", table.name, names.join(", ")))
        .with_code("sqlite.no-column")
        .with_hint(statements.join("; ")))
}

/// Whether records with this key and these fields can be written to the table, those fields apart that it does not have.
pub fn check(table: &Table, key: &[String], fields: &[Field]) -> Result<()> {
    let name = &table.name;
    if !table.is_plain() {
        return Err(Error::config(format!("`{name}` is a {}, which cannot be written to", table.kind()))
            .with_code("sqlite.not-a-table"));
    }
    if table.unique_on(key).is_none() {
        let columns = names("", key.iter().map(String::as_str));
        let index = quote(&format!("{name}_key"));
        return Err(Error::config(format!("`{name}` has no unique index on exactly its key, {columns}"))
            .with_code("sqlite.no-unique-key")
            .with_hint(format!("CREATE UNIQUE INDEX {index} ON {} ({columns})", quote(name))));
    }
    fields.iter().try_for_each(|field| check_column(table, field))
}

fn check_column(table: &Table, field: &Field) -> Result<()> {
    let computed = table.column(&field.name).filter(|column| column.is_generated);
    computed.map_or(Ok(()), |column| {
        Err(Error::config(format!("the column `{}` is computed by SQLite and cannot be written", column.name))
            .with_code("sqlite.generated-column")
            .with_property("field", column.name.as_str())
            .with_hint("leave it out of the mapping"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::tests::table;

    #[test]
    fn a_key_needs_its_index() {
        let table = table(&[("id", "INTEGER", true), ("we\"ird", "TEXT", false)], &[&["id"]]);
        let key = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert!(check(&table, &key(&["id"]), &[]).is_ok());
        let error = check(&table, &key(&["we\"ird", "id"]), &[]).unwrap_err();
        assert_eq!(error.code, "sqlite.no-unique-key");
        assert_eq!(error.property("hint"), Some(r#"CREATE UNIQUE INDEX "t_key" ON "t" ("we""ird", "id")"#));
    }

    #[test]
    fn records_need_a_key() {
        let wanted = Stream::new("t").field("id", "int64".parse().unwrap());
        assert_eq!(check_wanted(&wanted, None).unwrap_err().code, "sqlite.no-key");
        assert_eq!(check_wanted(&wanted.clone().key(["nowhere"]), None).unwrap_err().code, "sqlite.no-column");
        let table = table(&[("nowhere", "INTEGER", true)], &[&["nowhere"]]);
        assert!(check_wanted(&wanted.clone().key(["nowhere"]), Some(&table)).is_ok());
        assert!(check_wanted(&wanted.key(["id"]), None).is_ok());
    }
}
