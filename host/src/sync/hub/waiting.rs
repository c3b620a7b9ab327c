//! Events that wait: their bytes, and what becomes of them when their time has come.

use super::decide::Incoming;
use super::unit::Unit;
use super::work::Work;
use crate::record::{Value, read_byte, read_count, read_int, read_value, write_count, write_int, write_value};
use crate::resolve::EventKind;
use crate::store::EventChange;
use crate::sync::error::SyncError;

/// Events that were put off and are looked at together.
const CHUNK: u32 = 1_000;
/// Higher than every tag of a value.
const ABSENT: u8 = 0xfe;

impl Work<'_> {
    /// Events that had to wait and are due: the record is looked at again, where that can be.
    pub async fn take_waiting(&mut self, endpoint: usize) -> Result<(), SyncError> {
        let now = self.run.world.clock.now();
        let mut last: Option<Vec<Vec<u8>>> = None;
        loop {
            let due = self.run.store.due_events(self.endpoint_id(endpoint), now, CHUNK)?;
            let remotes: Vec<Vec<u8>> = due.iter().map(|event| event.remote.clone()).collect();
            if due.is_empty() || last.as_ref() == Some(&remotes) {
                return Ok(());
            }
            let (mut fresh, letters) = self.look_up_remotes(endpoint, &remotes).await?;
            let can_look = self.can_look(endpoint)?;
            let mut rows = Vec::with_capacity(due.len());
            let mut unit = Unit::default();
            for event in due {
                let kept = decode(&event.remote, &event.body);
                let fresh = fresh.remove(&event.remote).map(|row| Incoming { has_waited: true, ..row });
                let is_unclear = self.is_among(endpoint, &event.remote, &letters);
                match (fresh, kept) {
                    (Some(row), _) => rows.push(row),
                    (None, _) if is_unclear => {
                        let (endpoint, remote) = (self.endpoint_id(endpoint), event.remote);
                        unit.events.push(EventChange::Done { endpoint, remote });
                    }
                    (None, Some(kept)) if can_look => {
                        let values = vec![None; self.settled.entity.len()].into();
                        rows.push(Incoming { kind: EventKind::Delete, values, ..kept });
                    }
                    (None, Some(kept)) => rows.push(kept),
                    (None, None) => {
                        let (endpoint, remote) = (self.endpoint_id(endpoint), event.remote);
                        unit.events.push(EventChange::Done { endpoint, remote });
                    }
                }
            }
            self.commit(unit)?;
            self.take_rows(endpoint, &rows, letters, None).await?;
            last = Some(remotes);
        }
    }
}

pub(super) fn encode(row: &Incoming) -> Vec<u8> {
    let mut out = vec![match row.kind {
        EventKind::Upsert => 0,
        EventKind::Undelete => 1,
        EventKind::Delete => 2,
    }];
    out.push(u8::from(row.at.is_some()));
    write_int(&mut out, row.at.unwrap_or_default());
    write_count(&mut out, row.values.len() as u64);
    for value in &row.values {
        match value {
            Some(value) => write_value(&mut out, value),
            None => out.push(ABSENT),
        }
    }
    out
}

/// None if the bytes are not an event.
pub(super) fn decode(remote: &[u8], mut bytes: &[u8]) -> Option<Incoming> {
    let bytes = &mut bytes;
    let kind = match read_byte(bytes)? {
        0 => EventKind::Upsert,
        1 => EventKind::Undelete,
        2 => EventKind::Delete,
        _ => return None,
    };
    let has_time = read_byte(bytes)? == 1;
    let at = Some(read_int(bytes)?).filter(|_| has_time);
    let mut values: Vec<Option<Value>> = Vec::new();
    for _ in 0..read_count(bytes)? {
        if let Some((&ABSENT, rest)) = bytes.split_first() {
            *bytes = rest;
            values.push(None);
        } else {
            values.push(Some(read_value(bytes)?));
        }
    }
    Some(Incoming {
        remote: remote.to_vec(),
        kind,
        values: values.into(),
        at,
        adopt: None,
        has_waited: true,
        points_nowhere: false,
    })
}
