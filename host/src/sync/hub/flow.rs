//! What a hub moves, column by column, as it is told to others: each endpoint's columns come from those of the others.

use super::Hub;
use super::setup::End;
use crate::lineage::{Change, Flow, Origin, OutputFlow};
use crate::project::{ConflictPolicy, HubColumn, HubDef, HubEndpoint, HubField};
use crate::record::Field;

pub(super) fn flow(hub: &Hub, entity: &[Field], ends: &[End]) -> Flow {
    let def = &hub.def;
    let written = def.endpoints.iter().enumerate().filter(|(_, endpoint)| endpoint.direction.writes());
    Flow {
        streams: ends.iter().map(|end| end.stream.fields.clone()).collect(),
        outputs: written.map(|(at, endpoint)| output(def, entity, ends, at, endpoint)).collect(),
    }
}

fn output(def: &HubDef, entity: &[Field], ends: &[End], at: usize, endpoint: &HubEndpoint) -> OutputFlow {
    let mut output = OutputFlow { end: at, ..OutputFlow::default() };
    for field in def.fields.iter().filter(|field| def.is_written(field, endpoint)) {
        let Some(column) = field.columns.get(&endpoint.name).filter(|column| column.constant.is_none()) else {
            continue;
        };
        let there = logical(ends, at, column);
        let agreed = entity.iter().find(|known| known.name == field.name).map(|known| known.logical.to_string());
        let origins = takers(def, field, &endpoint.name).map(|(from, given)| {
            let types = [logical(ends, from, given), agreed.clone(), there.clone()];
            Origin::described(from, &given.field, &steps(field, given, column, &types))
        });
        let origins = origins.collect();
        output.fields.push((column.field.clone(), origins));
    }
    decide_records(def, ends, at, endpoint, &mut output);
    output
}

/// The other endpoints a field's values are taken from, with their columns.
fn takers<'a>(def: &'a HubDef, field: &'a HubField, endpoint: &'a str) -> impl Iterator<Item = (usize, &'a HubColumn)> {
    let others = def.endpoints.iter().enumerate().filter(move |(_, other)| other.name != endpoint);
    others
        .filter(|(_, other)| field.is_taken_from(other))
        .filter_map(|(at, other)| Some((at, field.columns.get(&other.name)?)))
}

fn logical(ends: &[End], at: usize, column: &HubColumn) -> Option<String> {
    Some(ends.get(at)?.stream.field(&column.field)?.logical.to_string())
}

/// What is done to a value between two columns, in the order in which it is done; `types` on its way, as far as they are known.
fn steps(field: &HubField, from: &HubColumn, to: &HubColumn, types: &[Option<String>]) -> Vec<String> {
    let mut steps = Vec::new();
    steps.extend(from.default.as_ref().map(|default| format!("{default} where it is empty")));
    steps.extend((!from.values.is_empty()).then(|| format!("{} values by a list", from.values.len())));
    steps.extend(from.read.as_ref().map(|read| read.text.clone()));
    steps.extend(field.reference.as_ref().map(|parent| format!("the id of the same record of `{parent}`")));
    steps.extend(merged(&field.conflict));
    steps.extend(to.write.as_ref().map(|write| write.text.clone()));
    steps.extend((!to.values.is_empty()).then(|| format!("{} values by a list", to.values.len())));
    let mut types: Vec<&String> = types.iter().flatten().collect();
    types.dedup();
    if steps.is_empty() && types.len() > 1 {
        steps.push(types.into_iter().map(String::as_str).collect::<Vec<_>>().join(" to "));
    }
    steps
}

/// Policies that make a value nobody has said.
fn merged(policy: &ConflictPolicy) -> Option<String> {
    match policy {
        ConflictPolicy::Counter => Some("changes of all are added".to_owned()),
        ConflictPolicy::Set { .. } => Some("items added and removed by all".to_owned()),
        ConflictPolicy::Resolver(resolver) => Some(format!("conflicts decided by plugin {}", resolver.plugin)),
        ConflictPolicy::Manual | ConflictPolicy::Priority(_) | ConflictPolicy::Newest => None,
    }
}

/// A filter decides which records an endpoint has, and matching which records of two systems are one.
fn decide_records(def: &HubDef, ends: &[End], at: usize, endpoint: &HubEndpoint, output: &mut OutputFlow) {
    if let Some(filter) = ends.get(at).and_then(|end| end.filter.as_ref()) {
        for name in filter.variables_used() {
            decide(def, name, &endpoint.name, Change::Filter, filter.text(), output);
        }
    }
    let exact = def.matching.exact.iter().flat_map(|rule| &rule.fields);
    let scored = def.matching.scored.iter().flat_map(|rule| rule.fields.iter().map(|(field, _)| field));
    for field in exact.chain(scored) {
        decide(def, &field.field, &endpoint.name, Change::Join, "records are matched by it", output);
    }
}

fn decide(def: &HubDef, field: &str, endpoint: &str, change: Change, description: &str, output: &mut OutputFlow) {
    let Some(field) = def.field(field) else { return };
    for (from, column) in takers(def, field, endpoint) {
        output.decides(Origin::new(from, &column.field, change, description));
    }
}
