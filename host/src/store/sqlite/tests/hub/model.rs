//! Random commits against a plain model in memory: both give the same answers.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Record(i64, Vec<u8>),
    Link(EndpointId, u8, Option<i64>),
    Key(u8, i64, Presence),
    Intent(EndpointId, i64, Option<IntentRow>),
    Wait(EndpointId, u8, i64),
    Done(EndpointId, u8),
    Put(i64, ConflictKind, ConflictState),
    Close(i64, ConflictState),
    Lineage(i64, Vec<u8>),
    Cursor(EndpointId, Option<Vec<u8>>),
    Pin(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let endpoint = || select(vec![CRM, ERP]);
    // Most records exist soon, so that most commits are not refused.
    let id = || 1..5i64;
    let body = || vec(any::<u8>(), 0..20);
    let row = (select(IntentState::ALL), 0..50i64, 0..3u32, any::<bool>())
        .prop_map(|(state, due, attempts, deletes)| IntentRow { state, due: at(due), attempts, deletes });
    let presence = select(vec![Presence::Present, Presence::Absent]);
    let step = prop_oneof![
        8 => (id(), body()).prop_map(|(id, body)| Step::Record(id, body)),
        4 => (endpoint(), 0..4u8, option::of(id())).prop_map(|(e, remote, id)| Step::Link(e, remote, id)),
        3 => (0..3u8, id(), presence).prop_map(|(key, id, presence)| Step::Key(key, id, presence)),
        4 => (endpoint(), id(), option::of(row)).prop_map(|(e, id, row)| Step::Intent(e, id, row)),
        3 => (endpoint(), 0..3u8, 0..50i64).prop_map(|(e, remote, due)| Step::Wait(e, remote, due)),
        2 => (endpoint(), 0..3u8).prop_map(|(e, remote)| Step::Done(e, remote)),
        3 => (id(), select(ConflictKind::ALL), select(ConflictState::ALL)).prop_map(|(id, kind, s)| Step::Put(id, kind, s)),
        1 => (1..4i64, select(ConflictState::ALL)).prop_map(|(id, state)| Step::Close(id, state)),
        4 => (id(), body()).prop_map(|(id, body)| Step::Lineage(id, body)),
        2 => (endpoint(), option::of(body())).prop_map(|(e, cursor)| Step::Cursor(e, cursor)),
        1 => any::<u8>().prop_map(Step::Pin),
    ];
    vec(step, 0..6)
}

fn commit_of(steps: &[Step], mut commit: HubCommit, number: i64) -> HubCommit {
    commit.at = at(100 + number);
    commit.counters.pages = number as u64;
    for step in steps {
        match step.clone() {
            Step::Record(id, body) => commit.records.push((RecordId(id), body)),
            Step::Link(endpoint, remote, id) => commit.links.push((endpoint, vec![remote], id.map(RecordId))),
            Step::Key(key, id, presence) => commit.match_keys.push(match_change(key, id, presence)),
            Step::Intent(endpoint, id, row) => commit.intents.push((endpoint, RecordId(id), row)),
            Step::Wait(endpoint, remote, due) => {
                commit.events.push(wait(endpoint, &remote.to_string(), due, &format!("commit {number}")));
            }
            Step::Done(endpoint, remote) => {
                commit.events.push(EventChange::Done { endpoint, remote: remote.to_string().into_bytes() });
            }
            Step::Put(id, kind, state) => {
                commit.conflicts.push(ConflictChange::Put(NewConflict { kind, state, ..new_conflict(id, "name") }));
            }
            Step::Close(id, state) => {
                let resolution = number.to_string();
                commit.conflicts.push(ConflictChange::Close { id: ConflictId(id), state, resolution });
            }
            Step::Lineage(id, body) => commit.lineage.push(NewLineage { record: RecordId(id), body }),
            Step::Cursor(endpoint, cursor) => {
                let cursor = cursor.map_or(CursorUpdate::Clear, CursorUpdate::Set);
                commit.endpoints.push(EndpointUpdate { cursor, ..EndpointUpdate::new(endpoint) });
            }
            Step::Pin(pin) => commit.pin = Some(pin.to_string()),
        }
    }
    commit
}

/// What a hub keeps, as plainly as it can be said.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    records: BTreeMap<RecordId, Vec<u8>>,
    links: BTreeMap<(EndpointId, Vec<u8>), RecordId>,
    keys: BTreeSet<(MatchKey, RecordId)>,
    intents: BTreeMap<(EndpointId, RecordId), IntentRow>,
    events: BTreeMap<(EndpointId, Vec<u8>), WaitingEvent>,
    conflicts: Vec<Conflict>,
    lineage: Vec<(RecordId, Vec<u8>)>,
    cursors: BTreeMap<EndpointId, Option<Vec<u8>>>,
    pin: Option<String>,
}

