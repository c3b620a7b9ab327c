//! Temporary tables: what waits in them takes the very way that written values take, so that nothing compares otherwise.

use lockstep_plugin_sdk::error::Result;
use lockstep_sql_dialect::Quotes;

use crate::catalog::Table;
use crate::name::{quote, quote_path};
use crate::types::Family;

/// Characters or bytes of a text or a blob that are indexed.
const INDEXED_MAX: u32 = 190;

/// A temporary table beside a table, in the same database: no other session sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemporaryTable {
    path: Vec<String>,
    pub columns: Vec<String>,
}

impl TemporaryTable {
    pub fn new(table: &Table, name: &str, columns: Vec<String>) -> Self {
        Self { path: vec![table.schema.clone(), name.to_owned()], columns }
    }

    pub fn path(&self) -> Vec<String> {
        self.path.clone()
    }

    pub fn quoted(&self) -> String {
        quote_path(&self.path)
    }

    pub fn names(&self, prefix: &str) -> String {
        Quotes::BACKTICKS.names(prefix, self.columns.iter().map(String::as_str))
    }

    /// Makes it, with the types of the table's columns and without its rules. `first`: a definition in front of the others.
    pub fn create(&self, table: &Table, first: Option<String>) -> Result<String> {
        let mut definitions: Vec<String> = first.into_iter().collect();
        for name in &self.columns {
            let column = table.require_column(name)?;
            definitions.push(format!("{} {} NULL DEFAULT NULL", quote(name), column.full_type()));
        }
        Ok(format!("CREATE TEMPORARY TABLE {} ({}) ENGINE=InnoDB", self.quoted(), definitions.join(", ")))
    }

    /// An index by which rows are found from the table's side.
    pub fn index(&self, table: &Table) -> Result<String> {
        let mut columns = Vec::with_capacity(self.columns.len());
        for name in &self.columns {
            let native = &table.require_column(name)?.native;
            let is_long = matches!(native.family, Family::Text | Family::Binary)
                && native.length_max().is_none_or(|length| length > INDEXED_MAX);
            columns.push(if is_long { format!("{}({INDEXED_MAX})", quote(name)) } else { quote(name) });
        }
        // An index has no more than so many columns; any of them help.
        columns.truncate(4);
        Ok(format!("ALTER TABLE {} ADD INDEX ({})", self.quoted(), columns.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::tests::table;

    #[test]
    fn it_has_the_tables_types_and_no_rules() {
        let table =
            table(&[("id", "int(11)", true), ("na`me", "varchar(30)", true), ("body", "longtext", false)], &[&["id"]]);
        let stage = TemporaryTable::new(&table, "stage", vec!["na`me".into(), "id".into()]);
        assert_eq!(
            stage.create(&table, Some("`n` int NOT NULL".into())).unwrap(),
            "CREATE TEMPORARY TABLE `shop`.`stage` (`n` int NOT NULL, `na``me` varchar(30) CHARACTER SET utf8mb4 COLLATE \
             utf8mb4_general_ci NULL DEFAULT NULL, `id` int(11) NULL DEFAULT NULL) ENGINE=InnoDB"
        );
        let keys = TemporaryTable::new(&table, "keys", vec!["id".into(), "body".into()]);
        assert_eq!(keys.index(&table).unwrap(), "ALTER TABLE `shop`.`keys` ADD INDEX (`id`, `body`(190))");
        assert!(TemporaryTable::new(&table, "x", vec!["nowhere".into()]).create(&table, None).is_err());
    }
}
