//! Deletes, and who comes back.

use super::*;

#[test]
fn a_delete_goes_everywhere_unless_somebody_has_changed_the_record() {
    let mut lab = Lab::agreed(Policy::Manual);
    assert_eq!(lab.deletes(0).deleted, Some(Deletion::Everywhere));
    assert_eq!(lab.owed(1), Owed::Delete);
    let mut lab = Lab::agreed(Policy::Manual);
    lab.says(1, [Some("Anna"), None, None]);
    assert_eq!(lab.deletes(0).deleted, Some(Deletion::Held));
    assert_eq!((lab.owed(0), lab.owed(1)), (Owed::Nothing, Owed::Nothing));
    let mut lab = Lab::agreed(Policy::Manual);
    lab.rules.delete_conflict = DeleteConflict::EditWins;
    lab.deletes(0);
    assert!(lab.says(1, [Some("Anna"), Some("A 1"), Some("10")]).revived);
    assert_eq!(lab.owed(0), Owed::Create(vec![0, 1, 2]));
}

#[test]
fn an_old_value_does_not_bring_a_record_back() {
    let mut lab = Lab::agreed(Policy::Manual);
    lab.deletes(0);
    assert!(!lab.says(1, [Some("Ann"), Some("A 1"), Some("10")]).is_news());
    assert_eq!(lab.owed(1), Owed::Delete);
    lab.deliver(1);
    // Made anew under its old id, it lives again, as it is now.
    assert!(lab.says(1, [Some("Zoe"), None, None]).revived);
    assert_eq!(lab.owed(0), Owed::Create(vec![0]));
}

#[test]
fn who_is_made_anew_is_not_deleted_under_the_old_id() {
    let mut lab = Lab::agreed(Policy::Manual);
    lab.state.sides[1].link = Link::Linked([9].into());
    assert!(!lab.deletes(1).is_touched);
    assert!(lab.state.is_live());
}

#[test]
fn what_was_edited_counts_when_a_person_keeps_what_was_deleted_and_nothing_else_does() {
    let mut lab = Lab::agreed(Policy::Manual);
    lab.state.sides[0].set_shadow(0, Shadow::Value(Value::Null));
    assert_eq!(lab.deletes(1).deleted, Some(Deletion::Everywhere));
    let edit = lab.event(0, EventKind::Upsert, [None, Some("B 2"), Some("10")], None);
    assert_eq!(edit.deleted, Some(Deletion::Held));
    assert_eq!(revive(&mut lab.state, 7), vec![1, 2]);
    assert_eq!((lab.text(0), lab.text(1), lab.text(2)), ("Ann".into(), "B 2".into(), "10".into()));
    assert!(lab.state.sides[0].held.is_empty());
}

#[test]
fn edits_of_fields_a_deleter_does_not_have_are_seen_if_they_were_made_before_it_was_read() {
    let delete = |read_before: i64| {
        let mut lab = Lab::agreed(Policy::Manual);
        lab.state.lineage = 1;
        lab.rules.endpoints[1].reads[0] = false;
        lab.rules.endpoints[1].writes[0] = false;
        lab.says(0, [Some("Anna"), None, None]);
        let silent = [None, None, None];
        let event = Event {
            endpoint: 1,
            kind: EventKind::Delete,
            remote: &[1],
            values: &silent,
            at: None,
            now: lab.now + SECOND,
            read_before: lab.now + read_before,
            lineage: lab.now,
        };
        apply(&mut lab.state, &event, &lab.rules, &|_| None).deleted
    };
    assert_eq!(delete(-SECOND), Some(Deletion::Held));
    assert_eq!(delete(0), Some(Deletion::Everywhere));
}

#[test]
fn our_own_create_brings_nothing_back() {
    let mut lab = under_way(Policy::Manual);
    lab.deletes(0);
    assert!(!lab.says(1, [Some("Ann"), Some("A 1"), Some("10")]).revived);
    lab.state.sides[1].sent = None;
    assert_eq!(lab.owed(1), Owed::Delete);
}

#[test]
fn who_is_gone_for_a_moment_is_not_taken_back_from_a_reading_that_is_behind() {
    for deletes in [Deletes::Propagate, Deletes::Ignore] {
        let mut lab = Lab::agreed(Policy::Priority(vec![1, 0]));
        lab.rules.deletes = deletes;
        lab.rules.endpoints[1].lag = 60 * SECOND;
        lab.says(0, [Some("Anna"), None, None]);
        lab.now += 100 * SECOND;
        lab.deletes(1);
        // A list still shows it, as it was.
        let facts = lab.says(1, [Some("Ann"), Some("A 1"), Some("10")]);
        assert!(facts.unsettled.is_some(), "{facts:?}");
        assert_eq!(lab.text(0), "Anna");
        lab.now += 100 * SECOND;
        assert!(lab.says(1, [Some("Ann"), Some("A 1"), Some("10")]).unsettled.is_none());
    }
}
