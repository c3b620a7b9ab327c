//! The bytes of a source, in order: read in ranges, and unpacked if the file is packed.

use std::cell::RefCell;
use std::io::{self, BufReader, Read};
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;
use lockstep_plugin_sdk::error::{Error, Result};

use crate::names::is_gzip;
use crate::store::FileRead;

/// How much is read at once: large enough that the calls cost nothing, small enough that a chunk stays in the second-level cache
/// while it is worked on.
pub const CHUNK_BYTES: u64 = 1 << 20;

/// The bytes of one file.
pub struct Input<F> {
    path: String,
    kind: Kind<F>,
}

enum Kind<F> {
    Plain { file: Rc<F>, offset: u64 },
    Gzip(Box<MultiGzDecoder<BufReader<Packed<F>>>>),
}

impl<F: FileRead> Input<F> {
    /// At the beginning; a path that ends in `.gz` is unpacked.
    pub fn new(file: Rc<F>, path: &str) -> Self {
        let kind = if is_gzip(path) { Kind::gzip(file) } else { Kind::Plain { file, offset: 0 } };
        Self { path: path.to_owned(), kind }
    }

    /// Appends the next bytes, at most [`CHUNK_BYTES`]; none at the end.
    pub fn read(&mut self, bytes: &mut Vec<u8>) -> Result<usize> {
        match &mut self.kind {
            Kind::Plain { file, offset } => {
                let chunk = file.read(*offset, CHUNK_BYTES)?;
                *offset += chunk.len() as u64;
                bytes.extend_from_slice(&chunk);
                Ok(chunk.len())
            }
            Kind::Gzip(decoder) => unpack(decoder, bytes).map_err(|error| gzip_error(&self.path, decoder, &error)),
        }
    }

    /// Goes to a position in bytes of the unpacked source; a packed one is unpacked up to there, and only forward.
    pub fn skip_to(&mut self, target: u64) -> Result<()> {
        let path = self.path.as_str();
        match &mut self.kind {
            Kind::Plain { offset, .. } => *offset = target,
            Kind::Gzip(decoder) => {
                let file = decoder.get_ref().get_ref().file.clone();
                self.kind = Kind::gzip(file);
                let Kind::Gzip(decoder) = &mut self.kind else { return Ok(()) };
                let skipped = io::copy(&mut decoder.by_ref().take(target), &mut io::sink());
                skipped.map_err(|error| gzip_error(path, decoder, &error))?;
            }
        }
        Ok(())
    }
}

impl<F: FileRead> Kind<F> {
    fn gzip(file: Rc<F>) -> Self {
        let packed = Packed { file, offset: 0, failure: RefCell::new(None) };
        Self::Gzip(Box::new(MultiGzDecoder::new(BufReader::with_capacity(PACKED_CHUNK_BYTES, packed))))
    }
}

/// Packed bytes are read in smaller pieces: they become several times as many.
const PACKED_CHUNK_BYTES: usize = 256 << 10;

fn unpack(decoder: &mut impl Read, bytes: &mut Vec<u8>) -> io::Result<usize> {
    decoder.by_ref().take(CHUNK_BYTES).read_to_end(bytes)
}

/// What the store said, or else that the file is damaged.
fn gzip_error<F>(path: &str, decoder: &MultiGzDecoder<BufReader<Packed<F>>>, error: &io::Error) -> Error {
    let packed = decoder.get_ref().get_ref();
    let failure = packed.failure.borrow_mut().take();
    failure.unwrap_or_else(|| {
        let message = format!("`{path}` is not a whole gzip file: {error} before byte {}", packed.offset);
        Error::permanent(message).with_code("files.gzip").with_hint("copy the file again; `gzip -t` checks it")
    })
}

/// A packed file as a stream of bytes.
struct Packed<F> {
    file: Rc<F>,
    offset: u64,
    /// The store's own error, which `io::Error` would flatten.
    failure: RefCell<Option<Error>>,
}

impl<F: FileRead> Read for Packed<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let chunk = self.file.read(self.offset, buffer.len() as u64).map_err(|error| {
            *self.failure.borrow_mut() = Some(error);
            io::Error::other("the file could not be read")
        })?;
        let length = chunk.as_slice().read(buffer)?;
        self.offset += length as u64;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryStore;
    use crate::store::Store;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn input(path: &str, content: &[u8]) -> Input<crate::memory::MemoryFile> {
        let store = MemoryStore::with(path, content).with_short_reads(7);
        Input::new(Rc::new(store.open(path).unwrap()), path)
    }

    fn read_all(input: &mut Input<crate::memory::MemoryFile>) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while input.read(&mut bytes)? > 0 {}
        Ok(bytes)
    }

    #[test]
    fn plain_and_packed_files_give_the_same_bytes() {
        let content = b"id,name\n1,a\n2,b\n".repeat(50);
        let members = [gzip(&content[..100]), gzip(&content[100..])].concat();
        for (path, stored) in [("a.csv", content.clone()), ("a.csv.gz", gzip(&content)), ("b.csv.gz", members)] {
            assert_eq!(read_all(&mut input(path, &stored)).unwrap(), content);
            let mut resumed = input(path, &stored);
            resumed.read(&mut Vec::new()).unwrap();
            resumed.skip_to(300).unwrap();
            assert_eq!(read_all(&mut resumed).unwrap(), &content[300..]);
        }
    }

    #[test]
    fn damaged_files_are_named() {
        let whole = gzip(&b"abc".repeat(100));
        for damaged in [&whole[..whole.len() - 4], &b"id,name\n"[..], b""] {
            let error = read_all(&mut input("a.csv.gz", damaged)).unwrap_err();
            assert_eq!(error.code, "files.gzip", "{error:?}");
            assert!(error.message.contains("`a.csv.gz`"));
        }
    }
}
