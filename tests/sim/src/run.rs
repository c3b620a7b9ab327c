//! One seed from its first second to its verdict.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::chance::Chance;
use crate::check;
use crate::cover::Coverage;
use crate::desk::{Decided, Desk};
use crate::engine::{Ended, Engine};
use crate::ledger::Author;
use crate::plan::{DAY, HOUR, MINUTE, Options, Plan, SECOND};
use crate::process::{Power, Process, Stop};
use crate::quirks::Quirk;
use crate::view::View;
use crate::world::{Failure, Sim};

/// Runs after the last edit until everything has to agree.
const ROUNDS_MAX: usize = 16;
/// Runs after that in which nothing is written.
const QUIET_ROUNDS: usize = 3;
/// No run has more calls.
const CALLS_MAX: u64 = 100_000;

/// What came of a seed.
#[derive(Debug)]
pub struct Outcome {
    pub seed: u64,
    pub failures: Vec<Failure>,
    pub hash: u64,
    pub coverage: Coverage,
    pub lines: Vec<String>,
    pub runs: u32,
    pub edits: usize,
    pub writes: usize,
    pub plan: Arc<Plan>,
}

/// Makes an engine with nothing in its memory.
pub type Make = dyn Fn() -> Box<dyn Engine> + Send + Sync;

pub fn run_seed(options: &Options, make: &Make) -> Outcome {
    let plan = Plan::new(options);
    let mut story = Story::new(&plan, make());
    story.live();
    story.settle();
    story.outcome()
}

struct Story {
    plan: Arc<Plan>,
    sim: Sim,
    engine: Box<dyn Engine>,
    chance: Chance,
    zombie: Option<Process<Ended>>,
    desk: Desk,
    /// Systems that may delete more than usual, once.
    approved: BTreeSet<usize>,
}

impl Story {
    fn new(plan: &Arc<Plan>, engine: Box<dyn Engine>) -> Self {
        Self {
            plan: plan.clone(),
            sim: Sim::new(plan),
            engine,
            chance: Chance::new(plan.options.seed, "story"),
            zombie: None,
            desk: Desk::new(plan.options.seed),
            approved: BTreeSet::new(),
        }
    }

    fn has_failed(&self) -> bool {
        !self.sim.core().failures.is_empty()
    }

    /// Users edit, things go wrong, and the hub runs now and then.
    fn live(&mut self) {
        let plan = self.plan.clone();
        for at in &plan.runs {
            if self.has_failed() {
                return;
            }
            {
                let mut core = self.sim.core();
                if core.now > *at {
                    continue;
                }
                core.advance(*at);
            }
            self.troubled_run();
            if plan.quirks.has(Quirk::Persons) && self.chance.permille(60) {
                self.decide();
            }
        }
        self.sim.core().advance(plan.end);
    }

    fn troubled_run(&mut self) {
        let (dies, stands) = (self.chance.permille(120), self.chance.permille(60));
        let (die_at, pause_at) = (self.chance.scaled(1, 200), self.chance.scaled(1, 100));
        let die_at = if dies && self.plan.quirks.has(Quirk::Crashes) { die_at.unsigned_abs() } else { 0 };
        let pauses = stands && self.plan.quirks.has(Quirk::Zombies) && self.zombie.is_none();
        let pause_at = if pauses { pause_at.unsigned_abs() } else { 0 };
        self.one_run(die_at, pause_at);
        // The woken one goes on where it stood, though another has taken over.
        if self.zombie.is_some() && pause_at == 0 && self.chance.coin() {
            self.wake_zombie();
        }
    }

    fn one_run(&mut self, die_at: u64, pause_at: u64) -> Option<Ended> {
        let number = {
            let mut core = self.sim.core();
            let now = core.now;
            core.ledger.began.push(now);
            core.calls = 0;
            let run = core.ledger.run();
            core.trace.event(now, "run", &[i64::from(run)], || format!("process {run} begins"));
            run
        };
        let power = Power::new(&self.sim, number, die_at, pause_at);
        let future = self.engine.run(&self.sim, &power);
        let mut process = Process::new(&self.sim, &power, future);
        let stop = process.drive();
        let ended = self.after(number, stop, process);
        // What was approved may have to wait until its system can be reached.
        check::after_run(&mut self.sim.core(), &mut self.approved);
        ended
    }

