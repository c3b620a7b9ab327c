//! The chain of the lineage: each entry's hash covers the entry before, so that none can be changed, taken out, put in or moved
//! without all hashes behind it being wrong. Whoever keeps one hash can prove everything up to it.

use std::fmt;

use super::{LineageEntry, LineageId, RecordId};
use crate::store::RunId;

/// The hash before the very first entry.
pub const FIRST: [u8; 32] = [0; 32];

/// What an entry's hash covers.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    pub id: LineageId,
    pub sync: &'a str,
    pub record: RecordId,
    pub run: RunId,
    /// Microseconds since 1970.
    pub at: i64,
    pub body: &'a [u8],
}

impl Content<'_> {
    /// BLAKE3 over the hash before, the id, the sync, the record, the run, the time and the body. Numbers are 64 bits wide, the
    /// least significant byte first; the sync and the body come behind their lengths. Verifiers outside rely on this.
    pub fn hash_after(&self, before: &[u8; 32]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(before).update(&self.id.0.to_le_bytes());
        hasher.update(&(self.sync.len() as u64).to_le_bytes()).update(self.sync.as_bytes());
        hasher.update(&self.record.0.to_le_bytes()).update(&self.run.0.to_le_bytes()).update(&self.at.to_le_bytes());
        hasher.update(&(self.body.len() as u64).to_le_bytes()).update(self.body);
        *hasher.finalize().as_bytes()
    }
}

/// The first entry that does not follow from the one before: it was changed, or something before it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenChain {
    pub entry: LineageId,
}

impl fmt::Display for BrokenChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "entry {} of the lineage does not follow from the entries before it", self.entry.0)
    }
}

impl std::error::Error for BrokenChain {}

/// Computes the hashes of entries again. `before` is the hash of the entry before the first of them: 32 zero bytes if there is
/// none. Answers the hash of the last, which is `before` of those behind.
pub fn verify_chain(
    mut entries: impl Iterator<Item = LineageEntry>,
    before: [u8; 32],
) -> Result<[u8; 32], BrokenChain> {
    entries.try_fold(before, |before, entry| {
        let LineageEntry { id, sync, record, run, at, body, hash } = &entry;
        let content = Content { id: *id, sync, record: *record, run: *run, at: at.timestamp_micros(), body };
        if content.hash_after(&before) == *hash { Ok(*hash) } else { Err(BrokenChain { entry: *id }) }
    })
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn chain(bodies: &[(i64, Vec<u8>)]) -> Vec<LineageEntry> {
        let mut before = FIRST;
        let numbered = bodies.iter().zip(1..);
        let entries = numbered.map(|((record, body), id)| {
            let (id, record, run) = (LineageId(id), RecordId(*record), RunId(3));
            let at = 1_700_000_000_000_000 + record.0;
            before = Content { id, sync: "customer", record, run, at, body }.hash_after(&before);
            let at = DateTime::from_timestamp_micros(at).unwrap();
            LineageEntry { id, sync: "customer".into(), record, run, at, body: body.clone(), hash: before }
        });
        entries.collect()
    }

    fn verify(entries: &[LineageEntry]) -> Result<[u8; 32], BrokenChain> {
        verify_chain(entries.iter().cloned(), FIRST)
    }

    fn bodies() -> impl Strategy<Value = Vec<(i64, Vec<u8>)>> {
        vec((0..5i64, vec(any::<u8>(), 0..6)), 2..12)
    }

    #[test]
    fn hashes_are_the_same_for_ever() {
        // Stored in every project, and computed by others: this must never change.
        let entry = &chain(&[(1, b"body".to_vec())])[0];
        let hash = blake3::Hash::from(entry.hash).to_hex().to_string();
        assert_eq!(hash, "b8f716d597c0785ebc71460c3af115d06d77d2feee0c4ebd87ce2493cf730981");
    }

    #[test]
    fn nothing_follows_from_anything() {
        assert_eq!(verify(&[]), Ok(FIRST));
        assert_eq!(BrokenChain { entry: LineageId(7) }.to_string().split(' ').nth(1), Some("7"));
    }

    proptest! {
        #[test]
        fn a_whole_chain_verifies_in_any_parts(bodies in bodies(), cut: prop::sample::Index) {
            let entries = chain(&bodies);
            let (first, second) = entries.split_at(cut.index(entries.len()));
            let middle = verify(first).unwrap();
            prop_assert_eq!(verify_chain(second.iter().cloned(), middle), Ok(entries.last().unwrap().hash));
        }

        #[test]
        fn an_edit_is_found_where_it_is(bodies in bodies(), place: prop::sample::Index, what in 0..7, bit in 0..8u8) {
            let mut entries = chain(&bodies);
            let place = place.index(entries.len());
            let entry = &mut entries[place];
            let id = entry.id;
            match what {
                0 => entry.sync.push('x'),
                1 => entry.record.0 ^= 1i64 << bit,
                2 => entry.run.0 ^= 1i64 << bit,
                3 => entry.at += chrono::TimeDelta::microseconds(1i64 << bit),
                4 => entry.body.push(bit),
                5 => entry.hash[bit as usize] ^= 1,
                _ => entry.id.0 ^= 1i64 << (8 + bit),
            }
            let found = verify(&entries).unwrap_err().entry;
            prop_assert!(found == id || what == 6);
        }

        #[test]
        fn a_removal_is_found(bodies in bodies(), place: prop::sample::Index) {
            let mut entries = chain(&bodies);
            let place = place.index(entries.len() - 1);
            entries.remove(place);
            prop_assert_eq!(verify(&entries), Err(BrokenChain { entry: entries[place].id }));
        }

        #[test]
        fn an_insertion_is_found(bodies in bodies(), from: prop::sample::Index, to: prop::sample::Index) {
            let mut entries = chain(&bodies);
            let copy = entries[from.index(entries.len())].clone();
            entries.insert(to.index(entries.len() + 1), copy);
            prop_assert!(verify(&entries).is_err());
        }

        #[test]
        fn a_swap_is_found(bodies in bodies(), one: prop::sample::Index, other: prop::sample::Index) {
            let mut entries = chain(&bodies);
            let (one, other) = (one.index(entries.len()), other.index(entries.len()));
            prop_assume!(one != other);
            entries.swap(one, other);
            prop_assert!(verify(&entries).is_err());
        }
    }
}
