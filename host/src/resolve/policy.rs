//! Who wins when two have changed the same thing without knowing of each other.
//!
//! Every policy but `newest` gives the same answer whichever of the two came first (Invariant 8); `newest` does too, and where
//! clocks cannot tell the order of the endpoints decides.

use std::collections::BTreeSet;

use super::{Mechanism, Rules, Source, is_like};
use crate::record::Value;

/// How two values of a group are decided about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Policy {
    /// A person decides.
    Manual,
    /// Endpoints, the strongest first; those not named come behind, by their rank.
    Priority(Vec<usize>),
    /// The later change, where clocks can tell.
    Newest,
    /// Numbers: both changes are added.
    Counter,
    /// Texts of items with this separator, or JSON lists: both changes' additions and removals.
    Set { separator: Option<String> },
    /// A plugin decides.
    Resolver,
}

impl Policy {
    /// As the project file calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Priority(_) => "priority",
            Self::Newest => "newest",
            Self::Counter => "counter",
            Self::Set { .. } => "set",
            Self::Resolver => "resolver",
        }
    }

    /// Whether both changes are made, rather than one of them chosen.
    pub fn adds_up(&self) -> bool {
        matches!(self, Self::Counter | Self::Set { .. })
    }
}

/// Two changes of one group that did not know of each other. Lists have one entry per field of the group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Dispute {
    pub group: usize,
    /// What the incoming change was made to; none = nobody knows.
    pub base: Vec<Option<Value>>,
    pub current: Vec<Option<Value>>,
    pub incoming: Vec<Option<Value>>,
    pub current_source: Source,
    pub incoming_source: Source,
    /// Microseconds since 1970, by the systems' own clocks.
    pub current_at: Option<i64>,
    pub incoming_at: Option<i64>,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    Incoming,
    Current,
    /// A value of its own for each field.
    Merged(Vec<Option<Value>>),
    /// A person has to decide.
    Manual,
}

/// Decides; the resolver's answer is asked for where it is its turn. None = it has to be asked first.
pub fn rule(
    dispute: &Dispute,
    policy: &Policy,
    rules: &Rules,
    resolver: &dyn Fn(&Dispute) -> Option<Ruling>,
) -> Option<Ruling> {
    // What an endpoint says now replaces what it said before, unless that was merged with what it has not seen.
    let is_same = dispute.current_source == dispute.incoming_source && dispute.current_source != Source::Person;
    Some(match policy {
        Policy::Counter if rules.safety.has(Mechanism::CounterMerge) => merged(dispute, counter),
        Policy::Set { separator } if rules.safety.has(Mechanism::SetMerge) => {
            merged(dispute, |base, current, incoming| set(base, current, incoming, separator.as_deref()))
        }
        _ if is_same => Ruling::Incoming,
        Policy::Manual => Ruling::Manual,
        Policy::Priority(order) => by_rank(dispute, order),
        Policy::Newest => newest(dispute, rules),
        Policy::Counter | Policy::Set { .. } => by_rank(dispute, &[]),
        Policy::Resolver => return resolver(dispute),
    })
}

fn rank(source: Source, order: &[usize]) -> (usize, usize) {
    match source {
        Source::Person => (0, 0),
        Source::Endpoint(endpoint) => {
            (1 + order.iter().position(|named| *named == endpoint).unwrap_or(order.len()), endpoint)
        }
    }
}

fn by_rank(dispute: &Dispute, order: &[usize]) -> Ruling {
    if rank(dispute.incoming_source, order) < rank(dispute.current_source, order) {
        Ruling::Incoming
    } else {
        Ruling::Current
    }
}

fn newest(dispute: &Dispute, rules: &Rules) -> Ruling {
    let doubt = if rules.safety.has(Mechanism::ClockDoubt) { rules.clock_doubt } else { 0 };
    match (dispute.current_at, dispute.incoming_at) {
        (Some(current), Some(incoming)) if incoming.saturating_sub(current) > doubt => Ruling::Incoming,
        (Some(current), Some(incoming)) if current.saturating_sub(incoming) > doubt => Ruling::Current,
        _ => by_rank(dispute, &[]),
    }
}

type Fold<'a> = &'a Value;

