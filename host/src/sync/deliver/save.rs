//! What becomes of a group that failed: it is written again, or taken apart until the rows at fault stand alone.

use arrow_array::UInt32Array;

use super::{Delivery, Saved, add};
use crate::connector::{Failure, FailureKind, Flushed, WriteMode, WriteStatus};
use crate::error::codes;
use crate::record::Changes;
use crate::sync::SyncError;
use crate::sync::bisect::{Bisection, Halved, is_about_rows};

impl Delivery {
    /// Saves a group whose writing failed.
    pub(super) async fn save(&mut self, failure: Failure) -> Result<Saved, SyncError> {
        let mut failure = failure;
        loop {
            self.writer = None;
            self.group.is_pending = false;
            if self.mode == WriteMode::Load && failure.kind == FailureKind::Conflict {
                let note = "the target already holds some of these records: merging by key from here on";
                self.route.caution.observer.note(note);
                self.mode = WriteMode::Upsert;
            } else if is_about_rows(&failure) {
                return self.isolate().await;
            } else {
                self.route.caution.wait(&mut self.patience, failure).await?;
            }
            match self.write_group_again().await {
                Ok(()) => return Ok(Saved::Written),
                Err(next) => failure = next,
            }
        }
    }

    async fn write_group_again(&mut self) -> Result<(), Failure> {
        self.group.flushed = Flushed::default();
        for page in 0..self.group.pages.len() {
            let mapped = self.forget_results(page);
            let results = self.write(&mapped).await?;
            self.note_results(page, results);
        }
        Ok(())
    }

    /// A page that is about to be written from the beginning.
    fn forget_results(&mut self, page: usize) -> Changes {
        let Some(entry) = self.group.pages.get_mut(page) else { return Changes::upserts(no_rows()) };
        entry.refused.clear();
        entry.again.clear();
        entry.prepared.mapped.clone()
    }

    /// Takes the group apart until every row is either durable or known to be at fault.
    async fn isolate(&mut self) -> Result<Saved, SyncError> {
        self.route.caution.observer.phase("looking for the records at fault");
        // Parts of the group may be durable already, so nothing may be assumed to be new.
        self.mode = WriteMode::Upsert;
        self.group.flushed = Flushed::default();
        self.group.suspects.convict();
        for page in 0..self.group.pages.len() {
            let mapped = self.forget_results(page);
            let rows = (0..mapped.rows() as u32).collect();
            self.isolate_rows(page, &mapped, rows).await?;
        }
        if !self.group.suspects.are_none() && self.still_works().await? {
            self.convict()?;
        }
        Ok(if self.group.suspects.are_none() { Saved::Durable } else { Saved::Unsure })
    }

    async fn isolate_rows(&mut self, page: usize, mapped: &Changes, rows: Vec<u32>) -> Result<(), SyncError> {
        let mut bisection = Bisection::new(rows);
        while let Some(rows) = bisection.next() {
            let part = mapped.take(&UInt32Array::from(rows.clone()));
            let part = part.map_err(|error| SyncError::batch(&self.route.caution.sync, error))?;
            match self.write_and_flush(&part).await {
                Ok((flushed, results)) => self.passed(page, &rows, &part, flushed, results)?,
                Err(failure) if is_about_rows(&failure) => {
                    let is_fault = failure.kind == FailureKind::Fault;
                    match bisection.failed(rows, failure.clone()) {
                        Halved::Culprit(row, failure) if is_fault => self.suspect(page, row, failure)?,
                        Halved::Culprit(row, failure) => self.refuse(page, row, failure)?,
                        Halved::Again => {}
                    }
                    if is_fault {
                        self.judge(failure).await?;
                    }
                }
                Err(failure) => {
                    self.route.caution.wait(&mut self.patience, failure).await?;
                    bisection.again(rows);
                }
            }
        }
        Ok(())
    }

    /// Rows that are durable now, but for those the sink complained about.
    fn passed(
        &mut self,
        page: usize,
        rows: &[u32],
        part: &Changes,
        flushed: Flushed,
        results: Vec<(u32, WriteStatus, Failure)>,
    ) -> Result<(), SyncError> {
        let put_off = results.iter().filter(|(_, status, _)| is_put_off(*status)).count();
        if put_off < rows.len() {
            self.patience.progress();
        }
        add(&mut self.group.flushed, flushed);
        if self.known_good.is_none() {
            let fine = (0..rows.len() as u32).find(|row| results.iter().all(|(trouble, ..)| trouble != row));
            if let Some(fine) = fine {
                self.remember_good(page, rows.get(fine as usize).copied().unwrap_or(0), fine, part)?;
            }
        }
        let row_of = |row: u32| rows.get(row as usize).copied().unwrap_or(0);
        let results = results.into_iter().map(|(row, status, failure)| (row_of(row), status, failure)).collect();
        self.note_results(page, results);
        self.convict()
    }

    /// Keeps the row `at` of `part`, which is the row `row` of a page.
    fn remember_good(&mut self, page: usize, row: u32, at: u32, part: &Changes) -> Result<(), SyncError> {
        let Some(key) = self.group.pages.get(page).and_then(|page| page.prepared.keys.get(row as usize)).copied()
        else {
            return Ok(());
        };
        let good = part.take(&UInt32Array::from(vec![at]));
        self.known_good = Some((key, good.map_err(|error| SyncError::batch(&self.route.caution.sync, error))?));
        Ok(())
    }

