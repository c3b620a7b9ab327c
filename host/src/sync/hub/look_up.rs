//! Records that are looked up at an endpoint by some of their fields, also beside a run.

use std::sync::Arc;

use super::decide::nothing_to_look_up;
use super::setup::End;
use crate::connector::{ReadMode, ReadRequest};
use crate::record::{Changes, Field, Properties, Value, batch_of_values};
use crate::sync::error::SyncError;
use crate::sync::retry::Caution;

/// Looking single records up.
pub(super) struct LookUp<'a> {
    pub sync: &'a str,
    pub end: &'a End,
    pub caution: &'a Caution,
}

impl LookUp<'_> {
    /// What records show, by these fields. None if nothing was asked.
    pub async fn ask(&self, key: &[Field], keys: &[Vec<Value>]) -> Result<Option<Changes>, SyncError> {
        let end = self.end;
        let Some(source) = end.source.clone() else { return Ok(None) };
        if keys.is_empty() || source.lookup().is_none() {
            return Ok(None);
        }
        let mut fields = end.read_fields.clone();
        fields
            .extend(key.iter().filter(|field| !end.read_fields.iter().any(|known| known.name == field.name)).cloned());
        let request = ReadRequest {
            stream: end.stream.name.clone(),
            key: key.iter().map(|field| field.name.clone()).collect(),
            fields,
            mode: ReadMode::Full,
            cursor: None,
            options: Properties::default(),
        };
        let rows: Vec<Vec<Option<Value>>> = keys.iter().map(|key| key.iter().cloned().map(Some).collect()).collect();
        let slices: Vec<&[Option<Value>]> = rows.iter().map(Vec::as_slice).collect();
        let batch = batch_of_values(&Arc::from(key), &slices).map_err(|error| SyncError::internal(self.sync, error))?;
        let look = || async {
            match source.lookup() {
                Some(lookup) => lookup.lookup(&request, &batch).await,
                None => Err(nothing_to_look_up(&end.plugin.label)),
            }
        };
        self.caution.attempt(look).await.map(Some)
    }
}
