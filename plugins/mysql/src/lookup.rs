//! Records by their keys: the keys are loaded into a temporary table and joined.
//!
//! So they take the very way that written values take, and are found where a write with the same key would find its row.

use lockstep_plugin_sdk::error::Result;
use lockstep_plugin_sdk::types::{Batch, Changes, Field, ReadRequest};
use lockstep_sql_dialect::{Load, Selection, join};

use crate::catalog::{self, Table};
use crate::name::{names, quote};
use crate::open_session;
use crate::read::wanted_fields;
use crate::stage::TemporaryTable;

const PAGE_ROWS: u32 = 10_000;
const PAGE_BYTES: u64 = 64 << 20;
const KEYS: &str = "lockstep_keys";

pub fn lookup(request: &ReadRequest, keys: &Batch) -> Result<Changes> {
    let session = open_session()?;
    let table = catalog::require_table(&session, &request.stream)?;
    let selection = Selection::new(&wanted_fields(&table, request)?, &[], &[])?;
    let key = key_fields(&table, request, keys)?;
    let stage = TemporaryTable::new(&table, KEYS, key.iter().map(|field| field.name.clone()).collect());
    session.script(&stage.create(&table, None)?)?;
    session.script(&stage.index(&table)?)?;
    let mut load = Load::begin(&session, &stage.path(), key)?;
    // A key that its column cannot hold is the key of no row.
    load.append(keys)?;
    load.finish()?;
    let rows = session.query(&statement(&table, selection.fields(), &stage), None, &selection.type_names())?;
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

/// Where the table has an index for it, each key is looked up; else the planner may read the table once and look up each row.
fn statement(table: &Table, fields: &[Field], keys: &TemporaryTable) -> String {
    let equal = |name: &String| format!("t.{0} = k.{0}", quote(name));
    let join = if keys.columns.iter().any(|name| table.leads_index(name)) { "STRAIGHT_JOIN" } else { "JOIN" };
    format!(
        "SELECT {} FROM {} AS k {join} {} AS t ON {}",
        names("t.", fields.iter().map(|field| field.name.as_str())),
        keys.quoted(),
        table.quoted(),
        keys.columns.iter().map(equal).collect::<Vec<_>>().join(" AND ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::tests::table;

    #[test]
    fn keys_are_joined_from_a_table_of_their_own() {
        let table = table(&[("id", "int", true), ("line", "text", true), ("note", "text", false)], &[&["id", "line"]]);
        let fields = [Field::new("note", "text".parse().unwrap())];
        let keys =
            |names: &[&str]| TemporaryTable::new(&table, "k", names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(
            statement(&table, &fields, &keys(&["id", "line"])),
            "SELECT t.`note` FROM `shop`.`k` AS k STRAIGHT_JOIN `shop`.`t` AS t ON t.`id` = k.`id` AND t.`line` = k.`line`"
        );
        assert!(statement(&table, &fields, &keys(&["note"])).contains("AS k JOIN `shop`.`t`"));
    }
}
