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

/// What a field of a record shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    pub name: String,
    pub kind: Kind,
    /// As the API writes it, without quotes; none for null.
    pub text: Option<String>,
}

/// A row's values. Columns that say nothing about the row are left out.
pub fn cells<'a>(columns: impl IntoIterator<Item = &'a Written<'a>>, row: usize) -> Result<Vec<Cell>> {
    let present = columns.into_iter().filter(|written| written.column.is_present(row));
    let cell = |written: &Written<'_>| {
        let (name, kind) = (written.property.name.clone(), written.property.kind.clone());
        let text = written.text(row).map(|text| checked(&kind, text)).transpose();
        Ok(Cell { text: text.map_err(|error| error.with_field(&name))?, name, kind })
    };
    present.map(cell).collect()
}

/// What stands without quotes has to be what it says it is.
fn checked(kind: &Kind, text: String) -> Result<String> {
    let fits = match kind {
        Kind::Bool => matches!(text.as_str(), "true" | "false"),
        Kind::Int => text.parse::<i64>().is_ok(),
        Kind::Decimal(_) => Decimal::parse(&text).is_ok(),
        Kind::Compound(_) => is_json(&text),
        Kind::Date | Kind::Datetime => !text.ends_with("infinity"),
        Kind::Time => return Ok(format!("{text}Z")),
        Kind::Id | Kind::Several | Kind::Text(_) => true,
    };
    if fits {
        Ok(text)
    } else {
        Err(Error::invalid_data(format!("`{text}` is not {kind}")).with_code("salesforce.value"))
    }
}

/// A record as a collection takes it.
pub fn record(object: &str, id: Option<&str>, cells: &[Cell]) -> String {
    let mut out = String::from("{\"attributes\":{\"type\":");
    write_string(&mut out, object);
    out.push('}');
    if let Some(id) = id {
        out.push_str(",\"Id\":");
        write_string(&mut out, id);
    }
    for cell in cells {
        out.push(',');
        write_string(&mut out, &cell.name);
        out.push(':');
        match (&cell.text, &cell.kind) {
            (None, _) => out.push_str("null"),
            (Some(text), Kind::Bool | Kind::Int | Kind::Decimal(_) | Kind::Compound(_)) => out.push_str(text),
            (Some(text), _) => write_string(&mut out, text),
        }
    }
    out.push('}');
    out
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
        let record = |id, columns: &[Written<'_>], row| cells(columns, row).map(|cells| super::record("A", id, &cells));
        assert_eq!(
            record(None, &columns, 0).unwrap(),
            r#"{"attributes":{"type":"A"},"Name":"a\"b","Credit__c":12.5,"Visits__c":7,"OwnerId":"001A000000AbCdEIAV","Opens__c":"01:00:00Z","Since__c":"1970-01-01T00:00:01Z"}"#
        );
        assert_eq!(record(Some("1"), &columns[..1], 1).unwrap(), r#"{"attributes":{"type":"A"},"Id":"1"}"#);
        // An empty text is null there, whatever is written.
        assert!(record(None, &columns[..1], 2).unwrap().ends_with("\"Name\":null}"));
        assert_eq!(record(None, &columns, 2).unwrap_err().property("field"), Some("Visits__c"));
    }
}