impl Model {
    /// The model afterwards; none if the commit must be refused.
    fn after(&self, commit: &HubCommit) -> Option<Self> {
        let mut model = self.clone();
        model.records.extend(commit.records.iter().cloned());
        let exists = |records: &BTreeMap<RecordId, Vec<u8>>, id: RecordId| records.contains_key(&id).then_some(());
        for (endpoint, remote, record) in &commit.links {
            let place = (*endpoint, remote.clone());
            let Some(record) = *record else {
                model.links.remove(&place);
                continue;
            };
            exists(&model.records, record)?;
            (*model.links.entry(place).or_insert(record) == record).then_some(())?;
        }
        for MatchKeyChange { key, record, presence } in &commit.match_keys {
            if *presence == Presence::Absent {
                model.keys.remove(&(*key, *record));
                continue;
            }
            exists(&model.records, *record)?;
            model.keys.insert((*key, *record));
        }
        for (endpoint, record, row) in &commit.intents {
            let Some(row) = row else {
                model.intents.remove(&(*endpoint, *record));
                continue;
            };
            exists(&model.records, *record)?;
            model.intents.insert((*endpoint, *record), *row);
        }
        model.events(commit);
        for change in &commit.conflicts {
            model.conflict(commit, change)?;
        }
        model.lineage.extend(commit.lineage.iter().map(|entry| (entry.record, entry.body.clone())));
        for EndpointUpdate { id, cursor, .. } in &commit.endpoints {
            let cursor = if let CursorUpdate::Set(cursor) = cursor { Some(cursor.clone()) } else { None };
            model.cursors.insert(*id, cursor);
        }
        model.pin = commit.pin.clone().or(model.pin);
        Some(model)
    }

    fn events(&mut self, commit: &HubCommit) {
        for change in &commit.events {
            match change.clone() {
                EventChange::Wait { endpoint, remote, due, reason, body } => {
                    let event = WaitingEvent { remote: remote.clone(), due, reason, body };
                    self.events.insert((endpoint, remote), event);
                }
                EventChange::Done { endpoint, remote } => drop(self.events.remove(&(endpoint, remote))),
            }
        }
    }

    fn conflict(&mut self, commit: &HubCommit, change: &ConflictChange) -> Option<()> {
        let is_open = |row: &&mut Conflict| row.conflict.state == ConflictState::Open;
        match change {
            ConflictChange::Put(new) => {
                self.records.contains_key(&new.record).then_some(())?;
                let same = |row: &&mut Conflict| {
                    (row.conflict.record, row.conflict.kind) == (new.record, new.kind) && is_open(row)
                };
                if let Some(old) = self.conflicts.iter_mut().find(same).filter(|_| new.state == ConflictState::Open) {
                    old.conflict.state = ConflictState::Outdated;
                    old.closed_at = Some(commit.at);
                }
                let id = ConflictId(self.conflicts.len() as i64 + 1);
                let closed_at = (new.state != ConflictState::Open).then_some(commit.at);
                self.conflicts.push(Conflict { id, run: commit.run, at: commit.at, closed_at, conflict: new.clone() });
            }
            ConflictChange::Close { id, state, resolution } => {
                let row = self.conflicts.iter_mut().find(|row| row.id == *id).filter(is_open)?;
                (*state != ConflictState::Open).then_some(())?;
                row.conflict.state = *state;
                row.conflict.resolution = Some(resolution.clone());
                row.closed_at = Some(commit.at);
            }
        }
        Some(())
    }

