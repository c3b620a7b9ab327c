//! Time, chance, planned failures and the end of the process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::no_power;
use crate::connector::Failure;
use crate::world::{Clock, Random, World};

/// How often others may go on before time moves: more than any chain of stages needs to hand a page through.
const YIELDS: u32 = 64;

/// Time that moves only when everything else stands still and somebody sleeps; the earliest sleeper is woken first.
#[derive(Clone, Default)]
pub struct SimClock(Arc<Mutex<Time>>);

#[derive(Default)]
struct Time {
    elapsed: Duration,
    next_sleeper: u64,
    sleepers: BTreeSet<(Duration, u64)>,
    slept: Vec<Duration>,
}

impl SimClock {
    fn time(&self) -> MutexGuard<'_, Time> {
        self.0.lock().unwrap()
    }

    pub fn advance(&self, duration: Duration) {
        self.time().elapsed += duration;
    }

    /// Everything anybody waited for to the end, in order.
    pub fn slept(&self) -> Vec<Duration> {
        self.time().slept.clone()
    }
}

/// A sleep that may be given up.
struct Sleeper {
    clock: SimClock,
    entry: (Duration, u64),
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.clock.time().sleepers.remove(&self.entry);
    }
}

#[async_trait]
impl Clock for SimClock {
    fn now(&self) -> DateTime<Utc> {
        let start = DateTime::from_timestamp_micros(1_700_000_000_000_000).unwrap();
        start + chrono::Duration::from_std(self.elapsed()).unwrap()
    }

    fn elapsed(&self) -> Duration {
        self.time().elapsed
    }

    async fn sleep(&self, duration: Duration) {
        let sleeper = {
            let mut time = self.time();
            time.next_sleeper += 1;
            let entry = (time.elapsed + duration, time.next_sleeper);
            time.sleepers.insert(entry);
            Sleeper { clock: self.clone(), entry }
        };
        let mut patience = YIELDS;
        loop {
            tokio::task::yield_now().await;
            let mut time = self.time();
            if time.sleepers.first() == Some(&sleeper.entry) {
                patience -= 1;
            }
            if patience == 0 || time.elapsed >= sleeper.entry.0 {
                time.elapsed = time.elapsed.max(sleeper.entry.0);
                time.slept.push(duration);
                return;
            }
        }
    }
}

/// Chance that is the same in every run of a test.
#[derive(Clone)]
pub struct SeededRandom(Arc<AtomicU64>);

impl SeededRandom {
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(AtomicU64::new(seed)))
    }

    pub fn below(&self, limit: u64) -> u64 {
        self.next_u64() % limit.max(1)
    }

    /// True in `percent` of all cases.
    pub fn one_in(&self, cases: u64) -> bool {
        self.below(cases) == 0
    }
}

impl Random for SeededRandom {
    /// SplitMix64 (Steele, Lea, Flood).
    fn next_u64(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

pub fn world(clock: &SimClock, random: &SeededRandom) -> World {
    World { clock: Arc::new(clock.clone()), random: Arc::new(random.clone()) }
}

/// Whether the process lives. It can be made to die at any step at which something becomes durable: whatever it does after that
/// reaches nobody.
#[derive(Clone, Default)]
pub struct Power(Arc<PowerState>);

#[derive(Default)]
struct PowerState {
    steps: AtomicU64,
    cut_at: AtomicU64,
    off: AtomicBool,
}

impl Power {
    /// The process dies at this step from now; the first is 1.
    pub fn cut_at(&self, step: u64) {
        self.0.steps.store(0, Ordering::Relaxed);
        self.0.cut_at.store(step, Ordering::Relaxed);
    }

    /// A new process. Answers whether the last one died.
    pub fn restore(&self) -> bool {
        self.0.cut_at.store(0, Ordering::Relaxed);
        self.0.off.swap(false, Ordering::Relaxed)
    }

    pub fn is_off(&self) -> bool {
        self.0.off.load(Ordering::Relaxed)
    }

    /// Something is about to become durable, or just has.
    pub fn step(&self) -> Result<(), Failure> {
        let step = self.0.steps.fetch_add(1, Ordering::Relaxed) + 1;
        if step == self.0.cut_at.load(Ordering::Relaxed) {
            self.0.off.store(true, Ordering::Relaxed);
        }
        self.check()
    }

    pub fn check(&self) -> Result<(), Failure> {
        if self.is_off() { Err(no_power()) } else { Ok(()) }
    }
}

/// Which calls fail, and how many there were.
#[derive(Clone, Default)]
pub struct Script(Arc<Mutex<ScriptState>>);

#[derive(Default)]
struct ScriptState {
    counts: BTreeMap<&'static str, u64>,
    planned: BTreeMap<(&'static str, u64), Failure>,
    always: BTreeMap<&'static str, Failure>,
    chance: Option<Chance>,
}

struct Chance {
    random: SeededRandom,
    one_in: u64,
    failures: Vec<(&'static str, Failure)>,
}

impl Script {
    fn state(&self) -> MutexGuard<'_, ScriptState> {
        self.0.lock().unwrap()
    }

    /// The `nth` call from now fails; the first is 1.
    pub fn fail(&self, call: &'static str, nth: u64, failure: Failure) {
        let mut state = self.state();
        let at = state.counts.get(call).copied().unwrap_or(0) + nth;
        state.planned.insert((call, at), failure);
    }

    /// Every call fails from now on.
    pub fn fail_always(&self, call: &'static str, failure: Failure) {
        self.state().always.insert(call, failure);
    }

    /// One call in so many fails in one of these ways.
    pub fn fail_by_chance(&self, random: &SeededRandom, one_in: u64, failures: Vec<(&'static str, Failure)>) {
        self.state().chance = Some(Chance { random: random.clone(), one_in, failures });
    }

    /// Nothing fails any more.
    pub fn heal(&self) {
        let mut state = self.state();
        state.planned.clear();
        state.always.clear();
        state.chance = None;
    }

    pub fn count(&self, call: &'static str) -> u64 {
        self.state().counts.get(call).copied().unwrap_or(0)
    }

    /// Counts a call, and fails it if it is to fail.
    pub fn meet(&self, call: &'static str) -> Result<(), Failure> {
        let mut state = self.state();
        let count = state.counts.entry(call).or_default();
        *count += 1;
        let at = (call, *count);
        let planned = state.planned.remove(&at).or_else(|| state.always.get(call).cloned());
        let by_chance = || {
            let chance = state.chance.as_ref()?;
            let fitting: Vec<_> = chance.failures.iter().filter(|(name, _)| *name == call).collect();
            let hit = !fitting.is_empty() && chance.random.one_in(chance.one_in);
            hit.then(|| fitting[chance.random.below(fitting.len() as u64) as usize].1.clone())
        };
        planned.or_else(by_chance).map_or(Ok(()), Err)
    }
}
