//! What a run tells whoever watches it.

use chrono::{DateTime, Utc};

use crate::lineage::Flow;
use crate::store::RunId;

/// Hears how a run goes. Called often; must return at once.
pub trait Observer: Send + Sync {
    /// The run is in the state under this number.
    fn began(&self, _run: RunId, _at: DateTime<Utc>) {}

    /// It is settled what is read and written; no record has moved yet.
    fn settled(&self, _flow: &Flow) {}

    /// What the run is doing: `reading`, `comparing`, `deleting`.
    fn phase(&self, phase: &'static str);

    /// More records were read.
    fn read(&self, rows: u64, bytes: u64);

    /// More records are durable in the target.
    fn written(&self, rows: u64);

    /// Something a person may want to know, though it is no error.
    fn note(&self, text: &str);
}

/// Nobody watches.
pub struct Silent;

impl Observer for Silent {
    fn phase(&self, _: &'static str) {}
    fn read(&self, _: u64, _: u64) {}
    fn written(&self, _: u64) {}
    fn note(&self, _: &str) {}
}
