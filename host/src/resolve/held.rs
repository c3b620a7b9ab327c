//! Fields that wait for a person, and what the person says.

use super::{FieldChange, RecordState, Source, breaker};
use crate::record::Value;

/// Answers whether somebody had to decide about these fields.
pub(super) fn release(state: &mut RecordState, endpoint: usize, members: &[usize]) -> bool {
    let Some(side) = state.sides.get_mut(endpoint) else { return false };
    let before = side.held.len();
    side.held.retain(|field| !members.contains(field));
    side.held.len() < before
}

/// Endpoints that show what is agreed now, because another came round to it: nobody has to decide about them any more. But for the one
/// that somebody has to decide about just now: two sums may be the same by chance.
pub(super) fn release_agreeing(state: &mut RecordState, members: &[usize], open: Option<usize>) -> bool {
    let mut released = false;
    for endpoint in (0..state.sides.len()).filter(|endpoint| Some(*endpoint) != open) {
        let agrees = |field: &usize| state.seen(endpoint, *field) == state.value(*field);
        if members.iter().all(agrees) {
            released |= release(state, endpoint, members);
        }
    }
    released
}

/// Whether somebody has to decide about any of these fields.
pub(super) fn is_held(state: &RecordState, members: &[usize]) -> bool {
    (0..state.sides.len()).any(|endpoint| holds(state, endpoint, members))
}

/// Whether somebody has to decide about what this endpoint shows of them.
pub(super) fn holds(state: &RecordState, endpoint: usize, members: &[usize]) -> bool {
    state.side(endpoint).is_some_and(|side| members.iter().any(|field| side.is_held(*field)))
}

/// Somebody sets agreed values by hand, or takes a run back.
pub fn set_by_person(state: &mut RecordState, values: &[(usize, Value)], now: i64, lineage: i64) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    for (field, value) in values {
        let Some(canon) = state.canon.get_mut(*field) else { continue };
        breaker::remember(canon);
        let before = canon.value.replace(value.clone());
        canon.source = Source::Person;
        canon.at = Some(now);
        canon.lineage = lineage;
        canon.changed_at = if before.is_some() { now } else { 0 };
        canon.flips = 0;
        for side in &mut state.sides {
            side.held.retain(|held| held != field);
        }
        if before.as_ref() != Some(value) {
            changes.push(FieldChange { field: *field, before, after: Some(value.clone()) });
        }
    }
    if !changes.is_empty() {
        state.version += 1;
    }
    changes
}
