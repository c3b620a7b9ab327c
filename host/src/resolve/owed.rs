//! What an endpoint is owed: always computed from the state, never remembered, so that nothing that was lost, repeated or put in
//! another order on the way can make it wrong.

use super::{Deletes, ExitRule, Life, Link, RecordState, Rules, Shadow, Side};
use crate::record::Value;

/// What has to be written to one endpoint so that it agrees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owed {
    Nothing,
    /// With these fields.
    Create(Vec<usize>),
    /// These fields.
    Update(Vec<usize>),
    Delete,
    /// The endpoint's own way to archive, then no more.
    Archive,
    /// Nothing is written; the copy is no longer kept in agreement.
    Unlink,
    /// The copy belongs to the endpoint's segment again.
    Relink,
}

/// Whether a record is one that an endpoint is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment {
    Inside,
    Outside,
}

/// What an endpoint is owed. Nothing while the outcome of a write is unknown.
pub fn owed(state: &RecordState, endpoint: usize, rules: &Rules, segment: Segment) -> Owed {
    let (Some(side), Some(rule)) = (state.side(endpoint), rules.endpoints.get(endpoint)) else { return Owed::Nothing };
    if side.sent.is_some() {
        return Owed::Nothing;
    }
    if let Life::Deleted { .. } = state.life {
        return match (&side.link, rules.deletes) {
            (Link::Linked(_), _) if side.delete_held || !rule.is_written => Owed::Nothing,
            (Link::Linked(_), Deletes::Propagate) => Owed::Delete,
            (Link::Linked(_), Deletes::Archive) => Owed::Archive,
            _ => Owed::Nothing,
        };
    }
    match (&side.link, segment) {
        (Link::None, Segment::Inside) if rule.is_written => create(state, endpoint, rules),
        (Link::Left(_), Segment::Inside) => Owed::Relink,
        (Link::Linked(_), Segment::Inside) if rule.is_written => update(state, endpoint, rules),
        (Link::Linked(_), Segment::Outside) => match rule.on_exit {
            ExitRule::Delete if rule.is_written => match may_be_taken(state, endpoint) {
                true => Owed::Delete,
                false => Owed::Nothing,
            },
            ExitRule::Archive if rule.is_written => Owed::Archive,
            _ => Owed::Unlink,
        },
        _ => Owed::Nothing,
    }
}

/// Whether a copy may be deleted though the record lives: nobody has to decide about it, and all it has is elsewhere as well.
fn may_be_taken(state: &RecordState, endpoint: usize) -> bool {
    let Some(side) = state.side(endpoint).filter(|side| side.held.is_empty()) else { return false };
    let others = state.sides.iter().enumerate().filter(|(other, _)| *other != endpoint);
    let others: Vec<&Side> = others.map(|(_, other)| other).filter(|other| other.link.is_linked()).collect();
    let is_elsewhere = |field: usize| others.iter().any(|other| other.shadow(field).shown().is_some());
    let is_filled = |field: &usize| side.shadow(*field).shown().is_some_and(|shown| !shown.is_null());
    !others.is_empty() && (0..side.shadow.len()).filter(is_filled).all(is_elsewhere)
}

fn create(state: &RecordState, endpoint: usize, rules: &Rules) -> Owed {
    let fields = writable(state, endpoint, rules).map(|(field, _)| field).collect::<Vec<_>>();
    if fields.is_empty() { Owed::Nothing } else { Owed::Create(fields) }
}

fn update(state: &RecordState, endpoint: usize, rules: &Rules) -> Owed {
    let Some(side) = state.side(endpoint) else { return Owed::Nothing };
    let mut fields: Vec<usize> = writable(state, endpoint, rules)
        .filter(|(field, value)| disagrees(side.shadow(*field), value))
        .map(|(field, _)| field)
        .collect();
    complete_groups(state, endpoint, rules, &mut fields);
    if fields.is_empty() { Owed::Nothing } else { Owed::Update(fields) }
}

/// A group moves together: what an endpoint shows otherwise by leave, as a form of its own or because it may differ, goes with it, as
/// does everything where nobody knows what it shows.
fn complete_groups(state: &RecordState, endpoint: usize, rules: &Rules, fields: &mut Vec<usize>) {
    let Some(side) = state.side(endpoint) else { return };
    let is_known = rules.endpoints.get(endpoint).is_some_and(|rule| rule.is_read);
    let is_torn = |field: usize| rules.moves_with(field, fields);
    let missing: Vec<usize> = writable(state, endpoint, rules)
        .filter(|(field, value)| !fields.contains(field) && (!is_known || side.shadow(*field).shown() != Some(value)))
        .map(|(field, _)| field)
        .filter(|field| is_torn(*field))
        .collect();
    if !missing.is_empty() {
        fields.extend(missing);
        fields.sort_unstable();
    }
}

fn writable<'a>(state: &'a RecordState, endpoint: usize, rules: &'a Rules) -> impl Iterator<Item = (usize, &'a Value)> {
    let side = state.side(endpoint);
    state.canon.iter().enumerate().filter_map(move |(field, canon)| {
        let may = rules.writes(endpoint, field) && !canon.quarantined && side.is_some_and(|side| !side.is_held(field));
        Some((field, canon.value.as_ref().filter(|_| may)?))
    })
}

/// Whether an endpoint shows something else, other than its own form of it.
pub fn disagrees(shadow: &Shadow, value: &Value) -> bool {
    match shadow {
        Shadow::Absent => true,
        Shadow::Value(shown) => shown != value,
        Shadow::Form { of, shows } => of != value && shows != value,
    }
}
