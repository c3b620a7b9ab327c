//! What a group that is durable in the target means for the state.

use std::collections::HashSet;

use arrow_array::UInt32Array;

use super::{Delivery, Page, Position};
use crate::connector::{Failure, PageStatus};
use crate::error::codes;
use crate::store::{Counters, CursorUpdate, KeyDigest, NewDeadLetter, PageCommit, Phase, Stage};
use crate::sync::SyncError;
use crate::sync::letters::{self, Failed};
use crate::sync::prepare::Prepared;

impl Delivery {
    /// Stores what the group means for the sync, in one transaction.
    pub(super) fn commit(&mut self) -> Result<(), SyncError> {
        self.renew_known_good()?;
        let group = std::mem::take(&mut self.group);
        let flushed = group.flushed;
        let mut letters: Vec<NewDeadLetter> = Vec::new();
        let (mut written_keys, mut resolved) = (Vec::new(), Vec::new());
        let mut cursor = CursorUpdate::Keep;
        for mut page in group.pages {
            add_counters(&mut self.progress.counters, &page.prepared.counters);
            let refused = self.refused_letters(&page);
            self.progress.counters.rejected += refused.len() as u64;
            let mut waiting = std::mem::take(&mut page.prepared.letters);
            waiting.extend(refused);
            if let Some((letter, key)) = page.prepared.resolves
                && waiting.iter().all(|again| again.key != key)
            {
                // It went through, or waits under a key that has been defined anew.
                resolved.push(letter);
            }
            let written = self.written_keys(&page, &waiting)?;
            self.outdate(&mut letters, |key| written.contains(key) || waiting.iter().any(|letter| letter.key == *key));
            written_keys.extend(written);
            self.advance(&page.prepared, &mut cursor);
            self.progress.open_keys.extend(waiting.iter().map(|letter| letter.key));
            letters.extend(waiting);
        }
        let counters = &mut self.progress.counters;
        counters.written += flushed.written;
        counters.unchanged += flushed.unchanged;
        counters.deleted += flushed.deleted;
        let last = letters.last().map(|letter| letter.cause.message.clone());
        let mut commit =
            PageCommit::new(self.route.run, self.route.caution.world.clock.now(), self.progress.phase, *counters);
        commit.cursor = cursor;
        commit.dead_letters = letters;
        commit.written_keys = written_keys;
        commit.resolved = resolved;
        commit.hold_applied = group.hold_applied;
        if !self.says_nothing(&commit) {
            // Invariant 9: the sink has acknowledged everything the cursor is about to pass.
            self.route.store.commit_page(&commit)?;
            self.progress.phase_stored = self.progress.phase;
        }
        self.route.caution.observer.written(flushed.written + flushed.unchanged + flushed.deleted);
        self.check_dead_letters(0, last.as_deref().unwrap_or_default())
    }

    /// Moves phase and cursor past a page.
    fn advance(&mut self, prepared: &Prepared, cursor: &mut CursorUpdate) {
        let Position::Moving(stored) = &mut self.progress.cursor else { return };
        match prepared.status {
            PageStatus::More if self.progress.phase == Phase::New => self.progress.phase = Phase::InitialLoad,
            PageStatus::More => {}
            status => {
                self.progress.phase = Phase::Steady;
                self.progress.enumerated = status == PageStatus::EnumerationComplete;
            }
        }
        if stored.as_ref() != Some(&prepared.cursor.0) {
            *stored = Some(prepared.cursor.0.clone());
            *cursor = CursorUpdate::Set(prepared.cursor.0.clone());
        }
    }

    /// A run in which nothing changed need not wait for the disk once more: its end says the same.
    fn says_nothing(&self, commit: &PageCommit) -> bool {
        commit.cursor == CursorUpdate::Keep
            && commit.phase == self.progress.phase_stored
            && commit.counters.read == 0
            && commit.dead_letters.is_empty()
            && commit.resolved.is_empty()
            && commit.hold_applied.is_none()
    }

    /// One per record, though several rows may have become of it.
    fn refused_letters(&self, page: &Page) -> Vec<NewDeadLetter> {
        let mut rows = HashSet::new();
        let mut refused: Vec<&(u32, Failure)> = page.refused.iter().collect();
        refused.sort_by_key(|(row, _)| *row);
        let letter = |(row, failure): &(u32, Failure)| {
            let failed = Failed {
                stage: Stage::Write,
                source: &page.prepared.source,
                row: page.prepared.source_row(*row as usize),
                key: &self.route.source_key,
                plugin: Some(&self.route.plugin),
            };
            let mut cause = letters::cause(failure);
            if std::ptr::eq(failure.code, &codes::DATA_MALFORMED) {
                // What a source calls malformed, a sink calls rejected.
                codes::DATA_REJECTED.id.clone_into(&mut cause.code);
            }
            rows.insert(failed.row).then(|| failed.letter(cause))
        };
        refused.into_iter().filter_map(letter).collect()
    }

    /// Letters of records that failed earlier in this group, and of whose keys there is newer word.
    fn outdate(&mut self, letters: &mut Vec<NewDeadLetter>, is_newer: impl Fn(&KeyDigest) -> bool) {
        let before = letters.len();
        letters.retain(|letter| !is_newer(&letter.key));
        let outdated = (before - letters.len()) as u64;
        self.progress.counters.rejected -= outdated;
        self.progress.counters.duplicates += outdated;
    }

    /// Keys whose dead letter this page outdates: those it says something about that does not wait itself, be it written, dropped
    /// or ignored. Only looked for where there are open letters at all.
    fn written_keys(&self, page: &Page, waiting: &[NewDeadLetter]) -> Result<Vec<KeyDigest>, SyncError> {
        if self.progress.open_keys.is_empty() || page.prepared.resolves.is_some() {
            return Ok(Vec::new());
        }
        let waiting: HashSet<KeyDigest> = waiting.iter().map(|letter| letter.key).collect();
        let keys = letters::key_digests(&page.prepared.read.data, &self.route.source_key);
        let mut keys = keys.map_err(|error| SyncError::batch(&self.route.caution.sync, error))?;
        keys.retain(|key| self.progress.open_keys.contains(key) && !waiting.contains(key));
        Ok(keys)
    }

    /// Remembers a row of the group's last page as one the target holds.
    fn renew_known_good(&mut self) -> Result<(), SyncError> {
        let Some(page) = self.group.pages.last().filter(|page| page.refused.is_empty()) else { return Ok(()) };
        let Some(key) = page.prepared.keys.first().copied() else { return Ok(()) };
        let first = page.prepared.mapped.take(&UInt32Array::from(vec![0]));
        self.known_good = Some((key, first.map_err(|error| SyncError::batch(&self.route.caution.sync, error))?));
        Ok(())
    }
}

fn add_counters(total: &mut Counters, more: &Counters) {
    total.read += more.read;
    total.unchanged += more.unchanged;
    total.rejected += more.rejected;
    total.duplicates += more.duplicates;
    total.pages += more.pages;
    total.bytes += more.bytes;
}
