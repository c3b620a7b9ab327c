//! Which record an unknown remote record is.

use std::collections::BTreeSet;

use super::decide::Incoming;
use super::unit::{Touched, Unit};
use super::work::Work;
use crate::record::Value;
use crate::resolve::{Link, Mechanism, Normaliser, RecordState, Sent, SentKind, Side, match_digest, similarity};
use crate::store::{ConflictKind, HubCommit, MatchKey, MatchKeyChange, Presence, RecordId};

/// What a remote record that is linked to nothing is.
pub(super) enum Identity {
    Known(RecordId),
    New,
    /// A person has to say. Records it may be, with how alike they are.
    Doubtful {
        kind: ConflictKind,
        candidates: Vec<(RecordId, f64)>,
    },
}

/// Fields records are matched by, with values.
pub(super) type Matched = Vec<(usize, Option<Value>)>;

/// What a record that has the same match key is to us.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Candidate {
    /// It has no copy at this endpoint.
    Free,
    /// It has another copy there.
    Taken,
    /// It was deleted.
    Dead,
}

impl Work<'_> {
    /// The digests a record can be found by, one per rule; the last is the block of the scored rule.
    pub fn match_keys(&self, state: &RecordState) -> Vec<Option<MatchKey>> {
        self.keys_of(|field| state.value(field))
    }

    pub fn keys_of<'v>(&self, value: impl Fn(usize) -> Option<&'v Value>) -> Vec<Option<MatchKey>> {
        self.matching_rules()
            .enumerate()
            .map(|(rule, fields)| {
                let fields: Vec<_> = fields.iter().map(|(field, normaliser)| (value(*field), *normaliser)).collect();
                match_digest(rule, &fields).map(MatchKey)
            })
            .collect()
    }

    /// Digests are computed only where a match field has another value than before.
    pub fn settle_match_keys(&self, id: RecordId, touched: &Touched, commit: &mut HubCommit) {
        let now = self.matched(&touched.state);
        if touched.matched.as_ref() == Some(&now) {
            return;
        }
        let (before, after) =
            (self.keys_of_all(touched.matched.as_deref().unwrap_or_default()), self.keys_of_all(&now));
        let change = |key: &MatchKey, presence| MatchKeyChange { key: *key, record: id, presence };
        commit.match_keys.extend(before.difference(&after).map(|key| change(key, Presence::Absent)));
        commit.match_keys.extend(after.difference(&before).map(|key| change(key, Presence::Present)));
    }

    fn keys_of_all(&self, matched: &[Matched]) -> BTreeSet<MatchKey> {
        let keys = |values: &Matched| {
            self.keys_of(|field| values.iter().find(|(known, _)| *known == field).and_then(|(_, value)| value.as_ref()))
        };
        matched.iter().flat_map(keys).flatten().collect()
    }

    /// Every rule's fields, one rule after the other.
    fn matching_rules(&self) -> impl Iterator<Item = &Vec<(usize, Normaliser)>> {
        let matching = &self.settled.matching;
        matching.exact.iter().chain(matching.scored.as_ref().map(|scored| &scored.block))
    }

    /// The fields records are matched by, with the values agreed on; and with those a copy was made with that nobody has seen yet, where
    /// others have been agreed on since.
    pub fn matched(&self, state: &RecordState) -> Vec<Matched> {
        let fields = || self.matching_rules().flatten().map(|(field, _)| *field);
        let mut found: Vec<Matched> = vec![fields().map(|field| (field, state.value(field).cloned())).collect()];
        for side in &state.sides {
            let Some(made) = made(side) else { continue };
            if fields().any(|field| made.value(field) != state.value(field)) {
                found.push(fields().map(|field| (field, made.value(field).cloned())).collect());
            }
        }
        found
    }

    /// Exact rules first, one after the other; then the scored rule.
    pub fn identify(&self, endpoint: usize, row: &Incoming, keys: &[Option<MatchKey>], unit: &Unit) -> Identity {
        if !self.has(Mechanism::MatchBeforeCreate) {
            return Identity::New;
        }
        let exact = self.settled.matching.exact.len();
        for key in keys.iter().take(exact).flatten() {
            let found = self.with_key(endpoint, row, *key, unit);
            let of = |kind: Candidate| found.iter().filter(move |(_, is)| *is == kind).map(|(record, _)| *record);
            let (free, taken): (Vec<RecordId>, Vec<RecordId>) =
                (of(Candidate::Free).collect(), of(Candidate::Taken).collect());
            match (free.as_slice(), taken.as_slice()) {
                ([], []) => {}
                ([only], []) => return Identity::Known(*only),
                ([only], [_, ..]) if !self.has(Mechanism::DuplicateCheck) => return Identity::Known(*only),
                ([], [_, ..]) if !self.has(Mechanism::DuplicateCheck) => {}
                ([], [_, ..]) => {
                    return doubtful(ConflictKind::Duplicate, taken);
                }
                _ => return doubtful(ConflictKind::Match, free.into_iter().chain(taken).collect()),
            }
        }
        self.by_score(endpoint, row, keys.get(exact).copied().flatten(), unit)
    }

    fn with_key(&self, endpoint: usize, row: &Incoming, key: MatchKey, unit: &Unit) -> Vec<(RecordId, Candidate)> {
        let mut found: Vec<(RecordId, Candidate)> = Vec::new();
        for record in unit.keys.get(&key).into_iter().flatten() {
            if found.iter().all(|(known, _)| known != record)
                && let Some(kind) = self.candidate(endpoint, row, *record, key, unit)
            {
                found.push((*record, kind));
            }
        }
        found
    }

    /// What a record is to a remote record of this endpoint; none if it no longer has the key.
    fn candidate(
        &self,
        endpoint: usize,
        row: &Incoming,
        record: RecordId,
        key: MatchKey,
        unit: &Unit,
    ) -> Option<Candidate> {
        let state = &unit.peek(record)?.state;
        let is_fresh = state.version == 0;
        // A copy that nobody has seen yet is known by what it was made with, though something else may have been agreed on since.
        let is_made = |made: &Sent| self.keys_of(|field| made.value(field)).contains(&Some(key));
        if !is_fresh
            && !self.match_keys(state).contains(&Some(key))
            && !state.side(endpoint).and_then(made).is_some_and(is_made)
        {
            return None;
        }
        // A record that was deleted and is still somewhere comes back; what is nowhere any more begins anew. A copy that was being made
        // when it was deleted is its own.
        let may_be_made = || state.side(endpoint).is_some_and(|side| side.may_be_made(self.now()));
        let is_somewhere = state.is_live() || state.sides.iter().any(|side| side.link.is_linked()) || may_be_made();
        Some(match state.side(endpoint).map(|side| &side.link) {
            // A second copy is not the first one come back, nor another record because the first one is gone: whoever was asked about it
            // is asked still.
            _ if !state.is_live() && self.is_spare(endpoint, row) => Candidate::Taken,
            _ if !is_somewhere => Candidate::Dead,
            Some(Link::None | Link::Gone(_)) | None => Candidate::Free,
            Some(_) => Candidate::Taken,
        })
    }

    fn by_score(&self, endpoint: usize, row: &Incoming, block: Option<MatchKey>, unit: &Unit) -> Identity {
        let (Some(scored), Some(block)) = (&self.settled.matching.scored, block) else { return Identity::New };
        let mut candidates: Vec<(RecordId, f64)> = Vec::new();
        for (record, kind) in self.with_key(endpoint, row, block, unit) {
            let Some(touched) = unit.peek(record).filter(|_| kind == Candidate::Free) else { continue };
            let score = scored
                .fields
                .iter()
                .map(|(field, normaliser, weight)| {
                    let incoming = row.values.get(*field).and_then(Option::as_ref);
                    match (incoming, touched.state.value(*field)) {
                        (Some(incoming), Some(agreed)) => weight * similarity(incoming, agreed, *normaliser),
                        _ => 0.0,
                    }
                })
                .sum::<f64>();
            if score >= scored.review {
                candidates.push((record, score));
            }
        }
        candidates.sort_by(|left, right| right.1.total_cmp(&left.1).then(left.0.cmp(&right.0)));
        match candidates.as_slice() {
            [] => Identity::New,
            [(only, score)] if *score >= scored.link => Identity::Known(*only),
            _ => Identity::Doubtful { kind: ConflictKind::Match, candidates },
        }
    }
}

/// The creation at an endpoint of which nobody knows the outcome.
fn made(side: &Side) -> Option<&Sent> {
    side.sent.as_deref().filter(|sent| sent.kind == SentKind::Create)
}

fn doubtful(kind: ConflictKind, records: Vec<RecordId>) -> Identity {
    Identity::Doubtful { kind, candidates: records.into_iter().map(|record| (record, 1.0)).collect() }
}

/// How an endpoint that keeps values in a form of its own may show a key: as it was given, without the space around it, and in small
/// letters. What is matched exactly is looked for exactly.
pub(super) fn spellings(key: &[(Value, Normaliser)]) -> Vec<Vec<Value>> {
    let spell = |spelling: fn(&str) -> String| -> Vec<Value> {
        let value = |(value, normaliser): &(Value, Normaliser)| match value {
            Value::Text(text) if *normaliser != Normaliser::Exact => Value::text(&spelling(text)),
            _ => value.clone(),
        };
        key.iter().map(value).collect()
    };
    let mut found = vec![spell(str::to_owned), spell(|text| text.trim().to_owned()), spell(str::to_lowercase)];
    found.push(spell(|text| text.trim().to_lowercase()));
    found.sort_unstable();
    found.dedup();
    found
}