    async fn write_and_flush(
        &mut self,
        changes: &Changes,
    ) -> Result<(Flushed, Vec<(u32, WriteStatus, Failure)>), Failure> {
        let written = match self.write(changes).await {
            Ok(results) => match self.writer().await {
                Ok(writer) => writer.flush().await.map(|flushed| (flushed, results)),
                Err(failure) => Err(failure),
            },
            Err(failure) => Err(failure),
        };
        self.group.is_pending = false;
        if written.is_err() {
            self.writer = None;
        }
        written
    }

    /// A row that breaks the plugin. A dead letter that does it again is known to.
    fn suspect(&mut self, page: usize, row: u32, failure: Failure) -> Result<(), SyncError> {
        if self.group.pages.get(page).is_some_and(|page| page.prepared.resolves.is_some()) {
            return self.refuse(page, row, failure);
        }
        self.group.suspects.suspect((page, row), failure);
        Ok(())
    }

    /// After another fault: fails if the fault is the plugin's own.
    async fn judge(&mut self, failure: Failure) -> Result<(), SyncError> {
        self.group.suspects.fault();
        if self.group.suspects.are_many() && self.still_works().await? {
            self.convict()?;
        }
        if self.group.suspects.are_too_many() { Err(self.blame(failure)) } else { Ok(()) }
    }

    fn blame(&self, failure: Failure) -> SyncError {
        SyncError::after_retries(&self.route.caution.sync, failure)
    }

    /// Whether the plugin can still do what it could do before. False if it never could do anything; fails if it cannot any more.
    async fn still_works(&mut self) -> Result<bool, SyncError> {
        let Some((_, known_good)) = self.known_good.clone() else { return Ok(false) };
        loop {
            match self.write_and_flush(&known_good).await {
                Ok(_) => return Ok(true),
                Err(failure) if is_about_rows(&failure) => return Err(self.blame(failure)),
                Err(failure) => self.route.caution.wait(&mut self.patience, failure).await?,
            }
        }
    }

    /// The plugin works: what broke it is at fault.
    pub(super) fn convict(&mut self) -> Result<(), SyncError> {
        for ((page, row), failure) in self.group.suspects.convict() {
            self.refuse(page, row, failure)?;
        }
        Ok(())
    }

    fn refuse(&mut self, page: usize, row: u32, failure: Failure) -> Result<(), SyncError> {
        let last = failure.to_string();
        if let Some(page) = self.group.pages.get_mut(page) {
            page.refused.push((row, failure));
        }
        let refused = self.group.pages.iter().map(super::Page::letters).sum();
        self.check_dead_letters(refused, &last)
    }

    pub(super) fn check_dead_letters(&self, more: u64, last: &str) -> Result<(), SyncError> {
        if self.progress.counters.rejected + more <= self.route.dead_letters_max {
            return Ok(());
        }
        Err(SyncError::DeadLettersFull {
            sync: self.route.caution.sync.clone(),
            max: self.route.dead_letters_max,
            last: last.to_owned(),
        })
    }

    /// The group is durable in the target: what the sink wants again is given again, and then the state follows.
    pub(super) async fn settle(&mut self) -> Result<(), SyncError> {
        if let Some(failure) = self.group.suspects.last_words().cloned() {
            return Err(self.blame(failure));
        }
        self.patience.progress();
        for page in 0..self.group.pages.len() {
            self.give_again(page).await?;
        }
        if let Some(failure) = self.group.suspects.last_words().cloned()
            && !self.still_works().await?
        {
            return Err(self.blame(failure));
        }
        self.convict()?;
        self.commit()
    }

    /// Rows the sink put off or does not know the outcome of are written again, which does no harm. Those it puts off for ever,
    /// while others go through, wait for a person; if it puts off everything, the trouble is not theirs.
    async fn give_again(&mut self, page: usize) -> Result<(), SyncError> {
        loop {
            let taken: usize = self.group.pages.iter().map(|page| page.prepared.mapped.rows() - page.again.len()).sum();
            let Some(entry) = self.group.pages.get_mut(page) else { return Ok(()) };
            let again = std::mem::take(&mut entry.again);
            let mapped = entry.prepared.mapped.clone();
            let Some((_, words)) = again.last() else { return Ok(()) };
            if self.mode == WriteMode::Load {
                // One of unknown outcome may be there already.
                self.mode = WriteMode::Upsert;
                self.writer = None;
            }
            let words = format!("{} records were put off by the target: {}", again.len(), words.message);
            let label = &self.route.plugin.label;
            let put_off = Failure::new(FailureKind::Transient, &codes::PLUGIN_ERROR, label, words);
            match self.route.caution.wait(&mut self.patience, put_off).await {
                Ok(()) => {}
                Err(SyncError::Exhausted { .. }) if taken > 0 => {
                    for (row, failure) in again {
                        self.refuse(page, row, failure)?;
                    }
                    self.patience.progress();
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
            self.isolate_rows(page, &mapped, again.into_iter().map(|(row, _)| row).collect()).await?;
        }
    }
}

fn no_rows() -> crate::record::Batch {
    crate::record::Batch::empty(Vec::new().into())
}

fn is_put_off(status: WriteStatus) -> bool {
    matches!(status, WriteStatus::Retry | WriteStatus::Unknown)
}
