//! Records that are no more. What leads to a record that is not there could not be told from damage, so everything that does goes
//! with it; lineage and conflicts are history, and stay.

use std::collections::HashSet;

use super::tables::EndpointRow;
use crate::store::sqlite::stored::Stored;
use crate::store::sqlite::transaction::Transaction;
use crate::store::{RecordId, StoreErrorKind};

pub fn forget(transaction: &Transaction<'_>, sync: i64, endpoints: &[EndpointRow], records: &[RecordId]) -> Stored<()> {
    if records.is_empty() {
        return Ok(());
    }
    let mut delete = transaction.prepare_cached("DELETE FROM record WHERE id = ? AND sync = ?")?;
    for record in records {
        if delete.execute((record.0, sync))? != 1 {
            return Err(StoreErrorKind::senseless(format!("there is no record {} to forget", record.0)));
        }
    }
    let gone: HashSet<i64> = records.iter().map(|record| record.0).collect();
    forget_keys(transaction, sync, &gone)?;
    for endpoint in endpoints {
        forget_links(transaction, endpoint.state.id.0, &gone)?;
        let mut delete = transaction.prepare_cached("DELETE FROM intent WHERE endpoint = ? AND record = ?")?;
        for record in records {
            delete.execute((endpoint.state.id.0, record.0))?;
        }
    }
    Ok(())
}

/// Links and match keys are not found by their records: all of them are looked at.
fn forget_links(transaction: &Transaction<'_>, endpoint: i64, gone: &HashSet<i64>) -> Stored<()> {
    let mut select = transaction.prepare_cached("SELECT remote, record FROM link WHERE endpoint = ?")?;
    let mut rows = select.query([endpoint])?;
    let mut found: Vec<Vec<u8>> = Vec::new();
    while let Some(row) = rows.next()? {
        if gone.contains(&row.get(1)?) {
            found.push(row.get(0)?);
        }
    }
    let mut delete = transaction.prepare_cached("DELETE FROM link WHERE endpoint = ? AND remote = ?")?;
    for remote in found {
        delete.execute((endpoint, remote))?;
    }
    Ok(())
}

fn forget_keys(transaction: &Transaction<'_>, sync: i64, gone: &HashSet<i64>) -> Stored<()> {
    let mut select = transaction.prepare_cached("SELECT key, record FROM match_key WHERE sync = ?")?;
    let mut rows = select.query([sync])?;
    let mut found: Vec<(Vec<u8>, i64)> = Vec::new();
    while let Some(row) = rows.next()? {
        let record: i64 = row.get(1)?;
        if gone.contains(&record) {
            found.push((row.get(0)?, record));
        }
    }
    let mut delete = transaction.prepare_cached("DELETE FROM match_key WHERE sync = ? AND key = ? AND record = ?")?;
    for (key, record) in found {
        delete.execute((sync, key, record))?;
    }
    Ok(())
}
