//! Where hubs stand, who has their lease, and what their endpoints are.

use rusqlite::Connection;

use super::events;
use super::tables::{EndpointRow, HubRow, NextIds};
use crate::store::sqlite::stored::{Stored, get, insert, list, next_id, update};
use crate::store::sqlite::tables::SyncRow;
use crate::store::sqlite::transaction::Transaction;
use crate::store::sqlite::{changes, queries};
use crate::store::{ConflictId, EndpointId, EndpointState, Epoch, HubState, LineageId, RecordId, StoreErrorKind};

pub fn open(transaction: &Transaction<'_>, sync: &str, names: &[String]) -> Stored<HubState> {
    let mut sync = changes::known_sync(transaction, sync)?;
    changes::save(transaction, &mut sync)?;
    for name in names {
        make_endpoint(transaction, &sync, name)?;
    }
    let next = next_ids(transaction)?;
    let hub = match get::<HubRow>(transaction, sync.id)? {
        Some(hub) => {
            let hub = HubRow { epoch: hub.epoch + 1, next, ..hub };
            update(transaction, &hub)?;
            hub
        }
        None => {
            let hub = HubRow { id: sync.id, epoch: 1, next, pin: None };
            insert(transaction, &hub)?;
            hub
        }
    };
    state(transaction, Some(&sync), Some(hub), next, names)
}

fn make_endpoint(transaction: &Transaction<'_>, sync: &SyncRow, name: &str) -> Stored<()> {
    if endpoints(transaction, sync.id)?.iter().any(|row| row.state.name == name) {
        return Ok(());
    }
    let id = EndpointId(next_id::<EndpointRow>(transaction)?);
    insert(transaction, &EndpointRow { sync: sync.id, state: EndpointState { id, ..unknown(name) } })
}

pub fn look(connection: &Connection, sync: &str, names: &[String]) -> Stored<HubState> {
    let sync = queries::sync_row(connection, sync)?;
    let hub = match &sync {
        Some(sync) => get::<HubRow>(connection, sync.id)?,
        None => None,
    };
    state(connection, sync.as_ref(), hub, next_ids(connection)?, names)
}

fn state(
    connection: &Connection,
    sync: Option<&SyncRow>,
    hub: Option<HubRow>,
    next: NextIds,
    names: &[String],
) -> Stored<HubState> {
    // Who asks for no endpoint wants to know whose lease it is, and does so before every write.
    let rows = match sync.filter(|_| !names.is_empty()) {
        Some(sync) => checked_endpoints(connection, sync.id)?,
        None => Vec::new(),
    };
    let state = |name: &String| {
        rows.iter().find(|row| row.state.name == *name).map_or_else(|| unknown(name), |row| row.state.clone())
    };
    Ok(HubState {
        epoch: Epoch(hub.as_ref().map_or(0, |hub| hub.epoch)),
        next_record: RecordId(next.record),
        next_lineage: LineageId(next.lineage),
        next_conflict: ConflictId(next.conflict),
        endpoints: names.iter().map(state).collect(),
        pin: hub.and_then(|hub| hub.pin),
    })
}

fn checked_endpoints(connection: &Connection, sync: i64) -> Stored<Vec<EndpointRow>> {
    events::check(connection)?;
    endpoints(connection, sync)
}

fn unknown(name: &str) -> EndpointState {
    let (id, name) = (EndpointId(0), name.to_owned());
    EndpointState { id, name, cursor: None, enumerated_at: None, scanned_at: None, progress_at: None, baselined: false }
}

/// There are few: all are read and so checked. One that seems to be another hub's because it is damaged must not be made anew.
pub fn endpoints(connection: &Connection, sync: i64) -> Stored<Vec<EndpointRow>> {
    let mut rows = list::<EndpointRow>(connection, "ORDER BY id", &[])?;
    rows.retain(|row| row.sync == sync);
    Ok(rows)
}

/// Ids are of the whole file: the hub that committed last knows the newest.
pub fn next_ids(connection: &Connection) -> Stored<NextIds> {
    let hubs = list::<HubRow>(connection, "", &[])?;
    Ok(hubs.iter().fold(NextIds::FIRST, |next, hub| next.max(hub.next)))
}

/// The hub of a sync if `epoch` is its newest lease.
pub fn leased(connection: &Connection, sync: &SyncRow, epoch: Epoch) -> Stored<HubRow> {
    let hub = get::<HubRow>(connection, sync.id)?;
    // Invariant 10: whoever had the lease before commits nothing.
    match hub {
        Some(hub) if hub.epoch == epoch.0 => Ok(hub),
        other => {
            let newest = Epoch(other.map_or(0, |hub| hub.epoch));
            Err(StoreErrorKind::Fenced { sync: sync.name.clone(), held: epoch, newest })
        }
    }
}
