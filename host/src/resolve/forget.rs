//! When a dead record can be forgotten, so that who comes back later is somebody new.

use super::{Life, Link, RecordState, Rules};

/// Whether nobody could have anything to say about a dead record any more. `read_at` is when an endpoint was last known to have shown
/// everything it has; times are microseconds since 1970.
///
/// A copy that is still somewhere keeps its record: forgotten, it would look like a new one (Invariant 4).
pub fn is_forgettable(
    state: &RecordState,
    rules: &Rules,
    now: i64,
    horizon: i64,
    read_at: &dyn Fn(usize) -> Option<i64>,
) -> bool {
    let Life::Deleted { at, .. } = state.life else { return false };
    let is_silent = state.sides.iter().zip(&rules.endpoints).enumerate().all(|(endpoint, (side, rule))| {
        let is_gone = matches!(side.link, Link::None | Link::Gone(_));
        let is_idle = side.sent.is_none() && !side.is_queued && !side.delete_held && side.held.is_empty();
        let was_read = !rule.is_read || read_at(endpoint).is_some_and(|read| read > at.max(side.fenced_until));
        is_gone && is_idle && was_read && side.fenced_until.max(side.unsure_until) <= now
    });
    is_silent && now.saturating_sub(at) >= horizon
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::{
        DeleteConflict, Deletes, EndpointRule, ExitRule, Group, Policy, Safety, Sent, SentKind, Side, Source,
    };

    const DIED: i64 = 1_000;
    const HORIZON: i64 = 100;

    fn rules() -> Rules {
        let endpoint = |is_read| EndpointRule {
            name: "end".into(),
            reads: vec![is_read],
            writes: vec![true],
            is_read,
            is_written: true,
            lag: 0,
            remakes: false,
            on_exit: ExitRule::Unlink,
        };
        Rules {
            groups: vec![Group { name: "a".into(), fields: vec![0], policy: Policy::Manual, owner: None }],
            group_of: vec![0],
            exact: vec![false],
            endpoints: vec![endpoint(true), endpoint(false)],
            deletes: Deletes::Propagate,
            delete_conflict: DeleteConflict::Manual,
            clock_doubt: 0,
            safety: Safety::default(),
        }
    }

    fn dead() -> RecordState {
        let mut state = RecordState::new(1, 2);
        state.life = Life::Deleted { at: DIED, by: Source::Endpoint(0) };
        for side in &mut state.sides {
            side.link = Link::Gone([1].into());
        }
        state
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut RecordState), expected: bool) {
        let mut state = dead();
        change(&mut state);
        assert_eq!(is_forgettable(&state, &rules(), DIED + HORIZON, HORIZON, &|_| Some(DIED + 1)), expected);
    }

    #[test]
    fn only_who_is_gone_everywhere_is_forgotten() {
        check(|_| {}, true);
        check(|state| state.sides[0].link = Link::None, true);
        check(|state| state.life = Life::Live, false);
        check(|state| state.sides[0].link = Link::Linked([1].into()), false);
        check(|state| state.sides[1].link = Link::Left([1].into()), false);
    }

    #[test]
    fn nobody_is_forgotten_about_whom_something_is_open() {
        let sent = Sent { kind: SentKind::Delete, patch: Vec::new(), at: 0, shown: Vec::new(), shown_at: None };
        check(|state| state.sides[1].sent = Some(Box::new(sent)), false);
        let with = |change: fn(&mut Side)| check(|state| change(&mut state.sides[1]), false);
        with(|side| side.is_queued = true);
        with(|side| side.delete_held = true);
        with(|side| side.held = vec![0]);
        with(|side| side.fenced_until = DIED + HORIZON + 1);
        with(|side| side.unsure_until = DIED + HORIZON + 1);
    }

    #[test]
    fn nobody_is_forgotten_before_time_and_before_everybody_was_read() {
        let read = |now: i64, read_at: Option<i64>| {
            is_forgettable(&dead(), &rules(), now, HORIZON, &|endpoint| read_at.filter(|_| endpoint == 0))
        };
        let later = DIED + HORIZON;
        assert!(read(later, Some(DIED + 1)), "who is only written needs no reading");
        assert!(!read(later - 1, Some(DIED + 1)));
        assert!(!read(later, Some(DIED)));
        assert!(!read(later, None));
    }
}
