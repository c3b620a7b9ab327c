//! What is refused: commits that make no sense, of old leases, and of ids that are somebody else's.

use super::*;

#[test]
fn a_remote_id_belongs_to_one_record() {
    let store = store();
    let (_, commit) = open(&store);
    store.commit_hub(&everything(&commit)).unwrap();
    let change = HubCommit { records: vec![record(1, "changed")], links: vec![link(CRM, "a", 2)], ..commit };
    check_refused(&store, &change, "LS0999", "`a` of endpoint 1 belongs to record 1, not to record 2");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let store = store();
    let (_, commit) = open(&store);
    store.commit_hub(&everything(&commit)).unwrap();
    let (_, other) = open_sync(&store, "order");
    store.commit_hub(&HubCommit { records: vec![record(3, "order")], ..other.clone() }).unwrap();

    let new = |commit: &HubCommit| HubCommit { links: vec![link(CRM, "z", 9)], ..commit.clone() };
    check_senseless(&store, &new(&commit), "sync `customer` has no record 9");
    let change = HubCommit { match_keys: vec![match_change(1, 3, Presence::Present)], ..commit.clone() };
    check_senseless(&store, &change, "sync `customer` has no record 3");
    let change = HubCommit { intents: vec![(CRM, RecordId(3), Some(planned(1)))], ..commit.clone() };
    check_senseless(&store, &change, "sync `customer` has no record 3");
    let change = HubCommit { conflicts: vec![ConflictChange::Put(new_conflict(3, "x"))], ..commit.clone() };
    check_senseless(&store, &change, "another hub took new ids meanwhile, open this one again");
    for change in [
        HubCommit { links: vec![link(EndpointId(3), "z", 1)], ..commit.clone() },
        HubCommit { intents: vec![(EndpointId(3), RecordId(1), None)], ..commit.clone() },
        HubCommit { events: vec![wait(EndpointId(3), "z", 1, "x")], ..commit.clone() },
        HubCommit { endpoints: vec![EndpointUpdate::new(EndpointId(3))], ..commit.clone() },
    ] {
        check_senseless(&store, &change, "endpoint 3 is not one of the sync");
    }
    let change = HubCommit { records: vec![record(0, "zero")], ..commit };
    check_senseless(&store, &change, "record 0 is not one of sync `customer`");
    let (_, commit) = open(&store);
    let change = HubCommit { records: vec![record(3, "mine")], ..commit.clone() };
    check_senseless(&store, &change, "record 3 is not one of sync `customer`");
    let foreign = NewConflict { sync: "order".into(), ..new_conflict(1, "x") };
    let change = HubCommit { conflicts: vec![ConflictChange::Put(foreign)], ..commit.clone() };
    check_senseless(&store, &change, "a conflict of sync `order` in a commit of `customer`");
    store.finish_run(commit.run, &end(Outcome::Succeeded)).unwrap();
    check_refused(&store, &commit, "LS0999", "run 3 has ended");
}

#[test]
fn only_the_newest_lease_commits() {
    let store = store();
    let (_, old) = open(&store);
    store.commit_hub(&everything(&old)).unwrap();
    let (state, new) = open(&store);
    let message = "sync `customer` was taken over: this run has lease 1, the newest is lease 2";
    check_refused(&store, &HubCommit { records: vec![record(1, "stale")], ..old }, "LS0806", message);
    let early = HubCommit { epoch: Epoch(3), ..new.clone() };
    let message = "sync `customer` was taken over: this run has lease 3, the newest is lease 2";
    check_refused(&store, &early, "LS0806", message);
    store.commit_hub(&HubCommit { records: vec![record(1, "fresh")], ..new }).unwrap();
    assert_eq!(state.epoch, Epoch(2));
    let run = begin(&store, "order");
    let unopened = HubCommit::new(run, at(1), Epoch(0), Counters::default());
    let error = store.commit_hub(&unopened).unwrap_err();
    assert_eq!(error.code().id, "LS0806");
    assert_eq!(error.hints()[0], "`lockstep history order` shows who goes on with it");
}

#[test]
fn of_two_open_hubs_the_second_takes_no_id_of_the_first() {
    let store = store();
    let (first, customers) = open(&store);
    let (second, orders) = open_sync(&store, "order");
    assert_eq!(first.next_record, second.next_record);
    store.commit_hub(&HubCommit { records: vec![record(1, "customer")], ..customers.clone() }).unwrap();
    for change in [
        HubCommit { records: vec![record(2, "order")], ..orders.clone() },
        HubCommit { lineage: vec![entry(1, "x")], ..orders.clone() },
    ] {
        let error = store.commit_hub(&change).unwrap_err();
        assert!(error.to_string().contains("another hub took new ids meanwhile"), "{error}");
    }
    // It may go on with what needs none.
    store.commit_hub(&orders).unwrap();
    let (again, orders) = open_sync(&store, "order");
    assert_eq!(again.next_record, RecordId(2));
    store.commit_hub(&HubCommit { records: vec![record(2, "order")], ..orders }).unwrap();
    store.commit_hub(&HubCommit { records: vec![record(1, "changed")], ..customers }).unwrap();
}

#[test]
fn ids_are_never_used_again() {
    let store = store();
    let (_, commit) = open(&store);
    store.commit_hub(&HubCommit { records: vec![record(5, "x")], ..commit.clone() }).unwrap();
    assert_eq!(open(&store).0.next_record, RecordId(6));
    let (_, commit) = open(&store);
    store.commit_hub(&HubCommit { records: vec![record(2, "y")], ..commit.clone() }).unwrap();
    assert_eq!(store.hub_state(SYNC, &[]).unwrap().next_record, RecordId(6));
    let put = || ConflictChange::Put(new_conflict(2, "name"));
    store.commit_hub(&HubCommit { conflicts: vec![put(), put()], lineage: vec![entry(2, "a")], ..commit }).unwrap();
    let state = store.hub_state(SYNC, &[]).unwrap();
    assert_eq!((state.next_conflict, state.next_lineage), (ConflictId(3), LineageId(2)));
}
