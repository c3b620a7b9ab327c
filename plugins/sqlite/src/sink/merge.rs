//! The statements that bring staged rows into the table: pure text.

use lockstep_plugin_sdk::types::Field;
use lockstep_sql_dialect::{names, quote};

use super::target::Target;

/// Names of temporary tables: no other session sees them.
const STAGE: &str = "lockstep_stage";
const DOOMED: &str = "lockstep_doomed";
const TEMPORARY_SCHEMA: &str = "temp";

/// A temporary table that holds what is to be merged, for one set of columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    name: String,
    columns: Vec<String>,
}

/// Whether rows have to be sorted by their key before they are looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    ByKey,
    AsTheyCame,
}

impl Stage {
    /// The stage for rows of these columns; `number` tells stages of one session apart.
    pub fn of_rows(number: usize, fields: &[Field]) -> Self {
        Self { name: format!("{STAGE}_{number}"), columns: fields.iter().map(|field| field.name.clone()).collect() }
    }

    /// The stage for keys of rows to be deleted.
    pub fn of_keys(target: &Target) -> Self {
        Self { name: DOOMED.to_owned(), columns: target.key.iter().map(|field| field.name.clone()).collect() }
    }

    pub fn has_columns(&self, fields: &[Field]) -> bool {
        self.columns.iter().eq(fields.iter().map(|field| &field.name))
    }

    pub fn path(&self) -> Vec<String> {
        vec![TEMPORARY_SCHEMA.to_owned(), self.name.clone()]
    }

    fn quoted(&self) -> String {
        lockstep_sql_dialect::quote_path(&self.path())
    }

    fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(String::as_str)
    }

    /// Makes the stage, with the affinities of the table's columns and without its rules.
    pub fn create(&self, target: &Target) -> String {
        format!(
            "CREATE TEMPORARY TABLE {} AS SELECT {} FROM {} LIMIT 0",
            quote(&self.name),
            names("", self.columns()),
            target.table.quoted()
        )
    }

    /// Empties the stage.
    pub fn clear(&self) -> String {
        format!("DELETE FROM {}", self.quoted())
    }

    /// Updates what differs and inserts what is missing. Where a row of the staged columns alone could not be inserted, SQLite
    /// would refuse it even if there is a row to be updated; there it takes two statements.
    pub fn merge(&self, target: &Target, order: Order) -> Vec<String> {
        if target.is_insertable(&self.columns) {
            return vec![self.upsert(target, order)];
        }
        self.update(target).into_iter().chain(std::iter::once(self.insert(target, order))).collect()
    }

    fn upsert(&self, target: &Target, order: Order) -> String {
        let columns = names("", self.columns());
        let action = match self.differs(target, "excluded") {
            Some(differs) => format!("UPDATE SET {} WHERE {differs}", self.assignments(target, "excluded")),
            None => "NOTHING".to_owned(),
        };
        // Without a condition, `ON` would be taken for that of a join.
        format!(
            "INSERT INTO {} AS t ({columns}) SELECT {columns} FROM {} WHERE true{} ON CONFLICT ({}) DO {action}",
            target.table.quoted(),
            self.quoted(),
            self.order_by(target, order),
            names("", target.key.iter().map(|field| field.name.as_str()))
        )
    }

    /// None if there is nothing but the key.
    fn update(&self, target: &Target) -> Option<String> {
        let differs = self.differs(target, "s")?;
        Some(format!(
            "UPDATE {} AS t SET {} FROM {} AS s WHERE {} AND ({differs})",
            target.table.quoted(),
            self.assignments(target, "s"),
            self.quoted(),
            key_equals(target)
        ))
    }

    fn insert(&self, target: &Target, order: Order) -> String {
        format!(
            "INSERT INTO {0} ({1}) SELECT {1} FROM {2} AS s WHERE NOT EXISTS (SELECT 1 FROM {0} AS t WHERE {3}){4}",
            target.table.quoted(),
            names("", self.columns()),
            self.quoted(),
            key_equals(target),
            self.order_by(target, order)
        )
    }

    /// Deletes the rows whose keys are staged.
    pub fn delete(&self, target: &Target) -> String {
        let key = names("", target.key.iter().map(|field| field.name.as_str()));
        let row = if target.key.len() == 1 { key.clone() } else { format!("({key})") };
        format!("DELETE FROM {} WHERE {row} IN (SELECT {key} FROM {})", target.table.quoted(), self.quoted())
    }

    fn order_by(&self, target: &Target, order: Order) -> String {
        match order {
            Order::AsTheyCame => String::new(),
            Order::ByKey => format!(" ORDER BY {}", names("", target.key.iter().map(|field| field.name.as_str()))),
        }
    }

    /// Byte by byte, whatever the column's collation takes for equal. None if there is nothing but the key.
    fn differs(&self, target: &Target, alias: &str) -> Option<String> {
        let differs = |name: &str| format!("t.{0} IS NOT {alias}.{0} COLLATE BINARY", quote(name));
        let conditions: Vec<String> = self.columns().filter(|name| !target.is_key(name)).map(differs).collect();
        (!conditions.is_empty()).then(|| conditions.join(" OR "))
    }

    fn assignments(&self, target: &Target, alias: &str) -> String {
        let assign = |name: &str| format!("{0} = {alias}.{0}", quote(name));
        self.columns().filter(|name| !target.is_key(name)).map(assign).collect::<Vec<_>>().join(", ")
    }
}

