//! What the server says about its tables.
//!
//! Only the tables that are named are looked at. Must not know what is done with them.

use lockstep_plugin_sdk::capabilities::sql::Session;
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::types::{Field, LogicalType, Stream};
use lockstep_sql_dialect::{Arguments, FromJson, Members, Unfit, Value, read_all, read_document, texts_to_json};
use serde_json::Value as Json;

use crate::name::TableName;
use crate::types::{Family, NativeType};

const STATEMENT: &str = include_str!("catalog.sql");
/// Partitions show as part of their parent.
const EVERY_TABLE: &str = "NOT c.relispartition";
const NAMED_TABLES: &str = "(n.nspname, c.relname) IN (\
    SELECT x ->> 0, x ->> 1 FROM pg_catalog.json_array_elements($1::pg_catalog.json) x)";

/// A table, or anything else that can be read like one.
#[derive(Clone, Debug)]
pub struct Table {
    schema: String,
    name: String,
    /// Its object id: another one under the same name is another table.
    pub id: i64,
    kind: String,
    /// The planner's estimate; negative if nobody has counted yet.
    rows: f64,
    comment: Option<String>,
    /// Whether statements on it are rewritten by rules.
    pub has_rules: bool,
    versioned: bool,
    pub columns: Vec<Column>,
    /// The primary key first, then the shortest.
    pub uniques: Vec<Unique>,
}

#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    /// As the server calls it: `numeric(12,2)`.
    pub native: String,
    pub is_domain: bool,
    id: u32,
    modifier: i32,
    /// The type without its limits; of a domain, what it stands for.
    pub base: String,
    pub not_null: bool,
    /// `a` always, `d` by default, or nothing.
    identity: String,
    pub is_generated: bool,
    comment: Option<String>,
    leads_index: bool,
}

/// A unique index on plain columns, valid and without a condition.
#[derive(Clone, Debug)]
pub struct Unique {
    pub name: String,
    pub is_primary: bool,
    pub columns: Vec<String>,
}

impl FromJson for Table {
    fn from_json(json: Json) -> std::result::Result<Self, Unfit> {
        let mut members = Members::from_json(json)?;
        Ok(Self {
            schema: members.take("schema")?,
            name: members.take("name")?,
            id: members.take("id")?,
            kind: members.take("kind")?,
            rows: members.take("rows")?,
            comment: members.take("comment")?,
            has_rules: members.take("rules")?,
            versioned: members.take("versioned")?,
            columns: members.take::<Option<_>>("columns")?.unwrap_or_default(),
            uniques: members.take::<Option<_>>("uniques")?.unwrap_or_default(),
        })
    }
}

impl FromJson for Column {
    fn from_json(json: Json) -> std::result::Result<Self, Unfit> {
        let mut members = Members::from_json(json)?;
        Ok(Self {
            name: members.take("name")?,
            native: members.take("native")?,
            is_domain: members.take("domain")?,
            id: members.take("id")?,
            modifier: members.take("modifier")?,
            base: members.take("base")?,
            not_null: members.take("not_null")?,
            identity: members.take("identity")?,
            is_generated: members.take("generated")?,
            comment: members.take("comment")?,
            leads_index: members.take("leads_index")?,
        })
    }
}

impl FromJson for Unique {
    fn from_json(json: Json) -> std::result::Result<Self, Unfit> {
        let mut members = Members::from_json(json)?;
        Ok(Self {
            name: members.take("name")?,
            is_primary: members.take("primary")?,
            columns: members.take("columns")?,
        })
    }
}

/// Every table outside of the system's schemas.
pub fn all_tables(session: &Session) -> Result<Vec<Table>> {
    read_tables(session, &STATEMENT.replace("%FILTER%", EVERY_TABLE), Arguments::new())
}

/// The tables the names of streams mean; none where there is none.
pub fn named_tables(session: &Session, names: &[String]) -> Result<Vec<Option<Table>>> {
    let wanted: Vec<Vec<TableName>> = names.iter().map(|name| TableName::candidates(name)).collect();
    let path = |name: &TableName| texts_to_json(name.path().iter().map(String::as_str));
    let paths = Json::Array(wanted.iter().flatten().map(path).collect());
    let mut arguments = Arguments::new();
    arguments.push(LogicalType::Json, Value::Text(paths.to_string()));
    let found = read_tables(session, &STATEMENT.replace("%FILTER%", NAMED_TABLES), arguments)?;
    let find = |candidates: &Vec<TableName>| {
        let is_found = |name: &TableName| found.iter().find(|table| table.name() == *name);
        candidates.iter().find_map(is_found).cloned()
    };
    Ok(wanted.iter().map(find).collect())
}

/// The table the name of a stream means.
pub fn find_table(session: &Session, name: &str) -> Result<Option<Table>> {
    Ok(named_tables(session, &[name.to_owned()])?.pop().flatten())
}

