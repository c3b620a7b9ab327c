//! The process is killed again and again while programs on both sides go on working. What must hold in the end: both sides are
//! equal, nothing is there twice, and every value somebody wrote is agreed, or was, or stands in a conflict.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lockstep::store::{HubStore as _, LineageId, SqliteStore};

use super::endpoints::PERSON;
use super::systems::{Lab, figures};
use crate::mirror::kills::{Chance, kill_after};

/// Unless `LOCKSTEP_KILLS` says otherwise.
const KILLS: u32 = 10;
/// Records each side begins with; the first hundred are on both.
const ROWS: u32 = 400;
/// Steps each side works at least, however quickly the kills are done.
const STEPS: u32 = 8;
/// Until both sides rest. Writes that nobody heard of again are looked at after a while.
const SETTLE: Duration = Duration::from_secs(120);

const HUB: &str = "[sync.person]\nmode = \"hub\"\nmatch = [\"email\"]\nconflict = [\"west\", \"east\"]\n\
    delete_conflict = \"delete-wins\"\nguard = { rows = 1000000, share = 1.0 }\n\
    endpoints.east = { stream = \"public.person\" MODIFIED }\nendpoints.west = { stream = \"public.person\" MODIFIED }\n\
    [sync.person.fields]\nemail = { east = \"email\", west = \"email\" }\nname = { east = \"name\", west = \"name\" }\n\
    phone = { east = \"phone\", west = \"phone\" }\n";

fn populated(modified: &str) -> Lab {
    let lab = Lab::databases(&["east", "west"], &[], &HUB.replace("MODIFIED", modified));
    for (side, from) in [("east", 0), ("west", ROWS - 100)] {
        lab.sql(side, PERSON);
        lab.sql(
            side,
            &format!(
                "alter sequence person_id_seq restart with {}; insert into person (email, name, phone) \
                 select 'p' || i || '@x', 'P' || i, i from generate_series({from}, {}) i",
                if side == "east" { 1 } else { 100_001 },
                from + ROWS - 1
            ),
        );
    }
    lab
}

/// What a side has done by its own: values that were written, and addresses that were made.
#[derive(Default)]
pub struct Deeds {
    pub values: BTreeSet<String>,
    pub made: BTreeSet<String>,
}

/// Works on one side until told to stop: each step makes a record, edits some nobody of this side has edited before, and deletes one.
fn work(lab: &Lab, side: &str, shared: bool, stop: &AtomicBool) -> Deeds {
    let mut deeds = Deeds::default();
    let mut chance = Chance(u64::from(side == "west") + 7);
    for step in 0.. {
        if step >= STEPS && stop.load(Ordering::Relaxed) {
            break;
        }
        let make = if shared && step % 3 == 0 { format!("both-{step}@x") } else { format!("{side}-{step}@x") };
        lab.sql(
            side,
            &format!("insert into person (email, name) values ('{make}', '{side} made {step}') on conflict do nothing"),
        );
        deeds.made.insert(make);
        let edited = lab.sql(
            side,
            &format!(
                "update person set name = '{side} edit {step}.' || id || '.' where id in (select id from person \
                 where name not like '{side} %' and name not like '% made %' order by md5(id::text || '{}') limit 3) \
                 returning name",
                chance.next()
            ),
        );
        deeds.values.extend(edited.lines().map(str::to_owned));
        let called = format!("{side} calls {step}.");
        let called = lab.sql(
            side,
            &format!(
                "update person set phone = '{called}' where id = (select id from person where phone not like '% calls %' \
                 order by md5(id::text || '{}') limit 1) returning phone",
                chance.next()
            ),
        );
        deeds.values.extend(called.lines().map(str::to_owned));
        lab.sql(
            side,
            &format!(
                "delete from person where id = (select id from person where email like 'p%' \
                 and name not like '% edit %' and phone not like '% calls %' order by md5(id::text || '{}') limit 1)",
                chance.next()
            ),
        );
        std::thread::sleep(Duration::from_millis(60));
    }
    deeds
}

