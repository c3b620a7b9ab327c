//! What of a hub can only be judged once every part is known.

use std::collections::BTreeMap;

use super::field::OWNER_EXAMPLE;
use super::{ARCHIVE_EXAMPLE, ENDPOINT_EXAMPLE, FIELD_EXAMPLE};
use crate::project::reader::{Entry, Read, Reported};
use crate::project::{ConflictPolicy, Direction, HubDef, HubDeletes, HubEndpoint, HubField};
use crate::record::LogicalType;

const PRIORITY_EXAMPLE: &str = "conflict = [\"crm\", \"erp\"]";
const GROUP_EXAMPLE: &str = "street = { crm = \"Street\", erp = \"street\", owner = \"erp\", group = \"address\" }";

/// Reports everything that is wrong, not only the first.
pub(super) fn check_hub(entry: &Entry<'_>, hub: &HubDef) -> Read<()> {
    check_directions(entry, hub)?;
    let endpoints = check_endpoints(entry, hub);
    let lines = entry.below(&["fields"]).children();
    let fields: Vec<Read<()>> =
        hub.fields.iter().zip(&lines).map(|(field, line)| check_field(line, hub, field)).collect();
    let doubles = check_doubles(entry, hub);
    let groups = check_groups(entry, hub).and(check_parts(entry, hub));
    let matching = check_matching(entry, hub);
    let fields: Read<()> = fields.into_iter().collect();
    endpoints.and(fields).and(doubles).and(groups).and(matching)
}

fn check_directions(entry: &Entry<'_>, hub: &HubDef) -> Read<()> {
    let any = |takes_part: fn(Direction) -> bool| hub.endpoints.iter().any(|end| takes_part(end.direction));
    match (any(Direction::reads), any(Direction::writes)) {
        (true, true) => Ok(()),
        (false, _) => Err(invalid(entry, &["endpoints"], "has no endpoint that is read", ENDPOINT_EXAMPLE)),
        (_, false) => Err(invalid(entry, &["endpoints"], "has no endpoint that is written", ENDPOINT_EXAMPLE)),
    }
}

fn check_endpoints(entry: &Entry<'_>, hub: &HubDef) -> Read<()> {
    let numbered = hub.endpoints.iter().enumerate();
    let checked = numbered.map(|(n, end)| check_endpoint(&entry.below(&["endpoints", &end.name]), hub, end, n));
    checked.collect::<Vec<Read<()>>>().into_iter().collect()
}

/// The endpoint is the one of this number.
fn check_endpoint(entry: &Entry<'_>, hub: &HubDef, endpoint: &HubEndpoint, number: usize) -> Read<()> {
    let is_same = |other: &&HubEndpoint| other.connection == endpoint.connection && other.stream == endpoint.stream;
    if let Some(other) = hub.endpoints.iter().take(number).find(is_same) {
        let reason = format_args!(
            "is the stream `{}` of `{}`, which `{}` is already",
            endpoint.stream, endpoint.connection, other.name
        );
        return Err(entry.invalid_with(reason, ENDPOINT_EXAMPLE));
    }
    if !has_column(hub, endpoint) {
        return Err(entry.invalid_with("has no column in `fields`", FIELD_EXAMPLE));
    }
    match hub.deletes {
        HubDeletes::Archive if endpoint.direction.writes() && endpoint.archive.is_none() => {
            Err(entry.invalid_with("has no `archive`, which `deletes = \"archive\"` needs", ARCHIVE_EXAMPLE))
        }
        HubDeletes::Propagate | HubDeletes::Ignore if endpoint.archive.is_some() => Err(entry
            .below(&["archive"])
            .invalid_with("has no effect without `deletes = \"archive\"`", "deletes = \"archive\"")),
        _ => Ok(()),
    }
}

fn has_column(hub: &HubDef, endpoint: &HubEndpoint) -> bool {
    hub.fields.iter().any(|field| field.columns.contains_key(&endpoint.name))
}

fn check_field(entry: &Entry<'_>, hub: &HubDef, field: &HubField) -> Read<()> {
    check_columns(entry, hub, field)?;
    if let Some(owner) = &field.owner {
        return check_owner(entry, hub, field, &owner.endpoint);
    }
    check_priority(entry, hub, field)?;
    check_merge(entry, field)
}

