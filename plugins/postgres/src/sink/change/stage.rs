//! The statements that bring single records into the table: pure text.
//!
//! A stage of new records has the types of the table's columns. In one of changes, keys and expected values have types that hold
//! everything such values may be: one the table could not hold is simply not the one it holds.

use lockstep_plugin_sdk::error::Result;
use lockstep_plugin_sdk::types::{Batch, Field, LogicalType};
use lockstep_sql_dialect::{ChangeColumns, free_name, keep_columns, keep_rows, names, number_rows, quote, quote_path};

use crate::sink::target::Target;

/// The start of the names of temporary tables: no other session sees them.
const STAGE: &str = "lockstep_change";
const TEMPORARY_SCHEMA: &str = "pg_temp";

/// What is to become of staged rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Insert,
    Update,
    Delete,
}

/// A temporary table for rows of one set of columns.
#[derive(Clone, Debug)]
pub struct Stage {
    pub purpose: Purpose,
    /// Tells stages of one session apart.
    pub number: usize,
    /// The column that holds the number of a row in its page.
    row: String,
    columns: Vec<Column>,
}

#[derive(Clone, Debug)]
struct Column {
    role: Role,
    /// The column of the page.
    source: Field,
    /// The column of the stage: the server knows no names as long as those of expected values may be.
    name: String,
    /// The column of the table.
    field: String,
    /// The type it is given; none = the one the table's column has.
    cast: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Key,
    Value,
    Expected,
}

impl Stage {
    /// For new records of these fields.
    pub fn inserts(target: &Target, fields: Vec<Field>) -> Self {
        let column = |field: Field| {
            let role = if target.is_key(&field.name) { Role::Key } else { Role::Value };
            Column { role, name: field.name.clone(), field: field.name.clone(), source: field, cast: None }
        };
        Self::new(Purpose::Insert, target, fields.into_iter().map(column).collect())
    }

    /// For records that are to be changed or deleted.
    pub fn changes(purpose: Purpose, target: &Target, page: &ChangeColumns) -> Result<Self> {
        let mut columns = Vec::new();
        for field in &target.key {
            let cast = Some(target.comparable_type(&field.name, field.logical()?)?);
            let (name, field) = (field.name.clone(), field.clone());
            columns.push(Column { role: Role::Key, field: name.clone(), name, source: field, cast });
        }
        for field in page.values.iter().filter(|_| purpose == Purpose::Update) {
            let (name, field) = (field.name.clone(), field.clone());
            columns.push(Column { role: Role::Value, field: name.clone(), name, source: field, cast: None });
        }
        for (number, expected) in (1..).zip(&page.expected) {
            let name = free_name(&format!("lockstep_expected_{number}"), target.column_names());
            let cast = Some(target.comparable_type(&expected.field.name, expected.field.logical()?)?);
            let source = Field { name: expected.column.clone(), ..expected.field.clone() };
            columns.push(Column { role: Role::Expected, name, field: expected.field.name.clone(), source, cast });
        }
        Ok(Self::new(purpose, target, columns))
    }

    fn new(purpose: Purpose, target: &Target, columns: Vec<Column>) -> Self {
        Self { purpose, number: 0, row: free_name("lockstep_row", target.column_names()), columns }
    }

    /// Whether the other is for the same rows.
    pub fn is_like(&self, other: &Self) -> bool {
        let sources = |stage: &Self| -> Vec<String> { stage.columns.iter().map(|c| c.source.name.clone()).collect() };
        self.purpose == other.purpose && sources(self) == sources(other)
    }

    pub fn has_key(&self, target: &Target) -> bool {
        self.of_role(Role::Key).count() == target.key.len()
    }

    /// The field behind the column of expected values with this number.
    pub fn expected(&self, number: i64) -> Option<&str> {
        let place = usize::try_from(number).ok()?.checked_sub(1)?;
        self.of_role(Role::Expected).nth(place).map(|column| column.field.as_str())
    }

    pub fn path(&self) -> Vec<String> {
        vec![TEMPORARY_SCHEMA.to_owned(), self.name()]
    }

    fn name(&self) -> String {
        format!("{STAGE}_{}", self.number)
    }

    fn quoted(&self) -> String {
        quote_path(&self.path())
    }

