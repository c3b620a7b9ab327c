//! The statements that bring single records into the table: pure text.

use lockstep_plugin_sdk::error::Result;
use lockstep_plugin_sdk::types::{Batch, Field, LogicalType};
use lockstep_sql_dialect::{free_name, keep_columns, keep_rows, number_rows};

use crate::name::{names, quote};
use crate::sink::merge::{delete, key_equals, update};
use crate::sink::target::Target;
use crate::stage::TemporaryTable;

/// The start of the names of temporary tables: no other session sees them.
const STAGE: &str = "lockstep_change";

/// A temporary table for rows of one set of columns.
#[derive(Clone, Debug)]
pub struct Stage {
    table: TemporaryTable,
    /// The column that holds the number of a row in its page.
    row: String,
}

impl Stage {
    /// For rows of these fields; `number` tells stages of one session apart.
    pub fn new(number: usize, target: &Target, fields: &[Field]) -> Self {
        let columns = fields.iter().map(|field| field.name.clone()).collect();
        let table = TemporaryTable::new(&target.table, &format!("{STAGE}_{number}"), columns);
        Self { table, row: free_name("lockstep_row", target.column_names()) }
    }

    /// Whether the other is for the same columns.
    pub fn is_like(&self, other: &Self) -> bool {
        self.table.columns == other.table.columns
    }

    pub fn has_key(&self, target: &Target) -> bool {
        target.key.iter().all(|field| self.table.columns.contains(&field.name))
    }

