//! Reads `[sync.NAME.fields]` of a hub: one line per field, one column per endpoint.

use std::collections::BTreeMap;

use super::super::{check_fits, scalar};
use super::conflict::{read_conflict, read_endpoint_name};
use super::endpoint::read_expression;
use super::{CONFLICT_EXAMPLE, FIELD_EXAMPLE, Scope};
use crate::project::name::SyncName;
use crate::project::reader::{Entry, Read, Section};
use crate::project::{ConflictPolicy, Expression, HubColumn, HubField, Others, Owner};
use crate::record::LogicalType;

/// The keys of a field that are no endpoints.
pub(super) const RESERVED: [&str; 8] =
    ["type", "owner", "others", "conflict", "group", "reference", "tags", "transform"];

pub(super) const OWNER_EXAMPLE: &str =
    "credit_limit = { crm = \"CreditLimit\", erp = \"credit_limit\", owner = \"erp\" }";
const COLUMN_EXAMPLE: &str = "crm = { field = \"Status\", values = { \"A\" = \"active\", \"I\" = \"inactive\" } }";

pub(super) fn read_fields(entry: &Entry<'_>, scope: &Scope<'_>) -> Read<Vec<HubField>> {
    let lines: Vec<Read<HubField>> =
        entry.section()?.entries(FIELD_EXAMPLE).iter().map(|line| read_field(line, scope)).collect();
    match lines.is_empty() {
        true => Err(entry.invalid("must name at least one field")),
        false => lines.into_iter().collect(),
    }
}

fn read_field(entry: &Entry<'_>, scope: &Scope<'_>) -> Read<HubField> {
    if entry.key.is_empty() {
        return Err(entry.invalid("must have a name"));
    }
    let section = entry.section()?;
    let logical = section.optional("type", "type = \"decimal(18,2)\"").map(|logical| logical.parsed()).transpose();
    let owner = read_owner(&section, scope);
    let conflict = read_own_conflict(&section, scope);
    let group = section.optional("group", "group = \"address\"").map(|group| group.filled_text()).transpose();
    let reference = section.optional("reference", "reference = \"company\"").map(|entry| read_reference(&entry, scope));
    let tags = section.optional("tags", "tags = [\"pii\"]").map(|tags| read_tags(&tags)).transpose();
    let transform = section.optional("transform", "transform = \"lower(trim(value))\"");
    let transform = transform.map(|transform| read_expression(&transform)).transpose();
    let logical = logical?;
    let columns = read_columns(entry, &section, scope, logical);
    let (mut columns, transform) = (columns?, transform?);
    if let Some(transform) = transform {
        spread(&mut columns, &transform);
    }
    if columns.is_empty() {
        return Err(entry.invalid("has no endpoint"));
    }
    Ok(HubField {
        name: entry.key.clone(),
        columns,
        logical,
        owner: owner?,
        conflict: conflict?,
        group: group?.map(str::to_owned),
        reference: reference.transpose()?,
        tags: tags?.unwrap_or_default(),
        place: entry.place.clone(),
    })
}

/// A transform is how every endpoint is read that does not say anything else.
fn spread(columns: &mut BTreeMap<String, HubColumn>, transform: &Expression) {
    let is_plain =
        |column: &&mut HubColumn| column.read.is_none() && column.values.is_empty() && column.constant.is_none();
    for column in columns.values_mut().filter(is_plain) {
        column.read = Some(transform.clone());
    }
}

fn read_owner(section: &Section<'_>, scope: &Scope<'_>) -> Read<Option<Owner>> {
    let choices = [("restore", Others::Restore), ("ignore", Others::Ignore)];
    let owner = section.optional("owner", OWNER_EXAMPLE);
    let others = section.optional("others", "others = \"restore\"");
    match (owner, others) {
        (Some(owner), others) => {
            let endpoint = match owner.is_list() {
                true => Err(owner.invalid("must be one endpoint: no field has several owners")),
                false => read_endpoint_name(&owner, scope.endpoints),
            };
            let others = others.map(|others| others.choice(&choices)).transpose();
            Ok(Some(Owner { endpoint: endpoint?, others: others?.unwrap_or_default() }))
        }
        (None, Some(others)) => Err(others.invalid_with("has no effect without `owner`", OWNER_EXAMPLE)),
        (None, None) => Ok(None),
    }
}

fn read_own_conflict(section: &Section<'_>, scope: &Scope<'_>) -> Read<ConflictPolicy> {
    match section.optional("conflict", CONFLICT_EXAMPLE) {
        Some(conflict) => read_conflict(&conflict, scope.endpoints),
        None => Ok(scope.conflict.clone()),
    }
}

