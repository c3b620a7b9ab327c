//! The streams of a service.

use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::types::{Field, Stream};

use crate::config::Config;
use crate::connection::Connection;
use crate::entity::Entity;
use crate::metadata::Metadata;

/// The sets of these names, or all.
pub fn discover(config: Config, names: &[String]) -> Result<Vec<Stream>> {
    let connection = Connection::new(config);
    let metadata = connection.metadata()?;
    let is_wanted = |name: &String| names.is_empty() || names.contains(name);
    Ok(metadata.sets.iter().filter(|set| is_wanted(&set.name)).map(|set| stream(&connection, &metadata, set)).collect())
}

fn stream(connection: &Connection, metadata: &Metadata, set: &crate::metadata::EntitySet) -> Stream {
    Entity::new(metadata, set, &connection.config).stream(metadata, set, &connection.config)
}

/// A set as its fields remember it, else as the service describes it.
pub fn entity(connection: &Connection, set: &str, fields: &[Field]) -> Result<Entity> {
    match Entity::remembered(&connection.config, set, fields) {
        Some(entity) => Ok(entity),
        None => described(connection, set),
    }
}

/// A set as the service describes it now.
pub fn described(connection: &Connection, set: &str) -> Result<Entity> {
    let metadata = connection.metadata()?;
    match metadata.set(set) {
        Some(found) => Ok(Entity::new(&metadata, found, &connection.config)),
        None => Err(Error::not_found(format!("the service has no entity set `{set}`")).with_code("odata.no-set")),
    }
}
