//! Which keys of the one side the other does not have, in files: the memory needed does not grow with the number of records.
//!
//! Keys are dealt to partitions by their digest; a partition is then small enough to be compared in memory.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, BufWriter, Read as _, Seek as _, Write as _};

use serde_json::Value;
use tempfile::SpooledTempFile;

use crate::record::{Batch, Digest, row_to_json};

const PARTITIONS: usize = 64;
/// Bytes of each side of a partition that stay in memory: few keys are not worth a file.
const IN_MEMORY: usize = 64 << 10;

/// One side with its keys, and the digests of the other.
pub(super) struct Spill {
    partitions: Vec<Partition>,
}

struct Partition {
    /// Lines: a digest, a space, the key as JSON.
    have: BufWriter<SpooledTempFile>,
    /// Digests, 16 bytes each.
    keep: BufWriter<SpooledTempFile>,
}

impl Spill {
    /// In memory, and in unnamed files that are gone with the process.
    pub fn new() -> Self {
        let file = || BufWriter::with_capacity(16 << 10, SpooledTempFile::new(IN_MEMORY));
        let partition = |_| Partition { have: file(), keep: file() };
        Self { partitions: (0..PARTITIONS).map(partition).collect() }
    }

    /// Keys of the side that may have too many.
    pub fn have(&mut self, data: &Batch, key: &[String], digests: &[Digest]) -> std::io::Result<()> {
        let keys = crate::record::project(data, key).map_err(std::io::Error::other)?;
        for (row, digest) in digests.iter().enumerate() {
            let text = Value::Object(row_to_json(&keys, row)).to_string();
            writeln!(self.partition(*digest)?.have, "{:032x} {text}", digest.0)?;
        }
        Ok(())
    }

    /// Keys of the other side.
    pub fn keep(&mut self, digests: &[Digest]) -> std::io::Result<()> {
        for digest in digests {
            self.partition(*digest)?.keep.write_all(&digest.0.to_le_bytes())?;
        }
        Ok(())
    }

    fn partition(&mut self, digest: Digest) -> std::io::Result<&mut Partition> {
        let index = (digest.0 % PARTITIONS as u128) as usize;
        self.partitions.get_mut(index).ok_or_else(|| std::io::Error::other("there is no such partition"))
    }

    /// Keys that only the one side has.
    pub fn gone(self) -> std::io::Result<Vec<Value>> {
        let mut gone = Vec::new();
        for partition in self.partitions {
            let kept = read_digests(partition.keep)?;
            let mut have = partition.have.into_inner().map_err(std::io::IntoInnerError::into_error)?;
            have.rewind()?;
            for line in BufReader::new(have).lines() {
                let line = line?;
                let (digest, key) =
                    line.split_once(' ').ok_or_else(|| std::io::Error::other("a line without a key"))?;
                let digest = u128::from_str_radix(digest, 16).map_err(std::io::Error::other)?;
                if !kept.contains(&digest) {
                    gone.push(serde_json::from_str(key)?);
                }
            }
        }
        Ok(gone)
    }
}

fn read_digests(file: BufWriter<SpooledTempFile>) -> std::io::Result<HashSet<u128>> {
    let mut file = file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    file.rewind()?;
    let mut reader = BufReader::new(file);
    let mut digests = HashSet::new();
    let mut bytes = [0; 16];
    loop {
        match reader.read_exact(&mut bytes) {
            Ok(()) => digests.insert(u128::from_le_bytes(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(digests),
            Err(error) => return Err(error),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::record::{Field, RowDigester, batch_from_json};

    #[test]
    fn only_keys_the_other_side_lacks_are_gone() {
        let fields: Arc<[Field]> = vec![Field::new("id", "int64".parse().unwrap())].into();
        let batch = |ids: std::ops::Range<i64>| {
            let records: Vec<Value> = ids.map(|id| json!({ "id": id })).collect();
            batch_from_json(&fields, &records).unwrap()
        };
        let (digester, key) = (RowDigester::new((1, 2)), vec!["id".to_owned()]);
        let (target, source) = (batch(0..1000), batch(3..2000));
        let mut spill = Spill::new();
        spill.have(&target, &key, &digester.digests(&target, &key).unwrap()).unwrap();
        spill.keep(&digester.digests(&source, &key).unwrap()).unwrap();
        let mut gone: Vec<i64> = spill.gone().unwrap().iter().map(|key| key["id"].as_i64().unwrap()).collect();
        gone.sort_unstable();
        assert_eq!(gone, [0, 1, 2]);
    }
}
