//! Files: logs that are torn, states of the version before, copies.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::store::sqlite::migrate::{STEPS, migrate};
use crate::store::sqlite::scratch::{copy_up_to, remove_abandoned};
use crate::store::sqlite::testing::Folder;
use crate::store::sqlite::transaction::Transaction;

fn nth_commit(commit: &HubCommit, number: i64) -> HubCommit {
    let filler = "x".repeat((number * 700) as usize);
    HubCommit {
        counters: Counters { pages: number as u64, ..Counters::default() },
        records: vec![record(1, &filler), record(number, &filler)],
        links: vec![link(CRM, &format!("remote {number}"), number)],
        intents: vec![(ERP, RecordId(1), Some(planned(number))), (ERP, RecordId(number), None)],
        conflicts: vec![ConflictChange::Put(new_conflict(1, "name"))],
        lineage: vec![entry(1, &filler), entry(number, "made")],
        pin: Some(number.to_string()),
        ..commit.clone()
    }
}

/// Each commit is there completely or not at all, wherever the log ends or is damaged: what a power failure leaves.
#[test]
fn a_torn_log_ends_with_a_whole_commit() {
    let folder = Folder::new();
    let state = |name: &str| folder.path().join(".lockstep").join(name);
    let (log, witness) = (state("state.db-wal"), state("state.db-generation"));
    let store = folder.open();
    let (_, commit) = open(&store);
    store.inner().connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let mut stages = vec![(0, content(&store).unwrap())];
    for number in 2..10 {
        store.commit_hub(&nth_commit(&commit, number)).unwrap();
        stages.push((fs::read(&log).unwrap().len(), content(&store).unwrap()));
    }
    drop(store);
    let (bytes, noted) = (fs::read(&log).unwrap(), fs::read(&witness).unwrap());
    let read = |log_bytes: &[u8]| {
        fs::write(&log, log_bytes).unwrap();
        let _ = fs::remove_file(state("state.db-shm"));
        SqliteStore::open_read_only(folder.path()).and_then(|store| content(&store))
    };
    let ends = stages.iter().flat_map(|(end, _)| [end.saturating_sub(1), *end, end + 1]);
    let places: Vec<usize> = ends.chain((0..40).map(|n| n * bytes.len() / 40)).collect();
    for place in places.into_iter().filter(|place| *place < bytes.len()) {
        let mut flipped = bytes.clone();
        flipped[place] ^= 4;
        let whole = |end: usize| &stages.iter().rfind(|(stage, _)| *stage <= end).unwrap().1;
        for (torn, expected) in [(&bytes[..place], whole(place)), (&flipped[..], whole(place))] {
            fs::remove_file(&witness).unwrap();
            // The header of the log holds a number that only matters to writers, and a frame's last bit may be no part of it.
            assert_eq!(&read(torn).unwrap(), expected, "at {place} of {}", bytes.len());
            fs::write(&witness, &noted).unwrap();
            let error = read(torn).unwrap_err();
            assert!(error.to_string().contains("older than the last run left it"), "at {place}: {error}");
        }
    }
    assert_eq!(&read(&bytes).unwrap(), &stages.last().unwrap().1);
}

fn version_1(folder: &Folder) -> RunId {
    fs::create_dir(folder.path().join(".lockstep")).unwrap();
    let mut connection = rusqlite::Connection::open(folder.state()).unwrap();
    migrate(&mut connection, &STEPS[..1], None).unwrap();
    let transaction = Transaction::for_writing(&connection).unwrap();
    let run = changes::begin_run(&transaction, &new_run("a")).unwrap();
    let commit = PageCommit { cursor: CursorUpdate::Set(vec![1]), dead_letters: vec![letter(1, "x")], ..page(run) };
    changes::commit_page(&transaction, &commit).unwrap();
    transaction.commit().unwrap();
    run
}

