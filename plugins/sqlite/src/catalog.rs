//! What the database says about its tables.
//!
//! Must not know what is done with them.

use lockstep_plugin_sdk::capabilities::sql::Session;
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::types::{Field, LogicalType, Stream};
use lockstep_sql_dialect::{Arguments, FromJson, Members, Unfit, quote, read_all, read_document};
use serde_json::Value as Json;

use crate::types::{self, Affinity};

const STATEMENT: &str = include_str!("catalog.sql");
/// Tables of the system and those behind virtual tables are nobody's records.
const NAMES: &str = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type <> 'shadow' \
    AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name";
/// Names are compared as SQLite does, but the one that is spelt the same comes first.
const NAME: &str = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type <> 'shadow' \
    AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name = ?1 COLLATE NOCASE";
/// What every database file calls its own schema.
const SCHEMA: &str = "main";

/// A table, or anything else that can be read like one.
#[derive(Clone, Debug)]
pub struct Table {
    pub name: String,
    kind: String,
    pub columns: Vec<Column>,
    /// The primary key first, then the shortest.
    pub uniques: Vec<Unique>,
    /// The columns with which an index begins.
    leading: Vec<String>,
    /// The key that is the number of the row itself.
    rowid: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    /// As it was declared: `VARCHAR(30)`; empty where nothing was.
    pub declared: String,
    pub not_null: bool,
    pub has_default: bool,
    pub is_generated: bool,
}

/// A unique index on plain columns, without a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unique {
    pub is_primary: bool,
    pub columns: Vec<Indexed>,
}

/// A column of an index, with the collation by which the index compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Indexed {
    pub name: String,
    pub collation: String,
}

struct RawTable {
    name: String,
    kind: String,
    without_rowid: u8,
    columns: Vec<RawColumn>,
    indexes: Vec<RawIndex>,
}

struct RawColumn {
    name: String,
    declared: String,
    not_null: u8,
    default: Option<Json>,
    /// Its place in the primary key, from 1; 0 = it is none of it.
    primary: u32,
    /// 1 = of a virtual table's own, 2 and 3 = computed.
    hidden: u8,
}

struct RawIndex {
    unique: u8,
    origin: String,
    partial: u8,
    columns: Vec<RawIndexed>,
}

struct RawIndexed {
    /// None of an expression.
    name: Option<String>,
    collation: Option<String>,
}

impl FromJson for RawTable {
    fn from_json(json: Json) -> std::result::Result<Self, Unfit> {
        let mut members = Members::from_json(json)?;
        Ok(Self {
            name: members.take("name")?,
            kind: members.take("kind")?,
            without_rowid: members.take("without_rowid")?,
            columns: members.take("columns")?,
            indexes: members.take("indexes")?,
        })
    }
}

impl FromJson for RawColumn {
    fn from_json(json: Json) -> std::result::Result<Self, Unfit> {
        let mut members = Members::from_json(json)?;
        Ok(Self {
            name: members.take("name")?,
            declared: members.take("declared")?,
            not_null: members.take("not_null")?,
            default: members.take("default")?,
            primary: members.take("primary")?,
            hidden: members.take("hidden")?,
        })
    }
}

impl FromJson for RawIndex {
    fn from_json(json: Json) -> std::result::Result<Self, Unfit> {
        let mut members = Members::from_json(json)?;
        Ok(Self {
            unique: members.take("unique")?,
            origin: members.take("origin")?,
            partial: members.take("partial")?,
            columns: members.take("columns")?,
        })
    }
}

impl FromJson for RawIndexed {
    fn from_json(json: Json) -> std::result::Result<Self, Unfit> {
        let mut members = Members::from_json(json)?;
        Ok(Self { name: members.take("name")?, collation: members.take("collation")? })
    }
}

