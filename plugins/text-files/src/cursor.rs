//! A position in a file that is worth something only as long as the file and the way it is read are the same.

use std::hash::{Hash, Hasher};

use lockstep_plugin_sdk::types::ReadRequest;

const VERSION: u8 = 1;

/// What a reading depends on beside the content of the file: the settings, the fields and types wanted, the plugin's version. If
/// any of it changes, rows that have been read must be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(pub u64);

impl Fingerprint {
    /// Of a plugin's version, its settings for a file, and the fields that are wanted of it.
    pub fn of_reading(version: &str, settings: &impl Hash, request: &ReadRequest) -> Self {
        let fields = request.fields.iter().map(|field| (field.name.as_str(), field.logical_type.as_str()));
        Self::of(&(version, settings, fields.collect::<Vec<_>>()))
    }

    pub fn of<T: Hash + ?Sized>(value: &T) -> Self {
        let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
        value.hash(&mut hasher);
        Self(hasher.0)
    }
}

/// FNV-1a with 64 bits (Fowler, Noll, Vo): no attacker gains anything from a collision here.
struct Fnv(u64);

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// Behind the last record of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Of the content, as the host computes it.
    pub digest: [u8; 32],
    pub fingerprint: Fingerprint,
    /// Where the next record begins, in bytes of the unpacked source.
    pub offset: u64,
    /// The line of `offset`; the first is 1.
    pub line: u64,
    pub progress: Progress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    Reading,
    /// The file has been read to its end.
    Done,
}

impl Cursor {
    /// A byte for the version, one for the progress, then the fields in little-endian order.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION, u8::from(self.progress == Progress::Done)];
        bytes.extend_from_slice(&self.digest);
        for number in [self.fingerprint.0, self.offset, self.line] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    /// None for anything that this version has not written: then everything is read again, which is always right.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let ([VERSION, progress @ (0 | 1)], rest) = bytes.split_first_chunk()? else { return None };
        let (digest, rest) = rest.split_first_chunk()?;
        let (fingerprint, rest) = take_number(rest)?;
        let (offset, rest) = take_number(rest)?;
        let (line, rest) = take_number(rest)?;
        let progress = if *progress == 1 { Progress::Done } else { Progress::Reading };
        let cursor = Self { digest: *digest, fingerprint: Fingerprint(fingerprint), offset, line, progress };
        rest.is_empty().then_some(cursor)
    }
}

fn take_number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u64::from_le_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn cursors_round_trip(digest in any::<[u8; 32]>(), numbers in any::<[u64; 3]>(), done in any::<bool>()) {
            let cursor = Cursor {
                digest,
                fingerprint: Fingerprint(numbers[0]),
                offset: numbers[1],
                line: numbers[2],
                progress: if done { Progress::Done } else { Progress::Reading },
            };
            let bytes = cursor.to_bytes();
            prop_assert_eq!(Cursor::from_bytes(&bytes), Some(cursor));
            prop_assert_eq!(Cursor::from_bytes(&bytes[1..]), None);
        }

        #[test]
        fn nonsense_is_no_cursor(bytes in prop::collection::vec(any::<u8>(), 0..57)) {
            prop_assert_eq!(Cursor::from_bytes(&bytes), None);
        }
    }

    #[test]
    fn fingerprints_tell_values_apart() {
        assert_ne!(Fingerprint::of(&("ab", "c")), Fingerprint::of(&("a", "bc")));
        assert_eq!(Fingerprint::of("a"), Fingerprint::of("a"));
    }
}
