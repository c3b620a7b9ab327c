//! A record that was deleted lives again: what it is then.

use super::apply::{Event, forget_copy};
use super::{Life, Link, RecordState, Rules, Side, Source};

/// What a record was before it died is no objection to what it is now, and where nobody shows it any more it does not come back.
/// What somebody shows that was never agreed, because the record was dead, is agreed now, as is what the owner of a field shows. What
/// was edited meanwhile stays.
pub(super) fn forget_values(state: &mut RecordState, event: &Event<'_>, edited: &[usize], rules: &Rules) {
    for field in (0..state.canon.len()).filter(|field| !edited.contains(field)) {
        let linked = state.sides.iter().enumerate().filter(|(_, side)| side.link.is_linked());
        let shown = |(endpoint, side): (usize, &Side)| Some((endpoint, side.shadow(field).shown()?.clone()));
        let owners = rules.owner(field).and_then(|owner| linked.clone().find(|(endpoint, _)| *endpoint == owner));
        let owners = owners.and_then(shown);
        let shown = owners.clone().or_else(|| linked.clone().find_map(shown));
        // Null from somebody who has never been given it says nothing against those who show it.
        let is_said = event.values.get(field).is_some_and(|said| said.as_ref().is_some_and(|value| !value.is_null()));
        let Some(canon) = state.canon.get_mut(field) else { continue };
        match shown {
            Some((endpoint, value)) if owners.is_some() || (!is_said && canon.value.is_none()) => {
                canon.value = Some(value);
                canon.source = Source::Endpoint(endpoint);
                canon.lineage = event.lineage;
            }
            Some(_) if !is_said => {}
            _ => canon.value = None,
        }
    }
}

/// The record lives again; endpoints that have lost it are to get it anew. What was edited since it died counts now: answers
/// these fields. So does what somebody shows that was never agreed, because the record was dead.
/// Of a field that somebody owns who has the record, only the owner's word counts; `owner` tells whose a field is.
pub fn revive(state: &mut RecordState, lineage: i64, owner: impl Fn(usize) -> Option<usize>) -> Vec<usize> {
    state.life = Life::Live;
    state.version += 1;
    let linked: Vec<bool> = state.sides.iter().map(|side| side.link.is_linked()).collect();
    let has_a_say = |endpoint: usize, field: usize| {
        let owner = owner(field).filter(|owner| linked.get(*owner).copied().unwrap_or(false));
        owner.is_none_or(|owner| owner == endpoint)
    };
    let mut edited = Vec::new();
    for endpoint in 0..state.sides.len() {
        if matches!(state.side(endpoint).map(|side| &side.link), Some(Link::Gone(_))) {
            forget_copy(state, endpoint);
        }
        let Some(side) = state.sides.get_mut(endpoint) else { continue };
        side.delete_held = false;
        let held = std::mem::take(&mut side.held);
        for field in held.into_iter().filter(|field| has_a_say(endpoint, *field)) {
            let (Some(canon), Some(shown)) = (state.canon.get_mut(field), side.shadow(field).shown()) else { continue };
            canon.value = Some(shown.clone());
            canon.source = Source::Endpoint(endpoint);
            canon.lineage = lineage;
            edited.push(field);
        }
    }
    for (field, canon) in state.canon.iter_mut().enumerate().filter(|(_, canon)| canon.value.is_none()) {
        let linked = state.sides.iter().enumerate().filter(|(_, side)| side.link.is_linked());
        let saying = linked.filter(|(endpoint, _)| has_a_say(*endpoint, field));
        let mut shown = saying.filter_map(|(endpoint, side)| Some((endpoint, side.shadow(field).shown()?)));
        if let Some((endpoint, value)) = shown.find(|(_, value)| !value.is_null()) {
            canon.value = Some(value.clone());
            canon.source = Source::Endpoint(endpoint);
            canon.lineage = lineage;
        }
    }
    edited
}
