mod corruption;
mod crash;
mod files;
mod hub;

use super::testing::{at, begin, key, letter, new_run, page};
use super::*;
use crate::error::Explain as _;
use crate::store::{
    Counters, CursorUpdate, DeadLetterState, HoldState, NewDeadLetter, Outcome, Phase, RunError, RunStatus, SchemaPin,
    StoreError,
};

fn store() -> SqliteStore {
    SqliteStore::in_memory().unwrap()
}

fn end(outcome: Outcome) -> RunEnd {
    RunEnd { outcome, ended_at: at(9), counters: Counters::default(), error: None, compared: false }
}

fn letters(store: &SqliteStore, state: DeadLetterState) -> Vec<DeadLetter> {
    store.dead_letters(&DeadLetterFilter { state: Some(state), ..Default::default() }).unwrap()
}

fn check_error<T: std::fmt::Debug>(result: Result<T, StoreError>, code: &str, message: &str) {
    let error = result.unwrap_err();
    assert_eq!((error.code().id, error.to_string().as_str()), (code, message));
}

#[test]
fn a_sync_nobody_has_run_is_new() {
    let store = store();
    assert_eq!(store.sync_state("customers").unwrap(), SyncState::default());
    assert_eq!(store.syncs().unwrap(), []);
    assert_eq!(store.runs(&RunFilter::default()).unwrap(), []);
}

#[test]
fn a_page_is_read_back_as_it_was_committed() {
    let store = store();
    let run = begin(&store, "customers");
    let counters =
        Counters { read: 1, written: 2, unchanged: 3, deleted: 4, rejected: 5, duplicates: 6, pages: 7, bytes: 8 };
    let pin = SchemaPin { source: "{}".into(), target: "[]".into(), mapping_digest: "ab".into() };
    let commit = PageCommit {
        cursor: CursorUpdate::Set(vec![0, 255]),
        phase: Phase::InitialLoad,
        counters,
        dead_letters: vec![
            letter(1, "too long"),
            NewDeadLetter { record: None, raw: None, plugin: None, ..letter(2, "x") },
        ],
        pin: Some(pin.clone()),
        ..page(run)
    };
    store.commit_page(&commit).unwrap();
    let state = store.sync_state("customers").unwrap();
    assert_eq!((state.cursor, state.phase, state.pin), (Some(vec![0, 255]), Phase::InitialLoad, Some(pin)));
    assert_eq!(state.open_dead_letter_keys, [key(1), key(2)].into());
    let stored = letters(&store, DeadLetterState::Open);
    assert_eq!(
        stored.iter().map(|row| &row.letter).collect::<Vec<_>>(),
        commit.dead_letters.iter().collect::<Vec<_>>()
    );
    assert_eq!((stored[0].run, stored[0].attempts, stored[0].first_at), (run, 1, at(1)));
    assert_eq!(store.dead_letter(stored[1].id).unwrap(), stored[1]);
    assert_eq!(store.runs(&RunFilter::default()).unwrap()[0].counters, counters);
}

#[test]
fn the_cursor_stays_unless_a_page_says_otherwise() {
    let store = store();
    let run = begin(&store, "a");
    let cursors = [
        (CursorUpdate::Set(vec![1]), Some(vec![1])),
        (CursorUpdate::Keep, Some(vec![1])),
        (CursorUpdate::Clear, None),
        (CursorUpdate::Set(Vec::new()), Some(Vec::new())),
    ];
    for (cursor, expected) in cursors {
        store.commit_page(&PageCommit { cursor, ..page(run) }).unwrap();
        assert_eq!(store.sync_state("a").unwrap().cursor, expected);
    }
}

#[test]
fn a_record_that_fails_again_is_the_same_letter_with_the_newest_record() {
    let store = store();
    let first = begin(&store, "a");
    store.commit_page(&PageCommit { dead_letters: vec![letter(1, "old")], ..page(first) }).unwrap();
    let second = begin(&store, "a");
    let again = PageCommit { dead_letters: vec![letter(1, "new")], at: at(5), ..page(second) };
    store.commit_page(&again).unwrap();
    let [letter]: [DeadLetter; 1] = letters(&store, DeadLetterState::Open).try_into().unwrap();
    assert_eq!((letter.run, letter.attempts, letter.first_at, letter.last_at), (second, 2, at(1), at(5)));
    assert_eq!(letter.letter.cause.message, "new");
    assert_eq!(store.sync_state("a").unwrap().open_dead_letter_keys, [key(1)].into());
}

