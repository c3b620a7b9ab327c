//! Two records that are one, because a person says so: the loser's copies become the survivor's where that has none, what the survivor
//! says counts, and the loser dies. Its other copies are owed a delete like those of any record that dies, or are left alone.
//!
//! A merge is a run of its own, and its lineage says what was moved: that is how it is taken back.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::{Decision, from_hex, to_hex};
use crate::lineage::{Entry, EntryKind};
use crate::project::HubDeletes;
use crate::record::Value;
use crate::resolve::{Life, Link, RecordState, Side, Source, revive};
use crate::store::{
    ConflictChange, ConflictState, EndpointId, LineageEntry, MatchKeyChange, Presence, RecordId, RunId,
};
use crate::sync::error::SyncError;
use crate::sync::hub::book::Book;
use crate::sync::hub::letters::write_key;

/// Records looked at together.
const CHUNK: u32 = 5_000;

/// What becomes of the loser's copies where the survivor has one of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leftovers {
    /// As the hub says about deletes.
    AsDeletes,
    /// They stay and are no longer kept in agreement.
    Leave,
}

/// What a merge did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    pub run: RunId,
    /// Copies that are the survivor's now: the endpoint, and the remote id.
    pub moved: Vec<(String, Vec<u8>)>,
    /// Copies that stay the loser's, and what becomes of them.
    pub left: Vec<(String, Vec<u8>, &'static str)>,
    /// Fields that were empty and are the loser's now, with their values.
    pub filled: Vec<(usize, Value)>,
}

