//! The statements that bring single records into the table: pure text.
//!
//! Their one parameter, where they have one, is a JSON list of the numbers of rows to be left out.

use lockstep_plugin_sdk::error::Result;
use lockstep_plugin_sdk::types::{Batch, Field, LogicalType};
use lockstep_sql_dialect::{free_name, keep_columns, keep_rows, names, number_rows, quote, quote_path};

use crate::sink::target::Target;

/// The start of the names of temporary tables: no other session sees them.
const STAGE: &str = "lockstep_change";
const TEMPORARY_SCHEMA: &str = "temp";

/// A temporary table for rows of one set of columns.
#[derive(Clone, Debug)]
pub struct Stage {
    name: String,
    /// The column that holds the number of a row in its page.
    row: String,
    columns: Vec<String>,
}

impl Stage {
    /// For rows of these fields; `number` tells stages of one session apart.
    pub fn new(number: usize, target: &Target, fields: &[Field]) -> Self {
        let columns = fields.iter().map(|field| field.name.clone()).collect();
        Self { name: format!("{STAGE}_{number}"), row: free_name("lockstep_row", target.column_names()), columns }
    }

    /// Whether the other is for the same columns.
    pub fn is_like(&self, other: &Self) -> bool {
        self.columns == other.columns
    }

    pub fn has_key(&self, target: &Target) -> bool {
        target.key.iter().all(|field| self.columns.contains(&field.name))
    }

    pub fn path(&self) -> Vec<String> {
        vec![TEMPORARY_SCHEMA.to_owned(), self.name.clone()]
    }

    fn quoted(&self) -> String {
        quote_path(&self.path())
    }

    fn columns(&self) -> String {
        names("", self.columns.iter().map(String::as_str))
    }

    /// The columns to be filled.
    pub fn fields(&self, fields: &[Field]) -> Vec<Field> {
        std::iter::once(Field::new(&self.row, LogicalType::Int64)).chain(fields.iter().cloned()).collect()
    }

    /// These rows of a page, as they are staged.
    pub fn rows(&self, page: &Batch, fields: &[Field], rows: &[u32]) -> Result<Batch> {
        let columns = keep_columns(page, fields)?;
        let is_whole = rows.len() == columns.rows as usize;
        let part = if is_whole { columns } else { keep_rows(&columns, rows) };
        Ok(number_rows(part, &self.row, rows))
    }

    /// Makes the stage, with the affinities of the table's columns and without its rules.
    pub fn create(&self, target: &Target) -> String {
        format!(
            "CREATE TEMPORARY TABLE {} AS SELECT 0 AS {}, {} FROM {} LIMIT 0",
            quote(&self.name),
            quote(&self.row),
            self.columns(),
            target.table.quoted()
        )
    }

    /// Empties the stage.
    pub fn clear(&self) -> String {
        format!("DELETE FROM {}", self.quoted())
    }

    /// For each row whose record is there, its number and these fields of the record.
    pub fn look(&self, target: &Target, fields: &[Field]) -> String {
        let fields = fields.iter().map(|field| format!(", t.{}", quote(&field.name)));
        format!(
            "SELECT s.{}{} FROM {} AS s CROSS JOIN {} AS t ON {} WHERE {}",
            quote(&self.row),
            fields.collect::<String>(),
            self.quoted(),
            target.table.quoted(),
            key_equals(target),
            self.is_kept()
        )
    }

    /// Inserts the rows.
    pub fn insert(&self, target: &Target) -> String {
        format!(
            "INSERT INTO {} ({1}) SELECT {1} FROM {2} AS s WHERE {3} ORDER BY {4}",
            target.table.quoted(),
            self.columns(),
            self.quoted(),
            self.is_kept(),
            names("", target.key.iter().map(|field| field.name.as_str()))
        )
    }

    /// Inserts all rows and answers the keys SQLite has given them, in the order of the rows: it inserts one after the other, and
    /// answers them in that order when all are done.
    pub fn number(&self, target: &Target) -> String {
        let key = names("", target.key.iter().map(|field| field.name.as_str()));
        format!(
            "INSERT INTO {} ({1}) SELECT {1} FROM {2} ORDER BY {3} RETURNING {key}",
            target.table.quoted(),
            self.columns(),
            self.quoted(),
            quote(&self.row)
        )
    }

    /// Changes what differs. None if there is nothing but the key.
    pub fn update(&self, target: &Target) -> Option<String> {
        let values = || self.columns.iter().filter(|name| !target.is_key(name));
        let assign = |name: &String| format!("{0} = s.{0}", quote(name));
        let differs = |name: &String| format!("t.{0} IS NOT s.{0} COLLATE BINARY", quote(name));
        let assignments: Vec<String> = values().map(assign).collect();
        (!assignments.is_empty()).then(|| {
            format!(
                "UPDATE {} AS t SET {} FROM {} AS s WHERE {} AND ({}) AND {}",
                target.table.quoted(),
                assignments.join(", "),
                self.quoted(),
                key_equals(target),
                values().map(differs).collect::<Vec<_>>().join(" OR "),
                self.is_kept()
            )
        })
    }

