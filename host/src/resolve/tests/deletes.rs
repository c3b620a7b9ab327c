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
    assert_eq!(revive(&mut lab.state, 7, |_| None), vec![1, 2]);
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
            void: &[],
            at: None,
            now: lab.now + SECOND,
            read_before: lab.now + read_before,
            is_double: false,
            lineage: lab.now,
        };
        apply(&mut lab.state, &event, &lab.rules, &|_| None).deleted
    };
    assert_eq!(delete(-SECOND), Some(Deletion::Held));
    assert_eq!(delete(0), Some(Deletion::Everywhere));
}

#[test]
fn what_was_said_of_a_dead_record_alone_is_agreed_when_a_person_keeps_it() {
    let mut lab = Lab::agreed(Policy::Manual);
    lab.deletes(1);
    lab.state.canon[1].value = None;
    lab.state.sides[0].set_shadow(1, Shadow::Value(Value::text("B 2")));
    assert!(revive(&mut lab.state, 7, |_| None).is_empty());
    assert_eq!((lab.text(1), lab.state.canon[1].source), ("B 2".into(), Source::Endpoint(0)));
}

#[test]
fn a_reference_that_leads_nowhere_is_no_edit_the_deleter_has_not_seen() {
    let delete = |void: &[usize]| {
        let mut lab = Lab::agreed(Policy::Manual);
        lab.state.sides[1].set_shadow(0, Shadow::Value(Value::Null));
        let silent = [None, None, None];
        let (at, now, read_before, lineage) = (None, lab.now, lab.now, lab.now);
        let kind = EventKind::Delete;
        let event = Event {
            endpoint: 1,
            kind,
            remote: &[1],
            values: &silent,
            void,
            at,
            now,
            read_before,
            lineage,
            is_double: false,
        };
        apply(&mut lab.state, &event, &lab.rules, &|_| None).deleted
    };
    assert_eq!(delete(&[]), Some(Deletion::Held));
    assert_eq!(delete(&[0]), Some(Deletion::Everywhere));
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

#[test]
fn a_create_that_arrives_after_it_was_given_up_is_ours_also_when_there_is_a_newer_value() {
    let mut lab = under_way(Policy::Newest);
    let side = &mut lab.state.sides[1];
    side.late = side.sent.take();
    lab.says(0, [Some("Anna"), Some("A 1"), Some("10")]);
    // By its own clock it is newer than the edit; it is older all the same.
    let facts = lab.event(1, EventKind::Upsert, [Some("ANN"), Some("A 1"), Some("10")], Some(lab.now + 60 * SECOND));
    assert!(facts.is_found && !facts.is_news());
    assert_eq!(lab.text(0), "Anna");
    assert_eq!(lab.owed(1), Owed::Update(vec![0]));
    assert_eq!(lab.owed(0), Owed::Nothing);
}

#[test]
fn what_was_shown_as_it_was_written_is_no_longer_asked_about() {
    let mut lab = Lab::agreed(Policy::Manual);
    let sent = |patch: Vec<(usize, Value)>| Sent {
        kind: SentKind::Unseen,
        patch,
        at: lab.now,
        shown: Vec::new(),
        shown_at: None,
    };
    let patch = vec![(0, Value::text("Ann")), (1, Value::text("A 1"))];
    let rest = vec![(1, Value::text("A 1"))];
    let (unseen, expected) = (sent(patch), sent(rest));
    lab.state.sides[1].sent = Some(Box::new(unseen));
    assert!(lab.says(1, [Some("Ann"), None, None]).is_touched);
    assert_eq!(lab.state.sides[1].sent.as_deref(), Some(&expected));
}

#[test]
fn a_copy_made_anew_is_not_taken_back_from_a_list_that_still_shows_the_old_one() {
    let mut lab = Lab::agreed(Policy::Manual);
    lab.rules.endpoints[1].lag = 60 * SECOND;
    lab.rules.delete_conflict = DeleteConflict::EditWins;
    lab.says(0, [Some("Anna"), None, None]);
    assert_eq!(lab.deletes(1).deleted, Some(Deletion::EditWins));
    lab.deliver(1);
    let facts = lab.says(1, [Some("Ann"), Some("A 1"), Some("10")]);
    assert!(facts.unsettled.is_some() && !facts.is_news());
    assert_eq!(lab.text(0), "Anna");
}

#[test]
fn who_was_made_again_long_ago_says_so_as_often_as_it_is_read() {
    let again = |lab: &mut Lab| lab.event(1, EventKind::Undelete, [Some("Ann"), Some("A 1"), Some("10")], None);
    let mut lab = Lab::agreed(Policy::Manual);
    lab.deletes(0);
    assert!(!again(&mut lab).revived);
    assert_eq!(lab.owed(1), Owed::Delete);
    // Where our delete may have been there before, somebody has made it again since.
    lab.rules.delete_conflict = DeleteConflict::EditWins;
    let sent = Sent { kind: SentKind::Delete, patch: Vec::new(), at: lab.now, shown: Vec::new(), shown_at: None };
    lab.state.sides[1].sent = Some(Box::new(sent));
    assert!(again(&mut lab).revived);
}

#[test]
fn a_record_that_comes_back_has_what_the_owner_of_a_field_shows() {
    let mut lab = Lab::agreed(Policy::Manual);
    lab.rules.endpoints.push(EndpointRule { name: "shop".into(), ..lab.rules.endpoints[0].clone() });
    lab.state.sides.push(Side::new(3));
    lab.deliver(2);
    lab.rules.groups[0].owner = Some((0, Others::Restore));
    lab.rules.delete_conflict = DeleteConflict::DeleteWins;
    lab.deletes(1);
    assert!(!lab.says(0, [Some("Anna"), None, None]).revived);
    assert!(lab.event(1, EventKind::Undelete, [None, Some("A 1"), Some("10")], None).revived);
    assert_eq!(lab.text(0), "Anna");
    assert_eq!(lab.owed(0), Owed::Nothing);
}

#[test]
fn who_shows_what_is_agreed_has_seen_it_though_it_was_shown_for_another_value() {
    let mut lab = Lab::agreed(Policy::Manual);
    lab.rules.groups[0].owner = Some((0, Others::Ignore));
    lab.says(1, [Some("Anna"), None, None]);
    lab.says(0, [Some("Anna"), None, None]);
    assert_eq!((lab.text(0), lab.owed(1)), ("Anna".into(), Owed::Nothing));
    assert_eq!(lab.deletes(1).deleted, Some(Deletion::Everywhere));
}

#[test]
fn an_edit_that_lost_against_a_delete_counts_if_the_record_lives_again_all_the_same() {
    let mut lab = Lab::agreed(Policy::Priority(vec![1, 0]));
    lab.rules.delete_conflict = DeleteConflict::DeleteWins;
    lab.deletes(0);
    let edit = lab.says(1, [None, Some("B 2"), Some("10")]);
    assert_eq!((edit.deleted, lab.owed(1)), (Some(Deletion::DeleteWins), Owed::Delete));
    assert!(lab.event(0, EventKind::Undelete, [Some("Ann"), Some("A 1"), Some("10")], None).revived);
    assert_eq!((lab.text(0), lab.text(1)), ("Ann".into(), "B 2".into()));
    assert_eq!((lab.owed(0), lab.owed(1)), (Owed::Update(vec![1]), Owed::Nothing));
}

#[test]
fn what_others_show_of_an_owners_field_is_not_agreed_on_because_the_record_lives_again() {
    let mut lab = Lab::agreed(Policy::Manual);
    lab.rules.groups[0].owner = Some((0, Others::Ignore));
    lab.rules.delete_conflict = DeleteConflict::EditWins;
    lab.state.canon[0] = Canon::default();
    lab.state.sides[0].set_shadow(0, Shadow::Value(Value::Null));
    lab.state.sides[1].set_shadow(0, Shadow::Value(Value::text("Bert")));
    lab.state.sides.push(lab.state.sides[1].clone());
    lab.state.sides[2].link = Link::Linked([2].into());
    lab.rules.endpoints.push(lab.rules.endpoints[1].clone());
    lab.deletes(2);
    assert!(lab.says(1, [Some("Bert"), Some("B 2"), Some("10")]).revived);
    assert_eq!((lab.text(1), lab.owed(0)), ("B 2".into(), Owed::Update(vec![1])));
}

#[test]
fn a_copy_that_cannot_be_deleted_objects_only_while_it_is_shown() {
    let delete = |missing: Option<Missing>| {
        let mut lab = Lab::agreed(Policy::Manual);
        lab.rules.endpoints[1].is_written = false;
        lab.state.sides[1].missing = missing;
        lab.deletes(0).deleted
    };
    assert_eq!(delete(None), Some(Deletion::Held));
    assert_eq!(delete(Some(Missing { before: 0, since: 1, last: 2 })), Some(Deletion::Everywhere));
}

#[test]
fn what_was_there_before_our_write_is_no_edit_of_what_was_deleted() {
    let mut lab = Lab::agreed(Policy::Manual);
    lab.rules.delete_conflict = DeleteConflict::EditWins;
    lab.says(0, [Some("Anna"), None, None]);
    lab.deliver(1);
    let until = lab.now + 10 * SECOND;
    lab.state.sides[1].fences.push(Fence { field: 0, before: Value::text("Ann"), until });
    lab.deletes(0);
    let stale = lab.says(1, [Some("Ann"), Some("A 1"), Some("10")]);
    assert_eq!((stale.revived, stale.unsettled, lab.owed(1)), (false, Some(until), Owed::Delete));
    lab.now = until;
    assert!(lab.says(1, [Some("Ann"), Some("A 1"), Some("10")]).revived);
}

#[test]
fn who_was_overruled_has_seen_what_they_delete() {
    let mut lab = Lab::agreed(Policy::Manual);
    lab.rules.groups[0].owner = Some((0, Others::Restore));
    lab.says(1, [Some("Anna"), None, None]);
    assert_eq!((lab.text(0), lab.owed(1)), ("Ann".into(), Owed::Update(vec![0])));
    assert_eq!(lab.deletes(1).deleted, Some(Deletion::Everywhere));
    // What the owner has said since then they have not seen.
    let mut lab = Lab::agreed(Policy::Manual);
    lab.rules.groups[0].owner = Some((0, Others::Restore));
    lab.says(1, [Some("Anna"), None, None]);
    lab.says(0, [Some("Anne"), None, None]);
    assert_eq!(lab.deletes(1).deleted, Some(Deletion::Held));
}

#[test]
fn a_copy_that_leaves_is_deleted_once_nobody_needs_it() {
    let mut lab = Lab::agreed(Policy::Manual);
    lab.rules.endpoints[1].on_exit = ExitRule::Delete;
    let owed = |lab: &Lab| owed(&lab.state, 1, &lab.rules, Segment::Outside);
    assert_eq!(owed(&lab), Owed::Delete);
    lab.state.sides[1].held.push(0);
    assert_eq!(owed(&lab), Owed::Nothing, "a person has to decide about it");
    lab.state.sides[1].held.clear();
    lab.state.sides[0].set_shadow(2, Shadow::Absent);
    assert_eq!(owed(&lab), Owed::Nothing, "nobody else has that value");
    lab.state.sides[0].set_shadow(2, Shadow::Value(Value::text("10")));
    assert_eq!(owed(&lab), Owed::Delete);
    lab.state.sides[0].link = Link::Gone([0].into());
    assert_eq!(owed(&lab), Owed::Nothing, "nobody else has the record");
}

/// A process that stood still deletes what had left its segment, after everybody else has given that up: nobody has deleted the record.
#[test]
fn a_late_delete_of_ours_is_nobodys() {
    let mut lab = Lab::agreed(Policy::Manual);
    let sent = |at| Sent { kind: SentKind::Delete, patch: Vec::new(), at, shown: Vec::new(), shown_at: None };
    lab.state.sides[1].late = Some(Box::new(sent(lab.now)));
    let before = lab.state.clone();
    let facts = lab.deletes(1);
    assert_eq!((facts.deleted, facts.is_touched), (None, true));
    assert!(lab.state.is_live() && lab.state.sides[1].late.is_none() && !lab.state.sides[1].link.is_linked());
    // After so long it is somebody else's.
    lab.state = before;
    lab.now += 30 * 24 * 3600 * SECOND;
    assert_eq!(lab.deletes(1).deleted, Some(Deletion::Everywhere));
}
