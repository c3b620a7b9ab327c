//! Values as parameters of a statement.

use lockstep_plugin_sdk::batch::BatchBuilder;
use lockstep_plugin_sdk::capabilities::sql::Parameters;
use lockstep_plugin_sdk::error::Result;
use lockstep_plugin_sdk::types::LogicalType;

use crate::value::Value;

/// Collects the parameters of one execution and hands out their numbers.
#[derive(Debug, Default)]
pub struct Arguments {
    types: Vec<LogicalType>,
    values: Vec<Value>,
}

impl Arguments {
    pub fn new() -> Self {
        Self::default()
    }

    /// Text, in a statement with one parameter.
    pub fn text(text: impl Into<String>) -> Self {
        let mut arguments = Self::new();
        arguments.push(LogicalType::Text, Value::Text(text.into()));
        arguments
    }

    /// Adds a value and answers the number of its parameter, counted from 1.
    pub fn push(&mut self, logical: LogicalType, value: Value) -> usize {
        self.types.push(logical);
        self.values.push(value);
        self.values.len()
    }

    /// What a statement takes; none without values, for a statement without parameters may take a faster way.
    pub fn finish(self) -> Result<Option<Parameters>> {
        if self.values.is_empty() {
            return Ok(None);
        }
        let columns = self.types.iter().enumerate().map(|(index, logical)| (format!("{}", index + 1), *logical));
        let mut rows = BatchBuilder::new(columns);
        for (column, value) in rows.columns().iter_mut().zip(&self.values) {
            value.push(column);
        }
        rows.end_row();
        Ok(Some(Parameters { types: self.types.iter().map(ToString::to_string).collect(), rows: rows.finish()? }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_plugin_sdk::batch::BatchView;

    #[test]
    fn values_become_one_row() {
        let mut arguments = Arguments::text("a");
        assert_eq!(arguments.push(LogicalType::Int64, Value::Int64(7)), 2);
        assert_eq!(arguments.push(LogicalType::Date, Value::Null), 3);
        let parameters = arguments.finish().unwrap().unwrap();
        assert_eq!(parameters.types, ["text", "int64", "date"]);
        let rows = BatchView::new(&parameters.rows);
        assert_eq!((rows.rows(), rows.columns().count()), (1, 3));
        assert_eq!(rows.columns().nth(1).unwrap().int64(0), Some(7));
        assert!(!rows.columns().nth(2).unwrap().is_valid(0));
    }

    #[test]
    fn nothing_is_no_parameters() {
        assert!(Arguments::new().finish().unwrap().is_none());
    }
}
