//! Dead letters of hubs: what could not be taken in is looked at once more, what an endpoint refused is written once more.
//!
//! A letter says where it came from: its endpoint, and the remote id of what could not be taken in, or the record that could not be
//! written.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::Value as Json;

use super::decide::Incoming;
use super::decision::{Decision, from_hex, to_hex};
use super::deliver::Action;
use super::unit::Unit;
use super::work::Work;
use crate::lineage::EntryKind;
use crate::record::{Field, Row, Value};
use crate::resolve::EventKind;
use crate::store::{DeadLetter, IntentState, KeyDigest, NewDeadLetter, RecordId, Stage};
use crate::sync::error::SyncError;
use crate::sync::letters::read_record;
use crate::sync::report::HeldDeletes;

/// Under which key a write that an endpoint refused is a dead letter.
pub(super) fn write_key(endpoint: &str, record: RecordId) -> KeyDigest {
    KeyDigest::of_key(&format!("write {endpoint} {}", record.0))
}

/// Notes in a letter where its record comes from.
pub(super) fn name_origin(letter: &mut NewDeadLetter, endpoint: &str, remote: &[u8]) {
    let body = letter.record.as_deref().and_then(|text| serde_json::from_str::<Json>(text).ok());
    if let Some(Json::Object(mut body)) = body {
        body.insert("endpoint".to_owned(), endpoint.into());
        body.insert("remote".to_owned(), to_hex(remote).into());
        letter.record = Some(Json::Object(body).to_string());
    }
}

/// What a letter is about.
enum Origin {
    /// A remote record that could not be taken in.
    Remote { endpoint: usize, remote: Vec<u8> },
    /// A record that could not be written.
    Record { endpoint: usize, record: RecordId },
}

impl Work<'_> {
    /// Counts dead letters of this run: a record that is refused twice is one.
    pub fn count_letters(&mut self, letters: &[NewDeadLetter]) {
        let new = letters.iter().filter(|letter| self.letters.insert(letter.key)).count();
        self.counters.rejected += new as u64;
    }

    /// Tries letters again, and delivers what is due then.
    pub async fn retry(&mut self, letters: &[DeadLetter], held: &mut Vec<HeldDeletes>) -> Result<(), SyncError> {
        self.run.observer.phase("looking again");
        let mut remotes: HashMap<usize, Vec<(&DeadLetter, Vec<u8>)>> = HashMap::new();
        let mut records: Vec<(usize, RecordId)> = Vec::new();
        for letter in letters {
            match self.origin(letter) {
                Some(Origin::Remote { endpoint, remote }) => {
                    remotes.entry(endpoint).or_default().push((letter, remote));
                }
                Some(Origin::Record { endpoint, record }) => records.push((endpoint, record)),
                None => {}
            }
        }
        for endpoint in 0..self.settled.ends.len() {
            if let Some(found) = remotes.remove(&endpoint).filter(|_| !self.is_absent(endpoint)) {
                self.take_in_again(endpoint, &found).await?;
            }
        }
        self.plan_refused(&records)?;
        self.run.observer.phase("writing");
        let delivered = self.deliver_all(held).await;
        self.first_absent().map_or(delivered, Err)
    }

    fn origin(&self, letter: &DeadLetter) -> Option<Origin> {
        let body: Json = serde_json::from_str(letter.letter.record.as_deref()?).ok()?;
        let name = body.get("endpoint")?.as_str()?;
        let endpoint = self.hub.def.endpoints.iter().position(|endpoint| endpoint.name == name)?;
        if letter.letter.stage == Stage::Write {
            return Some(Origin::Record { endpoint, record: RecordId(body.get("record")?.as_i64()?) });
        }
        Some(Origin::Remote { endpoint, remote: from_hex(body.get("remote")?.as_str()?)? })
    }

    /// Remote records as they are today; where an endpoint cannot be asked for them, as they were.
    async fn take_in_again(&mut self, endpoint: usize, found: &[(&DeadLetter, Vec<u8>)]) -> Result<(), SyncError> {
        let can_look = self.can_look(endpoint)?;
        if can_look {
            let remotes: Vec<Vec<u8>> = found.iter().map(|(_, remote)| remote.clone()).collect();
            return self.look_again(endpoint, &remotes).await.map(|_| ());
        }
        for (letter, remote) in found {
            let (rows, letters) = match self.stored_row(letter, remote) {
                Some(row) => (vec![row], Vec::new()),
                None => {
                    let fields: Arc<[Field]> = self.end(endpoint)?.read_fields.clone().into();
                    let changes = read_record(letter, &fields).map_err(|error| self.fault(error))?;
                    self.incoming(endpoint, &changes)?
                }
            };
            self.take_rows(endpoint, &rows, letters, None).await?;
        }
        Ok(())
    }

    /// A record that was kept in the entity's terms.
    fn stored_row(&self, letter: &DeadLetter, remote: &[u8]) -> Option<Incoming> {
        let body: Json = serde_json::from_str(letter.letter.record.as_deref()?).ok()?;
        body.get("entity")?;
        let named = body.get("values")?;
        let value = |field: &Field| Value::from_json(named.get(&field.name)?, field.logical).ok();
        let values: Row = self.settled.entity.iter().map(value).collect::<Vec<_>>().into();
        Some(Incoming {
            remote: remote.to_vec(),
            kind: EventKind::Upsert,
            values,
            at: None,
            adopt: None,
            has_waited: false,
            points_nowhere: false,
        })
    }

    /// Writes that were refused are planned again, unless one is on its way.
    fn plan_refused(&mut self, records: &[(usize, RecordId)]) -> Result<(), SyncError> {
        let mut unit: Unit = self.load_unit(records.iter().map(|(_, record)| *record))?;
        let now = self.now();
        for (endpoint, record) in records {
            let side = unit.peek(*record).and_then(|touched| touched.state.side(*endpoint));
            if side.is_some_and(|side| side.sent.is_none()) {
                let row = self.intent(IntentState::Planned, now, 0, Action::Update);
                unit.intents.insert((*record, *endpoint), row);
            }
        }
        self.commit(unit)
    }
}

impl Decision<'_> {
    /// Gives a record other values, by the names of its fields. What endpoints are owed of them is planned anew.
    pub fn set_fields(mut self, record: RecordId, named: &BTreeMap<String, Json>) -> Result<(), SyncError> {
        let outcome = self.fields_set(record, named);
        self.end(outcome)
    }

    fn fields_set(&mut self, record: RecordId, named: &BTreeMap<String, Json>) -> Result<(), SyncError> {
        let values = self.values(named)?;
        let mut state = self.state(record)?;
        self.set(record, &mut state, &values, EntryKind::Person, "a dead letter was edited");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Cause;

    #[test]
    fn a_letter_says_where_it_comes_from() {
        let mut letter = NewDeadLetter {
            stage: Stage::Map,
            key: KeyDigest::of_key("crm 7"),
            key_text: String::new(),
            position: None,
            record: Some(r#"{"values":{"a":1}}"#.to_owned()),
            raw: None,
            cause: Cause::default(),
            plugin: None,
        };
        name_origin(&mut letter, "crm", &[0, 255]);
        let body: Json = serde_json::from_str(letter.record.as_deref().unwrap()).unwrap();
        assert_eq!(body, serde_json::json!({"values": {"a": 1}, "endpoint": "crm", "remote": "00ff"}));
    }

    #[test]
    fn writes_to_two_endpoints_are_two_letters() {
        assert_ne!(write_key("crm", RecordId(7)), write_key("erp", RecordId(7)));
    }
}
