//! Pieces of a file from which types are guessed.

use std::rc::Rc;

use lockstep_plugin_sdk::error::Result;

use crate::encoding::{Decoder, Encoding};
use crate::input::Input;
use crate::names::is_gzip;
use crate::store::FileRead;
use crate::text::Tail;

/// The beginning of a plain file is looked at in one piece of this size: thousands of records of the usual length.
const HEAD_BYTES: u64 = 1 << 20;

/// The rest of it is looked at in so many pieces, evenly spaced: two megabytes more, whatever the size of the file.
const PIECES_MAX: u64 = 63;
const PIECE_BYTES: u64 = 32 << 10;

/// A packed file can only be looked at from its beginning: as much as of a plain one, unpacked.
const UNPACKED_BYTES: usize = 3 << 20;

/// A piece of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sample {
    /// The beginning, behind the byte order mark.
    Head { text: Vec<u8>, tail: Tail },
    /// A piece from the middle, which may begin and end anywhere inside of a record.
    Middle { text: Vec<u8>, tail: Tail },
}

/// Shows the pieces, in order.
pub fn samples<F: FileRead>(
    file: F,
    path: &str,
    encoding: Encoding,
    mut look: impl FnMut(Sample) -> Result<()>,
) -> Result<()> {
    let file = Rc::new(file);
    if is_gzip(path) {
        return look(unpacked_head(file, path, encoding)?);
    }
    let raw = read_range(&*file, 0, HEAD_BYTES)?;
    let (encoding, mark_bytes) = encoding.resolve(&raw);
    let size = file.bytes().max(raw.len() as u64);
    let text = raw.get(mark_bytes..).unwrap_or_default();
    let (text, tail) = decode(encoding, text, tail_at(raw.len() as u64, size));
    look(Sample::Head { text, tail })?;
    for offset in piece_offsets(size) {
        let offset = encoding.align(mark_bytes as u64, offset);
        let raw = read_range(&*file, offset, PIECE_BYTES)?;
        let (text, tail) = decode(encoding, &raw, tail_at(offset + raw.len() as u64, size));
        look(Sample::Middle { text, tail })?;
    }
    Ok(())
}

fn unpacked_head<F: FileRead>(file: Rc<F>, path: &str, encoding: Encoding) -> Result<Sample> {
    let mut input = Input::new(file, path);
    let mut raw = Vec::new();
    let mut tail = Tail::More;
    while raw.len() < UNPACKED_BYTES && tail == Tail::More {
        if input.read(&mut raw)? == 0 {
            tail = Tail::End;
        }
    }
    let (encoding, mark_bytes) = encoding.resolve(&raw);
    let (text, tail) = decode(encoding, raw.get(mark_bytes..).unwrap_or_default(), tail);
    Ok(Sample::Head { text, tail })
}

fn decode(encoding: Encoding, raw: &[u8], tail: Tail) -> (Vec<u8>, Tail) {
    let mut decoder = Decoder::new(encoding);
    let mut text = Vec::with_capacity(raw.len());
    decoder.decode(raw, &mut text);
    if tail == Tail::End {
        decoder.finish(&mut text);
    }
    (text, tail)
}

fn tail_at(end: u64, size: u64) -> Tail {
    if end >= size { Tail::End } else { Tail::More }
}

/// Evenly spaced behind the head; the last one ends with the file.
fn piece_offsets(size: u64) -> impl Iterator<Item = u64> {
    let rest = size.saturating_sub(HEAD_BYTES);
    let pieces = rest.div_ceil(PIECE_BYTES).min(PIECES_MAX);
    let room = rest.saturating_sub(PIECE_BYTES);
    (0..pieces).map(move |piece| HEAD_BYTES + room * piece / (pieces - 1).max(1))
}

fn read_range(file: &impl FileRead, offset: u64, length: u64) -> Result<Vec<u8>> {
    let mut bytes = file.read(offset, length)?;
    while (bytes.len() as u64) < length {
        let more = file.read(offset + bytes.len() as u64, length - bytes.len() as u64)?;
        if more.is_empty() {
            break;
        }
        bytes.extend_from_slice(&more);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryStore;
    use crate::store::Store;

    fn pieces(content: Vec<u8>, encoding: Encoding) -> Vec<Sample> {
        let store = MemoryStore::with("a", content).with_short_reads(300_000);
        let mut all = Vec::new();
        samples(store.open("a").unwrap(), "a", encoding, |sample| {
            all.push(sample);
            Ok(())
        })
        .unwrap();
        all
    }

    #[test]
    fn small_files_are_looked_at_whole() {
        assert_eq!(pieces(b"abc".to_vec(), Encoding::Auto), [Sample::Head { text: b"abc".to_vec(), tail: Tail::End }]);
        assert_eq!(pieces(Vec::new(), Encoding::Auto), [Sample::Head { text: Vec::new(), tail: Tail::End }]);
        let utf16 = b"\xff\xfea\0".to_vec();
        assert_eq!(pieces(utf16, Encoding::Auto), [Sample::Head { text: b"a".to_vec(), tail: Tail::End }]);
    }

    #[test]
    fn large_files_are_looked_at_from_end_to_end() {
        let content: Vec<u8> = (0..20_000_000u32).map(|index| (index / 100_000) as u8).collect();
        let all = pieces(content, Encoding::Latin1);
        assert_eq!(all.len(), 64);
        assert!(matches!(&all[0], Sample::Head { text, tail: Tail::More } if text.len() >= 1 << 20));
        assert!(matches!(&all[62], Sample::Middle { tail: Tail::More, .. }));
        assert!(matches!(&all[63], Sample::Middle { tail: Tail::End, .. }));
    }

    #[test]
    fn pieces_lie_behind_the_head_and_inside_of_the_file() {
        for size in [0, 1 << 20, (1 << 20) + 1, (1 << 20) + (64 << 10), 3 << 20, 1 << 40] {
            let offsets: Vec<u64> = piece_offsets(size).collect();
            assert!(offsets.iter().all(|offset| *offset >= HEAD_BYTES && *offset < size), "{size}: {offsets:?}");
            let end = offsets.last().map_or(HEAD_BYTES.max(size), |last| last + PIECE_BYTES);
            assert!(end >= size, "{size}: {offsets:?}");
        }
    }
}
