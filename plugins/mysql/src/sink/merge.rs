//! The statements that bring staged rows into the table: pure text.
//!
//! Not `ON DUPLICATE KEY UPDATE`: it would also change a record that has the same value in any other unique index.

use lockstep_plugin_sdk::error::Result;
use lockstep_plugin_sdk::types::Field;

use super::target::Target;
use crate::name::{names, quote};
use crate::stage::TemporaryTable;

/// Names of temporary tables: no other session sees them.
const STAGE: &str = "lockstep_stage";
const DOOMED: &str = "lockstep_doomed";

/// A temporary table that holds what is to be merged, for one set of columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage(TemporaryTable);

/// Whether rows have to be sorted by their key before they are inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    ByKey,
    AsTheyCame,
}

impl Stage {
    /// The stage for rows of these columns; `number` tells stages of one session apart.
    pub fn of_rows(number: usize, target: &Target, fields: &[Field]) -> Self {
        let columns = fields.iter().map(|field| field.name.clone()).collect();
        Self(TemporaryTable::new(&target.table, &format!("{STAGE}_{number}"), columns))
    }

    /// The stage for keys of rows to be deleted.
    pub fn of_keys(target: &Target) -> Self {
        let columns = target.key.iter().map(|field| field.name.clone()).collect();
        Self(TemporaryTable::new(&target.table, DOOMED, columns))
    }

    pub fn has_columns(&self, fields: &[Field]) -> bool {
        self.0.columns.iter().eq(fields.iter().map(|field| &field.name))
    }

    pub fn columns(&self) -> &[String] {
        &self.0.columns
    }

    pub fn path(&self) -> Vec<String> {
        self.0.path()
    }

    pub fn create(&self, target: &Target) -> Result<String> {
        self.0.create(&target.table, None)
    }

    /// Empties the stage. Not within a transaction, which it would end.
    pub fn clear(&self) -> String {
        format!("TRUNCATE TABLE {}", self.0.quoted())
    }

    pub fn update(&self, target: &Target) -> Option<String> {
        update(&self.0, target)
    }

    pub fn delete(&self, target: &Target) -> String {
        delete(&self.0, target)
    }

    /// Inserts the rows whose key is not there.
    pub fn insert(&self, target: &Target, order: Order) -> String {
        let order = match order {
            Order::AsTheyCame => String::new(),
            Order::ByKey => format!(" ORDER BY {}", names("s.", target.key.iter().map(|field| field.name.as_str()))),
        };
        let columns = self.0.names("");
        let missing = self.missing(target);
        format!("INSERT INTO {} ({columns}) SELECT {} {missing}{order}", target.table.quoted(), self.0.names("s."))
    }

    /// Whether there are such rows.
    pub fn has_missing(&self, target: &Target) -> String {
        format!("SELECT EXISTS (SELECT 1 {})", self.missing(target))
    }

    fn missing(&self, target: &Target) -> String {
        let first = target.key.first().map(|field| quote(&field.name)).unwrap_or_default();
        format!(
            "FROM {} AS s LEFT JOIN {} AS t ON {} WHERE t.{first} IS NULL",
            self.0.quoted(),
            target.table.quoted(),
            key_equals(target)
        )
    }
}

/// Changes what differs in the records of staged rows. None if there is nothing but the key.
pub fn update(stage: &TemporaryTable, target: &Target) -> Option<String> {
    let values = || stage.columns.iter().filter(|name| !target.is_key(name));
    let assign = |name: &String| format!("t.{0} = s.{0}", quote(name));
    let assignments: Vec<String> = values().map(assign).collect();
    let differs: Vec<String> = values().map(|name| target.differs(name)).collect();
    (!assignments.is_empty()).then(|| {
        format!(
            "UPDATE {} AS s STRAIGHT_JOIN {} AS t ON {} SET {} WHERE {}",
            stage.quoted(),
            target.table.quoted(),
            key_equals(target),
            assignments.join(", "),
            differs.join(" OR ")
        )
    })
}

/// Deletes the records of staged rows.
pub fn delete(stage: &TemporaryTable, target: &Target) -> String {
    format!(
        "DELETE t FROM {} AS s STRAIGHT_JOIN {} AS t ON {}",
        stage.quoted(),
        target.table.quoted(),
        key_equals(target)
    )
}

/// As the table's own columns compare.
pub fn key_equals(target: &Target) -> String {
    let equals = |field: &Field| format!("t.{0} = s.{0}", quote(&field.name));
    target.key.iter().map(equals).collect::<Vec<_>>().join(" AND ")
}

#[cfg(test)]
mod tests {
    use super::super::target::tests::target;
    use super::*;

    fn stage(names: &[&str]) -> Stage {
        let fields: Vec<Field> = names.iter().map(|name| Field::new(*name, "text".parse().unwrap())).collect();
        Stage::of_rows(1, &target(), &fields)
    }

    #[test]
    fn equal_rows_are_left_alone() {
        assert_eq!(
            stage(&["id", "name", "n"]).update(&target()).unwrap(),
            "UPDATE `shop`.`lockstep_stage_1` AS s STRAIGHT_JOIN `shop`.`t` AS t ON t.`id` = s.`id` SET t.`name` = s.`name`, \
             t.`n` = s.`n` WHERE NOT (CAST(t.`name` AS BINARY) <=> CAST(s.`name` AS BINARY)) OR NOT (t.`n` <=> s.`n`)"
        );
        assert_eq!(stage(&["id"]).update(&target()), None);
    }

    #[test]
    fn missing_rows_are_inserted() {
        assert_eq!(
            stage(&["id", "n"]).insert(&target(), Order::ByKey),
            "INSERT INTO `shop`.`t` (`id`, `n`) SELECT s.`id`, s.`n` FROM `shop`.`lockstep_stage_1` AS s \
             LEFT JOIN `shop`.`t` AS t ON t.`id` = s.`id` WHERE t.`id` IS NULL ORDER BY s.`id`"
        );
        assert!(stage(&["id"]).insert(&target(), Order::AsTheyCame).ends_with("IS NULL"));
        assert!(stage(&["id"]).has_missing(&target()).starts_with("SELECT EXISTS (SELECT 1 FROM `shop`.`lockstep"));
    }

    #[test]
    fn rows_are_deleted_by_their_keys() {
        let mut target = target();
        target.key.push(Field::new("n", "int64".parse().unwrap()));
        assert_eq!(
            Stage::of_keys(&target).delete(&target),
            "DELETE t FROM `shop`.`lockstep_doomed` AS s STRAIGHT_JOIN `shop`.`t` AS t ON t.`id` = s.`id` AND t.`n` = s.`n`"
        );
    }
}