    fn of_role(&self, role: Role) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(move |column| column.role == role)
    }

    /// The columns to be filled.
    pub fn fields(&self) -> Vec<Field> {
        let staged = |column: &Column| Field { name: column.name.clone(), ..column.source.clone() };
        std::iter::once(Field::new(&self.row, LogicalType::Int64)).chain(self.columns.iter().map(staged)).collect()
    }

    /// These rows of a page, as they are staged.
    pub fn rows(&self, page: &Batch, rows: &[u32]) -> Result<Batch> {
        let sources: Vec<Field> = self.columns.iter().map(|column| column.source.clone()).collect();
        let columns = keep_columns(page, &sources)?;
        let is_whole = rows.len() == columns.rows as usize;
        let part = if is_whole { columns } else { keep_rows(&columns, rows) };
        let mut numbered = number_rows(part, &self.row, rows);
        for (column, field) in numbered.columns.iter_mut().zip(self.fields()) {
            column.name = field.name;
        }
        Ok(numbered)
    }

    /// Makes the stage, without the table's rules; it is empty after every transaction.
    pub fn create(&self, target: &Target) -> String {
        let column = |column: &Column| match &column.cast {
            Some(cast) => format!("{}::{cast} AS {}", quote(&column.field), quote(&column.name)),
            None => quote(&column.field),
        };
        let row = format!("0::pg_catalog.int8 AS {}", quote(&self.row));
        let columns: Vec<String> = std::iter::once(row).chain(self.columns.iter().map(column)).collect();
        format!(
            "CREATE TEMPORARY TABLE {} ON COMMIT DELETE ROWS AS SELECT {} FROM {} WITH NO DATA",
            quote(&self.name()),
            columns.join(", "),
            target.table.quoted()
        )
    }

    /// Empties the stage before the transaction ends.
    pub fn clear(&self) -> String {
        format!("TRUNCATE {}", self.quoted())
    }

    /// Inserts what is staged, and answers the keys of the new records. Where the key is given, records that are there already are
    /// left alone, and each key stands behind the number of its row. Else the keys come in the order of the rows: a row is inserted
    /// and answered before the next one is looked at.
    pub fn insert(&self, target: &Target) -> String {
        let key: Vec<&str> = target.key.iter().map(|field| field.name.as_str()).collect();
        let columns = names("", self.columns.iter().map(|column| column.name.as_str()));
        let order = if self.has_key(target) { names("", key.iter().copied()) } else { quote(&self.row) };
        let insert = format!(
            "INSERT INTO {} AS t ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {} ORDER BY {order}",
            target.table.quoted(),
            self.quoted(),
        );
        let answer = names("t.", key.iter().copied());
        if !self.has_key(target) {
            return format!("{insert} RETURNING {answer}");
        }
        let arbiter = target.key_columns();
        let same: Vec<String> = key.iter().map(|name| format!("n.{0} = s.{0}", quote(name))).collect();
        format!(
            "WITH n AS ({insert} ON CONFLICT ({}) DO NOTHING RETURNING {answer}) \
             SELECT s.{}, {} FROM n LEFT JOIN {} AS s ON {}",
            names("", arbiter.iter().map(String::as_str)),
            quote(&self.row),
            names("n.", key.iter().copied()),
            self.quoted(),
            same.join(" AND ")
        )
    }

    /// Changes or deletes what is as expected, and answers the numbers of the rows that did. None if nothing is to be changed.
    pub fn apply(&self, target: &Target) -> Option<String> {
        let table = target.table.quoted();
        let mut conditions = vec![self.key_equals()];
        conditions
            .extend(self.of_role(Role::Expected).map(|column| self.compare(target, column, "IS NOT DISTINCT FROM")));
        let rows = self.sorted();
        let returning = format!("RETURNING s.{}", quote(&self.row));
        if self.purpose == Purpose::Delete {
            let conditions = conditions.join(" AND ");
            return Some(format!("DELETE FROM {table} AS t USING {rows} AS s WHERE {conditions} {returning}"));
        }
        conditions.push(format!("({})", self.differs(target)?));
        let assign = |column: &Column| format!("{0} = s.{0}", quote(&column.name));
        let assignments: Vec<String> = self.of_role(Role::Value).map(assign).collect();
        Some(format!(
            "UPDATE {table} AS t SET {} FROM {rows} AS s WHERE {} {returning}",
            assignments.join(", "),
            conditions.join(" AND ")
        ))
    }

    /// For each row its number, whether its record is there, the number of the first field that is not as expected, and whether
    /// there is anything left to do about it.
    pub fn judge(&self, target: &Target) -> String {
        let whens: Vec<String> = (1..)
            .zip(self.of_role(Role::Expected))
            .map(|(number, column)| format!("WHEN {} THEN {number}", self.compare(target, column, "IS DISTINCT FROM")))
            .collect();
        let unexpected = if whens.is_empty() { "NULL".to_owned() } else { format!("CASE {} END", whens.join(" ")) };
        let open = match self.purpose {
            Purpose::Update => self.differs(target).unwrap_or_else(|| "false".to_owned()),
            _ => "true".to_owned(),
        };
        let first = self.of_role(Role::Key).next().map(|column| quote(&column.name)).unwrap_or_default();
        format!(
            "SELECT s.{}, t.{first} IS NOT NULL, ({unexpected})::pg_catalog.int8, ({open}) FROM {} AS s LEFT JOIN {} AS t ON {}",
            quote(&self.row),
            self.quoted(),
            target.table.quoted(),
            self.key_equals()
        )
    }

    fn sorted(&self) -> String {
        let key = names("", self.of_role(Role::Key).map(|column| column.name.as_str()));
        format!("(SELECT * FROM {} ORDER BY {key})", self.quoted())
    }

    fn key_equals(&self) -> String {
        let equals = |column: &Column| format!("t.{0} = s.{0}", quote(&column.name));
        self.of_role(Role::Key).map(equals).collect::<Vec<_>>().join(" AND ")
    }

    /// None if there is nothing but the key.
    fn differs(&self, target: &Target) -> Option<String> {
        let values = self.of_role(Role::Value).map(|column| self.compare(target, column, "IS DISTINCT FROM"));
        let values: Vec<String> = values.collect();
        (!values.is_empty()).then(|| values.join(" OR "))
    }

    fn compare(&self, target: &Target, column: &Column, operator: &str) -> String {
        let own = target.comparison(&column.field, &format!("t.{}", quote(&column.field)));
        let staged = target.comparison(&column.field, &format!("s.{}", quote(&column.name)));
        format!("{own} {operator} {staged}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::target::tests::target;
    use lockstep_sql_dialect::{Value, batch_of, row_of};

    fn fields(names: &[&str]) -> Vec<Field> {
        names.iter().map(|name| Field::new(*name, LogicalType::Text)).collect()
    }

    fn changes(purpose: Purpose, columns: &[&str]) -> Stage {
        let target = target("postgres 15");
        let page = batch_of(&fields(columns), &[]).unwrap();
        let columns = ChangeColumns::of(&page, &target.key, |name| target.field(name)).unwrap();
        Stage { number: 1, ..Stage::changes(purpose, &target, &columns).unwrap() }
    }

    fn inserts(columns: &[&str]) -> Stage {
        Stage { number: 1, ..Stage::inserts(&target("postgres 15"), fields(columns)) }
    }

    #[test]
    fn stages_hold_whatever_may_be_expected() {
        assert_eq!(
            changes(Purpose::Update, &["id", "n", "expected:n", "expected:name"]).create(&target("postgres 15")),
            r#"CREATE TEMPORARY TABLE "lockstep_change_1" ON COMMIT DELETE ROWS AS SELECT 0::pg_catalog.int8 AS "lockstep_row", "id"::pg_catalog.int8 AS "id", "n", "n"::pg_catalog.int8 AS "lockstep_expected_1", "name"::pg_catalog.text AS "lockstep_expected_2" FROM "public"."t" WITH NO DATA"#
        );
        assert_eq!(
            inserts(&["id", "n"]).create(&target("postgres 15")),
            r#"CREATE TEMPORARY TABLE "lockstep_change_1" ON COMMIT DELETE ROWS AS SELECT 0::pg_catalog.int8 AS "lockstep_row", "id", "n" FROM "public"."t" WITH NO DATA"#
        );
    }

    #[test]
    fn records_are_changed_if_they_are_as_expected() {
        let target = target("postgres 15");
        let stage = changes(Purpose::Update, &["id", "n", "expected:n", "expected:name"]);
        assert_eq!(
            stage.apply(&target).unwrap(),
            r#"UPDATE "public"."t" AS t SET "n" = s."n" FROM (SELECT * FROM "pg_temp"."lockstep_change_1" ORDER BY "id") AS s WHERE t."id" = s."id" AND t."n" IS NOT DISTINCT FROM s."lockstep_expected_1" AND t."name" COLLATE "C" IS NOT DISTINCT FROM s."lockstep_expected_2" COLLATE "C" AND (t."n" IS DISTINCT FROM s."n") RETURNING s."lockstep_row""#
        );
        assert_eq!(
            stage.judge(&target),
            r#"SELECT s."lockstep_row", t."id" IS NOT NULL, (CASE WHEN t."n" IS DISTINCT FROM s."lockstep_expected_1" THEN 1 WHEN t."name" COLLATE "C" IS DISTINCT FROM s."lockstep_expected_2" COLLATE "C" THEN 2 END)::pg_catalog.int8, (t."n" IS DISTINCT FROM s."n") FROM "pg_temp"."lockstep_change_1" AS s LEFT JOIN "public"."t" AS t ON t."id" = s."id""#
        );
        assert_eq!((stage.expected(0), stage.expected(2), stage.expected(3)), (None, Some("name"), None));
        assert!(changes(Purpose::Update, &["id", "expected:n"]).apply(&target).is_none());
    }

    #[test]
    fn records_are_deleted_if_they_are_as_expected() {
        let target = target("postgres 15");
        let stage = changes(Purpose::Delete, &["id", "n", "expected:n"]);
        assert_eq!(
            stage.apply(&target).unwrap(),
            r#"DELETE FROM "public"."t" AS t USING (SELECT * FROM "pg_temp"."lockstep_change_1" ORDER BY "id") AS s WHERE t."id" = s."id" AND t."n" IS NOT DISTINCT FROM s."lockstep_expected_1" RETURNING s."lockstep_row""#
        );
        assert!(changes(Purpose::Delete, &["id"]).judge(&target).contains("(NULL)::pg_catalog.int8, (true) FROM"));
    }

    #[test]
    fn new_records_answer_their_keys() {
        let target = target("postgres 15");
        assert_eq!(
            inserts(&["n", "id"]).insert(&target),
            r#"WITH n AS (INSERT INTO "public"."t" AS t ("n", "id") OVERRIDING SYSTEM VALUE SELECT "n", "id" FROM "pg_temp"."lockstep_change_1" ORDER BY "id" ON CONFLICT ("id") DO NOTHING RETURNING t."id") SELECT s."lockstep_row", n."id" FROM n LEFT JOIN "pg_temp"."lockstep_change_1" AS s ON n."id" = s."id""#
        );
        assert_eq!(
            inserts(&["n"]).insert(&target),
            r#"INSERT INTO "public"."t" AS t ("n") OVERRIDING SYSTEM VALUE SELECT "n" FROM "pg_temp"."lockstep_change_1" ORDER BY "lockstep_row" RETURNING t."id""#
        );
    }

    #[test]
    fn rows_are_staged_under_the_stages_names() {
        let page = fields(&["expected:n", "id"]);
        let row = |n: &str, id: &str| vec![Value::Text(n.into()), Value::Text(id.into())];
        let page = batch_of(&page, &[row("a", "1"), row("b", "2"), row("c", "3")]).unwrap();
        let staged = changes(Purpose::Delete, &["id", "expected:n"]).rows(&page, &[0, 2]).unwrap();
        let shown: Vec<&str> = staged.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(shown, ["lockstep_row", "id", "lockstep_expected_1"]);
        let types = [Field::new("", LogicalType::Int64), fields(&[""]).remove(0), fields(&[""]).remove(0)];
        assert_eq!(
            row_of(&types, &staged, 1).unwrap(),
            [Value::Int64(2), Value::Text("3".into()), Value::Text("c".into())]
        );
    }

    #[test]
    fn stages_are_used_for_the_same_columns_only() {
        let stage = changes(Purpose::Update, &["id", "n"]);
        assert!(stage.is_like(&changes(Purpose::Update, &["id", "n"])));
        assert!(!stage.is_like(&changes(Purpose::Update, &["id", "name"])));
        assert!(!changes(Purpose::Delete, &["id"]).is_like(&changes(Purpose::Update, &["id"])));
    }
}