impl Decision<'_> {
    /// Merges one record into another.
    pub fn merge(mut self, survivor: RecordId, loser: RecordId, leftovers: Leftovers) -> Result<Merged, SyncError> {
        let outcome = self.merged(survivor, loser, leftovers);
        self.end(outcome)
    }

    fn merged(&mut self, survivor: RecordId, loser: RecordId, leftovers: Leftovers) -> Result<Merged, SyncError> {
        let (mut into, mut from) = (self.state(survivor)?, self.state(loser)?);
        check_mergeable((survivor, &into), (loser, &from))?;
        let before = from.clone();
        let moved = self.move_copies(survivor, &mut into, &mut from);
        let filled = self.fill(&into, &from, &moved);
        let left = self.leave_copies(&mut from, leftovers);
        let note = |text: String| {
            let moved: Vec<Json> =
                moved.iter().map(|(at, remote)| json!([self.book.ids.get(*at), to_hex(remote)])).collect();
            json!({"text": text, "into": survivor.0, "from": loser.0, "moved": moved}).to_string()
        };
        let (won, lost) = (
            note(format!("record {} was merged into it", loser.0)),
            note(format!("merged into record {}", survivor.0)),
        );
        self.set(survivor, &mut into, &filled, EntryKind::Merged, &won);
        from.life = Life::Deleted { at: self.now.timestamp_micros(), by: Source::Person };
        from.version += 1;
        self.keep(loser, &before, &mut from, EntryKind::Merged, Vec::new(), &lost);
        // Nothing new is found to be a record that is another one.
        let gone = self.keys(&from).into_iter().flatten();
        let gone: Vec<_> = gone.map(|key| MatchKeyChange { key, record: loser, presence: Presence::Absent }).collect();
        self.commit.match_keys.extend(gone);
        self.close_questions(loser, survivor)?;
        let name = |at: &usize| self.book.def.endpoints.get(*at).map(|end| end.name.clone()).unwrap_or_default();
        Ok(Merged {
            run: self.run,
            moved: moved.iter().map(|(at, remote)| (name(at), remote.clone())).collect(),
            left: left.into_iter().map(|(at, remote, how)| (name(&at), remote, how)).collect(),
            filled,
        })
    }

    /// Copies of endpoints in which the survivor has none become its own.
    fn move_copies(
        &mut self,
        survivor: RecordId,
        into: &mut RecordState,
        from: &mut RecordState,
    ) -> Vec<(usize, Vec<u8>)> {
        let fields = into.canon.len();
        let mut moved = Vec::new();
        let sides = into.sides.iter_mut().zip(&mut from.sides).zip(&self.book.ids).enumerate();
        for (at, ((own, other), id)) in sides {
            let Link::Linked(remote) = &other.link else { continue };
            if matches!(own.link, Link::Linked(_) | Link::Left(_)) {
                continue;
            }
            let (id, remote) = (EndpointId(*id), remote.to_vec());
            if let Link::Gone(old) = &own.link {
                self.commit.links.push((id, old.to_vec(), None));
            }
            self.commit.links.push((id, remote.clone(), None));
            self.commit.links.push((id, remote.clone(), Some(survivor)));
            *own = std::mem::replace(other, Side::new(fields));
            own.delete_held = false;
            moved.push((at, remote));
        }
        moved
    }

    /// What the survivor says counts; where it says nothing, the loser's value does. Of a field that has an owner, the value of the
    /// copy at the owner counts, for nobody else may set it.
    fn fill(&self, into: &RecordState, from: &RecordState, moved: &[(usize, Vec<u8>)]) -> Vec<(usize, Value)> {
        let is_empty = |field: usize| into.value(field).is_none_or(Value::is_null);
        let def = self.book.def;
        let owner_moved = |name: &str| {
            let owner = def.field(name).and_then(|field| field.owner.as_ref())?;
            let at = def.endpoints.iter().position(|end| end.name == owner.endpoint)?;
            Some(moved.iter().any(|(known, _)| *known == at))
        };
        let takes = |(at, name): (usize, &str)| match owner_moved(name) {
            Some(owner_moved) => owner_moved,
            None => self.book.with_groups(&[at]).into_iter().all(is_empty),
        };
        let fields = self.book.entity.iter().enumerate().filter(|(at, field)| takes((*at, &field.name)));
        let value = |at: usize| from.value(at).filter(|value| into.value(at) != Some(*value)).cloned();
        fields.filter_map(|(at, _)| Some((at, value(at).filter(|value| !value.is_null() || !is_empty(at))?))).collect()
    }

    /// What becomes of the copies that stay the loser's. Where nothing is written or deletes stay where they are, they are left alone.
    fn leave_copies(&self, from: &mut RecordState, leftovers: Leftovers) -> Vec<(usize, Vec<u8>, &'static str)> {
        let deletes = self.book.def.deletes;
        let mut left = Vec::new();
        for (at, (side, end)) in from.sides.iter_mut().zip(&self.book.def.endpoints).enumerate() {
            let Link::Linked(remote) = &side.link else { continue };
            let stays = leftovers == Leftovers::Leave || deletes == HubDeletes::Ignore || !end.direction.writes();
            let how = match deletes {
                _ if stays => "left alone",
                HubDeletes::Archive => "archived",
                HubDeletes::Propagate | HubDeletes::Ignore => "deleted",
            };
            left.push((at, remote.to_vec(), how));
            if stays {
                side.link = Link::Left(remote.clone());
            }
            side.delete_held = false;
            side.held.clear();
        }
        left
    }

    /// Nobody has to decide any more about a record that is another one.
    fn close_questions(&mut self, loser: RecordId, survivor: RecordId) -> Result<(), SyncError> {
        let decision = json!({"by": "a person", "decision": format!("merged into record {}", survivor.0)}).to_string();
        for conflict in self.book.conflicts_of(loser)? {
            if conflict.conflict.state == ConflictState::Open {
                let (id, state, resolution) = (conflict.id, ConflictState::Outdated, decision.clone());
                self.commit.conflicts.push(ConflictChange::Close { id, state, resolution });
            }
        }
        let letters = self.book.def.endpoints.iter().map(|end| write_key(&end.name, loser));
        self.commit.written_keys.extend(letters);
        Ok(())
    }

    /// Records that refer to one that was merged refer to the survivor. Answers how many there are.
    pub fn repoint(mut self, to: &str, loser: RecordId, survivor: RecordId) -> Result<u64, SyncError> {
        let outcome = self.repointed(to, loser, survivor);
        self.end(outcome)
    }

    fn repointed(&mut self, to: &str, loser: RecordId, survivor: RecordId) -> Result<u64, SyncError> {
        let referring = self.book.referring(to, loser)?;
        for (record, fields) in &referring {
            let mut state = self.state(*record)?;
            let values: Vec<(usize, Value)> = fields.iter().map(|field| (*field, Value::Int(survivor.0))).collect();
            let note = format!("record {} of `{to}` was merged into record {}", loser.0, survivor.0);
            self.set(*record, &mut state, &values, EntryKind::Person, &note);
        }
        Ok(referring.len() as u64)
    }

    /// The pair a run merged, if it did.
    pub(super) fn pair(by_record: &BTreeMap<RecordId, Vec<LineageEntry>>) -> Option<Pair> {
        let entries = by_record.values().flatten();
        let told = |stored: &LineageEntry| Pair::parse(&Entry::decode(&stored.body)?, stored.id.0);
        entries.filter_map(|stored| told(stored).filter(|pair| pair.into == stored.record)).next()
    }

    /// Takes a merge back. Answers fields that are empty again and fields that were changed since.
    pub(super) fn unmerge(&mut self, pair: &Pair) -> Result<(u64, Vec<String>), SyncError> {
        let (Some(mut into), Some(mut from)) = (self.book.record(pair.into)?, self.book.record(pair.from)?) else {
            let (into, from) = (pair.into.0, pair.from.0);
            let reason =
                format!("the merge of record {from} into {into} cannot be taken back: one of them is forgotten");
            return Err(unmergeable(reason));
        };
        let in_flight = into.sides.iter().chain(&from.sides).any(|side| side.sent.is_some());
        if in_flight || from.is_live() {
            let reason = match in_flight {
                true => "a write to one of them is on its way",
                false => "the record that was merged away lives again",
            };
            return Err(unmergeable(format!(
                "the merge of record {} into {} cannot be taken back: {reason}",
                pair.from.0, pair.into.0
            )));
        }
        let (before_into, before_from) = (into.clone(), from.clone());
        let fields = into.canon.len();
        for (endpoint, remote) in &pair.moved {
            let Some(at) = self.book.ids.iter().position(|id| id == endpoint) else { continue };
            let (Some(own), Some(other)) = (into.sides.get_mut(at), from.sides.get_mut(at)) else { continue };
            if !matches!(&own.link, Link::Linked(linked) if **linked == **remote) || other.link != Link::None {
                continue;
            }
            *other = std::mem::replace(own, Side::new(fields));
            self.commit.links.push((EndpointId(*endpoint), remote.clone(), None));
            self.commit.links.push((EndpointId(*endpoint), remote.clone(), Some(pair.from)));
        }
        let (mut taken, mut kept) = (Vec::new(), Vec::new());
        for (field, value) in &pair.filled {
            match into.canon.get(*field) {
                Some(canon) if canon.lineage > pair.told => {
                    kept.extend(self.book.entity.get(*field).map(|field| field.name.clone()));
                }
                _ => taken.push((*field, value.clone().unwrap_or(Value::Null))),
            }
        }
        revive(&mut from, self.next_lineage, |_| None);
        self.keep(pair.from, &before_from, &mut from, EntryKind::Rollback, Vec::new(), "taken back");
        let back = self.keys(&from).into_iter().flatten();
        let back: Vec<_> =
            back.map(|key| MatchKeyChange { key, record: pair.from, presence: Presence::Present }).collect();
        self.commit.match_keys.extend(back);
        let count = taken.len() as u64;
        if into.is_live() || into != before_into {
            self.set(pair.into, &mut into, &taken, EntryKind::Rollback, "taken back");
        }
        Ok((count, kept))
    }
}

