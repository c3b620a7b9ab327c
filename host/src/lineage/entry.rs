//! One entry and its bytes.

use crate::record::{
    Value, read_byte, read_bytes, read_count, read_int, read_value, write_bytes, write_count, write_int, write_value,
};
use crate::resolve::Verdict;

/// The form of the bytes; the first of them.
const FORM: u8 = 1;

/// Declares kinds with the numbers they are stored by and their names.
macro_rules! kinds {
    ($($(#[doc = $doc:literal])* $kind:ident = $code:literal $name:literal,)*) => {
        /// What an entry tells of.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum EntryKind { $($(#[doc = $doc])* $kind = $code),* }

        impl EntryKind {
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => $name),* }
            }

            fn from_code(code: u8) -> Option<Self> {
                Self::ALL.iter().copied().find(|kind| *kind as u8 == code)
            }
        }
    };
}

kinds! {
    /// An endpoint made the record known.
    Created = 0 "created",
    /// An endpoint's record was found to be this one.
    Linked = 1 "linked",
    /// An endpoint changed it.
    Changed = 2 "changed",
    /// An endpoint deleted it.
    Deleted = 3 "deleted",
    /// It lives again.
    Revived = 4 "revived",
    /// An endpoint was given a new record.
    WroteNew = 5 "wrote new",
    /// An endpoint was given values.
    Wrote = 6 "wrote",
    /// An endpoint's record was deleted.
    WroteDelete = 7 "wrote delete",
    /// An endpoint's record is no longer kept in agreement.
    Unlinked = 8 "unlinked",
    /// A person set values.
    Person = 9 "person",
    /// A run was taken back.
    Rollback = 10 "rollback",
    /// An endpoint shows values in a form of its own.
    Form = 11 "form",
    /// A person said that two records are one.
    Merged = 12 "merged",
}

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub kind: EntryKind,
    /// The endpoint's id; 0 = none.
    pub endpoint: i64,
    /// The entry before this one about the same record; 0 = none.
    pub previous: i64,
    /// When the endpoint says it happened: microseconds since 1970.
    pub at: Option<i64>,
    pub items: Vec<Item>,
    /// Anything else worth telling.
    pub note: String,
}

/// What happened to one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub field: usize,
    pub verdict: Option<Verdict>,
    /// What the change was made to; only where there was a collision.
    pub base: Option<Value>,
    /// What was agreed before.
    pub before: Option<Value>,
    /// What came in; none if it is what is agreed now.
    pub incoming: Option<Value>,
    /// What is agreed, or was written.
    pub after: Option<Value>,
}

impl Entry {
    pub fn new(kind: EntryKind, endpoint: i64, previous: i64) -> Self {
        Self { kind, endpoint, previous, at: None, items: Vec::new(), note: String::new() }
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(32 + self.items.len() * 24);
        out.push(FORM);
        out.push(self.kind as u8);
        write_int(&mut out, self.endpoint);
        write_int(&mut out, self.previous);
        out.push(u8::from(self.at.is_some()));
        if let Some(at) = self.at {
            write_int(&mut out, at);
        }
        write_bytes(&mut out, self.note.as_bytes());
        write_count(&mut out, self.items.len() as u64);
        for item in &self.items {
            write_count(&mut out, item.field as u64);
            out.push(item.verdict.map_or(0, |verdict| 1 + verdict as u8));
            [&item.base, &item.before, &item.incoming, &item.after]
                .into_iter()
                .for_each(|value| write_option(&mut out, value));
        }
        out
    }

    /// None if the bytes are not an entry.
    pub fn decode(mut bytes: &[u8]) -> Option<Self> {
        let bytes = &mut bytes;
        if read_byte(bytes)? != FORM {
            return None;
        }
        let kind = EntryKind::from_code(read_byte(bytes)?)?;
        let mut entry = Self::new(kind, read_int(bytes)?, read_int(bytes)?);
        if read_byte(bytes)? == 1 {
            entry.at = Some(read_int(bytes)?);
        }
        entry.note = String::from_utf8(read_bytes(bytes)?.to_vec()).ok()?;
        for _ in 0..read_count(bytes)? {
            let field = usize::try_from(read_count(bytes)?).ok()?;
            let verdict = match read_byte(bytes)? {
                0 => None,
                code => Some(Verdict::ALL.iter().copied().find(|verdict| *verdict as u8 + 1 == code)?),
            };
            entry.items.push(Item {
                field,
                verdict,
                base: read_option(bytes)?,
                before: read_option(bytes)?,
                incoming: read_option(bytes)?,
                after: read_option(bytes)?,
            });
        }
        Some(entry)
    }
}

/// Higher than every tag of a value.
const NONE: u8 = 0xff;

fn write_option(out: &mut Vec<u8>, value: &Option<Value>) {
    match value {
        Some(value) => write_value(out, value),
        None => out.push(NONE),
    }
}

fn read_option(bytes: &mut &[u8]) -> Option<Option<Value>> {
    if let Some((&NONE, rest)) = bytes.split_first() {
        *bytes = rest;
        return Some(None);
    }
    read_value(bytes).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            kind in prop::sample::select(EntryKind::ALL),
            (endpoint, previous, at, note) in any::<(i64, i64, Option<i64>, String)>(),
            items in prop::collection::vec((0usize..9, prop::option::of(prop::sample::select(Verdict::ALL)), any::<[Option<i64>; 4]>()), 0..5),
        ) {
            let items = items.into_iter().map(|(field, verdict, values)| {
                let [base, before, incoming, after] = values.map(|value| value.map(Value::Int));
                Item { field, verdict, base, before, incoming, after }
            });
            let entry = Entry { kind, endpoint, previous, at, items: items.collect(), note };
            prop_assert_eq!(Entry::decode(&entry.encode()), Some(entry));
        }

        #[test]
        fn nonsense_is_no_entry(bytes in prop::collection::vec(any::<u8>(), 0..50)) {
            let _ = Entry::decode(&bytes);
        }
    }
}
