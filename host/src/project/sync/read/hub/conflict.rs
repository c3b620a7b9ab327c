//! Reads `conflict`, of a hub and of a field.

use std::collections::BTreeMap;

use crate::project::connection::{read_config, read_plugin};
use crate::project::reader::{Entry, Read, Section};
use crate::project::{ConflictPolicy, TransformRef};

const SET_EXAMPLE: &str = "conflict = { set = \";\" }";
const RESOLVER_EXAMPLE: &str = "conflict = { resolver = \"plugins/decide.wasm\" }";

/// `endpoints` are those that may be named.
pub(super) fn read_conflict(entry: &Entry<'_>, endpoints: &[String]) -> Read<ConflictPolicy> {
    if entry.as_text().is_some() {
        return read_word(entry);
    }
    match entry.as_section() {
        Some(section) => read_table(entry, &section),
        None if entry.is_list() => read_priority(entry, endpoints).map(ConflictPolicy::Priority),
        None => Err(entry.invalid("must be a word, a list of endpoints, or a table with `set` or `resolver`")),
    }
}

fn read_word(entry: &Entry<'_>) -> Read<ConflictPolicy> {
    let set = ConflictPolicy::Set { separator: None };
    let words = [
        ("manual", &ConflictPolicy::Manual),
        ("newest", &ConflictPolicy::Newest),
        ("counter", &ConflictPolicy::Counter),
        ("set", &set),
    ];
    entry.choice(&words).cloned()
}

fn read_table(entry: &Entry<'_>, section: &Section<'_>) -> Read<ConflictPolicy> {
    let set = section.optional("set", SET_EXAMPLE);
    let resolver = section.optional("resolver", RESOLVER_EXAMPLE);
    let config = section.optional("config", RESOLVER_EXAMPLE);
    section.close(&[]);
    match (set, resolver, config) {
        (Some(set), None, None) => Ok(ConflictPolicy::Set { separator: Some(set.filled_text()?.to_owned()) }),
        (None, Some(resolver), config) => {
            let plugin = read_plugin(&resolver);
            let config = read_config(config.as_ref(), &mut BTreeMap::new());
            Ok(ConflictPolicy::Resolver(TransformRef { plugin: plugin?, config: config?, place: resolver.place }))
        }
        (Some(_), _, _) => Err(entry.invalid_with("has a `set`, which leaves nothing to a resolver", SET_EXAMPLE)),
        (None, None, _) => Err(section.missing("resolver", RESOLVER_EXAMPLE)),
    }
}

fn read_priority(entry: &Entry<'_>, endpoints: &[String]) -> Read<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    for element in entry.elements()? {
        let name = read_endpoint_name(&element, endpoints)?;
        if names.contains(&name) {
            return Err(element.invalid(format_args!("names `{name}` a second time")));
        }
        names.push(name);
    }
    match names.is_empty() {
        true => Err(entry.invalid_with("must name at least one endpoint", "conflict = [\"crm\", \"erp\"]")),
        false => Ok(names),
    }
}

/// Without any endpoint every name would be wrong, and the cause would be lost among them.
pub(super) fn read_endpoint_name(entry: &Entry<'_>, endpoints: &[String]) -> Read<String> {
    let name = entry.filled_text()?;
    match endpoints.iter().any(|endpoint| endpoint == name) || endpoints.is_empty() {
        true => Ok(name.to_owned()),
        false => Err(entry.undefined("endpoint", name, endpoints)),
    }
}
