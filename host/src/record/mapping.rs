//! Turns records of a source into records of a target: which field goes where, as which type, with which constant or default.
//!
//! A field without a default keeps the difference between null and absent. A default stands in for both: whoever writes one
//! says that the field is never empty.
//!
//! The lines of a project are checked once against the source's fields; pages are then mapped column by column, and a column
//! that neither changes its type nor takes a default is not copied. On deleted records only the key counts, so values that
//! cannot be converted are left null there instead of rejecting the delete.

mod error;
mod plan;

use std::sync::Arc;

use super::{ChangeKind, Changes, Field, LogicalType};
pub use error::MappingError;
use plan::Line;

/// One line of a mapping, as a project says it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FieldMap {
    /// The source's field; none if the line has a `constant`.
    pub source: Option<String>,
    pub target: String,
    /// The type the values have on their way; a value that does not fit it is rejected even if the target had room.
    pub logical: Option<LogicalType>,
    /// Stands in where the source's value is null or absent.
    pub default: Option<serde_json::Value>,
    /// The value of every record.
    pub constant: Option<serde_json::Value>,
}

/// A checked mapping.
#[derive(Clone, Debug)]
pub struct Mapping {
    lines: Vec<Line>,
    fields: Arc<[Field]>,
}

/// A mapped page.
#[derive(Clone, Debug)]
pub struct MappedChanges {
    /// Without the rejected rows.
    pub changes: Changes,
    /// For each row of `changes` the row of the input it came from; none = row by row.
    pub origins: Option<Vec<u32>>,
    /// Ascending by row; a row may have several.
    pub rejected: Vec<RejectedValue>,
}

/// A value that cannot be converted without loss; its record is not in the mapped page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedValue {
    /// In the input.
    pub row: u32,
    /// The source's field.
    pub field: String,
    pub reason: String,
}

impl Mapping {
    /// Checks the lines. `target_types` are the types of those target fields that exist already; values become those.
    pub fn new(
        lines: &[FieldMap],
        source: &[Field],
        target_types: &[(String, LogicalType)],
    ) -> Result<Self, MappingError> {
        let mut checked: Vec<Line> = Vec::with_capacity(lines.len());
        for line in lines {
            if checked.iter().any(|other| other.field.name == line.target) {
                return Err(MappingError::Twice { target: line.target.clone() });
            }
            checked.push(Line::new(line, source, target_types)?);
        }
        let fields = checked.iter().map(|line| line.field.clone()).collect();
        Ok(Self { lines: checked, fields })
    }

    /// Only the lines of these targets.
    pub fn only(&self, targets: &[String]) -> Self {
        let lines: Vec<Line> = self.lines.iter().filter(|line| targets.contains(&line.field.name)).cloned().collect();
        let fields = lines.iter().map(|line| line.field.clone()).collect();
        Self { lines, fields }
    }

    /// Every field to the target's field of the same name.
    pub fn identity(source: &[Field], target_types: &[(String, LogicalType)]) -> Result<Self, MappingError> {
        let line = |field: &Field| FieldMap {
            source: Some(field.name.clone()),
            target: field.name.clone(),
            ..FieldMap::default()
        };
        Self::new(&source.iter().map(line).collect::<Vec<_>>(), source, target_types)
    }

    /// The fields of mapped records. Nullability and properties are the source's; `native-type` is gone where the type changed.
    pub fn output_fields(&self) -> Arc<[Field]> {
        self.fields.clone()
    }

    /// The source's fields that are read at all, each once: what to ask the source for.
    pub fn source_fields_needed(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::with_capacity(self.lines.len());
        for name in self.lines.iter().filter_map(|line| line.source_name()) {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        names
    }

    /// The target's names of the source's key fields, in the key's order. A key field that goes to several targets is known by
    /// the first of them.
    pub fn key_map(&self, source_key: &[String]) -> Result<Vec<String>, MappingError> {
        let target = |name: &String| {
            let line = self.lines.iter().find(|line| line.source_name() == Some(name));
            line.map(|line| line.field.name.clone()).ok_or_else(|| MappingError::KeyUnmapped { field: name.clone() })
        };
        source_key.iter().map(target).collect()
    }

    /// The source's field of each output field; none for a constant.
    pub fn sources(&self) -> Vec<Option<&str>> {
        self.lines.iter().map(|line| line.source_name()).collect()
    }

    /// Source and target names if the mapping does nothing but rename; then both sides hold the very same values.
    pub fn renames(&self) -> Option<Vec<(String, String)>> {
        self.lines.iter().map(|line| Some((line.renamed()?.to_owned(), line.field.name.clone()))).collect()
    }

    /// Maps a page. Fails only if the page does not have the fields the mapping was made for.
    pub fn apply(&self, changes: &Changes) -> Result<MappedChanges, MappingError> {
        let mut columns = Vec::with_capacity(self.lines.len());
        let mut rejected = Vec::new();
        for line in &self.lines {
            let (column, misfits) = line.apply(&changes.data)?;
            let field = line.source_name().unwrap_or(&line.field.name);
            rejected.extend(
                misfits
                    .into_iter()
                    .filter(|(row, _)| changes.kind(*row as usize) != ChangeKind::Delete)
                    .map(|(row, reason)| RejectedValue { row, field: field.to_owned(), reason }),
            );
            columns.push(column);
        }
        rejected.sort_by_key(|value| value.row);
        let data = super::Batch::new(self.fields.clone(), columns, changes.rows())?;
        without_rejected(changes.with_data(data), rejected)
    }
}

fn without_rejected(changes: Changes, rejected: Vec<RejectedValue>) -> Result<MappedChanges, MappingError> {
    if rejected.is_empty() {
        return Ok(MappedChanges { changes, origins: None, rejected });
    }
    let is_kept = |row: &u32| rejected.binary_search_by_key(row, |value| value.row).is_err();
    let origins: Vec<u32> = (0..changes.rows() as u32).filter(is_kept).collect();
    let changes = changes.take(&origins.clone().into())?;
    Ok(MappedChanges { changes, origins: Some(origins), rejected })
}

#[cfg(test)]
mod tests;
