//! A number beside the state that says how far the state once was.
//!
//! SQLite takes a damaged end of its write-ahead log for one that was never finished and silently goes back to what stood
//! before it; a state file put back from a backup looks perfectly sound. Neither may pass unnoticed: the cursor would only
//! be read again from an earlier place, but a dead letter that was superseded would be open again, ready to overwrite newer
//! data. So each commit, once durable, is followed by a note of its number. The note itself need not be durable: one that is
//! behind the state says nothing, and none can be ahead of it.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

/// Beside the state file, with its name in front, so that whoever moves `state.db*` moves it too.
#[derive(Debug)]
pub struct Witness {
    path: PathBuf,
    file: Option<File>,
}

impl Witness {
    pub fn new(state: &Path) -> Self {
        let mut path = state.as_os_str().to_owned();
        path.push("-generation");
        Self { path: path.into(), file: None }
    }

    /// What was noted last; none if nothing was or the note is damaged.
    pub fn noted(&self) -> Option<u64> {
        let text = std::fs::read_to_string(&self.path).ok()?;
        let generation = text.split_whitespace().next()?.parse().ok()?;
        (text == note(generation)).then_some(generation)
    }

    /// Notes a generation that is durable. Failing to do so only makes the witness less useful.
    pub fn note(&mut self, generation: u64) {
        if self.file.is_none() {
            self.file = OpenOptions::new().write(true).create(true).truncate(false).open(&self.path).ok();
        }
        if let Some(file) = &self.file {
            let _ = write_at_start(file, note(generation).as_bytes());
        }
    }

    /// Forgets what was noted about a state that is gone.
    pub fn forget(&mut self) -> std::io::Result<()> {
        self.file = None;
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn write_at_start(mut file: &File, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::{Seek as _, Write as _};
    file.rewind()?;
    file.write_all(bytes)
}

/// Always equally long, so that a note replaces the one before in a single write.
fn note(generation: u64) -> String {
    let checksum = blake3::hash(&generation.to_le_bytes()).to_hex();
    format!("{generation:020} {}\n", checksum.get(..16).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_back_unless_it_is_damaged() {
        let folder = crate::store::sqlite::testing::Folder::new();
        let mut witness = Witness::new(&folder.path().join("state.db"));
        assert_eq!(witness.noted(), None);
        for generation in [7, 8, u64::MAX] {
            witness.note(generation);
            assert_eq!(witness.noted(), Some(generation));
        }
        std::fs::write(&witness.path, note(9).replace("09 ", "19 ")).unwrap();
        assert_eq!(witness.noted(), None);
        witness.forget().unwrap();
        assert_eq!(witness.noted(), None);
        witness.forget().unwrap();
    }
}
