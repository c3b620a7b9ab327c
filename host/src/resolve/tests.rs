//! What one record goes through.
#![allow(clippy::needless_range_loop, reason = "endpoints are numbers")]

mod arriving;
mod deletes;

use proptest::prelude::*;

use super::*;
use crate::record::Value;

const SECOND: i64 = 1_000_000;

/// A hub of two endpoints with the fields `name`, `street` and `zip`, the last two of which move together.
pub(super) fn rules(policy: Policy) -> Rules {
    let endpoint = |name: &str| EndpointRule {
        name: name.into(),
        reads: vec![true; 3],
        writes: vec![true; 3],
        is_read: true,
        is_written: true,
        lag: 0,
        remakes: false,
        on_exit: ExitRule::Unlink,
    };
    Rules {
        groups: vec![
            Group { name: "name".into(), fields: vec![0], policy: policy.clone(), owner: None },
            Group { name: "address".into(), fields: vec![1, 2], policy, owner: None },
        ],
        group_of: vec![0, 1, 1],
        exact: vec![false; 3],
        endpoints: vec![endpoint("crm"), endpoint("erp")],
        deletes: Deletes::Propagate,
        delete_conflict: DeleteConflict::Manual,
        clock_doubt: 2 * SECOND,
        safety: Safety::default(),
    }
}

struct Lab {
    state: RecordState,
    rules: Rules,
    now: i64,
}

fn values(texts: [Option<&str>; 3]) -> Vec<Option<Value>> {
    texts.into_iter().map(|text| text.map(Value::text)).collect()
}

impl Lab {
    fn new(policy: Policy) -> Self {
        Self { state: RecordState::new(3, 2), rules: rules(policy), now: 1000 * SECOND }
    }

    /// A record both endpoints agree on.
    fn agreed(policy: Policy) -> Self {
        let mut lab = Self::new(policy);
        lab.says(0, [Some("Ann"), Some("A 1"), Some("10")]);
        lab.deliver(1);
        lab
    }

    fn event(&mut self, endpoint: usize, kind: EventKind, texts: [Option<&str>; 3], at: Option<i64>) -> Facts {
        self.shows(endpoint, kind, &values(texts), at)
    }

    fn shows(&mut self, endpoint: usize, kind: EventKind, values: &[Option<Value>], at: Option<i64>) -> Facts {
        self.now += SECOND;
        let remote = [endpoint as u8];
        let event = Event {
            endpoint,
            kind,
            remote: &remote,
            values,
            void: &[],
            at,
            now: self.now,
            read_before: self.now,
            is_double: false,
            lineage: self.now,
        };
        apply(&mut self.state, &event, &self.rules, &|_| None)
    }

    fn says(&mut self, endpoint: usize, texts: [Option<&str>; 3]) -> Facts {
        let at = Some(self.now + SECOND);
        self.event(endpoint, EventKind::Upsert, texts, at)
    }

    fn deletes(&mut self, endpoint: usize) -> Facts {
        self.event(endpoint, EventKind::Delete, [None; 3], None)
    }

    fn owed(&self, endpoint: usize) -> Owed {
        owed(&self.state, endpoint, &self.rules, Segment::Inside)
    }

    /// The endpoint is given what it is owed, and takes it.
    fn deliver(&mut self, endpoint: usize) {
        let owed = self.owed(endpoint);
        let agreed = self.state.values();
        let side = &mut self.state.sides[endpoint];
        match owed {
            Owed::Create(fields) | Owed::Update(fields) => {
                side.link = Link::Linked([endpoint as u8].into());
                fields
                    .into_iter()
                    .for_each(|field| side.set_shadow(field, Shadow::Value(agreed[field].clone().unwrap())));
            }
            Owed::Delete => side.link = Link::Gone([endpoint as u8].into()),
            Owed::Nothing => {}
            other => panic!("{other:?}"),
        }
    }

    fn text(&self, field: usize) -> String {
        match self.state.value(field) {
            Some(Value::Text(text)) => text.to_string(),
            other => format!("{other:?}"),
        }
    }
}

