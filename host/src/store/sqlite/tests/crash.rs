//! Kills a process that commits pages, again and again, and looks at what is left.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::super::testing::{Folder, at, begin, key, letter, page};
use super::*;

const FOLDER_VARIABLE: &str = "LOCKSTEP_CRASH_TEST_FOLDER";
const KILLS: u64 = 50;
/// Open letters of page n are the multiples of 3 among its last so many.
const KEYS: u64 = 20;

/// Page n writes key n, or rejects it if it is a multiple of 3, and lets the key that left the window go through.
fn nth_page(run: RunId, number: u64) -> PageCommit {
    let is_bad = number.is_multiple_of(3);
    let counters = Counters { read: number, pages: number, rejected: number / 3, ..Counters::default() };
    let filler = "x".repeat((number % 7 * 3000) as usize);
    PageCommit {
        cursor: CursorUpdate::Set(number.to_le_bytes().to_vec()),
        counters,
        dead_letters: is_bad.then(|| letter(number, &filler)).into_iter().collect(),
        written_keys: vec![key(number.wrapping_sub(KEYS))],
        ..page(run)
    }
}

fn cursor(store: &SqliteStore) -> u64 {
    let cursor = store.sync_state("a").unwrap().cursor;
    cursor.map_or(0, |bytes| u64::from_le_bytes(bytes.try_into().unwrap()))
}

/// The process that is killed: commits pages until it dies and says each number when its page is durable.
fn commit_for_ever(folder: &Path) -> ! {
    let store = SqliteStore::open(folder, "crash test", at(0)).unwrap();
    let run = begin(&store, "a");
    let mut number = cursor(&store);
    loop {
        number += 1;
        store.commit_page(&nth_page(run, number)).unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "page {number}").unwrap();
        out.flush().unwrap();
    }
}

fn spawn(folder: &Path) -> Child {
    let test = "store::sqlite::tests::crash::a_process_killed_at_any_moment_leaves_whole_pages";
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(FOLDER_VARIABLE, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Lets the child commit some pages, then kills it in the middle of one; returns the last page it said was durable.
fn run_and_kill(folder: &Path, chance: u64) -> u64 {
    let mut child = spawn(folder);
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // The first line of a test's output has the test's name in front.
    let numbers = lines.map_while(Result::ok).filter_map(|line| line.split_once("page ")?.1.parse::<u64>().ok());
    let mut numbers = numbers.fuse();
    let mut last = 0;
    for number in numbers.by_ref().take(1 + (chance % 40) as usize) {
        last = number;
    }
    let start = std::time::Instant::now();
    while start.elapsed().as_micros() < u128::from(chance / 40 % 3000) {
        std::hint::spin_loop();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    numbers.last().unwrap_or(last).max(last)
}

fn check_whole(store: &SqliteStore, said: u64) -> u64 {
    let number = cursor(store);
    assert!(number >= said, "page {said} was said to be durable, {number} is");
    let expected: std::collections::HashSet<_> =
        (1..=number).filter(|n| n % 3 == 0 && n + KEYS > number).map(key).collect();
    assert_eq!(store.sync_state("a").unwrap().open_dead_letter_keys, expected);
    let open: Vec<_> = letters(store, DeadLetterState::Open).iter().map(|letter| letter.letter.key).collect();
    assert_eq!((open.len(), open.into_iter().collect::<std::collections::HashSet<_>>()), (expected.len(), expected));
    let superseded = letters(store, DeadLetterState::Superseded).len() as u64;
    assert_eq!(superseded, number.saturating_sub(KEYS) / 3);
    let runs = store.runs(&RunFilter::default()).unwrap();
    assert!(runs.iter().all(|run| run.status == RunStatus::Interrupted));
    assert_eq!(runs.iter().map(|run| run.counters.pages).max().unwrap_or(0), number);
    number
}

#[test]
fn a_process_killed_at_any_moment_leaves_whole_pages() {
    if let Some(folder) = std::env::var_os(FOLDER_VARIABLE) {
        commit_for_ever(Path::new(&folder));
    }
    let folder = Folder::new();
    let mut chance = 0x2545_f491_4f6c_dd1du64;
    let mut pages = 0;
    for _ in 0..KILLS {
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        let said = run_and_kill(folder.path(), chance);
        assert!(said > pages, "the process did nothing");
        pages = check_whole(&folder.open(), said);
    }
}
