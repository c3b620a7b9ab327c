//! Texts as values: XML Schema writes some of them otherwise than we do.

use std::borrow::Cow;

use lockstep_described::manifest::field::{FieldSpec, Form};
use lockstep_json::{Node, Value};
use lockstep_plugin_sdk::batch::ColumnBuilder;
use lockstep_plugin_sdk::types::LogicalType;
use lockstep_text_files::value::{BoolWords, ValueError, push_scalar};

use crate::elements::TEXT;

/// Pushes a value. What is nothing but a text, with something said about it in attributes, is that text; nothing where a number or a
/// time should be is null.
pub fn push(column: &mut ColumnBuilder, field: &FieldSpec, text: &[u8], value: Value) -> Result<(), ValueError> {
    let node = Node::of(value, text).map_err(|_| ValueError::new("it cannot be read"))?;
    let logical = column.logical();
    let inside = match node.get(TEXT) {
        Some(inside) if logical != LogicalType::Json => inside,
        _ => &node,
    };
    let is_bare = |node: &Node| node.members().iter().all(|(name, _)| name.starts_with('@'));
    let said = match inside {
        node if *node == Node::Null || field.null.as_ref() == Some(node) => None,
        node if logical == LogicalType::Json => Some(Cow::Owned(node.to_json())),
        Node::Object(_) if is_bare(inside) => Some(Cow::Borrowed("")),
        Node::Text(said) => Some(Cow::Borrowed(said.as_str())),
        Node::List(_) => return Err(ValueError::new("it is there several times")),
        _ => return Err(ValueError::new("it has elements of its own")),
    };
    match (said, logical) {
        (None, _) => column.push_null(),
        (Some(said), LogicalType::Text | LogicalType::Json) => column.push_text(&said),
        (Some(said), _) => match plain(logical, field.form, &said) {
            "" => column.push_null(),
            plain if logical == LogicalType::Timestamp && field.form == Form::Utc && zone(plain).is_none() => {
                push_scalar(column, format!("{plain}Z").as_bytes(), &BoolWords::default())?;
            }
            plain => {
                push_scalar(column, plain.as_bytes(), &BoolWords::default())?;
            }
        },
    }
    Ok(())
}

/// Without the spaces around it, without a sign that says nothing, and days and times of day without the zone that nobody asks for.
fn plain(logical: LogicalType, form: Form, said: &str) -> &str {
    let said = said.trim_matches([' ', '\t', '\r', '\n']);
    match logical {
        LogicalType::Int64 | LogicalType::Decimal(_) => said.strip_prefix('+').unwrap_or(said),
        LogicalType::Date | LogicalType::Time | LogicalType::Datetime if form != Form::Plain => {
            zone(said).and_then(|at| said.get(..at)).unwrap_or(said)
        }
        _ => said,
    }
}

/// Where the zone of a date or time begins.
fn zone(said: &str) -> Option<usize> {
    let at = said.len().checked_sub(6)?;
    let has_offset = said.get(at..).is_some_and(|end| end.starts_with(['+', '-']) && end.get(3..4) == Some(":"));
    if said.ends_with('Z') { Some(said.len() - 1) } else { has_offset.then_some(at) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_json::Document;
    use lockstep_plugin_sdk::batch::{BatchBuilder, BatchView};
    use lockstep_web::plain as shown;

    fn check(logical: &str, form: Form, document: &str, expected: Result<Option<&str>, &str>) {
        let logical: LogicalType = logical.parse().unwrap();
        let mut field = FieldSpec::new("a", logical, Vec::new());
        field.form = form;
        let mut batch = BatchBuilder::new([("a", logical)]);
        let value = Document::new(document.as_bytes()).value().unwrap();
        let pushed = push(batch.column(0), &field, document.as_bytes(), value).map_err(|error| error.to_string());
        let found = pushed.map(|()| {
            batch.end_row();
            let batch = batch.finish().unwrap();
            shown(BatchView::new(&batch).columns().next().unwrap(), logical, 0)
        });
        assert_eq!(found.as_ref().map(Option::as_deref).map_err(String::as_str), expected, "{logical} {document}");
    }

    #[test]
    fn texts_become_values_as_xml_schema_writes_them() {
        check("int64", Form::Text, r#"" +5\n""#, Ok(Some("5")));
        check("decimal", Form::Text, r#""12.3400""#, Ok(Some("12.3400")));
        check("bool", Form::Text, r#""1""#, Ok(Some("true")));
        check("decimal", Form::Text, r#""1.5E2""#, Ok(Some("150")));
        check("date", Form::Text, r#""2026-01-31+02:00""#, Ok(Some("2026-01-31")));
        check("date", Form::Text, r#""2026-01-31""#, Ok(Some("2026-01-31")));
        check("time", Form::Text, r#""10:00:00Z""#, Ok(Some("10:00:00")));
        check("timestamp", Form::Text, r#""2026-01-31T10:00:00+02:00""#, Ok(Some("2026-01-31T08:00:00Z")));
        check("timestamp", Form::Utc, r#""2026-01-31T10:00:00""#, Ok(Some("2026-01-31T10:00:00Z")));
        check("timestamp", Form::Utc, r#""2026-01-31T10:00:00-01:00""#, Ok(Some("2026-01-31T11:00:00Z")));
        check("text", Form::Text, r#"" a ""#, Ok(Some(" a ")));
    }

    #[test]
    fn nothing_is_null_where_no_text_is_wanted() {
        check("decimal", Form::Text, r#""""#, Ok(None));
        check("text", Form::Text, r#""""#, Ok(Some("")));
        check("text", Form::Text, "null", Ok(None));
        check("text", Form::Text, r##"{"@lang":"en","#text":"x"}"##, Ok(Some("x")));
        check("text", Form::Text, r#"{"@lang":"en"}"#, Ok(Some("")));
        check("json", Form::Text, r##"{"@lang":"en","#text":"x"}"##, Ok(Some(r##"{"@lang":"en","#text":"x"}"##)));
        check("text", Form::Text, r#"["a","b"]"#, Err("it is there several times"));
        check("text", Form::Text, r#"{"b":"c"}"#, Err("it has elements of its own"));
    }
}
