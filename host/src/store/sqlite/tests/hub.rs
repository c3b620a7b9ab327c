//! What hubs keep: each method, and what must be refused.

mod damage;
mod files;
mod model;
mod refusals;

use super::*;
use crate::store::{
    Conflict, ConflictChange, ConflictFilter, ConflictId, ConflictKind, ConflictState, EndpointId, EndpointUpdate,
    Epoch, EventChange, HubCommit, HubState, HubStore, Intent, IntentCounts, IntentRow, IntentState, LineageEntry,
    LineageId, Link, MatchKey, MatchKeyChange, NewConflict, NewLineage, Presence, RecordId, RecordQuery, WaitingEvent,
    verify_chain,
};

const SYNC: &str = "customer";
const CRM: EndpointId = EndpointId(1);
const ERP: EndpointId = EndpointId(2);

fn names() -> [String; 2] {
    ["crm".into(), "erp".into()]
}

/// A run that holds the lease of its hub.
fn open(store: &SqliteStore) -> (HubState, HubCommit) {
    open_sync(store, SYNC)
}

fn open_sync(store: &SqliteStore, sync: &str) -> (HubState, HubCommit) {
    let run = begin(store, sync);
    let state = store.open_hub(sync, &names()).unwrap();
    let commit = HubCommit::new(run, at(1), state.epoch, Counters::default());
    (state, commit)
}

fn record(id: i64, body: &str) -> (RecordId, Vec<u8>) {
    (RecordId(id), body.as_bytes().to_vec())
}

fn link(endpoint: EndpointId, remote: &str, record: impl Into<Option<i64>>) -> (EndpointId, Vec<u8>, Option<RecordId>) {
    (endpoint, remote.as_bytes().to_vec(), record.into().map(RecordId))
}

fn match_key(number: u8) -> MatchKey {
    MatchKey([number; 16])
}

fn match_change(number: u8, record: i64, presence: Presence) -> MatchKeyChange {
    MatchKeyChange { key: match_key(number), record: RecordId(record), presence }
}

fn planned(due: i64) -> IntentRow {
    IntentRow { state: IntentState::Planned, due: at(due), attempts: 0, deletes: false }
}

fn wait(endpoint: EndpointId, remote: &str, due: i64, reason: &str) -> EventChange {
    let (remote, body) = (remote.as_bytes().to_vec(), vec![0, 1, 255]);
    EventChange::Wait { endpoint, remote, due: at(due), reason: reason.into(), body }
}

fn new_conflict(record: i64, subject: &str) -> NewConflict {
    NewConflict {
        sync: SYNC.into(),
        record: RecordId(record),
        kind: ConflictKind::Field,
        state: ConflictState::Open,
        subject: subject.into(),
        body: "{\"key\":1}".into(),
        resolution: None,
    }
}

fn entry(record: i64, body: &str) -> NewLineage {
    NewLineage { record: RecordId(record), body: body.as_bytes().to_vec() }
}

/// A commit of a bit of everything about records 1 and 2.
fn everything(commit: &HubCommit) -> HubCommit {
    HubCommit {
        endpoints: vec![EndpointUpdate {
            cursor: CursorUpdate::Set(vec![7]),
            enumerated_at: Some(at(2)),
            scanned_at: Some(at(3)),
            progress_at: Some(at(3)),
            baselined: Some(true),
            ..EndpointUpdate::new(CRM)
        }],
        records: vec![record(2, "two"), record(1, "one")],
        links: vec![link(ERP, "x", 1), link(CRM, "b", 2), link(CRM, "a", 1)],
        match_keys: vec![match_change(9, 2, Presence::Present), match_change(9, 1, Presence::Present)],
        intents: vec![(ERP, RecordId(2), Some(planned(5))), (ERP, RecordId(1), Some(planned(4)))],
        events: vec![wait(CRM, "late", 9, "parent"), wait(CRM, "early", 8, "parent")],
        conflicts: vec![ConflictChange::Put(new_conflict(1, "name"))],
        lineage: vec![entry(1, "created"), entry(2, "created")],
        dead_letters: vec![letter(1, "refused")],
        pin: Some("[\"name\"]".into()),
        ..commit.clone()
    }
}

