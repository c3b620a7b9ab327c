//! The statements that read: pure text and parameters.

use lockstep_plugin_sdk::types::{Field, LogicalType};
use lockstep_sql_dialect::{Arguments, Value, names, quote};

use crate::cursor::{Boundary, Part, Scope};
use crate::snapshot::Snapshot;

/// A statement with its parameters.
#[derive(Debug)]
pub struct Statement {
    pub text: String,
    pub arguments: Arguments,
}

/// `SELECT columns FROM table AS t`.
fn select(fields: &[Field], table: &str) -> String {
    let columns = names("t.", fields.iter().map(|field| field.name.as_str()));
    format!("SELECT {columns} FROM {table} AS t")
}

/// Every row, in the order of the key, behind the record with this key. Without a key in no order at all.
///
/// From the beginning it has no parameters, and no condition that the planner would have to guess about.
pub fn enumerate(fields: &[Field], table: &str, key: &[(String, LogicalType)], after: Option<&[Value]>) -> Statement {
    let mut text = select(fields, table);
    let mut arguments = Arguments::new();
    if let Some(after) = after {
        text.push_str(" WHERE ");
        text.push_str(&behind(key, after, &mut arguments));
    }
    if !key.is_empty() {
        text.push_str(&format!(" ORDER BY {}", names("t.", key.iter().map(|(name, _)| name.as_str()))));
    }
    Statement { text, arguments }
}

/// `(t."a", t."b") > ($1, $2)`.
fn behind(columns: &[(String, LogicalType)], after: &[Value], arguments: &mut Arguments) -> String {
    compare(">", columns, after, arguments)
}

fn compare(operator: &str, columns: &[(String, LogicalType)], values: &[Value], arguments: &mut Arguments) -> String {
    let left = names("t.", columns.iter().map(|(name, _)| name.as_str()));
    let numbers: Vec<String> = columns
        .iter()
        .zip(values)
        .map(|((_, logical), value)| format!("${}", arguments.push(*logical, value.clone())))
        .collect();
    let right = numbers.join(", ");
    if columns.len() == 1 { format!("{left} {operator} {right}") } else { format!("({left}) {operator} ({right})") }
}

/// What an incremental reading goes by.
#[derive(Clone, Copy, Debug)]
pub struct Following<'a> {
    pub scope: &'a Scope,
    /// Whether the key tells every row from every other.
    pub is_positioned: bool,
    pub boundary: &'a Boundary,
    pub parts: &'a [Part],
    /// The snapshot that reads.
    pub now: Option<&'a Snapshot>,
    /// Values of `modified` from here on are looked at; none = all.
    pub since: Option<i64>,
}

/// The rows that no earlier reading has shown, in the order of `modified` and the key.
///
/// The range of `modified` is what an index can serve; within it, a row was shown if an earlier snapshot saw it and the
/// reading of that snapshot came as far as this row.
pub fn follow(fields: &[Field], table: &str, following: &Following<'_>) -> Statement {
    let Following { scope, boundary, .. } = following;
    let mut arguments = Arguments::new();
    let Some(modified) = &scope.modified else { return Statement { text: select(fields, table), arguments } };
    let column = format!("t.{}", quote(&modified.0));
    let mut conditions = vec![match following.since {
        Some(since) => format!("{column} >= ${}", arguments.push(modified.1, Value::Int64(since))),
        None => format!("{column} IS NOT NULL"),
    }];
    let unseen = |snapshot: &Snapshot| following.now.and_then(|now| snapshot.unseen("t", now));
    if let (Some(unseen), Some(greatest)) = (boundary.snapshot.as_ref().and_then(unseen), boundary.modified) {
        let number = arguments.push(modified.1, Value::Int64(greatest));
        conditions.push(format!("({column} > ${number} OR {unseen})"));
    }
    for part in following.parts {
        let Some(unseen) = unseen(&part.snapshot) else { continue };
        let columns: Vec<(String, LogicalType)> = std::iter::once(modified.clone()).chain(scope.key.clone()).collect();
        let values: Vec<Value> = std::iter::once(Value::Int64(part.modified)).chain(part.key.clone()).collect();
        conditions.push(format!("({} OR {unseen})", behind(&columns, &values, &mut arguments)));
    }
    let order: Vec<&str> = match following.is_positioned {
        true => {
            std::iter::once(&modified.0).chain(scope.key.iter().map(|(name, _)| name)).map(String::as_str).collect()
        }
        false => vec![modified.0.as_str()],
    };
    let text = format!(
        "{} WHERE {} ORDER BY {}",
        select(fields, table),
        conditions.join(" AND "),
        names("t.", order.iter().copied())
    );
    Statement { text, arguments }
}

/// The transactions of which the snapshot alone cannot tell whether it saw them, as far as rows in range show them.
pub fn uncertain(
    table: &str,
    modified: &(String, LogicalType),
    since: Option<i64>,
    now: &Snapshot,
    max: usize,
) -> Statement {
    let mut arguments = Arguments::new();
    let column = format!("t.{}", quote(&modified.0));
    let range = match since {
        Some(since) => format!("{column} >= ${}", arguments.push(modified.1, Value::Int64(since))),
        None => format!("{column} IS NOT NULL"),
    };
    let text = format!(
        "SELECT DISTINCT t.xmin::pg_catalog.text FROM {table} AS t WHERE {range} AND {} LIMIT {}",
        now.uncertain("t"),
        max + 1
    );
    Statement { text, arguments }
}

