//! Flips bits of a state file: what is read back is what was written, or an error.

use std::fs;
use std::panic::catch_unwind;

use super::super::testing::{Folder, begin, key, letter, page};
use super::*;

/// Everything that must never be read back differently.
#[derive(Debug, PartialEq)]
struct Content {
    states: Vec<SyncState>,
    letters: Vec<DeadLetter>,
    holds: Vec<Hold>,
    runs: Vec<Run>,
}

fn content(store: &SqliteStore) -> Result<Content> {
    Ok(Content {
        states: SYNCS.iter().map(|sync| store.sync_state(sync)).collect::<Result<_>>()?,
        letters: store.dead_letters(&DeadLetterFilter::default())?,
        holds: store.holds(&HoldFilter::default())?,
        runs: store.runs(&RunFilter::default())?,
    })
}

const SYNCS: [&str; 3] = ["customers", "orders", "invoices"];

/// Some hundred letters of all sizes in all states, so that there are inner, leaf, overflow and free pages.
fn populate(store: &SqliteStore) {
    for (number, sync) in SYNCS.iter().enumerate() {
        let run = begin(store, sync);
        for part in 0..4u64 {
            let dead_letters = (0..20).map(|n| letter(part * 20 + n, &"x".repeat((n * n * 14) as usize))).collect();
            let written_keys = (0..5).map(|n| key(part * 7 + n)).collect();
            let cursor = CursorUpdate::Set(format!("cursor {sync} {part}").into_bytes());
            store.commit_page(&PageCommit { dead_letters, written_keys, cursor, ..page(run) }).unwrap();
        }
        let new = NewHold { sync: (*sync).into(), ..new_hold(run, number as u64) };
        store.hold(&new).unwrap();
        store.finish_run(run, &end(Outcome::Succeeded)).unwrap();
    }
}

struct Seen {
    errors: u32,
    same: u32,
}

/// Flips one bit of a file of the state, reads everything and puts the bit back. Whatever else changed is put back as well.
fn check_flip(original: &Content, files: &[(std::path::PathBuf, Vec<u8>)], target: usize, bit: usize, seen: &mut Seen) {
    for (index, (path, bytes)) in files.iter().enumerate() {
        let mut bytes = bytes.clone();
        if index == target {
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        fs::write(path, bytes).unwrap();
    }
    let folder = files[0].0.parent().unwrap();
    let _ = fs::remove_file(folder.join("state.db-shm"));
    let project = folder.parent().unwrap();
    let read = |open: fn(&Path) -> Result<SqliteStore>| {
        let result = catch_unwind(|| open(project).and_then(|store| content(&store)));
        result.unwrap_or_else(|_| panic!("bit {bit} of {:?} caused a panic", files[target].0))
    };
    for open in [SqliteStore::open_read_only, |path: &Path| SqliteStore::open(path, "test", testing::at(0))] {
        match read(open) {
            Ok(found) => {
                assert_eq!(&found, original, "bit {bit} of {:?} changed data", files[target].0);
                seen.same += 1;
            }
            Err(error) => {
                assert!(error.code().id.starts_with("LS08"), "{error}");
                seen.errors += 1;
            }
        }
    }
}

fn snapshot(folder: &Folder) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    ["state.db", "state.db-wal", "state.db-generation"]
        .map(|name| folder.path().join(".lockstep").join(name))
        .into_iter()
        .map(|path| {
            let bytes = fs::read(&path).unwrap_or_default();
            (path, bytes)
        })
        .collect()
}

fn populated(checkpoint: bool) -> (Folder, Content, Vec<(std::path::PathBuf, Vec<u8>)>) {
    let folder = Folder::new();
    let store = folder.open();
    if checkpoint {
        populate(&store);
        store.inner().connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    } else {
        store.inner().connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        populate(&store);
    }
    let original = content(&store).unwrap();
    drop(store);
    let files = snapshot(&folder);
    (folder, original, files)
}

