//! Digests that are stored: of keys, so that a record is known again, and of rows, so that damage is noticed.

use std::fmt;
use std::hash::Hasher as _;
use std::sync::LazyLock;

use rusqlite::types::Value;
use siphasher::sip::SipHasher13;

/// 128 bits that stand for a key, or for anything else that is to be known again. The same in every process and version.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyDigest(pub [u8; 16]);

impl KeyDigest {
    /// Of a key, as its canonical JSON text.
    pub fn of_key(canonical: &str) -> Self {
        Self::of("lockstep key", &[canonical.as_bytes()])
    }

    /// Of a record that could not be read far enough to have a key: where it stands and what stands there.
    pub fn of_unreadable(position: &str, raw: &[u8]) -> Self {
        Self::of("lockstep unreadable", &[position.as_bytes(), raw])
    }

    /// Of a list whose order does not matter, such as the keys to be deleted.
    pub fn of_set(keys: impl IntoIterator<Item = Self>) -> Self {
        let mut keys: Vec<Self> = keys.into_iter().collect();
        keys.sort_unstable();
        keys.dedup();
        let parts: Vec<&[u8]> = keys.iter().map(|key| key.0.as_slice()).collect();
        Self::of("lockstep set", &parts)
    }

    /// What is digested for one purpose never equals what is digested for another.
    fn of(purpose: &str, parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(purpose);
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self(first_16(&hasher))
    }

    /// The digest of a set of which this is the only other member: adds and removes alike.
    pub(super) fn toggled(self, other: Self) -> Self {
        let mut bytes = self.0;
        bytes.iter_mut().zip(other.0).for_each(|(byte, other)| *byte ^= other);
        Self(bytes)
    }
}

impl fmt::Display for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The checksum of a row: its table, its id and all of its values.
pub(super) fn row_checksum(table: &str, id: i64, values: &[Value]) -> [u8; 16] {
    // The purpose is digested once, and the rest in one piece.
    static PURPOSE: LazyLock<blake3::Hasher> = LazyLock::new(|| blake3::Hasher::new_derive_key("lockstep row"));
    let mut bytes = Vec::with_capacity(512);
    put_bytes(&mut bytes, table.as_bytes());
    bytes.extend_from_slice(&id.to_le_bytes());
    values.iter().for_each(|value| put_value(&mut bytes, value));
    let mut hasher = PURPOSE.clone();
    hasher.update(&bytes);
    first_16(&hasher)
}

fn put_value(to: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => to.push(0),
        Value::Integer(value) => {
            to.push(1);
            to.extend_from_slice(&value.to_le_bytes());
        }
        Value::Real(value) => {
            to.push(2);
            to.extend_from_slice(&value.to_bits().to_le_bytes());
        }
        Value::Text(value) => {
            to.push(3);
            put_bytes(to, value.as_bytes());
        }
        Value::Blob(value) => {
            to.push(4);
            put_bytes(to, value);
        }
    }
}

/// Behind their length.
fn put_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    to.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    to.extend_from_slice(bytes);
}

/// The checksum of a body: its table, the numbers of its row and its bytes. Against damage, not against people: it costs a fifth of
/// what a cryptographic one does, and there are two for every record that changes.
pub(super) fn body_checksum(table: &str, numbers: &[i64], body: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(0x6c6f_636b_7374_6570, 0x626f_6479_2073_756d);
    hasher.write(body);
    for number in numbers {
        hasher.write(&number.to_le_bytes());
    }
    hasher.write(table.as_bytes());
    hasher.finish()
}

pub(super) fn first_16(hasher: &blake3::Hasher) -> [u8; 16] {
    hasher.finalize().as_bytes().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_digests_are_the_same_for_ever() {
        // Stored in every project: this text must never change.
        assert_eq!(KeyDigest::of_key("[1]").to_string(), "acee7f34a7df2f9251b2ef848bd161de");
    }

    #[test]
    fn row_checksums_are_the_same_for_ever() {
        let values =
            [Value::Null, Value::Integer(-2), Value::Real(0.5), Value::Text("é".into()), Value::Blob(vec![7; 700])];
        let sum = KeyDigest(row_checksum("sync", 3, &values)).to_string();
        // Stored in every project: this text must never change.
        assert_eq!(sum, "413284983e4db21079eb4cf7da9b6b59");
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(KeyDigest::of_unreadable("a", b"bc"), KeyDigest::of_unreadable("ab", b"c"));
        assert_ne!(KeyDigest::of_unreadable("", b"x"), KeyDigest::of_key("x"));
        let values = |a: &str, b: &str| row_checksum("t", 1, &[Value::Text(a.into()), Value::Text(b.into())]);
        assert_ne!(values("a", "bc"), values("ab", "c"));
        assert_ne!(row_checksum("t", 1, &[Value::Null]), row_checksum("t", 2, &[Value::Null]));
    }

    #[test]
    fn body_checksums_are_the_same_for_ever_and_cover_everything() {
        let sum = body_checksum("record", &[1, 2], b"body");
        // Stored in every project: this number must never change.
        assert_eq!(format!("{sum:016x}"), "850b78a004c10cd7");
        let others = [
            body_checksum("lineage", &[1, 2], b"body"),
            body_checksum("record", &[1, 3], b"body"),
            body_checksum("record", &[2, 1], b"body"),
            body_checksum("record", &[1, 2], b"Body"),
            body_checksum("record", &[1, 2], b""),
        ];
        assert!(!others.contains(&sum));
    }

    #[test]
    fn sets_have_no_order() {
        let (a, b) = (KeyDigest::of_key("a"), KeyDigest::of_key("b"));
        assert_eq!(KeyDigest::of_set([a, b]), KeyDigest::of_set([b, a, b]));
        assert_ne!(KeyDigest::of_set([a]), KeyDigest::of_set([a, b]));
        assert_eq!(a.toggled(b).toggled(b), a);
    }
}