#[test]
fn a_change_goes_to_the_other_side_and_its_echo_goes_nowhere() {
    let mut lab = Lab::agreed(Policy::Manual);
    lab.says(0, [Some("Anna"), Some("A 1"), Some("10")]);
    assert_eq!(lab.owed(1), Owed::Update(vec![0]));
    lab.deliver(1);
    let facts = lab.says(1, [Some("Anna"), Some("A 1"), Some("10")]);
    assert!(!facts.is_news());
    assert_eq!((lab.owed(0), lab.owed(1)), (Owed::Nothing, Owed::Nothing));
}

#[test]
fn changes_of_different_fields_are_both_made() {
    let mut lab = Lab::agreed(Policy::Manual);
    lab.says(0, [Some("Anna"), None, None]);
    lab.says(1, [Some("Ann"), Some("B 2"), Some("20")]);
    assert_eq!((lab.text(0), lab.text(1), lab.text(2)), ("Anna".into(), "B 2".into(), "20".into()));
    assert_eq!((lab.owed(0), lab.owed(1)), (Owed::Update(vec![1, 2]), Owed::Update(vec![0])));
}

#[test]
fn what_is_absent_is_no_statement_and_null_is_one() {
    let mut lab = Lab::agreed(Policy::Manual);
    lab.says(1, [None, Some("A 1"), Some("10")]);
    assert_eq!(lab.text(0), "Ann");
    lab.shows(1, EventKind::Upsert, &[Some(Value::Null), None, None], None);
    assert_eq!(lab.state.value(0), Some(&Value::Null));
}

#[test]
fn fields_of_a_group_never_mix() {
    let mut lab = Lab::agreed(Policy::Priority(vec![1, 0]));
    lab.says(0, [None, Some("B 2"), None]);
    lab.says(1, [None, None, Some("30")]);
    assert_eq!((lab.text(1), lab.text(2)), ("A 1".into(), "30".into()));
    assert_eq!(lab.owed(0), Owed::Update(vec![1, 2]));
}

#[test]
fn a_person_decides_and_everything_else_goes_on() {
    let mut lab = Lab::agreed(Policy::Manual);
    lab.says(0, [Some("Anna"), Some("A 1"), Some("10")]);
    let facts = lab.says(1, [Some("Annette"), Some("A 1"), Some("20")]);
    assert_eq!(facts.verdicts.iter().map(|why| why.verdict).collect::<Vec<_>>(), [Verdict::Held, Verdict::Taken]);
    assert_eq!((lab.owed(0), lab.owed(1)), (Owed::Update(vec![2]), Owed::Nothing));
    let changes = set_by_person(&mut lab.state, &[(0, Value::text("Annette"))], lab.now, 99);
    assert_eq!(changes.len(), 1);
    assert_eq!(lab.owed(1), Owed::Nothing);
    lab.deliver(0);
    assert_eq!(lab.text(0), "Annette");
}

#[test]
fn clocks_that_are_close_decide_nothing() {
    for (apart, expected) in [(SECOND, "left"), (3 * SECOND, "right"), (-3 * SECOND, "left")] {
        let mut lab = Lab::agreed(Policy::Newest);
        lab.event(0, EventKind::Upsert, [Some("left"), None, None], Some(5000 * SECOND));
        lab.event(1, EventKind::Upsert, [Some("right"), None, None], Some(5000 * SECOND + apart));
        assert_eq!(lab.text(0), expected, "{apart}");
    }
}

#[test]
fn an_owner_is_never_overruled() {
    let mut lab = Lab::agreed(Policy::Manual);
    for (others, owed, text) in
        [(Others::Restore, Owed::Update(vec![0]), "Ann"), (Others::Ignore, Owed::Nothing, "Ann")]
    {
        lab.rules.groups[0].owner = Some((0, others));
        lab.says(1, [Some(if others == Others::Restore { "Bert" } else { "Carl" }), None, None]);
        assert_eq!((lab.owed(1), lab.text(0)), (owed, text.into()));
        lab.deliver(1);
    }
    lab.says(0, [Some("Dora"), None, None]);
    assert_eq!(lab.owed(1), Owed::Update(vec![0]));
    let mut lab = Lab::new(Policy::Priority(vec![1, 0]));
    lab.rules.groups[0].owner = Some((0, Others::Restore));
    lab.says(1, [Some("Bert"), None, None]);
    lab.says(0, [Some("Ann"), None, None]);
    assert_eq!((lab.text(0), lab.owed(0), lab.owed(1)), ("Ann".into(), Owed::Nothing, Owed::Update(vec![0])));
    // While an owner is being given a record, a value it is not given is as new as the record.
    let mut lab = Lab::new(Policy::Manual);
    lab.rules.groups[0].owner = Some((0, Others::Restore));
    lab.says(1, [None, Some("A 1"), Some("10")]);
    let sent = Sent { kind: SentKind::Create, patch: Vec::new(), at: 0, shown: Vec::new(), shown_at: None };
    lab.state.sides[0].sent = Some(Box::new(sent));
    lab.says(1, [Some("Bert"), Some("A 1"), Some("10")]);
    assert_eq!(lab.text(0), "Bert");
}