/// Every table and view.
pub fn all_tables(session: &Session) -> Result<Vec<Table>> {
    let names = read_all(session, NAMES, Arguments::new(), 1)?;
    let mut tables = Vec::with_capacity(names.rows());
    for row in 0..names.rows() {
        match read_table(session, names.get(row, 0).unwrap_or_default()) {
            Ok(table) => tables.extend(table),
            // What passes says nothing about the table: a list without it would look whole.
            Err(error) if error.kind == "transient" => return Err(error),
            // A view on a table that is gone cannot even be looked at.
            Err(_) => {}
        }
    }
    Ok(tables)
}

/// The table the name of a stream means: `customers`, or `main.customers`.
pub fn find_table(session: &Session, name: &str) -> Result<Option<Table>> {
    for candidate in candidates(name) {
        let found = read_all(session, NAME, Arguments::text(candidate), 1)?;
        let spellings: Vec<&str> = (0..found.rows()).filter_map(|row| found.get(row, 0)).collect();
        let same = spellings.iter().find(|spelling| **spelling == candidate).or(spellings.first());
        if let Some(spelling) = same {
            return read_table(session, spelling);
        }
    }
    Ok(None)
}

/// As [`find_table`], for those who cannot go on without it.
pub fn require_table(session: &Session, name: &str) -> Result<Table> {
    find_table(session, name)?
        .ok_or_else(|| Error::not_found(format!("there is no table `{name}`")).with_code("sqlite.no-table"))
}

/// The name a table is created under.
pub fn table_name(stream: &str) -> &str {
    candidates(stream).last().unwrap_or(stream)
}

/// A table may have a dot in its name.
fn candidates(name: &str) -> impl Iterator<Item = &str> {
    let plain = name.split_once('.').filter(|(schema, _)| schema.eq_ignore_ascii_case(SCHEMA)).map(|(_, table)| table);
    std::iter::once(name).chain(plain)
}

fn read_table(session: &Session, name: &str) -> Result<Option<Table>> {
    let answer = read_all(session, STATEMENT, Arguments::text(name), 1)?;
    answer.get(0, 0).map(parse_table).transpose()
}

fn parse_table(json: &str) -> Result<Table> {
    let raw: RawTable = read_document(json.as_bytes())
        .map_err(|error| Error::permanent(format!("the database's catalog is not as expected: {error}")))?;
    Ok(Table::new(raw))
}

impl Table {
    fn new(raw: RawTable) -> Self {
        let uniques = uniques(&raw);
        // Only the number of the row, and keys of tables without one, are never null without having been told so.
        let is_numbered = has_rowid_key(&raw);
        let has_strict_key = raw.without_rowid == 1 || is_numbered;
        let indexes = raw.indexes.iter().filter(|index| index.partial == 0);
        let mut leading: Vec<String> = indexes.filter_map(|index| index.columns.first()?.name.clone()).collect();
        leading.extend(uniques.iter().filter_map(|unique| Some(unique.columns.first()?.name.clone())));
        let primary = raw.columns.iter().find(|column| column.primary > 0);
        let rowid = primary.filter(|_| is_numbered).map(|column| column.name.clone());
        let columns = raw.columns.into_iter().filter(|column| column.hidden != 1);
        let columns = columns.map(|column| Column::new(column, has_strict_key)).collect();
        Self { name: raw.name, kind: raw.kind, columns, uniques, leading, rowid }
    }

    /// `"main"."customers"`.
    pub fn quoted(&self) -> String {
        format!("{}.{}", quote(SCHEMA), quote(&self.name))
    }

    pub fn path(&self) -> Vec<String> {
        vec![SCHEMA.to_owned(), self.name.clone()]
    }

    /// The column of this name, whatever its case.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// The column, or an error that names those there are.
    pub fn require_column(&self, name: &str) -> Result<&Column> {
        self.column(name).ok_or_else(|| {
            let names: Vec<String> = self.columns.iter().map(|column| format!("`{}`", column.name)).collect();
            Error::config(format!("`{}` has no column `{name}`", self.name))
                .with_code("sqlite.no-column")
                .with_property("field", name)
                .with_hint(format!("its columns are {}", names.join(", ")))
        })
    }

