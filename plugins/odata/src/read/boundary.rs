//! Where a set stands: the latest change, and how many records there are.

use std::collections::BTreeSet;

use lockstep_json::write_strings;
use lockstep_plugin_sdk::batch::BatchView;
use lockstep_plugin_sdk::error::Result;
use lockstep_plugin_sdk::http::answer::json;
use lockstep_plugin_sdk::http::clock;
use lockstep_plugin_sdk::lookback::lookback_from;
use lockstep_plugin_sdk::types::{Field, Limits};

use super::plan::{Plan, digest};
use crate::collect::{Collector, Taken};
use crate::cursor::Boundary;
use crate::trouble::refused;

/// So many pages are read once more where the service does not count: that has to end within one call.
const PAGES_AGAIN_MAX: u32 = 30;

/// The greatest value of `modified`, or the service's clock if that is earlier.
pub fn read(plan: &Plan) -> Result<Boundary> {
    let Some(modified) = &plan.modified else { return Ok(None) };
    let options = [
        ("$select", modified.name.clone()),
        // Some databases sort nulls first.
        ("$filter", format!("{} ne null", modified.name)),
        ("$orderby", format!("{} desc", modified.name)),
        ("$top", "1".to_owned()),
    ];
    let connection = &plan.connection;
    let reply = connection.get(plan.entity.version, &connection.target(&plan.entity.set, &options), &[])?;
    let what = format!("read the latest `{}` of `{}`", modified.name, plan.entity.set);
    if !reply.is_success() {
        return Err(refused(&reply, &what));
    }
    let logical = modified.edm.logical();
    let mut entity = plan.entity.clone();
    entity.key.clear();
    if !entity.properties.iter().any(|property| property.name == modified.name) {
        entity.properties.push(modified.clone());
    }
    let mut collector = Collector::new(&entity, &[Field::new(&modified.name, logical)])?;
    collector.take(json(&reply)?, 0, Limits { rows: 1, bytes: u64::MAX }, &what)?;
    let found = collector.finish()?;
    if let Some(rejection) = found.rejected.into_iter().next() {
        return Err(rejection.error);
    }
    let view = BatchView::new(&found.changes.data);
    let greatest = view.column(&modified.name).and_then(|column| column.int64(0));
    let clock = clock(&reply);
    Ok(greatest.map(|greatest| clock.map_or(greatest, |clock| lookback_from(logical, greatest, clock, None))))
}

/// How many records the service says there are, and how many were shown.
pub struct Census {
    before: Option<u64>,
    seen: BTreeSet<u64>,
}

impl Census {
    pub fn begin(plan: &Plan) -> Result<Self> {
        Ok(Self { before: count(plan)?, seen: BTreeSet::new() })
    }

    pub fn note(&mut self, keys: &[Vec<String>]) {
        self.seen.extend(keys.iter().map(|key| digest(&write_strings(key))));
    }

    /// Whether every record was shown: as many as there were before, and as there are now. Of a service that does not count: those that
    /// are shown once more, and nothing behind them.
    pub fn agrees(&self, plan: &Plan) -> Result<bool> {
        match self.before {
            None => Ok(keys_again(plan)?.is_some_and(|again| again == self.seen) && is_end(plan, self.seen.len())?),
            before => {
                let seen = Some(self.seen.len() as u64);
                Ok(before == seen && count(plan)? == seen)
            }
        }
    }
}

/// The keys of all records, read for nothing else; none where that takes too many pages, or the service does not play along. Whatever came,
/// went or moved while one of two readings was under way makes them differ.
fn keys_again(plan: &Plan) -> Result<Option<BTreeSet<u64>>> {
    let Some(mut target) = keys_target(plan, &[]) else { return Ok(None) };
    let (mut again, mut followed) = (BTreeSet::new(), BTreeSet::new());
    let mut collector = Collector::new(&plan.entity, &[])?;
    for _ in 0..PAGES_AGAIN_MAX {
        let Some((taken, keys)) = take_keys(plan, &target, &mut collector)? else { return Ok(None) };
        again.extend(keys.iter().map(|key| digest(&write_strings(key))));
        let Some(next) = taken.next else { return Ok(Some(again)) };
        target = plan.connection.service.follow(&target, &next)?;
        if !followed.insert(target.clone()) {
            return Ok(None);
        }
    }
    Ok(None)
}

/// Whether nothing stands behind so many records: a service that stops somewhere without a link stops there twice.
fn is_end(plan: &Plan, records: usize) -> Result<bool> {
    let behind = [("$skip", records.to_string()), ("$top", "1".to_owned())];
    let Some(target) = keys_target(plan, &behind) else { return Ok(false) };
    let taken = take_keys(plan, &target, &mut Collector::new(&plan.entity, &[])?)?;
    Ok(taken.is_some_and(|(taken, _)| taken.elements == 0))
}

/// None for a set without a key.
fn keys_target(plan: &Plan, more: &[(&'static str, String)]) -> Option<String> {
    let names: Vec<&str> = plan.entity.key.iter().map(|part| part.name.as_str()).collect();
    let names = Some(names.join(",")).filter(|names| !names.is_empty())?;
    let options = [&[("$select", names.clone()), ("$orderby", names)], more].concat();
    Some(plan.connection.target(&plan.entity.set, &options))
}

/// A page of keys; none if the service refuses it.
fn take_keys(plan: &Plan, target: &str, collector: &mut Collector) -> Result<Option<(Taken, Vec<Vec<String>>)>> {
    let prefer = format!("odata.maxpagesize={}", plan.connection.config.page_size);
    let reply = plan.connection.get(plan.entity.version, target, &[prefer])?;
    if !reply.is_success() {
        return Ok(None);
    }
    let everything = Limits { rows: u32::MAX, bytes: u64::MAX };
    let taken = collector.take(json(&reply)?, 0, everything, &format!("read the keys of `{}`", plan.entity.set))?;
    let keys = collector.finish()?.keys;
    Ok(Some((taken, keys)))
}

/// None if the service does not count.
fn count(plan: &Plan) -> Result<Option<u64>> {
    let target = plan.connection.target(&format!("{}/$count", plan.entity.set), &[]);
    let mut ask = plan.connection.asking(plan.entity.version, &target, &[]);
    ask.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("accept"));
    let reply = plan.connection.send(ask.header("Accept", "text/plain"))?;
    let text = String::from_utf8_lossy(&reply.body);
    Ok(text.trim_start_matches('\u{feff}').trim().parse().ok().filter(|_| reply.is_success()))
}
