//! White space at the ends of text goes, to start from.

use lockstep_plugin_sdk::prelude::*;
use lockstep_plugin_sdk::types::{BytesColumn, Values};

use crate::Plugin;

pub struct Trim {
    /// The names of the fields that are text.
    text: Vec<String>,
}

impl Transform for Plugin {
    type Config = NoConfig;
    type Transformer = Trim;

    fn describe(_config: NoConfig, input: Stream) -> Result<Stream> {
        Ok(input)
    }

    fn open(_config: NoConfig, input: Stream) -> Result<Trim> {
        let text = input.fields.into_iter().filter(|field| field.logical_type == "text").map(|field| field.name);
        Ok(Trim { text: text.collect() })
    }
}

impl Transformer for Trim {
    fn apply(&mut self, mut changes: Changes) -> Result<Transformed> {
        for column in changes.data.columns.iter_mut().filter(|column| self.text.contains(&column.name)) {
            if let Values::Bytes(bytes) = &mut column.values {
                *bytes = trimmed(bytes);
            }
        }
        Ok(Transformed::row_by_row(changes))
    }
}

fn trimmed(column: &BytesColumn) -> BytesColumn {
    let mut result = BytesColumn { offsets: vec![0], data: Vec::with_capacity(column.data.len()) };
    for ends in column.offsets.windows(2) {
        let value = column.data.get(ends[0] as usize..ends[1] as usize).unwrap_or_default();
        result.data.extend_from_slice(value.trim_ascii());
        result.offsets.push(result.data.len() as u32);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_trimmed() {
        let column = BytesColumn { offsets: vec![0, 3, 3, 6], data: b" a  b ".to_vec() };
        assert_eq!(trimmed(&column).offsets, [0, 1, 1, 2]);
    }
}
