//! The XML of `$metadata` (CSDL). Nothing in it is expanded: a document type definition is refused, and only the five predefined
//! entities exist.

use lockstep_plugin_sdk::error::{Error, Result};
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use super::Metadata;
use super::builder::{Builder, Element};

/// Real documents are nested a dozen deep.
const DEPTH_MAX: usize = 64;

/// Reads the metadata of a service.
pub fn parse(text: &str) -> Result<Metadata> {
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    let mut builder = Builder::default();
    let mut depth: usize = 0;
    loop {
        match reader.read_event() {
            Ok(Event::Start(start)) => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Err(broken(reader.buffer_position(), "elements are nested too deep"));
                }
                builder.start(element(&start, reader.buffer_position())?);
            }
            Ok(Event::Empty(start)) => {
                builder.start(element(&start, reader.buffer_position())?);
                builder.end();
            }
            Ok(Event::End(_)) => {
                depth = depth.saturating_sub(1);
                builder.end();
            }
            Ok(Event::DocType(_)) => return Err(broken(reader.buffer_position(), "it defines a type of its own")),
            Ok(Event::Eof) if depth == 0 => return builder.finish().ok_or_else(not_metadata),
            Ok(Event::Eof) => return Err(broken(reader.buffer_position(), "it breaks off")),
            Ok(_) => {}
            Err(error) => return Err(broken(reader.buffer_position(), &error.to_string())),
        }
    }
}

fn element(start: &BytesStart<'_>, at: u64) -> Result<Element> {
    let name = start.local_name().as_ref().to_owned();
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| broken(at, &error.to_string()))?;
        let value =
            attribute.normalized_value(XmlVersion::Explicit1_0).map_err(|error| broken(at, &error.to_string()))?;
        attributes.push((attribute.key.local_name().as_ref().to_owned(), value.into_owned()));
    }
    Ok(Element::new(name, attributes))
}

fn broken(at: u64, reason: &str) -> Error {
    Error::permanent(format!("the service's `$metadata` cannot be read at byte {at}: {reason}"))
        .with_code("odata.metadata")
}

fn not_metadata() -> Error {
    Error::config("what the service sends as `$metadata` describes no entity sets")
        .with_code("odata.metadata")
        .with_hint("check the path of the service: `$metadata` below it has to be an EDMX document")
}