    fn check(&self, store: &SqliteStore) {
        let found = content(store).unwrap();
        assert_eq!(found.records, self.records.clone().into_iter().collect::<Vec<_>>());
        for (place, endpoint) in [CRM, ERP].into_iter().enumerate() {
            let links = self.links.iter().filter(|((of, _), _)| *of == endpoint);
            let links: Vec<_> = links.map(|((_, remote), id)| Link { remote: remote.clone(), record: *id }).collect();
            assert_eq!(
                (found.links[place].len() as u64, &found.links[place]),
                (store.count_links(endpoint).unwrap(), &links)
            );
            self.check_intents(endpoint, &found.intents[place], &found.counts[place]);
            let events = self.events.iter().filter(|((of, _), _)| *of == endpoint);
            let mut events: Vec<_> = events.map(|(_, event)| event.clone()).collect();
            events.sort_by_key(|event| event.due);
            assert_eq!(store.next_event(endpoint).unwrap(), events.first().map(|event| event.due));
            // Of those that are due at once, any may come first.
            let by_remote = |mut events: Vec<WaitingEvent>| {
                assert!(events.is_sorted_by_key(|event| event.due));
                events.sort_by(|one, other| one.remote.cmp(&other.remote));
                events
            };
            assert_eq!(by_remote(found.events[place].clone()), by_remote(events));
            let cursor = self.cursors.get(&endpoint).cloned().flatten();
            assert_eq!(found.state.endpoints[place].cursor, cursor);
        }
        assert_eq!(found.conflicts, self.conflicts);
        let lineage: Vec<_> = found.lineage.iter().map(|entry| (entry.record, entry.body.clone())).collect();
        assert_eq!(lineage, self.lineage);
        verify_chain(found.lineage.into_iter(), [0; 32]).unwrap();
        assert_eq!(found.state.pin, self.pin);
        self.check_loading(store);
        self.check_next(&found.state);
    }

    fn check_intents(&self, endpoint: EndpointId, found: &[Intent], counts: &IntentCounts) {
        let rows = self.intents.iter().filter(|((of, _), _)| *of == endpoint);
        let rows: Vec<_> = rows.map(|((_, record), row)| Intent { record: *record, row: *row }).collect();
        assert_eq!(found, rows);
        let mut counts = counts.clone();
        for state in IntentState::ALL {
            let count = rows.iter().filter(|intent| intent.row.state == *state).count() as u64;
            assert_eq!(*counts.of(*state), count);
        }
        let waiting = rows.iter().map(|intent| intent.row);
        let waiting = waiting.filter(|row| !matches!(row.state, IntentState::Refused | IntentState::Held));
        assert_eq!(counts.next_due, waiting.clone().map(|row| row.due).min());
        let deletes = waiting.filter(|row| row.deletes && row.state != IntentState::Parked).count() as u64;
        assert_eq!(counts.deletes, deletes);
    }

    fn check_loading(&self, store: &SqliteStore) {
        let query = RecordQuery {
            sync: SYNC.into(),
            links: (0..8u8).rev().map(|n| (EndpointId(i64::from(n % 2) + 1), vec![n / 2])).collect(),
            match_keys: (0..3).rev().map(match_key).collect(),
            records: (1..5).rev().map(RecordId).collect(),
        };
        let loaded = store.load_records(&query).unwrap();
        let links: Vec<_> = query.links.iter().map(|place| self.links.get(place).copied()).collect();
        assert_eq!(loaded.links, links);
        for (key, found) in query.match_keys.iter().zip(&loaded.match_keys) {
            let records: Vec<_> = self.keys.iter().filter(|(of, _)| of == key).map(|(_, record)| *record).collect();
            assert_eq!((found, &store.matching(SYNC, *key).unwrap()), (&records, &records));
        }
        assert_eq!(loaded.bodies, self.records.clone().into_iter().collect());
        let found = RecordQuery { records: Vec::new(), ..query };
        let found = store.load_records(&found).unwrap();
        let named: BTreeSet<_> = links.into_iter().flatten().chain(found.match_keys.into_iter().flatten()).collect();
        assert_eq!(found.bodies.keys().copied().collect::<BTreeSet<_>>(), named);
    }

    fn check_next(&self, state: &HubState) {
        let record = self.records.keys().last().map_or(1, |id| id.0 + 1);
        assert_eq!(state.next_record, RecordId(record));
        assert_eq!(state.next_lineage, LineageId(self.lineage.len() as i64 + 1));
        assert_eq!(state.next_conflict, ConflictId(self.conflicts.len() as i64 + 1));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn a_hub_is_what_its_commits_made_it(commits in vec((steps(), prop::bool::weighted(0.2)), 1..10)) {
        let store = store();
        let mut model = Model::default();
        let (_, mut base) = open(&store);
        for (number, (steps, is_opened_again)) in (0..).zip(&commits) {
            if *is_opened_again {
                (_, base) = open(&store);
            }
            let commit = commit_of(steps, base.clone(), number);
            let after = model.after(&commit);
            let result = store.commit_hub(&commit);
            prop_assert_eq!(result.is_ok(), after.is_some(), "{:?} {:?}", result, commit);
            model = after.unwrap_or(model);
            model.check(&store);
        }
    }
}
