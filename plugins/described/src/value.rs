//! Values as the API wants them written.

use lockstep_json::Node;
use lockstep_plugin_sdk::error::ErrorKind;
use lockstep_plugin_sdk::types::LogicalType;
use lockstep_plugin_sdk::values::{Decimal, parse_timestamp};

use crate::Result;
use crate::failure::{Say as _, failure};
use crate::manifest::field::{FieldSpec, Form};

/// A value, given as plain text, in the API's form; none is null.
pub fn written(field: &FieldSpec, text: Option<&str>) -> Result<Node> {
    let Some(text) = text else { return Ok(field.null.clone().unwrap_or_default()) };
    let unfit = || {
        failure(
            ErrorKind::InvalidData,
            "api.value",
            &format!("`{}` cannot be `{}`: it is {}", field.name, short(text), field.logical),
        )
        .field(&field.name)
    };
    let node = match (field.logical, field.form) {
        (LogicalType::Timestamp, Form::Plain | Form::Text) => {
            parse_timestamp(text).map_err(|_| unfit())?;
            Node::text(text)
        }
        (LogicalType::Timestamp, form) => {
            moment(parse_timestamp(text).map_err(|_| unfit())?, form).ok_or_else(unfit)?
        }
        (LogicalType::Bool, _) => match text {
            "true" => Node::Bool(true),
            "false" => Node::Bool(false),
            _ => return Err(unfit()),
        },
        (LogicalType::Int64, _) => Node::Number(text.parse::<i64>().map_err(|_| unfit())?.to_string()),
        (LogicalType::Decimal(_), _) => {
            Decimal::parse(text).map_err(|_| unfit())?;
            Node::Number(text.to_owned())
        }
        // As floats are written, without words for what no service knows.
        (LogicalType::Float64, _) => match text.strip_prefix('-').unwrap_or(text).as_bytes().first() {
            Some(b'0'..=b'9') => Node::Number(text.to_owned()),
            _ => return Err(unfit()),
        },
        (LogicalType::Json, _) => Node::read(text.as_bytes()).map_err(|_| unfit())?,
        _ => Node::text(text),
    };
    Ok(match (field.form, node) {
        (Form::Text, node @ (Node::Number(_) | Node::Bool(_))) => Node::text(node.said().unwrap_or_default()),
        (_, node) => node,
    })
}

/// A time, exact, in a form of its own; none if the form cannot say it.
fn moment(micros: i64, form: Form) -> Option<Node> {
    // Infinite times are no times to anybody else.
    if matches!(micros, i64::MIN | i64::MAX) {
        return None;
    }
    let plain = lockstep_plugin_sdk::values::format_timestamp(micros);
    let naked = plain.trim_end_matches('Z');
    Some(match form {
        Form::Seconds if micros % 1_000_000 == 0 => Node::Number((micros / 1_000_000).to_string()),
        Form::Milliseconds if micros % 1000 == 0 => Node::Number((micros / 1000).to_string()),
        Form::Seconds | Form::Milliseconds => return None,
        Form::UtcSpace => Node::text(naked.split('.').next().unwrap_or_default().replace('T', " ")),
        _ => Node::text(naked),
    })
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(logical: &str, form: Form, text: &str, expected: Option<&str>) {
        let mut field = FieldSpec::new("a", logical.parse().unwrap(), Vec::new());
        field.form = form;
        let written = written(&field, Some(text)).map(|node| node.to_json()).ok();
        assert_eq!(written.as_deref(), expected, "{logical} {form:?} {text}");
    }

    #[test]
    fn values_are_written_in_the_apis_form_or_not_at_all() {
        check("text", Form::Plain, "a\"b", Some("\"a\\\"b\""));
        check("int64", Form::Plain, "7", Some("7"));
        check("int64", Form::Text, "7", Some("\"7\""));
        check("int64", Form::Plain, "7;drop", None);
        check("decimal", Form::Plain, "12.50", Some("12.50"));
        check("decimal", Form::Text, "12.50", Some("\"12.50\""));
        check("decimal", Form::Plain, "a", None);
        check("bool", Form::Plain, "true", Some("true"));
        check("bool", Form::Plain, "t", None);
        check("json", Form::Plain, "[1,{\"a\":2}]", Some("[1,{\"a\":2}]"));
        check("json", Form::Plain, "[1", None);
        check("float64", Form::Plain, "inf", None);
        let time = "2026-01-31T10:00:00.5Z";
        check("timestamp", Form::Plain, time, Some("\"2026-01-31T10:00:00.5Z\""));
        check("timestamp", Form::Milliseconds, time, Some("1769853600500"));
        check("timestamp", Form::Seconds, time, None);
        check("timestamp", Form::Seconds, "2026-01-31T10:00:00Z", Some("1769853600"));
        check("timestamp", Form::Utc, time, Some("\"2026-01-31T10:00:00.5\""));
        check("timestamp", Form::UtcSpace, time, Some("\"2026-01-31 10:00:00\""));
        check("timestamp", Form::Utc, "infinity", None);
    }

    #[test]
    fn null_is_what_the_api_calls_so() {
        let mut field = FieldSpec::new("a", LogicalType::Text, Vec::new());
        assert_eq!(written(&field, None).unwrap(), Node::Null);
        field.null = Some(Node::Bool(false));
        assert_eq!(written(&field, None).unwrap(), Node::Bool(false));
    }
}
