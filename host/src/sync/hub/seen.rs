//! What a reading has shown, and whether that proves anything.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use siphasher::sip128::{Hasher128 as _, SipHasher13};

use crate::world::Random;

/// Remote ids that a complete reading has shown.
pub(super) struct Seen {
    ids: RemoteIds,
    /// Whether the reading began at the beginning, was complete, and everything in it could be read.
    pub is_complete: bool,
    pub is_readable: bool,
    from_beginning: bool,
    /// Changes between the last reading and this one may never be shown.
    pub has_gap: bool,
}

impl Seen {
    /// By a reading that goes on where another has ended.
    pub fn of_part(digester: Digester) -> Self {
        Self::new(digester, false)
    }

    pub fn from_beginning(digester: Digester) -> Self {
        Self::new(digester, true)
    }

    fn new(digester: Digester, from_beginning: bool) -> Self {
        Self { ids: RemoteIds::new(digester), is_complete: false, is_readable: true, has_gap: false, from_beginning }
    }

    /// Whether every record was shown, or refused.
    pub fn is_whole(&self) -> bool {
        self.from_beginning && self.is_complete
    }

    /// Whether a record that is not among the ids is gone (Invariant 5).
    pub fn is_proof(&self) -> bool {
        self.is_whole() && self.is_readable
    }

    /// A reading that did not begin at the beginning proves nothing, and nobody will ask.
    pub fn note(&mut self, remote: &[u8]) {
        if self.from_beginning {
            self.ids.insert(remote);
        }
    }

    pub fn has(&self, remote: &[u8]) -> bool {
        self.ids.has(remote)
    }

    pub fn is_empty(&self) -> bool {
        self.ids.digests.is_empty()
    }
}

/// A set of remote ids, each in 16 bytes.
pub(super) struct RemoteIds {
    digester: Digester,
    digests: HashSet<u128, BuildHasherDefault<Uniform>>,
}

impl RemoteIds {
    pub fn new(digester: Digester) -> Self {
        Self { digester, digests: HashSet::default() }
    }

    pub fn insert(&mut self, remote: &[u8]) {
        self.digests.insert(self.digester.digest(remote));
    }

    pub fn has(&self, remote: &[u8]) -> bool {
        self.digests.contains(&self.digester.digest(remote))
    }
}

/// Digests remote ids. With a seed that nobody can guess, no two of them have one digest on purpose: one would hide that the other
/// is gone.
#[derive(Clone, Copy)]
pub(super) struct Digester {
    seed: (u64, u64),
}

impl Digester {
    pub fn new(random: &dyn Random) -> Self {
        Self { seed: (random.next_u64(), random.next_u64()) }
    }

    fn digest(&self, remote: &[u8]) -> u128 {
        let mut hasher = SipHasher13::new_with_keys(self.seed.0, self.seed.1);
        hasher.write(remote);
        hasher.finish128().as_u128()
    }
}

/// Takes digests, which look like chance already, as they are.
#[derive(Default)]
struct Uniform(u64);

impl Hasher for Uniform {
    fn write(&mut self, bytes: &[u8]) {
        let head = bytes.first_chunk().copied().unwrap_or_default();
        self.0 = u64::from_le_bytes(head);
    }

    fn write_u128(&mut self, digest: u128) {
        self.0 = digest as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u64);

    impl Random for Fixed {
        fn next_u64(&self) -> u64 {
            self.0
        }
    }

    #[test]
    fn only_what_was_shown_from_the_beginning_is_remembered() {
        let digester = Digester::new(&Fixed(1));
        let (mut whole, mut part) = (Seen::from_beginning(digester), Seen::of_part(digester));
        for seen in [&mut whole, &mut part] {
            seen.note(b"a");
            seen.is_complete = true;
        }
        assert!(whole.has(b"a") && !whole.has(b"b") && whole.is_proof());
        assert!(part.is_empty() && !part.is_proof());
        whole.is_readable = false;
        assert!(whole.is_whole() && !whole.is_proof());
    }

    #[test]
    fn digests_depend_on_the_seed() {
        assert_ne!(Digester::new(&Fixed(1)).digest(b"a"), Digester::new(&Fixed(2)).digest(b"a"));
    }
}