/// All there is, read in pages of different sizes.
#[derive(Clone, Debug, PartialEq)]
struct Content {
    state: HubState,
    records: Vec<(RecordId, Vec<u8>)>,
    links: Vec<Vec<Link>>,
    intents: Vec<Vec<Intent>>,
    counts: Vec<IntentCounts>,
    events: Vec<Vec<WaitingEvent>>,
    conflicts: Vec<Conflict>,
    lineage: Vec<LineageEntry>,
    letters: Vec<DeadLetter>,
    sync: SyncState,
    counters: Vec<Counters>,
}

fn pages<T, A>(after: impl Fn(&T) -> A, page: impl Fn(Option<A>, u32) -> Result<Vec<T>>) -> Result<Vec<T>> {
    let mut all: Vec<T> = Vec::new();
    loop {
        let limit = if all.is_empty() { 3 } else { 50 };
        let next = page(all.last().map(&after), limit)?;
        if next.is_empty() {
            return Ok(all);
        }
        all.extend(next);
    }
}

fn content(store: &SqliteStore) -> Result<Content> {
    let state = store.hub_state(SYNC, &names())?;
    let endpoints = [CRM, ERP];
    let links = |endpoint| pages(|link: &Link| link.remote.clone(), |a, n| store.links(endpoint, a.as_deref(), n));
    let intents = |endpoint| pages(|intent: &Intent| intent.record, |a, n| store.due_intents(endpoint, at(99), a, n));
    let conflicts = |after, n| store.conflicts(&ConflictFilter { after, limit: Some(n), ..ConflictFilter::default() });
    Ok(Content {
        records: pages(|row: &(RecordId, _)| row.0, |a, n| store.records(SYNC, a, n))?,
        links: endpoints.into_iter().map(links).collect::<Result<_>>()?,
        intents: endpoints.into_iter().map(intents).collect::<Result<_>>()?,
        counts: endpoints.into_iter().map(|endpoint| store.count_intents(endpoint)).collect::<Result<_>>()?,
        events: endpoints.into_iter().map(|endpoint| store.due_events(endpoint, at(99), 99)).collect::<Result<_>>()?,
        conflicts: pages(|conflict: &Conflict| conflict.id, conflicts)?,
        lineage: pages(|entry: &LineageEntry| entry.id, |a, n| store.lineage_after(a, n))?,
        letters: store.dead_letters(&DeadLetterFilter::default())?,
        sync: store.sync_state(SYNC)?,
        counters: store.runs(&RunFilter::default())?.iter().map(|run| run.counters).collect(),
        state,
    })
}

/// Fails, and nothing is changed.
fn check_refused(store: &SqliteStore, commit: &HubCommit, code: &str, message: &str) {
    let before = content(store).unwrap();
    check_error(store.commit_hub(commit), code, message);
    assert_eq!(content(store).unwrap(), before);
}

fn check_senseless(store: &SqliteStore, commit: &HubCommit, what: &str) {
    check_refused(store, commit, "LS0999", &format!("the state cannot be changed so: {what}"));
}

#[test]
fn a_hub_nobody_has_opened_is_empty() {
    let store = store();
    let state = store.hub_state(SYNC, &names()).unwrap();
    assert_eq!((state.epoch, state.next_record, state.pin), (Epoch(0), RecordId(1), None));
    assert_eq!((state.next_lineage, state.next_conflict), (LineageId(1), ConflictId(1)));
    assert_eq!(state.endpoints.iter().map(|endpoint| endpoint.id).collect::<Vec<_>>(), [EndpointId(0); 2]);
    let query = RecordQuery { sync: SYNC.into(), links: vec![(CRM, vec![1])], ..RecordQuery::default() };
    assert_eq!(store.load_records(&query).unwrap().links, [None]);
    assert_eq!(store.syncs().unwrap(), []);
    assert!(store.records(SYNC, None, 9).unwrap().is_empty());
    assert!(store.matching(SYNC, match_key(1)).unwrap().is_empty());
    check_error(store.conflict(ConflictId(3)), "LS0102", "there is no conflict 3");
}

