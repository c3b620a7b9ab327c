//! Values of records as people read them.

use chrono::{DateTime, Utc};
use serde_json::Value;

/// Characters of a value that are shown in a table.
const VALUE_CHARS: usize = 60;

/// A value: text without quotes where nothing else could be meant, anything else as JSON; `-` is none. Long ones are cut.
pub fn shown(value: Option<&Value>) -> String {
    match value {
        None => "-".to_owned(),
        Some(Value::String(text)) if !is_ambiguous(text) => shortened(text, VALUE_CHARS),
        Some(value) => shortened(&value.to_string(), VALUE_CHARS),
    }
}

/// A value that stands as JSON text.
pub fn shown_json(text: &str) -> String {
    match serde_json::from_str::<Value>(text) {
        Ok(value) => shown(Some(&value)),
        Err(_) => shortened(text, VALUE_CHARS),
    }
}

/// A key as JSON text: the values of a list, or the names and values of an object.
pub fn shown_key(text: &str) -> String {
    let values = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let key = match serde_json::from_str::<Value>(text) {
        Ok(Value::Array(parts)) => parts.iter().map(values).collect::<Vec<_>>().join(", "),
        Ok(Value::Object(parts)) => {
            parts.iter().map(|(name, value)| format!("{name} {}", values(value))).collect::<Vec<_>>().join(", ")
        }
        _ => text.to_owned(),
    };
    shortened(&key, VALUE_CHARS)
}

/// A key behind the name of its system, as dead letters and holds of hubs have it: `crm ["7"]` is `crm 7`.
pub fn shown_record(text: &str) -> String {
    match text.split_once(" [") {
        Some((system, key)) if !system.contains(['[', '"', '{']) => {
            format!("{system} {}", shown_key(&format!("[{key}")))
        }
        _ => shown_key(text),
    }
}

/// `2026-03-01 12:30:00`, in UTC.
pub fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// The beginning of a text, and a sign that there is more.
pub fn shortened(text: &str, chars: usize) -> String {
    let mut short: String = text.chars().take(chars).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// Whether a text could be taken for something else than itself.
fn is_ambiguous(text: &str) -> bool {
    text.is_empty() || text == "-" || text == "null" || text.trim() != text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_plain_where_they_can_be() {
        let check = |value: Value, expected: &str| assert_eq!(shown(Some(&value)), expected);
        check(json!("Ann Lee"), "Ann Lee");
        check(json!("12"), "12");
        check(json!("null"), "\"null\"");
        check(json!(" x"), "\" x\"");
        check(json!(""), "\"\"");
        check(json!("-"), "\"-\"");
        check(json!(12.5), "12.5");
        check(Value::Null, "null");
        check(json!("é".repeat(61)), &format!("{}…", "é".repeat(60)));
        assert_eq!(shown(None), "-");
        assert_eq!(shown_json("\"a b\""), "a b");
    }

    #[test]
    fn keys_lose_their_brackets() {
        assert_eq!(shown_key(r#"["7"]"#), "7");
        assert_eq!(shown_key(r#"["7","DE"]"#), "7, DE");
        assert_eq!(shown_key(r#"{"email":"a@b.c"}"#), "email a@b.c");
        assert_eq!(shown_key("crm 7"), "crm 7");
        assert_eq!(shown_record(r#"crm ["7"]"#), "crm 7");
        assert_eq!(shown_record(r#"["7"]"#), "7");
        assert_eq!(shown_record("erp [new record 3]"), "erp [new record 3]");
    }
}