fn key_equals(target: &Target) -> String {
    let equals = |field: &Field| format!("t.{0} = s.{0}", quote(&field.name));
    target.key.iter().map(equals).collect::<Vec<_>>().join(" AND ")
}

#[cfg(test)]
mod tests {
    use super::super::target::tests::target;
    use super::*;

    fn stage(names: &[&str]) -> Stage {
        let fields: Vec<Field> = names.iter().map(|name| Field::new(*name, "text".parse().unwrap())).collect();
        Stage::of_rows(1, &fields)
    }

    #[test]
    fn a_stage_has_the_tables_types() {
        assert_eq!(
            stage(&["id", "n"]).create(&target()),
            r#"CREATE TEMPORARY TABLE "lockstep_stage_1" AS SELECT "id", "n" FROM "main"."t" LIMIT 0"#
        );
    }

    #[test]
    fn equal_rows_are_left_alone() {
        assert_eq!(
            stage(&["id", "name", "n"]).merge(&target(), Order::AsTheyCame),
            [
                r#"INSERT INTO "main"."t" AS t ("id", "name", "n") SELECT "id", "name", "n" FROM "temp"."lockstep_stage_1" WHERE true ON CONFLICT ("id") DO UPDATE SET "name" = excluded."name", "n" = excluded."n" WHERE t."name" IS NOT excluded."name" COLLATE BINARY OR t."n" IS NOT excluded."n" COLLATE BINARY"#
            ]
        );
    }

    #[test]
    fn rows_out_of_order_are_sorted() {
        let statements = stage(&["id", "n"]).merge(&target(), Order::ByKey);
        assert!(statements[0].contains(r#" WHERE true ORDER BY "id" ON CONFLICT"#), "{statements:?}");
    }

    #[test]
    fn rows_that_cannot_be_inserted_can_still_be_updated() {
        assert_eq!(
            stage(&["id", "name"]).merge(&target(), Order::AsTheyCame),
            [
                r#"UPDATE "main"."t" AS t SET "name" = s."name" FROM "temp"."lockstep_stage_1" AS s WHERE t."id" = s."id" AND (t."name" IS NOT s."name" COLLATE BINARY)"#,
                r#"INSERT INTO "main"."t" ("id", "name") SELECT "id", "name" FROM "temp"."lockstep_stage_1" AS s WHERE NOT EXISTS (SELECT 1 FROM "main"."t" AS t WHERE t."id" = s."id")"#,
            ]
        );
        assert_eq!(stage(&["id"]).merge(&target(), Order::AsTheyCame).len(), 1);
    }

    #[test]
    fn rows_are_deleted_by_their_keys() {
        let mut target = target();
        assert_eq!(
            Stage::of_keys(&target).delete(&target),
            r#"DELETE FROM "main"."t" WHERE "id" IN (SELECT "id" FROM "temp"."lockstep_doomed")"#
        );
        target.key.push(Field::new("n", "int64".parse().unwrap()));
        assert_eq!(
            Stage::of_keys(&target).delete(&target),
            r#"DELETE FROM "main"."t" WHERE ("id", "n") IN (SELECT "id", "n" FROM "temp"."lockstep_doomed")"#
        );
    }
}
