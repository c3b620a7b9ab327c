//! JSON objects as rows of a batch.

use lockstep_json::{Member, Shape, Value};
use lockstep_plugin_sdk::batch::{BatchBuilder, ColumnBuilder};
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_text_files::value::{BoolWords, ValueError};

use crate::answer::describe;

/// How an API writes the values of a column.
pub type Form = fn(&mut ColumnBuilder, &[u8], Value) -> Result<(), ValueError>;

/// Turns objects into rows: one column for each form, in their order, and notes behind them for what is no column.
pub struct Rows {
    shape: Shape,
    columns: Vec<(String, Form)>,
}

impl Rows {
    /// `notes`: further keys whose values [`Rows::value`] tells; none of them may be the name of a column.
    pub fn new(columns: Vec<(String, Form)>, notes: &[&str]) -> Self {
        let names = columns.iter().map(|(name, _)| name.as_str()).chain(notes.iter().copied());
        Self { shape: Shape::new(names), columns }
    }

    /// Takes the values of an object, without making a row of it yet.
    pub fn arrange(&mut self, text: &[u8], members: &[Member]) -> Result<()> {
        self.shape
            .arrange(text, members)
            .map(|_| ())
            .map_err(|fault| Error::invalid_data(describe(text, fault)).with_code("web.record"))
    }

    /// The value of a column or, behind the columns, of a note in the object that was arranged last.
    pub fn value(&self, place: usize) -> Option<Value> {
        self.shape.value(place)
    }

    /// Makes a row of the object that was arranged last. After an error there is no trace of it.
    pub fn push(&mut self, text: &[u8], batch: &mut BatchBuilder) -> Result<()> {
        for (place, (column, (name, form))) in batch.columns().iter_mut().zip(&self.columns).enumerate() {
            let pushed = match self.shape.value(place) {
                None => {
                    column.push_absent();
                    Ok(())
                }
                Some(value) => form(column, text, value),
            };
            if let Err(reason) = pushed {
                let logical = column.logical();
                batch.abandon_row();
                return Err(Error::invalid_data(format!("`{name}` is not {logical}: {reason}"))
                    .with_code("web.value")
                    .with_field(name.clone()));
            }
        }
        batch.end_row();
        Ok(())
    }
}

/// The values as JSON has them, for want of a form of the API's own.
pub fn as_it_is(column: &mut ColumnBuilder, text: &[u8], value: Value) -> Result<(), ValueError> {
    thread_local!(static WORDS: BoolWords = BoolWords::default());
    WORDS.with(|words| lockstep_json::push(column, text, value, words)).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_json::read_object;
    use lockstep_plugin_sdk::batch::BatchView;
    use lockstep_plugin_sdk::types::LogicalType;

    #[test]
    fn objects_become_rows_and_what_does_not_fit_leaves_no_trace() {
        let types = [("id", LogicalType::Int64), ("name", LogicalType::Text)];
        let mut batch = BatchBuilder::new(types);
        let mut rows =
            Rows::new(types.iter().map(|(name, _)| ((*name).to_owned(), as_it_is as Form)).collect(), &["etag"]);
        let mut push = |text: &str, batch: &mut BatchBuilder| {
            let mut members = Vec::new();
            read_object(text.as_bytes(), &mut members).unwrap();
            rows.arrange(text.as_bytes(), &members)?;
            rows.push(text.as_bytes(), batch)?;
            Ok::<_, Error>(rows.value(2).and_then(|value| value.said(text.as_bytes())))
        };
        assert_eq!(push(r#"{"name":"a","id":1,"etag":"x"}"#, &mut batch).unwrap().as_deref(), Some("x"));
        assert_eq!(push(r#"{"name":"a","id":"many"}"#, &mut batch).unwrap_err().property("field"), Some("id"));
        assert_eq!(push(r#"{"id":2,"id":3}"#, &mut batch).unwrap_err().code, "web.record");
        assert_eq!(push(r#"{"id":9007199254740993}"#, &mut batch).unwrap(), None);
        let batch = batch.finish().unwrap();
        let view = BatchView::new(&batch);
        assert_eq!((view.rows(), view.column("id").unwrap().int64(1)), (2, Some(9_007_199_254_740_993)));
        assert!(!view.column("name").unwrap().is_present(1));
    }
}
