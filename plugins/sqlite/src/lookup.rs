//! Records by their keys: the keys are loaded into a temporary table and joined.
//!
//! So they take the very way that written values take, and are found where a write with the same key would find its row.

use lockstep_plugin_sdk::error::Result;
use lockstep_plugin_sdk::types::{Batch, Changes, Field, ReadRequest};
use lockstep_sql_dialect::{Load, Selection, join, names, quote};

use crate::catalog::{self, Table};
use crate::open_session;
use crate::read::wanted_fields;
use crate::statement::columns;

const PAGE_ROWS: u32 = 10_000;
const PAGE_BYTES: u64 = 64 << 20;
const KEYS: &str = "lockstep_keys";

pub fn lookup(request: &ReadRequest, keys: &Batch) -> Result<Changes> {
    let session = open_session()?;
    let table = catalog::require_table(&session, &request.stream)?;
    let selection = Selection::new(&wanted_fields(&table, request)?, &[], &[])?;
    let key = key_fields(&table, request, keys)?;
    for field in &key {
        table.require_column(&field.name)?;
    }
    session.script(&create(&table, &key))?;
    let mut load = Load::begin(&session, &["temp".to_owned(), KEYS.to_owned()], key.clone())?;
    // A key that its column cannot hold is the key of no row.
    load.append(keys)?;
    load.finish()?;
    let rows = session.query(&statement(&table, selection.fields(), &key), None, &selection.type_names())?;
    let mut found = Vec::new();
    while let Some(page) = rows.next(PAGE_ROWS, PAGE_BYTES)? {
        let taken = selection.take(page)?;
        if let Some(rejection) = taken.rejected.into_iter().next() {
            return Err(rejection.error);
        }
        found.push(taken.data);
    }
    Ok(Changes::upserts(join(found)))
}

/// The fields of the key in the types their values come in: the request's, else their own.
fn key_fields(table: &Table, request: &ReadRequest, keys: &Batch) -> Result<Vec<Field>> {
    let field = |name: &String| match request.fields.iter().find(|field| field.name == *name) {
        Some(field) => Ok(field.clone()),
        None => Ok(Field { name: name.clone(), ..table.require_column(name)?.field() }),
    };
    keys.columns.iter().map(|column| field(&column.name)).collect()
}

/// With the affinities of the table's columns.
fn create(table: &Table, key: &[Field]) -> String {
    let columns = names("", key.iter().map(|field| field.name.as_str()));
    format!("CREATE TEMPORARY TABLE {} AS SELECT {columns} FROM {} LIMIT 0", quote(KEYS), table.quoted())
}

/// The keys come first: each is looked up in the table, whatever the planner would make of tables it knows nothing about.
fn statement(table: &Table, fields: &[Field], key: &[Field]) -> String {
    let equal = |field: &Field| format!("t.{0} = k.{0}", quote(&field.name));
    format!(
        "SELECT {} FROM \"temp\".{} AS k CROSS JOIN {} AS t ON {}",
        columns(fields),
        quote(KEYS),
        table.quoted(),
        key.iter().map(equal).collect::<Vec<_>>().join(" AND ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::tests::table;

    #[test]
    fn keys_are_joined_from_a_table_of_their_own() {
        let table =
            table(&[("id", "INTEGER", true), ("line", "TEXT", true), ("note", "TEXT", false)], &[&["id", "line"]]);
        let field = |name: &str| Field::new(name, "text".parse().unwrap());
        let key = [field("id"), field("line")];
        assert_eq!(
            create(&table, &key),
            r#"CREATE TEMPORARY TABLE "lockstep_keys" AS SELECT "id", "line" FROM "main"."t" LIMIT 0"#
        );
        assert_eq!(
            statement(&table, &[field("note")], &key),
            r#"SELECT t."note" FROM "temp"."lockstep_keys" AS k CROSS JOIN "main"."t" AS t ON t."id" = k."id" AND t."line" = k."line""#
        );
    }
}