#[test]
fn endpoints_are_made_once_and_known_by_their_names() {
    let store = store();
    let first = store.open_hub(SYNC, &names()).unwrap();
    let other = store.open_hub("order", &names()).unwrap();
    let again = store.open_hub(SYNC, &["web".into(), "erp".into(), "crm".into()]).unwrap();
    let ids = |state: &HubState| state.endpoints.iter().map(|endpoint| endpoint.id.0).collect::<Vec<_>>();
    assert_eq!((ids(&first), ids(&other), ids(&again)), (vec![1, 2], vec![3, 4], vec![5, 2, 1]));
    assert_eq!((first.epoch, other.epoch, again.epoch), (Epoch(1), Epoch(1), Epoch(2)));
    assert_eq!(store.hub_state(SYNC, &["erp".into(), "new".into()]).unwrap().endpoints[1].id, EndpointId(0));
    assert_eq!(store.hub_state(SYNC, &[]).unwrap().epoch, Epoch(2));
}

#[test]
fn a_commit_is_read_back_as_it_was_made() {
    let store = store();
    let (_, commit) = open(&store);
    let counters = Counters { read: 7, written: 2, ..Counters::default() };
    let commit = HubCommit { counters, ..everything(&commit) };
    store.commit_hub(&commit).unwrap();
    let found = content(&store).unwrap();
    assert_eq!(found.records, [record(1, "one"), record(2, "two")]);
    let remote = |remote: &str, record| Link { remote: remote.as_bytes().to_vec(), record: RecordId(record) };
    assert_eq!(found.links, [vec![remote("a", 1), remote("b", 2)], vec![remote("x", 1)]]);
    assert_eq!((store.count_links(CRM).unwrap(), store.count_links(ERP).unwrap()), (2, 1));
    let rows: Vec<_> = found.intents[1].iter().map(|intent| (intent.record.0, intent.row)).collect();
    assert_eq!(rows, [(1, planned(4)), (2, planned(5))]);
    let reasons: Vec<_> = found.events[0].iter().map(|event| (event.remote.as_slice(), event.due)).collect();
    assert_eq!(reasons, [(b"early".as_slice(), at(8)), (b"late", at(9))]);
    assert_eq!(found.events[0][0].body, [0, 1, 255]);
    let expected =
        Conflict { id: ConflictId(1), run: commit.run, at: at(1), closed_at: None, conflict: new_conflict(1, "name") };
    assert_eq!(found.conflicts, std::slice::from_ref(&expected));
    assert_eq!(store.conflict(ConflictId(1)).unwrap(), expected);
    let entries: Vec<_> = found.lineage.iter().map(|entry| (entry.id.0, entry.record.0, entry.body.clone())).collect();
    assert_eq!(entries, [(1, 1, b"created".to_vec()), (2, 2, b"created".to_vec())]);
    assert_eq!((found.lineage[0].sync.as_str(), found.lineage[0].run, found.lineage[0].at), (SYNC, commit.run, at(1)));
    assert_eq!(found.counters, [counters]);
    assert_eq!(found.letters[0].letter, letter(1, "refused"));
    let state = found.state;
    assert_eq!((state.next_record, state.next_lineage), (RecordId(3), LineageId(3)));
    assert_eq!((state.next_conflict, state.pin.as_deref()), (ConflictId(2), Some("[\"name\"]")));
    let crm = &state.endpoints[0];
    assert_eq!(
        (crm.cursor.as_deref(), crm.enumerated_at, crm.progress_at),
        (Some([7].as_slice()), Some(at(2)), Some(at(3)))
    );
    assert!(crm.baselined && !state.endpoints[1].baselined);
}

