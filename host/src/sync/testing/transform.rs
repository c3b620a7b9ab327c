//! A transform that does with each record what a test says.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use super::{Record, Script, failure};
use crate::connector::{FailureKind, Result, RowError, Transform, Transformed, Transformer};
use crate::record::{Changes, Field, Stream, batch_from_json, row_to_json};

/// What becomes of a record.
pub enum Outcome {
    Into(Vec<Record>),
    Reject,
    /// The whole page fails because of this record.
    RefusePage,
    Break,
}

type Rule = Arc<dyn Fn(Record) -> Outcome + Send + Sync>;

#[derive(Clone)]
pub struct FakeTransform {
    rule: Rule,
    /// What comes out is turned around.
    pub reverses: bool,
    /// Fields the output has beside those of the input.
    pub adds: Vec<Field>,
    pub script: Script,
}

impl FakeTransform {
    pub fn new(rule: impl Fn(Record) -> Outcome + Send + Sync + 'static) -> Self {
        Self { rule: Arc::new(rule), reverses: false, adds: Vec::new(), script: Script::default() }
    }
}

#[async_trait]
impl Transform for FakeTransform {
    async fn describe(&self, input: &Stream) -> Result<Stream> {
        let mut output = input.clone();
        output.fields.extend(self.adds.iter().cloned());
        Ok(output)
    }

    async fn open(&self, input: &Stream) -> Result<Box<dyn Transformer>> {
        self.script.meet("open")?;
        let fields = self.describe(input).await?.fields.into();
        Ok(Box::new(FakeTransformer { transform: self.clone(), fields, is_broken: false }))
    }
}

struct FakeTransformer {
    transform: FakeTransform,
    fields: Arc<[Field]>,
    is_broken: bool,
}

#[async_trait]
impl Transformer for FakeTransformer {
    async fn apply(&mut self, changes: &Changes) -> Result<Transformed> {
        assert!(!self.is_broken, "a transformer was used after an error");
        let applied = self.transformed(changes);
        self.is_broken = applied.is_err();
        applied
    }
}

impl FakeTransformer {
    fn transformed(&self, changes: &Changes) -> Result<Transformed> {
        self.transform.script.meet("apply")?;
        let (mut rows, mut rejected): (Vec<(Value, u8, u32)>, Vec<RowError>) = (Vec::new(), Vec::new());
        for row in 0..changes.rows() {
            let kind = changes.kind(row) as u8;
            match (self.transform.rule)(row_to_json(&changes.data, row)) {
                Outcome::Into(records) => {
                    rows.extend(records.into_iter().map(|record| (Value::Object(record), kind, row as u32)));
                }
                Outcome::Reject => {
                    rejected.push(RowError { row: row as u32, error: failure(FailureKind::InvalidData) })
                }
                Outcome::RefusePage => return Err(failure(FailureKind::InvalidData)),
                Outcome::Break => return Err(failure(FailureKind::Fault)),
            }
        }
        if self.transform.reverses {
            rows.reverse();
        }
        let records: Vec<Value> = rows.iter().map(|(record, ..)| record.clone()).collect();
        let mut output = Changes::upserts(batch_from_json(&self.fields, &records).unwrap());
        output.kinds = changes.kinds.is_some().then(|| rows.iter().map(|(_, kind, _)| *kind).collect());
        let origins = rows.iter().map(|(.., origin)| *origin).collect();
        Ok(Transformed { changes: output, origins: Some(origins), rejected })
    }
}