fn check_columns(entry: &Entry<'_>, hub: &HubDef, field: &HubField) -> Read<()> {
    let endpoints = || hub.endpoints.iter().filter(|endpoint| field.columns.contains_key(&endpoint.name));
    for endpoint in endpoints().filter(|endpoint| !endpoint.direction.writes()) {
        if field.columns.get(&endpoint.name).is_some_and(|column| column.constant.is_some()) {
            let column = entry.below(&[&endpoint.name]);
            return Err(column.invalid_with("is a `constant` for an endpoint that is not written", ENDPOINT_EXAMPLE));
        }
    }
    let is_constant = field.columns.values().all(|column| column.constant.is_some());
    match is_constant || endpoints().any(|endpoint| field.is_read_from(endpoint)) {
        true => Ok(()),
        false => Err(entry.invalid_with("has no endpoint that is read, so it never gets a value", FIELD_EXAMPLE)),
    }
}

fn check_owner(entry: &Entry<'_>, hub: &HubDef, field: &HubField, owner: &str) -> Read<()> {
    if entry.children().iter().any(|child| child.key == "conflict") {
        return Err(entry
            .below(&["conflict"])
            .invalid_with("has no effect beside `owner`: only the owner sets the field", PRIORITY_EXAMPLE));
    }
    let owner_entry = entry.below(&["owner"]);
    match hub.endpoint(owner) {
        Some(endpoint) if !endpoint.direction.reads() => Err(owner_entry
            .invalid_with(format_args!("is `{owner}`, which is not read and so cannot set the field"), OWNER_EXAMPLE)),
        Some(endpoint) if !field.is_read_from(endpoint) => {
            Err(owner_entry.invalid_with(format_args!("is `{owner}`, which does not have the field"), OWNER_EXAMPLE))
        }
        _ => Ok(()),
    }
}

