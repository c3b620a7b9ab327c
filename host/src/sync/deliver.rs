//! The delivering stage: pages go to the sink in groups; a group that is durable in the target is then made durable in the state,
//! cursor and dead letters together, never the other way round (Invariant 9).
//!
//! Writes are idempotent by key, so whatever is unsure is simply written again. A group that fails is repeated, or taken apart
//! until the rows at fault stand alone.

mod commit;
mod save;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::bisect::Suspects;
use super::error::SyncError;
use super::prepare::Prepared;
use super::retry::{Caution, Patience};
use crate::connector::{Failure, FailureKind, Flushed, Sink, WriteMode, WriteRequest, WriteStatus, Writer};
use crate::error::codes;
use crate::record::{Changes, Digest, Properties, Stream, split_uniform};
use crate::store::{Counters, HoldId, KeyDigest, Phase, PluginUse, RunId, Store};

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
    pub caution: Caution,
    pub sink: Arc<dyn Sink>,
    pub plugin: PluginUse,
    pub target: Stream,
    pub source_key: Vec<String>,
    pub store: Arc<dyn Store>,
    pub run: RunId,
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
    /// A row the target holds as it is, and its key: writing it once more shows whether the plugin works at all.
    known_good: Option<(Digest, Changes)>,
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
    /// What became durable in the target while the group was taken apart.
    flushed: Flushed,
    /// Whether rows were written that no flush has confirmed.
    is_pending: bool,
    /// Page and row of rows that broke the plugin.
    suspects: Suspects<(usize, u32)>,
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
#[derive(Clone, Copy, PartialEq, Eq)]
enum Saved {
    /// It was written once more and has to be flushed.
    Written,
    /// It is durable, but for the rows at fault.
    Durable,
    /// The plugin has done nothing but break so far: what follows will show whether that is the rows' fault.
    Unsure,
}

impl Page {
    /// Records of this page that wait.
    fn letters(&self) -> u64 {
        (self.refused.len() + self.prepared.letters.len()) as u64
    }
}

impl Delivery {
    pub fn new(route: Route, mode: WriteMode, progress: Progress) -> Self {
        let (group, patience) = (Group::default(), Patience::default());
        Self { progress, route, mode, writer: None, group, patience, known_good: None }
    }

    /// Takes a page. It is durable once [`Delivery::flush`] has returned, which happens here when the group is full.
    pub async fn take(&mut self, prepared: Prepared) -> Result<(), SyncError> {
        if prepared.keys.iter().any(|key| self.group.keys.contains(key)) {
            // A sink is never given a key twice between two flushes: the later record must win, whatever the sink does.
            self.flush().await?;
        }
        if self.known_good.as_ref().is_some_and(|(key, _)| prepared.keys.contains(key)) {
            self.known_good = None;
        }
        self.group.since.get_or_insert_with(|| self.route.caution.world.clock.elapsed());
        self.group.bytes += prepared.mapped.data.bytes();
        self.group.keys.extend(prepared.keys.iter().copied());
        let written = self.write(&prepared.mapped).await;
        self.group.pages.push(Page { prepared, refused: Vec::new(), again: Vec::new() });
        match written {
            Ok(results) => self.note_results(self.group.pages.len() - 1, results),
            Err(failure) => {
                if self.save(failure).await? == Saved::Durable {
                    return self.settle().await;
                }
            }
        }
        if self.is_full() { self.flush().await } else { Ok(()) }
    }

    /// Whether it is time to make the group durable: for its bytes, its age, or the dead letters in it.
    fn is_full(&self) -> bool {
        let letters: u64 = self.group.pages.iter().map(Page::letters).sum();
        self.group.bytes >= self.route.grouping.bytes
            || self.time_left().is_some_and(|time| time.is_zero())
            || self.progress.counters.rejected + letters > self.route.dead_letters_max
    }

    /// When the group has to be durable; none if there is none.
    pub fn time_left(&self) -> Option<Duration> {
        let waited = self.route.caution.world.clock.elapsed().saturating_sub(self.group.since?);
        Some(self.route.grouping.time.saturating_sub(waited))
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
        while let (Some(writer), true) = (&mut self.writer, self.group.is_pending) {
            match writer.flush().await {
                Ok(flushed) => {
                    self.group.is_pending = false;
                    add(&mut self.group.flushed, flushed);
                    self.convict()?;
                }
                Err(failure) => {
                    self.save(failure).await?;
                }
            }
        }
        self.settle().await
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
            let mut errors: HashMap<u32, Failure> =
                results.errors.into_iter().map(|error| (error.row, error.error)).collect();
            for (row, status) in statuses.into_iter().enumerate().filter(|(_, status)| *status != WriteStatus::Ok) {
                let error = errors.remove(&(row as u32));
                let error = error.unwrap_or_else(|| refusal_without_words(&self.route.plugin.label));
                troubles.push((part.row(row) as u32, status, error));
            }
        }
        self.group.is_pending = true;
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
}

fn add(total: &mut Flushed, more: Flushed) {
    total.written += more.written;
    total.unchanged += more.unchanged;
    total.deleted += more.deleted;
}

fn own_failure(message: &str) -> Failure {
    Failure::new(FailureKind::Other, &codes::INTERNAL, "lockstep", message)
}

fn refusal_without_words(plugin: &str) -> Failure {
    let message = "the target refused the record and did not say why";
    Failure::new(FailureKind::InvalidData, &codes::DATA_REJECTED, plugin, message)
}
