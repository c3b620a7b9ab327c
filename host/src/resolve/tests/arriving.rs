//! Our own writes on their way: what shows that they have arrived, and what does not.

use super::super::apply::forget_copy;
use super::*;

fn sent(kind: SentKind, patch: &[(usize, &str)], at: i64) -> Option<Box<Sent>> {
    let patch = patch.iter().map(|(field, text)| (*field, Value::text(text))).collect();
    Some(Box::new(Sent { kind, patch, at, shown: Vec::new(), shown_at: None }))
}

#[test]
fn one_field_that_shows_what_was_sent_shows_that_all_of_it_has_arrived() {
    let mut lab = Lab::agreed(Policy::Manual);
    lab.state.sides[1].sent = sent(SentKind::Update, &[(0, "Anna"), (1, "B 2")], lab.now);
    assert!(lab.says(1, [Some("Ann"), Some("C 3"), None]).unsettled.is_some());
    assert_eq!(lab.state.sides[1].sent.as_ref().map(|sent| sent.kind), Some(SentKind::Update));
    lab.says(1, [Some("Anna"), Some("C 3"), None]);
    assert_eq!(lab.state.sides[1].sent.as_ref().map(|sent| sent.kind), Some(SentKind::Shown));
}

#[test]
fn what_a_question_wrote_is_not_what_was_there_before_it() {
    let mut lab = Lab::agreed(Policy::Set { separator: Some(" ".into()) });
    lab.state.sides[1].sent = sent(SentKind::Asked, &[(1, "A 1 2")], lab.now);
    lab.state.sides[1].late = sent(SentKind::Update, &[(1, "A 1 2")], lab.now);
    assert!(!lab.says(1, [None, Some("A 1 2"), None]).is_news());
    // Who had removed something before it did so from what they had seen.
    assert_eq!(lab.state.sides[1].shadow(1).shown(), Some(&Value::text("A 1")));
}

#[test]
fn a_record_made_anew_by_what_was_just_written_is_filled_again() {
    let mut lab = Lab::agreed(Policy::Manual);
    lab.rules.endpoints[1].remakes = true;
    lab.says(0, [Some("Anna"), Some("B 2"), None]);
    lab.deliver(1);
    let until = lab.now + 60 * SECOND;
    lab.state.sides[1].fences =
        [(0, "Ann"), (1, "A 1")].map(|(field, before)| Fence { field, before: Value::text(before), until }).to_vec();
    lab.state.canon.push(Canon { value: Some(Value::text("Rome")), ..Canon::default() });
    lab.state.sides.iter_mut().for_each(|side| side.shadow.push(Shadow::Value(Value::text("Rome"))));
    lab.rules.endpoints.iter_mut().for_each(|rule| {
        rule.reads.push(true);
        rule.writes.push(true);
    });
    lab.rules.groups.push(Group { name: "city".into(), fields: vec![3], policy: Policy::Manual, owner: None });
    lab.rules.group_of.push(2);
    let values = ["Anna", "B 2"].map(|text| Some(Value::text(text))).into_iter();
    let values: Vec<Option<Value>> = values.chain([Some(Value::Null), Some(Value::Null)]).collect();
    let facts = lab.shows(1, EventKind::Upsert, &values, None);
    let verdicts: Vec<Verdict> = facts.verdicts.iter().map(|why| why.verdict).collect();
    assert!(verdicts.contains(&Verdict::Restored), "{verdicts:?}");
    assert_eq!((lab.text(2), lab.text(3)), ("10".into(), "Rome".into()));
}

#[test]
fn what_was_a_second_copy_brings_nothing_older_back() {
    let verdict = |is_spare: bool| {
        let mut lab = Lab::agreed(Policy::Priority(vec![1]));
        lab.says(0, [Some("Anna"), None, None]);
        forget_copy(&mut lab.state, 1);
        lab.now += SECOND;
        let (now, values) = (lab.now, values([Some("Ann"), Some("A 1"), Some("10")]));
        let event = Event {
            endpoint: 1,
            kind: EventKind::Upsert,
            remote: &[2],
            values: &values,
            void: &[],
            at: None,
            now,
            read_before: now,
            is_double: is_spare,
            lineage: now,
        };
        let facts = apply(&mut lab.state, &event, &lab.rules, &|_| None);
        (facts.verdicts.first().map(|why| why.verdict), lab.text(0), lab.owed(1))
    };
    assert_eq!(verdict(false), (Some(Verdict::Won), "Ann".into(), Owed::Nothing));
    assert_eq!(verdict(true), (Some(Verdict::Spare), "Anna".into(), Owed::Update(vec![0])));
}

#[test]
fn dates_and_references_have_no_form_of_an_endpoints_own() {
    let mut rules = rules(Policy::Manual);
    let (shown, given) = (Value::Int(20_240), Value::Int(20_238));
    assert!(rules.is_form(0, &shown, &given));
    rules.exact[0] = true;
    assert!(!rules.is_form(0, &shown, &given));
    assert!(rules.is_form(0, &given, &given));
}

