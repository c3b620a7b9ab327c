//! The statements that bring staged rows into the table: pure text.
//!
//! Measured with 100,000 staged rows and a table of 1,000,000: the planner's own choice is a hash of the whole table, at 800 ms a
//! merge. Looking each row up by the key's index takes 300 ms if the rows come in the order of the key and 610 ms if not, and
//! sorting them first costs 110 ms. So that is asked for, with the sorting only where rows came out of order; the larger the table,
//! the more it gains.

use lockstep_plugin_sdk::types::Field;
use lockstep_sql_dialect::{names, quote};

use super::target::Target;

/// Names of temporary tables: no other session sees them.
const STAGE: &str = "lockstep_stage";
const DOOMED: &str = "lockstep_doomed";
const TEMPORARY_SCHEMA: &str = "pg_temp";

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

/// The plan the statements are written for. Only for this transaction.
pub const PLAN: &str = "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL jit = off";

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

    /// Makes the stage, with the types of the table's columns and without its rules; it is empty after every transaction.
    pub fn create(&self, target: &Target) -> String {
        format!(
            "CREATE TEMPORARY TABLE {} ON COMMIT DELETE ROWS AS SELECT {} FROM {} WITH NO DATA",
            quote(&self.name),
            names("", self.columns()),
            target.table.quoted()
        )
    }

    /// Empties the stage before the transaction ends.
    pub fn clear(&self) -> String {
        format!("TRUNCATE {}", self.quoted())
    }

    /// One statement that updates what differs and inserts what is missing.
    pub fn merge(&self, target: &Target, order: Order) -> String {
        let mut text = format!(
            "MERGE INTO {} AS t USING {} AS s ON {}",
            target.table.quoted(),
            self.rows(target, order),
            key_equals(target, "s")
        );
        if let Some(differs) = self.differs(target, "s") {
            text.push_str(&format!(" WHEN MATCHED AND ({differs}) THEN UPDATE SET {}", self.assignments(target, "s")));
        }
        text.push_str(&format!(
            " WHEN NOT MATCHED THEN INSERT ({}) OVERRIDING SYSTEM VALUE VALUES ({})",
            names("", self.columns()),
            names("s.", self.columns())
        ));
        text
    }

    /// The same in two statements. Rows that somebody else inserts in between are updated.
    pub fn update_insert(&self, target: &Target, order: Order) -> Vec<String> {
        let table = target.table.quoted();
        let mut statements = Vec::with_capacity(2);
        let mut insert = format!(
            "INSERT INTO {table} AS t ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {} AS s \
             WHERE NOT EXISTS (SELECT 1 FROM {table} AS t WHERE {})",
            names("", self.columns()),
            names("s.", self.columns()),
            self.rows(target, order),
            key_equals(target, "s")
        );
        if let Some(differs) = self.differs(target, "s") {
            statements.push(format!(
                "UPDATE {table} AS t SET {} FROM {} AS s WHERE {} AND ({differs})",
                self.assignments(target, "s"),
                self.rows(target, order),
                key_equals(target, "s")
            ));
        }
        // A rule for inserts or updates forbids to say what is to be done about a conflict.
        if !target.table.has_rules {
            insert.push_str(&self.on_conflict(target));
        }
        statements.push(insert);
        statements
    }

    fn on_conflict(&self, target: &Target) -> String {
        let key = target.key_columns();
        let key = names("", key.iter().map(String::as_str));
        match self.differs(target, "excluded") {
            Some(differs) => {
                format!(" ON CONFLICT ({key}) DO UPDATE SET {} WHERE {differs}", self.assignments(target, "excluded"))
            }
            None => format!(" ON CONFLICT ({key}) DO NOTHING"),
        }
    }

    /// Deletes the rows whose keys are staged.
    pub fn delete(&self, target: &Target) -> String {
        format!(
            "DELETE FROM {} AS t USING {} AS s WHERE {}",
            target.table.quoted(),
            self.quoted(),
            key_equals(target, "s")
        )
    }

    fn rows(&self, target: &Target, order: Order) -> String {
        match order {
            Order::AsTheyCame => self.quoted(),
            Order::ByKey => {
                let key = names("", target.key.iter().map(|field| field.name.as_str()));
                format!("(SELECT * FROM {} ORDER BY {key})", self.quoted())
            }
        }
    }

    /// None if there is nothing but the key.
    fn differs(&self, target: &Target, alias: &str) -> Option<String> {
        let differs = |name: &str| {
            let (own, staged) = (format!("t.{}", quote(name)), format!("{alias}.{}", quote(name)));
            format!("{} IS DISTINCT FROM {}", target.comparison(name, &own), target.comparison(name, &staged))
        };
        let conditions: Vec<String> = self.columns().filter(|name| !target.is_key(name)).map(differs).collect();
        (!conditions.is_empty()).then(|| conditions.join(" OR "))
    }

    fn assignments(&self, target: &Target, alias: &str) -> String {
        let assign = |name: &str| format!("{0} = {alias}.{0}", quote(name));
        self.columns().filter(|name| !target.is_key(name)).map(assign).collect::<Vec<_>>().join(", ")
    }
}