    fn after(&mut self, number: u32, stop: Stop<Ended>, process: Process<Ended>) -> Option<Ended> {
        let mut core = self.sim.core();
        let now = core.now;
        core.trace.event(now, "stop", &[i64::from(number)], || format!("process {number}: {stop:?}"));
        if core.calls > CALLS_MAX {
            let what = format!("run {number} called systems {} times", core.calls);
            core.fail("2 termination", what);
        }
        match stop {
            Stop::Ended(ended) => {
                if ended.is_our_fault {
                    let what = ended.error.clone().unwrap_or_default();
                    core.fail("internal error", what);
                }
                Some(ended)
            }
            Stop::Died => None,
            Stop::Paused => {
                drop(core);
                self.zombie = Some(process);
                None
            }
            Stop::Stuck => {
                core.fail("2 termination", format!("run {number} waits for something that never comes"));
                None
            }
        }
    }

    fn wake_zombie(&mut self) {
        let Some(mut zombie) = self.zombie.take() else { return };
        let number = zombie.power.number();
        {
            let mut core = self.sim.core();
            let now = core.now;
            core.trace.event(now, "wake", &[i64::from(number)], || format!("process {number} goes on"));
        }
        zombie.power.resume();
        let stop = zombie.drive();
        self.after(number, stop, zombie);
    }

    /// A person decides what waits. Answers how much.
    fn decide(&mut self) -> usize {
        self.desk.wanted_deletes = check::wanted_deletes(&self.sim.core());
        self.engine.decide(&self.sim, &mut self.desk);
        let decided = std::mem::take(&mut self.desk.decided);
        let view = if decided.is_empty() { View::default() } else { self.engine.view(&self.plan) };
        let mut core = self.sim.core();
        for decided in &decided {
            if *decided == Decided::Hold {
                self.approved.extend(0..self.plan.systems.len());
            }
            check::after_decision(&mut core, &view, decided);
        }
        for complaint in std::mem::take(&mut self.desk.complaints) {
            let now = core.now;
            core.trace.event(now, "person", &[], || format!("could not decide {complaint}"));
        }
        decided.len()
    }

    /// Users and faults have stopped: soon everything has to agree, and then nothing happens any more.
    fn settle(&mut self) {
        if self.has_failed() {
            return;
        }
        self.wake_zombie();
        self.sim.core().is_calm = true;
        let mut view = View::default();
        for round in 0..ROUNDS_MAX {
            let pause = if round < 4 { 12 * MINUTE } else { 3 * HOUR };
            self.pass(pause);
            let ended = self.one_run(0, 0);
            let decided = self.decide();
            view = self.engine.view(&self.plan);
            let is_still = ended.is_some_and(|ended| ended.written == 0) && decided == 0;
            if self.has_failed() || (round >= 3 && is_still && check::is_settled(&self.sim.core(), &view)) {
                break;
            }
        }
        if !self.has_failed() {
            check::finish(&mut self.sim.core(), &view);
        }
        self.quiet();
    }

    fn pass(&self, time: i64) {
        let mut core = self.sim.core();
        let to = core.now + time;
        core.advance(to);
    }

    fn quiet(&mut self) {
        for _ in 0..QUIET_ROUNDS {
            if self.has_failed() {
                return;
            }
            self.pass(HOUR + 7 * SECOND);
            let before = self.sim.core().ledger.changes.len();
            self.one_run(0, 0);
            let mut core = self.sim.core();
            if core.ledger.changes.len() > before {
                let writes = core.ledger.changes.len() - before;
                core.fail("2 termination", format!("{writes} writes in a run after everything agreed"));
            }
        }
    }

    fn outcome(self) -> Outcome {
        let core = self.sim.core();
        let edits = core.ledger.changes.iter().filter(|change| change.author == Author::User).count();
        debug_assert!(core.now >= self.plan.end.min(DAY) || !core.failures.is_empty());
        Outcome {
            seed: self.plan.options.seed,
            failures: core.failures.clone(),
            hash: core.trace.hash(),
            coverage: core.cover.clone(),
            lines: core.trace.all(),
            runs: core.ledger.run(),
            edits,
            writes: core.ledger.changes.len() - edits,
            plan: self.plan.clone(),
        }
    }
}
