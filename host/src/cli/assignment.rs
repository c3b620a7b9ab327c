//! `FIELD=VALUE` on a command line.

use std::str::FromStr;

use serde_json::Value;

use crate::record::LogicalType;

/// A field and the value it is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    pub field: String,
    value: String,
}

impl FromStr for Assignment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((field, value)) if !field.is_empty() => Ok(Self { field: field.to_owned(), value: value.to_owned() }),
            _ => Err("it is `FIELD=VALUE`".to_owned()),
        }
    }
}

impl Assignment {
    /// The value for a field of this type: JSON where that fits, and as it is typed where it does not.
    pub fn json(&self, logical: LogicalType) -> Value {
        let parsed = serde_json::from_str::<Value>(&self.value);
        let takes_json =
            matches!(logical, LogicalType::Bool | LogicalType::Int64 | LogicalType::Float64 | LogicalType::Json);
        match parsed {
            Ok(value @ (Value::Null | Value::String(_))) => value,
            Ok(value) if takes_json => value,
            _ => Value::String(self.value.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(text: &str, logical: LogicalType, expected: Value) {
        assert_eq!(text.parse::<Assignment>().unwrap().json(logical), expected);
    }

    #[test]
    fn values_are_what_the_field_needs() {
        check("name=Ann Lee", LogicalType::Text, json!("Ann Lee"));
        check("name=12", LogicalType::Text, json!("12"));
        check("name=\"12\"", LogicalType::Text, json!("12"));
        check("name=null", LogicalType::Text, Value::Null);
        check("name=\"null\"", LogicalType::Text, json!("null"));
        check("name=", LogicalType::Text, json!(""));
        check("note=a=b", LogicalType::Text, json!("a=b"));
        check("age=12", LogicalType::Int64, json!(12));
        check("price=12.50", LogicalType::Decimal(None), json!("12.50"));
        check("on=true", LogicalType::Bool, json!(true));
    }

    #[test]
    fn a_field_needs_a_name_and_a_value() {
        assert!("name".parse::<Assignment>().is_err());
        assert!("=x".parse::<Assignment>().is_err());
    }
}
