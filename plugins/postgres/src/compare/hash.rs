//! The expressions that hash a record.
//!
//! Each column's hash has a seed of its own, all are combined by exclusive or, and the result is hashed once more: without that
//! last step, two records that exchange a value would leave the sum of their bucket as it was. This takes less time than
//! hashing the whole record at once, and exists in every version of the server that still lives.

use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::types::Field;
use lockstep_sql_dialect::quote;

use crate::catalog::{Column, Table};
use crate::types::Family;

/// Hashes of one value per function, and the encoding in which texts are hashed.
pub const SAMPLE: &str = "SELECT pg_catalog.to_hex(pg_catalog.hashint8extended(-42, 1) \
    # pg_catalog.hashint4extended(42, 2) \
    # pg_catalog.hashfloat8extended(1.5, 3) \
    # pg_catalog.hash_numeric_extended(-12.50, 4) \
    # pg_catalog.hashtextextended('lockstep' COLLATE \"C\", 5) \
    # pg_catalog.time_hash_extended(time '12:34:56.789', 6) \
    # pg_catalog.timestamp_hash_extended(timestamp '2026-11-21 12:34:56.789', 7) \
    # pg_catalog.uuid_hash_extended('01234567-89ab-cdef-0123-456789abcdef'::uuid, 8) \
    # pg_catalog.hash_array_extended(ARRAY['\\x00ff'::bytea], 9)), \
    pg_catalog.current_setting('server_encoding')";

/// How the records of a table are hashed.
#[derive(Debug)]
pub struct Hashes {
    columns: Vec<ColumnHash>,
    /// Places of the key among the columns.
    key: Vec<usize>,
}

#[derive(Debug)]
struct ColumnHash {
    family: Family,
    /// `t."name"`.
    reference: String,
}

impl Hashes {
    pub fn new(table: &Table, key: &[String], fields: &[Field]) -> Result<Self> {
        let columns: Vec<ColumnHash> = fields
            .iter()
            .map(|field| Ok(ColumnHash::new(table.require_column(&field.name)?)))
            .collect::<Result<_>>()?;
        let place = |name: &String| fields.iter().position(|field| field.name == *name);
        let missing =
            |name: &String| Error::permanent(format!("the key field `{name}` is not among the fields to compare"));
        let key: Vec<usize> = key.iter().map(|name| place(name).ok_or_else(|| missing(name))).collect::<Result<_>>()?;
        if key.is_empty() {
            return Err(Error::config("records without a key cannot be compared").with_code("postgres.no-key"));
        }
        Ok(Self { columns, key })
    }

    /// What equality depends on: the classes of the columns in their order, and which of them are the key.
    pub fn shape(&self) -> String {
        let classes: Vec<&str> = self.columns.iter().map(ColumnHash::class).collect();
        let key: Vec<String> = self.key.iter().map(usize::to_string).collect();
        format!("key={};{}", key.join("+"), classes.join(","))
    }

    /// The hash of a record: an `int8`.
    pub fn row(&self) -> String {
        combine(self.columns.iter())
    }

    /// The bucket of a record: an `int4`.
    pub fn bucket(&self, buckets: u32) -> String {
        let key = combine(self.key.iter().filter_map(|place| self.columns.get(*place)));
        format!("({key} & {})::pg_catalog.int4", buckets.saturating_sub(1))
    }
}

fn combine<'a>(columns: impl Iterator<Item = &'a ColumnHash>) -> String {
    let hashes: Vec<String> = columns.enumerate().map(|(index, column)| column.expression(index as u64 + 1)).collect();
    format!("pg_catalog.hashint8extended({}, 0)", hashes.join(" # "))
}

impl ColumnHash {
    fn new(column: &Column) -> Self {
        Self { family: column.family(), reference: format!("t.{}", quote(&column.name)) }
    }

