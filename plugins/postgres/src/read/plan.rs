//! What a reading is about: table, fields, key and the column that tells changes.

use lockstep_plugin_sdk::capabilities::sql::Session;
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::lookback::Lookback;
use lockstep_plugin_sdk::types::{Field, LogicalType, ReadRequest};

use crate::catalog::{self, Table};
use crate::cursor::Scope;
use crate::types::Family;

pub struct Plan {
    pub table: Table,
    pub wanted: Vec<Field>,
    /// In their natural types, in which they are compared best.
    pub key: Vec<Field>,
    pub modified: Option<Field>,
    pub scope: Scope,
    /// Whether the key tells every row from every other: only then can a reading go on behind one.
    pub is_positioned: bool,
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
        let key: Vec<Field> =
            names.iter().map(|name| Ok(table.require_column(name)?.field())).collect::<Result<_>>()?;
        let modified = if request.is_incremental() { Some(modified_field(&table, request)?) } else { None };
        let logical = modified.as_ref().map(Field::logical).transpose()?;
        let scope = Scope {
            table: table.id,
            key: key.iter().map(named).collect::<Result<_>>()?,
            modified: modified.as_ref().map(named).transpose()?,
        };
        let is_positioned = !names.is_empty() && table.is_unique(&names);
        let lookback = Lookback::new(logical, request.lookback_ms()?);
        Ok(Self { table, wanted, key, modified, scope, is_positioned, lookback })
    }

    /// By which columns changes are told apart.
    pub fn position_of_changes(&self) -> Vec<Field> {
        if !self.is_positioned {
            return Vec::new();
        }
        self.modified.iter().chain(&self.key).cloned().collect()
    }
}

fn named(field: &Field) -> Result<(String, LogicalType)> {
    Ok((field.name.clone(), field.logical()?))
}

/// The fields that are asked for, all of which have to exist; all there are if none are named.
pub fn wanted_fields(table: &Table, request: &ReadRequest) -> Result<Vec<Field>> {
    if request.fields.is_empty() {
        return Ok(table.columns.iter().map(catalog::Column::field).collect());
    }
    for field in &request.fields {
        table.require_column(&field.name)?;
    }
    Ok(request.fields.clone())
}

fn modified_field(table: &Table, request: &ReadRequest) -> Result<Field> {
    let name = request.option("modified").ok_or_else(|| {
        Error::config("incremental reading needs to know the column that tells when a row was changed")
            .with_code("postgres.no-modified")
            .with_hint("write `modified = \"updated_at\"` beside the stream")
    })?;
    let column = table.require_column(name)?;
    match column.family() {
        Family::Timestamp | Family::Timestamptz | Family::Date | Family::Integer => Ok(column.field()),
        _ => Err(Error::config(format!("`{name}` is `{}`, which is no time and no number to count by", column.native))
            .with_code("postgres.modified-type")
            .with_property("field", name)
            .with_hint("`modified` names a column of times, dates or whole numbers that grow with every change")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::tests::table;

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
        let columns = [("id", 23, true), ("name", 25, false), ("seen", 1184, false)];
        Plan::of_table(table(&columns, &[&["id"]]), request)
    }

    #[test]
    fn keys_are_read_in_their_natural_types() {
        let plan = plan(&request("incremental", &[], &[("id", "text")], Some("seen"))).unwrap();
        assert!(plan.is_positioned);
        assert_eq!(plan.scope.key, [("id".to_owned(), LogicalType::Int64)]);
        let position: Vec<String> = plan.position_of_changes().into_iter().map(|field| field.name).collect();
        assert_eq!(position, ["seen", "id"]);
        assert_eq!(plan.wanted[0].logical_type, "text");
    }

    #[test]
    fn a_key_that_is_not_unique_is_no_position() {
        let plan = plan(&request("full", &["name"], &[], None)).unwrap();
        assert!(!plan.is_positioned);
        assert_eq!(plan.wanted.len(), 3);
    }

    #[test]
    fn what_does_not_exist_is_an_error() {
        for (request, code) in [
            (request("full", &["nowhere"], &[], None), "postgres.no-column"),
            (request("full", &[], &[("nowhere", "text")], None), "postgres.no-column"),
            (request("incremental", &[], &[], None), "postgres.no-modified"),
            (request("incremental", &[], &[], Some("nowhere")), "postgres.no-column"),
            (request("incremental", &[], &[], Some("name")), "postgres.modified-type"),
        ] {
            assert_eq!(plan(&request).err().unwrap().code, code);
        }
    }
}