#[test]
fn the_same_key_in_two_syncs_is_two_letters() {
    let store = store();
    for sync in ["a", "b"] {
        let run = begin(&store, sync);
        store.commit_page(&PageCommit { dead_letters: vec![letter(1, sync)], ..page(run) }).unwrap();
    }
    let run = begin(&store, "a");
    store.commit_page(&PageCommit { written_keys: vec![key(1)], ..page(run) }).unwrap();
    let open = letters(&store, DeadLetterState::Open);
    assert_eq!(open.iter().map(|letter| letter.sync.as_str()).collect::<Vec<_>>(), ["b"]);
}

#[test]
fn a_later_success_supersedes_and_a_failure_after_it_is_a_new_letter() {
    let store = store();
    let run = begin(&store, "a");
    store.commit_page(&PageCommit { dead_letters: vec![letter(1, "old"), letter(2, "other")], ..page(run) }).unwrap();
    store.commit_page(&PageCommit { written_keys: vec![key(1), key(3)], at: at(5), ..page(run) }).unwrap();
    assert_eq!(store.sync_state("a").unwrap().open_dead_letter_keys, [key(2)].into());
    let superseded = letters(&store, DeadLetterState::Superseded);
    assert_eq!((superseded[0].letter.key, superseded[0].last_at, superseded[0].attempts), (key(1), at(5), 1));

    let both = PageCommit { written_keys: vec![key(1)], dead_letters: vec![letter(1, "again")], ..page(run) };
    store.commit_page(&both).unwrap();
    let open = letters(&store, DeadLetterState::Open);
    assert_eq!(open.iter().map(|letter| letter.letter.cause.message.as_str()).collect::<Vec<_>>(), ["other", "again"]);
    assert_eq!(open[1].attempts, 1);
}

#[test]
fn a_retry_resolves_its_letter_with_the_page() {
    let store = store();
    let run = begin(&store, "a");
    store.commit_page(&PageCommit { dead_letters: vec![letter(1, "x")], ..page(run) }).unwrap();
    let id = letters(&store, DeadLetterState::Open)[0].id;
    let retried = PageCommit { resolved: vec![id], written_keys: vec![key(1)], ..page(run) };
    store.commit_page(&retried).unwrap();
    let letter = store.dead_letter(id).unwrap();
    assert_eq!((letter.state, letter.attempts), (DeadLetterState::Resolved, 2));
    assert!(store.sync_state("a").unwrap().open_dead_letter_keys.is_empty());
}

#[test]
fn letters_are_closed_once_and_all_or_none() {
    let store = store();
    let run = begin(&store, "a");
    store.commit_page(&PageCommit { dead_letters: vec![letter(1, "x"), letter(2, "y")], ..page(run) }).unwrap();
    let ids: Vec<_> = letters(&store, DeadLetterState::Open).iter().map(|letter| letter.id).collect();
    let unknown = [ids[0], DeadLetterId(99)];
    check_error(store.close_dead_letters(&unknown, Closing::Discarded, at(2)), "LS0102", "there is no dead letter 99");
    assert_eq!(letters(&store, DeadLetterState::Open).len(), 2);
    assert_eq!(store.close_dead_letters(&ids[..1], Closing::Discarded, at(2)).unwrap(), 1);
    assert_eq!(store.close_dead_letters(&ids, Closing::Resolved, at(3)).unwrap(), 1);
    assert_eq!(store.dead_letter(ids[0]).unwrap().state, DeadLetterState::Discarded);
    assert!(store.sync_state("a").unwrap().open_dead_letter_keys.is_empty());
}

#[test]
fn letters_are_listed_in_parts() {
    let store = store();
    for sync in ["a", "b"] {
        let run = begin(&store, sync);
        let dead_letters = (0..3).map(|number| letter(number, sync)).collect();
        store.commit_page(&PageCommit { dead_letters, ..page(run) }).unwrap();
    }
    let mut filter = DeadLetterFilter { sync: Some("b".into()), limit: Some(2), ..Default::default() };
    let first = store.dead_letters(&filter).unwrap();
    filter.after = first.last().map(|letter| letter.id);
    let second = store.dead_letters(&filter).unwrap();
    let keys: Vec<_> = first.iter().chain(&second).map(|letter| letter.letter.key).collect();
    assert_eq!((keys, first.len()), (vec![key(0), key(1), key(2)], 2));
    let of_run = DeadLetterFilter { run: Some(RunId(1)), ..Default::default() };
    assert_eq!(store.dead_letters(&of_run).unwrap().len(), 3);
}

