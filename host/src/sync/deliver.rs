//! The delivering stage: pages go to the sink in groups; a group that is durable in the target is then made durable in the state,
//! cursor and dead letters together, never the other way round (Invariant 9).
//!
//! Writes are idempotent by key, so whatever is unsure is simply written again. A group that fails is repeated, or taken apart
//! until the rows at fault stand alone.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::UInt32Array;

use super::bisect::{Bisection, Halved, is_about_rows};
use super::error::SyncError;
use super::letters::{self, Failed};
use super::observe::Observer;
use super::prepare::Prepared;
use super::retry::{Patience, Verdict};
use crate::connector::{Failure, FailureKind, Flushed, PageStatus, Sink, WriteMode, WriteRequest, WriteStatus, Writer};
use crate::error::codes;
use crate::record::{Changes, Digest, Properties, Stream, split_uniform};
use crate::store::{
    Counters, CursorUpdate, HoldId, KeyDigest, NewDeadLetter, PageCommit, Phase, PluginUse, RunId, Stage, Store,
};
use crate::world::World;

/// Bytes of a group: enough rows for a merge to be worth its price, little enough to keep in memory for a repetition.
const GROUP_BYTES: usize = 24 << 20;
/// A slow source's pages are made durable at least this often.
const GROUP_TIME: Duration = Duration::from_secs(5);

/// How many pages become durable together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grouping {
    pub bytes: usize,
    pub time: Duration,
}

impl Default for Grouping {
    fn default() -> Self {
        Self { bytes: GROUP_BYTES, time: GROUP_TIME }
    }
}

/// Where a delivery goes, and on whose behalf.
pub(super) struct Route {
    pub sync: String,
    pub sink: Arc<dyn Sink>,
    pub plugin: PluginUse,
    pub target: Stream,
    pub source_key: Vec<String>,
    pub store: Arc<dyn Store>,
    pub run: RunId,
    pub world: World,
    pub observer: Arc<dyn Observer>,
    pub dead_letters_max: u64,
    pub grouping: Grouping,
}

/// Delivers to one target.
pub(super) struct Delivery {
    pub progress: Progress,
    route: Route,
    mode: WriteMode,
    writer: Option<Box<dyn Writer>>,
    group: Group,
    patience: Patience,
}

/// What is known of the sync so far; becomes durable with each group.
pub(super) struct Progress {
    pub counters: Counters,
    pub phase: Phase,
    /// Keys with an open dead letter.
    pub open_keys: HashSet<KeyDigest>,
    /// What the store has; a commit that adds nothing to it is left out.
    pub phase_stored: Phase,
    /// The position that is stored, and whether pages move it.
    pub cursor: Position,
    /// Whether a reading was complete, from the beginning to the end.
    pub enumerated: bool,
}

/// What pages do to the stored cursor.
pub(super) enum Position {
    /// They move it; it stands here.
    Moving(Option<Vec<u8>>),
    /// They come from somewhere else and leave it alone.
    Fixed,
}

/// Pages that are written but not yet durable.
#[derive(Default)]
struct Group {
    pages: Vec<Page>,
    keys: HashSet<Digest>,
    bytes: usize,
    since: Option<Duration>,
    hold_applied: Option<HoldId>,
}

struct Page {
    prepared: Prepared,
    /// Rows the sink did not take, by their place in the mapped page.
    refused: Vec<(u32, Failure)>,
    /// Rows the sink wants to be given once more, and its words about them.
    again: Vec<(u32, Failure)>,
}

/// How a failed group was saved.
enum Saved {
    /// It was written once more and has to be flushed.
    Written,
    /// It is durable, but for the rows at fault.
    Durable(Flushed),
}

impl Delivery {
    pub fn new(route: Route, mode: WriteMode, progress: Progress) -> Self {
        let (group, patience) = (Group::default(), Patience::default());
        Self { progress, route, mode, writer: None, group, patience }
    }

