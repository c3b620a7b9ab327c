//! What the server says about its tables.
//!
//! Only the tables that are named are looked at. Must not know what is done with them.

mod ask;

use lockstep_plugin_sdk::capabilities::sql::Session;
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::types::{Field, LogicalType, Stream};

use crate::name::{TableName, quote_path};
use crate::types::{Family, NativeType, Product};

pub use ask::{all_tables, named_tables};

/// A table, or anything else that can be read like one.
#[derive(Clone, Debug)]
pub struct Table {
    pub schema: String,
    pub name: String,
    /// Whether it is in the database that the URL names.
    is_at_home: bool,
    kind: String,
    /// None of a view.
    pub engine: Option<String>,
    /// The server's estimate.
    rows: Option<u64>,
    comment: String,
    pub product: Product,
    pub columns: Vec<Column>,
    /// The primary key first, then the shortest.
    pub uniques: Vec<Unique>,
    /// The columns with which an index begins.
    leading: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    /// As the catalog spells it: `decimal(12,2) unsigned`.
    pub declared: String,
    pub native: NativeType,
    pub not_null: bool,
    pub has_default: bool,
    pub is_generated: bool,
    pub is_numbered: bool,
    /// Whether the server checks that its text is JSON.
    pub is_json: bool,
    charset: Option<String>,
    collation: Option<String>,
    comment: String,
}

/// A unique index on whole columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unique {
    pub name: String,
    pub columns: Vec<String>,
}

/// The table the name of a stream means.
pub fn find_table(session: &Session, name: &str) -> Result<Option<Table>> {
    Ok(named_tables(session, &[name.to_owned()])?.pop().flatten())
}

/// As [`find_table`], for those who cannot go on without it.
pub fn require_table(session: &Session, name: &str) -> Result<Table> {
    find_table(session, name)?.ok_or_else(|| {
        let table = TableName::of_stream(name);
        let place = table.schema.map_or_else(String::new, |schema| format!(" in the database `{schema}`"));
        Error::not_found(format!("there is no table `{}`{place}", table.table)).with_code("mysql.no-table")
    })
}

impl Table {
    /// The name it is discovered under.
    pub fn stream_name(&self) -> String {
        if self.is_at_home { self.name.clone() } else { format!("{}.{}", self.schema, self.name) }
    }

    pub fn path(&self) -> Vec<String> {
        vec![self.schema.clone(), self.name.clone()]
    }

    pub fn quoted(&self) -> String {
        quote_path(&self.path())
    }

    /// The column of this name, whatever its case.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| same(&column.name, name))
    }

    /// The column, or an error that names those there are.
    pub fn require_column(&self, name: &str) -> Result<&Column> {
        self.column(name).ok_or_else(|| {
            let names: Vec<String> = self.columns.iter().map(|column| format!("`{}`", column.name)).collect();
            Error::config(format!("`{}` has no column `{name}`", self.stream_name()))
                .with_code("mysql.no-column")
                .with_property("field", name)
                .with_hint(format!("its columns are {}", names.join(", ")))
        })
    }

    /// The columns that identify a row: the primary key, else the shortest unique index without nulls.
    pub fn key(&self) -> &[String] {
        let strict = self.uniques.iter().find(|unique| self.is_strict(&unique.columns));
        strict.map(|unique| unique.columns.as_slice()).unwrap_or_default()
    }

    fn is_strict(&self, columns: &[String]) -> bool {
        columns.iter().all(|name| self.column(name).is_some_and(|column| column.not_null))
    }

    /// The unique index on exactly these columns.
    pub fn unique_on(&self, columns: &[String]) -> Option<&Unique> {
        let is_wanted = |own: &String| columns.iter().any(|name| same(name, own));
        self.uniques.iter().find(|unique| unique.columns.len() == columns.len() && unique.columns.iter().all(is_wanted))
    }

    /// Whether rows can be found by this column without looking at all of them.
    pub fn leads_index(&self, name: &str) -> bool {
        self.leading.iter().any(|leading| same(leading, name))
    }

    /// Whether a new row that has no value for this column gets one that can be told.
    pub fn fills_in(&self, name: &str) -> bool {
        let tells_defaults = self.product == Product::Mariadb;
        self.column(name).is_some_and(|column| column.is_numbered || column.has_default && tells_defaults)
    }

    /// Whether it is a table of rows, as opposed to a view or to something of the server's own.
    pub fn is_plain(&self) -> bool {
        self.kind == "BASE TABLE"
    }

    /// What it is, for a person.
    pub fn kind(&self) -> &'static str {
        match self.kind.as_str() {
            "VIEW" => "view",
            "SYSTEM VIEW" => "system view",
            "SYSTEM VERSIONED" => "system-versioned table",
            "SEQUENCE" => "sequence",
            _ => "table",
        }
    }

    /// The stream under this name.
    pub fn stream(&self, name: &str) -> Stream {
        let mut stream = Stream::new(name).key(self.key());
        stream.fields = self.columns.iter().map(Column::field).collect();
        let mut set = |name: &str, value: String| stream.properties.push((name.to_owned(), value));
        set("dialect", "mysql".to_owned());
        set("relation", self.kind().to_owned());
        if let Some(rows) = self.rows {
            set("rows", rows.to_string());
        }
        if !self.comment.is_empty() && self.is_plain() {
            set("comment", self.comment.clone());
        }
        if let Some(column) = self.modified() {
            set("modified", column.name.clone());
        }
        if self.is_plain() && !self.uniques.is_empty() {
            set("write", "upsert,delete,insert,update".to_owned());
        }
        stream
    }

    /// A column that looks as if it told when a row was last written, and can be read by quickly.
    fn modified(&self) -> Option<&Column> {
        let named = |name: &&str| self.column(name);
        MODIFIED_NAMES.iter().filter_map(named).find(|column| self.leads_index(&column.name) && column.is_moment())
    }
}