    /// Values of types with the same name have equal hashes when they are equal. Whatever travels as text is hashed as the text
    /// it travels as.
    fn class(&self) -> &'static str {
        match self.family {
            Family::Bool => "bool",
            Family::Integer => "int",
            Family::Float => "float",
            Family::Numeric => "numeric",
            Family::Text | Family::PaddedText | Family::Json | Family::Jsonb | Family::Other => "text",
            Family::Bytea => "bytea",
            Family::Date => "date",
            Family::Time => "time",
            Family::Timestamp => "timestamp",
            Family::Timestamptz => "timestamptz",
            Family::Uuid => "uuid",
        }
    }

    /// The hash of a value; of a null, a number of its own.
    fn expression(&self, seed: u64) -> String {
        let value = &self.reference;
        let hash = match self.family {
            Family::Bool => format!("pg_catalog.hashint4extended({value}::pg_catalog.int4, {seed})"),
            Family::Integer => format!("pg_catalog.hashint8extended({value}::pg_catalog.int8, {seed})"),
            Family::Float => format!("pg_catalog.hashfloat8extended({value}::pg_catalog.float8, {seed})"),
            Family::Numeric => format!("pg_catalog.hash_numeric_extended({value}, {seed})"),
            Family::Text | Family::Json | Family::Jsonb => text_hash(&format!("{value}::pg_catalog.text"), seed),
            // What the server writes, where a cast to text would say something else; but a null it writes as nothing.
            Family::PaddedText | Family::Other => {
                not_null(value, &text_hash(&format!("pg_catalog.format('%s', {value})"), seed))
            }
            Family::Bytea => not_null(value, &format!("pg_catalog.hash_array_extended(ARRAY[{value}], {seed})")),
            Family::Date => format!("pg_catalog.hashint4extended({}, {seed})", days(value)),
            Family::Time => format!("pg_catalog.time_hash_extended({value}, {seed})"),
            Family::Timestamp => format!("pg_catalog.timestamp_hash_extended({value}, {seed})"),
            Family::Timestamptz => {
                format!("pg_catalog.timestamp_hash_extended(pg_catalog.timezone('UTC', {value}), {seed})")
            }
            Family::Uuid => format!("pg_catalog.uuid_hash_extended({value}, {seed})"),
        };
        format!("coalesce({hash}, {seed})")
    }
}

fn not_null(value: &str, hash: &str) -> String {
    format!("CASE WHEN {value} IS NOT NULL THEN {hash} END")
}

/// Byte by byte, whatever the column's collation takes for equal.
fn text_hash(value: &str, seed: u64) -> String {
    format!("pg_catalog.hashtextextended(({value}) COLLATE \"C\", {seed})")
}

/// Days as a number; no number is as great or as little as those that stand for the infinite.
fn days(value: &str) -> String {
    format!(
        "CASE WHEN pg_catalog.isfinite({value}) THEN {value} - '2000-01-01'::pg_catalog.date \
         WHEN {value} > '2000-01-01'::pg_catalog.date THEN 2147483647 \
         WHEN {value} IS NOT NULL THEN -2147483648 END"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::tests::table;

    fn hashes(columns: &[(&str, u32, bool)], key: &[&str]) -> Hashes {
        let table = table(columns, &[]);
        let fields: Vec<Field> = table.columns.iter().map(Column::field).collect();
        Hashes::new(&table, &key.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(), &fields).unwrap()
    }

    #[test]
    fn types_that_hold_the_same_have_the_same_class() {
        let columns =
            [("id", 23, true), ("name", 1043, false), ("at", 1184, false), ("pad", 1042, false), ("net", 869, false)];
        assert_eq!(hashes(&columns, &["id"]).shape(), "key=0;int,text,timestamptz,text,text");
        let columns =
            [("id", 20, true), ("name", 25, false), ("at", 1114, false), ("pad", 25, false), ("net", 25, false)];
        assert_eq!(hashes(&columns, &["at", "id"]).shape(), "key=2+0;int,text,timestamp,text,text");
    }

    #[test]
    fn every_column_has_its_seed_and_the_whole_is_mixed() {
        let hashes = hashes(&[("id", 20, true), ("we\"ird", 25, false)], &["id"]);
        assert_eq!(
            hashes.row(),
            "pg_catalog.hashint8extended(coalesce(pg_catalog.hashint8extended(t.\"id\"::pg_catalog.int8, 1), 1) # \
             coalesce(pg_catalog.hashtextextended((t.\"we\"\"ird\"::pg_catalog.text) COLLATE \"C\", 2), 2), 0)"
        );
        assert_eq!(
            hashes.bucket(4096),
            "(pg_catalog.hashint8extended(coalesce(pg_catalog.hashint8extended(t.\"id\"::pg_catalog.int8, 1), 1), 0) & 4095)::pg_catalog.int4"
        );
    }

    #[test]
    fn without_a_key_nothing_is_compared() {
        let table = table(&[("id", 20, true)], &[]);
        let fields = [table.columns[0].field()];
        assert_eq!(Hashes::new(&table, &[], &fields).unwrap_err().code, "postgres.no-key");
        assert!(Hashes::new(&table, &["other".into()], &fields).is_err());
    }
}
