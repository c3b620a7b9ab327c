//! How much a connection may ask of its upstream, by all syncs of the process together: pace, requests at the same time, a daily
//! quota, pauses the upstream asks for, and how many requests may be repeats.

mod pace;
mod quota;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

pub use self::pace::back_off;
use self::pace::{Pace, RepeatBudget};
use self::quota::{Quota, QuotaError};
use super::advice::{Advice, Day};
use crate::connector::{Failure, FailureKind};
use crate::error::codes;
use crate::project::{RateHeaders, RequestBudget};
use crate::store::PrivateFiles;
use crate::world::World;

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Reading streams: as much as there is.
    Bulk,
    /// Writing and looking up: small, and somebody waits for it.
    Edit,
}

/// The budget of one connection.
#[derive(Debug)]
pub struct Budget {
    connection: String,
    slots: Option<Semaphore>,
    pace: Mutex<Pace>,
    repeats: Mutex<RepeatBudget>,
    quota: Option<Quota>,
    daily: u64,
    headers: RateHeaders,
}

/// The right to have a request under way, until dropped.
#[derive(Debug)]
pub struct Slot<'a>(#[allow(dead_code, reason = "the slot goes with the permit")] Option<SemaphorePermit<'a>>);

impl Budget {
    /// What was used of the day is kept in `files`.
    pub fn new(connection: &str, budget: &RequestBudget, files: PrivateFiles) -> Self {
        Self {
            connection: connection.to_owned(),
            slots: budget.concurrency.map(|slots| Semaphore::new(slots as usize)),
            pace: Mutex::new(Pace::new(budget.requests_per_second)),
            repeats: Mutex::default(),
            quota: budget.daily.map(|daily| Quota::new(daily, budget.reserve, files, connection)),
            daily: budget.daily.unwrap_or(u64::MAX),
            headers: budget.headers.clone(),
        }
    }

    /// What the vendor calls its headers.
    pub fn headers(&self) -> &RateHeaders {
        &self.headers
    }

    /// Waits until a request may go. Fails if that would be later than `deadline`, a time of the world's clock.
    pub async fn admit(&self, lane: Lane, world: &World, deadline: Duration) -> Result<Slot<'_>, Failure> {
        let clock = &world.clock;
        let slot = match &self.slots {
            None => None,
            Some(slots) => {
                let patience = deadline.saturating_sub(clock.elapsed());
                tokio::select! {
                    biased;
                    slot = slots.acquire() => slot.ok(),
                    () = clock.sleep(patience) => return Err(self.late(Duration::ZERO)),
                }
            }
        };
        loop {
            let now = clock.elapsed();
            let turn = self.pace().take(now, deadline.saturating_sub(now));
            let wait = turn.map_err(|wait| self.late(wait))?;
            if wait.is_zero() {
                break;
            }
            clock.sleep(wait).await;
            // Else the upstream has meanwhile asked for a pause, and a new turn is needed.
            if self.pace().parked(clock.elapsed()).is_zero() {
                break;
            }
        }
        match self.quota.as_ref().map_or(Ok(()), |quota| quota.take(lane, clock.now())) {
            Ok(()) => Ok(Slot(slot)),
            Err(error) => Err(self.used_up(error)),
        }
    }

    /// What a response said is true for all of the connection.
    pub fn heed(&self, advice: &Advice, world: &World) {
        let pause = advice.retry_after.max(advice.exhausted_for).unwrap_or_default();
        if !pause.is_zero() {
            self.pace().park(world.clock.elapsed() + pause);
        }
        if let Some(quota) = &self.quota {
            match advice.day {
                Some(Day::Used(used)) => quota.told(used),
                Some(Day::Left(left)) => quota.told(self.daily.saturating_sub(left)),
                None => {}
            }
        }
    }

    /// A request is made that is no repeat.
    pub fn earn_repeat(&self) {
        self.repeats().earn();
    }

    /// Whether a request may be repeated.
    pub fn spend_repeat(&self) -> bool {
        self.repeats().spend()
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn repeats(&self) -> MutexGuard<'_, RepeatBudget> {
        self.repeats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing was sent: the sync waits, where it can be interrupted, and comes again.
    fn late(&self, wait: Duration) -> Failure {
        let message = format!("the turn of connection `{}` comes in {:.1} s", self.connection, wait.as_secs_f64());
        let mut failure = Failure::new(FailureKind::RateLimited, &codes::HTTP_LIMITED, super::ORIGIN, message);
        failure.retry_after = Some(wait).filter(|wait| !wait.is_zero());
        failure
    }

    /// Final for this run: nobody waits until midnight. `Config` says that nothing was sent and that trying again is no use.
    fn used_up(&self, error: QuotaError) -> Failure {
        let connection = &self.connection;
        match error {
            QuotaError::UsedUp { renewed_in } => {
                let minutes = renewed_in.as_secs().div_ceil(60);
                let message = format!(
                    "the {} requests a day of connection `{connection}` are used up; there are new ones in {} h {} min",
                    self.daily,
                    minutes / 60,
                    minutes % 60
                );
                Failure::new(FailureKind::Config, &codes::HTTP_BUDGET, super::ORIGIN, message).with(
                    "hint",
                    format!("the number is `budget.daily` of [connection.{connection}]; `reserve` is kept for writes"),
                )
            }
            QuotaError::State(error) => {
                let message = format!("the requests of connection `{connection}` cannot be counted: {error}");
                Failure::new(FailureKind::Config, &codes::STATE_IO, super::ORIGIN, message)
            }
        }
    }
}
