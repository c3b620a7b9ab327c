//! Files in memory, for tests and measurements of plugins.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use lockstep_plugin_sdk::error::{Error, Result};

use crate::cursor::Fingerprint;
use crate::store::{FileRead, Store, StoredFile};

type Content = Rc<RefCell<Vec<u8>>>;

/// A folder in memory. Copies share the files.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    files: Rc<RefCell<BTreeMap<String, Content>>>,
    reads: Rc<Cell<usize>>,
    /// The most bytes a read answers, so that tests see every border between two reads; none = as many as asked for.
    short_reads: Option<u64>,
}

impl MemoryStore {
    pub fn with(path: &str, content: impl Into<Vec<u8>>) -> Self {
        let store = Self::default();
        store.put(path, content);
        store
    }

    /// Answers at most `bytes` bytes to a read.
    pub fn with_short_reads(mut self, bytes: u64) -> Self {
        self.short_reads = Some(bytes);
        self
    }

    /// Writes a file, in place: files that are open see the new content.
    pub fn put(&self, path: &str, content: impl Into<Vec<u8>>) {
        let file = self.files.borrow_mut().entry(path.to_owned()).or_default().clone();
        *file.borrow_mut() = content.into();
    }

    /// How often any file has been read.
    pub fn reads(&self) -> usize {
        self.reads.get()
    }
}

impl Store for MemoryStore {
    type File = MemoryFile;

    fn list(&self) -> Result<Vec<StoredFile>> {
        let files = self.files.borrow();
        let entry =
            |(path, file): (&String, &Content)| StoredFile { path: path.clone(), bytes: file.borrow().len() as u64 };
        Ok(files.iter().map(entry).collect())
    }

    fn open(&self, path: &str) -> Result<MemoryFile> {
        let content = self.files.borrow().get(path).cloned();
        let content = content.ok_or_else(|| Error::not_found(format!("there is no file `{path}`")))?;
        Ok(MemoryFile { content, reads: self.reads.clone(), short_reads: self.short_reads })
    }
}

/// A file in memory.
#[derive(Clone, Debug)]
pub struct MemoryFile {
    content: Content,
    reads: Rc<Cell<usize>>,
    short_reads: Option<u64>,
}

impl FileRead for MemoryFile {
    fn bytes(&self) -> u64 {
        self.content.borrow().len() as u64
    }

    fn read(&self, offset: u64, length: u64) -> Result<Vec<u8>> {
        self.reads.set(self.reads.get() + 1);
        let content = self.content.borrow();
        let start = (offset as usize).min(content.len());
        let length = length.min(self.short_reads.unwrap_or(length)) as usize;
        let end = start.saturating_add(length).min(content.len());
        Ok(content.get(start..end).unwrap_or_default().to_vec())
    }

    /// Not a cryptographic digest, but one of 32 bytes that depends on every byte.
    fn digest(&self) -> Result<Vec<u8>> {
        let sum = Fingerprint::of(&*self.content.borrow()).0;
        Ok((0..4u64).flat_map(|part| sum.rotate_left(part as u32 * 16).to_le_bytes()).collect())
    }
}