fn key_equals(target: &Target, alias: &str) -> String {
    let equals = |field: &Field| format!("t.{0} = {alias}.{0}", quote(&field.name));
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
            stage(&["id", "n"]).create(&target("postgres 15")),
            r#"CREATE TEMPORARY TABLE "lockstep_stage_1" ON COMMIT DELETE ROWS AS SELECT "id", "n" FROM "public"."t" WITH NO DATA"#
        );
    }

    #[test]
    fn equal_rows_are_left_alone() {
        assert_eq!(
            stage(&["id", "name", "n"]).merge(&target("postgres 15"), Order::AsTheyCame),
            r#"MERGE INTO "public"."t" AS t USING "pg_temp"."lockstep_stage_1" AS s ON t."id" = s."id" WHEN MATCHED AND (t."name" COLLATE "C" IS DISTINCT FROM s."name" COLLATE "C" OR t."n" IS DISTINCT FROM s."n") THEN UPDATE SET "name" = s."name", "n" = s."n" WHEN NOT MATCHED THEN INSERT ("id", "name", "n") OVERRIDING SYSTEM VALUE VALUES (s."id", s."name", s."n")"#
        );
    }

    #[test]
    fn rows_out_of_order_are_sorted() {
        let text = stage(&["id", "n"]).merge(&target("postgres 15"), Order::ByKey);
        assert!(text.contains(r#"USING (SELECT * FROM "pg_temp"."lockstep_stage_1" ORDER BY "id") AS s"#), "{text}");
    }

    #[test]
    fn a_table_of_nothing_but_its_key_is_only_inserted_into() {
        let text = stage(&["id"]).merge(&target("postgres 15"), Order::AsTheyCame);
        assert!(!text.contains("WHEN MATCHED"), "{text}");
        let statements = stage(&["id"]).update_insert(&target("postgres 14"), Order::AsTheyCame);
        assert_eq!(statements.len(), 1);
        assert!(statements[0].ends_with(r#" ON CONFLICT ("id") DO NOTHING"#), "{statements:?}");
    }

    #[test]
    fn older_servers_update_and_insert() {
        assert_eq!(
            stage(&["id", "n"]).update_insert(&target("postgres 14"), Order::AsTheyCame),
            [
                r#"UPDATE "public"."t" AS t SET "n" = s."n" FROM "pg_temp"."lockstep_stage_1" AS s WHERE t."id" = s."id" AND (t."n" IS DISTINCT FROM s."n")"#,
                r#"INSERT INTO "public"."t" AS t ("id", "n") OVERRIDING SYSTEM VALUE SELECT s."id", s."n" FROM "pg_temp"."lockstep_stage_1" AS s WHERE NOT EXISTS (SELECT 1 FROM "public"."t" AS t WHERE t."id" = s."id") ON CONFLICT ("id") DO UPDATE SET "n" = excluded."n" WHERE t."n" IS DISTINCT FROM excluded."n""#,
            ]
        );
    }

    #[test]
    fn rows_are_deleted_by_their_keys() {
        let target = target("postgres 15");
        assert_eq!(
            Stage::of_keys(&target).delete(&target),
            r#"DELETE FROM "public"."t" AS t USING "pg_temp"."lockstep_doomed" AS s WHERE t."id" = s."id""#
        );
    }
}
