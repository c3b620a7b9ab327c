//! MariaDB and MySQL, over their own protocol.
//!
//! Own code instead of a client library, for the same reasons as with PostgreSQL: rows are decoded in the connection's buffer, the
//! state of the transaction is known, a statement that nobody waits for is stopped, and values that the server would round, cut or
//! pad without a word are found before they are sent. And it adds no crate to the build: `mysql_async` with its smallest set of
//! features adds twelve.
//!
//! Every session is strict, speaks utf8mb4 and lives in UTC, whatever the server's defaults are.

mod address;
mod auth;
mod connect;
mod decode;
mod encode;
mod fault;
mod ingest;
mod native;
mod packet;
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
        let server = wire.server.to_string();
        Ok(Session::new(Home::new(wire, server, self.0.clone())))
    }
}
