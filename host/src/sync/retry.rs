//! When to try again: back-off with jitter for what may pass, a small budget for plugins that break.

use std::sync::Arc;
use std::time::Duration;

use super::error::SyncError;
use super::mirror::MirrorRun;
use super::observe::Observer;
use super::read::Interrupt;
use crate::connector::{Failure, FailureKind};
use crate::world::World;

/// Attempts in a row without progress before a passing failure is final; with the waits between them about two minutes.
const ATTEMPTS_MAX: u32 = 8;
/// The same while others wait for their turn; about two seconds.
const ATTEMPTS_BRIEF: u32 = 3;
/// Faults of a plugin in a row without progress before its sync gives up.
const FAULTS_MAX: u32 = 3;
const WAIT_FIRST: Duration = Duration::from_millis(500);
const WAIT_MAX: Duration = Duration::from_secs(30);
/// What an upstream may ask us to wait at most.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// Counts failures since the last progress.
#[derive(Debug)]
pub(super) struct Patience {
    attempts: u32,
    faults: u32,
    attempts_max: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self { attempts: 0, faults: 0, attempts_max: ATTEMPTS_MAX }
    }
}

/// What to do about a failure.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Try again after waiting.
    Wait(Duration),
    /// It will not get better.
    GiveUp,
}

impl Patience {
    /// For calls during which others wait.
    pub fn brief() -> Self {
        Self { attempts_max: ATTEMPTS_BRIEF, ..Self::default() }
    }

    /// Something went well: the counting begins anew.
    pub fn progress(&mut self) {
        *self = Self { attempts_max: self.attempts_max, ..Self::default() };
    }

    /// Whether a call that failed like this is worth another attempt.
    pub fn judge(&mut self, failure: &Failure, world: &World) -> Verdict {
        match failure.kind {
            FailureKind::Transient | FailureKind::RateLimited => {
                self.attempts += 1;
                if self.attempts >= self.attempts_max {
                    return Verdict::GiveUp;
                }
                Verdict::Wait(
                    failure
                        .retry_after
                        .map_or_else(|| jittered(self.attempts, world), |asked| asked.min(RETRY_AFTER_MAX)),
                )
            }
            FailureKind::Fault => {
                self.faults += 1;
                if self.faults >= FAULTS_MAX { Verdict::GiveUp } else { Verdict::Wait(jittered(self.faults, world)) }
            }
            _ => Verdict::GiveUp,
        }
    }
}

/// What waiting needs: the time, somebody to tell, and an ear for whoever wants to stop.
#[derive(Clone)]
pub(super) struct Caution {
    pub sync: String,
    pub world: World,
    pub observer: Arc<dyn Observer>,
    pub interrupt: Interrupt,
    /// Whether others wait meanwhile.
    pub is_brief: bool,
}

impl Caution {
    pub fn new(sync: &str, run: &MirrorRun) -> Self {
        Self::of(sync, &run.world, &run.observer, &run.interrupt)
    }

    pub fn of(sync: &str, world: &World, observer: &Arc<dyn Observer>, interrupt: &Interrupt) -> Self {
        Self {
            sync: sync.to_owned(),
            world: world.clone(),
            observer: observer.clone(),
            interrupt: interrupt.clone(),
            is_brief: false,
        }
    }

    /// The same for calls during which others wait.
    pub fn brief(self) -> Self {
        Self { is_brief: true, ..self }
    }

    /// Waits before the next attempt. Fails if there should be none, or if somebody wants to stop.
    pub async fn wait(&self, patience: &mut Patience, failure: Failure) -> Result<(), SyncError> {
        match patience.judge(&failure, &self.world) {
            Verdict::GiveUp => Err(SyncError::after_retries(&self.sync, failure)),
            Verdict::Wait(wait) => {
                self.observer.note(&format!("trying again in {:.1} s: {failure}", wait.as_secs_f64()));
                tokio::select! {
                    biased;
                    () = self.interrupt.wait() => Err(SyncError::Interrupted { sync: self.sync.clone() }),
                    () = self.world.clock.sleep(wait) => Ok(()),
                }
            }
        }
    }

    /// Calls until it goes well or patience ends.
    pub async fn attempt<T, F>(&self, call: impl Fn() -> F) -> Result<T, SyncError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut patience = if self.is_brief { Patience::brief() } else { Patience::default() };
        loop {
            match call().await {
                Ok(answer) => return Ok(answer),
                Err(failure) => self.wait(&mut patience, failure).await?,
            }
        }
    }
}

/// Doubles with each attempt; between half and all of it, so that many who failed together do not come back together.
fn jittered(attempt: u32, world: &World) -> Duration {
    let full = WAIT_FIRST.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(WAIT_MAX);
    let half = full / 2;
    let span = u64::try_from(half.as_micros()).unwrap_or(0).max(1);
    half + Duration::from_micros(world.random.next_u64() % span)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::codes;

    fn failure(kind: FailureKind) -> Failure {
        Failure::new(kind, &codes::PLUGIN_ERROR, "test", "it failed")
    }

    #[test]
    fn waits_grow_and_end() {
        let world = World::real();
        let mut patience = Patience::default();
        let mut waits = Vec::new();
        while let Verdict::Wait(wait) = patience.judge(&failure(FailureKind::Transient), &world) {
            waits.push(wait);
        }
        assert_eq!(waits.len(), 7);
        assert!(waits.iter().all(|wait| *wait <= WAIT_MAX));
        assert!(waits[6] > waits[0]);
        patience.progress();
        assert!(matches!(patience.judge(&failure(FailureKind::Transient), &world), Verdict::Wait(_)));
    }

    #[test]
    fn who_keeps_others_waiting_gives_up_sooner() {
        let world = World::real();
        let mut patience = Patience::brief();
        let mut attempts = || {
            let waits = std::iter::from_fn(|| match patience.judge(&failure(FailureKind::Transient), &world) {
                Verdict::Wait(wait) => Some(wait),
                Verdict::GiveUp => None,
            });
            let waits: Vec<Duration> = waits.collect();
            patience.progress();
            waits.len()
        };
        assert_eq!([attempts(), attempts()], [2, 2]);
    }

    #[test]
    fn a_wish_to_wait_is_granted_within_reason() {
        let mut wish = failure(FailureKind::RateLimited);
        wish.retry_after = Some(Duration::from_secs(1_000_000_000));
        assert_eq!(Patience::default().judge(&wish, &World::real()), Verdict::Wait(RETRY_AFTER_MAX));
    }

    #[test]
    fn a_plugin_may_break_twice() {
        let (world, mut patience) = (World::real(), Patience::default());
        for _ in 0..2 {
            assert!(matches!(patience.judge(&failure(FailureKind::Fault), &world), Verdict::Wait(_)));
        }
        assert_eq!(patience.judge(&failure(FailureKind::Fault), &world), Verdict::GiveUp);
    }

    #[test]
    fn what_cannot_pass_is_final() {
        for kind in [FailureKind::Auth, FailureKind::Config, FailureKind::InvalidData, FailureKind::Permanent] {
            assert_eq!(Patience::default().judge(&failure(kind), &World::real()), Verdict::GiveUp);
        }
    }
}
