//! What of a statement is news: not what the endpoint showed last, not our own write, not from before either.

use super::merge::Statement;
use super::{Fence, Mechanism, RecordState, Rules, SentKind, Shadow};
use crate::record::Value;

/// Whether each field is one the event says nothing about, or is what the endpoint showed last: most fields of most events, so this
/// is found out before anything else is.
pub(super) fn says_nothing_new(state: &RecordState, group: &[usize], statement: &Statement<'_>, rules: &Rules) -> bool {
    let is_plain = rules.safety.has(Mechanism::EchoTest) && rules.safety.has(Mechanism::AbsentIsNotNull);
    let Some(side) = state.side(statement.endpoint).filter(|_| is_plain) else { return false };
    group.iter().filter(|field| rules.reads(statement.endpoint, **field)).all(|field| {
        match statement.values.get(*field) {
            Some(Some(value)) => side.shadow(*field).shown() == Some(value),
            _ => true,
        }
    })
}

/// The fields the event says something about. Of a group that moves together, those it says nothing about stay as the endpoint
/// last showed them.
pub(super) fn stated(
    state: &RecordState,
    group: &[usize],
    statement: &Statement<'_>,
    rules: &Rules,
) -> Vec<(usize, Value)> {
    let endpoint = statement.endpoint;
    let absent_is_null = !rules.safety.has(Mechanism::AbsentIsNotNull);
    let said = |field: usize| match statement.values.get(field) {
        Some(Some(value)) => Some(value.clone()),
        // Invariant 14: absent never becomes null.
        _ if absent_is_null => Some(Value::Null),
        _ => None,
    };
    let readable = group.iter().copied().filter(|field| rules.reads(endpoint, *field));
    let mut fields: Vec<(usize, Value)> = readable.clone().filter_map(|field| Some((field, said(field)?))).collect();
    if !fields.is_empty() && fields.len() < group.len() {
        let shown = |field: usize| state.side(endpoint)?.shadow(field).shown().cloned();
        let silent: Vec<usize> = readable.filter(|field| fields.iter().all(|(known, _)| known != field)).collect();
        fields.extend(silent.into_iter().filter_map(|field| Some((field, shown(field)?))));
        fields.sort_by_key(|(field, _)| *field);
    }
    fields
}

pub(super) enum News {
    Nothing,
    /// Our own write, whose outcome we did not hear of, has arrived.
    Echo,
    Change,
}

/// Whether a value is news: not what the endpoint showed last, and not what we sent it.
pub(super) fn news(
    state: &mut RecordState,
    (endpoint, now): (usize, i64),
    field: usize,
    value: &Value,
    rules: &Rules,
) -> News {
    let Some(side) = state.sides.get_mut(endpoint) else { return News::Nothing };
    if !rules.safety.has(Mechanism::EchoTest) {
        return News::Change;
    }
    if side.shadow(field).shown() == Some(value) {
        return News::Nothing;
    }
    let is_question = side.sent.as_ref().is_some_and(|sent| sent.kind.is_question());
    let is_sent = side.sent_value(field) == Some(value);
    if is_sent && is_question {
        // What was there before the question may be somebody's: its answer will tell.
        return News::Nothing;
    }
    if is_sent || side.is_late(field, value, now) {
        // It has arrived, and the rest of it as well: who shows something else has seen it.
        let update = side.sent.as_mut().filter(|sent| is_sent && sent.kind == SentKind::Update);
        update.into_iter().for_each(|sent| sent.kind = SentKind::Shown);
        // It may not be shown everywhere yet.
        let (before, lag) = (side.shadow(field).shown().cloned(), rules.lag(endpoint));
        if let Some(before) = before.filter(|_| lag > 0) {
            side.fences.push(Fence { field, before, until: now.saturating_add(lag) });
        }
        side.set_shadow(field, Shadow::Value(value.clone()));
        return News::Echo;
    }
    News::Change
}

/// Until when nothing can be decided: what differs may be from before our own write, or be our write in the endpoint's form, which is
/// found out first.
pub(super) fn unsettled(
    state: &RecordState,
    endpoint: usize,
    changed: &[(usize, &Value)],
    now: i64,
    rules: &Rules,
) -> Option<i64> {
    let is_under_way = |field: usize| state.side(endpoint).is_some_and(|side| side.sent_value(field).is_some());
    if changed.iter().any(|(field, _)| is_under_way(*field)) && rules.safety.has(Mechanism::LookBeforeRetry) {
        return Some(now.saturating_add(1));
    }
    fenced(state, endpoint, changed, now, rules)
}

/// Invariant 7: if everything that differs may be from before our own writes, or from before what the endpoint said last, nothing
/// is decided before their time is over.
pub(super) fn fenced(
    state: &RecordState,
    endpoint: usize,
    changed: &[(usize, &Value)],
    now: i64,
    rules: &Rules,
) -> Option<i64> {
    if !rules.safety.has(Mechanism::SettleFence) {
        return None;
    }
    let side = state.side(endpoint)?;
    if side.unsure_until > now {
        return Some(side.unsure_until);
    }
    let until: Option<Vec<i64>> = changed.iter().map(|(field, _)| side.unsettled_until(*field, now)).collect();
    until?.into_iter().max()
}