#[test]
fn a_query_is_answered_in_its_own_order() {
    let store = store();
    let (_, commit) = open(&store);
    store.commit_hub(&everything(&commit)).unwrap();
    let asked = |endpoint, remote: &str| (endpoint, remote.as_bytes().to_vec());
    let query = RecordQuery {
        sync: SYNC.into(),
        links: vec![asked(ERP, "x"), asked(CRM, "b"), asked(ERP, "b"), asked(CRM, "a"), asked(ERP, "x")],
        match_keys: vec![match_key(9), match_key(1)],
        records: vec![RecordId(2), RecordId(77), RecordId(1)],
    };
    let loaded = store.load_records(&query).unwrap();
    assert_eq!(loaded.links.iter().map(|id| id.map_or(0, |id| id.0)).collect::<Vec<_>>(), [1, 2, 0, 1, 1]);
    assert_eq!(loaded.match_keys, [vec![RecordId(1), RecordId(2)], vec![]]);
    assert_eq!(loaded.bodies, [record(1, "one"), record(2, "two")].into());
    let query = RecordQuery { sync: "order".into(), records: vec![RecordId(1)], ..RecordQuery::default() };
    open_sync(&store, "order");
    assert!(store.load_records(&query).unwrap().bodies.is_empty());
}

#[test]
fn what_is_put_again_takes_the_place_of_what_was_there() {
    let store = store();
    let (_, commit) = open(&store);
    store.commit_hub(&everything(&commit)).unwrap();
    let held = IntentRow { state: IntentState::Held, due: at(6), attempts: 3, deletes: true };
    let change = HubCommit {
        at: at(20),
        records: vec![record(1, "ONE")],
        links: vec![link(CRM, "a", None), link(CRM, "a", 2), link(CRM, "b", 2), link(CRM, "none", None)],
        match_keys: vec![match_change(9, 1, Presence::Absent), match_change(9, 2, Presence::Present)],
        intents: vec![(ERP, RecordId(1), None), (ERP, RecordId(2), Some(held)), (CRM, RecordId(2), None)],
        events: vec![
            wait(CRM, "early", 30, "again"),
            EventChange::Done { endpoint: CRM, remote: b"late".to_vec() },
            EventChange::Done { endpoint: ERP, remote: b"none".to_vec() },
        ],
        ..commit.clone()
    };
    store.commit_hub(&change).unwrap();
    let found = content(&store).unwrap();
    assert_eq!(found.records, [record(1, "ONE"), record(2, "two")]);
    assert_eq!(found.links[0].iter().map(|link| link.record.0).collect::<Vec<_>>(), [2, 2]);
    assert_eq!(store.matching(SYNC, match_key(9)).unwrap(), [RecordId(2)]);
    assert_eq!(found.intents[1], [Intent { record: RecordId(2), row: held }]);
    assert_eq!(found.events[0].iter().map(|event| event.reason.as_str()).collect::<Vec<_>>(), ["again"]);
    assert_eq!((store.next_event(CRM).unwrap(), store.next_event(ERP).unwrap()), (Some(at(30)), None));
    assert!(store.due_events(CRM, at(29), 9).unwrap().is_empty());
    // What a commit does not speak of stays.
    assert_eq!(found.state.pin.as_deref(), Some("[\"name\"]"));
    assert_eq!(found.state.endpoints[0].cursor, Some(vec![7]));
}