    /// Takes a page. It is durable once [`Delivery::flush`] has returned, which happens here when the group is full.
    pub async fn take(&mut self, prepared: Prepared) -> Result<(), SyncError> {
        if prepared.keys.iter().any(|key| self.group.keys.contains(key)) {
            // A sink is never given a key twice between two flushes: the later record must win, whatever the sink does.
            self.flush().await?;
        }
        self.group.since.get_or_insert_with(|| self.route.world.clock.elapsed());
        self.group.bytes += prepared.mapped.data.bytes();
        self.group.keys.extend(prepared.keys.iter().copied());
        let written = self.write(&prepared.mapped).await;
        self.group.pages.push(Page { prepared, refused: Vec::new(), again: Vec::new() });
        match written {
            Ok(results) => self.note_results(self.group.pages.len() - 1, results),
            Err(failure) => {
                if let Saved::Durable(flushed) = self.save(failure).await? {
                    return self.settle(flushed).await;
                }
            }
        }
        let waited =
            self.group.since.map_or(Duration::ZERO, |since| self.route.world.clock.elapsed().saturating_sub(since));
        let Grouping { bytes, time } = self.route.grouping;
        if self.group.bytes >= bytes || waited >= time { self.flush().await } else { Ok(()) }
    }

    /// A hold that counts as applied once what was taken is durable.
    pub fn applies_hold(&mut self, hold: HoldId) {
        self.group.hold_applied = Some(hold);
    }

    /// Makes everything taken so far durable, in the target first and then in the state.
    pub async fn flush(&mut self) -> Result<(), SyncError> {
        if self.group.pages.is_empty() && self.group.hold_applied.is_none() {
            return Ok(());
        }
        loop {
            let Some(writer) = &mut self.writer else { return self.settle(Flushed::default()).await };
            match writer.flush().await {
                Ok(flushed) => return self.settle(flushed).await,
                Err(failure) => {
                    if let Saved::Durable(flushed) = self.save(failure).await? {
                        return self.settle(flushed).await;
                    }
                }
            }
        }
    }

    /// Writes rows, a uniform part at a time. Answers the rows that did not go through, by their place in `changes`.
    async fn write(&mut self, changes: &Changes) -> Result<Vec<(u32, WriteStatus, Failure)>, Failure> {
        let mut troubles = Vec::new();
        if changes.rows() == 0 {
            return Ok(troubles);
        }
        let parts = split_uniform(changes, &self.route.target.key).map_err(|error| own_failure(&error.to_string()))?;
        for part in &parts {
            let results = self.writer().await?.write(&part.changes).await?;
            let Some(statuses) = results.statuses else { continue };
            for (row, status) in statuses.into_iter().enumerate().filter(|(_, status)| *status != WriteStatus::Ok) {
                let error =
                    results.errors.iter().find(|error| error.row as usize == row).map(|error| error.error.clone());
                let error = error.unwrap_or_else(|| refusal_without_words(&self.route.plugin.label));
                troubles.push((part.row(row) as u32, status, error));
            }
        }
        Ok(troubles)
    }

    async fn writer(&mut self) -> Result<&mut Box<dyn Writer>, Failure> {
        match &mut self.writer {
            Some(writer) => Ok(writer),
            empty => {
                let request =
                    WriteRequest { stream: self.route.target.clone(), mode: self.mode, options: Properties::default() };
                Ok(empty.insert(self.route.sink.open(request).await?))
            }
        }
    }

    fn note_results(&mut self, page: usize, results: Vec<(u32, WriteStatus, Failure)>) {
        let Some(page) = self.group.pages.get_mut(page) else { return };
        for (row, status, failure) in results {
            match status {
                WriteStatus::Ok => {}
                WriteStatus::Retry | WriteStatus::Unknown => page.again.push((row, failure)),
                WriteStatus::Conflict | WriteStatus::Rejected => page.refused.push((row, failure)),
            }
        }
    }

    /// Saves a group whose writing failed.
    async fn save(&mut self, failure: Failure) -> Result<Saved, SyncError> {
        let mut failure = failure;
        loop {
            self.writer = None;
            if self.mode == WriteMode::Load && failure.kind == FailureKind::Conflict {
                self.route.observer.note("the target already holds some of these records: merging by key from here on");
                self.mode = WriteMode::Upsert;
            } else if is_about_rows(&failure) {
                return self.isolate().await.map(Saved::Durable);
            } else {
                self.wait_or_give_up(failure).await?;
            }
            match self.write_group_again().await {
                Ok(()) => return Ok(Saved::Written),
                Err(next) => failure = next,
            }
        }
    }

    async fn wait_or_give_up(&mut self, failure: Failure) -> Result<(), SyncError> {
        match self.patience.judge(&failure, &self.route.world) {
            Verdict::GiveUp => Err(SyncError::after_retries(&self.route.sync, failure)),
            Verdict::Wait(wait) => {
                self.route.observer.note(&format!("trying again in {:.1} s: {failure}", wait.as_secs_f64()));
                self.route.world.clock.sleep(wait).await;
                Ok(())
            }
        }
    }

