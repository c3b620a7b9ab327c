//! Hubs over the real path: the engine in this process, SQLite files behind the bundled plugin in its sandbox, programs that write
//! to the files between any two steps of a run, and runs that end anywhere. A seed says who writes what, when, and which runs do not
//! come to their end; what must hold is judged by looking at the files alone.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use lockstep::assembly::Assembly;
use lockstep::plugin::Access;
use lockstep::project;
use lockstep::store::SqliteStore;
use lockstep::sync::{HubOptions, HubRun, Interrupt, Silent, run_hub};
use lockstep::world::World;

use super::kills::{Deeds, is_told, told};
use super::systems::Lab;
use crate::mirror::kills::Chance;

/// Unless `LOCKSTEP_SEEDS` says otherwise.
const SEEDS: u64 = 4;
/// Runs under load.
const RUNS: u32 = 12;
/// Hardly a run is polled as often as this before it ends: most of it goes on beside, and ends with it.
const POLLS: u64 = 60;
const SYSTEMS: [&str; 3] = ["crm", "erp", "shop"];
/// Records each system begins with, a third of them shared with the next one.
const ROWS: u64 = 30;

const TABLE: &str =
    "create table person (id integer primary key autoincrement, email text unique, name text, phone text);";

const HUB: &str = "[sync.person]\nmode = \"hub\"\nmatch = [\"email\"]\nconflict = [\"crm\", \"erp\", \"shop\"]\n\
    delete_conflict = \"edit-wins\"\nguard = { rows = 1000000, share = 1.0 }\n\
    endpoints.crm = { stream = \"person\" }\nendpoints.erp = { stream = \"person\" }\nendpoints.shop = { stream = \"person\" }\n\
    [sync.person.fields]\nemail = { crm = \"email\", erp = \"email\", shop = \"email\" }\n\
    name = { crm = \"name\", erp = \"name\", shop = \"name\" }\nphone = { crm = \"phone\", erp = \"phone\", shop = \"phone\" }\n";

/// The project and whoever works on its files.
struct Story {
    lab: Lab,
    chance: Chance,
    deeds: Deeds,
    steps: u64,
}

impl Story {
    fn new(seed: u64) -> Self {
        let lab = Lab::files(&SYSTEMS, HUB);
        for (number, system) in (0..).zip(SYSTEMS) {
            lab.sql(system, TABLE);
            let first = number * ROWS * 2 / 3;
            let row =
                |row: u64| format!("insert into person (email, name, phone) values ('p{row}@x', 'P{row}', '{row}');");
            lab.sql(system, &(first..first + ROWS).map(row).collect::<String>());
        }
        Self { lab, chance: Chance(seed), deeds: Deeds::default(), steps: 0 }
    }

    fn open(&self, system: &str) -> rusqlite::Connection {
        let database = rusqlite::Connection::open(self.lab.path(&format!("{system}.db"))).unwrap();
        // The plugin may be in the middle of a transaction: then nobody writes.
        database.busy_timeout(Duration::ZERO).unwrap();
        database
    }

    /// Somebody writes to one of the files.
    fn write(&mut self) {
        let number = self.chance.next();
        let system = SYSTEMS[(number % 3) as usize];
        self.steps += 1;
        let step = self.steps;
        let database = self.open(system);
        let any = |condition: &str| {
            let wanted = format!(
                "select id from person where {condition} order by (id * {}) % 1009 limit 1",
                self.chance.0 % 1000 + 1
            );
            database.query_row(&wanted, [], |row| row.get::<_, i64>(0)).ok()
        };
        let done = |statement: &str| database.execute(statement, []).is_ok_and(|rows| rows == 1);
        match number / 3 % 8 {
            0 => {
                let email = format!("{system}-{step}@x");
                if done(&format!("insert into person (email, name) values ('{email}', 'made {step}')")) {
                    self.deeds.made.insert(email);
                }
            }
            1 => {
                // Nobody deletes what somebody has worked on: what was written could not be told from what was lost.
                if let Some(id) = any("email like 'p%' and name like 'P%' and phone not like 'call %'") {
                    done(&format!("delete from person where id = {id} and name like 'P%' and phone not like 'call %'"));
                }
            }
            choice => {
                let (field, mark) = if choice < 5 { ("name", "edit") } else { ("phone", "call") };
                let Some(id) = any("email is not null") else { return };
                let before = format!("select {field} from person where id = {id}");
                let before: Option<String> = database.query_row(&before, [], |row| row.get(0)).unwrap_or_default();
                let value = format!("{mark} {step}.");
                let seen = before.as_ref().map_or("null".to_owned(), |before| format!("'{before}'"));
                if done(&format!("update person set {field} = '{value}' where id = {id} and {field} is {seen}")) {
                    self.deeds.values.insert(value);
                    // Whoever replaces what stands there has seen it.
                    before.map(|before| self.deeds.values.remove(&before));
                }
            }
        }
    }

