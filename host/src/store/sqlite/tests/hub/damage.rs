//! What hubs keep is read back as it was written, or an error says that it is not.

use std::fs;

use super::*;
use crate::store::sqlite::testing::Folder;

/// Some hundred pages of everything.
fn populate(store: &SqliteStore) {
    let (_, commit) = open(store);
    store.commit_hub(&everything(&commit)).unwrap();
    for part in 0..4i64 {
        let ids = (3 + part * 40)..(43 + part * 40);
        let filler = "x".repeat((part * part * 90) as usize);
        let change = HubCommit {
            records: ids.clone().map(|id| record(id, &format!("{id} {filler}"))).collect(),
            links: ids.clone().map(|id| link(CRM, &format!("remote {}", id * 7919 % 1000), id)).collect(),
            events: ids.clone().step_by(9).map(|id| wait(ERP, &format!("event {id}"), id, &filler)).collect(),
            conflicts: ids.clone().step_by(7).map(|id| ConflictChange::Put(new_conflict(id, &filler))).collect(),
            lineage: ids.map(|id| entry(id, &format!("{id} {filler}"))).collect(),
            ..commit.clone()
        };
        store.commit_hub(&change).unwrap();
    }
}

/// All that carries checksums, and the links: intents and match keys are what the pages say.
fn checked(store: &SqliteStore) -> Result<(Content, Vec<Vec<Link>>)> {
    let mut all = content(store)?;
    let links = std::mem::take(&mut all.links);
    let (intents, counts) = (Vec::new(), Vec::new());
    let all = Content { intents, counts, ..all };
    Ok((all, links))
}

/// A link may be lost, but none leads anywhere else.
fn check_links(found: &[Vec<Link>], original: &[Vec<Link>]) {
    for (found, original) in found.iter().zip(original) {
        let is_known = |link: &&Link| {
            original.binary_search_by(|known| known.remote.cmp(&link.remote)).map(|at| &original[at]) == Ok(*link)
        };
        assert!(found.iter().all(|link| is_known(&link)));
        assert!(found.len() + 1 >= original.len());
    }
}

#[test]
fn a_flipped_bit_in_any_page_is_noticed_or_harmless() {
    let folder = Folder::new();
    let store = folder.open();
    populate(&store);
    store.finish_run(store.runs(&RunFilter::default()).unwrap()[0].id, &end(Outcome::Succeeded)).unwrap();
    let original = checked(&store).unwrap();
    store.inner().connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    drop(store);
    let bytes = fs::read(folder.state()).unwrap();
    let pages = bytes.len() / 4096;
    assert!(pages > 60, "{pages} pages");
    let (mut errors, mut same) = (0, 0);
    for page in 0..pages {
        let header = page * 4096 * 8 + (page * 13) % (12 * 8);
        let places = [7919, 104_729].map(|step| page * 4096 * 8 + (page * step) % (4096 * 8));
        for bit in places.into_iter().chain([header]) {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            fs::write(folder.state(), damaged).unwrap();
            match SqliteStore::open_read_only(folder.path()).and_then(|store| checked(&store)) {
                Ok(found) => {
                    assert!(found.0 == original.0, "bit {bit} changed data");
                    check_links(&found.1, &original.1);
                    same += 1;
                }
                Err(error) => {
                    assert!(error.code().id.starts_with("LS08"), "{error}");
                    errors += 1;
                }
            }
        }
    }
    assert!(errors > 50 && same > 20, "{errors} errors, {same} times the same");
}