#[test]
fn a_run_ends_once_and_commits_nothing_afterwards() {
    let store = store();
    let run = begin(&store, "a");
    let error = Some(RunError { code: "LS0508".into(), message: "gone".into() });
    store.finish_run(run, &RunEnd { error: error.clone(), ..end(Outcome::Failed) }).unwrap();
    check_error(store.commit_page(&page(run)), "LS0999", "run 1 has ended");
    check_error(store.finish_run(run, &end(Outcome::Succeeded)), "LS0999", "run 1 has ended");
    check_error(store.commit_page(&page(RunId(7))), "LS0102", "there is no run 7");
    let stored = &store.runs(&RunFilter::default()).unwrap()[0];
    assert_eq!((stored.status, &stored.error, stored.ended_at), (RunStatus::Failed, &error, Some(at(9))));
    assert_eq!(stored.plugins, new_run("a").plugins);
    assert_eq!(store.sync_state("a").unwrap().last_success_at, None);
}

#[test]
fn successes_and_comparisons_are_remembered() {
    let store = store();
    let run = begin(&store, "a");
    store.finish_run(run, &RunEnd { compared: true, ..end(Outcome::Succeeded) }).unwrap();
    let state = store.sync_state("a").unwrap();
    assert_eq!((state.last_success_at, state.last_compare_at), (Some(at(9)), Some(at(9))));
}

#[test]
fn what_the_target_was_at_first_is_not_forgotten_by_later_pins() {
    let store = store();
    let pin = |text: &str| SchemaPin { source: text.into(), target: text.into(), mapping_digest: text.into() };
    let first = PinUpdate { pin: pin("1"), target_was_empty: Some(true) };
    store.pin_schema("a", &first).unwrap();
    store.pin_schema("a", &PinUpdate { pin: pin("2"), target_was_empty: None }).unwrap();
    let state = store.sync_state("a").unwrap();
    assert_eq!((state.pin, state.target_was_empty), (Some(pin("2")), true));
}

#[test]
fn every_change_moves_the_generation() {
    let store = store();
    let generation = || store.sync_state("a").unwrap().generation;
    let run = begin(&store, "a");
    let mut last = generation();
    let mut check_moved = |what: &str| {
        assert!(generation() > last, "{what}");
        last = generation();
    };
    store.commit_page(&PageCommit { dead_letters: vec![letter(1, "x")], ..page(run) }).unwrap();
    check_moved("page");
    store.close_dead_letters(&[DeadLetterId(1)], Closing::Discarded, at(2)).unwrap();
    check_moved("close");
    let hold = store.hold(&new_hold(run, 1)).unwrap();
    check_moved("hold");
    store.decide_hold(hold, Decision::Approve, at(3)).unwrap();
    check_moved("decide");
    store.finish_run(run, &end(Outcome::Succeeded)).unwrap();
    check_moved("finish");
}

fn new_hold(run: RunId, content: u64) -> NewHold {
    let (keys, content) = (format!("[[{content}]]"), key(content));
    NewHold { sync: "a".into(), run, content, deletes: 30, total: 100, keys, at: at(2) }
}

fn hold_state(store: &SqliteStore, id: HoldId) -> HoldState {
    store.holds(&HoldFilter::default()).unwrap().iter().find(|hold| hold.id == id).unwrap().state
}

#[test]
fn held_deletes_are_approved_and_applied_once() {
    let store = store();
    let run = begin(&store, "a");
    let id = store.hold(&new_hold(run, 1)).unwrap();
    let next = begin(&store, "a");
    assert_eq!(store.hold(&new_hold(next, 1)).unwrap(), id);
    let apply = PageCommit { hold_applied: Some(id), ..page(run) };
    check_error(store.commit_page(&apply), "LS0708", "the deletes of hold 1 are open");
    store.decide_hold(id, Decision::Refuse, at(3)).unwrap();
    check_error(store.commit_page(&apply), "LS0708", "the deletes of hold 1 are refused");
    store.decide_hold(id, Decision::Approve, at(4)).unwrap();
    let approved = store.hold_by_content("a", key(1)).unwrap().unwrap();
    assert_eq!((approved.state, approved.decided_at, approved.run), (HoldState::Approved, Some(at(4)), next));
    store.commit_page(&apply).unwrap();
    assert_eq!(hold_state(&store, id), HoldState::Applied);
    assert_eq!(store.hold_by_content("a", key(1)).unwrap(), None);
    check_error(store.commit_page(&apply), "LS0708", "the deletes of hold 1 are applied");
    check_error(store.decide_hold(id, Decision::Refuse, at(5)), "LS0708", "the deletes of hold 1 are applied");
    check_error(store.decide_hold(HoldId(9), Decision::Refuse, at(3)), "LS0102", "there is no hold 9");
}

