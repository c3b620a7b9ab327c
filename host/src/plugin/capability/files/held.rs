//! Files whole in memory: what a recording holds of them. A plugin that reads other parts of a file than it once did finds them, too.

use serde_json::{Value, json};

use super::{Entry, LiveFile, ORIGIN};
use crate::connector::{Failure, FailureKind};
use crate::error::codes;
use crate::plugin::tape::{Taped, bytes_from_json, bytes_to_json};

/// Larger files do not belong into a recording.
const BYTES_MAX: u64 = 16 << 20;

/// A file as it was when it was opened.
pub struct HeldFile {
    entry: Entry,
    content: Vec<u8>,
}

impl HeldFile {
    pub(super) fn read(mut file: LiveFile) -> Result<Self, Failure> {
        let entry = file.entry.clone();
        let content = file.read(0, BYTES_MAX + 1)?;
        if content.len() as u64 > BYTES_MAX {
            let message = format!("`{}` is larger than the {} MB a recording takes", entry.path, BYTES_MAX >> 20);
            return Err(Failure::new(FailureKind::Config, &codes::RECORDING, ORIGIN, message)
                .with("hint", "record with smaller files: the first thousand lines show the same"));
        }
        Ok(Self { entry, content })
    }

    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    pub fn part(&self, offset: u64, length: u64) -> Vec<u8> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.content.get(offset..)).unwrap_or_default();
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(rest.len());
        rest.get(..length).unwrap_or_default().to_vec()
    }

    pub fn digest(&self) -> Vec<u8> {
        blake3::hash(&self.content).as_bytes().to_vec()
    }
}

impl Taped for HeldFile {
    fn to_json(&self) -> Value {
        json!({ "entry": self.entry.to_json(), "content": bytes_to_json(&self.content) })
    }

    fn from_json(value: &Value) -> Option<Self> {
        Some(Self { entry: Entry::from_json(value.get("entry")?)?, content: bytes_from_json(value.get("content")?)? })
    }
}

impl Taped for Entry {
    fn to_json(&self) -> Value {
        json!({ "path": self.path, "size": self.size, "modified_at_micros": self.modified_at_micros })
    }

    fn from_json(value: &Value) -> Option<Self> {
        Some(Self {
            path: value.get("path")?.as_str()?.to_owned(),
            size: value.get("size")?.as_u64()?,
            modified_at_micros: value.get("modified_at_micros")?.as_i64()?,
        })
    }
}

impl Taped for Vec<Entry> {
    fn to_json(&self) -> Value {
        self.iter().map(Taped::to_json).collect()
    }

    fn from_json(value: &Value) -> Option<Self> {
        value.as_array()?.iter().map(Entry::from_json).collect()
    }
}
