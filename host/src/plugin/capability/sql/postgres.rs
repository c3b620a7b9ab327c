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
mod lease;
mod messages;
mod native;
mod numeric;
mod pool;
mod rows;
mod session;
mod stream;
mod tls;
mod wire;

use std::sync::Arc;

use crate::connector::Failure;

pub(super) use ingest::Ingest;
pub(super) use rows::Rows;
pub(super) use session::Session;

/// A database with its idle connections.
#[derive(Clone)]
pub(super) struct Database(Arc<pool::Pool>);

impl Database {
    pub fn new(url: &str, origin: &str) -> Result<Self, Failure> {
        Ok(Self(Arc::new(pool::Pool::new(connect::Connector::new(url, origin)?))))
    }

    pub fn origin(&self) -> &str {
        &self.0.connector.origin
    }

    pub async fn open(&self) -> Result<Session, Failure> {
        let wire = self.0.acquire().await?;
        Ok(Session::new(lease::Home::new(wire, self.0.clone())))
    }
}