/// What SQLite finds nothing wrong with.
#[test]
fn a_value_changed_behind_our_back_is_named() {
    let folder = Folder::new();
    let store = folder.open();
    populate(&store);
    open_sync(&store, "order");
    let changes = [
        ("UPDATE record SET body = x'00' WHERE id = 5", "row 5 of table `record`"),
        ("UPDATE record SET body = (SELECT body FROM record WHERE id = 6) WHERE id = 5", "row 5 of table `record`"),
        ("UPDATE record SET sync = 2 WHERE id = 5", "row 5 of table `record`"),
        ("UPDATE record SET body = substr(body, 1, length(body) - 1) WHERE id = 5", "row 5 of table `record`"),
        ("UPDATE link SET record = 6 WHERE remote = CAST('a' AS BLOB)", "the link of `a` of endpoint 1"),
        (
            "UPDATE link SET remote = CAST('c' AS BLOB) WHERE record = 1 AND endpoint = 1",
            "the link of `c` of endpoint 1",
        ),
        ("UPDATE link SET endpoint = 2 WHERE record = 1 AND endpoint = 1", "the link of `a` of endpoint 2"),
        ("UPDATE lineage SET record = 4 WHERE id = 7", "row 7 of table `lineage`"),
        ("UPDATE lineage SET at = at + 1 WHERE id = 7", "row 7 of table `lineage`"),
        ("UPDATE lineage SET id = 9999 WHERE id = 7", "row 9999 of table `lineage`"),
        ("UPDATE conflict SET state = 'resolved' WHERE id = 2", "row 2 of table `conflict`"),
        ("UPDATE event SET endpoint = 1 WHERE id = 3", "row 3 of table `event`"),
        ("UPDATE event SET due = due + 1 WHERE id = 3", "row 3 of table `event`"),
        ("UPDATE endpoint SET cursor = x'09' WHERE id = 1", "row 1 of table `endpoint`"),
        ("UPDATE endpoint SET sync = 2 WHERE id = 1", "row 1 of table `endpoint`"),
        ("UPDATE hub SET epoch = 9 WHERE id = 1", "row 1 of table `hub`"),
    ];
    for (sql, what) in changes {
        let copy = store.scratch_copy().unwrap();
        assert_eq!(copy.inner().connection.execute(sql, []).unwrap(), 1, "{sql}");
        let query = RecordQuery { sync: SYNC.into(), records: vec![RecordId(5)], ..RecordQuery::default() };
        let error = content(&copy).and_then(|_| copy.load_records(&query)).unwrap_err();
        assert_eq!(error.code().id, "LS0802");
        assert!(error.to_string().contains(&format!("{what} is not what was written")), "{sql}: {error}");
    }
}

#[test]
fn a_record_that_is_gone_is_missed_where_something_leads_to_it() {
    let store = store();
    populate(&store);
    store.inner().connection.execute("DELETE FROM record WHERE id = 1", []).unwrap();
    let ask = |query: RecordQuery| store.load_records(&RecordQuery { sync: SYNC.into(), ..query });
    let by_link = RecordQuery { links: vec![(CRM, b"a".to_vec())], ..RecordQuery::default() };
    let by_key = RecordQuery { match_keys: vec![match_key(9)], ..RecordQuery::default() };
    for query in [by_link, by_key] {
        let error = ask(query).unwrap_err();
        assert!(error.to_string().ends_with("record 1 is missing, a link or a key leads to it"), "{error}");
    }
    let by_id = RecordQuery { records: vec![RecordId(1)], ..RecordQuery::default() };
    assert!(ask(by_id).unwrap().bodies.is_empty());
}

#[test]
fn a_lineage_without_its_end_is_not_continued() {
    let store = store();
    populate(&store);
    let (state, commit) = open(&store);
    store.inner().connection.execute("DELETE FROM lineage WHERE id >= ?", [state.next_lineage.0 - 2]).unwrap();
    let error = store.commit_hub(&HubCommit { lineage: vec![entry(1, "x")], ..commit }).unwrap_err();
    let end = state.next_lineage.0 - 1;
    assert!(error.to_string().ends_with(&format!("ends with entry {} instead of entry {end}", end - 2)), "{error}");
}

/// Somebody who knows how rows are checked can change one; the chain tells all the same.
#[test]
fn an_entry_that_was_replaced_breaks_the_chain() {
    let store = store();
    populate(&store);
    let copy = store.scratch_copy().unwrap();
    let old = copy.lineage(&[LineageId(7)]).unwrap().remove(0);
    let mut body = b"forged".to_vec();
    body.extend_from_slice(&old.hash);
    let numbers = [7, 1, old.record.0, old.run.0, old.at.timestamp_micros()];
    let checksum = crate::store::digest::body_checksum("lineage", &numbers, &body);
    body.extend_from_slice(&checksum.to_le_bytes());
    copy.inner().connection.execute("UPDATE lineage SET body = ? WHERE id = 7", [body]).unwrap();
    let verify = |store: &SqliteStore| verify_chain(store.lineage_after(None, 999).unwrap().into_iter(), [0; 32]);
    assert!(verify(&store).is_ok());
    assert_eq!(verify(&copy).unwrap_err().entry, LineageId(7));
}