#[test]
fn intents_are_counted_by_state_and_listed_when_due() {
    let store = store();
    let (_, commit) = open(&store);
    let states = IntentState::ALL;
    let row = |number: usize| IntentRow {
        state: states[number],
        due: at(10 - number as i64),
        attempts: number as u32,
        deletes: number > 1,
    };
    let intents = (0..states.len()).map(|n| (ERP, RecordId(n as i64 + 1), Some(row(n)))).collect();
    let records = (1..=6).map(|id| record(id, "x")).collect();
    store.commit_hub(&HubCommit { records, intents, ..commit }).unwrap();
    let counts = store.count_intents(ERP).unwrap();
    let expected = IntentCounts {
        planned: 1,
        sent: 1,
        unknown: 1,
        parked: 1,
        refused: 1,
        held: 1,
        deletes: 1,
        next_due: Some(at(7)),
    };
    assert_eq!(counts, expected);
    assert_eq!(store.count_intents(CRM).unwrap(), IntentCounts::default());
    let due = |due, after, limit| -> Vec<i64> {
        let intents = store.due_intents(ERP, at(due), after, limit).unwrap();
        assert!(intents.iter().all(|intent| intent.row == row(intent.record.0 as usize - 1)));
        intents.iter().map(|intent| intent.record.0).collect()
    };
    assert_eq!(due(7, None, 9), [4, 5, 6]);
    assert_eq!(due(7, Some(RecordId(4)), 1), [5]);
    assert_eq!(due(4, None, 9), [0i64; 0]);
}

#[test]
fn a_conflict_is_open_once_and_closed_once() {
    let store = store();
    let (_, commit) = open(&store);
    let put = |conflict| ConflictChange::Put(conflict);
    let close = |id, state| ConflictChange::Close { id: ConflictId(id), state, resolution: "{\"by\":\"me\"}".into() };
    let decided = NewConflict {
        state: ConflictState::Decided,
        resolution: Some("{\"policy\":\"owner\"}".into()),
        ..new_conflict(1, "phone")
    };
    let other_kind = NewConflict { kind: ConflictKind::Oscillation, ..new_conflict(1, "name") };
    let conflicts = vec![
        put(new_conflict(1, "name")),
        put(new_conflict(1, "phone")),
        put(other_kind),
        put(new_conflict(1, "name")),
        put(decided),
    ];
    let records = vec![record(1, "one")];
    store.commit_hub(&HubCommit { at: at(4), records, conflicts, ..commit.clone() }).unwrap();
    let states = |state| -> Vec<i64> {
        let filter = ConflictFilter { state: Some(state), ..ConflictFilter::default() };
        store.conflicts(&filter).unwrap().iter().map(|conflict| conflict.id.0).collect()
    };
    assert_eq!(states(ConflictState::Open), [2, 3, 4]);
    assert_eq!(states(ConflictState::Outdated), [1]);
    assert_eq!(store.conflict(ConflictId(5)).unwrap().closed_at, Some(at(4)));
    let resolve = HubCommit { at: at(5), conflicts: vec![close(4, ConflictState::Resolved)], ..commit.clone() };
    store.commit_hub(&resolve).unwrap();
    let closed = store.conflict(ConflictId(4)).unwrap();
    assert_eq!((closed.closed_at, closed.conflict.resolution.as_deref()), (Some(at(5)), Some("{\"by\":\"me\"}")));
    check_refused(&store, &resolve, "LS0708", "conflict 4 is resolved");
    let reopen = HubCommit { conflicts: vec![close(3, ConflictState::Open)], ..commit.clone() };
    check_senseless(&store, &reopen, "closing conflict 3 does not leave it open");
    let unknown = HubCommit { conflicts: vec![close(9, ConflictState::Resolved)], ..commit };
    check_refused(&store, &unknown, "LS0102", "there is no conflict 9");
    let filter =
        ConflictFilter { record: Some(RecordId(1)), after: Some(ConflictId(2)), limit: Some(2), ..Default::default() };
    assert_eq!(store.conflicts(&filter).unwrap().iter().map(|row| row.id.0).collect::<Vec<_>>(), [3, 4]);
    let filter = ConflictFilter { sync: Some("order".into()), ..Default::default() };
    assert_eq!(store.conflicts(&filter).unwrap(), []);
}

