//! Reads hubs: `[sync.NAME]` with `mode = "hub"`.

use std::time::Duration;

use super::{Known, read_dead_letters, read_guard, read_trigger};
use crate::project::reader::{Entry, Read, Section};
use crate::project::{
    CLOCK_DOUBT_DEFAULT, ConflictPolicy, DeleteConflict, HubDef, HubDeletes, HubEndpoint, TOMBSTONES_DEFAULT,
};

mod conflict;
mod endpoint;
mod field;
mod matching;
mod whole;

use conflict::read_conflict;
use endpoint::read_endpoints;
use field::read_fields;

const ENDPOINTS_MIN: usize = 2;

const ENDPOINT_EXAMPLE: &str = "endpoints.crm = { stream = \"Contacts\", direction = \"both\" }";
const FIELD_EXAMPLE: &str = "email = { crm = \"EmailAddress\", erp = \"email\" }";
const CONFLICT_EXAMPLE: &str = "conflict = \"newest\"";
const FILTER_EXAMPLE: &str = "endpoints.erp = { stream = \"public.customer\", filter = \"active\" }";
const ARCHIVE_EXAMPLE: &str = "archive = { field = \"Status\", value = \"archived\" }";

/// What a mirror is written with.
const MIRROR_KEYS: [&str; 5] = ["source", "target", "transforms", "schema", "compare"];
const FOR_MIRRORS: &str = "belongs to mirrors: a hub keeps its `endpoints` in agreement";

/// What the parts of a hub may refer to.
struct Scope<'a> {
    /// The names of the endpoints; none if one of them is wrong: then that is to be said, and not every place that names it.
    endpoints: &'a [String],
    known: &'a Known<'a>,
    /// The policy of fields that have none of their own.
    conflict: ConflictPolicy,
}

pub(super) fn read_hub(entry: &Entry<'_>, section: &Section<'_>, known: &Known<'_>) -> Read<HubDef> {
    let name = entry.name();
    let endpoints = section.required("endpoints", ENDPOINT_EXAMPLE);
    let endpoints = endpoints.and_then(|endpoints| read_endpoints(&endpoints, known));
    let names: Vec<String> = endpoints.iter().flatten().map(|endpoint: &HubEndpoint| endpoint.name.clone()).collect();
    let conflict = section.optional("conflict", CONFLICT_EXAMPLE).map(|conflict| read_conflict(&conflict, &names));
    let conflict = conflict.transpose().map(Option::unwrap_or_default);
    let scope = Scope { endpoints: &names, known, conflict: conflict.as_ref().cloned().unwrap_or_default() };
    let fields_entry = section.required("fields", FIELD_EXAMPLE);
    let fields = fields_entry.as_ref().map_or(Ok(Vec::new()), |fields| read_fields(fields, &scope));
    let field_names = fields_entry.as_ref().map(child_names).unwrap_or_default();
    let matching = matching::read_matching(section, &field_names);
    let deletes = read_deletes(section);
    let guard = read_guard(section);
    let clock_doubt = read_duration(section, "clock_doubt", "clock_doubt = \"2s\"", CLOCK_DOUBT_DEFAULT);
    let tombstones = read_duration(section, "tombstones", "tombstones = \"90d\"", TOMBSTONES_DEFAULT);
    let trigger_every = read_trigger(section);
    let dead_letters_max = read_dead_letters(section);
    section.refuse(|key| MIRROR_KEYS.contains(&key), FOR_MIRRORS, ENDPOINT_EXAMPLE);
    section.refuse(|key| key == "filter", "belongs to an endpoint: each has its own", FILTER_EXAMPLE);
    section.close(&[]);
    conflict?;
    fields_entry?;
    let (deletes, delete_conflict) = deletes?;
    let hub = HubDef {
        name: name?,
        endpoints: endpoints?,
        fields: fields?,
        matching: matching?,
        deletes,
        delete_conflict,
        guard: guard?,
        clock_doubt: clock_doubt?,
        tombstones: tombstones?,
        trigger_every: trigger_every?,
        dead_letters_max: dead_letters_max?,
        place: entry.place.clone(),
    };
    whole::check_hub(entry, &hub)?;
    Ok(hub)
}

fn child_names(entry: &Entry<'_>) -> Vec<String> {
    entry.children().into_iter().map(|child| child.key).collect()
}

fn read_duration(section: &Section<'_>, key: &'static str, example: &'static str, default: Duration) -> Read<Duration> {
    section.optional(key, example).map_or(Ok(default), |entry| entry.duration())
}

fn read_deletes(section: &Section<'_>) -> Read<(HubDeletes, DeleteConflict)> {
    let deletes =
        [("propagate", HubDeletes::Propagate), ("ignore", HubDeletes::Ignore), ("archive", HubDeletes::Archive)];
    let conflicts = [
        ("manual", DeleteConflict::Manual),
        ("edit-wins", DeleteConflict::EditWins),
        ("delete-wins", DeleteConflict::DeleteWins),
    ];
    let deletes =
        section.optional("deletes", "deletes = \"propagate\"").map(|entry| entry.choice(&deletes)).transpose();
    let conflict_entry = section.optional("delete_conflict", "delete_conflict = \"manual\"");
    let conflict = conflict_entry.as_ref().map(|entry| entry.choice(&conflicts)).transpose();
    let deletes = deletes?.unwrap_or_default();
    match conflict_entry {
        Some(entry) if deletes == HubDeletes::Ignore => {
            let reason = "has no effect with `deletes = \"ignore\"`: no delete goes anywhere";
            Err(entry.invalid_with(reason, "deletes = \"propagate\""))
        }
        _ => Ok((deletes, conflict?.unwrap_or_default())),
    }
}