    async fn write_group_again(&mut self) -> Result<(), Failure> {
        for page in 0..self.group.pages.len() {
            let Some(entry) = self.group.pages.get_mut(page) else { break };
            entry.refused.clear();
            entry.again.clear();
            let mapped = entry.prepared.mapped.clone();
            let results = self.write(&mapped).await?;
            self.note_results(page, results);
        }
        Ok(())
    }

    /// Takes the group apart until every row is either durable or known to be at fault.
    async fn isolate(&mut self) -> Result<Flushed, SyncError> {
        self.route.observer.phase("looking for the records at fault");
        // Parts of the group may be durable already, so nothing may be assumed to be new.
        self.mode = WriteMode::Upsert;
        let mut total = Flushed::default();
        for page in 0..self.group.pages.len() {
            let Some(entry) = self.group.pages.get_mut(page) else { break };
            entry.refused.clear();
            entry.again.clear();
            let mapped = entry.prepared.mapped.clone();
            let rows = (0..mapped.rows() as u32).collect();
            self.isolate_rows(page, &mapped, rows, &mut total).await?;
        }
        Ok(total)
    }

    async fn isolate_rows(
        &mut self,
        page: usize,
        mapped: &Changes,
        rows: Vec<u32>,
        total: &mut Flushed,
    ) -> Result<(), SyncError> {
        let mut bisection = Bisection::new(rows);
        while let Some(rows) = bisection.next() {
            let part = mapped
                .take(&UInt32Array::from(rows.clone()))
                .map_err(|error| SyncError::batch(&self.route.sync, error))?;
            match self.write_and_flush(&part).await {
                Ok((flushed, results)) => {
                    bisection.passed();
                    if results.iter().filter(|(_, status, _)| is_put_off(*status)).count() < rows.len() {
                        self.patience.progress();
                    }
                    add(total, flushed);
                    let row_of = |row: u32| rows.get(row as usize).copied().unwrap_or(0);
                    let results = results.into_iter().map(|(row, status, failure)| (row_of(row), status, failure));
                    self.note_results(page, results.collect());
                }
                Err(failure) if is_about_rows(&failure) => {
                    self.writer = None;
                    match bisection.failed(rows, &failure) {
                        Halved::Again => {}
                        Halved::Culprit(row) => self.refuse(page, row, failure)?,
                        Halved::Hopeless => return Err(SyncError::after_retries(&self.route.sync, failure)),
                    }
                }
                Err(failure) => {
                    self.writer = None;
                    self.wait_or_give_up(failure).await?;
                    bisection.again(rows);
                }
            }
        }
        Ok(())
    }

    async fn write_and_flush(
        &mut self,
        changes: &Changes,
    ) -> Result<(Flushed, Vec<(u32, WriteStatus, Failure)>), Failure> {
        let results = self.write(changes).await?;
        let flushed = self.writer().await?.flush().await?;
        Ok((flushed, results))
    }

    fn refuse(&mut self, page: usize, row: u32, failure: Failure) -> Result<(), SyncError> {
        let last = failure.to_string();
        if let Some(page) = self.group.pages.get_mut(page) {
            page.refused.push((row, failure));
        }
        let refused: usize = self.group.pages.iter().map(|page| page.refused.len() + page.prepared.letters.len()).sum();
        self.check_dead_letters(refused as u64, &last)
    }

    fn check_dead_letters(&self, more: u64, last: &str) -> Result<(), SyncError> {
        if self.progress.counters.rejected + more <= self.route.dead_letters_max {
            return Ok(());
        }
        Err(SyncError::DeadLettersFull {
            sync: self.route.sync.clone(),
            max: self.route.dead_letters_max,
            last: last.to_owned(),
        })
    }

    /// The group is durable in the target: what the sink wants again is given again, and then the state follows.
    async fn settle(&mut self, flushed: Flushed) -> Result<(), SyncError> {
        self.patience.progress();
        let mut total = flushed;
        for page in 0..self.group.pages.len() {
            self.give_again(page, &mut total).await?;
        }
        self.commit(total)
    }

