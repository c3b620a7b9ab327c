//! PostgreSQL, over its own protocol.
//!
//! Own code instead of a client library because of three things none offers: the format of each result column can be chosen, so
//! that types nobody knows arrive as text; the state of the transaction is known; and rows are decoded in the connection's buffer,
//! without a value or a row of their own in between.

mod address;
mod connect;
mod decode;
mod encode;
mod fault;
mod ingest;
mod messages;
mod native;
mod numeric;
mod rows;
mod session;
mod wire;

use std::sync::Arc;

use super::{DatabasePlace, lease, pool};
use crate::connector::Failure;

pub(super) use ingest::Ingest;
pub(super) use rows::Rows;
pub(super) use session::Session;

type Home = lease::Home<connect::Connector>;
type Lease = lease::Lease<connect::Connector>;

/// A database with its idle connections.
#[derive(Clone)]
pub(super) struct Database(Arc<pool::Pool<connect::Connector>>);

impl Database {
    pub fn new(url: &str, origin: &str) -> Result<Self, Failure> {
        Ok(Self(Arc::new(pool::Pool::new(connect::Connector::new(url, origin)?))))
    }

    pub fn origin(&self) -> &str {
        &self.0.connector.origin
    }

    pub fn password(&self) -> Option<String> {
        self.0.connector.password()
    }

    pub fn place(&self) -> DatabasePlace {
        self.0.connector.place()
    }

    pub async fn open(&self) -> Result<Session, Failure> {
        let wire = self.0.acquire().await?;
        let server = format!("postgres {}", wire.version);
        Ok(Session::new(Home::new(wire, server, self.0.clone())))
    }
}