/// Field by field; where the values cannot be merged the whole group waits for a person.
fn merged(dispute: &Dispute, fold: impl Fn(Option<Fold<'_>>, Fold<'_>, Fold<'_>) -> Option<Value>) -> Ruling {
    let fields = dispute.base.iter().zip(&dispute.current).zip(&dispute.incoming);
    let values: Option<Vec<Option<Value>>> = fields
        .map(|((base, current), incoming)| match (current, incoming) {
            (Some(current), Some(incoming)) => fold(base.as_ref(), current, incoming).map(Some),
            (current, incoming) => Some(current.clone().or_else(|| incoming.clone())),
        })
        .collect();
    values.map_or(Ruling::Manual, Ruling::Merged)
}

fn counter(base: Option<&Value>, current: &Value, incoming: &Value) -> Option<Value> {
    match (base, current, incoming) {
        (Some(Value::Int(base)), Value::Int(current), Value::Int(incoming)) => {
            Some(Value::Int(current.checked_add(incoming.checked_sub(*base)?)?))
        }
        (Some(Value::Float(base)), Value::Float(current), Value::Float(incoming)) => {
            let [base, current, incoming] = [*base, *current, *incoming].map(f64::from_bits);
            let sum = current + (incoming - base);
            sum.is_finite().then(|| Value::float(sum))
        }
        _ => None,
    }
}

fn set(base: Option<&Value>, current: &Value, incoming: &Value, separator: Option<&str>) -> Option<Value> {
    let none = BTreeSet::new();
    let items = |value: &Value| items(value, separator);
    let base = base.map_or(Some(none), items)?;
    let (current, incoming) = (items(current)?, items(incoming)?);
    let removed: BTreeSet<&String> = base.difference(&incoming).collect();
    let added = incoming.difference(&base);
    let all: BTreeSet<&String> = current.iter().filter(|item| !removed.contains(item)).chain(added).collect();
    Some(Value::text(&write_items(&all, separator)?))
}

/// What a set was before somebody changed it, of which we have written something without hearing whether it arrived: items of that
/// write which are shown have arrived.
pub fn set_before(seen: Option<&Value>, written: &Value, shown: &Value, separator: Option<&str>) -> Option<Value> {
    let items = |value: &Value| items(value, separator);
    let seen = seen.map_or(Some(BTreeSet::new()), items)?;
    let (written, shown) = (items(written)?, items(shown)?);
    let is_there = |item: &&String| shown.contains(*item) || written.contains(*item);
    let kept = seen.iter().filter(is_there);
    let arrived = written.intersection(&shown);
    Some(Value::text(&write_items(&kept.chain(arrived).collect(), separator)?))
}

/// The items of a set; those of a JSON list as JSON texts.
fn items(value: &Value, separator: Option<&str>) -> Option<BTreeSet<String>> {
    let text = match value {
        Value::Null => return Some(BTreeSet::new()),
        Value::Text(text) => text,
        _ => return None,
    };
    match separator {
        Some(separator) => {
            Some(text.split(separator).map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect())
        }
        None => {
            let list: Vec<serde_json::Value> = serde_json::from_str(text).ok()?;
            Some(list.iter().map(serde_json::Value::to_string).collect())
        }
    }
}

/// Whether a system may show one set where it was given the other: some of the last items may be cut off, but of the first ones none
/// is left out.
pub fn is_cut_at_the_end(shown: &Value, given: &Value, separator: &str) -> bool {
    let (Value::Text(shown), Value::Text(given)) = (shown, given) else { return true };
    let items = |text: &str| -> Vec<Value> { text.split(separator).map(Value::text).collect() };
    let (shown, given) = (items(shown), items(given));
    shown.len() <= given.len() && shown.iter().zip(&given).all(|(shown, given)| is_like(shown, given))
}

fn write_items(items: &BTreeSet<&String>, separator: Option<&str>) -> Option<String> {
    let texts: Vec<&str> = items.iter().map(|item| item.as_str()).collect();
    match separator {
        Some(separator) => Some(texts.join(separator)),
        None => Some(format!("[{}]", texts.join(","))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(value: &str) -> Value {
        Value::text(value)
    }

    #[test]
    fn sets_keep_additions_and_removals_of_both() {
        let merged = set(Some(&text("a;b;c")), &text("a;b;c;d"), &text("b; c;e"), Some(";"));
        assert_eq!(merged, Some(text("b;c;d;e")));
        let merged = set(Some(&text("[1]")), &text("[1,\"x\"]"), &text("[]"), None);
        assert_eq!(merged, Some(text("[\"x\"]")));
        assert_eq!(set(None, &text("{}"), &text("[]"), None), None);
    }

    #[test]
    fn items_of_a_write_nobody_answered_for_have_arrived_where_they_are_shown() {
        let before = |seen, written, shown| {
            set_before(Some(&text(seen)), &text(written), &text(shown), Some(";")).map(|value| match value {
                Value::Text(text) => text.to_string(),
                other => panic!("{other:?}"),
            })
        };
        assert_eq!(before("", "a;b", "a;b;c").as_deref(), Some("a;b"), "somebody has added c to what was written");
        assert_eq!(
            before("x", "x;a", "x;c").as_deref(),
            Some("x"),
            "it has not arrived, or somebody has taken it away"
        );
        assert_eq!(before("x;y", "x", "x;c").as_deref(), Some("x"), "y was taken away by the write");
        assert_eq!(before("x;y", "x", "y").as_deref(), Some("x;y"), "somebody has taken x away, and y is still there");
    }

    #[test]
    fn counters_add_up_or_give_up() {
        assert_eq!(counter(Some(&Value::Int(10)), &Value::Int(12), &Value::Int(9)), Some(Value::Int(11)));
        assert_eq!(counter(Some(&Value::Int(0)), &Value::Int(i64::MAX), &Value::Int(1)), None);
        assert_eq!(counter(None, &Value::Int(1), &Value::Int(2)), None);
    }

    proptest! {
        #[test]
        fn who_came_first_does_not_matter(
            base in prop::collection::btree_set("[a-e]", 0..5),
            left in prop::collection::btree_set("[a-e]", 0..5),
            right in prop::collection::btree_set("[a-e]", 0..5),
        ) {
            let join = |items: &BTreeSet<String>| text(&items.iter().cloned().collect::<Vec<_>>().join(";"));
            let (base, left, right) = (join(&base), join(&left), join(&right));
            prop_assert_eq!(set(Some(&base), &left, &right, Some(";")), set(Some(&base), &right, &left, Some(";")));
        }

        #[test]
        fn counters_do_not_care_either(base in -1000i64..1000, left in -1000i64..1000, right in -1000i64..1000) {
            let [base, left, right] = [base, left, right].map(Value::Int);
            prop_assert_eq!(counter(Some(&base), &left, &right), counter(Some(&base), &right, &left));
        }
    }
}