    /// The columns that identify a row: the primary key, else the shortest unique index without nulls.
    pub fn key(&self) -> Vec<String> {
        let is_strict = |unique: &Unique| unique.columns.iter().all(|indexed| self.is_not_null(&indexed.name));
        let unique = self.uniques.iter().find(|unique| unique.is_primary || is_strict(unique));
        unique.map(|unique| unique.columns.iter().map(|indexed| indexed.name.clone()).collect()).unwrap_or_default()
    }

    fn is_not_null(&self, name: &str) -> bool {
        self.column(name).is_some_and(|column| column.not_null)
    }

    /// The unique index on exactly these columns.
    pub fn unique_on(&self, columns: &[String]) -> Option<&Unique> {
        let is_wanted = |indexed: &Indexed| columns.iter().any(|name| name.eq_ignore_ascii_case(&indexed.name));
        self.uniques.iter().find(|unique| unique.columns.len() == columns.len() && unique.columns.iter().all(is_wanted))
    }

    /// Whether a new row that has no value for this column gets one.
    pub fn fills_in(&self, name: &str) -> bool {
        let is_rowid = self.rowid.as_ref().is_some_and(|rowid| rowid.eq_ignore_ascii_case(name));
        is_rowid || self.column(name).is_some_and(|column| column.has_default)
    }

    /// Whether rows can be read in the order of this column without looking at all of them.
    pub fn leads_index(&self, name: &str) -> bool {
        self.leading.iter().any(|leading| leading.eq_ignore_ascii_case(name))
    }

    /// Whether it is a table of rows, as opposed to a view or to something elsewhere.
    pub fn is_plain(&self) -> bool {
        self.kind == "table"
    }

