//! Digests of records, computed where they are: the same on both sides.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use super::{Record, key_text};
use crate::connector::{BucketDigests, CompareRequest, EntryPage, EntryReader, PageLimits, Result};
use crate::record::{Field, batch_from_json};

/// The only method the fakes know.
pub const METHOD: &str = "fake-1";

fn hash(text: &str) -> u64 {
    u64::from_le_bytes(*blake3::hash(text.as_bytes()).as_bytes().first_chunk().unwrap())
}

/// The two sides call their fields differently, so only values count.
fn digest(record: &Record, request: &CompareRequest) -> u64 {
    let names: Vec<String> = request.fields.iter().map(|field| field.name.clone()).collect();
    hash(&key_text(record, &names))
}

fn bucket(record: &Record, request: &CompareRequest, buckets: u32) -> usize {
    (hash(&key_text(record, &request.key)) % u64::from(buckets)) as usize
}

pub fn digests(records: &[Record], request: &CompareRequest, buckets: u32) -> BucketDigests {
    assert!(buckets.is_power_of_two());
    assert_eq!(request.method, METHOD);
    let mut found = BucketDigests { rows: vec![0; buckets as usize], sums: vec![0; buckets as usize] };
    for record in records {
        let bucket = bucket(record, request, buckets);
        found.rows[bucket] += 1;
        found.sums[bucket] = found.sums[bucket].wrapping_add(digest(record, request));
    }
    found
}

pub fn entries(records: &[Record], request: &CompareRequest, buckets: u32, wanted: &[u32]) -> Box<dyn EntryReader> {
    let is_wanted = |record: &&Record| wanted.contains(&(bucket(record, request, buckets) as u32));
    let entries = records.iter().filter(is_wanted).map(|record| (record.clone(), digest(record, request))).collect();
    let field = |name: &String| request.fields.iter().find(|field| field.name == *name).cloned().unwrap();
    Box::new(FakeEntries { entries, key: request.key.iter().map(field).collect(), next: 0 })
}

struct FakeEntries {
    entries: Vec<(Record, u64)>,
    key: Arc<[Field]>,
    next: usize,
}

#[async_trait]
impl EntryReader for FakeEntries {
    async fn next(&mut self, limits: PageLimits) -> Result<Option<EntryPage>> {
        let page: Vec<_> = self.entries.iter().skip(self.next).take(limits.rows.max(1) as usize).collect();
        if page.is_empty() {
            return Ok(None);
        }
        self.next += page.len();
        let key = |record: &Record| {
            Value::Object(self.key.iter().map(|field| (field.name.clone(), record[&field.name].clone())).collect())
        };
        let keys: Vec<Value> = page.iter().map(|(record, _)| key(record)).collect();
        let digests = page.iter().map(|(_, digest)| *digest).collect();
        Ok(Some(EntryPage { keys: batch_from_json(&self.key, &keys).unwrap(), digests }))
    }
}
