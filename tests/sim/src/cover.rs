//! Which fault has met which operation, and at which points processes have died: a run of many seeds that has not seen all of it
//! proves less than it seems to.

use std::fmt::Write as _;

/// What may happen to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Mark {
    Fine,
    LostRequest,
    LostAnswer,
    RateLimit,
    RetryAfter,
    ServerError,
    PluginFault,
    Down,
    CommitTimeout,
    PartialBulk,
    RowRetry,
    RowUnknownDone,
    RowUnknownLost,
    RowConflict,
    RowRefused,
    BatchRefused,
    Stale,
    Duplicate,
    Shuffled,
    PartialRecord,
    Tombstone,
    Expired,
    Blank,
    Incomplete,
    Form,
    CrashBefore,
    CrashAfter,
    ZombieBefore,
    ZombieAfter,
}

/// What is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Op {
    Discover,
    OpenFull,
    OpenChanges,
    PageFull,
    PageChanges,
    Lookup,
    Describe,
    Prepare,
    OpenWriter,
    Insert,
    Update,
    Upsert,
    Delete,
    Flush,
    BeginRun,
    OpenHub,
    Commit,
    FinishRun,
    Person,
}

const MARKS: usize = Mark::ZombieAfter as usize + 1;
const OPS: usize = Op::Person as usize + 1;

const MARK_NAMES: [&str; MARKS] = [
    "fine",
    "lost request",
    "lost answer",
    "rate limit",
    "retry-after",
    "server error",
    "plugin fault",
    "down",
    "commit time-out",
    "partial bulk",
    "row: retry",
    "row: unknown, done",
    "row: unknown, lost",
    "row: conflict",
    "row: refused",
    "batch refused",
    "stale",
    "duplicate",
    "shuffled",
    "partial record",
    "tombstone",
    "expired",
    "blank",
    "incomplete",
    "form",
    "crash before",
    "crash after",
    "zombie before",
    "zombie after",
];

const OP_NAMES: [&str; OPS] = [
    "discover",
    "open full",
    "open changes",
    "page full",
    "page changes",
    "lookup",
    "describe",
    "prepare",
    "open writer",
    "insert",
    "update",
    "upsert",
    "delete",
    "flush",
    "begin run",
    "open hub",
    "commit",
    "finish run",
    "person",
];

const PAGES: &[Op] = &[Op::PageFull, Op::PageChanges];
const CALLS: &[Op] = &[
    Op::Discover,
    Op::OpenFull,
    Op::OpenChanges,
    Op::PageFull,
    Op::PageChanges,
    Op::Lookup,
    Op::Describe,
    Op::OpenWriter,
    Op::Insert,
    Op::Update,
    Op::Delete,
    Op::Flush,
];
const ROWS: &[Op] = &[Op::Insert, Op::Update, Op::Delete];
const STORE: &[Op] = &[Op::BeginRun, Op::OpenHub, Op::Commit, Op::FinishRun];

/// What has to be seen.
const EXPECTED: &[(Mark, &[Op])] = &[
    (Mark::Fine, CALLS),
    (Mark::Fine, STORE),
    (Mark::Fine, &[Op::Upsert]),
    (Mark::LostRequest, CALLS),
    (Mark::LostAnswer, CALLS),
    (Mark::RateLimit, CALLS),
    (Mark::RetryAfter, CALLS),
    (Mark::ServerError, CALLS),
    (Mark::PluginFault, CALLS),
    // A run begins by asking what is there: whoever cannot be reached is left out of the rest.
    (Mark::Down, &[Op::Discover, Op::Describe]),
    (Mark::CommitTimeout, &[Op::Flush]),
    (Mark::PartialBulk, &[Op::Flush, Op::Insert, Op::Update]),
    (Mark::RowRetry, ROWS),
    (Mark::RowUnknownDone, ROWS),
    (Mark::RowUnknownLost, ROWS),
    (Mark::RowConflict, ROWS),
    (Mark::RowRefused, &[Op::Insert, Op::Update]),
    (Mark::BatchRefused, &[Op::Insert, Op::Update]),
    (Mark::Stale, PAGES),
    (Mark::Stale, &[Op::Lookup]),
    (Mark::Duplicate, PAGES),
    (Mark::Shuffled, PAGES),
    (Mark::PartialRecord, &[Op::PageChanges]),
    (Mark::Tombstone, &[Op::PageChanges]),
    (Mark::Expired, &[Op::OpenChanges]),
    (Mark::Blank, &[Op::PageFull]),
    (Mark::Incomplete, &[Op::PageFull]),
    (Mark::Form, &[Op::Insert, Op::Update]),
    (Mark::CrashBefore, CALLS),
    (Mark::CrashAfter, CALLS),
    (Mark::CrashBefore, STORE),
    (Mark::CrashAfter, STORE),
    (Mark::ZombieBefore, &[Op::Insert, Op::Update, Op::Flush, Op::PageChanges, Op::Lookup]),
    (Mark::ZombieAfter, &[Op::Insert, Op::Update, Op::Flush, Op::PageChanges, Op::Lookup]),
];

/// How often what was seen.
#[derive(Clone, Debug)]
pub struct Coverage(Vec<u64>);

impl Default for Coverage {
    fn default() -> Self {
        Self(vec![0; MARKS * OPS])
    }
}

impl Coverage {
    pub fn hit(&mut self, mark: Mark, op: Op) {
        self.0[mark as usize * OPS + op as usize] += 1;
    }

    pub fn count(&self, mark: Mark, op: Op) -> u64 {
        self.0[mark as usize * OPS + op as usize]
    }

    pub fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(sum, count)| *sum += count);
    }

    /// What should have been seen and was not.
    pub fn missing(&self) -> Vec<String> {
        EXPECTED
            .iter()
            .flat_map(|(mark, ops)| ops.iter().map(move |op| (*mark, *op)))
            .filter(|(mark, op)| self.count(*mark, *op) == 0)
            .map(|(mark, op)| format!("{} × {}", MARK_NAMES[mark as usize], OP_NAMES[op as usize]))
            .collect()
    }

    /// One line per fault: operations with counts.
    pub fn table(&self) -> String {
        let mut text = String::new();
        for (mark, name) in MARK_NAMES.iter().enumerate() {
            let seen = (0..OPS).filter(|op| self.0[mark * OPS + op] > 0);
            let counts: Vec<String> = seen.map(|op| format!("{} {}", OP_NAMES[op], self.0[mark * OPS + op])).collect();
            let _ = writeln!(text, "{name:<20} {}", counts.join(", "));
        }
        text
    }
}