    /// A run by a process of its own, as far as it gets; while it runs, others write if they may. Answers what was written.
    fn run(&mut self, polls: u64, is_calm: bool) -> Option<(u64, u64)> {
        let world = World::real();
        let project = Arc::new(project::Project::load(&self.lab.path("")).unwrap());
        let cache = self.lab.path("cache");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let report = runtime.block_on(async {
            let mut assembly =
                Assembly::new(project.clone(), lockstep_bundle::PLUGINS, cache, world.clone(), Access::ReadWrite)
                    .unwrap();
            let def = project.syncs_in_order().find_map(|sync| sync.as_hub()).unwrap();
            let hub = assembly.hub(def).unwrap();
            let store = SqliteStore::open(&self.lab.path(""), "run", world.clock.now()).unwrap();
            let run = HubRun {
                store: Arc::new(store),
                world: world.clone(),
                observer: Arc::new(Silent),
                interrupt: Interrupt::default(),
                options: HubOptions::default(),
            };
            let mut running = pin!(run_hub(&hub, &run));
            let mut left = polls;
            poll_fn(|context| {
                if let Poll::Ready(report) = running.as_mut().poll(context) {
                    return Poll::Ready(Some(report));
                }
                left = left.saturating_sub(1);
                if !is_calm && self.chance.next().is_multiple_of(6) {
                    self.write();
                }
                if left == 0 { Poll::Ready(None) } else { Poll::Pending }
            })
            .await
        });
        let report = report?.unwrap();
        assert!(report.error.is_none(), "{:?}", report.error);
        Some((report.counters.written + report.counters.deleted, report.waiting))
    }

    /// Until nothing is written and nothing waits.
    fn settle(&mut self) {
        for _ in 0..40 {
            if self.run(u64::MAX, true) == Some((0, 0)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(300));
        }
        panic!("it does not come to rest:\n{}", self.lab.intents());
    }

    fn audit(&self, seed: u64) {
        let all =
            |system: &str| self.lab.sql(system, "select email, name, phone from person order by email, name, phone");
        let first = all(SYSTEMS[0]);
        for system in &SYSTEMS[1..] {
            let (left, right) = (first.lines().collect::<BTreeSet<_>>(), all(system));
            let right = right.lines().collect();
            let differing: Vec<&&str> = left.symmetric_difference(&right).collect();
            assert!(differing.is_empty(), "seed {seed}: crm and {system} differ: {differing:#?}");
        }
        let there: BTreeSet<&str> = first.lines().filter_map(|row| row.split('|').next()).collect();
        let lost: Vec<&String> = self.deeds.made.iter().filter(|made| !there.contains(made.as_str())).collect();
        assert!(lost.is_empty(), "seed {seed}: these records are lost: {lost:?}");
        let told = told(&self.lab);
        let lost: Vec<&String> = self.deeds.values.iter().filter(|value| !is_told(&told, value)).collect();
        assert!(lost.is_empty(), "seed {seed}: these values are lost: {lost:?}");
        assert_eq!(self.lab.letters(), Vec::<serde_json::Value>::new(), "seed {seed}");
    }
}

#[test]
fn seeded_hubs_of_components_agree_whatever_happens_between_their_steps() {
    let seeds = std::env::var("LOCKSTEP_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS);
    let mut cut = 0;
    for seed in 1..=seeds {
        let mut story = Story::new(seed);
        for _ in 0..RUNS {
            (0..story.chance.next() % 6).for_each(|_| story.write());
            let polls = 1 + story.chance.next() % POLLS;
            cut += u32::from(story.run(polls, false).is_none());
        }
        story.settle();
        story.audit(seed);
    }
    assert!(u64::from(cut) > seeds, "hardly a run was cut short: {cut}");
}