fn read_reference(entry: &Entry<'_>, scope: &Scope<'_>) -> Read<SyncName> {
    let name = entry.filled_text()?;
    if scope.known.mirrors.iter().any(|mirror| mirror == name) {
        return Err(
            entry.invalid(format_args!("names the mirror `{name}`: only the records of a hub can be referred to"))
        );
    }
    if !scope.known.hubs.iter().any(|hub| hub == name) {
        return Err(entry.undefined("hub", name, scope.known.hubs));
    }
    entry.parsed()
}

fn read_tags(entry: &Entry<'_>) -> Read<Vec<String>> {
    entry.elements()?.iter().map(|tag| tag.filled_text().map(str::to_owned)).collect()
}

/// Whatever is none of a field's keys must be an endpoint.
fn read_columns(
    field: &Entry<'_>,
    section: &Section<'_>,
    scope: &Scope<'_>,
    logical: Option<LogicalType>,
) -> Read<BTreeMap<String, HubColumn>> {
    let names: Vec<&str> = scope.endpoints.iter().map(String::as_str).chain(RESERVED).collect();
    let entries = section.entries(FIELD_EXAMPLE);
    let columns = entries.iter().filter(|entry| !RESERVED.contains(&entry.key.as_str())).map(|entry| {
        if !scope.endpoints.contains(&entry.key) && !scope.endpoints.is_empty() {
            return Err(entry.unknown(&section.path, &names));
        }
        Ok((entry.key.clone(), read_column(entry, &field.key, logical)?))
    });
    let columns: Vec<Read<(String, HubColumn)>> = columns.collect();
    columns.into_iter().collect()
}

fn read_column(entry: &Entry<'_>, field: &str, logical: Option<LogicalType>) -> Read<HubColumn> {
    let mut column = HubColumn {
        field: field.to_owned(),
        read: None,
        write: None,
        values: Vec::new(),
        default: None,
        constant: None,
        place: entry.place.clone(),
    };
    if entry.as_text().is_some() {
        column.field = entry.filled_text()?.to_owned();
        return Ok(column);
    }
    let section = entry.section()?;
    let name = section.optional("field", "crm = { field = \"Status\" }").map(|name| name.filled_text()).transpose();
    let read = section.optional("read", "read = \"value == 1\"").map(|entry| read_expression(&entry)).transpose();
    let write = section.optional("write", "write = \"value ? 1 : 0\"").map(|entry| read_expression(&entry)).transpose();
    let values = section.optional("values", COLUMN_EXAMPLE).map(|values| read_values(&values)).transpose();
    let default = section.optional("default", "default = \"active\"").map(|entry| read_default(&entry, logical));
    let constant = section.optional("constant", "constant = \"lockstep\"").map(|entry| scalar(&entry)).transpose();
    section.close(&[]);
    column.field = name?.map_or(column.field, str::to_owned);
    (column.read, column.write) = (read?, write?);
    (column.values, column.default, column.constant) = (values?.unwrap_or_default(), default.transpose()?, constant?);
    check_column(entry, &column)?;
    Ok(column)
}

fn read_default(entry: &Entry<'_>, logical: Option<LogicalType>) -> Read<serde_json::Value> {
    let value = scalar(entry)?;
    check_fits(entry, &value, logical)?;
    Ok(value)
}

fn check_column(entry: &Entry<'_>, column: &HubColumn) -> Read<()> {
    let has_expression = column.read.is_some() || column.write.is_some();
    if column.constant.is_some() && (has_expression || !column.values.is_empty() || column.default.is_some()) {
        return Err(entry.invalid_with(
            "has a `constant`, which leaves nothing to `read`, `write`, `values` or `default`",
            "crm = { field = \"Source\", constant = \"lockstep\" }",
        ));
    }
    if has_expression && !column.values.is_empty() {
        return Err(entry.invalid_with("has `values`, which leave nothing to `read` or `write`", COLUMN_EXAMPLE));
    }
    Ok(())
}

/// Pairs that can be followed both ways. The endpoint's values are keys, which TOML itself has only once.
fn read_values(entry: &Entry<'_>) -> Read<Vec<(String, String)>> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for pair in entry.section()?.entries(COLUMN_EXAMPLE) {
        let value = pair.text()?;
        if let Some((other, _)) = pairs.iter().find(|(_, known)| known == value) {
            return Err(
                pair.invalid(format_args!("stands for `{value}`, as `{other}` does: it could not be written back"))
            );
        }
        pairs.push((pair.key.clone(), value.to_owned()));
    }
    match pairs.is_empty() {
        true => Err(entry.invalid("must list at least one value")),
        false => Ok(pairs),
    }
}
