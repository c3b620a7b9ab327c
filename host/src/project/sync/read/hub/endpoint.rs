//! Reads `endpoints.NAME`.

use super::super::{Known, read_connection_name, read_every, read_types, scalar};
use super::field::RESERVED;
use super::{ARCHIVE_EXAMPLE, ENDPOINT_EXAMPLE, ENDPOINTS_MIN};
use crate::project::name::{ConnectionName, check_name};
use crate::project::reader::{Entry, Read, Section};
use crate::project::{Archive, Direction, Expression, HubEndpoint, OnExit};

const ON_EXIT_EXAMPLE: &str = "on_exit = { field = \"Status\", value = \"archived\" }";

const DIRECTIONS: [(&str, Direction); 3] =
    [("read", Direction::Read), ("write", Direction::Write), ("both", Direction::Both)];

/// Keys that do nothing where an endpoint is not read, or not written: nobody would learn that they do nothing.
const READ_KEYS: [&str; 3] = ["modified", "lookback", "enumerate"];
const WRITE_KEYS: [&str; 2] = ["archive", "visibility_lag"];

pub(super) fn read_endpoints(entry: &Entry<'_>, known: &Known<'_>) -> Read<Vec<HubEndpoint>> {
    let entries = entry.section()?.entries(ENDPOINT_EXAMPLE);
    let endpoints: Vec<Read<HubEndpoint>> = entries.iter().map(|endpoint| read_endpoint(endpoint, known)).collect();
    if endpoints.len() < ENDPOINTS_MIN {
        return Err(entry.invalid(format_args!("must have at least two endpoints, found {}", endpoints.len())));
    }
    endpoints.into_iter().collect()
}

fn read_endpoint(entry: &Entry<'_>, known: &Known<'_>) -> Read<HubEndpoint> {
    let section = entry.section()?;
    let name = read_name(entry);
    let connection = read_connection(entry, &section, known);
    let stream = section.required("stream", "stream = \"Contacts\"").and_then(|stream| stream.filled_text());
    let direction = section.optional("direction", "direction = \"both\"").map(|entry| entry.choice(&DIRECTIONS));
    let key = section.optional("key", "key = [\"id\"]").map(|key| key.names()).transpose();
    let modified = section.optional("modified", "modified = \"updated_at\"");
    let lookback = section.optional("lookback", "lookback = \"10m\"");
    let types =
        section.optional("types", "types = { amount = \"decimal(18,2)\" }").map(|types| read_types(&types)).transpose();
    let filter = section.optional("filter", "filter = \"active && country == 'DE'\"");
    let on_exit = section.optional("on_exit", "on_exit = \"unlink\"").map(|entry| read_on_exit(&entry)).transpose();
    let archive =
        section.optional("archive", ARCHIVE_EXAMPLE).map(|entry| read_archive(&entry, ARCHIVE_EXAMPLE)).transpose();
    let lag = section.optional("visibility_lag", "visibility_lag = \"30s\"").map(|entry| entry.duration()).transpose();
    let enumerate = section.optional("enumerate", "enumerate = { every = \"10m\" }");
    let enumerate_every = enumerate.map(|entry| read_every(&entry, &[])).transpose();
    section.close(&[]);
    let modified = modified.map(|entry| entry.filled_text().map(str::to_owned)).transpose();
    let lookback = lookback.map(|entry| entry.duration()).transpose();
    let filter = filter.map(|entry| read_expression(&entry)).transpose();
    let endpoint = HubEndpoint {
        name: name?,
        connection: connection?,
        stream: stream?.to_owned(),
        direction: direction.transpose()?.unwrap_or_default(),
        key: key?.unwrap_or_default(),
        modified: modified?,
        lookback: lookback?,
        types: types?.unwrap_or_default(),
        filter: filter?,
        on_exit: on_exit?.unwrap_or_default(),
        archive: archive?,
        visibility_lag: lag?,
        enumerate_every: enumerate_every?,
        place: entry.place.clone(),
    };
    check_without_effect(entry, &section, &endpoint)?;
    Ok(endpoint)
}

/// An endpoint is the key of a column in every field, where other keys stand as well.
fn read_name(entry: &Entry<'_>) -> Read<String> {
    if RESERVED.contains(&entry.key.as_str()) {
        return Err(entry.invalid(format_args!(
            "must have another name: `{}` means something else in `fields`; say the connection beside it",
            entry.key
        )));
    }
    check_name(&entry.key).map_err(|error| entry.invalid(format_args!("has no valid name: {error}")))?;
    Ok(entry.key.clone())
}

fn read_connection(entry: &Entry<'_>, section: &Section<'_>, known: &Known<'_>) -> Read<ConnectionName> {
    match section.optional("connection", "connection = \"crm\"") {
        Some(connection) => read_connection_name(&connection, known),
        None if known.connections.contains(&entry.key) => entry.name(),
        None => Err(entry.undefined("connection", &entry.key, known.connections)),
    }
}

pub(super) fn read_expression(entry: &Entry<'_>) -> Read<Expression> {
    Ok(Expression { text: entry.filled_text()?.to_owned(), place: entry.place.clone() })
}

fn read_on_exit(entry: &Entry<'_>) -> Read<OnExit> {
    match entry.as_section() {
        Some(_) => read_archive(entry, ON_EXIT_EXAMPLE).map(OnExit::Archive),
        None => entry.choice(&[("unlink", &OnExit::Unlink), ("delete", &OnExit::Delete)]).cloned(),
    }
}

fn read_archive(entry: &Entry<'_>, example: &'static str) -> Read<Archive> {
    let section = entry.section()?;
    let field = section.required("field", example).and_then(|field| field.filled_text());
    let value = section.required("value", example).and_then(|value| scalar(&value));
    section.close(&[]);
    Ok(Archive { field: field?.to_owned(), value: value? })
}

fn check_without_effect(entry: &Entry<'_>, section: &Section<'_>, endpoint: &HubEndpoint) -> Read<()> {
    let stated = section.entries(ENDPOINT_EXAMPLE);
    let stated_in = |keys: &[&str]| stated.iter().find(|entry| keys.contains(&entry.key.as_str()));
    if let (false, Some(entry)) = (endpoint.direction.reads(), stated_in(&READ_KEYS)) {
        return Err(entry.invalid("has no effect where `direction = \"write\"`: nothing is read there"));
    }
    if let (false, Some(entry)) = (endpoint.direction.writes(), stated_in(&WRITE_KEYS)) {
        return Err(entry.invalid("has no effect where `direction = \"read\"`: nothing is written there"));
    }
    if endpoint.modified.is_none() && endpoint.lookback.is_some() {
        return Err(entry
            .below(&["lookback"])
            .invalid_with("has no effect without `modified`", "modified = \"updated_at\""));
    }
    check_on_exit(entry, endpoint)
}

fn check_on_exit(entry: &Entry<'_>, endpoint: &HubEndpoint) -> Read<()> {
    let Some(on_exit) = entry.children().into_iter().find(|child| child.key == "on_exit") else { return Ok(()) };
    if endpoint.filter.is_none() {
        return Err(
            on_exit.invalid_with("has no effect without `filter`: no record ever leaves", "filter = \"active\"")
        );
    }
    match endpoint.on_exit {
        OnExit::Delete | OnExit::Archive(_) if !endpoint.direction.writes() => Err(on_exit.invalid_with(
            "would write where `direction = \"read\"`: records can only be unlinked there",
            "on_exit = \"unlink\"",
        )),
        _ => Ok(()),
    }
}