/// A merge, as its lineage tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub into: RecordId,
    pub from: RecordId,
    /// Endpoints by their ids, with the remote ids that were moved.
    moved: Vec<(i64, Vec<u8>)>,
    /// Fields of the survivor that were filled, with what was there before.
    filled: Vec<(usize, Option<Value>)>,
    /// The entry that tells of them.
    told: i64,
}

impl Pair {
    /// Of the survivor's entry.
    fn parse(entry: &Entry, told: i64) -> Option<Self> {
        if entry.kind != EntryKind::Merged {
            return None;
        }
        let note: Json = serde_json::from_str(&entry.note).ok()?;
        let number = |name: &str| note.get(name)?.as_i64().map(RecordId);
        let moved = note.get("moved")?.as_array()?.iter();
        let moved = moved.map(|pair| Some((pair.get(0)?.as_i64()?, from_hex(pair.get(1)?.as_str()?)?)));
        Some(Self {
            into: number("into")?,
            from: number("from")?,
            moved: moved.collect::<Option<_>>()?,
            filled: entry.items.iter().map(|item| (item.field, item.before.clone())).collect(),
            told,
        })
    }
}

impl Book<'_> {
    /// Records that live and refer to a record of another hub, or of this one, with the fields that do.
    pub fn referring(&self, to: &str, record: RecordId) -> Result<Vec<(RecordId, Vec<usize>)>, SyncError> {
        let refers = |name: &str| {
            let reference = self.def.field(name).and_then(|field| field.reference.as_ref());
            reference.is_some_and(|reference| reference.as_str() == to)
        };
        let places: Vec<usize> =
            self.entity.iter().enumerate().filter(|(_, field)| refers(&field.name)).map(|(at, _)| at).collect();
        let (mut found, mut after) = (Vec::new(), None);
        while !places.is_empty() {
            let records = self.store.records(self.def.name.as_str(), after, CHUNK)?;
            let Some((last, _)) = records.last() else { break };
            after = Some(*last);
            for (id, body) in &records {
                let state = self.decode(*id, body)?;
                let points = |at: &usize| state.value(*at) == Some(&Value::Int(record.0));
                let fields: Vec<usize> = places.iter().copied().filter(|at| points(at)).collect();
                if state.is_live() && !fields.is_empty() {
                    found.push((*id, fields));
                }
            }
        }
        Ok(found)
    }
}