    /// Deletes the records of the rows.
    pub fn delete(&self, target: &Target) -> String {
        let own: Vec<String> = target.key.iter().map(|field| target.key_term("", &field.name)).collect();
        let key = names("s.", target.key.iter().map(|field| field.name.as_str()));
        let row = if own.len() == 1 { own.join("") } else { format!("({})", own.join(", ")) };
        format!(
            "DELETE FROM {} WHERE {row} IN (SELECT {key} FROM {} AS s WHERE {})",
            target.table.quoted(),
            self.quoted(),
            self.is_kept()
        )
    }

    fn is_kept(&self) -> String {
        format!("s.{} NOT IN (SELECT value FROM json_each(?1))", quote(&self.row))
    }
}

/// As the index behind the key compares.
fn key_equals(target: &Target) -> String {
    let equals = |field: &Field| format!("{} = s.{}", target.key_term("t.", &field.name), quote(&field.name));
    target.key.iter().map(equals).collect::<Vec<_>>().join(" AND ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::target::tests::target;
    use lockstep_sql_dialect::{Value, batch_of};

    fn fields(names: &[&str]) -> Vec<Field> {
        names.iter().map(|name| Field::new(*name, LogicalType::Text)).collect()
    }

    fn stage(names: &[&str]) -> Stage {
        Stage::new(1, &target(), &fields(names))
    }

    #[test]
    fn a_stage_has_the_tables_types() {
        assert_eq!(
            stage(&["id", "n"]).create(&target()),
            r#"CREATE TEMPORARY TABLE "lockstep_change_1" AS SELECT 0 AS "lockstep_row", "id", "n" FROM "main"."t" LIMIT 0"#
        );
        assert!(stage(&["id", "n"]).is_like(&stage(&["id", "n"])) && !stage(&["id"]).is_like(&stage(&["n"])));
    }

    #[test]
    fn records_are_read_by_their_keys() {
        assert_eq!(
            stage(&["id"]).look(&target(), &fields(&["name", "n"])),
            r#"SELECT s."lockstep_row", t."name", t."n" FROM "temp"."lockstep_change_1" AS s CROSS JOIN "main"."t" AS t ON t."id" = s."id" WHERE s."lockstep_row" NOT IN (SELECT value FROM json_each(?1))"#
        );
        let mut target = target();
        target.key = fields(&["name"]);
        let text = stage(&["name"]).look(&target, &[]);
        assert!(text.contains(r#" ON t."name" COLLATE "BINARY" = s."name" WHERE "#), "{text}");
    }

    #[test]
    fn new_records_answer_their_keys() {
        assert_eq!(
            stage(&["n", "id"]).insert(&target()),
            r#"INSERT INTO "main"."t" ("n", "id") SELECT "n", "id" FROM "temp"."lockstep_change_1" AS s WHERE s."lockstep_row" NOT IN (SELECT value FROM json_each(?1)) ORDER BY "id""#
        );
        assert_eq!(
            stage(&["n"]).number(&target()),
            r#"INSERT INTO "main"."t" ("n") SELECT "n" FROM "temp"."lockstep_change_1" ORDER BY "lockstep_row" RETURNING "id""#
        );
        assert!(stage(&["n", "id"]).has_key(&target()) && !stage(&["n"]).has_key(&target()));
    }

    #[test]
    fn only_what_differs_is_changed() {
        assert_eq!(
            stage(&["id", "n"]).update(&target()).unwrap(),
            r#"UPDATE "main"."t" AS t SET "n" = s."n" FROM "temp"."lockstep_change_1" AS s WHERE t."id" = s."id" AND (t."n" IS NOT s."n" COLLATE BINARY) AND s."lockstep_row" NOT IN (SELECT value FROM json_each(?1))"#
        );
        assert!(stage(&["id"]).update(&target()).is_none());
    }

    #[test]
    fn records_are_deleted_by_their_keys() {
        let mut target = target();
        assert_eq!(
            stage(&["id"]).delete(&target),
            r#"DELETE FROM "main"."t" WHERE "id" IN (SELECT s."id" FROM "temp"."lockstep_change_1" AS s WHERE s."lockstep_row" NOT IN (SELECT value FROM json_each(?1)))"#
        );
        target.key = fields(&["id", "n"]);
        let text = stage(&["id", "n"]).delete(&target);
        assert!(text.contains(r#"WHERE ("id", "n") IN (SELECT s."id", s."n" FROM"#), "{text}");
    }

    #[test]
    fn rows_are_staged_behind_their_numbers() {
        let page = batch_of(&fields(&["n", "id"]), &[vec![Value::Null; 2], vec![Value::Null; 2]]).unwrap();
        let staged = stage(&["id"]).rows(&page, &fields(&["id"]), &[1]).unwrap();
        let shown: Vec<&str> = staged.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!((staged.rows, shown), (1, vec!["lockstep_row", "id"]));
    }
}