#[test]
fn a_value_from_before_our_own_write_is_no_change() {
    let mut lab = Lab::agreed(Policy::Manual);
    lab.says(0, [Some("Anna"), None, None]);
    lab.deliver(1);
    let until = lab.now + 60 * SECOND;
    lab.state.sides[1].fences.push(Fence { field: 0, before: Value::text("Ann"), until });
    assert_eq!(lab.says(1, [Some("Ann"), None, None]).unsettled, Some(until));
    assert_eq!((lab.text(0), lab.owed(0)), ("Anna".into(), Owed::Nothing));
    lab.now = until;
    assert_eq!(lab.says(1, [Some("Ann"), None, None]).verdicts.len(), 1);
    assert_eq!((lab.text(0), lab.owed(0)), ("Ann".into(), Owed::Update(vec![0])));
}

#[test]
fn our_own_write_is_known_also_when_it_arrives_after_it_was_given_up() {
    let mut lab = Lab::agreed(Policy::Newest);
    lab.says(0, [Some("Anna"), None, None]);
    let patch = vec![(0, Value::text("Anna"))];
    let sent = Sent { kind: SentKind::Update, patch, at: lab.now, shown: Vec::new(), shown_at: None };
    lab.state.sides[1].late = Some(Box::new(sent));
    lab.state = decode(&encode(&lab.state, &[1, 2]), &[1, 2], 3).unwrap();
    lab.says(0, [Some("Zoe"), None, None]);
    lab.says(1, [Some("Anna"), None, None]);
    assert_eq!((lab.text(0), lab.owed(1)), ("Zoe".into(), Owed::Update(vec![0])));
    // Lists that are behind may go on showing what was there before it.
    lab.rules.endpoints[1].lag = 60 * SECOND;
    lab.deliver(1);
    let sent = Sent {
        kind: SentKind::Update,
        patch: vec![(0, Value::text("Zoe"))],
        at: lab.now,
        shown: Vec::new(),
        shown_at: None,
    };
    lab.state.sides[1].set_shadow(0, Shadow::Value(Value::text("Anna")));
    lab.state.sides[1].late = Some(Box::new(sent));
    lab.says(1, [Some("Zoe"), None, None]);
    assert!(lab.says(1, [Some("Anna"), None, None]).unsettled.is_some());
    assert_eq!(lab.text(0), "Zoe");
    lab.now += 100 * SECOND;
    // Written by us since, or by others after a long time, it is news.
    lab.deliver(1);
    lab.now += 2 * 3600 * SECOND;
    lab.says(1, [Some("Anna"), None, None]);
    assert_eq!(lab.text(0), "Anna");
}

#[test]
fn an_endpoints_own_form_is_left_alone() {
    let mut lab = Lab::agreed(Policy::Manual);
    lab.state.sides[1].shadow[0] = Shadow::Form { shows: Value::text("ANN"), of: Value::text("Ann") };
    assert!(!lab.says(1, [Some("ANN"), None, None]).is_news());
    assert_eq!(lab.owed(1), Owed::Nothing);
    // A change on top of the form is a change of what it stands for.
    assert_eq!(lab.says(1, [Some("BEA"), None, None]).verdicts[0].verdict, Verdict::Taken);
}

