//! What a sync moves, field by field: which column of which stream comes from which others, and what is done to its values on the
//! way. Ends are counted in the order in which the sync names them: a mirror's source and target, a hub's endpoints.

use crate::record::Field;

/// What is read, what is written, and where it comes from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Flow {
    /// For each end the fields of its stream.
    pub streams: Vec<Vec<Field>>,
    /// In the order of the ends that are written.
    pub outputs: Vec<OutputFlow>,
}

/// What one end is given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OutputFlow {
    pub end: usize,
    /// The fields that are written and where their values come from; a constant comes from nowhere and is not here.
    pub fields: Vec<(String, Vec<Origin>)>,
    /// Columns that decide which records are written, and not what is in them.
    pub records: Vec<Origin>,
}

/// A column that something comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    pub end: usize,
    pub field: String,
    pub change: Change,
    /// What is done to values, for people; empty = nothing worth a word.
    pub description: String,
}

/// What becomes of a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// They arrive as they were.
    Identity,
    /// Others are made of them.
    Transformation,
    /// They decide which records are written.
    Filter,
    /// They decide which records of two systems are the same.
    Join,
}

/// Rows of one end in one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndRows {
    pub read: u64,
    /// Made or changed; deleted ones are not rows of the stream any more.
    pub written: u64,
}

impl Origin {
    pub fn new(end: usize, field: impl Into<String>, change: Change, description: impl Into<String>) -> Self {
        Self { end, field: field.into(), change, description: description.into() }
    }

    /// Values that arrive as they were if there is nothing to say about them.
    pub fn described(end: usize, field: impl Into<String>, steps: &[String]) -> Self {
        let change = if steps.is_empty() { Change::Identity } else { Change::Transformation };
        Self::new(end, field, change, steps.join("; "))
    }
}

impl OutputFlow {
    /// Adds a column that decides which records are written, once.
    pub fn decides(&mut self, origin: Origin) {
        if !self.records.contains(&origin) {
            self.records.push(origin);
        }
    }
}
