//! Tables as Bulk API 2.0 sends and takes them (RFC 4180): texts in quotes or without, no types.

use std::borrow::Cow;
use std::ops::Range;

use lockstep_plugin_sdk::error::{Error, Result};

/// Goes through a table, row by row.
pub struct Rows<'a> {
    text: &'a str,
    at: usize,
    delimiter: u8,
}

/// A row and where it stands.
pub type Row<'a> = (Range<usize>, Vec<Cow<'a, str>>);

impl<'a> Rows<'a> {
    pub fn new(text: &'a str, delimiter: char) -> Self {
        Self { text, at: 0, delimiter: u8::try_from(delimiter).unwrap_or(b',') }
    }

    /// The next row; none at the end.
    pub fn next(&mut self) -> Result<Option<Row<'a>>> {
        let (start, bytes) = (self.at, self.text.as_bytes());
        if start >= bytes.len() {
            return Ok(None);
        }
        let mut cells = Vec::new();
        loop {
            cells.push(self.cell()?);
            match bytes.get(self.at) {
                Some(byte) if *byte == self.delimiter => self.at += 1,
                Some(b'\r') if bytes.get(self.at + 1) == Some(&b'\n') => {
                    self.at += 2;
                    break;
                }
                Some(b'\n') => {
                    self.at += 1;
                    break;
                }
                None => break,
                Some(_) => return Err(self.broken("something behind a closing quote")),
            }
        }
        Ok(Some((start..self.at, cells)))
    }

    fn cell(&mut self) -> Result<Cow<'a, str>> {
        let bytes = self.text.as_bytes();
        if bytes.get(self.at) != Some(&b'"') {
            let rest = bytes.get(self.at..).unwrap_or_default();
            let is_end = |byte: &u8| *byte == self.delimiter || matches!(*byte, b'\r' | b'\n');
            let end = self.at + rest.iter().position(is_end).unwrap_or(rest.len());
            let cell = self.text.get(self.at..end).unwrap_or_default();
            self.at = end;
            return Ok(Cow::Borrowed(cell));
        }
        let mut cell = Cow::Borrowed("");
        loop {
            let start = self.at + 1;
            let rest = self.text.get(start..).unwrap_or_default();
            let Some(length) = rest.find('"') else { return Err(self.broken("a quote that is never closed")) };
            cell += rest.get(..length).unwrap_or_default();
            self.at = start + length + 1;
            if bytes.get(self.at) != Some(&b'"') {
                return Ok(cell);
            }
            cell += "\"";
        }
    }

    #[cold]
    fn broken(&self, what: &str) -> Error {
        Error::transient(format!("the table breaks off or is none: {what} at byte {}", self.at + 1))
            .with_code("salesforce.csv")
    }
}

/// Appends a row, everything in quotes but what is nothing.
pub fn write_row<'a>(out: &mut String, delimiter: char, cells: impl IntoIterator<Item = &'a str>) {
    for (place, cell) in cells.into_iter().enumerate() {
        if place > 0 {
            out.push(delimiter);
        }
        if !cell.is_empty() {
            out.push('"');
            out.push_str(&cell.replace('"', "\"\""));
            out.push('"');
        }
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Vec<Vec<String>>> {
        let (mut rows, mut found) = (Rows::new(text, ','), Vec::new());
        while let Some((_, cells)) = rows.next()? {
            found.push(cells.into_iter().map(Cow::into_owned).collect());
        }
        Ok(found)
    }

    #[test]
    fn tables_are_read() {
        assert_eq!(read("a,\"b\"\"c\",\r\n\"x\ny\",,z").unwrap(), [["a", "b\"c", ""], ["x\ny", "", "z"]]);
        assert_eq!(read("").unwrap(), Vec::<Vec<String>>::new());
        assert_eq!(read("\n").unwrap(), [[""]]);
        for broken in ["\"a", "\"a\"b", "a,\"b\nc"] {
            assert_eq!(read(broken).unwrap_err().code, "salesforce.csv", "{broken}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(rows in prop::collection::vec(prop::collection::vec("[a^,\"\r\n ü]{0,6}", 3), 0..5)) {
            let mut text = String::new();
            rows.iter().for_each(|row| write_row(&mut text, ',', row.iter().map(String::as_str)));
            prop_assert_eq!(read(&text).unwrap(), rows);
        }
    }
}
