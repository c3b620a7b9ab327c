//! What happened, event by event: a running hash of all of it, and the words of the last events or of all.

use std::collections::VecDeque;
use std::collections::hash_map::DefaultHasher;
use std::fmt::Write as _;
use std::hash::Hasher as _;

use crate::plan::{DAY, HOUR, MINUTE, SECOND};

/// How many events before a failure are shown.
const TAIL: usize = 60;

pub struct Trace {
    hasher: DefaultHasher,
    lines: VecDeque<String>,
    keep: usize,
    has_words: bool,
    pub events: u64,
}

impl Trace {
    /// Words cost time: they are kept only when a seed is looked at.
    pub fn new(has_words: bool) -> Self {
        let keep = if has_words { usize::MAX } else { TAIL };
        Self { hasher: DefaultHasher::new(), lines: VecDeque::new(), keep, has_words, events: 0 }
    }

    /// An event: what kind, numbers that tell it apart, and words for people.
    pub fn event(&mut self, at: i64, kind: &'static str, numbers: &[i64], words: impl FnOnce() -> String) {
        self.events += 1;
        self.hasher.write_i64(at);
        self.hasher.write(kind.as_bytes());
        numbers.iter().for_each(|number| self.hasher.write_i64(*number));
        self.note(at, kind, words);
    }

    /// Something for people only.
    pub fn note(&mut self, at: i64, kind: &'static str, words: impl FnOnce() -> String) {
        if self.has_words {
            if self.lines.len() >= self.keep {
                self.lines.pop_front();
            }
            self.lines.push_back(format!("{} {kind:<9} {}", time(at), words()));
        }
    }

    pub fn hash(&self) -> u64 {
        self.hasher.finish()
    }

    pub fn all(&self) -> Vec<String> {
        self.lines.iter().cloned().collect()
    }

    pub fn tail(&self) -> Vec<String> {
        self.lines.iter().skip(self.lines.len().saturating_sub(TAIL)).cloned().collect()
    }
}

/// `3d 04:05:06.123`.
pub fn time(at: i64) -> String {
    let mut text = String::new();
    let (days, rest) = (at / DAY, at % DAY);
    let (hours, minutes) = (rest / HOUR, rest % HOUR / MINUTE);
    let (seconds, millis) = (rest % MINUTE / SECOND, rest % SECOND / 1000);
    let _ = write!(text, "{days}d {hours:02}:{minutes:02}:{seconds:02}.{millis:03}");
    text
}
