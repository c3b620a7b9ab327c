//! Rows as records of a request.

use lockstep_json::{Document, write_string};
use lockstep_plugin_sdk::batch::ColumnView;
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::types::LogicalType;
use lockstep_plugin_sdk::values::Decimal;

use crate::form::of_row;
use crate::kind::Kind;
use crate::object::Property;

/// A column of a page that is written to a field.
#[derive(Clone)]
pub struct Written<'a> {
    pub column: ColumnView<'a>,
    pub logical: LogicalType,
    pub property: Property,
}

impl Written<'_> {
    /// The value of a row as the API would show it; none for null.
    pub fn text(&self, row: usize) -> Option<String> {
        of_row(&self.property.kind, self.logical, self.column, row)
    }
}

/// A row's values as a record. Columns that say nothing about the row are left out.
pub fn record<'a>(
    object: &str,
    id: Option<&str>,
    columns: impl IntoIterator<Item = &'a Written<'a>>,
    row: usize,
) -> Result<String> {
    let mut out = String::from("{\"attributes\":{\"type\":");
    write_string(&mut out, object);
    out.push('}');
    if let Some(id) = id {
        out.push_str(",\"Id\":");
        write_string(&mut out, id);
    }
    for written in columns {
        if written.column.is_present(row) {
            out.push(',');
            write_string(&mut out, &written.property.name);
            out.push(':');
            value(&mut out, &written.property.kind, written.text(row))
                .map_err(|error| error.with_field(&written.property.name))?;
        }
    }
    out.push('}');
    Ok(out)
}

fn value(out: &mut String, kind: &Kind, text: Option<String>) -> Result<()> {
    let Some(text) = text else {
        out.push_str("null");
        return Ok(());
    };
    // What stands without quotes has to be what it says it is.
    let is_bare = match kind {
        Kind::Bool => Some(matches!(text.as_str(), "true" | "false")),
        Kind::Int => Some(text.parse::<i64>().is_ok()),
        Kind::Decimal(_) => Some(Decimal::parse(&text).is_ok()),
        Kind::Compound(_) => Some(is_json(&text)),
        Kind::Date | Kind::Datetime if text.ends_with("infinity") => Some(false),
        _ => None,
    };
    match is_bare {
        Some(true) => out.push_str(&text),
        Some(false) => {
            return Err(Error::invalid_data(format!("`{text}` is not {kind}")).with_code("salesforce.value"));
        }
        None if *kind == Kind::Time => write_string(out, &format!("{text}Z")),
        None => write_string(out, &text),
    }
    Ok(())
}

fn is_json(text: &str) -> bool {
    let mut document = Document::new(text.as_bytes());
    document.value().and_then(|_| document.end()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_plugin_sdk::batch::{BatchBuilder, BatchView};

    #[test]
    fn rows_become_records_that_say_what_the_row_says() {
        let types = [
            ("Name", "text", "string"),
            ("Credit__c", "decimal(9,2)", "currency"),
            ("Visits__c", "text", "int"),
            ("OwnerId", "text", "reference"),
            ("Opens__c", "time", "time"),
            ("Since__c", "timestamp", "datetime"),
        ];
        let mut batch = BatchBuilder::new(types.map(|(name, logical, _)| (name, logical.parse().unwrap())));
        for (name, visits) in [(Some("a\"b"), "7"), (None, "7"), (Some(""), "7;drop")] {
            match name {
                Some(name) => batch.column(0).push_text(name),
                None => batch.column(0).push_absent(),
            }
            batch.column(1).push_int64(1250);
            batch.column(2).push_text(visits);
            batch.column(3).push_text("001A000000AbCdE");
            batch.column(4).push_int64(3_600_000_000);
            batch.column(5).push_int64(1_000_000);
            batch.end_row();
        }
        let batch = batch.finish().unwrap();
        let view = BatchView::new(&batch);
        let columns: Vec<Written<'_>> = view
            .columns()
            .zip(types)
            .map(|(column, (name, logical, kind))| Written {
                column,
                logical: logical.parse().unwrap(),
                property: Property {
                    name: name.into(),
                    kind: Kind::parse(kind).unwrap(),
                    is_external_id: false,
                    is_unique: false,
                },
            })
            .collect();
        assert_eq!(
            record("A", None, &columns, 0).unwrap(),
            r#"{"attributes":{"type":"A"},"Name":"a\"b","Credit__c":12.5,"Visits__c":7,"OwnerId":"001A000000AbCdEIAV","Opens__c":"01:00:00Z","Since__c":"1970-01-01T00:00:01Z"}"#
        );
        assert_eq!(record("A", Some("1"), &columns[..1], 1).unwrap(), r#"{"attributes":{"type":"A"},"Id":"1"}"#);
        // An empty text is null there, whatever is written.
        assert!(record("A", None, &columns[..1], 2).unwrap().ends_with("\"Name\":null}"));
        assert_eq!(record("A", None, &columns, 2).unwrap_err().property("field"), Some("Visits__c"));
    }
}
