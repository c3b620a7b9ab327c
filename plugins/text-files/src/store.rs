//! Where files come from: the granted folder, or memory in tests.

use lockstep_plugin_sdk::capabilities::files;
use lockstep_plugin_sdk::error::Result;

/// The alias under which a project grants the folder.
pub const ALIAS: &str = "data";

/// A file as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFile {
    /// Relative, with `/`.
    pub path: String,
    pub bytes: u64,
}

/// A folder of files.
pub trait Store {
    type File: FileRead;

    /// All files, sorted by path.
    fn list(&self) -> Result<Vec<StoredFile>>;

    /// A path that does not exist is an error of kind `not-found`.
    fn open(&self, path: &str) -> Result<Self::File>;
}

/// A file as it was when it was opened.
pub trait FileRead: 'static {
    /// The size when it was opened.
    fn bytes(&self) -> u64;

    /// At most `length` bytes from `offset`; empty at the end.
    fn read(&self, offset: u64, length: u64) -> Result<Vec<u8>>;

    /// A digest of the whole content as it is now.
    fn digest(&self) -> Result<Vec<u8>>;
}

/// The folder that the project grants under [`ALIAS`].
#[derive(Clone, Copy, Debug)]
pub struct Granted;

impl Store for Granted {
    type File = files::File;

    fn list(&self) -> Result<Vec<StoredFile>> {
        let entries = files::list_files(ALIAS)?;
        Ok(entries.into_iter().map(|entry| StoredFile { path: entry.path, bytes: entry.size }).collect())
    }

    fn open(&self, path: &str) -> Result<files::File> {
        files::open(ALIAS, path)
    }
}

impl FileRead for files::File {
    fn bytes(&self) -> u64 {
        self.entry().size
    }

    fn read(&self, offset: u64, length: u64) -> Result<Vec<u8>> {
        files::File::read(self, offset, length)
    }

    fn digest(&self) -> Result<Vec<u8>> {
        files::File::digest(self)
    }
}
