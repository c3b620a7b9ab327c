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
use crate::collect::Collector;
use crate::cursor::Boundary;
use crate::trouble::refused;

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

    /// Whether every record was shown: as many as there were before, and as there are now.
    pub fn agrees(&self, plan: &Plan) -> Result<bool> {
        let seen = Some(self.seen.len() as u64);
        Ok(self.before == seen && count(plan)? == seen)
    }
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
