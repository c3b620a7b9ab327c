//! Records by their keys: by their Ids two thousand in a request, by other fields in queries that name as many values as fit.

use lockstep_json::write_strings;
use lockstep_plugin_sdk::batch::{BatchView, ColumnView};
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::http::answer::json;
use lockstep_plugin_sdk::http::{Ask, Reply, encode};
use lockstep_plugin_sdk::types::{Batch, Changes, Field, Limits, ReadRequest};

use crate::collect::{Collected, Collector};
use crate::config::Config;
use crate::connection::Connection;
use crate::describe;
use crate::form::of_row;
use crate::id;
use crate::object::{ID, IS_DELETED, Object, Property};
use crate::soql;
use crate::trouble::refused;

/// What the collection resource takes.
const IDS_MAX: usize = 2000;
/// Bytes of a URL: servers of the vendor take sixteen thousand.
const URL_BYTES_MAX: usize = 12_000;
const VALUES_MAX: usize = 1000;
const NO_LIMITS: Limits = Limits { rows: u32::MAX, bytes: u64::MAX };

/// The records whose key fields equal a row of `keys`.
pub fn lookup(config: Config, request: &ReadRequest, keys: &Batch) -> Result<Changes> {
    let connection = Connection::new(config);
    let object = describe::object(&connection, &request.stream, &request.fields)?;
    let wanted = match request.fields.as_slice() {
        [] => object.properties.iter().map(|found| Field::new(&found.name, found.kind.logical())).collect(),
        fields => fields.to_vec(),
    };
    let (object, key, texts) = key_texts(&connection, object, &request.fields, keys)?;
    let key: Vec<&Property> = key.iter().filter_map(|name| object.find(name)).collect();
    find(&connection, &object, &key, &wanted, &texts).map(|found| found.changes)
}

