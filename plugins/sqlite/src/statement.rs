//! The statements that read: pure text and parameters.

use lockstep_plugin_sdk::error::Result;
use lockstep_plugin_sdk::types::{Field, LogicalType};
use lockstep_sql_dialect::{Arguments, Value, quote};

use crate::moment::Moment;
use crate::position::{EXPRESSION, Place};

/// A statement with its parameters.
#[derive(Debug)]
pub struct Statement {
    pub text: String,
    pub arguments: Arguments,
}

/// Which rows are read.
#[derive(Clone, Copy, Debug)]
pub enum Range<'a> {
    All,
    /// Those with a value in this column, from this one on.
    Since(&'a Place, Option<&'a Moment>),
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

/// The columns a query answers: those of the table, and expressions.
pub fn columns(fields: &[Field]) -> String {
    let column = |field: &Field| match field.property(EXPRESSION) {
        Some(expression) => expression.to_owned(),
        None => format!("t.{}", quote(&field.name)),
    };
    fields.iter().map(column).collect::<Vec<_>>().join(", ")
}

/// Reads rows in order. Of rows without a value in one of the columns that order them, those come first, and a row that goes on
/// behind another is never one of them: they have been shown before.
pub fn read(reading: &Reading<'_>) -> Result<Statement> {
    let mut arguments = Arguments::new();
    let mut conditions = Vec::new();
    if let Range::Since(place, since) = reading.range {
        conditions.push(match since {
            Some(since) => format!("{} >= {}", place.term(), moment_argument(since, &mut arguments)),
            None => format!("{} IS NOT NULL", place.term()),
        });
    }
    if let Some(after) = reading.after {
        conditions.push(behind(reading.order, after, &mut arguments)?);
    }
    let mut text = format!("SELECT {} FROM {} AS t", columns(reading.fields), reading.table);
    if !conditions.is_empty() {
        text.push_str(&format!(" WHERE {}", conditions.join(" AND ")));
    }
    if !reading.order.is_empty() {
        text.push_str(&format!(" ORDER BY {}", terms(reading.order)));
    }
    if let Some(rows) = reading.rows_max {
        text.push_str(&format!(" LIMIT ?{}", arguments.push(LogicalType::Int64, Value::Int64(i64::from(rows)))));
    }
    Ok(Statement { text, arguments })
}

/// `(t."a", t."b") > (?1, ?2)`.
fn behind(order: &[Place], after: &[Value], arguments: &mut Arguments) -> Result<String> {
    let numbers = order.iter().zip(after).map(|(place, value)| place.argument(value, arguments));
    let numbers = numbers.collect::<Result<Vec<_>>>()?;
    Ok(match order {
        [place] => format!("{} > {}", place.term(), numbers.join("")),
        _ => format!("({}) > ({})", terms(order), numbers.join(", ")),
    })
}

fn terms(places: &[Place]) -> String {
    places.iter().map(Place::term).collect::<Vec<_>>().join(", ")
}

fn moment_argument(moment: &Moment, arguments: &mut Arguments) -> String {
    let number = match moment {
        Moment::Int(value) => arguments.push(LogicalType::Int64, Value::Int64(*value)),
        Moment::Text(text) => arguments.push(LogicalType::Text, Value::Text(text.clone())),
    };
    format!("?{number}")
}

/// The greatest number of a column.
pub fn greatest_number(table: &str, place: &Place) -> Statement {
    let column = place.term();
    let text =
        format!("SELECT {column} FROM {table} AS t WHERE typeof({column}) = 'integer' ORDER BY {column} DESC LIMIT 1");
    Statement { text, arguments: Arguments::new() }
}

/// The greatest text of a column that sorts before another.
pub fn greatest_text(table: &str, place: &Place, ceiling: &str) -> Statement {
    let column = place.term();
    let text = format!(
        "SELECT {column} FROM {table} AS t WHERE {column} < ?1 AND typeof({column}) = 'text' ORDER BY {column} DESC LIMIT 1"
    );
    Statement { text, arguments: Arguments::text(ceiling) }
}

/// Seconds since 1970.
pub const CLOCK: &str = "SELECT CAST(strftime('%s', 'now') AS INTEGER)";

/// `wal` where reading and writing do not wait for each other.
pub const JOURNAL: &str = "PRAGMA journal_mode";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Column, tests::table};

    fn check(
        order: &[usize],
        range: Option<Option<&Moment>>,
        after: Option<&[Value]>,
        rows_max: Option<u32>,
        expected: &str,
    ) {
        let table = table(&[("id", "INTEGER", true), ("na\"me", "TEXT", true), ("at", "DATETIME", true)], &[]);
        let wanted: Vec<Field> = table.columns.iter().map(Column::field).collect();
        let places: Vec<Place> = table
            .columns
            .iter()
            .map(|column| Place::new(column, (column.name != "at").then_some("BINARY"), &wanted))
            .collect();
        let order: Vec<Place> = order.iter().map(|index| places[*index].clone()).collect();
        let range = range.map_or(Range::All, |since| Range::Since(&places[2], since));
        let fields = [wanted[0].clone(), places[2].field()];
        let reading = Reading { fields: &fields, table: "\"main\".\"t\"", range, order: &order, after, rows_max };
        let text = read(&reading).unwrap().text;
        assert_eq!(text, format!(r#"SELECT t."id", nullif(quote(t."at"), 'NULL') FROM "main"."t" AS t{expected}"#));
    }

    #[test]
    fn readings() {
        let (id, name, at) = (Value::Int64(7), Value::Text("x".into()), Value::Text("'2026'".into()));
        check(&[], None, None, None, "");
        check(&[0], None, None, Some(10), r#" ORDER BY t."id" LIMIT ?1"#);
        check(&[0], None, Some(std::slice::from_ref(&id)), Some(10), r#" WHERE t."id" > ?1 ORDER BY t."id" LIMIT ?2"#);
        check(
            &[1, 0],
            None,
            Some(&[name, id.clone()]),
            None,
            r#" WHERE (t."na""me" COLLATE "BINARY", t."id") > (?1, ?2) ORDER BY t."na""me" COLLATE "BINARY", t."id""#,
        );
        check(&[2, 0], Some(None), None, None, r#" WHERE t."at" IS NOT NULL ORDER BY t."at", t."id""#);
        check(
            &[2, 0],
            Some(Some(&Moment::Text("2026".into()))),
            Some(&[at, id]),
            Some(5),
            r#" WHERE t."at" >= ?1 AND (t."at", t."id") > (?2, ?3) ORDER BY t."at", t."id" LIMIT ?4"#,
        );
    }
}