fn kills() -> u32 {
    std::env::var("LOCKSTEP_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS)
}

/// Answers what the programs on both sides have done meanwhile.
fn kill_under_load(lab: &Lab, seed: u64, shared: bool) -> Vec<Deeds> {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (east, west) =
            (scope.spawn(|| work(lab, "east", shared, &stop)), scope.spawn(|| work(lab, "west", shared, &stop)));
        let (mut chance, mut killed) = (Chance(seed), 0);
        while killed < kills() {
            match kill_after(lab.spawn(&["run", "--json"]), chance.life()) {
                None => killed += 1,
                Some(outcome) => assert!(matches!(outcome.code, Some(0 | 1)), "{outcome}"),
            }
        }
        stop.store(true, Ordering::Relaxed);
        vec![east.join().unwrap(), west.join().unwrap()]
    })
}

/// Runs until nothing is written and nothing waits.
fn settle(lab: &Lab) {
    let until = Instant::now() + SETTLE;
    loop {
        let outcome = lab.run(&["run", "--json"]);
        assert!(matches!(outcome.code, Some(0 | 1)), "{outcome}");
        let sync = outcome.json()["result"]["syncs"][0].clone();
        if figures(&sync, ["written", "deleted", "waiting"]) == [0, 0, 0] {
            return;
        }
        assert!(Instant::now() < until, "it does not come to rest: {outcome}\n{}", lab.intents());
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Everything the state tells of values: conflicts and lineage.
pub fn told(lab: &Lab) -> Vec<u8> {
    let store = SqliteStore::open_read_only(&lab.path("")).unwrap();
    let mut told = Vec::new();
    for conflict in lab.conflicts() {
        told.extend_from_slice(conflict.conflict.body.as_bytes());
    }
    let mut after: Option<LineageId> = None;
    loop {
        let entries = store.lineage_after(after, 10_000).unwrap();
        let Some(last) = entries.last() else { return told };
        after = Some(last.id);
        entries.iter().for_each(|entry| told.extend_from_slice(&entry.body));
    }
}

pub fn is_told(told: &[u8], value: &str) -> bool {
    told.windows(value.len()).any(|window| window == value.as_bytes())
}

fn audit(lab: &Lab, deeds: &[Deeds]) {
    let all = |side: &str| lab.sql(side, "select email, name, phone from person order by email, name, phone");
    let (east, west) = (all("east"), all("west"));
    let (left, right): (BTreeSet<&str>, BTreeSet<&str>) = (east.lines().collect(), west.lines().collect());
    let differing: Vec<&&str> = left.symmetric_difference(&right).collect();
    assert!(differing.is_empty(), "the sides differ: {differing:#?}");
    for side in ["east", "west"] {
        let twice = lab.sql(side, "select email from person group by email having count(*) > 1");
        assert_eq!(twice, "", "{side} has these more than once");
    }
    let addresses: BTreeSet<&str> = east.lines().filter_map(|row| row.split('|').next()).collect();
    let lost: Vec<&String> =
        deeds.iter().flat_map(|deeds| &deeds.made).filter(|made| !addresses.contains(made.as_str())).collect();
    assert!(lost.is_empty(), "these records are lost: {lost:?}");
    let told = told(lab);
    let values = deeds.iter().flat_map(|deeds| &deeds.values);
    let lost: Vec<&String> = values.filter(|value| !is_told(&told, value)).collect();
    assert!(lost.is_empty(), "these values are lost: {lost:?}");
    assert_eq!(lab.letters(), Vec::<serde_json::Value>::new());
    let open: Vec<_> =
        lab.conflicts().into_iter().filter(|conflict| conflict.conflict.state.name() == "open").collect();
    assert!(open.is_empty(), "{open:#?}");
}

#[test]
fn full_readings_survive_kills_under_load() {
    let lab = populated("");
    let deeds = kill_under_load(&lab, 1, false);
    assert!(deeds.iter().all(|deeds| deeds.made.len() > 5), "the load was too small to mean anything");
    settle(&lab);
    audit(&lab, &deeds);
    lab.rests();
}

/// Here both sides also make records with the same addresses, which are unique.
#[test]
fn incremental_readings_survive_kills_under_load() {
    let lab = populated(", modified = \"changed\"");
    for side in ["east", "west"] {
        lab.sql(side, "create unique index on person (email)");
    }
    let deeds = kill_under_load(&lab, 2, true);
    assert!(deeds.iter().all(|deeds| deeds.made.len() > 5), "the load was too small to mean anything");
    settle(&lab);
    audit(&lab, &deeds);
    lab.rests();
}
