//! The id of a run among all runs of all programs.

use std::fmt;

use chrono::{DateTime, Utc};

/// A UUID of version 7 (RFC 9562): the time a run began at, and where other programs take chance, a hash of what the run is. Whoever
/// knows a run computes the same id again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunUuid([u8; 16]);

impl RunUuid {
    /// `run` is the run's number in its project.
    pub fn of(namespace: &str, sync: &str, run: i64, began_at: DateTime<Utc>) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in [namespace.as_bytes(), sync.as_bytes()] {
            hasher.update(&(part.len() as u64).to_be_bytes()).update(part);
        }
        hasher.update(&run.to_be_bytes()).update(&began_at.timestamp_micros().to_be_bytes());
        let mut bytes = [0; 16];
        let (time, hash) = bytes.split_at_mut(6);
        // The clock stands before 1970 on a machine that never learnt the time; the hash still tells runs apart.
        let millis = began_at.timestamp_millis().max(0).to_be_bytes();
        time.iter_mut().zip(millis.iter().skip(2)).for_each(|(byte, value)| *byte = *value);
        hash.iter_mut().zip(hasher.finalize().as_bytes()).for_each(|(byte, value)| *byte = *value);
        let [.., version, _, variant, _, _, _, _, _, _, _] = &mut bytes;
        *version = 0x70 | (*version & 0x0f);
        *variant = 0x80 | (*variant & 0x3f);
        Self(bytes)
    }
}

impl fmt::Display for RunUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(micros: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(micros).unwrap()
    }

    #[test]
    fn the_time_stands_in_front_and_the_version_in_its_place() {
        let id = RunUuid::of("shop", "customers", 7, at(0x0123_4567_89ab * 1000)).to_string();
        assert!(id.starts_with("01234567-89ab-7"), "{id}");
        assert_eq!(id, RunUuid::of("shop", "customers", 7, at(0x0123_4567_89ab * 1000)).to_string());
    }

    #[test]
    fn every_part_of_what_a_run_is_makes_another_id() {
        let ids = [
            RunUuid::of("a", "b", 1, at(1_000_000)),
            RunUuid::of("ab", "", 1, at(1_000_000)),
            RunUuid::of("a", "b", 2, at(1_000_000)),
            RunUuid::of("a", "b", 1, at(1_000_001)),
            RunUuid::of("a", "c", 1, at(1_000_000)),
        ];
        for (at, id) in ids.iter().enumerate() {
            assert!(!ids[at + 1..].contains(id), "{id}");
        }
    }

    proptest! {
        #[test]
        fn it_always_looks_like_one(run in any::<i64>(), micros in -1_000_000_000_000_000i64..4_000_000_000_000_000, sync in ".{0,20}") {
            let id = RunUuid::of("shop", &sync, run, at(micros)).to_string();
            let parts: Vec<&str> = id.split('-').collect();
            prop_assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
            prop_assert!(parts[2].starts_with('7') && parts[3].starts_with(['8', '9', 'a', 'b']), "{}", id);
        }
    }
}
