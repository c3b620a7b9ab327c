//! Passes over the endpoints that are written: a delivery may show what has to be delivered elsewhere.
//!
//! What is durable as sent leaves at once, also while it is worked out what another endpoint gets, and each is settled before anybody
//! gets more. Only writes that depend on what their records show go on side by side: whoever changes a record meanwhile is noticed.

use std::collections::VecDeque;

use super::deliver::Turn;
use super::work::Work;
use super::writing::Writing;
use crate::sync::error::SyncError;
use crate::sync::report::HeldDeletes;
use crate::sync::retry::Patience;

/// Passes of a run.
const PASSES_MAX: usize = 12;

/// What became of delivering to each endpoint so far.
struct Fates {
    patience: Vec<Patience>,
    failed: Vec<Option<SyncError>>,
}

impl Fates {
    fn has_failed(&self, endpoint: usize) -> bool {
        self.failed.get(endpoint).is_some_and(Option::is_some)
    }
}

impl Work<'_> {
    /// Gives everybody what they are owed, until nothing more is due. An endpoint that fails holds up nobody else.
    pub async fn deliver_all(&mut self, held: &mut Vec<HeldDeletes>) -> Result<(), SyncError> {
        let ends = self.settled.ends.len();
        let mut fates = Fates {
            patience: (0..ends).map(|_| Patience::default()).collect(),
            failed: (0..ends).map(|_| None).collect(),
        };
        for _ in 0..PASSES_MAX {
            if self.pass(&mut fates).await? == 0 {
                break;
            }
        }
        held.append(&mut self.held);
        fates.failed.into_iter().flatten().next().map_or(Ok(()), Err)
    }

    /// Answers how much was done, or may go better in the next pass.
    async fn pass(&mut self, fates: &mut Fates) -> Result<u64, SyncError> {
        let (mut done, mut together) = (0, Vec::new());
        for endpoint in 0..self.settled.ends.len() {
            if !self.is_guarded(endpoint) {
                done += self.deliver(std::mem::take(&mut together), fates).await?;
                done += self.deliver(vec![Turn::new(endpoint)], fates).await?;
            } else {
                together.push(Turn::new(endpoint));
            }
        }
        Ok(done + self.deliver(together, fates).await?)
    }

    /// Delivers everything that is due at these endpoints.
    async fn deliver(&mut self, mut turns: Vec<Turn>, fates: &mut Fates) -> Result<u64, SyncError> {
        let mut done = 0;
        turns.retain(|turn| self.gets_more(turn.endpoint, fates));
        while !turns.is_empty() {
            let mut under_way = VecDeque::with_capacity(turns.len());
            let begun = self.begin_batches(turns, &mut under_way, fates, &mut done).await;
            let settled = match begun {
                Ok(()) => self.settle_batches(&mut under_way, fates, &mut done).await,
                Err(error) => Err(error),
            };
            // Nothing goes on behind a run that has failed.
            for (_, writing) in under_way {
                let _ = writing.end().await;
            }
            turns = settled?;
        }
        Ok(done)
    }

    /// Begins to write what each gets next, while it is worked out what the next one gets. Turns that have come to their end are
    /// counted.
    async fn begin_batches(
        &mut self,
        turns: Vec<Turn>,
        under_way: &mut VecDeque<(Turn, Writing)>,
        fates: &mut Fates,
        done: &mut u64,
    ) -> Result<(), SyncError> {
        for mut turn in turns {
            let jobs = self.next_batch(&mut turn).await;
            match self.unless_failed(turn.endpoint, jobs, fates)? {
                Some(jobs) if jobs.is_empty() => *done += self.end_turn(turn, fates).await?,
                Some(jobs) => {
                    let writing = self.begin_writing(turn.endpoint, jobs)?;
                    under_way.push_back((turn, writing));
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Settles what was written, one endpoint after the other; others go on being written meanwhile. Answers the turns that go on.
    async fn settle_batches(
        &mut self,
        under_way: &mut VecDeque<(Turn, Writing)>,
        fates: &mut Fates,
        done: &mut u64,
    ) -> Result<Vec<Turn>, SyncError> {
        let mut turns = Vec::with_capacity(under_way.len());
        while let Some((mut turn, writing)) = under_way.pop_front() {
            let written = writing.end().await.map_err(|error| self.fault(error))?;
            let settled = self.settle_batch(&mut turn, written).await;
            match self.unless_failed(turn.endpoint, settled, fates)? {
                Some(true) => turns.push(turn),
                Some(false) => *done += self.end_turn(turn, fates).await?,
                None => {}
            }
        }
        Ok(turns)
    }

    fn gets_more(&self, endpoint: usize, fates: &Fates) -> bool {
        let is_written = self.settled.rules.endpoints.get(endpoint).is_some_and(|rule| rule.is_written);
        is_written && !self.is_absent(endpoint) && !self.run.interrupt.is_set() && !fates.has_failed(endpoint)
    }

    /// An error that is about one endpoint is kept for later; any other ends the run.
    fn unless_failed<T>(
        &mut self,
        endpoint: usize,
        result: Result<T, SyncError>,
        fates: &mut Fates,
    ) -> Result<Option<T>, SyncError> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error @ (SyncError::Connector { .. } | SyncError::Exhausted { .. })) => {
                self.note_failed(endpoint, error, fates);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn note_failed(&mut self, endpoint: usize, error: SyncError, fates: &mut Fates) {
        self.failed.insert(endpoint);
        fates.failed.get_mut(endpoint).map(|place| place.replace(error));
    }

    /// Waits if the endpoint failed and that may pass. Answers how much was done, or may go better in the next pass.
    async fn end_turn(&mut self, turn: Turn, fates: &mut Fates) -> Result<u64, SyncError> {
        let delivered = turn.delivered;
        let (Some(failure), Some(patience)) = (delivered.failure, fates.patience.get_mut(turn.endpoint)) else {
            return Ok(delivered.done);
        };
        match self.caution.wait(patience, failure).await {
            Ok(()) => Ok(delivered.done + 1),
            Err(error @ SyncError::Interrupted { .. }) => Err(error),
            Err(error) => {
                self.note_failed(turn.endpoint, error, fates);
                Ok(delivered.done)
            }
        }
    }
}
