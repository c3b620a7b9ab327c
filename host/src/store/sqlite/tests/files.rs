//! Files, locks, versions.

use std::fs;

use super::super::migrate::{STEPS, migrate};
use super::super::testing::{Folder, at, begin, letter, page};
use super::*;

fn files(folder: &Folder) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder.path().join(".lockstep")) else { return Vec::new() };
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn read(folder: &Folder) -> Result<SqliteStore> {
    SqliteStore::open_read_only(folder.path())
}

fn populated(folder: &Folder) -> RunId {
    let store = folder.open();
    let run = begin(&store, "a");
    let commit = PageCommit { cursor: CursorUpdate::Set(vec![1]), dead_letters: vec![letter(1, "x")], ..page(run) };
    store.commit_page(&commit).unwrap();
    run
}

#[test]
fn a_project_that_was_never_run_is_empty_and_stays_untouched() {
    let folder = Folder::new();
    let store = read(&folder).unwrap();
    assert_eq!(store.sync_state("a").unwrap(), SyncState::default());
    check_error(store.begin_run(&new_run("a")), "LS0999", "the state was opened for reading only");
    assert_eq!(files(&folder), Vec::<String>::new());
    assert!(!folder.path().join(".lockstep").exists());
}

#[test]
fn the_state_outlives_its_process() {
    let folder = Folder::new();
    populated(&folder);
    for _ in 0..2 {
        let store = folder.open();
        assert_eq!(store.sync_state("a").unwrap().cursor, Some(vec![1]));
        assert_eq!(letters(&store, DeadLetterState::Open).len(), 1);
    }
    assert!(files(&folder).contains(&".gitignore".to_owned()));
}