/// Names of columns are the same in any case.
fn same(a: &str, b: &str) -> bool {
    a == b || a.to_lowercase() == b.to_lowercase()
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
    pub fn logical(&self) -> LogicalType {
        if self.is_json { LogicalType::Json } else { self.native.logical() }
    }

    fn is_moment(&self) -> bool {
        matches!(self.native.family, Family::Datetime | Family::Timestamp)
    }

    /// The type with its character set, for another table.
    pub fn full_type(&self) -> String {
        match (&self.charset, &self.collation) {
            (Some(charset), Some(collation)) => {
                format!("{} CHARACTER SET {charset} COLLATE {collation}", self.declared)
            }
            _ => self.declared.clone(),
        }
    }

    /// The field of its natural type.
    pub fn field(&self) -> Field {
        let mut field = Field::new(&self.name, self.logical());
        field.nullable = !self.not_null;
        let mut set = |name: &str, value: String| field.properties.push((name.to_owned(), value));
        set("dialect", "mysql".to_owned());
        set("native-type", self.declared.clone());
        if let Some(length) = self.native.length_max() {
            set("max-length", length.to_string());
        }
        if !self.comment.is_empty() {
            set("comment", self.comment.clone());
        }
        if self.is_generated {
            set("generated", "always".to_owned());
        }
        if self.is_numbered {
            set("identity", "by default".to_owned());
        }
        field
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn column(name: &str, declared: &str, not_null: bool) -> Column {
        let native = NativeType::new(declared);
        let is_text = native.family == Family::Text;
        Column {
            name: name.into(),
            declared: declared.into(),
            native,
            not_null,
            has_default: false,
            is_generated: false,
            is_numbered: false,
            is_json: false,
            charset: is_text.then(|| "utf8mb4".into()),
            collation: is_text.then(|| "utf8mb4_general_ci".into()),
            comment: String::new(),
        }
    }

    /// A table with columns as `(name, declared type, not null)` and these unique indexes, which are all its indexes.
    pub fn table(columns: &[(&str, &str, bool)], uniques: &[&[&str]]) -> Table {
        let unique = |(number, columns): (usize, &&[&str])| Unique {
            name: if number == 0 { "PRIMARY".to_owned() } else { format!("unique_{number}") },
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        };
        Table {
            schema: "shop".into(),
            name: "t".into(),
            is_at_home: true,
            kind: "BASE TABLE".into(),
            engine: Some("InnoDB".into()),
            rows: Some(10),
            comment: String::new(),
            product: Product::Mariadb,
            columns: columns.iter().map(|(name, declared, not_null)| column(name, declared, *not_null)).collect(),
            uniques: uniques.iter().enumerate().map(unique).collect(),
            leading: uniques.iter().map(|columns| columns[0].to_owned()).collect(),
        }
    }

    #[test]
    fn the_key_is_the_primary_one_or_the_first_without_nulls() {
        let columns = [("a", "int", true), ("b", "text", false), ("c", "int", true)];
        assert_eq!(table(&columns, &[&["a"], &["b"]]).key(), ["a"]);
        assert_eq!(table(&columns, &[&["b"], &["a", "c"]]).key(), ["a", "c"]);
        assert!(table(&columns, &[&["b"]]).key().is_empty());
        assert!(table(&columns, &[]).key().is_empty());
    }

    #[test]
    fn only_an_index_on_exactly_the_key_makes_it_unique() {
        let table = table(&[("a", "int", true), ("b", "int", true)], &[&["a", "b"]]);
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert!(table.unique_on(&names(&["B", "a"])).is_some());
        assert!(table.unique_on(&names(&["a"])).is_none());
    }

    #[test]
    fn a_stream_tells_what_fits_incremental_reading() {
        let stream =
            table(&[("id", "int", true), ("Updated_At", "datetime", true)], &[&["id"], &["Updated_At"]]).stream("t");
        assert!(stream.properties.contains(&("modified".to_owned(), "Updated_At".to_owned())));
        assert_eq!((stream.key, stream.fields[0].nullable), (vec!["id".to_owned()], false));
    }

    #[test]
    fn types_keep_their_character_set() {
        assert_eq!(
            column("a", "varchar(3)", true).full_type(),
            "varchar(3) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"
        );
        assert_eq!(column("a", "int(11)", true).full_type(), "int(11)");
    }
}