    /// Rows the sink put off or does not know the outcome of are written again, which does no harm. Those it puts off for ever,
    /// while others go through, wait for a person; if it puts off everything, the trouble is not theirs.
    async fn give_again(&mut self, page: usize, total: &mut Flushed) -> Result<(), SyncError> {
        loop {
            let taken: usize = self.group.pages.iter().map(|page| page.prepared.mapped.rows() - page.again.len()).sum();
            let Some(entry) = self.group.pages.get_mut(page) else { return Ok(()) };
            let again = std::mem::take(&mut entry.again);
            let Some((_, words)) = again.last() else { return Ok(()) };
            let put_off = Failure::new(
                FailureKind::Transient,
                &codes::PLUGIN_ERROR,
                &self.route.plugin.label,
                format!("{} records were put off by the target: {}", again.len(), words.message),
            );
            match self.wait_or_give_up(put_off).await {
                Ok(()) => {}
                Err(_) if taken > 0 => {
                    for (row, failure) in again {
                        self.refuse(page, row, failure)?;
                    }
                    self.patience.progress();
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
            let Some(entry) = self.group.pages.get(page) else { return Ok(()) };
            let mapped = entry.prepared.mapped.clone();
            self.isolate_rows(page, &mapped, again.into_iter().map(|(row, _)| row).collect(), total).await?;
        }
    }

    /// Stores what the group means for the sync, in one transaction.
    fn commit(&mut self, flushed: Flushed) -> Result<(), SyncError> {
        let group = std::mem::take(&mut self.group);
        let mut letters: Vec<NewDeadLetter> = Vec::new();
        let (mut written_keys, mut resolved) = (Vec::new(), Vec::new());
        let mut cursor = CursorUpdate::Keep;
        for page in group.pages {
            add_counters(&mut self.progress.counters, &page.prepared.counters);
            let refused = self.refused_letters(&page);
            self.progress.counters.rejected += refused.len() as u64;
            let written = self.written_keys(&page);
            if let Some(letter) =
                page.prepared.resolves.filter(|_| refused.is_empty() && page.prepared.letters.is_empty())
            {
                resolved.push(letter);
            }
            // A record that failed earlier in this group and has gone through since needs nobody's attention.
            letters.retain(|letter| !written.contains(&letter.key));
            written_keys.extend(written);
            self.advance(&page.prepared, &mut cursor);
            letters.extend(page.prepared.letters);
            letters.extend(refused);
            self.progress.open_keys.extend(letters.iter().map(|letter| letter.key));
        }
        let counters = &mut self.progress.counters;
        counters.written += flushed.written;
        counters.unchanged += flushed.unchanged;
        counters.deleted += flushed.deleted;
        let last = letters.last().map(|letter| letter.cause.message.clone());
        let mut commit = PageCommit::new(self.route.run, self.route.world.clock.now(), self.progress.phase, *counters);
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
        self.route.observer.written(flushed.written + flushed.unchanged + flushed.deleted);
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

    fn refused_letters(&self, page: &Page) -> Vec<NewDeadLetter> {
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
            failed.letter(cause)
        };
        page.refused.iter().map(letter).collect()
    }

    /// Keys whose dead letter this page outdates. Only looked for where there are open letters at all.
    fn written_keys(&self, page: &Page) -> Vec<KeyDigest> {
        if self.progress.open_keys.is_empty() || page.prepared.resolves.is_some() {
            return Vec::new();
        }
        let prepared = &page.prepared;
        let refused: HashSet<u32> = page.refused.iter().map(|(row, _)| *row).collect();
        let key = &self.route.source_key;
        (0..prepared.mapped.rows())
            .filter(|row| !refused.contains(&(*row as u32)))
            .map(|row| letters::key_digest(&prepared.source.data, prepared.source_row(row), key))
            .filter(|digest| self.progress.open_keys.contains(digest))
            .collect()
    }
}

fn add(total: &mut Flushed, more: Flushed) {
    total.written += more.written;
    total.unchanged += more.unchanged;
    total.deleted += more.deleted;
}

fn add_counters(total: &mut Counters, more: &Counters) {
    total.read += more.read;
    total.rejected += more.rejected;
    total.duplicates += more.duplicates;
    total.pages += more.pages;
    total.bytes += more.bytes;
}

fn own_failure(message: &str) -> Failure {
    Failure::new(FailureKind::Other, &codes::INTERNAL, "lockstep", message)
}

fn is_put_off(status: WriteStatus) -> bool {
    matches!(status, WriteStatus::Retry | WriteStatus::Unknown)
}

fn refusal_without_words(plugin: &str) -> Failure {
    let message = "the target refused the record and did not say why";
    Failure::new(FailureKind::InvalidData, &codes::DATA_REJECTED, plugin, message)
}
