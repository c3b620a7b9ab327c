//! What is said about lines that cannot become rows.

use lockstep_json::{DEPTH_MAX, Fault, Value};
use lockstep_plugin_sdk::batch::ColumnBuilder;
use lockstep_text_files::value::ValueError;
use lockstep_text_files::{Reason, quoted};

/// The code for lines that are too long.
pub const LENGTH: &str = "jsonl.length";

/// Nothing better can be said to a person whose file is broken.
const WRITER: &str = "repair the line, or the program that writes it";

pub fn value(column: &ColumnBuilder, line: &[u8], value: Value, error: &ValueError) -> Reason {
    Reason::value("jsonl.value", column, value.of(line), error)
}

pub fn not_utf8() -> Reason {
    let hint = "say how the file is encoded in the connection's config: encoding = \"windows-1252\"";
    Reason::new("jsonl.utf8", "the line is not UTF-8", hint)
}

pub fn fault(line: &[u8], fault: Fault) -> Reason {
    match fault {
        Fault::Syntax { at, expected } => {
            let found = line.get(at..).filter(|rest| !rest.is_empty()).map_or("its end".to_owned(), quoted);
            let message = format!("expected {expected} at byte {}, but found {found}", at + 1);
            Reason::new("jsonl.syntax", message, WRITER)
        }
        Fault::NotAnObject => Reason::new("jsonl.object", "the line is a JSON value, but not an object", WRITER),
        Fault::TooDeep { .. } => {
            Reason::new("jsonl.depth", format!("objects and arrays are nested more than {DEPTH_MAX} deep"), WRITER)
        }
        Fault::Surrogate { at } => {
            let message = format!("the escape at byte {} is only half of a character", at + 1);
            Reason::new("jsonl.surrogate", message, WRITER)
        }
        Fault::DuplicateKey { key } => {
            let key = key.of(line);
            let message = format!("the key {} occurs twice in an object", quoted(&key));
            Reason::new("jsonl.duplicate-key", message, WRITER).in_field(&String::from_utf8_lossy(&key))
        }
    }
}