#[cfg(unix)]
#[test]
fn the_folder_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    populated(&folder);
    assert_eq!(fs::metadata(folder.path().join(".lockstep")).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_state_that_cannot_be_looked_at_is_not_taken_for_none() {
    let folder = Folder::new();
    fs::write(folder.path().join(".lockstep"), "").unwrap();
    let error = read(&folder).unwrap_err();
    assert!(error.to_string().starts_with("cannot look at"), "{error}");
}

#[test]
fn a_second_writer_is_told_who_the_first_is_and_readers_are_let_in() {
    let folder = Folder::new();
    let first = SqliteStore::open(folder.path(), "lockstep run customers", at(0)).unwrap();
    let run = begin(&first, "a");
    let error = SqliteStore::open(folder.path(), "lockstep run", at(1)).unwrap_err();
    let holder = format!("`lockstep run customers` (process {} on `", std::process::id());
    assert_eq!(error.code().id, "LS0801");
    assert!(error.to_string().contains(&holder), "{error}");
    assert!(error.to_string().ends_with("since 2023-11-14T22:13:20Z)"), "{error}");
    assert!(error.hints()[0].contains(&format!("`kill {}`", std::process::id())));

    let reader = read(&folder).unwrap();
    assert_eq!(reader.runs(&RunFilter::default()).unwrap()[0].status, RunStatus::Running);
    first.commit_page(&PageCommit { cursor: CursorUpdate::Set(vec![5]), ..page(run) }).unwrap();
    assert_eq!(reader.sync_state("a").unwrap().cursor, Some(vec![5]));
    check_error(reader.commit_page(&page(run)), "LS0999", "the state was opened for reading only");
    drop(first);
    folder.open();
}

#[test]
fn what_a_dead_process_left_in_the_lock_file_is_no_obstacle() {
    let folder = Folder::new();
    populated(&folder);
    let dead = r#"{"pid":1,"command":"lockstep run","since":"2020-01-01T00:00:00Z","host":"gone"}"#;
    for text in [dead, "not json"] {
        fs::write(folder.path().join(".lockstep/lock"), text).unwrap();
        let store = folder.open();
        let written = fs::read_to_string(folder.path().join(".lockstep/lock")).unwrap();
        assert!(written.contains(&format!("\"pid\":{}", std::process::id())), "{written}");
        drop(store);
    }
}

#[test]
fn runs_of_a_dead_process_are_interrupted_at_their_last_sign_of_life() {
    let folder = Folder::new();
    let run = populated(&folder);
    assert_eq!(read(&folder).unwrap().runs(&RunFilter::default()).unwrap()[0].status, RunStatus::Interrupted);
    let store = folder.open();
    let stored = &store.runs(&RunFilter::default()).unwrap()[0];
    assert_eq!((stored.status, stored.ended_at), (RunStatus::Interrupted, Some(at(1))));
    check_error(store.commit_page(&page(run)), "LS0999", "run 1 has ended");
}

#[test]
fn a_newer_state_is_refused_and_left_alone() {
    let folder = Folder::new();
    populated(&folder);
    let known = STEPS.len() as i64;
    folder.open().inner().connection.pragma_update(None, "user_version", known + 2).unwrap();
    for result in [SqliteStore::open(folder.path(), "lockstep run", at(0)), read(&folder)] {
        let error = result.unwrap_err();
        assert_eq!(error.code().id, "LS0803");
        assert!(
            error
                .to_string()
                .ends_with(&format!("has version {}, this Lockstep knows version {known} and older", known + 2))
        );
    }
}

#[test]
fn an_older_state_is_backed_up_and_brought_forward() {
    let folder = Folder::new();
    populated(&folder);
    let steps = [STEPS, &["CREATE TABLE later (id INTEGER PRIMARY KEY) STRICT"]].concat();
    let known = STEPS.len() as i64;
    let backup = folder.path().join(format!(".lockstep/state-version-{known}.backup.db"));
    let mut connection = rusqlite::Connection::open(folder.state()).unwrap();
    let broken = [STEPS, &["CREATE TABLE later (id INTEGER PRIMARY KEY) STRICT", "nonsense"]].concat();
    assert!(migrate(&mut connection, &broken, backup.parent()).is_err());
    let version = |connection: &rusqlite::Connection| -> i64 {
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
    };
    assert_eq!(version(&connection), known);
    migrate(&mut connection, &steps, backup.parent()).unwrap();
    assert_eq!(version(&connection), known + 1);
    assert_eq!(connection.query_row("SELECT count(*) FROM later", [], |row| row.get::<_, i64>(0)).unwrap(), 0);
    let old = rusqlite::Connection::open(backup).unwrap();
    assert_eq!(version(&old), known);
    assert_eq!(queries::sync_state(&old, "a").unwrap().cursor, Some(vec![1]));
}

#[test]
fn somebody_elses_database_is_refused() {
    let folder = Folder::new();
    fs::create_dir(folder.path().join(".lockstep")).unwrap();
    rusqlite::Connection::open(folder.state()).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    for result in [SqliteStore::open(folder.path(), "lockstep run", at(0)), read(&folder)] {
        let error = result.unwrap_err();
        assert_eq!(error.code().id, "LS0802");
        assert!(error.to_string().ends_with("`state.db` was not made by Lockstep"));
    }
}

#[test]
fn an_empty_state_file_is_a_first_run() {
    let folder = Folder::new();
    populated(&folder);
    for name in ["state.db", "state.db-wal", "state.db-shm"] {
        let _ = fs::remove_file(folder.path().join(".lockstep").join(name));
    }
    fs::write(folder.state(), "").unwrap();
    assert_eq!(read(&folder).unwrap().sync_state("a").unwrap(), SyncState::default());
    assert_eq!(folder.open().sync_state("a").unwrap(), SyncState::default());
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = Folder::new();
    fs::write(folder.path().join(".lockstep"), "a file").unwrap();
    let error = SqliteStore::open(folder.path(), "lockstep run", at(0)).unwrap_err();
    assert_eq!(error.code().id, "LS0805");
    assert!(error.to_string().starts_with("cannot make the folder `"), "{error}");
}

#[test]
fn a_state_put_back_from_a_backup_is_noticed() {
    let folder = Folder::new();
    let run = populated(&folder);
    let copy = folder.path().join("copy.db");
    let backup = |store: &SqliteStore| {
        store.inner().connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        fs::copy(folder.state(), &copy).unwrap();
    };
    let store = folder.open();
    backup(&store);
    let next = begin(&store, "a");
    store.commit_page(&page(next)).unwrap();
    assert!(next > run);
    drop(store);
    fs::remove_file(folder.path().join(".lockstep/state.db-wal")).unwrap();
    fs::copy(&copy, folder.state()).unwrap();
    for result in [SqliteStore::open(folder.path(), "lockstep run", at(0)), read(&folder)] {
        let error = result.unwrap_err();
        assert_eq!(error.code().id, "LS0802");
        assert!(error.to_string().contains("older than the last run left it"), "{error}");
    }
}

/// The commands of the hints work when they are pasted.
#[cfg(unix)]
#[test]
fn a_damaged_state_is_put_aside_by_the_hint_and_the_next_run_is_a_first_run() {
    let folder = Folder::new();
    populated(&folder);
    folder.open().inner().connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let mut bytes = fs::read(folder.state()).unwrap();
    bytes[..64].fill(7);
    fs::write(folder.state(), bytes).unwrap();
    let error = SqliteStore::open(folder.path(), "lockstep run", at(0)).unwrap_err();
    assert_eq!(error.code().id, "LS0802", "{error}");
    let command = error.hints()[0].split('`').nth(1).unwrap().to_owned();
    let status = std::process::Command::new("sh").args(["-c", &command]).status().unwrap();
    assert!(status.success(), "{command}");
    assert_eq!(folder.open().sync_state("a").unwrap(), SyncState::default());
    assert!(folder.path().join(".lockstep/damaged/state.db").exists());
}

/// Transactions in the log that are complete: frames that say how many pages the file has after them.
fn transactions(log: &[u8]) -> usize {
    const HEADER: usize = 32;
    const FRAME: usize = 24 + 4096;
    let salts = &log[16..24];
    let frames = log[HEADER..].chunks_exact(FRAME).take_while(|frame| &frame[8..16] == salts);
    frames.filter(|frame| frame[4..8] != [0; 4]).count()
}

/// The second one is flushed, and the folder with it; folding the log into the file would cost two more flushes.
#[test]
fn a_run_in_which_nothing_changed_is_two_transactions_in_the_log() {
    let folder = Folder::new();
    let run = populated(&folder);
    drop(folder.open());
    let log = || fs::read(folder.path().join(".lockstep/state.db-wal")).unwrap();
    let (before, file) = (transactions(&log()), fs::read(folder.state()).unwrap());
    {
        let store = folder.open();
        store.sync_state("a").unwrap();
        let next = begin(&store, "a");
        assert!(next > run);
        store.finish_run(next, &end(Outcome::Succeeded)).unwrap();
    }
    assert_eq!((transactions(&log()) - before, fs::read(folder.state()).unwrap() == file), (2, true));
}

#[cfg(target_os = "linux")]
#[test]
fn a_run_of_a_dead_process_is_not_shown_as_running() {
    let folder = Folder::new();
    let status = || read(&folder).unwrap().runs(&RunFilter::default()).unwrap().remove(0).status;
    let store = folder.open();
    begin(&store, "a");
    assert_eq!(status(), RunStatus::Running);
    let lock = folder.path().join(".lockstep/lock");
    let named = fs::read_to_string(&lock).unwrap();
    drop(store);
    assert_eq!(status(), RunStatus::Interrupted);
    // A killed process cannot take its name back. No process has this number: they are below 2^22.
    let own = format!("\"pid\":{}", std::process::id());
    fs::write(&lock, named.replace(&own, "\"pid\":4294967295")).unwrap();
    assert_eq!(status(), RunStatus::Interrupted);
    assert_eq!(read(&folder).unwrap().syncs().unwrap()[0].last_run.as_ref().unwrap().status, RunStatus::Interrupted);
    // Of other machines nothing is known.
    fs::write(&lock, named.replace(&own, "\"pid\":4294967295").replace("\"host\":\"", "\"host\":\"not-")).unwrap();
    assert_eq!(status(), RunStatus::Running);
}