#[test]
fn what_a_late_upsert_made_anew_is_filled_again() {
    let mut lab = Lab::agreed(Policy::Manual);
    let remade = |lab: &mut Lab| {
        let row = values([Some("Anna"), None, None]).into_iter().map(|value| Some(value.unwrap_or(Value::Null)));
        lab.now += SECOND;
        let values: Vec<Option<Value>> = row.collect();
        let event = Event {
            endpoint: 1,
            kind: EventKind::Upsert,
            remote: &[1],
            values: &values,
            void: &[],
            at: None,
            now: lab.now,
            read_before: lab.now,
            is_double: false,
            lineage: lab.now,
        };
        apply(&mut lab.state, &event, &lab.rules, &|_| None)
    };
    lab.says(0, [Some("Anna"), None, None]);
    lab.deliver(1);
    lab.rules.endpoints[1].remakes = true;
    let before = lab.state.clone();
    assert_eq!(remade(&mut lab).verdicts[0].verdict, Verdict::Restored);
    assert_eq!((lab.text(1), lab.owed(1)), ("A 1".into(), Owed::Update(vec![1, 2])));
    // Who has updates empties what is to be empty.
    lab.state = before;
    lab.rules.endpoints[1].remakes = false;
    assert_eq!(remade(&mut lab).verdicts[0].verdict, Verdict::Taken);
    assert_eq!(lab.owed(1), Owed::Nothing);
}

#[test]
fn what_goes_back_and_forth_is_left_alone() {
    let mut lab = Lab::agreed(Policy::Manual);
    let mut quarantined = 0;
    for round in 0..20 {
        for (endpoint, text) in [(0, "ANN"), (1, "ann")] {
            let facts = lab.says(endpoint, [Some(text), None, None]);
            quarantined += facts.verdicts.iter().filter(|why| why.verdict == Verdict::Quarantined).count();
            if lab.owed(1 - endpoint) != Owed::Nothing {
                assert!(round < 3, "it goes on");
                lab.deliver(1 - endpoint);
            }
        }
    }
    assert!(quarantined > 0 && lab.state.canon[0].quarantined);
}

#[test]
fn who_insists_on_what_another_owns_is_left_alone_in_the_end() {
    let insists = |pause: i64| {
        let mut lab = Lab::agreed(Policy::Manual);
        lab.rules.groups[0].owner = Some((1, Others::Restore));
        let verdicts = (0..8).flat_map(|_| {
            lab.now += pause;
            let why = lab.says(0, [Some("MINE"), None, None]).verdicts;
            lab.deliver(0);
            why.into_iter().map(|why| (why.verdict, why.is_over))
        });
        verdicts.collect::<Vec<_>>()
    };
    assert!(insists(600 * SECOND)[..5].contains(&(Verdict::Quarantined, true)));
    assert_eq!(insists(4000 * SECOND), vec![(Verdict::Restored, false); 8]);
}

/// A record that `crm` has said and that is on its way to `erp`, which has not answered.
fn under_way(policy: Policy) -> Lab {
    let mut lab = Lab::new(policy);
    lab.says(0, [Some("Ann"), Some("A 1"), Some("10")]);
    let patch = lab.state.values().into_iter().enumerate().map(|(field, value)| (field, value.unwrap())).collect();
    let sent = Sent { kind: SentKind::Create, patch, at: lab.now, shown: Vec::new(), shown_at: None };
    lab.state.sides[1].sent = Some(Box::new(sent));
    lab
}

#[test]
fn who_changes_what_we_made_has_seen_it() {
    let mut lab = under_way(Policy::Priority(vec![0, 1]));
    let facts = lab.says(1, [Some("Zoe"), Some("A 1"), Some("10")]);
    assert_eq!(facts.verdicts[0].verdict, Verdict::Won);
    assert_eq!(lab.text(0), "Zoe");
    // Another record of the same person is decided about like any other.
    let mut lab = under_way(Policy::Priority(vec![0, 1]));
    lab.says(1, [Some("Bob"), Some("B 2"), Some("20")]);
    assert_eq!((lab.text(0), lab.text(1)), ("Ann".into(), "A 1".into()));
}

#[test]
fn who_insists_on_values_that_never_come_back_is_left_alone_too() {
    let mut lab = Lab::agreed(Policy::Priority(vec![0, 1]));
    let mut verdicts = Vec::new();
    for round in 0..20 {
        let name = format!("name {round}");
        let endpoint = round % 2;
        lab.deliver(endpoint);
        verdicts.extend(lab.says(endpoint, [Some(&name), None, None]).verdicts);
    }
    assert_eq!(verdicts.last().map(|why| why.verdict), Some(Verdict::Quarantined));
}

