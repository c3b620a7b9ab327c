//! When a field that endpoints set to values of their own, over and over, is left alone.

use super::{Canon, Mechanism, RecordState, Rules, Source};
use crate::record::Value;

/// How much a field may go back and forth. What another endpoint changes counts four if the value is one of the last four and
/// comes back within [`FLIP_WINDOW`], and one within [`QUICK_WINDOW`]: several who insist need not show the same value twice.
const FLIPS_MAX: u8 = 15;
const FLIP: u8 = 4;
const QUICK: u8 = 1;
/// Ten seconds in microseconds.
const QUICK_WINDOW: i64 = 10_000_000;
/// An hour in microseconds: people change their minds more slowly.
const FLIP_WINDOW: i64 = 3_600_000_000;

/// Counts a change that is about to be made. Who changes what they said themselves fights nobody.
pub(super) fn count(canon: &mut Canon, value: &Value, source: Source, now: i64) {
    let since = now - canon.changed_at;
    let is_another = canon.source != source && canon.changed_at != 0;
    let comes_back = since < FLIP_WINDOW && is_recent(canon, short_digest(value));
    canon.flips = match (is_another, comes_back) {
        (true, true) => canon.flips.saturating_add(FLIP),
        (true, false) if since < QUICK_WINDOW => canon.flips.saturating_add(QUICK),
        (false, _) if since < FLIP_WINDOW => canon.flips,
        _ => 0,
    };
    remember(canon);
}

/// Counts what somebody shows who has no say, and is given the agreed value again: they may insist.
pub(super) fn resist(canon: &mut Canon, value: &Value, now: i64) {
    let (since, digest) = (now - canon.resisted_at, short_digest(value));
    let is_known = is_recent(canon, digest);
    canon.flips = match since < FLIP_WINDOW {
        true if is_known => canon.flips.saturating_add(FLIP),
        true if since < QUICK_WINDOW => canon.flips.saturating_add(QUICK),
        true => canon.flips,
        false => 0,
    };
    if !is_known {
        keep(canon, digest);
    }
    canon.resisted_at = now;
}

/// Whether a group is left alone.
pub(super) fn is_quarantined(state: &RecordState, members: &[usize]) -> bool {
    members.iter().any(|field| state.canon.get(*field).is_some_and(|canon| canon.quarantined))
}

/// Whoever may decide has decided: what went back and forth before is over. Answers whether the group was left alone.
pub fn forgive(state: &mut RecordState, members: &[usize]) -> bool {
    if !is_quarantined(state, members) {
        return false;
    }
    for field in members {
        if let Some(canon) = state.canon.get_mut(*field) {
            (canon.quarantined, canon.flips) = (false, 0);
        }
    }
    true
}

/// Puts the value that is about to be replaced among those that may come back.
pub(super) fn remember(canon: &mut Canon) {
    if let Some(digest) = canon.value.as_ref().map(short_digest) {
        keep(canon, digest);
    }
}

/// Whether it has gone back and forth too often.
pub(super) fn is_over(canon: &Canon, rules: &Rules) -> bool {
    canon.flips > FLIPS_MAX && rules.safety.has(Mechanism::Breaker)
}

fn is_recent(canon: &Canon, digest: u8) -> bool {
    canon.recent.to_le_bytes().contains(&digest)
}

fn keep(canon: &mut Canon, digest: u8) {
    canon.recent = canon.recent << 8 | u32::from(digest);
}

/// Only to see whether a value has come back: four rare mistakes in a row make a person look at a field.
fn short_digest(value: &Value) -> u8 {
    use std::hash::{Hash as _, Hasher as _};
    let mut hasher = siphasher::sip::SipHasher13::new();
    value.hash(&mut hasher);
    // Zero means that there was none.
    (hasher.finish() as u8).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a field's fights amount to after these changes, each by an endpoint, so many seconds after the one before.
    fn flips(changes: &[(usize, &str)], seconds: i64) -> u8 {
        let mut canon = Canon { value: Some(Value::text("first")), ..Canon::default() };
        let mut now = 1_000_000_000;
        for (endpoint, text) in changes {
            now += seconds * 1_000_000;
            let (value, source) = (Value::text(text), Source::Endpoint(*endpoint));
            count(&mut canon, &value, source, now);
            (canon.value, canon.source, canon.changed_at) = (Some(value), source, now);
        }
        canon.flips
    }

    #[test]
    fn values_of_several_that_come_back_in_turn_are_a_fight() {
        let turns = |names: &[(usize, &'static str)]| names.iter().copied().cycle().take(12).collect::<Vec<_>>();
        for names in
            [&[(0, "a"), (1, "b")][..], &[(0, "a"), (1, "b"), (2, "c")], &[(0, "a"), (1, "b"), (2, "c"), (3, "d")]]
        {
            assert!(flips(&turns(names), 120) > FLIPS_MAX, "{names:?}");
            assert_eq!(flips(&turns(names), 4000), 0, "{names:?}");
        }
    }

    #[test]
    fn who_is_overruled_again_and_again_insists() {
        let flips = |texts: &[&str], seconds: i64| {
            let (mut canon, mut now) = (Canon::default(), 1_000_000_000);
            for text in texts {
                now += seconds * 1_000_000;
                resist(&mut canon, &Value::text(text), now);
            }
            canon.flips
        };
        assert!(flips(&["mine"; 5], 600) > FLIPS_MAX);
        assert_eq!(flips(&["mine"; 5], 4000), 0, "people forget");
        assert_eq!(flips(&["a", "b", "c", "d", "e"], 600), 0);
    }

    #[test]
    fn who_changes_their_own_mind_fights_nobody() {
        assert_eq!(flips(&[(0, "on"), (0, "off")].repeat(20), 120), 0);
        assert_eq!(flips(&[(0, "a"), (1, "b"), (0, "c"), (1, "d"), (0, "e")], 120), 0, "what is new is no fight");
        assert_eq!(flips(&[(0, "a"), (1, "b"), (0, "c"), (1, "d"), (0, "e")], 5), 4, "unless it is so quick");
    }
}
