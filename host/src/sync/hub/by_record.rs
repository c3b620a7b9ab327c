//! Maps by records. Their ids are counted, and by us: neighbours lie side by side, which no hasher against hostile keys could say.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::store::RecordId;

pub(super) type ByRecord<V> = HashMap<RecordId, V, BuildHasherDefault<Counted>>;
/// By a record and one of its endpoints.
pub(super) type ByCopy<V> = HashMap<(RecordId, usize), V, BuildHasherDefault<Counted>>;

/// Low bits, which choose the place, as they are; high bits, which tell apart those that share one, mixed.
#[derive(Default)]
pub(super) struct Counted(u64);

/// The map compares this many of the highest bits before it looks at a key.
const TAG_SHIFT: u32 = 57;
/// The golden ratio, as a fraction of 64 bits.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for Counted {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0.rotate_left(8) ^ u64::from(*byte));
        }
    }

    fn write_i64(&mut self, id: i64) {
        self.write_u64(id as u64);
    }

    fn write_usize(&mut self, endpoint: usize) {
        self.write_u64((self.0 << 2).wrapping_add(endpoint as u64));
    }

    fn write_u64(&mut self, id: u64) {
        self.0 = id ^ (id.wrapping_mul(GOLDEN) >> TAG_SHIFT << TAG_SHIFT);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_lie_side_by_side_and_are_told_apart() {
        let hash = |id: i64| {
            let mut hasher = Counted::default();
            hasher.write_i64(id);
            hasher.finish()
        };
        assert_eq!(hash(1000) % 1024 + 1, hash(1001) % 1024);
        let tags: std::collections::BTreeSet<u64> = (0..16).map(|id| hash(id) >> TAG_SHIFT).collect();
        assert!(tags.len() > 12, "{tags:?}");
    }

    #[test]
    fn what_is_put_in_is_found() {
        let map: ByRecord<i64> = (0..10_000).map(|id| (RecordId(id * 7), id)).collect();
        assert!((0..10_000).all(|id| map.get(&RecordId(id * 7)) == Some(&id)));
        assert_eq!(map.get(&RecordId(1)), None);
    }
}