fn any_policy() -> impl Strategy<Value = Policy> {
    prop_oneof![
        Just(Policy::Manual),
        Just(Policy::Priority(vec![0, 1])),
        Just(Policy::Priority(vec![1])),
        Just(Policy::Newest),
        Just(Policy::Set { separator: Some(";".into()) }),
    ]
}

proptest! {
    /// Invariant 8, for two changes that do not know of each other.
    #[test]
    fn who_comes_first_does_not_matter(
        policy in any_policy(), left in "[a-c]", right in "[a-c]", left_at in 0i64..8, right_at in 0i64..8,
    ) {
        let run = |order: [usize; 2]| {
            let mut lab = Lab::agreed(policy.clone());
            for endpoint in order {
                let (text, at) = if endpoint == 0 { (&left, left_at) } else { (&right, right_at) };
                lab.event(endpoint, EventKind::Upsert, [Some(text), None, None], Some(5000 * SECOND + at * SECOND));
            }
            lab.text(0)
        };
        if policy != Policy::Manual {
            prop_assert_eq!(run([0, 1]), run([1, 0]));
        }
    }

    /// Whatever happens, once nobody changes anything and everything is delivered, both sides are as agreed or held.
    #[test]
    fn everybody_agrees_in_the_end(
        policy in any_policy(),
        steps in prop::collection::vec((0usize..2, 0u8..10, "[a-c]", 0usize..3), 0..40),
    ) {
        let mut lab = Lab::agreed(policy);
        let mut remote = [Some(values([Some("Ann"), Some("A 1"), Some("10")])), Some(values([Some("Ann"), Some("A 1"), Some("10")]))];
        for (endpoint, action, text, field) in steps {
            match (action, &mut remote[endpoint]) {
                (0..=5, Some(record)) => record[field] = Some(Value::text(&text)),
                (6, copy @ Some(_)) => *copy = None,
                (7, copy @ None) => *copy = Some(values([Some(&text), None, None])),
                _ => {}
            }
            sync(&mut lab, &mut remote, action % 2 == 0);
        }
        for _ in 0..6 {
            sync(&mut lab, &mut remote, true);
        }
        for endpoint in 0..2 {
            prop_assert_eq!(lab.owed(endpoint), Owed::Nothing);
            let side = &lab.state.sides[endpoint];
            let Some(record) = &remote[endpoint] else { continue };
            if !lab.state.is_live() {
                prop_assert!(side.delete_held);
                continue;
            }
            for field in 0..3 {
                // A group is left alone as a whole.
                let mut group = (0..3).filter(|member| lab.rules.moves_with(*member, &[field]));
                let is_held = side.is_held(field) || group.any(|member| lab.state.canon[member].quarantined);
                prop_assert!(is_held || record[field].as_ref() == lab.state.value(field), "{:?} {:?}", record, lab.state);
            }
        }
        let ids = [7, 9];
        prop_assert_eq!(decode(&encode(&lab.state, &ids), &ids, 3), Some(lab.state));
    }

    #[test]
    fn damaged_bytes_are_no_record(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = decode(&bytes, &[1, 2], 3);
    }
}

/// One round: each endpoint says what it has; each is given what it is owed.
fn sync(lab: &mut Lab, remote: &mut [Option<Vec<Option<Value>>>; 2], deliver: bool) {
    for endpoint in 0..2 {
        lab.now += SECOND;
        let (kind, said) = match &remote[endpoint] {
            Some(record) => (EventKind::Upsert, record.clone()),
            None => (EventKind::Delete, vec![None; 3]),
        };
        let (now, id) = (lab.now, [endpoint as u8]);
        let event = Event {
            endpoint,
            kind,
            remote: &id,
            values: &said,
            void: &[],
            at: Some(now),
            now,
            read_before: now,
            is_double: false,
            lineage: now,
        };
        apply(&mut lab.state, &event, &lab.rules, &|_| None);
        if !deliver {
            continue;
        }
        let (owed, agreed) = (lab.owed(endpoint), lab.state.values());
        match &owed {
            Owed::Create(_) => remote[endpoint] = Some(agreed),
            Owed::Update(fields) => {
                let record = remote[endpoint].as_mut().unwrap();
                fields.iter().for_each(|field| record[*field] = agreed[*field].clone());
            }
            Owed::Delete => remote[endpoint] = None,
            _ => {}
        }
        lab.deliver(endpoint);
    }
}
