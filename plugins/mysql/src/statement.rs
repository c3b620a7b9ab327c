//! The statements that read: pure text and parameters.

use lockstep_plugin_sdk::types::{Field, LogicalType};
use lockstep_sql_dialect::{Arguments, Value};

use crate::name::{names, quote};

/// A statement with its parameters.
#[derive(Debug)]
pub struct Statement {
    pub text: String,
    pub arguments: Arguments,
}

/// A column that tells where a row stands, with the type of its values.
pub type Place = (String, LogicalType);

/// Which rows are read.
#[derive(Clone, Copy, Debug)]
pub enum Range<'a> {
    All,
    /// Those with a value in this column, from this one on.
    Since(&'a Place, Option<i64>),
}

/// What one statement reads.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    pub fields: &'a [Field],
    /// The table as it stands in a statement.
    pub table: &'a str,
    pub range: Range<'a>,
    /// The columns that order the rows; none = in no order.
    pub order: &'a [Place],
    /// Rows behind the one that stands here.
    pub after: Option<&'a [Value]>,
    pub rows_max: Option<u32>,
}

/// Reads rows in order.
pub fn read(reading: &Reading<'_>) -> Statement {
    let mut arguments = Arguments::new();
    let mut conditions = Vec::new();
    if let Range::Since((name, logical), since) = reading.range {
        conditions.push(match since {
            Some(since) => format!("t.{} >= {}", quote(name), argument(&mut arguments, *logical, &Value::Int64(since))),
            None => format!("t.{} IS NOT NULL", quote(name)),
        });
    }
    if let Some(after) = reading.after {
        let places: Vec<(&Place, &Value)> = reading.order.iter().zip(after).collect();
        conditions.push(behind(&places, &mut arguments));
    }
    let columns = names("t.", reading.fields.iter().map(|field| field.name.as_str()));
    let mut text = format!("SELECT {columns} FROM {} AS t", reading.table);
    if !conditions.is_empty() {
        text.push_str(&format!(" WHERE {}", conditions.join(" AND ")));
    }
    if !reading.order.is_empty() {
        text.push_str(&format!(" ORDER BY {}", names("t.", reading.order.iter().map(|(name, _)| name.as_str()))));
    }
    if let Some(rows) = reading.rows_max {
        text.push_str(&format!(" LIMIT {rows}"));
    }
    Statement { text, arguments }
}

/// Parameters are told by their order alone.
fn argument(arguments: &mut Arguments, logical: LogicalType, value: &Value) -> &'static str {
    arguments.push(logical, value.clone());
    "?"
}

/// Rows behind a row. Spelled out column by column: of `(a, b) > (?, ?)` the servers make no range of an index.
fn behind(places: &[(&Place, &Value)], arguments: &mut Arguments) -> String {
    let Some((((name, logical), value), rest)) = places.split_first() else { return "FALSE".to_owned() };
    let column = format!("t.{}", quote(name));
    if rest.is_empty() {
        return format!("{column} > {}", argument(arguments, *logical, value));
    }
    let range = format!("{column} >= {}", argument(arguments, *logical, value));
    let greater = format!("{column} > {}", argument(arguments, *logical, value));
    let equal = format!("{column} = {}", argument(arguments, *logical, value));
    format!("{range} AND ({greater} OR {equal} AND {})", behind(rest, arguments))
}

/// The greatest value of a column.
pub fn greatest(table: &str, name: &str) -> String {
    format!("SELECT MAX(t.{}) FROM {table} AS t", quote(name))
}

/// The transaction all statements of a reading run in: they see one and the same moment, as far as the table's engine can.
pub const BEGIN_READING: &str = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; \
    START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY";

/// The server's clock; sessions live in UTC.
pub const CLOCK: &str = "SELECT UTC_TIMESTAMP(6)";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reading: &Reading<'_>, expected: &str, arguments: usize) {
        let statement = read(reading);
        assert_eq!(statement.text, expected);
        assert_eq!(statement.arguments.finish().unwrap().map_or(0, |parameters| parameters.types.len()), arguments);
    }

    #[test]
    fn readings() {
        let fields = [Field::new("id", LogicalType::Int64), Field::new("we `ird", LogicalType::Text)];
        let place = |name: &str| (name.to_owned(), LogicalType::Int64);
        let order = [place("seen"), place("id"), place("line")];
        let all =
            Reading { fields: &fields, table: "`s`.`t`", range: Range::All, order: &[], after: None, rows_max: None };
        check(&all, "SELECT t.`id`, t.`we ``ird` FROM `s`.`t` AS t", 0);
        let after = [Value::Int64(7), Value::Int64(8), Value::Int64(9)];
        let page = Reading { order: &order[1..2], after: Some(&after[..1]), rows_max: Some(10), ..all };
        check(&page, "SELECT t.`id`, t.`we ``ird` FROM `s`.`t` AS t WHERE t.`id` > ? ORDER BY t.`id` LIMIT 10", 1);
        let changes = Reading { range: Range::Since(&order[0], Some(5)), order: &order, after: Some(&after), ..all };
        check(
            &changes,
            "SELECT t.`id`, t.`we ``ird` FROM `s`.`t` AS t WHERE t.`seen` >= ? AND t.`seen` >= ? AND (t.`seen` > ? OR t.`seen` = ? \
             AND t.`id` >= ? AND (t.`id` > ? OR t.`id` = ? AND t.`line` > ?)) ORDER BY t.`seen`, t.`id`, t.`line`",
            8,
        );
        let first = Reading { range: Range::Since(&order[0], None), ..all };
        check(&first, "SELECT t.`id`, t.`we ``ird` FROM `s`.`t` AS t WHERE t.`seen` IS NOT NULL", 0);
    }
}