    pub fn path(&self) -> Vec<String> {
        self.table.path()
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

    pub fn create(&self, target: &Target) -> Result<String> {
        self.table.create(&target.table, Some(format!("{} int unsigned NOT NULL PRIMARY KEY", quote(&self.row))))
    }

    /// Empties the stage, within a transaction.
    pub fn clear(&self) -> String {
        format!("DELETE FROM {}", self.table.quoted())
    }

    /// Takes rows out of the stage. None if there are none to be taken out.
    pub fn leave_out(&self, rows: &[u32]) -> Option<String> {
        let numbers: Vec<String> = rows.iter().map(u32::to_string).collect();
        (!rows.is_empty()).then(|| {
            format!("DELETE FROM {} WHERE {} IN ({})", self.table.quoted(), quote(&self.row), numbers.join(","))
        })
    }

    /// For each row whose record is there, its number and these fields of the record, which nobody else can change from then on.
    /// In the order of the key: two who meet then wait for each other, and not both.
    pub fn look(&self, target: &Target, fields: &[Field]) -> String {
        let key = names("s.", target.key.iter().map(|field| field.name.as_str()));
        let fields = fields.iter().map(|field| format!(", t.{}", quote(&field.name)));
        format!(
            "SELECT s.{}{} FROM {} AS s STRAIGHT_JOIN {} AS t ON {} ORDER BY {key} FOR UPDATE",
            quote(&self.row),
            fields.collect::<String>(),
            self.table.quoted(),
            target.table.quoted(),
            key_equals(target)
        )
    }

    /// Inserts the rows.
    pub fn insert(&self, target: &Target) -> String {
        let key = names("s.", target.key.iter().map(|field| field.name.as_str()));
        format!("{} ORDER BY {key}", self.insert_all(target))
    }

    /// Inserts all rows and answers the keys the server has given them, in the order of the rows: it inserts one after the other,
    /// and answers each as it does.
    pub fn number(&self, target: &Target) -> String {
        let key = names("", target.key.iter().map(|field| field.name.as_str()));
        format!("{} ORDER BY s.{} RETURNING {key}", self.insert_all(target), quote(&self.row))
    }

    fn insert_all(&self, target: &Target) -> String {
        format!(
            "INSERT INTO {} ({}) SELECT {} FROM {} AS s",
            target.table.quoted(),
            self.table.names(""),
            self.table.names("s."),
            self.table.quoted()
        )
    }

    /// Inserts one row.
    pub fn insert_one(&self, target: &Target, row: u32) -> String {
        format!("{} WHERE s.{} = {row}", self.insert_all(target), quote(&self.row))
    }

    /// The key of the row that was inserted last, which was this one.
    pub fn told_key(&self, target: &Target, row: u32) -> String {
        let is_given = |name: &String| self.table.columns.contains(name);
        let own =
            |name: &String| if is_given(name) { format!("s.{}", quote(name)) } else { "LAST_INSERT_ID()".to_owned() };
        let key: Vec<String> = target.key.iter().map(|field| own(&field.name)).collect();
        format!("SELECT {} FROM {} AS s WHERE s.{} = {row}", key.join(", "), self.table.quoted(), quote(&self.row))
    }

    pub fn update(&self, target: &Target) -> Option<String> {
        update(&self.table, target)
    }

    pub fn delete(&self, target: &Target) -> String {
        delete(&self.table, target)
    }
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
    fn records_are_read_and_locked_by_their_keys() {
        assert_eq!(
            stage(&["id"]).look(&target(), &fields(&["name", "n"])),
            "SELECT s.`lockstep_row`, t.`name`, t.`n` FROM `shop`.`lockstep_change_1` AS s STRAIGHT_JOIN `shop`.`t` AS t \
             ON t.`id` = s.`id` ORDER BY s.`id` FOR UPDATE"
        );
        assert!(stage(&["id", "n"]).is_like(&stage(&["id", "n"])) && !stage(&["id"]).is_like(&stage(&["n"])));
    }

    #[test]
    fn new_records_answer_their_keys() {
        assert_eq!(
            stage(&["n", "id"]).insert(&target()),
            "INSERT INTO `shop`.`t` (`n`, `id`) SELECT s.`n`, s.`id` FROM `shop`.`lockstep_change_1` AS s ORDER BY s.`id`"
        );
        assert_eq!(
            stage(&["n"]).number(&target()),
            "INSERT INTO `shop`.`t` (`n`) SELECT s.`n` FROM `shop`.`lockstep_change_1` AS s ORDER BY s.`lockstep_row` RETURNING `id`"
        );
        assert!(stage(&["n", "id"]).has_key(&target()) && !stage(&["n"]).has_key(&target()));
    }

    #[test]
    fn a_server_that_answers_nothing_is_asked_row_by_row() {
        let mut target = target();
        target.key.push(Field::new("n", LogicalType::Int64));
        assert!(stage(&["n"]).insert_one(&target, 7).ends_with(" AS s WHERE s.`lockstep_row` = 7"));
        assert_eq!(
            stage(&["n"]).told_key(&target, 7),
            "SELECT LAST_INSERT_ID(), s.`n` FROM `shop`.`lockstep_change_1` AS s WHERE s.`lockstep_row` = 7"
        );
    }

    #[test]
    fn only_what_differs_is_changed_and_some_rows_are_left_alone() {
        assert_eq!(
            stage(&["id", "n"]).update(&target()).unwrap(),
            "UPDATE `shop`.`lockstep_change_1` AS s STRAIGHT_JOIN `shop`.`t` AS t ON t.`id` = s.`id` SET t.`n` = s.`n` \
             WHERE NOT (t.`n` <=> s.`n`)"
        );
        assert!(stage(&["id"]).update(&target()).is_none());
        assert_eq!(stage(&["id"]).leave_out(&[]), None);
        assert_eq!(
            stage(&["id"]).leave_out(&[3, 8]).unwrap(),
            "DELETE FROM `shop`.`lockstep_change_1` WHERE `lockstep_row` IN (3,8)"
        );
    }

    #[test]
    fn records_are_deleted_by_their_keys() {
        assert_eq!(
            stage(&["id"]).delete(&target()),
            "DELETE t FROM `shop`.`lockstep_change_1` AS s STRAIGHT_JOIN `shop`.`t` AS t ON t.`id` = s.`id`"
        );
    }

    #[test]
    fn rows_are_staged_behind_their_numbers() {
        let page = batch_of(&fields(&["n", "id"]), &[vec![Value::Null; 2], vec![Value::Null; 2]]).unwrap();
        let staged = stage(&["id"]).rows(&page, &fields(&["id"]), &[1]).unwrap();
        let shown: Vec<&str> = staged.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!((staged.rows, shown), (1, vec!["lockstep_row", "id"]));
    }
}
