//! What is said about records of CSV that cannot become rows.

use lockstep_plugin_sdk::batch::ColumnBuilder;
use lockstep_text_files::value::ValueError;
use lockstep_text_files::{Reason, quoted};

/// The code for records that are too long.
pub const LENGTH: &str = "csv.length";

pub fn value(column: &ColumnBuilder, value: &[u8], error: &ValueError) -> Reason {
    Reason::value("csv.value", column, value, error)
}

pub fn not_utf8(column: &ColumnBuilder, value: &[u8]) -> Reason {
    let message = format!("{} is {}, which is not UTF-8", quoted(column.name().as_bytes()), quoted(value));
    let hint = "say how the file is encoded in the connection's config: encoding = \"windows-1252\"";
    Reason::new("csv.utf8", message, hint).in_field(column.name())
}

pub fn columns(expected: usize, found: usize) -> Reason {
    let message = format!("the record has {}, but the file has {}", fields(found, "field"), fields(expected, "column"));
    let hint = "put fields that contain the delimiter in quotes, or say which delimiter is meant: delimiter = \";\"";
    Reason::new("csv.columns", message, hint)
}

fn fields(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

pub fn unclosed(opened_line: u64) -> Reason {
    misquoted(format!("the quote opened on line {opened_line} is never closed"))
}

pub fn text_behind(opened_line: u64, closed_line: u64) -> Reason {
    let place = if opened_line == closed_line { String::new() } else { format!(" on line {closed_line}") };
    misquoted(format!("the quote opened on line {opened_line} is closed{place} in the middle of a field"))
}

fn misquoted(message: String) -> Reason {
    let hint = "double the quotes inside of a quoted field, or let quotes mean nothing: quote = \"\"";
    Reason::new("csv.quote", message, hint)
}