/// The transaction all statements of a reading run in: they see one and the same moment.
pub const BEGIN_READING: &str = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Which server this is, in which of its histories: both change where transaction numbers may begin to mean something else.
pub const SERVER: &str = "SELECT s.system_identifier::pg_catalog.text || '/' || c.timeline_id::pg_catalog.text \
    FROM pg_catalog.pg_control_system() s, pg_catalog.pg_control_checkpoint() c";

/// The snapshot and the server's clock.
pub const MOMENT: &str = "SELECT pg_catalog.pg_current_snapshot()::pg_catalog.text, pg_catalog.statement_timestamp()";

/// When the oldest transaction began that has written something; what others do may be hidden from us.
pub const OLDEST_WRITER: &str =
    "SELECT pg_catalog.min(xact_start) FROM pg_catalog.pg_stat_activity WHERE backend_xid IS NOT NULL";

/// The greatest value of `modified`.
pub fn greatest(table: &str, modified: &str) -> String {
    format!("SELECT pg_catalog.max(t.{}) FROM {table} AS t", quote(modified))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> Vec<Field> {
        vec![Field::new("id", LogicalType::Int64), Field::new("we \"ird", LogicalType::Text)]
    }

    fn key(names: &[&str]) -> Vec<(String, LogicalType)> {
        names.iter().map(|name| ((*name).to_owned(), LogicalType::Int64)).collect()
    }

    fn values(statement: Statement) -> usize {
        statement.arguments.finish().unwrap().map_or(0, |parameters| parameters.types.len())
    }

    #[test]
    fn a_reading_from_the_beginning_has_no_parameters() {
        let statement = enumerate(&fields(), "\"s\".\"t\"", &key(&["id"]), None);
        assert_eq!(statement.text, r#"SELECT t."id", t."we ""ird" FROM "s"."t" AS t ORDER BY t."id""#);
        assert_eq!(values(statement), 0);
        assert_eq!(enumerate(&fields(), "\"t\"", &[], None).text, r#"SELECT t."id", t."we ""ird" FROM "t" AS t"#);
    }

    #[test]
    fn it_goes_on_behind_the_last_key() {
        let statement = enumerate(&fields(), "\"t\"", &key(&["id"]), Some(&[Value::Int64(7)]));
        assert_eq!(statement.text, r#"SELECT t."id", t."we ""ird" FROM "t" AS t WHERE t."id" > $1 ORDER BY t."id""#);
        let statement = enumerate(&fields(), "\"t\"", &key(&["id", "line"]), Some(&[Value::Int64(7), Value::Int64(8)]));
        assert!(statement.text.ends_with(r#" WHERE (t."id", t."line") > ($1, $2) ORDER BY t."id", t."line""#));
        assert_eq!(values(statement), 2);
    }

    fn check_follow(since: Option<i64>, snapshot: Option<&str>, now: &str, parts: &[(&str, i64)], expected: &str) {
        let scope = Scope { table: 1, key: key(&["id"]), modified: Some(("seen".into(), LogicalType::Timestamp)) };
        let parse = |text: &str| Snapshot::parse(text, "").unwrap();
        let boundary = Boundary { snapshot: snapshot.map(parse), modified: Some(50), lookback_from: Some(50) };
        let parts: Vec<Part> = parts
            .iter()
            .map(|(snapshot, modified)| Part {
                snapshot: parse(snapshot),
                modified: *modified,
                key: vec![Value::Int64(3)],
            })
            .collect();
        let now = parse(now);
        let following = Following {
            scope: &scope,
            is_positioned: true,
            boundary: &boundary,
            parts: &parts,
            now: Some(&now),
            since,
        };
        let statement = follow(&fields()[..1], "\"t\"", &following);
        let (_, conditions) = statement.text.split_once(" WHERE ").unwrap();
        assert_eq!(conditions, expected);
    }

    #[test]
    fn incremental_reading_takes_what_no_snapshot_has_shown() {
        let order = r#" ORDER BY t."seen", t."id""#;
        let young = |oldest: u32| format!("pg_catalog.age(t.xmin) <= pg_catalog.age('{oldest}'::pg_catalog.xid)");
        check_follow(
            Some(40),
            Some("10:10:"),
            "30:30:",
            &[],
            &format!(r#"t."seen" >= $1 AND (t."seen" > $2 OR {}){order}"#, young(10)),
        );
        check_follow(
            Some(40),
            Some("10:10:"),
            "30:30:",
            &[("20:20:", 45)],
            &format!(
                r#"t."seen" >= $1 AND (t."seen" > $2 OR {}) AND ((t."seen", t."id") > ($3, $4) OR {}){order}"#,
                young(10),
                young(20)
            ),
        );
        // Rows that tell nothing, or a server with another history: all that is in range comes again.
        check_follow(Some(40), None, "30:30:", &[], &format!(r#"t."seen" >= $1{order}"#));
        check_follow(Some(40), Some("99:99:"), "30:30:", &[], &format!(r#"t."seen" >= $1{order}"#));
        check_follow(None, None, "30:30:", &[], &format!(r#"t."seen" IS NOT NULL{order}"#));
    }

    #[test]
    fn uncertain_transactions_are_counted_out() {
        let now = Snapshot::parse("10:20:10", "").unwrap();
        let statement = uncertain("\"t\"", &("seen".into(), LogicalType::Timestamp), Some(1), &now, 2000);
        assert_eq!(
            statement.text,
            "SELECT DISTINCT t.xmin::pg_catalog.text FROM \"t\" AS t WHERE t.\"seen\" >= $1 \
             AND pg_catalog.age(t.xmin) <= pg_catalog.age('10'::pg_catalog.xid) LIMIT 2001"
        );
    }
}