/// Positions that do not repeat for a long time.
fn positions(count: u64, bits: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % bits as u64) as usize)
}

#[test]
fn a_flipped_bit_in_any_page_is_noticed_or_harmless() {
    let (_folder, original, files) = populated(true);
    let pages = files[0].1.len() / 4096;
    assert!(pages > 100, "{pages} pages");
    let mut seen = Seen { errors: 0, same: 0 };
    for page in 0..pages {
        // The header of a page and one place in it.
        let header = page * 4096 * 8 + (page * 13) % (12 * 8);
        let inside = page * 4096 * 8 + (page * 7919) % (4096 * 8);
        for bit in [header, inside] {
            check_flip(&original, &files, 0, bit, &mut seen);
        }
    }
    for byte in 0..100 {
        let bit = byte * 8 + byte * 5 % 8;
        check_flip(&original, &files, 0, bit, &mut seen);
    }
    assert!(seen.errors > 100 && seen.same > 100, "{} errors, {} times the same", seen.errors, seen.same);
}

#[test]
fn a_flipped_bit_in_the_log_is_noticed_or_harmless() {
    let (_folder, original, files) = populated(false);
    assert!(files[1].1.len() > 100_000);
    let mut seen = Seen { errors: 0, same: 0 };
    let bits = files[1].1.len() * 8;
    for bit in
        (0..32).map(|byte| byte * 8 + byte * 5 % 8).chain(positions(150, bits)).chain([bits - 1, bits - 4096 * 8])
    {
        check_flip(&original, &files, 1, bit, &mut seen);
    }
    assert!(seen.errors > 150, "{} errors, {} times the same", seen.errors, seen.same);
}

#[test]
fn a_damaged_witness_says_nothing() {
    let (_folder, original, files) = populated(true);
    let mut seen = Seen { errors: 0, same: 0 };
    for byte in 0..files[2].1.len() {
        let bit = byte * 8 + byte * 5 % 8;
        check_flip(&original, &files, 2, bit, &mut seen);
    }
    assert_eq!(seen.errors, 0);
}

#[test]
fn a_file_cut_short_is_noticed() {
    let (folder, _, files) = populated(true);
    for length in [1, 100, 4096, 5000, files[0].1.len() - 4096, files[0].1.len() - 1] {
        fs::write(&files[0].0, &files[0].1[..length]).unwrap();
        let error = SqliteStore::open_read_only(folder.path()).and_then(|store| content(&store)).unwrap_err();
        assert_eq!(error.code().id, "LS0802", "{length}: {error}");
    }
}

#[test]
fn a_value_changed_behind_our_back_is_noticed() {
    let folder = Folder::new();
    let store = folder.open();
    populate(&store);
    let connection = &store.inner().connection;
    for sql in [
        "UPDATE sync SET cursor = x'00' WHERE name = 'orders'",
        "UPDATE dead_letter SET record = '{}' WHERE id = 3",
        "UPDATE hold SET state = 'approved' WHERE id = 1",
    ] {
        connection.execute_batch("BEGIN").unwrap();
        assert_eq!(connection.execute(sql, []).unwrap(), 1);
        let states = SYNCS.iter().map(|sync| queries::sync_state(connection, sync).map(drop));
        let letters = queries::dead_letters(connection, &DeadLetterFilter::default()).map(drop);
        let holds = queries::holds(connection, &HoldFilter::default()).map(drop);
        let error = states.chain([letters, holds]).find_map(Result::err).unwrap();
        assert!(matches!(error, StoreErrorKind::Corrupt { .. }), "{error:?}");
        connection.execute_batch("ROLLBACK").unwrap();
    }
    connection.execute("DELETE FROM dead_letter WHERE id = (SELECT max(id) FROM dead_letter)", []).unwrap();
    assert!(queries::sync_state(connection, "invoices").is_err());
}
