//! What a reading is about: table, fields, the columns that order rows and the one that tells changes.

use lockstep_plugin_sdk::capabilities::sql::Session;
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::types::{Field, LogicalType, ReadRequest};
use lockstep_sql_dialect::Selection;

use crate::catalog::{self, Column, Table};
use crate::cursor::Scope;
use crate::position::Place;

pub struct Plan {
    pub table: Table,
    pub wanted: Vec<Field>,
    /// Those of the wanted fields that name a record.
    key: Vec<Field>,
    pub scope: Scope,
    /// How far back the project wants rows looked for that became visible late, in milliseconds.
    pub lookback_ms: Option<i64>,
}

impl Plan {
    pub fn new(session: &Session, request: &ReadRequest) -> Result<Self> {
        let table = catalog::require_table(session, &request.stream)?;
        Self::of_table(table, request)
    }

    fn of_table(table: Table, request: &ReadRequest) -> Result<Self> {
        let wanted = wanted_fields(&table, request)?;
        let names = if request.key.is_empty() { table.key() } else { request.key.clone() };
        for name in &names {
            table.require_column(name)?;
        }
        let key = wanted.iter().filter(|field| names.contains(&field.name)).cloned().collect();
        let modified = if request.is_incremental() { Some(modified_column(&table, request)?) } else { None };
        let scope =
            Scope { key: places(&table, &wanted)?, modified: modified.map(|column| Place::new(column, None, &wanted)) };
        Ok(Self { key, scope, lookback_ms: request.lookback_ms()?, wanted, table })
    }

    /// Whether a reading can go on behind a row.
    pub fn is_positioned(&self) -> bool {
        !self.scope.key.is_empty()
    }

    /// The columns of a query that is ordered by these.
    pub fn selection(&self, order: &[Place]) -> Result<Selection> {
        let position: Vec<Field> = order.iter().map(Place::field).collect();
        Selection::new(&self.wanted, &position, &self.key)
    }
}

/// The columns of the primary key, else of the shortest unique index. What the project calls the key does not matter here: only
/// the table's own index makes reading in its order quick, and tells every row from every other.
fn places(table: &Table, wanted: &[Field]) -> Result<Vec<Place>> {
    let Some(unique) = table.uniques.first() else { return Ok(Vec::new()) };
    let place = |indexed: &catalog::Indexed| {
        let column = table.require_column(&indexed.name)?;
        Ok(Place::new(column, Some(indexed.collation.as_str()), wanted))
    };
    unique.columns.iter().map(place).collect()
}

/// The fields that are asked for, all of which have to exist; all there are if none are named.
pub fn wanted_fields(table: &Table, request: &ReadRequest) -> Result<Vec<Field>> {
    if request.fields.is_empty() {
        return Ok(table.columns.iter().map(Column::field).collect());
    }
    for field in &request.fields {
        table.require_column(&field.name)?;
    }
    Ok(request.fields.clone())
}

fn modified_column<'t>(table: &'t Table, request: &ReadRequest) -> Result<&'t Column> {
    let name = request.option("modified").ok_or_else(|| {
        Error::config("incremental reading needs to know the column that tells when a row was changed")
            .with_code("sqlite.no-modified")
            .with_hint("write `modified = \"updated_at\"` beside the stream")
    })?;
    let column = table.require_column(name)?;
    match column.logical() {
        LogicalType::Binary | LogicalType::Float64 | LogicalType::Bool | LogicalType::Uuid | LogicalType::Time => {
            Err(Error::config(format!("`{name}` is `{}`, which is no time and no number to count by", column.declared))
                .with_code("sqlite.modified-type")
                .with_property("field", name)
                .with_hint("`modified` names a column of times, dates or whole numbers that grow with every change"))
        }
        _ => Ok(column),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::tests::table;
    use crate::position::Form;

    fn request(mode: &str, key: &[&str], fields: &[(&str, &str)], modified: Option<&str>) -> ReadRequest {
        ReadRequest {
            stream: "t".into(),
            key: key.iter().map(|name| (*name).to_owned()).collect(),
            fields: fields.iter().map(|(name, logical)| Field::new(*name, logical.parse().unwrap())).collect(),
            mode: mode.into(),
            cursor: None,
            options: modified.map(|name| ("modified".to_owned(), name.to_owned())).into_iter().collect(),
        }
    }

    fn plan(request: &ReadRequest) -> Result<Plan> {
        let columns =
            [("id", "INTEGER", true), ("name", "TEXT", false), ("seen", "DATETIME", false), ("raw", "BLOB", false)];
        Plan::of_table(table(&columns, &[&["id"]]), request)
    }

    #[test]
    fn rows_are_ordered_by_the_tables_own_key() {
        let plan = plan(&request("incremental", &["name"], &[("id", "text"), ("name", "text")], Some("seen"))).unwrap();
        let places: Vec<(String, Form)> =
            plan.scope.changes().into_iter().map(|place| (place.name, place.form)).collect();
        assert_eq!(places, [("seen".to_owned(), Form::Quoted), ("id".to_owned(), Form::Quoted)]);
        assert_eq!(plan.selection(&plan.scope.changes()).unwrap().fields().len(), 4);
    }

    #[test]
    fn what_does_not_exist_is_an_error() {
        for (request, code) in [
            (request("full", &["nowhere"], &[], None), "sqlite.no-column"),
            (request("full", &[], &[("nowhere", "text")], None), "sqlite.no-column"),
            (request("incremental", &[], &[], None), "sqlite.no-modified"),
            (request("incremental", &[], &[], Some("nowhere")), "sqlite.no-column"),
            (request("incremental", &[], &[], Some("raw")), "sqlite.modified-type"),
        ] {
            assert_eq!(plan(&request).err().unwrap().code, code);
        }
    }
}
