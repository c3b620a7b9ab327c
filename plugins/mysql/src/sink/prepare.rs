//! Making a table able to take records. Nothing is ever removed, retyped or emptied.

use lockstep_plugin_sdk::capabilities::sql::Session;
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::sink::{PrepareOptions, Prepared};
use lockstep_plugin_sdk::types::{Field, Stream};

use super::definition;
use crate::catalog::{self, Table};
use crate::name::{names, quote};
use crate::open_session;
use crate::types::Product;

/// Engines that cannot take anything back.
const ENGINES_WITHOUT_TRANSACTIONS: [&str; 9] =
    ["MyISAM", "Aria", "MEMORY", "CSV", "ARCHIVE", "MRG_MyISAM", "BLACKHOLE", "FEDERATED", "CONNECT"];

pub fn prepare(wanted: &Stream, options: PrepareOptions) -> Result<Prepared> {
    let session = open_session()?;
    let table = catalog::find_table(&session, &wanted.name)?;
    check_wanted(wanted, table.as_ref())?;
    let actions = match &table {
        Some(table) => adapt(table, wanted, options)?,
        None => vec![create(&session, wanted)?],
    };
    if options.dry_run || actions.is_empty() {
        let stream = table.map_or_else(|| wanted.clone(), |table| table.stream(&wanted.name));
        return Ok(Prepared { stream, actions });
    }
    for action in &actions {
        session.script(action)?;
    }
    Ok(Prepared { stream: catalog::require_table(&session, &wanted.name)?.stream(&wanted.name), actions })
}

fn create(session: &Session, wanted: &Stream) -> Result<String> {
    definition::create(wanted, Product::of(&session.server()))
}

/// The key of a table that is there need not be among the fields: the server may fill it in.
fn check_wanted(wanted: &Stream, table: Option<&Table>) -> Result<()> {
    if wanted.key.is_empty() {
        return Err(Error::config(format!("`{}` is to be written without a key", wanted.name))
            .with_code("mysql.no-key")
            .with_hint("name the fields that identify a record: `key = [\"id\"]`"));
    }
    let is_kept = |name: &str| table.is_some_and(|table| table.column(name).is_some());
    let is_there = |name: &&String| wanted.fields.iter().any(|field| field.name == **name) || is_kept(name);
    match wanted.key.iter().find(|name| !is_there(name)) {
        Some(name) => Err(Error::config(format!("the key field `{name}` is not among the fields to write"))
            .with_code("mysql.no-column")
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
    let statement = definition::add_columns(table, &missing)?;
    if options.evolve {
        return Ok(vec![statement]);
    }
    let names: Vec<String> = missing.iter().map(|field| format!("`{}`", field.name)).collect();
    Err(Error::config(format!("`{}` has no column {}", table.stream_name(), names.join(", ")))
        .with_code("mysql.no-column")
        .with_hint(statement))
}

/// Whether records with this key and these fields can be written to the table, those fields apart that it does not have.
pub fn check(table: &Table, key: &[String], fields: &[Field]) -> Result<()> {
    let name = table.stream_name();
    if !table.is_plain() {
        return Err(Error::config(format!("`{name}` is a {}, which cannot be written to", table.kind()))
            .with_code("mysql.not-a-table"));
    }
    let engine = table.engine.as_deref().unwrap_or_default();
    if ENGINES_WITHOUT_TRANSACTIONS.iter().any(|other| other.eq_ignore_ascii_case(engine)) {
        return Err(Error::config(format!("`{name}` is kept by the engine {engine}, which knows no transactions"))
            .with_code("mysql.engine")
            .with_hint(format!("ALTER TABLE {} ENGINE=InnoDB", table.quoted())));
    }
    if table.unique_on(key).is_none() {
        let columns = names("", key.iter().map(String::as_str));
        let index = quote(&format!("{}_key", table.name));
        return Err(Error::config(format!("`{name}` has no unique index on exactly its key, {columns}"))
            .with_code("mysql.no-unique-key")
            .with_hint(format!("CREATE UNIQUE INDEX {index} ON {} ({columns})", table.quoted())));
    }
    fields.iter().try_for_each(|field| check_column(table, field))
}

fn check_column(table: &Table, field: &Field) -> Result<()> {
    let Some(column) = table.column(&field.name) else { return Ok(()) };
    let name = &column.name;
    if column.is_generated {
        return Err(Error::config(format!("the column `{name}` is computed by the server and cannot be written"))
            .with_code("mysql.generated-column")
            .with_property("field", name.as_str())
            .with_hint("leave it out of the mapping"));
    }
    let logical = field.logical()?;
    if !column.native.takes(logical) {
        let text = format!("the column `{name}` is `{}`, which does not take every `{logical}`", column.declared);
        return Err(Error::config(text)
            .with_code("mysql.column-type")
            .with_property("field", name.as_str())
            .with_hint(format!(
                "map the field to a type the column takes, or write it to another column than `{name}`"
            )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::tests::table;

    fn names_of(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_key_needs_its_index() {
        let table = table(&[("id", "int", true), ("we`ird", "text", false)], &[&["id"]]);
        assert!(check(&table, &names_of(&["id"]), &[]).is_ok());
        let error = check(&table, &names_of(&["we`ird", "id"]), &[]).unwrap_err();
        assert_eq!(error.code, "mysql.no-unique-key");
        assert_eq!(error.property("hint"), Some("CREATE UNIQUE INDEX `t_key` ON `shop`.`t` (`we``ird`, `id`)"));
    }

    #[test]
    fn an_engine_without_transactions_is_refused() {
        let mut table = table(&[("id", "int", true)], &[&["id"]]);
        table.engine = Some("MyISAM".into());
        let error = check(&table, &names_of(&["id"]), &[]).unwrap_err();
        assert_eq!(
            (error.code.as_str(), error.property("hint")),
            ("mysql.engine", Some("ALTER TABLE `shop`.`t` ENGINE=InnoDB"))
        );
    }

    #[test]
    fn columns_have_to_take_what_comes() {
        let mut table = table(&[("id", "int", true), ("at", "datetime", false), ("sum", "int", false)], &[&["id"]]);
        table.columns[2].is_generated = true;
        for (name, logical, code) in
            [("at", "timestamp", "mysql.column-type"), ("sum", "int64", "mysql.generated-column"), ("new", "json", "")]
        {
            let field = Field::new(name, logical.parse().unwrap());
            let found = check(&table, &names_of(&["id"]), &[field]).err().map_or(String::new(), |error| error.code);
            assert_eq!(found, code);
        }
    }

    #[test]
    fn records_need_a_key() {
        let wanted = Stream::new("t").field("id", "int64".parse().unwrap());
        assert_eq!(check_wanted(&wanted, None).unwrap_err().code, "mysql.no-key");
        assert_eq!(check_wanted(&wanted.clone().key(["nowhere"]), None).unwrap_err().code, "mysql.no-column");
        let table = table(&[("nowhere", "int", true)], &[&["nowhere"]]);
        assert!(check_wanted(&wanted.clone().key(["nowhere"]), Some(&table)).is_ok());
        assert!(check_wanted(&wanted.key(["id"]), None).is_ok());
    }
}
