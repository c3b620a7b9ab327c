//! Queries, before they are encoded.

use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::values::{
    Decimal, MICROS_PER_DAY, format_date, format_timestamp, parse_date, parse_timestamp,
};

use crate::kind::Kind;
use crate::object::{ID, Property};

/// `SELECT a,b FROM c WHERE d ORDER BY e`
pub fn select(fields: &[&str], object: &str, filter: Option<&str>, order: &str) -> String {
    let mut soql = format!("SELECT {} FROM {object}", fields.join(","));
    for (word, rest) in [("WHERE", filter), ("ORDER BY", Some(order).filter(|order| !order.is_empty()))] {
        if let Some(rest) = rest {
            soql.push_str(&format!(" {word} {rest}"));
        }
    }
    soql
}

/// A value as a query writes it.
pub fn literal(kind: &Kind, text: &str) -> Result<String> {
    let fitting = match kind {
        Kind::Bool => matches!(text, "true" | "false").then(|| text.to_owned()),
        Kind::Int => text.parse::<i64>().ok().map(|number| number.to_string()),
        Kind::Decimal(_) => Decimal::parse(text).ok().map(|number| number.to_string()),
        Kind::Date => parse_date(text).ok().map(format_date),
        Kind::Datetime => parse_timestamp(text).ok().map(format_timestamp),
        Kind::Time => Some(text.to_owned())
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit() || b":.".contains(&byte)))
            .map(time),
        Kind::Id | Kind::Several | Kind::Compound(_) | Kind::Text(_) => Some(quoted(text)),
    };
    fitting.ok_or_else(|| Error::invalid_data(format!("`{text}` is not {kind}")).with_code("salesforce.value"))
}

fn time(text: String) -> String {
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    format!("{whole}.{:0<3}Z", fraction.chars().take(3).collect::<String>())
}

fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for character in text.chars() {
        match character {
            '\'' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            other => quoted.push(other),
        }
    }
    quoted.push('\'');
    quoted
}

/// A time or a day, counted since 1970, as a query writes it.
pub fn count(kind: &Kind, count: i64) -> String {
    if *kind == Kind::Date { format_date(count) } else { format_timestamp(count) }
}

/// Changed then or later.
pub fn since(modified: &Property, from: i64) -> String {
    // There are no years with five digits, and none before 1700.
    let unit = if modified.kind == Kind::Date { 1 } else { MICROS_PER_DAY };
    let from = from.clamp(-98_000 * unit, 1_400_000 * unit);
    format!("{} >= {}", modified.name, count(&modified.kind, from))
}

/// Behind the record with this time and this Id, where records are in the order of both.
pub fn behind(modified: Option<&Property>, (time, id): (&str, &str)) -> Result<String> {
    let id = quoted(id);
    let Some(modified) = modified else { return Ok(format!("{ID} > {id}")) };
    let (name, time) = (&modified.name, literal(&modified.kind, time)?);
    Ok(format!("({name} > {time} OR ({name} = {time} AND {ID} > {id}))"))
}

/// Records with one of these values, of as many fields as there are.
pub fn one_of(key: &[&Property], values: &[Vec<String>]) -> Result<String> {
    if let [only] = key {
        let literals: Vec<String> =
            values.iter().flatten().map(|value| literal(&only.kind, value)).collect::<Result<_>>()?;
        return Ok(format!("{} IN ({})", only.name, literals.join(",")));
    }
    let equal = |values: &Vec<String>| {
        let parts =
            key.iter().zip(values).map(|(part, value)| Ok(format!("{} = {}", part.name, literal(&part.kind, value)?)));
        Ok(format!("({})", parts.collect::<Result<Vec<_>>>()?.join(" AND ")))
    };
    Ok(values.iter().map(equal).collect::<Result<Vec<_>>>()?.join(" OR "))
}

/// All of these conditions.
pub fn all(conditions: impl IntoIterator<Item = Option<String>>) -> Option<String> {
    let all: Vec<String> = conditions.into_iter().flatten().collect();
    (!all.is_empty()).then(|| all.join(" AND "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn property(name: &str, kind: &str) -> Property {
        Property { name: name.into(), kind: Kind::parse(kind).unwrap(), is_external_id: false, is_unique: false }
    }

    #[test]
    fn values_are_written_as_queries_have_them() {
        for (kind, text, expected) in [
            ("string", "O'Neil \\ \n", "'O\\'Neil \\\\ \\n'"),
            ("int", "-7", "-7"),
            ("currency", "1E2", "100"),
            ("date", "2026-01-01", "2026-01-01"),
            ("datetime", "2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00Z"),
            ("time", "10:30:00", "10:30:00.000Z"),
            ("boolean", "true", "true"),
        ] {
            assert_eq!(literal(&Kind::parse(kind).unwrap(), text).unwrap(), expected);
        }
        for (kind, text) in [("int", "1 OR 1=1"), ("boolean", "x"), ("date", "TODAY"), ("datetime", "x"), ("time", "x")]
        {
            assert_eq!(literal(&Kind::parse(kind).unwrap(), text).unwrap_err().code, "salesforce.value", "{text}");
        }
    }

    #[test]
    fn conditions() {
        let (modified, day) = (property("SystemModstamp", "datetime"), property("Day__c", "date"));
        assert_eq!(since(&modified, 1_500_000), "SystemModstamp >= 1970-01-01T00:00:01.5Z");
        assert_eq!(since(&modified, i64::MIN), "SystemModstamp >= 1701-09-08T00:00:00Z");
        assert_eq!(since(&day, 1), "Day__c >= 1970-01-02");
        let last = ("2026-01-01T00:00:00Z", "001");
        assert_eq!(behind(None, last).unwrap(), "Id > '001'");
        assert_eq!(
            behind(Some(&modified), last).unwrap(),
            "(SystemModstamp > 2026-01-01T00:00:00Z OR (SystemModstamp = 2026-01-01T00:00:00Z AND Id > '001'))"
        );
        let (no, name) = (property("No__c", "double"), property("Name", "string"));
        let values = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
        assert_eq!(one_of(&[&no], &[values(&["1"]), values(&["2"])]).unwrap(), "No__c IN (1,2)");
        assert_eq!(
            one_of(&[&no, &name], &[values(&["1", "a"]), values(&["2", "b"])]).unwrap(),
            "(No__c = 1 AND Name = 'a') OR (No__c = 2 AND Name = 'b')"
        );
        assert_eq!(
            select(&["Id"], "A", all([None, Some("x".into())]).as_deref(), "Id"),
            "SELECT Id FROM A WHERE x ORDER BY Id"
        );
    }
}
