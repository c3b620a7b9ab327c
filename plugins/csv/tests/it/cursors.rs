//! Cursors: what has been read of a file is not read again, unless something it depends on has changed.

use lockstep_plugin_sdk::prelude::*;
use lockstep_text_files::testing::TestedPlugin as _;

use crate::{OnMemory, PATH, Reading};

fn reading() -> Reading {
    Reading::of("id,name\n1,a\n2,b\n3,c\n", "id int64, name text")
}

fn last_cursor(reading: &Reading) -> Vec<u8> {
    reading.pages().unwrap().pop().unwrap().next_cursor
}

#[test]
fn a_file_that_has_been_read_costs_a_digest() {
    let reading = reading();
    let reading = reading.clone().after(&last_cursor(&reading));
    let reads = reading.store.reads();
    let pages = reading.pages().unwrap();
    assert_eq!(reading.store.reads(), reads);
    assert_eq!((pages.len(), pages[0].changes.data.rows), (1, 0));
    // This reading has shown nothing: an enumeration it is not.
    assert_eq!(pages[0].status, "caught-up");
    assert_eq!(Some(&pages[0].next_cursor), reading.cursor.as_ref());
}

#[test]
fn a_changed_file_is_read_from_the_beginning() {
    let reading = reading();
    let reading = reading.clone().after(&last_cursor(&reading));
    reading.store.put(PATH, "id,name\n1,a\n2,b\n3,d\n");
    let outcome = reading.read();
    assert_eq!(outcome.lines(), ["1|a", "2|b", "3|d"]);
    assert_eq!(outcome.status, "enumeration-complete");
}

#[test]
fn other_settings_or_fields_begin_again() {
    let cursor = last_cursor(&reading());
    let more = Reading::of("id,name\n1,a\n2,b\n3,c\n", "id int64").after(&cursor);
    assert_eq!(more.read().rows.len(), 3);
    let retyped = Reading::of("id,name\n1,a\n2,b\n3,c\n", "id text, name text").after(&cursor);
    assert_eq!(retyped.read().rows.len(), 3);
    let reset = reading().config(r#"{ "null": ["b"] }"#).after(&cursor);
    assert_eq!(reset.read().lines(), ["1|a", "2|NULL", "3|c"]);
}

#[test]
fn a_reading_that_was_broken_off_goes_on() {
    let reading = reading().limits(2, 1 << 20);
    let first = reading.open().unwrap().next(Limits { rows: 2, bytes: 1 << 20 }).unwrap();
    assert_eq!((first.status.as_str(), first.changes.data.rows), ("more", 2));
    let rest = reading.after(&first.next_cursor).read();
    assert_eq!(rest.lines(), ["3|c"]);
    assert_eq!(rest.status, "caught-up");
}

#[test]
fn lines_are_counted_across_restarts() {
    let reading = Reading::of("id\n1\n\n\"2\"\r\n\r\nx\n", "id int64").limits(1, 1 << 20);
    let outcome = reading.read_resuming();
    assert_eq!(outcome.lines(), ["1", "2"]);
    assert_eq!(outcome.rejected[0].position, "line 6");
}

#[test]
fn incremental_readings_end_caught_up() {
    let reading = reading().incremental();
    assert_eq!(reading.read().status, "caught-up");
    assert_eq!(reading.clone().after(&last_cursor(&reading)).read().rows.len(), 0);
}

#[test]
fn a_field_that_tells_what_changed_is_refused() {
    let mut request = reading().incremental().request();
    request.options.push(("modified".to_owned(), "name".to_owned()));
    let error = OnMemory::open(&reading().store, "", &request).err().unwrap();
    assert_eq!((error.kind.as_str(), error.code.as_str()), ("config", "files.modified"));
    assert_eq!(error.message, "`modified = \"name\"` has no use for the file `a.csv`");
}

#[test]
fn nonsense_is_no_cursor() {
    let outcome = reading().after(b"nonsense").read();
    assert_eq!((outcome.rows.len(), outcome.status.as_str()), (3, "enumeration-complete"));
}

#[test]
fn a_file_that_changes_while_it_is_read_is_an_error_that_may_pass() {
    let reading = reading().limits(1, 1 << 20);
    let mut reader = reading.open().unwrap();
    let limits = Limits { rows: 10, bytes: 1 << 20 };
    reading.store.put(PATH, "id,name\n1,a\n2,b\n3,changed\n");
    let error = reader.next(limits).unwrap_err();
    assert_eq!((error.kind.as_str(), error.code.as_str()), ("transient", "files.changed"));
    assert!(error.message.contains("`a.csv` was changed"));
}
