//! Everything there is besides the engine: time, the systems with their users, and what really happened. Time moves only when the
//! engine waits, and whatever was to happen until then happens on the way.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use lockstep::world::{Clock, Random, World};

use crate::chance::Chance;
use crate::cover::{Coverage, Mark, Op};
use crate::ledger::Ledger;
use crate::plan::{Act, Plan};
use crate::system::System;
use crate::trace::Trace;
use crate::users;

/// When the simulation begins: microseconds since 1970.
pub const START: i64 = 1_700_000_000_000_000;

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub invariant: &'static str,
    pub what: String,
}

pub struct Core {
    pub plan: Arc<Plan>,
    pub now: i64,
    sleepers: BTreeMap<(i64, u64), Option<Waker>>,
    next_sleeper: u64,
    next_act: usize,
    pub systems: Vec<System>,
    pub ledger: Ledger,
    pub trace: Trace,
    pub cover: Coverage,
    /// The engine's.
    random: Chance,
    /// What befalls calls, by system.
    pub weather: Vec<Chance>,
    /// Nothing goes wrong any more.
    pub is_calm: bool,
    pub failures: Vec<Failure>,
    /// Whoever drives the engine.
    pub driver: Option<Waker>,
    /// The engine waits for something that never comes.
    pub is_stuck: bool,
    /// Calls to systems in this run.
    pub calls: u64,
    /// The newest lease that was given out.
    pub epoch: i64,
    /// Records a person has decided about.
    pub hand_decided: Vec<usize>,
    /// Those among them of which a person has said that there are several.
    pub parted: Vec<usize>,
}

impl Core {
    fn new(plan: &Arc<Plan>) -> Self {
        let seed = plan.options.seed;
        let weather = plan.systems.iter().map(|system| Chance::new(seed, &format!("weather of {}", system.name)));
        Self {
            plan: plan.clone(),
            now: 0,
            sleepers: BTreeMap::new(),
            next_sleeper: 0,
            next_act: 0,
            systems: (0..plan.systems.len()).map(|number| System::new(plan, number)).collect(),
            ledger: Ledger::new(plan),
            trace: Trace::new(plan.options.trace),
            cover: Coverage::default(),
            random: Chance::new(seed, "engine"),
            weather: weather.collect(),
            is_calm: false,
            failures: Vec::new(),
            driver: None,
            is_stuck: false,
            calls: 0,
            epoch: 0,
            hand_decided: Vec::new(),
            parted: Vec::new(),
        }
    }

    /// Time goes on, with everything that was to happen until then.
    pub fn advance(&mut self, to: i64) {
        let plan = self.plan.clone();
        while let Some((at, act)) = plan.agenda.get(self.next_act).filter(|(at, _)| *at <= to) {
            self.next_act += 1;
            self.now = self.now.max(*at);
            if !self.is_calm {
                self.act(act);
            }
        }
        self.now = self.now.max(to);
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::User { system, edit, seed } => {
                users::act(self, *system, *edit, &mut Chance::new(*seed, "edit"));
                return;
            }
            Act::Down { system, until } => self.systems[*system].down_until = *until,
            Act::Expire { system } => self.systems[*system].expire(),
            Act::Jump { system, skew } => self.systems[*system].skew = *skew,
            Act::Blank { system } => self.systems[*system].is_blank = true,
        }
        self.trace.event(self.now, "fault", &[], || format!("{act:?}"));
    }

    /// Whoever waits for the earliest time is woken. Answers whether anybody waited.
    fn wake_next(&mut self) -> bool {
        let Some((at, _)) = self.sleepers.first_key_value().map(|(key, _)| *key) else { return false };
        self.advance(at);
        for ((_, _), waker) in self.sleepers.range_mut(..=(self.now, u64::MAX)) {
            if let Some(waker) = waker.take() {
                waker.wake();
            }
        }
        self.sleepers.retain(|_, waker| waker.is_some());
        true
    }

    pub fn fail(&mut self, invariant: &'static str, what: impl Into<String>) {
        let what = what.into();
        self.trace.event(self.now, "FAILURE", &[], || format!("{invariant}: {what}"));
        self.failures.push(Failure { invariant, what });
    }

    pub fn hit(&mut self, mark: Mark, op: Op) {
        self.cover.hit(mark, op);
    }
}

/// Shared by everybody who lives in it.
#[derive(Clone)]
pub struct Sim(Arc<Mutex<Core>>);

impl Sim {
    pub fn new(plan: &Arc<Plan>) -> Self {
        Self(Arc::new(Mutex::new(Core::new(plan))))
    }

    pub fn core(&self) -> MutexGuard<'_, Core> {
        self.0.lock().expect("nobody panicked")
    }

    pub fn now(&self) -> i64 {
        self.core().now
    }

    /// The engine has nothing to do but wait.
    pub fn idle(&self) {
        let mut core = self.core();
        if !core.wake_next() {
            core.is_stuck = true;
        }
        if let Some(driver) = &core.driver {
            driver.wake_by_ref();
        }
    }

    pub fn wake_driver(&self) {
        if let Some(driver) = &self.core().driver {
            driver.wake_by_ref();
        }
    }

    /// What the engine gets of the world.
    pub fn world(&self) -> World {
        World { clock: Arc::new(self.clone()), random: Arc::new(self.clone()) }
    }

    pub fn sleep(&self, micros: i64) -> Sleep {
        Sleep { sim: self.clone(), micros: micros.max(0), entry: None }
    }
}

pub struct Sleep {
    sim: Sim,
    micros: i64,
    entry: Option<(i64, u64)>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let sim = self.sim.clone();
        let mut core = sim.core();
        let entry = self.entry.unwrap_or_else(|| {
            core.next_sleeper += 1;
            (core.now + self.micros, core.next_sleeper)
        });
        self.entry = Some(entry);
        if core.now >= entry.0 {
            core.sleepers.remove(&entry);
            return Poll::Ready(());
        }
        core.sleepers.insert(entry, Some(context.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(entry) = self.entry {
            self.sim.core().sleepers.remove(&entry);
        }
    }
}

#[async_trait]
impl Clock for Sim {
    fn now(&self) -> DateTime<Utc> {
        host_time(&self.core())
    }

    fn elapsed(&self) -> Duration {
        Duration::from_micros(self.core().now.unsigned_abs())
    }

    async fn sleep(&self, duration: Duration) {
        self.sleep(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 2)).await;
    }
}

/// The time on the host's own clock.
pub fn host_time(core: &Core) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(START + core.now + core.plan.host_skew).expect("a time")
}

/// A time of a system's clock as everybody writes it.
pub fn written_time(clock: i64) -> i64 {
    START + clock
}

impl Random for Sim {
    fn next_u64(&self) -> u64 {
        self.core().random.draw()
    }
}