#[test]
fn other_deletes_outdate_an_approval_that_was_not_used() {
    let store = store();
    let first = store.hold(&new_hold(begin(&store, "a"), 1)).unwrap();
    store.decide_hold(first, Decision::Approve, at(3)).unwrap();
    let second = store.hold(&new_hold(begin(&store, "a"), 2)).unwrap();
    assert_eq!((hold_state(&store, first), hold_state(&store, second)), (HoldState::Outdated, HoldState::Open));
    assert_eq!(store.syncs().unwrap()[0].open_holds, 1);
}

#[test]
fn a_comparison_outdates_what_it_does_not_find_again() {
    let store = store();
    let run = begin(&store, "a");
    let id = store.hold(&new_hold(run, 1)).unwrap();
    store.finish_run(run, &RunEnd { compared: true, ..end(Outcome::Succeeded) }).unwrap();
    assert_eq!(hold_state(&store, id), HoldState::Open);
    for (compared, expected) in [(false, HoldState::Open), (true, HoldState::Outdated)] {
        let run = begin(&store, "a");
        store.finish_run(run, &RunEnd { compared, ..end(Outcome::Succeeded) }).unwrap();
        assert_eq!(hold_state(&store, id), expected);
    }
}

#[test]
fn a_summary_shows_each_sync_with_its_last_run() {
    let store = store();
    for sync in ["b", "a", "b"] {
        let run = begin(&store, sync);
        store.commit_page(&PageCommit { dead_letters: vec![letter(1, "x")], ..page(run) }).unwrap();
        store.finish_run(run, &end(Outcome::Succeeded)).unwrap();
    }
    let syncs = store.syncs().unwrap();
    let seen: Vec<_> = syncs
        .iter()
        .map(|sync| (sync.sync.as_str(), sync.last_run.as_ref().unwrap().id.0, sync.open_dead_letters))
        .collect();
    assert_eq!(seen, [("a", 2, 1), ("b", 3, 1)]);
    let newest_first: Vec<_> = store.runs(&RunFilter::default()).unwrap().iter().map(|run| run.id.0).collect();
    assert_eq!(newest_first, [3, 2, 1]);
    assert_eq!(store.runs(&RunFilter { sync: Some("b".into()), limit: Some(1) }).unwrap()[0].id.0, 3);
}

#[test]
fn old_runs_are_forgotten_but_not_those_a_letter_speaks_of() {
    let store = store();
    let first = begin(&store, "a");
    store.commit_page(&PageCommit { dead_letters: vec![letter(1, "x")], ..page(first) }).unwrap();
    store.finish_run(first, &end(Outcome::Succeeded)).unwrap();
    let last = store
        .write(|transaction| {
            let mut last = first;
            for _ in 0..10_239 {
                last = changes::begin_run(transaction, &new_run("a"))?;
            }
            Ok(last)
        })
        .unwrap();
    assert_eq!(last.0, 40 * 256);
    let runs = store.runs(&RunFilter::default()).unwrap();
    assert_eq!((runs.len(), runs[0].id, runs[9_999].id.0, runs[10_000].id), (10_001, last, 241, first));
}

#[test]
fn a_full_disk_undoes_the_page_and_no_more() {
    let folder = testing::Folder::new();
    let store = folder.open();
    let run = begin(&store, "a");
    store.commit_page(&PageCommit { cursor: CursorUpdate::Set(vec![1]), ..page(run) }).unwrap();
    let limit = |pages: i64| {
        store.inner().connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
    };
    limit(1);
    let huge = NewDeadLetter { raw: Some(vec![7; 1 << 20]), ..letter(1, "x") };
    let commit = PageCommit { cursor: CursorUpdate::Set(vec![2]), dead_letters: vec![huge], ..page(run) };
    let error = store.commit_page(&commit).unwrap_err();
    assert_eq!(error.code().id, "LS0804");
    assert!(error.hints()[0].contains("df -h"));
    let state = store.sync_state("a").unwrap();
    assert_eq!((state.cursor, state.open_dead_letter_keys.len()), (Some(vec![1]), 0));
    limit(1_000_000);
    store.commit_page(&commit).unwrap();
    assert_eq!(store.sync_state("a").unwrap().cursor, Some(vec![2]));
}

#[test]
fn a_panic_between_two_changes_leaves_the_store_usable() {
    let store = store();
    let run = begin(&store, "a");
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = store.write::<()>(|transaction| {
            changes::commit_page(transaction, &PageCommit { cursor: CursorUpdate::Set(vec![9]), ..page(run) })?;
            panic!("in the middle");
        });
    }));
    assert!(panicked.is_err());
    assert_eq!(store.sync_state("a").unwrap().cursor, None);
    store.commit_page(&page(run)).unwrap();
}
