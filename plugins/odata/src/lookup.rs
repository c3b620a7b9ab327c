//! Records by their keys: filters that name some of them each, sent together.

use lockstep_plugin_sdk::batch::{BatchView, ColumnView};
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::http::answer::json;
use lockstep_plugin_sdk::types::{Batch, Changes, Field, Limits, ReadRequest};
use lockstep_web::plain;

use crate::batch::{Part, Purpose, send};
use crate::collect::{Collected, Collector};
use crate::config::Config;
use crate::connection::Connection;
use crate::discover;
use crate::entity::{Entity, KeyPart};
use crate::query;
use crate::trouble::refused;

/// Bytes of a filter before it is encoded: servers take URLs of two thousand bytes, and some of four.
const FILTER_BYTES_MAX: usize = 1200;
const NO_LIMITS: Limits = Limits { rows: u32::MAX, bytes: u64::MAX };

/// The records whose key fields equal a row of `keys`.
pub fn lookup(config: Config, request: &ReadRequest, keys: &Batch) -> Result<Changes> {
    let connection = Connection::new(config);
    let entity = discover::entity(&connection, &request.stream, &request.fields)?;
    let wanted = match request.fields.as_slice() {
        [] => entity.properties.iter().map(|found| Field::new(&found.name, found.edm.logical())).collect(),
        fields => fields.to_vec(),
    };
    let (key, texts) = key_texts(&entity, &request.fields, keys)?;
    find(&connection, &entity, &key, &wanted, &texts).map(|found| found.changes)
}

/// The parts of the key, and the values of the rows that have all of them.
fn key_texts(entity: &Entity, fields: &[Field], keys: &Batch) -> Result<(Vec<KeyPart>, Vec<Vec<String>>)> {
    let mut parts = Vec::new();
    let mut columns: Vec<(ColumnView<'_>, _)> = Vec::new();
    for column in BatchView::new(keys).columns() {
        let edm = entity.property(column.name())?.edm.clone();
        let field = fields.iter().find(|field| field.name == column.name());
        let logical = field.map_or_else(|| Ok(edm.logical()), Field::logical)?;
        parts.push(KeyPart { name: column.name().to_owned(), edm });
        columns.push((column, logical));
    }
    let of_row = |row: usize| columns.iter().map(|(column, logical)| plain(*column, *logical, row)).collect();
    Ok((parts, (0..keys.rows as usize).filter_map(of_row).collect()))
}

/// The records of these keys, by whichever properties. One that cannot be read is an error: it is there, and must not seem gone.
pub fn find(
    connection: &Connection,
    entity: &Entity,
    key: &[KeyPart],
    wanted: &[Field],
    keys: &[Vec<String>],
) -> Result<Collected> {
    let mut collector = Collector::new(entity, wanted)?;
    let select = collector.selected().join(",");
    let what = format!("look up records of `{}`", entity.set);
    let parts: Vec<Part> = filters(entity, key, keys)?
        .into_iter()
        .map(|filter| {
            let options = [("$select", select.clone()), ("$filter", filter)];
            let below = connection.below(&entity.set, &options);
            let headers = connection.dressed(lockstep_plugin_sdk::http::Ask {
                headers: connection.headers(entity.version),
                ..Default::default()
            });
            Part { method: "GET", below, headers: headers.headers, body: None }
        })
        .collect();
    for (part, reply) in parts.iter().zip(send(connection, entity.version, &parts, Purpose::Read)) {
        let (mut reply, mut target) = (reply?, connection.service.target(&part.below));
        loop {
            if !reply.is_success() {
                return Err(refused(&reply, &what));
            }
            let taken = collector.take(json(&reply)?, 0, NO_LIMITS, &what)?;
            let Some(next) = taken.next else { break };
            // The service's pages are shorter than what was asked for.
            let next = connection.service.follow(&target, &next)?;
            if next == target {
                return Err(Error::permanent("the service leads in a circle").with_code("odata.cycle"));
            }
            reply = connection.get(entity.version, &next, &[])?;
            target = next;
        }
    }
    let found = collector.finish()?;
    match found.rejected.into_iter().next() {
        Some(rejection) => Err(rejection.error),
        None => Ok(Collected { rejected: Vec::new(), ..found }),
    }
}

fn filters(entity: &Entity, key: &[KeyPart], keys: &[Vec<String>]) -> Result<Vec<String>> {
    let mut filters = Vec::new();
    let mut rest = keys;
    while !rest.is_empty() {
        let mut count = rest.len().min(100);
        let mut filter = query::one_of(entity.version, key, rest.get(..count).unwrap_or_default())?;
        while filter.len() > FILTER_BYTES_MAX && count > 1 {
            count = (count * FILTER_BYTES_MAX / filter.len()).clamp(1, count - 1);
            filter = query::one_of(entity.version, key, rest.get(..count).unwrap_or_default())?;
        }
        filters.push(filter);
        rest = rest.get(count..).unwrap_or_default();
    }
    Ok(filters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edm::{Edm, Version};

    #[test]
    fn keys_are_looked_for_in_filters_of_bearable_length() {
        let key = vec![KeyPart { name: "ID".into(), edm: Edm::Guid }];
        let entity = Entity {
            set: "A".into(),
            version: Version::V4,
            key: key.clone(),
            properties: Vec::new(),
            alternate_keys: Vec::new(),
            has_delta: false,
        };
        let keys: Vec<Vec<String>> = (0..100).map(|n| vec![format!("00000000-0000-0000-0000-{n:012}")]).collect();
        let filters = filters(&entity, &key, &keys).unwrap();
        assert!(filters.iter().all(|filter| filter.len() <= FILTER_BYTES_MAX) && filters.len() < 8);
        assert_eq!(filters.iter().map(|filter| filter.matches("ID eq ").count()).sum::<usize>(), 100);
        assert_eq!(super::filters(&entity, &key, &[vec!["x".repeat(5000)]]).unwrap().len(), 1);
    }
}