#[test]
fn a_set_may_be_cut_at_its_end_only() {
    let rules = rules(Policy::Set { separator: Some(";".into()) });
    let is_form = |shown: &str| rules.is_form(0, &Value::text(shown), &Value::text("vip; old; east"));
    assert!(["vip", "VIP;OLD;EAST", "vip; old; ea"].into_iter().all(is_form));
    assert!(!["east", "old; east", "vip; old; east; new"].into_iter().any(is_form));
}

#[test]
fn who_was_made_without_a_value_has_not_emptied_it() {
    let empty = |kind: Option<SentKind>, is_late: bool| {
        let mut lab = Lab::agreed(Policy::Manual);
        lab.rules.groups[0].owner = Some((1, Others::Restore));
        forget_copy(&mut lab.state, 1);
        let made = kind.and_then(|kind| sent(kind, &[(1, "A 1"), (2, "10")], lab.now));
        let side = &mut lab.state.sides[1];
        if is_late {
            side.late = made
        } else {
            side.sent = made
        }
        let values = [Some(Value::Null), Some(Value::text("A 1")), Some(Value::text("10"))];
        lab.shows(1, EventKind::Upsert, &values, None);
        lab.state.sides[1].sent = None;
        (lab.text(0), lab.owed(1))
    };
    let stays = ("Ann".to_owned(), Owed::Update(vec![0]));
    assert_eq!(empty(Some(SentKind::Create), false), stays);
    assert_eq!(empty(Some(SentKind::Create), true), stays);
    assert_eq!(empty(None, false), ("Some(Null)".to_owned(), Owed::Nothing), "the owner's own record has none");
}

#[test]
fn what_a_late_write_did_not_have_is_counted_though_it_is_what_is_agreed() {
    let counted = |late: i64| {
        let mut lab = Lab::agreed(Policy::Counter);
        let canon = &mut lab.state.canon[0];
        (canon.value, canon.source) = (Some(Value::Int(16)), Source::Endpoint(1));
        let now = lab.now;
        let side = &mut lab.state.sides[1];
        side.set_shadow(0, Shadow::Value(Value::Int(15)));
        let patch = vec![(0, Value::Int(late))];
        side.late = Some(Box::new(Sent { kind: SentKind::Update, patch, at: now, shown: Vec::new(), shown_at: None }));
        lab.shows(1, EventKind::Upsert, &[Some(Value::Int(16)), None, None], None);
        lab.text(0)
    };
    assert_eq!(counted(12), "Some(Int(17))");
    assert_eq!(counted(16), "Some(Int(16))", "that is our own write");
}

/// A sum that is the agreed one by chance answers nothing: what is asked about is not settled by the same event.
#[test]
fn what_is_added_to_an_open_question_stays_open() {
    let mut lab = Lab::new(Policy::Counter);
    let visits = |count: i64| [Some(Value::Int(count)), None, None];
    lab.shows(0, EventKind::Upsert, &visits(7), None);
    assert_eq!(lab.shows(1, EventKind::Upsert, &visits(3), None).verdicts[0].verdict, Verdict::Held);
    let facts = lab.shows(1, EventKind::Upsert, &visits(7), None);
    assert_eq!((facts.verdicts[0].verdict, facts.settled.as_slice()), (Verdict::Held, &[][..]));
    assert!(lab.state.sides[1].is_held(0));
}

/// Others insist on a part of what somebody owns: all of it is left alone until the owner says something.
#[test]
fn an_owner_is_heard_though_others_are_left_alone() {
    let mut lab = Lab::agreed(Policy::Manual);
    lab.rules.groups[1].owner = Some((1, Others::Restore));
    for _ in 0..5 {
        lab.says(0, [None, Some("MINE"), None]);
        lab.deliver(0);
    }
    assert!(lab.state.canon[1].quarantined && lab.state.canon[2].quarantined);
    assert_eq!(lab.owed(0), Owed::Nothing);
    assert_eq!(lab.says(1, [None, Some("B 2"), None]).settled, [1]);
    assert_eq!(lab.text(1), "B 2");
    assert_eq!((lab.owed(0), lab.owed(1)), (Owed::Update(vec![1]), Owed::Nothing));
}

/// Of a small record there is only one field to be empty: hardly anybody empties it just when another was written.
#[test]
fn a_single_field_is_empty_by_accident_just_after_an_upsert() {
    let emptied = |fenced: bool| {
        let mut lab = Lab::new(Policy::Manual);
        lab.rules.endpoints[1].remakes = true;
        let row = |name: &str, street: Option<&str>| {
            [Some(Value::text(name)), Some(street.map_or(Value::Null, Value::text)), None]
        };
        lab.shows(0, EventKind::Upsert, &row("Ann", Some("A 1")), None);
        lab.deliver(1);
        lab.shows(0, EventKind::Upsert, &row("Anna", Some("A 1")), None);
        lab.deliver(1);
        let fence = Fence { field: 0, before: Value::text("Ann"), until: lab.now + 10 * SECOND };
        lab.state.sides[1].fences.extend(fenced.then_some(fence));
        lab.shows(1, EventKind::Upsert, &row("Anna", None), None).verdicts[0].verdict
    };
    assert_eq!(emptied(true), Verdict::Restored);
    assert_eq!(emptied(false), Verdict::Taken);
}
