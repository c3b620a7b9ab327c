//! Files whole in memory: what a recording holds of them. A plugin that reads other parts of a file than it once did finds them, too.

use serde_json::{Value, json};

use super::{Entry, LiveFile, LiveNewFile, ORIGIN};
use crate::connector::{Failure, FailureKind};
use crate::error::codes;
use crate::plugin::tape::{Taped, Way, bytes_from_json, bytes_to_json};

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
        check_size(&entry.path, content.len())?;
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

fn check_size(path: &str, bytes: usize) -> Result<(), Failure> {
    if bytes as u64 <= BYTES_MAX {
        return Ok(());
    }
    let message = format!("`{path}` is larger than the {} MB a recording takes", BYTES_MAX >> 20);
    Err(Failure::new(FailureKind::Config, &codes::RECORDING, ORIGIN, message)
        .with("hint", "record with smaller files: the first thousand lines show the same"))
}

/// A file that is being written while somebody records, or for a recording: it is asked for with its content.
pub struct HeldNewFile {
    way: Way<LiveNewFile>,
    path: String,
    content: Vec<u8>,
}

impl HeldNewFile {
    pub(super) fn new(way: Way<LiveNewFile>, path: &str) -> Self {
        Self { way, path: path.to_owned(), content: Vec::new() }
    }

    pub(super) fn append(&mut self, data: &[u8]) -> Result<(), Failure> {
        check_size(&self.path, self.content.len() + data.len())?;
        self.content.extend_from_slice(data);
        Ok(())
    }

    pub(super) async fn finish(&mut self) -> Result<Entry, Failure> {
        let content = std::mem::take(&mut self.content);
        let asked = || json!({ "finish": self.path, "content": bytes_to_json(&content) });
        let finished = self.way.ask_mut(asked, async |file| file.append(&content).and_then(|()| file.finish()));
        finished.await
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