/// As [`find_table`], for those who cannot go on without it.
pub fn require_table(session: &Session, name: &str) -> Result<Table> {
    find_table(session, name)?.ok_or_else(|| {
        let table = TableName::of_stream(name);
        Error::not_found(format!("there is no table `{}` in the schema `{}`", table.table, table.schema))
            .with_code("postgres.no-table")
    })
}

fn read_tables(session: &Session, statement: &str, arguments: Arguments) -> Result<Vec<Table>> {
    let answer = read_all(session, statement, arguments, 1)?;
    (0..answer.rows()).map(|row| parse_table(answer.get(row, 0).unwrap_or_default())).collect()
}

fn parse_table(json: &str) -> Result<Table> {
    read_document(json.as_bytes())
        .map_err(|error| Error::permanent(format!("the server's catalog is not as expected: {error}")))
}

impl Table {
    pub fn name(&self) -> TableName {
        TableName::new(&self.schema, &self.name)
    }

    pub fn quoted(&self) -> String {
        self.name().quoted()
    }

    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The column, or an error that names those there are.
    pub fn require_column(&self, name: &str) -> Result<&Column> {
        self.column(name).ok_or_else(|| {
            let names: Vec<String> = self.columns.iter().map(|column| format!("`{}`", column.name)).collect();
            Error::config(format!("`{}` has no column `{name}`", self.name().stream()))
                .with_code("postgres.no-column")
                .with_property("field", name)
                .with_hint(format!("its columns are {}", names.join(", ")))
        })
    }

    /// The columns that identify a row: the primary key, else the shortest unique index without nulls.
    pub fn key(&self) -> &[String] {
        let strict = self.uniques.iter().find(|unique| self.is_strict(&unique.columns));
        strict.map(|unique| unique.columns.as_slice()).unwrap_or_default()
    }

    /// Whether no two rows can agree in these columns, nor any have a null in them.
    pub fn is_unique(&self, columns: &[String]) -> bool {
        self.is_strict(columns) && self.unique_within(columns).is_some()
    }

    /// The unique index on some or all of these columns and no others.
    pub fn unique_within(&self, columns: &[String]) -> Option<&Unique> {
        self.uniques.iter().find(|unique| unique.columns.iter().all(|name| columns.contains(name)))
    }

    fn is_strict(&self, columns: &[String]) -> bool {
        columns.iter().all(|name| self.column(name).is_some_and(|column| column.not_null))
    }

    /// Whether each row tells which transaction wrote it.
    pub fn is_versioned(&self) -> bool {
        self.versioned
    }

    /// Whether it is a table of rows, as opposed to a view or to something elsewhere.
    pub fn is_plain(&self) -> bool {
        matches!(self.kind.as_str(), "r" | "p")
    }

    /// The estimate, if there is one.
    pub fn rows(&self) -> Option<u64> {
        (self.rows >= 0.0).then_some(self.rows as u64)
    }

    /// What it is, for a person.
    pub fn kind(&self) -> &'static str {
        match self.kind.as_str() {
            "p" => "partitioned table",
            "v" => "view",
            "m" => "materialized view",
            "f" => "foreign table",
            _ => "table",
        }
    }

    /// The stream under this name.
    pub fn stream(&self, name: &str) -> Stream {
        let mut stream = Stream::new(name).key(self.key());
        stream.fields = self.columns.iter().map(Column::field).collect();
        let mut set = |name: &str, value: String| stream.properties.push((name.to_owned(), value));
        set("dialect", "postgres".to_owned());
        set("relation", self.kind().to_owned());
        if let Some(rows) = self.rows() {
            set("rows", rows.to_string());
        }
        if let Some(comment) = &self.comment {
            set("comment", comment.clone());
        }
        if let Some(column) = self.modified() {
            set("modified", column.name.clone());
        }
        if self.is_plain() && !self.uniques.is_empty() {
            let modes = if self.has_rules { "upsert,delete" } else { "upsert,delete,insert,update" };
            set("write", modes.to_owned());
        }
        stream
    }

    /// A column that looks as if it told when a row was last written, and can be read by quickly.
    fn modified(&self) -> Option<&Column> {
        let named = |name: &&str| self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name));
        MODIFIED_NAMES.iter().filter_map(named).find(|column| column.leads_index && column.is_moment())
    }
}

const MODIFIED_NAMES: [&str; 12] = [
    "updated_at",
    "modified_at",
    "changed_at",
    "last_modified_at",
    "last_updated_at",
    "last_modified",
    "last_updated",
    "updatedat",
    "modifiedat",
    "updated",
    "modified",
    "updated_on",
];

impl Column {
    pub fn native_type(&self) -> NativeType {
        NativeType { id: self.id, modifier: self.modifier }
    }

    pub fn family(&self) -> Family {
        self.native_type().family()
    }