    /// What it is, for a person.
    pub fn kind(&self) -> &'static str {
        match self.kind.as_str() {
            "view" => "view",
            "virtual" => "virtual table",
            _ => "table",
        }
    }

    /// The stream under this name.
    pub fn stream(&self, name: &str) -> Stream {
        let mut stream = Stream::new(name).key(self.key());
        stream.fields = self.columns.iter().map(Column::field).collect();
        let mut set = |name: &str, value: String| stream.properties.push((name.to_owned(), value));
        set("dialect", "sqlite".to_owned());
        set("relation", self.kind().to_owned());
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

/// A table whose key is the number of the row has no index for it.
fn has_rowid_key(raw: &RawTable) -> bool {
    raw.kind == "table"
        && raw.without_rowid == 0
        && raw.columns.iter().any(|column| column.primary > 0)
        && !raw.indexes.iter().any(|index| index.origin == "pk")
}

fn uniques(raw: &RawTable) -> Vec<Unique> {
    let mut found: Vec<Unique> = Vec::new();
    if has_rowid_key(raw) {
        let key = raw.columns.iter().filter(|column| column.primary > 0);
        let columns = key.map(|column| Indexed { name: column.name.clone(), collation: "BINARY".to_owned() }).collect();
        found.push(Unique { is_primary: true, columns });
    }
    for index in raw.indexes.iter().filter(|index| index.unique == 1 && index.partial == 0) {
        let indexed = |column: &RawIndexed| {
            Some(Indexed { name: column.name.clone()?, collation: column.collation.clone().unwrap_or_default() })
        };
        let columns: Option<Vec<Indexed>> = index.columns.iter().map(indexed).collect();
        found.extend(columns.map(|columns| Unique { is_primary: index.origin == "pk", columns }));
    }
    found.sort_by_key(|unique| (!unique.is_primary, unique.columns.len()));
    found
}

impl Column {
    fn new(raw: RawColumn, has_strict_key: bool) -> Self {
        Self {
            not_null: raw.not_null == 1 || raw.primary > 0 && has_strict_key,
            has_default: raw.default.is_some(),
            is_generated: raw.hidden > 1,
            name: raw.name,
            declared: raw.declared,
        }
    }

    pub fn logical(&self) -> LogicalType {
        types::natural(&self.declared)
    }

    pub fn affinity(&self) -> Affinity {
        Affinity::of(&self.declared)
    }

    /// Times are often kept as text, or in columns whose declared type says nothing to the host.
    fn is_moment(&self) -> bool {
        use LogicalType::{Date, Datetime, Int64, Text, Timestamp};
        matches!(self.logical(), Timestamp | Datetime | Date | Int64 | Text)
    }

    /// The field of its natural type.
    pub fn field(&self) -> Field {
        let mut field = Field::new(&self.name, self.logical());
        field.nullable = !self.not_null;
        let mut set = |name: &str, value: String| field.properties.push((name.to_owned(), value));
        set("dialect", "sqlite".to_owned());
        set("native-type", self.declared.clone());
        if self.is_generated {
            set("generated", "always".to_owned());
        }
        field
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use serde_json::json;

    /// A table as the catalog shows it: columns as `(name, declared type, not null)`, the unique indexes.
    pub fn table(columns: &[(&str, &str, bool)], uniques: &[&[&str]]) -> Table {
        let column = |(name, declared, not_null): &(&str, &str, bool)| json!({"name": name, "declared": declared, "not_null": u8::from(*not_null), "default": null, "primary": 0, "hidden": 0});
        let index = |(number, columns): (usize, &&[&str])| {
            let columns: Vec<Json> = columns.iter().map(|name| json!({"name": name, "collation": "BINARY"})).collect();
            json!({"unique": 1, "origin": if number == 0 { "pk" } else { "u" }, "partial": 0, "columns": columns})
        };
        let json = json!({
            "name": "t", "kind": "table", "without_rowid": 0, "columns": columns.iter().map(column).collect::<Vec<_>>(),
            "indexes": uniques.iter().enumerate().map(index).collect::<Vec<_>>(),
        });
        parse_table(&json.to_string()).unwrap()
    }

    #[test]
    fn the_key_is_the_primary_one_or_the_first_without_nulls() {
        let columns = [("a", "INTEGER", true), ("b", "TEXT", false), ("c", "INTEGER", true)];
        assert_eq!(table(&columns, &[&["b"], &["a", "c"]]).key(), ["b"]);
        assert!(table(&columns, &[]).key().is_empty());
        let mut without_primary = table(&columns, &[&["b"], &["a", "c"]]);
        without_primary.uniques[0].is_primary = false;
        assert_eq!(without_primary.key(), ["a", "c"]);
    }

    #[test]
    fn a_rowid_key_has_no_index() {
        let raw = json!({"name": "t", "kind": "table", "without_rowid": 0, "indexes": [],
            "columns": [{"name": "id", "declared": "INTEGER", "not_null": 0, "default": null, "primary": 1, "hidden": 0}]});
        let table = parse_table(&raw.to_string()).unwrap();
        assert_eq!(table.key(), ["id"]);
        assert!(table.columns[0].not_null && table.leads_index("ID") && table.fills_in("ID"));
    }

    #[test]
    fn only_an_index_on_exactly_the_key_makes_it_unique() {
        let table = table(&[("a", "INT", true), ("b", "INT", true)], &[&["a", "b"]]);
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert!(table.unique_on(&names(&["B", "a"])).is_some());
        assert!(table.unique_on(&names(&["a"])).is_none());
    }

    #[test]
    fn names_may_say_main() {
        assert_eq!(table_name("main.t"), "t");
        assert_eq!(table_name("t"), "t");
        assert_eq!(candidates("Main.a.b").collect::<Vec<_>>(), ["Main.a.b", "a.b"]);
        assert_eq!(candidates("other.t").collect::<Vec<_>>(), ["other.t"]);
    }
}