/// The fields of the key, and the values of the rows that have all of them.
fn key_texts(
    connection: &Connection,
    mut object: Object,
    fields: &[Field],
    keys: &Batch,
) -> Result<(Object, Vec<String>, Vec<Vec<String>>)> {
    let view = BatchView::new(keys);
    if view.columns().any(|column| object.find(column.name()).is_none()) {
        object = describe::described(connection, &object.name)?;
    }
    let mut columns: Vec<(ColumnView<'_>, &Property, _)> = Vec::new();
    for column in view.columns() {
        let property = object.property(column.name())?;
        let field = fields.iter().find(|field| field.name == column.name());
        let logical = field.map_or_else(|| Ok(property.kind.logical()), Field::logical)?;
        columns.push((column, property, logical));
    }
    let of_row = |row: usize| {
        columns.iter().map(|(column, property, logical)| of_row(&property.kind, *logical, *column, row)).collect()
    };
    let texts = (0..keys.rows as usize).filter_map(of_row).collect();
    let names = columns.iter().map(|(column, ..)| column.name().to_owned()).collect();
    Ok((object, names, texts))
}

/// The records of these keys. One that cannot be read is an error: it is there, and must not seem gone.
pub fn find(
    connection: &Connection,
    object: &Object,
    key: &[&Property],
    wanted: &[Field],
    keys: &[Vec<String>],
) -> Result<Collected> {
    let found = collect(connection, object, key, wanted, keys)?;
    match found.rejected.into_iter().next() {
        Some(rejection) => Err(rejection.error),
        None => Ok(Collected { rejected: Vec::new(), ..found }),
    }
}

/// The records of these keys, and apart from them those that cannot be read.
pub fn collect(
    connection: &Connection,
    object: &Object,
    key: &[&Property],
    wanted: &[Field],
    keys: &[Vec<String>],
) -> Result<Collected> {
    let mut collector = Collector::new(object, wanted, key)?;
    let what = format!("look up records of `{}`", object.name);
    let live = object.keeps_deleted.then(|| format!("{IS_DELETED} = false"));
    let asks = match key {
        [only] if only.name == ID => by_ids(connection, object, &collector, keys),
        _ => by_values(connection, object, &collector, key, keys, live.as_deref())?,
    };
    for reply in connection.send_all(asks) {
        take(connection, &mut collector, reply?, &what)?;
    }
    Ok(exact(key.len(), keys, collector.finish()?))
}

fn take(connection: &Connection, collector: &mut Collector, first: Reply, what: &str) -> Result<()> {
    let (mut reply, mut before) = (first, None);
    loop {
        if !reply.is_success() {
            return Err(refused(&reply, what));
        }
        let Some(next) = collector.take(json(&reply)?, 0, NO_LIMITS, what)?.next else { return Ok(()) };
        let next = connection.service.follow(&connection.service.target("query/"), &next)?;
        if before.as_ref() == Some(&next) {
            return Err(Error::permanent("Salesforce leads in a circle").with_code("salesforce.cycle"));
        }
        reply = connection.send(Ask::get(next.clone()))?;
        before = Some(next);
    }
}

/// What is no record id is no record's.
fn by_ids(connection: &Connection, object: &Object, collector: &Collector, keys: &[Vec<String>]) -> Vec<Ask> {
    let mut ids: Vec<String> = keys.iter().flatten().filter_map(|id| id::long(id)).collect();
    ids.sort_unstable();
    ids.dedup();
    let ask = |ids: &[String]| {
        let body = format!("{{\"ids\":{},\"fields\":{}}}", write_strings(ids), write_strings(collector.selected()));
        connection.with_body("POST", &format!("composite/sobjects/{}", object.name), body).idempotent(true)
    };
    ids.chunks(IDS_MAX).map(ask).collect()
}

fn by_values(
    connection: &Connection,
    object: &Object,
    collector: &Collector,
    key: &[&Property],
    keys: &[Vec<String>],
    which: Option<&str>,
) -> Result<Vec<Ask>> {
    let (mut asks, mut rest) = (Vec::new(), keys);
    let room = URL_BYTES_MAX.saturating_sub(encode(&collector.selected().join(",")).len()).max(1000);
    while !rest.is_empty() {
        let mut count = rest.len().min(VALUES_MAX);
        let filter = loop {
            let filter = soql::one_of(key, rest.get(..count).unwrap_or_default())?;
            let bytes = encode(&filter).len();
            if bytes <= room || count == 1 {
                break filter;
            }
            count = (count * room / bytes).clamp(1, count - 1);
        };
        let filter = if key.len() > 1 { format!("({filter})") } else { filter };
        let filter = soql::all([which.map(str::to_owned), Some(filter)]);
        let soql = soql::select(&collector.selected(), &object.name, filter.as_deref(), "");
        asks.push(Ask::get(connection.query_target(&soql)));
        rest = rest.get(count..).unwrap_or_default();
    }
    Ok(asks)
}

/// The records that have been deleted, of these Ids, as long as they are remembered.
pub fn find_deleted(
    connection: &Connection,
    object: &Object,
    wanted: &[Field],
    ids: &[Vec<String>],
) -> Result<Collected> {
    let id = object.property(ID)?;
    let mut collector = Collector::new(object, wanted, &[id])?;
    let which = format!("{IS_DELETED} = true");
    let asks = match object.keeps_deleted {
        true => by_values(connection, object, &collector, &[id], ids, Some(&which))?,
        false => Vec::new(),
    };
    for reply in connection.send_all(asks) {
        take(connection, &mut collector, reply?, &format!("look up deleted records of `{}`", object.name))?;
    }
    collector.finish()
}

/// Without what only equals a key as queries compare, which do not see the case of letters.
fn exact(parts: usize, keys: &[Vec<String>], mut found: Collected) -> Collected {
    let mut wanted: Vec<String> = keys.iter().map(write_strings).collect();
    wanted.sort_unstable();
    let is_wanted = |values: &Vec<Option<String>>| {
        let values: Option<Vec<&str>> = values.iter().take(parts).map(Option::as_deref).collect();
        values.is_some_and(|values| wanted.binary_search(&write_strings(values)).is_ok())
    };
    let keep: Vec<bool> = found.beside.iter().map(is_wanted).collect();
    let dropped: Vec<u32> = (0..).zip(&keep).filter(|(_, keep)| !**keep).map(|(row, _)| row).collect();
    found.changes.drop_rows(&dropped);
    let mut keep = keep.into_iter();
    found.beside.retain(|_| keep.next().unwrap_or(false));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Kind;

    fn property(name: &str, kind: &str) -> Property {
        Property { name: name.into(), kind: Kind::parse(kind).unwrap(), is_external_id: false, is_unique: false }
    }

    fn object() -> Object {
        let properties = vec![property("Id", "id"), property("No__c", "string"), property("IsDeleted", "boolean")];
        Object { name: "A".into(), properties, keeps_deleted: true, has_log: false, modified: None }
    }

    #[test]
    fn keys_are_looked_for_in_requests_of_bearable_length() {
        let (object, connection) = (object(), Connection::new(Config::read("{}").unwrap()));
        let collector = Collector::new(&object, &[], &[]).unwrap();
        let ids: Vec<Vec<String>> = (0..4500).map(|n| vec![format!("001A0000000{n:04}")]).collect();
        let asks = by_ids(&connection, &object, &collector, &ids);
        assert_eq!(asks.len(), 3);
        assert!(asks.iter().all(|ask| ask.is_idempotent == Some(true)));
        assert_eq!(by_ids(&connection, &object, &collector, &[vec!["no id".into()]]), []);
        let no = object.find("No__c").unwrap();
        let values: Vec<Vec<String>> = (0..2000).map(|n| vec![format!("N{n:06}")]).collect();
        let asks = by_values(&connection, &object, &collector, &[no], &values, None).unwrap();
        assert!(asks.iter().all(|ask| ask.target.len() < 16_000) && asks.len() < 5, "{}", asks.len());
        let named: usize = asks.iter().map(|ask| ask.target.matches("%27N").count()).sum();
        assert_eq!(named, 2000);
        let long = by_values(&connection, &object, &collector, &[no], &[vec!["x".repeat(20_000)]], None).unwrap();
        assert_eq!(long.len(), 1);
    }
}