/// Only of a field's own list: the hub's is for all fields, and not every endpoint has every field.
fn check_priority(entry: &Entry<'_>, hub: &HubDef, field: &HubField) -> Read<()> {
    let conflict = entry.below(&["conflict"]);
    let ConflictPolicy::Priority(names) = &field.conflict else { return Ok(()) };
    if !conflict.is_list() {
        return Ok(());
    }
    for name in names {
        match hub.endpoint(name) {
            Some(endpoint) if !endpoint.direction.reads() => {
                return Err(conflict.invalid_with(format_args!("names `{name}`, which is not read"), PRIORITY_EXAMPLE));
            }
            Some(endpoint) if !field.is_read_from(endpoint) => {
                let reason = format_args!("names `{name}`, which does not have the field");
                return Err(conflict.invalid_with(reason, PRIORITY_EXAMPLE));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether the policy can merge values of the field's type, where that is said.
fn check_merge(entry: &Entry<'_>, field: &HubField) -> Read<()> {
    let Some(logical) = field.logical else { return Ok(()) };
    let refuse = |why: &str, example: &str| {
        let reason = format!("cannot merge values of the type `{logical}`: {why}");
        Err(entry.below(&["conflict"]).invalid_with(reason, example))
    };
    match &field.conflict {
        ConflictPolicy::Counter if !is_number(logical) => refuse("`counter` adds numbers", "type = \"int64\""),
        ConflictPolicy::Set { separator: None } if logical == LogicalType::Text => {
            refuse("a `set` of text needs a separator", "conflict = { set = \";\" }")
        }
        ConflictPolicy::Set { separator: Some(_) } if logical == LogicalType::Json => {
            refuse("its lists need no separator", "conflict = \"set\"")
        }
        ConflictPolicy::Set { .. } if !matches!(logical, LogicalType::Text | LogicalType::Json) => {
            refuse("a `set` is text or JSON", "type = \"text\"")
        }
        _ => Ok(()),
    }
}

fn is_number(logical: LogicalType) -> bool {
    matches!(logical, LogicalType::Int64 | LogicalType::Float64 | LogicalType::Decimal(_))
}

/// Two fields that are both written to one place would undo each other.
fn check_doubles(entry: &Entry<'_>, hub: &HubDef) -> Read<()> {
    let mut checked = Ok(());
    for endpoint in &hub.endpoints {
        let mut written: BTreeMap<&str, &HubField> = BTreeMap::new();
        for field in hub.fields.iter().filter(|field| hub.is_written(field, endpoint)) {
            let Some(column) = field.columns.get(&endpoint.name) else { continue };
            if let Some(other) = written.insert(&column.field, field) {
                let reason = format!("is written to `{}`, and so is the field `{}`", column.field, other.name);
                checked = Err(invalid(entry, &["fields", &field.name, &endpoint.name], reason, FIELD_EXAMPLE));
            }
        }
    }
    checked
}

/// What is decided about together needs one way of deciding.
fn check_groups(entry: &Entry<'_>, hub: &HubDef) -> Read<()> {
    let mut checked = Ok(());
    for (n, field) in hub.fields.iter().enumerate() {
        let Some(group) = &field.group else { continue };
        let line = entry.below(&["fields", &field.name]);
        if field.owner.is_none() && matches!(field.conflict, ConflictPolicy::Counter | ConflictPolicy::Set { .. }) {
            let reason = format_args!("is merged by itself, so it cannot be decided about with the group `{group}`");
            checked = Err(line.invalid_with(reason, GROUP_EXAMPLE));
            continue;
        }
        let Some(first) = hub.fields.iter().take(n).find(|first| first.group == field.group) else { continue };
        if first.owner != field.owner {
            let reason = format_args!("is in the group `{group}`, but has another owner than `{}`", first.name);
            checked = Err(line.invalid_with(reason, GROUP_EXAMPLE));
        } else if !is_same_policy(&first.conflict, &field.conflict) {
            let reason = format_args!("is in the group `{group}`, but has another `conflict` than `{}`", first.name);
            checked = Err(line.invalid_with(reason, GROUP_EXAMPLE));
        }
    }
    checked
}

/// What is decided about together is said together: an endpoint has a whole group, or nothing of it.
fn check_parts(entry: &Entry<'_>, hub: &HubDef) -> Read<()> {
    let mut checked = Ok(());
    for (n, field) in hub.fields.iter().enumerate() {
        let Some(group) = &field.group else { continue };
        let others = || hub.fields.iter().filter(|other| other.group == field.group);
        let is_first = !hub.fields.iter().take(n).any(|other| other.group == field.group);
        for endpoint in hub.endpoints.iter().filter(|_| is_first) {
            let lacks = |field: &&HubField| !field.columns.contains_key(&endpoint.name);
            let silent = |field: &&HubField| !field.is_read_from(endpoint);
            let read = || others().filter(|_| endpoint.direction.reads());
            let (missing, there) = match (others().find(lacks), others().find(|field| !lacks(field))) {
                (Some(missing), Some(there)) => (missing, there),
                // A constant is never read: beside fields that are, it is missing too.
                _ => match (read().find(silent), read().find(|field| !silent(field))) {
                    (Some(missing), Some(there)) => (missing, there),
                    _ => continue,
                },
            };
            let reason = format!(
                "is in the group `{group}`, of which `{}` has only a part: `{}`, but not this field",
                endpoint.name, there.name
            );
            checked = Err(invalid(entry, &["fields", &missing.name], reason, GROUP_EXAMPLE));
        }
    }
    checked
}

fn is_same_policy(a: &ConflictPolicy, b: &ConflictPolicy) -> bool {
    match (a, b) {
        (ConflictPolicy::Manual, ConflictPolicy::Manual)
        | (ConflictPolicy::Newest, ConflictPolicy::Newest)
        | (ConflictPolicy::Counter, ConflictPolicy::Counter) => true,
        (ConflictPolicy::Priority(a), ConflictPolicy::Priority(b)) => a == b,
        (ConflictPolicy::Set { separator: a }, ConflictPolicy::Set { separator: b }) => a == b,
        (ConflictPolicy::Resolver(a), ConflictPolicy::Resolver(b)) => a.plugin == b.plugin && a.config == b.config,
        _ => false,
    }
}

/// Every endpoint that is read needs one rule whose fields it has: otherwise none of its records is ever found elsewhere.
fn check_matching(entry: &Entry<'_>, hub: &HubDef) -> Read<()> {
    let matching = &hub.matching;
    if matching.exact.is_empty() && matching.scored.is_none() {
        return Ok(());
    }
    for endpoint in hub.endpoints.iter().filter(|end| end.direction.reads() && has_column(hub, end)) {
        let has = |name: &str| hub.field(name).is_some_and(|field| field.is_read_from(endpoint));
        let fits = matching.exact.iter().any(|rule| rule.fields.iter().all(|field| has(&field.field)));
        let fits_score = matching.scored.as_ref().is_some_and(|score| {
            score.block.iter().all(|field| has(&field.field)) && score.fields.iter().any(|(field, _)| has(&field.field))
        });
        if !fits && !fits_score {
            let key = if matching.exact.is_empty() { "score" } else { "match" };
            let reason = format!("has no rule for `{}`: in each there is a field that it does not have", endpoint.name);
            return Err(invalid(entry, &[key], reason, "match = [\"email\"]"));
        }
    }
    Ok(())
}

fn invalid(entry: &Entry<'_>, keys: &[&str], reason: impl std::fmt::Display, example: &str) -> Reported {
    entry.below(keys).invalid_with(reason, example)
}