fn check_mergeable(survivor: (RecordId, &RecordState), loser: (RecordId, &RecordState)) -> Result<(), SyncError> {
    if survivor.0 == loser.0 {
        return Err(unmergeable(format!("record {} is one record already", loser.0.0)));
    }
    for (id, state) in [survivor, loser] {
        if !state.is_live() {
            return Err(unmergeable(format!("record {} is deleted, and nothing can be merged with it", id.0)));
        }
        if state.sides.iter().any(|side| side.sent.is_some()) {
            return Err(unmergeable(format!(
                "a write of record {} is on its way, and nobody knows yet how it ends",
                id.0
            )));
        }
    }
    Ok(())
}

fn unmergeable(reason: String) -> SyncError {
    SyncError::Unmergeable { reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lineage::Item;

    #[test]
    fn a_merge_can_be_read_from_its_lineage() {
        let mut entry = Entry::new(EntryKind::Merged, 0, 0);
        entry.note = r#"{"text":"x","into":3,"from":7,"moved":[[2,"0aff"]]}"#.to_owned();
        let item =
            Item { field: 1, verdict: None, base: None, before: None, incoming: None, after: Some(Value::Int(1)) };
        entry.items.push(item);
        let pair = Pair::parse(&entry, 9).unwrap();
        assert_eq!((pair.into, pair.from, pair.told), (RecordId(3), RecordId(7), 9));
        assert_eq!((pair.moved, pair.filled), (vec![(2, vec![10, 255])], vec![(1, None)]));
        entry.note = "nonsense".to_owned();
        assert_eq!(Pair::parse(&entry, 9), None);
    }
}