#[test]
fn the_lineage_is_one_chain_over_all_hubs_and_runs() {
    let store = store();
    let mut expected = Vec::new();
    for (number, sync) in [SYNC, "order", SYNC].into_iter().enumerate() {
        let (state, commit) = open_sync(&store, sync);
        let id = state.next_record.0;
        for part in ["a", "b"] {
            let lineage = vec![entry(id, part), entry(id, "more")];
            let records = vec![record(id, part)];
            store.commit_hub(&HubCommit { records, lineage, ..commit.clone() }).unwrap();
        }
        expected.push((commit.run, number as i64 * 4 + 1..number as i64 * 4 + 5));
    }
    let entries = store.lineage_after(None, 99).unwrap();
    let hash = verify_chain(entries.iter().cloned(), [0; 32]).unwrap();
    assert_eq!((entries.len(), entries[11].hash), (12, hash));
    assert_eq!(entries.iter().map(|entry| entry.id.0).collect::<Vec<_>>(), (1..=12).collect::<Vec<_>>());
    for (run, range) in expected {
        let of_run = pages(|entry: &LineageEntry| entry.id, |a, n| store.lineage_of_run(run, a, n)).unwrap();
        assert!(of_run.iter().all(|entry| entry.run == run));
        assert_eq!(of_run.iter().map(|entry| entry.id.0).collect::<Vec<_>>(), range.collect::<Vec<_>>());
    }
    let some = store.lineage(&[LineageId(7), LineageId(99), LineageId(2)]).unwrap();
    assert_eq!(some, [entries[6].clone(), entries[1].clone()]);
    assert_eq!(store.lineage_after(Some(LineageId(10)), 1).unwrap(), [entries[10].clone()]);
}

#[test]
fn runs_that_take_turns_keep_their_entries_apart() {
    let store = store();
    let (_, first) = open(&store);
    let second = HubCommit { run: begin(&store, SYNC), ..first.clone() };
    for commit in [&first, &second, &second, &first] {
        let change = HubCommit { records: vec![record(1, "x")], lineage: vec![entry(1, "x")], ..commit.clone() };
        store.commit_hub(&change).unwrap();
    }
    let ids = |run, after, limit| -> Vec<i64> {
        store.lineage_of_run(run, after, limit).unwrap().iter().map(|entry| entry.id.0).collect()
    };
    assert_eq!((ids(first.run, None, 9), ids(second.run, None, 9)), (vec![1, 4], vec![2, 3]));
    assert_eq!((ids(first.run, Some(LineageId(1)), 9), ids(first.run, None, 1)), (vec![4], vec![1]));
    assert_eq!((ids(second.run, Some(LineageId(2)), 9), ids(RunId(99), None, 9)), (vec![3], vec![]));
}

#[test]
fn letters_and_holds_go_the_way_of_pages() {
    let store = store();
    let (_, commit) = open(&store);
    let change = HubCommit { dead_letters: vec![letter(1, "a"), letter(2, "b"), letter(3, "c")], ..commit.clone() };
    store.commit_hub(&change).unwrap();
    let hold = store.hold(&NewHold { sync: SYNC.into(), ..new_hold(commit.run, 1) }).unwrap();
    let change = HubCommit {
        written_keys: vec![key(1)],
        resolved: vec![letters(&store, DeadLetterState::Open)[1].id],
        hold_applied: Some(hold),
        ..commit
    };
    check_refused(&store, &change, "LS0708", "the deletes of hold 1 are open");
    store.decide_hold(hold, Decision::Approve, at(3)).unwrap();
    store.commit_hub(&change).unwrap();
    assert_eq!(store.sync_state(SYNC).unwrap().open_dead_letter_keys, [key(3)].into());
    assert_eq!(letters(&store, DeadLetterState::Superseded)[0].letter.key, key(1));
    assert_eq!(letters(&store, DeadLetterState::Resolved)[0].letter.key, key(2));
    assert_eq!(hold_state(&store, hold), HoldState::Applied);
}