    /// The type in which values are compared with its own: wide enough that one no row can have is no error, and none is cut or
    /// rounded to fit.
    pub fn comparable_type(&self) -> &str {
        match self.family() {
            Family::Integer => "pg_catalog.int8",
            Family::Float => "pg_catalog.float8",
            Family::Text => "pg_catalog.text",
            _ => &self.base,
        }
    }

    fn is_moment(&self) -> bool {
        matches!(self.family(), Family::Timestamp | Family::Timestamptz)
    }

    /// Whether only the server itself says what stands in it; a value of one's own is an error.
    pub fn is_always_identity(&self) -> bool {
        self.identity == "a"
    }

    /// The field of its natural type.
    pub fn field(&self) -> Field {
        let mut field = Field::new(&self.name, self.native_type().logical());
        field.nullable = !self.not_null;
        let mut set = |name: &str, value: String| field.properties.push((name.to_owned(), value));
        set("dialect", "postgres".to_owned());
        set("native-type", self.native.clone());
        if self.is_domain {
            set("base-type", self.base.clone());
        }
        if let Some(length) = self.native_type().length_max() {
            set("max-length", length.to_string());
        }
        if let Some(comment) = &self.comment {
            set("comment", comment.clone());
        }
        if self.is_generated {
            set("generated", "always".to_owned());
        }
        match self.identity.as_str() {
            "a" => set("identity", "always".to_owned()),
            "d" => set("identity", "by default".to_owned()),
            _ => {}
        }
        field
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A table as the catalog shows it: columns as `(name, type id, not null)`, the unique indexes.
    pub fn table(columns: &[(&str, u32, bool)], uniques: &[&[&str]]) -> Table {
        let column = |(name, id, not_null): &(&str, u32, bool)| {
            serde_json::json!({
                "name": name, "native": format!("type {id}"), "domain": false, "id": id, "modifier": -1,
                "base": format!("type {id}"), "not_null": not_null, "identity": "", "generated": false, "comment": null,
                "leads_index": true,
            })
        };
        let unique = |(number, columns): (usize, &&[&str])| serde_json::json!({ "name": format!("unique_{number}"), "primary": number == 0, "columns": columns });
        let json = serde_json::json!({
            "schema": "public", "name": "t", "id": 16384, "kind": "r", "rows": 10, "comment": null, "rules": false,
            "versioned": true, "columns": columns.iter().map(column).collect::<Vec<_>>(),
            "uniques": uniques.iter().enumerate().map(unique).collect::<Vec<_>>(),
        });
        parse_table(&json.to_string()).unwrap()
    }

    const INT8: u32 = 20;
    const TEXT: u32 = 25;

    #[test]
    fn the_key_is_the_primary_one_or_the_first_without_nulls() {
        let columns = [("a", INT8, true), ("b", TEXT, false), ("c", INT8, true)];
        assert_eq!(table(&columns, &[&["a"], &["b"]]).key(), ["a"]);
        assert_eq!(table(&columns, &[&["b"], &["a", "c"]]).key(), ["a", "c"]);
        assert!(table(&columns, &[&["b"]]).key().is_empty());
        assert!(table(&columns, &[]).key().is_empty());
    }

    #[test]
    fn uniqueness_follows_from_any_index_within() {
        let columns = [("a", INT8, true), ("b", TEXT, false), ("c", INT8, true)];
        let table = table(&columns, &[&["a"]]);
        let is_unique =
            |names: &[&str]| table.is_unique(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert!(is_unique(&["a"]));
        assert!(is_unique(&["c", "a"]));
        assert!(!is_unique(&["c"]));
        assert!(!is_unique(&["a", "b"]));
        assert!(!is_unique(&["a", "nowhere"]));
    }

    #[test]
    fn a_relation_without_columns_or_indexes_is_read() {
        let json = r#"{"schema":"s","name":"v","id":1,"kind":"v","rows":-1,"comment":"c","rules":true,"versioned":false,
            "columns":null,"uniques":null}"#;
        let table = parse_table(json).unwrap();
        assert_eq!(table.rows(), None);
        assert_eq!(table.stream("s.v").properties.iter().filter(|(name, _)| name == "write").count(), 0);
    }

    #[test]
    fn a_stream_tells_what_fits_incremental_reading() {
        let stream = table(&[("id", INT8, true), ("updated_at", 1184, true)], &[&["id"]]).stream("t");
        assert!(stream.properties.contains(&("modified".to_owned(), "updated_at".to_owned())));
        assert_eq!(stream.key, ["id"]);
        assert!(!stream.fields[0].nullable);
        assert!(stream.properties.contains(&("write".to_owned(), "upsert,delete,insert,update".to_owned())));
        let mut with_rules = table(&[("id", INT8, true)], &[&["id"]]);
        with_rules.has_rules = true;
        assert!(with_rules.stream("t").properties.contains(&("write".to_owned(), "upsert,delete".to_owned())));
    }
}
