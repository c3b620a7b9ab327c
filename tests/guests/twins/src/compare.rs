//! Digests by id.

use lockstep_plugin_sdk::compare::{Compare, CompareRequest, Digests, EntryPage, EntryReader};
use lockstep_plugin_sdk::prelude::*;

use crate::store::{Row, Store};
use crate::{Config, Twin, noted};

const METHOD: &str = "twins-1";

pub struct Entries {
    rows: std::vec::IntoIter<Row>,
}

fn rows(request: &CompareRequest) -> Result<Vec<Row>> {
    Ok(Store::load()?.streams.remove(&request.stream).unwrap_or_default())
}

fn bucket(row: &Row, buckets: u32) -> usize {
    row.id.rem_euclid(i64::from(buckets)) as usize
}

/// Enough for a test: equal for equal rows.
fn digest(row: &Row) -> u64 {
    format!("{row:?}")
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

impl Compare for Twin {
    type Config = Config;
    type EntryReader = Entries;

    fn methods(_config: Config, _request: CompareRequest) -> Result<Vec<String>> {
        Ok(vec![METHOD.to_owned()])
    }

    fn digest(config: Config, request: CompareRequest, buckets: u32) -> Result<Digests> {
        let mut digests = Digests { rows: vec![0; buckets as usize], sums: vec![0; buckets as usize] };
        for row in rows(&request)? {
            let at = bucket(&row, buckets);
            digests.rows[at] += 1;
            digests.sums[at] = digests.sums[at].wrapping_add(digest(&row));
        }
        if config.breaks("compare.digests") {
            digests.rows[0] += 1;
        }
        if config.breaks("compare.same-twice") {
            digests.sums[0] = noted("digests")? as u64;
        }
        Ok(digests)
    }

    fn entries(config: Config, request: CompareRequest, buckets: u32, wanted: Vec<u32>) -> Result<Entries> {
        let mut rows = rows(&request)?;
        rows.retain(|row| wanted.iter().any(|wanted| *wanted as usize == bucket(row, buckets)));
        if config.breaks("compare.entries") {
            rows.pop();
        }
        Ok(Entries { rows: rows.into_iter() })
    }
}

impl EntryReader for Entries {
    fn next(&mut self, limits: Limits) -> Result<Option<EntryPage>> {
        let mut keys = BatchBuilder::new([("id", LogicalType::Int64)]);
        let mut digests = Vec::new();
        for row in self.rows.by_ref().take(limits.rows as usize) {
            keys.column(0).push_int64(row.id);
            keys.end_row();
            digests.push(digest(&row));
        }
        if digests.is_empty() {
            return Ok(None);
        }
        Ok(Some(EntryPage { keys: keys.finish()?, digests }))
    }
}