#[test]
fn every_commit_moves_the_generation_and_the_phase_follows_the_endpoints() {
    let store = store();
    let state = || store.sync_state(SYNC).unwrap();
    let (_, commit) = open(&store);
    let before = state();
    assert_eq!(before.phase, Phase::New);
    let baselined = |endpoint| EndpointUpdate { baselined: Some(true), ..EndpointUpdate::new(endpoint) };
    for (endpoints, phase) in [
        (vec![], Phase::InitialLoad),
        (vec![baselined(CRM)], Phase::InitialLoad),
        (vec![baselined(ERP)], Phase::Steady),
    ] {
        let generation = state().generation;
        store.commit_hub(&HubCommit { endpoints, ..commit.clone() }).unwrap();
        assert_eq!((state().generation, state().phase), (generation + 1, phase));
    }
    open(&store);
    assert!(state().generation > before.generation + 3);
}

#[test]
fn runs_that_a_conflict_or_the_lineage_speaks_of_are_kept() {
    let store = store();
    let (_, first) = open(&store);
    let records = vec![record(1, "x")];
    let conflicts = vec![ConflictChange::Put(new_conflict(1, "name"))];
    store.commit_hub(&HubCommit { records, conflicts, ..first.clone() }).unwrap();
    let second = begin(&store, SYNC);
    store.commit_hub(&HubCommit { run: second, lineage: vec![entry(1, "x")], ..first.clone() }).unwrap();
    let forgotten = begin(&store, SYNC);
    let more = |transaction: &Transaction<'_>| {
        for _ in 0..10_237 {
            changes::begin_run(transaction, &new_run(SYNC))?;
        }
        Ok(())
    };
    store.write(more).unwrap();
    let runs: Vec<RunId> = store.runs(&RunFilter::default()).unwrap().iter().map(|run| run.id).collect();
    assert!(runs.contains(&first.run) && runs.contains(&second) && !runs.contains(&forgotten));
}

#[test]
fn what_is_forgotten_leaves_nothing_that_leads_to_it() {
    let store = store();
    let (_, commit) = open(&store);
    let first = HubCommit {
        records: vec![record(1, "ann"), record(2, "bob")],
        links: vec![link(CRM, "a", 1), link(ERP, "a", 1), link(CRM, "b", 2), link(ERP, "b", 2), link(ERP, "old b", 2)],
        match_keys: vec![match_change(1, 1, Presence::Present), match_change(1, 2, Presence::Present)],
        intents: vec![(CRM, RecordId(2), Some(planned(1)))],
        lineage: vec![entry(2, "x")],
        ..commit.clone()
    };
    store.commit_hub(&first).unwrap();
    let forget = HubCommit { forgotten: vec![RecordId(2)], ..commit.clone() };
    store.commit_hub(&forget).unwrap();
    let owners = |links: Vec<Link>| links.into_iter().map(|link| link.record.0).collect::<Vec<_>>();
    assert_eq!(owners(store.links(CRM, None, 9).unwrap()), [1]);
    assert_eq!(owners(store.links(ERP, None, 9).unwrap()), [1]);
    assert_eq!(store.matching(SYNC, match_key(1)).unwrap(), [RecordId(1)]);
    assert_eq!(store.count_intents(CRM).unwrap(), IntentCounts::default());
    assert_eq!(store.records(SYNC, None, 9).unwrap(), [record(1, "ann")]);
    assert_eq!(store.lineage(&[LineageId(1)]).unwrap().len(), 1);
    // Nobody can be forgotten twice, and no id is given twice.
    assert!(store.commit_hub(&forget).is_err());
    assert_eq!(store.hub_state(SYNC, &names()).unwrap().next_record, RecordId(3));
}
