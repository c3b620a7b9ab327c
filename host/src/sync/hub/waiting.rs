//! Events that wait: their bytes, and what becomes of them when their time has come.

use super::decide::Incoming;
use crate::record::{Value, read_byte, read_count, read_int, read_value, write_count, write_int, write_value};
use crate::resolve::EventKind;

/// Higher than every tag of a value.
const ABSENT: u8 = 0xfe;

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
