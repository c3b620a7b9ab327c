//! What a reading is about: table, fields, the columns that order rows and the one that tells changes.

use lockstep_plugin_sdk::capabilities::sql::Session;
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::lookback::Lookback;
use lockstep_plugin_sdk::types::{Field, ReadRequest};
use lockstep_sql_dialect::Selection;

use crate::catalog::{self, Column, Table};
use crate::cursor::Scope;
use crate::statement::Place;
use crate::types::Family;

pub struct Plan {
    pub table: Table,
    pub wanted: Vec<Field>,
    /// Those of the wanted fields that name a record.
    key: Vec<Field>,
    pub scope: Scope,
    pub lookback: Lookback,
}

impl Plan {
    pub fn new(session: &Session, request: &ReadRequest) -> Result<Self> {
        let table = catalog::require_table(session, &request.stream)?;
        Self::of_table(table, request)
    }

    fn of_table(table: Table, request: &ReadRequest) -> Result<Self> {
        let wanted = wanted_fields(&table, request)?;
        let names = if request.key.is_empty() { table.key().to_vec() } else { request.key.clone() };
        for name in &names {
            table.require_column(name)?;
        }
        let key = wanted.iter().filter(|field| names.contains(&field.name)).cloned().collect();
        let modified = if request.is_incremental() { Some(modified_column(&table, request)?) } else { None };
        let lookback = Lookback::new(modified.map(Column::logical), request.lookback_ms()?);
        let scope = Scope { key: places(&table)?, modified: modified.map(place) };
        Ok(Self { key, scope, lookback, wanted, table })
    }

    /// Whether a reading can go on behind a row.
    pub fn is_positioned(&self) -> bool {
        !self.scope.key.is_empty()
    }

    /// The columns of a query that is ordered by these.
    pub fn selection(&self, order: &[Place]) -> Result<Selection> {
        let position: Vec<Field> = order.iter().map(|(name, logical)| Field::new(name, *logical)).collect();
        Selection::new(&self.wanted, &position, &self.key)
    }
}

fn place(column: &Column) -> Place {
    (column.name.clone(), column.native.logical())
}

/// The columns of the table's own key, if rows can be gone on from by all of them. What the project calls the key does not matter
/// here: only the table's own index makes reading in its order quick, and tells every row from every other.
fn places(table: &Table) -> Result<Vec<Place>> {
    let columns = table.key().iter().map(|name| table.require_column(name)).collect::<Result<Vec<_>>>()?;
    let is_ordered = columns.iter().all(|column| column.native.is_position());
    Ok(if is_ordered { columns.into_iter().map(place).collect() } else { Vec::new() })
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
            .with_code("mysql.no-modified")
            .with_hint("write `modified = \"updated_at\"` beside the stream")
    })?;
    let column = table.require_column(name)?;
    match column.native.family {
        Family::Timestamp | Family::Datetime | Family::Date | Family::Integer => Ok(column),
        _ => {
            let text = format!("`{name}` is `{}`, which is no time and no number to count by", column.declared);
            Err(Error::config(text)
                .with_code("mysql.modified-type")
                .with_property("field", name)
                .with_hint("`modified` names a column of times, dates or whole numbers that grow with every change"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::tests::table;
    use lockstep_plugin_sdk::types::LogicalType;

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
        let columns = [("id", "int(11)", true), ("name", "varchar(30)", false), ("seen", "datetime", false)];
        Plan::of_table(table(&columns, &[&["id"]]), request)
    }

    #[test]
    fn rows_are_ordered_by_the_tables_own_key() {
        let plan = plan(&request("incremental", &["name"], &[("id", "text"), ("name", "text")], Some("seen"))).unwrap();
        let places: Vec<(String, LogicalType)> = plan.scope.changes();
        assert_eq!(places, [("seen".to_owned(), LogicalType::Datetime), ("id".to_owned(), LogicalType::Int64)]);
        assert_eq!(plan.selection(&plan.scope.changes()).unwrap().fields().len(), 4);
    }

    #[test]
    fn keys_that_sort_by_something_else_are_no_position() {
        for declared in ["enum('b','a')", "float"] {
            let table = table(&[("id", declared, true)], &[&["id"]]);
            let plan = Plan::of_table(table, &request("full", &[], &[], None)).unwrap();
            assert!(!plan.is_positioned(), "{declared}");
        }
    }

    #[test]
    fn what_does_not_exist_is_an_error() {
        for (request, code) in [
            (request("full", &["nowhere"], &[], None), "mysql.no-column"),
            (request("full", &[], &[("nowhere", "text")], None), "mysql.no-column"),
            (request("incremental", &[], &[], None), "mysql.no-modified"),
            (request("incremental", &[], &[], Some("nowhere")), "mysql.no-column"),
            (request("incremental", &[], &[], Some("name")), "mysql.modified-type"),
        ] {
            assert_eq!(plan(&request).err().unwrap().code, code);
        }
    }
}
