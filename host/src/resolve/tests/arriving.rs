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