#[test]
fn a_state_of_version_1_keeps_its_content_and_takes_hubs() {
    let folder = Folder::new();
    let run = version_1(&folder);
    let check = |store: &SqliteStore| {
        let state = store.sync_state("a").unwrap();
        assert_eq!((state.cursor, state.open_dead_letter_keys), (Some(vec![1]), [key(1)].into()));
        assert_eq!(store.runs(&RunFilter { sync: Some("a".into()), limit: None }).unwrap()[0].id, run);
    };
    let reader = SqliteStore::open_read_only(folder.path()).unwrap();
    check(&reader);
    assert_eq!(reader.hub_state("a", &names()).unwrap().epoch, Epoch(0));
    drop(reader);
    let store = folder.open();
    check(&store);
    assert!(folder.path().join(".lockstep/state-version-1.backup.db").exists());
    let (_, commit) = open(&store);
    store.commit_hub(&everything(&commit)).unwrap();
    store.finish_run(commit.run, &end(Outcome::Succeeded)).unwrap();
    let expected = content(&store).unwrap();
    drop(store);
    let store = folder.open();
    check(&store);
    assert_eq!(content(&store).unwrap(), expected);
}

fn scratch_files(folder: &Folder) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.path().join(".lockstep")).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("scratch-")).collect()
}

/// Does to a copy what a plan does, and looks at the original.
fn check_copy(original: &SqliteStore, copy: &SqliteStore) {
    let before = content(original).unwrap();
    assert_eq!(content(copy).unwrap(), before);
    let (state, commit) = open(copy);
    assert_eq!(state.epoch.0, before.state.epoch.0 + 1);
    for number in 2..5 {
        copy.commit_hub(&nth_commit(&commit, number)).unwrap();
    }
    copy.finish_run(commit.run, &end(Outcome::Succeeded)).unwrap();
    assert_ne!(content(copy).unwrap().records, before.records);
    let another = copy.scratch_copy().unwrap();
    assert_eq!(content(&another).unwrap(), content(copy).unwrap());
    assert_eq!(content(original).unwrap(), before);
}

#[test]
fn what_happens_in_a_copy_stays_there() {
    let folder = Folder::new();
    let store = folder.open();
    let (_, commit) = open(&store);
    store.commit_hub(&everything(&commit)).unwrap();
    check_copy(&store, &store.scratch_copy().unwrap());
    let reader = SqliteStore::open_read_only(folder.path()).unwrap();
    check_copy(&reader, &reader.scratch_copy().unwrap());
    assert!(scratch_files(&folder).is_empty());
    // The lease of the original is still its own.
    store.commit_hub(&nth_commit(&commit, 7)).unwrap();
}

#[test]
fn a_big_state_is_copied_into_a_file_that_goes_away() {
    let folder = Folder::new();
    let store = folder.open();
    let (_, commit) = open(&store);
    store.commit_hub(&everything(&commit)).unwrap();
    let reader = SqliteStore::open_read_only(folder.path()).unwrap();
    for original in [&store, &reader] {
        let copy = copy_up_to(original, 0).unwrap();
        assert_eq!(scratch_files(&folder).len(), 1);
        check_copy(original, &copy);
        assert_eq!(scratch_files(&folder).len(), 1, "a journal lies beside the copy");
        drop(copy);
        assert!(scratch_files(&folder).is_empty());
    }
}

#[test]
fn a_project_that_was_never_run_can_be_copied() {
    let folder = Folder::new();
    let copy = SqliteStore::open_read_only(folder.path()).unwrap().scratch_copy().unwrap();
    let (_, commit) = open(&copy);
    copy.commit_hub(&everything(&commit)).unwrap();
    assert!(!folder.path().join(".lockstep").exists());
}

#[test]
fn copies_of_dead_processes_are_removed() {
    let folder = Folder::new();
    let names = ["scratch-17-abc.db", "scratch-18-abc.db", "scratch-x.db", "other-17-abc.db"];
    for name in names {
        fs::write(folder.path().join(name), "").unwrap();
    }
    remove_abandoned(folder.path(), |process| process == 17);
    let left = names.map(|name| folder.path().join(name).exists());
    assert_eq!(left, [false, true, true, true]);
}
