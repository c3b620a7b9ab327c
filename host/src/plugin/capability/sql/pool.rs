//! Connections that wait for their next session, of whatever server.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::connector::Failure;

/// A plugin rarely has more than one session to read and one to write.
const IDLE_MAX: usize = 2;
const RESET_TIMEOUT: Duration = Duration::from_secs(5);

/// One connection. All state stands in it and none in a future: whoever stops waiting in the middle of a call can go on or clean
/// up later.
pub(super) trait Wire: Send + 'static {
    /// Whether the connection is beyond repair.
    fn is_broken(&self) -> bool;

    fn give_up(&mut self);

    /// Whether the connection still stands, as far as can be seen without asking the server.
    fn is_alive(&self) -> bool;

    /// Reads on until the server is ready for the next statement; what arrives is thrown away.
    fn settle(&mut self) -> impl Future<Output = Result<(), Failure>> + Send;

    /// As [`Wire::settle`], of what has arrived already. Says whether the server is ready.
    fn settle_now(&mut self) -> bool;
}

/// Knows the way to a database.
pub(super) trait Connector: Send + Sync + 'static {
    type Wire: Wire;

    /// What failures call the database.
    fn origin(&self) -> &str;

    fn connect(&self) -> impl Future<Output = Result<Self::Wire, Failure>> + Send;

    /// Rolls back and forgets everything a session did. Whether that has worked shows in the connection too.
    fn reset(&self, wire: &mut Self::Wire) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Has the server stop what it does on this connection, and returns once it is ready for the next statement.
    fn cancel(&self, wire: &mut Self::Wire) -> impl Future<Output = Result<(), Failure>> + Send;
}

pub(super) struct Pool<C: Connector> {
    pub connector: C,
    idle: Mutex<Vec<C::Wire>>,
}

impl<C: Connector> Pool<C> {
    pub fn new(connector: C) -> Self {
        Self { connector, idle: Mutex::new(Vec::new()) }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<C::Wire>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection as good as new.
    pub async fn acquire(&self) -> Result<C::Wire, Failure> {
        loop {
            let Some(wire) = self.lock().pop() else { return self.connector.connect().await };
            if wire.is_alive() {
                return Ok(wire);
            }
        }
    }

    /// Makes the connection as good as new, then keeps it if there is room for it.
    pub fn release(self: Arc<Self>, mut wire: C::Wire) {
        // Without a runtime the connection closes here, and the server rolls back.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            let reset = tokio::time::timeout(RESET_TIMEOUT, self.connector.reset(&mut wire)).await;
            let is_clean = matches!(reset, Ok(Ok(()))) && !wire.is_broken();
            let mut idle = self.lock();
            if is_clean && idle.len() < IDLE_MAX {
                idle.push(wire);
            }
        });
    }
}
