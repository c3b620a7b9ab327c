//! Reading records by their keys.

use serde::de::DeserializeOwned;

use crate::error::Result;
use crate::types::{Batch, Changes, ReadRequest};

/// Optional: records by their keys. Hubs look at single records with it.
///
/// ```
/// use lockstep_plugin_sdk::http::Client;
/// use lockstep_plugin_sdk::lookup::Lookup;
/// use lockstep_plugin_sdk::prelude::*;
/// use serde::Deserialize;
///
/// #[derive(Record, Deserialize)]
/// struct Contact {
///     #[record(key)]
///     id: i64,
///     name: Option<String>,
/// }
///
/// #[derive(Record)]
/// struct Key {
///     id: i64,
/// }
///
/// struct Crm;
///
/// impl Lookup for Crm {
///     type Config = NoConfig;
///
///     fn lookup(_config: NoConfig, request: ReadRequest, keys: Batch) -> Result<Changes> {
///         let client = Client::new("api");
///         let ask = |key: Result<Key>| key.map(|key| client.get(&format!("contacts/{}", key.id)));
///         let mut found = Records::<Contact>::for_fields(&request.fields)?;
///         for reply in client.send_all(Key::read(&keys).map(ask).collect::<Result<_>>()?) {
///             let reply = reply?;
///             if reply.status != 404 {
///                 found.push(&reply.json()?)?;
///             }
///         }
///         Ok(Changes::upserts(found.finish()?))
///     }
/// }
/// ```
pub trait Lookup {
    /// Read from the connection's `config`.
    type Config: DeserializeOwned;

    /// The records whose key fields equal a row of `keys`, in any order; those that do not exist are left out.
    fn lookup(config: Self::Config, request: ReadRequest, keys: Batch) -> Result<Changes>;
}
