//! Rows as the bodies of requests.

use lockstep_json::{Document, write_string};
use lockstep_plugin_sdk::batch::ColumnView;
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::types::LogicalType;
use lockstep_web::plain;

use crate::config::Numbers;
use crate::edm::{Edm, Version, body_value};
use crate::entity::Property;
use crate::key::address;

/// A column of a page that is written to a property.
#[derive(Clone)]
pub struct Written<'a> {
    pub column: ColumnView<'a>,
    pub logical: LogicalType,
    pub property: Property,
    /// The key of the set that a navigation leads to, where it is bound.
    pub target: Option<crate::entity::KeyPart>,
}

/// How bodies are written.
#[derive(Clone, Copy)]
pub struct Style {
    pub version: Version,
    pub numbers: Numbers,
}

/// A row's values as a JSON object. Columns that say nothing about the row are left out.
pub fn body<'a>(style: Style, columns: impl IntoIterator<Item = &'a Written<'a>>, row: usize) -> Result<String> {
    let mut out = String::from("{");
    for written in columns {
        if !written.column.is_present(row) {
            continue;
        }
        if out.len() > 1 {
            out.push(',');
        }
        let text = plain(written.column, written.logical, row);
        member(&mut out, style, written, text).map_err(|error| error.with_field(&written.property.name))?;
    }
    out.push('}');
    Ok(out)
}

fn member(out: &mut String, style: Style, written: &Written<'_>, text: Option<String>) -> Result<()> {
    let property = &written.property;
    if let (Some((navigation, set)), Some(key)) = (&property.bind, &written.target) {
        write_string(out, &format!("{navigation}@odata.bind"));
        out.push(':');
        match text {
            Some(text) => {
                write_string(out, &format!("/{}", address(set, style.version, std::slice::from_ref(key), &[text])?))
            }
            None => out.push_str("null"),
        }
        return Ok(());
    }
    write_string(out, &property.name);
    out.push(':');
    let Some(text) = text else {
        out.push_str("null");
        return Ok(());
    };
    if matches!(text.as_str(), "infinity" | "-infinity") && written.logical != LogicalType::Text {
        return Err(Error::invalid_data("there are no infinite times in OData").with_code("odata.infinite"));
    }
    // A number that comes as text has to be one before it may stand without quotes.
    let is_bare = matches!(
        property.edm,
        Edm::Boolean | Edm::Int(_) | Edm::Single | Edm::Double | Edm::Other(_) | Edm::Int64 | Edm::Decimal(_)
    );
    if is_bare && matches!(written.logical, LogicalType::Text) {
        check(&property.edm, &text)?;
    }
    body_value(out, style.version, &property.edm, style.numbers, &text)
}

fn check(edm: &Edm, text: &str) -> Result<()> {
    let fits = match edm {
        Edm::Boolean => matches!(text, "true" | "false"),
        Edm::Int(_) | Edm::Int64 => text.parse::<i64>().is_ok(),
        Edm::Decimal(_) => lockstep_plugin_sdk::values::Decimal::parse(text).is_ok(),
        Edm::Other(_) => is_json(text),
        _ => text.parse::<f64>().is_ok(),
    };
    if fits { Ok(()) } else { Err(Error::invalid_data(format!("`{text}` is not {edm}")).with_code("odata.value")) }
}

fn is_json(text: &str) -> bool {
    let mut document = Document::new(text.as_bytes());
    document.value().and_then(|_| document.end()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::KeyPart;
    use lockstep_plugin_sdk::batch::{BatchBuilder, BatchView};

    #[test]
    fn rows_become_objects_that_say_what_the_row_says() {
        let mut batch = BatchBuilder::new([
            ("name", LogicalType::Text),
            ("credit", "decimal(9,2)".parse().unwrap()),
            ("visits", LogicalType::Text),
            ("_owner_value", LogicalType::Uuid),
        ]);
        let mut push = |name: Option<&str>, credit: Option<i64>, visits: &str, owner: Option<&str>| {
            name.map_or_else(|| batch.column(0).push_absent(), |_| ());
            if let Some(name) = name {
                batch.column(0).push_text(name);
            }
            match credit {
                Some(credit) => batch.column(1).push_int64(credit),
                None => batch.column(1).push_null(),
            }
            batch.column(2).push_text(visits);
            match owner {
                Some(owner) => batch.column(3).push_text(owner),
                None => batch.column(3).push_null(),
            }
            batch.end_row();
        };
        push(Some("a\"b"), Some(1250), "7", Some("7a"));
        push(None, None, "7", None);
        push(None, None, "7;drop", None);
        let batch = batch.finish().unwrap();
        let view = BatchView::new(&batch);
        let edms = [Edm::String, Edm::Decimal(None), Edm::Int("Int32".into()), Edm::Guid];
        let columns: Vec<Written<'_>> = view
            .columns()
            .zip(edms)
            .map(|(column, edm)| {
                let is_bound = column.name() == "_owner_value";
                Written {
                    column,
                    logical: match column.name() {
                        "credit" => "decimal(9,2)".parse().unwrap(),
                        "_owner_value" => LogicalType::Uuid,
                        _ => LogicalType::Text,
                    },
                    property: Property {
                        name: column.name().to_owned(),
                        edm,
                        bind: is_bound.then(|| ("owner".into(), "users".into())),
                    },
                    target: is_bound.then(|| KeyPart { name: "id".into(), edm: Edm::Guid }),
                }
            })
            .collect();
        let style = Style { version: Version::V4, numbers: Numbers::Strings };
        assert_eq!(
            body(style, &columns, 0).unwrap(),
            r#"{"name":"a\"b","credit":"12.50","visits":7,"owner@odata.bind":"/users(7a)"}"#
        );
        assert_eq!(body(style, &columns, 1).unwrap(), r#"{"credit":null,"visits":7,"owner@odata.bind":null}"#);
        assert_eq!(body(style, &columns, 2).unwrap_err().property("field"), Some("visits"));
    }
}
