//! Processes of the engine: they can die at any point at which something becomes durable or is asked for, and they can stand still
//! for a while and go on when others have taken over.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::Poll;

use tokio::runtime::{Builder, Runtime};

use crate::cover::{Mark, Op};
use crate::world::Sim;

/// Whether a process lives. Whatever it does after its end reaches nobody.
#[derive(Clone)]
pub struct Power(Arc<PowerState>);

struct PowerState {
    number: u32,
    sim: Sim,
    steps: AtomicU64,
    /// The first step is 1; 0 = never.
    die_at: u64,
    pause_at: u64,
    is_dead: AtomicBool,
    is_paused: AtomicBool,
}

/// Before or after a call does its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Before,
    After,
}

impl Power {
    pub fn new(sim: &Sim, number: u32, die_at: u64, pause_at: u64) -> Self {
        Self(Arc::new(PowerState {
            number,
            sim: sim.clone(),
            steps: AtomicU64::new(0),
            die_at,
            pause_at,
            is_dead: AtomicBool::new(false),
            is_paused: AtomicBool::new(false),
        }))
    }

    pub fn number(&self) -> u32 {
        self.0.number
    }

    pub fn is_dead(&self) -> bool {
        self.0.is_dead.load(Relaxed)
    }

    fn is_paused(&self) -> bool {
        self.0.is_paused.load(Relaxed)
    }

    pub fn resume(&self) {
        self.0.is_paused.store(false, Relaxed);
    }

    pub fn steps(&self) -> u64 {
        self.0.steps.load(Relaxed)
    }

    /// A point of a call that cannot wait. Answers whether the process still lives.
    pub fn lives(&self, op: Op, moment: Moment) -> bool {
        if self.is_dead() {
            return false;
        }
        let step = self.0.steps.fetch_add(1, Relaxed) + 1;
        if step == self.0.die_at {
            self.die(op, moment);
        }
        !self.is_dead()
    }

    fn die(&self, op: Op, moment: Moment) {
        self.0.is_dead.store(true, Relaxed);
        let mut core = self.0.sim.core();
        core.hit(if moment == Moment::Before { Mark::CrashBefore } else { Mark::CrashAfter }, op);
        let now = core.now;
        core.trace.event(now, "crash", &[op as i64], || format!("process {} dies, {moment:?} {op:?}", self.number()));
    }

    /// A point of a call that can wait: never returns in a process that is dead.
    pub async fn point(&self, op: Op, moment: Moment) {
        let lives = self.lives(op, moment);
        if lives && self.steps() == self.0.pause_at {
            self.0.is_paused.store(true, Relaxed);
            let mut core = self.0.sim.core();
            core.hit(if moment == Moment::Before { Mark::ZombieBefore } else { Mark::ZombieAfter }, op);
            let now = core.now;
            core.trace.event(now, "pause", &[op as i64], || {
                format!("process {} stands still, {moment:?} {op:?}", self.number())
            });
        }
        if !lives || self.is_paused() {
            self.0.sim.wake_driver();
        }
        std::future::poll_fn(|context| {
            if !self.is_dead() && !self.is_paused() {
                return Poll::Ready(());
            }
            if !self.is_dead() {
                // Whoever drives it again polls everything that waits here.
                context.waker().wake_by_ref();
            }
            Poll::Pending
        })
        .await;
    }
}

/// A process: a future with a runtime of its own, so that everything it started ends with it.
pub struct Process<T> {
    future: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    runtime: Runtime,
    pub power: Power,
    sim: Sim,
}

/// Why a process is not going on.
#[derive(Debug)]
pub enum Stop<T> {
    Ended(T),
    Died,
    Paused,
    /// It waits for something that never comes.
    Stuck,
}

impl<T> Process<T> {
    pub fn new(sim: &Sim, power: &Power, future: Pin<Box<dyn Future<Output = T> + Send>>) -> Self {
        let clock = sim.clone();
        let runtime =
            Builder::new_current_thread().on_thread_park(move || clock.idle()).build().expect("a runtime without I/O");
        Self { future: Some(future), runtime, power: power.clone(), sim: sim.clone() }
    }

    /// Goes on until it ends or cannot.
    pub fn drive(&mut self) -> Stop<T> {
        let Self { future, runtime, power, sim } = self;
        let Some(running) = future.as_mut() else { return Stop::Died };
        sim.core().is_stuck = false;
        let stop = runtime.block_on(std::future::poll_fn(|context| {
            sim.core().driver = Some(context.waker().clone());
            if sim.core().is_stuck {
                return Poll::Ready(Stop::Stuck);
            }
            let polled = running.as_mut().poll(context);
            match polled {
                _ if power.is_dead() => Poll::Ready(Stop::Died),
                Poll::Ready(ended) => Poll::Ready(Stop::Ended(ended)),
                Poll::Pending if power.is_paused() => Poll::Ready(Stop::Paused),
                Poll::Pending => Poll::Pending,
            }
        }));
        sim.core().driver = None;
        if !matches!(stop, Stop::Paused) {
            *future = None;
        }
        stop
    }
}
